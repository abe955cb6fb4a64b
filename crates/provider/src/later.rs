//! How an answer is fetched that is not there at once, as data.

use std::time::Duration;

/// How often it is looked for, and where it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// The provider is asked to hold back what comes first for so long, so that short answers are
    /// there at once; whole seconds.
    pub wait: Duration,
    /// Before the first look, where what came first was not the answer.
    pub pause: Duration,
    /// Each pause is twice as long as the one before, and not longer than this.
    pub pause_max: Duration,
    /// Hosts beside the provider's own that answers may be fetched from. They are shown no
    /// credential.
    pub hosts: &'static [&'static str],
}

impl Later {
    /// How long to wait after so many looks.
    #[must_use]
    pub fn pause(&self, looks: u32) -> Duration {
        let factor = 2_u32.saturating_pow(looks);
        self.pause.saturating_mul(factor).min(self.pause_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_their_bound() {
        let second = Duration::from_secs(1);
        let later = Later { wait: second, pause: second, pause_max: second * 5, hosts: &[] };
        let pauses: Vec<u64> = (0..5).map(|looks| later.pause(looks).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5]);
        assert_eq!(later.pause(u32::MAX), second * 5);
    }
}

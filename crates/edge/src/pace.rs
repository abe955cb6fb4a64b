//! How fast a client's body comes, against the least that it has to.
//!
//! Only the time counts in which it is waited for: a gateway or a provider that is slow to take it is
//! not the client's fault. Pure: waits are told, not measured.

use std::time::Duration;

use weir_types::{Fault, FaultCode};

/// The pace of one body.
#[derive(Debug)]
pub(crate) struct Pace {
    rate_min: usize,
    window: Duration,
    /// In this window.
    waited: Duration,
    arrived: usize,
    /// The first window is the grace: connections begin slowly.
    is_judged: bool,
}

impl Pace {
    /// Of a body of which `rate_min` bytes a second have to come, where one may be silent for
    /// `stall_max`.
    pub(crate) fn new(rate_min: usize, stall_max: Duration) -> Self {
        let window = if rate_min == 0 { Duration::MAX } else { stall_max / 3 };
        Self { rate_min, window, waited: Duration::ZERO, arrived: 0, is_judged: false }
    }

    /// How much longer it may be waited for until it is judged.
    pub(crate) fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// It was waited for, and so much came.
    ///
    /// # Errors
    /// That is too little.
    pub(crate) fn wait(&mut self, waited: Duration, bytes: usize) -> Result<(), Fault> {
        self.waited = self.waited.saturating_add(waited);
        self.arrived = self.arrived.saturating_add(bytes);
        if self.waited < self.window {
            return Ok(());
        }
        let least = self.rate_min as f64 * self.waited.as_secs_f64();
        if self.is_judged && (self.arrived as f64) < least {
            let text = format!(
                "the request body did not arrive: {} bytes came in {:.1} s of waiting, less than {} \
                 a second (--body-rate-min)",
                self.arrived,
                self.waited.as_secs_f64(),
                self.rate_min,
            );
            return Err(Fault::new(FaultCode::RequestIncomplete, text));
        }
        (self.waited, self.arrived, self.is_judged) = (Duration::ZERO, 0, true);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_window_is_grace_and_every_other_one_is_judged() {
        let mut pace = Pace::new(100, 30 * SECOND);
        pace.wait(10 * SECOND, 0).unwrap();
        for _ in 0..10 {
            pace.wait(SECOND, 100).unwrap();
        }
        assert_eq!(pace.left(), 10 * SECOND);
        pace.wait(9 * SECOND, 998).unwrap();
        let fault = pace.wait(SECOND, 1).unwrap_err();
        assert_eq!(fault.code, FaultCode::RequestIncomplete);
    }

    #[test]
    fn without_waiting_and_without_a_rate_nothing_is_too_slow() {
        let mut pace = Pace::new(100, 30 * SECOND);
        for _ in 0..1000 {
            pace.wait(Duration::ZERO, 1).unwrap();
        }
        let mut pace = Pace::new(0, SECOND);
        for _ in 0..1000 {
            pace.wait(1000 * SECOND, 0).unwrap();
        }
        assert!(pace.left() > 1000 * SECOND);
    }
}

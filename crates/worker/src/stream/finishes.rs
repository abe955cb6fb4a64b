//! Which of a stream's answers have ended: a request may ask for several, and a stream is complete
//! only when each has its finish reason.

use weir_dialect::Observed;

/// The answers of one stream.
#[derive(Debug)]
pub(super) struct Finishes {
    /// How many were asked for.
    expected: u32,
    /// The answers that have begun, and whether they have ended.
    choices: Vec<(u32, bool)>,
    first: Option<String>,
}

/// More answers than any provider gives; a bound on what a provider can make us remember.
const CHOICES_MAX: usize = 1024;

impl Finishes {
    pub(super) fn new(expected: u32) -> Self {
        Self { expected: expected.max(1), choices: Vec::new(), first: None }
    }

    /// Whether events must be looked at closely to know which answers have begun.
    pub(super) fn are_many(&self) -> bool {
        self.expected > 1
    }

    /// Takes in what an event says; whether it ends an answer.
    pub(super) fn observe(&mut self, seen: Observed) -> bool {
        let mut ends = false;
        for (choice, finish) in seen.choices {
            ends |= finish.is_some();
            self.note(choice, finish);
        }
        ends
    }

    /// Answer `choice` goes on, or ends with `finish`.
    pub(super) fn note(&mut self, choice: u32, finish: Option<String>) {
        let ended = finish.is_some();
        if self.first.is_none() {
            self.first = finish;
        }
        let known = self.choices.len();
        match self.choices.iter_mut().find(|(of, _)| *of == choice) {
            Some((_, has_ended)) => *has_ended |= ended,
            None if known < CHOICES_MAX => self.choices.push((choice, ended)),
            None => {}
        }
    }

    /// The first finish reason that was seen.
    pub(super) fn first(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Every answer that has begun has ended, and at least one has.
    pub(super) fn all_begun(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|(_, ended)| *ended)
    }

    /// As many answers have ended as were asked for.
    pub(super) fn all(&self) -> bool {
        self.all_begun() && self.choices.len() >= usize::try_from(self.expected).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_complete_when_every_answer_is() {
        let mut finishes = Finishes::new(2);
        assert!(!finishes.all() && !finishes.all_begun());
        finishes.note(0, None);
        finishes.note(1, None);
        finishes.note(1, Some("length".to_owned()));
        assert!(!finishes.all() && !finishes.all_begun());
        finishes.note(0, Some("stop".to_owned()));
        assert!(finishes.all() && finishes.all_begun());
        assert_eq!(finishes.first(), Some("length"));
    }

    #[test]
    fn a_provider_that_gives_fewer_answers_may_end_but_is_waited_for() {
        let mut finishes = Finishes::new(3);
        finishes.note(0, Some("stop".to_owned()));
        assert!(finishes.all_begun() && !finishes.all());
    }
}

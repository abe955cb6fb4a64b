//! The signal that a process is leaving, in two steps: stop taking work, then stop working.
//!
//! A [`Drain`] is what everybody watches, a [`DrainControl`] the one hand that turns it. Steps
//! only go forward.

use tokio::sync::watch;

/// How far the process has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Running,
    Draining,
    Over(Stop),
}

/// Why a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Everything in flight had finished.
    Finished,
    /// The drain limit passed before everything in flight had finished.
    LimitPassed,
    /// A second signal asked for an end at once.
    SecondSignal,
    /// A core failed.
    Failed,
}

/// Watches whether the process is leaving. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Drain {
    step: watch::Receiver<Step>,
}

/// Makes the process leave. Dropping the last one ends it at once.
#[derive(Debug, Clone)]
pub struct DrainControl {
    step: watch::Sender<Step>,
}

impl Drain {
    /// A drain that has not begun, and what begins it.
    #[must_use]
    pub fn new() -> (DrainControl, Self) {
        let (sender, receiver) = watch::channel(Step::Running);
        (DrainControl { step: sender }, Self { step: receiver })
    }

    /// Whether the process is leaving: not ready, and nothing new is taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.step.borrow() != Step::Running || self.step.has_changed().is_err()
    }

    /// Resolves once the process is leaving, at once if it already is.
    pub async fn draining(&mut self) {
        // An error means that the control is gone: that is an end, too.
        let _ = self.step.wait_for(|step| *step != Step::Running).await;
    }

    /// Resolves once what is still in flight has to be dropped.
    pub async fn over(&mut self) -> Stop {
        let over = self.step.wait_for(|step| matches!(step, Step::Over(_))).await;
        match over.as_deref() {
            Ok(Step::Over(stop)) => *stop,
            _ => Stop::Finished,
        }
    }
}

impl DrainControl {
    /// Begins to leave.
    pub fn start(&self) {
        self.go_to(Step::Draining);
    }

    /// Ends at once; the first reason stays.
    pub fn end(&self, why: Stop) {
        self.go_to(Step::Over(why));
    }

    /// Why it ended, if it did.
    #[must_use]
    pub fn reason(&self) -> Option<Stop> {
        match *self.step.borrow() {
            Step::Over(stop) => Some(stop),
            Step::Running | Step::Draining => None,
        }
    }

    fn go_to(&self, next: Step) {
        self.step.send_if_modified(|step| {
            let forward = !matches!(step, Step::Over(_)) && *step < next;
            if forward {
                *step = next;
            }
            forward
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn steps_go_forward_only_and_the_first_reason_stays() {
        let (control, mut drain) = Drain::new();
        assert!(!drain.is_draining());
        control.start();
        assert!(drain.is_draining());
        drain.draining().await;
        control.end(Stop::SecondSignal);
        control.end(Stop::LimitPassed);
        control.start();
        assert_eq!(drain.over().await, Stop::SecondSignal);
        assert!(drain.is_draining());
    }

    #[tokio::test]
    async fn a_lost_control_ends_the_wait() {
        let (control, mut drain) = Drain::new();
        drop(control);
        assert!(drain.is_draining());
        drain.draining().await;
        assert_eq!(drain.over().await, Stop::Finished);
    }
}

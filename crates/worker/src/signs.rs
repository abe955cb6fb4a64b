//! How long a stream may go on that says nothing: comments, and events that are as empty, are no
//! silence, but keep it alive only for a while.
//!
//! Knows no format: whether an event says anything is told to it.

use std::time::Duration;

use tokio::time::Instant;

use crate::stream::Heard;

/// So often an event is read in full after the commit point: an empty one is no sign of life.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The signs of life of one stream, after the commit point.
pub(crate) struct Signs {
    /// As long as comments may be all that comes.
    limit: Duration,
    /// Since when they have been.
    since: Option<Instant>,
    /// When it was last asked whether events say anything.
    looked_at: Instant,
}

impl Signs {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, since: None, looked_at: Instant::now() }
    }

    /// Something may have come, which was waited for since then if it had to be, so that no clock is
    /// read for every event. `true`: the next events are to be read in full until one of them says
    /// something.
    pub(crate) fn note(&mut self, heard: Heard, waited_since: Option<Instant>) -> bool {
        if heard == Heard::Nothing {
            return false;
        }
        let now = waited_since.unwrap_or_else(Instant::now);
        if heard == Heard::Comments {
            self.since.get_or_insert(now);
            return false;
        }
        self.since = None;
        let is_due = now >= self.looked_at + LOOK_EVERY;
        if is_due {
            self.looked_at = now;
        }
        is_due
    }

    /// When there have been nothing but comments for too long, if there is nothing else.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.since.map(|since| since + self.limit)
    }

    /// There have been.
    pub(crate) fn are_over(&self) -> bool {
        self.end().is_some_and(|end| Instant::now() >= end)
    }
}

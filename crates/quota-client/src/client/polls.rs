//! When the pool is spoken to although no request has anything to say.

use weir_quota::Micros;

use super::{Entry, Phase, PoolClient};

/// Polls while something waits.
const POLL_BUSY: Micros = 500_000;

/// The same for tickets of this router, while the bell is not heard.
const POLL_DEAF: Micros = 50_000;

/// Between looks at a batch under way.
pub(super) const SENT_PAUSE: Micros = 20_000;

impl<W> PoolClient<W> {
    /// Does what no request does: renews leases and polls, where it is time for that. `is_deaf`: tickets
    /// of this router wait ([`PoolClient::waits`]) and the bell would not be heard.
    pub fn tend(&mut self, now: Micros, is_deaf: bool) {
        self.is_deaf = is_deaf;
        self.renew_if_due(now);
        if now >= self.next_poll(now) {
            self.poll();
        }
    }

    /// Renews leases and asks who is there, if it is time for that.
    pub(super) fn renew_if_due(&mut self, now: Micros) {
        if now >= self.renew_at {
            self.renew_at = now.saturating_add(self.timing.lease_ttl / 3);
            self.renew();
        }
    }

    /// When to call [`PoolClient::tend`] next; it is remembered that nobody does before.
    pub fn sleep(&mut self, now: Micros) -> Micros {
        let wake_at = self.next_poll(now).min(self.renew_at).max(now.saturating_add(1_000));
        self.armed = Some(wake_at);
        wake_at
    }

    /// Whether it would be called too late by now.
    pub fn oversleeps(&self, now: Micros) -> bool {
        self.armed.is_some_and(|armed| self.next_poll(now) < armed)
    }

    /// Asks for a batch even if there is nothing to say.
    pub(super) fn poll(&mut self) {
        self.poll_due = true;
        self.rung = false;
        self.restated = false;
        self.outbox.extend(self.deferred.drain(..));
    }

    /// When the pool must be asked again if nothing else is said until then.
    fn next_poll(&self, now: Micros) -> Micros {
        if let Some(until) = self.blocked_until {
            let asks = if self.in_flight { self.while_sent(now) } else { until };
            return self.wake_at.filter(|_| self.share.is_some()).map_or(asks, |at| at.min(asks));
        }
        let Some(heard_at) = self.heard_at else {
            return self.while_sent(now);
        };
        if self.rung {
            return self.while_sent(now);
        }
        let idle = self.timing.lease_ttl / 4;
        let pause = match (self.busy, self.is_deaf) {
            (true, true) => POLL_DEAF,
            (true, false) => POLL_BUSY,
            (false, _) => idle,
        };
        let due = heard_at.saturating_add(pause.min(idle));
        let due = if self.is_patient(now) { due.min(self.patient_until) } else { due };
        self.wake_at.map_or(due, |wake_at| wake_at.min(due)).max(self.while_sent(now))
    }

    /// Whether a ticket of this router waits for what others may free.
    pub fn waits(&self) -> bool {
        let waits = |entry: &Entry<W>| entry.sent && matches!(entry.phase, Phase::Waiting);
        self.busy && self.share.is_none() && self.entries.values().any(waits)
    }

    /// Now, or a moment later while a batch is under way: it brings news itself.
    pub(super) fn while_sent(&self, now: Micros) -> Micros {
        if self.in_flight { now.saturating_add(SENT_PAUSE) } else { now }
    }
}

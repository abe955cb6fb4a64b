//! A process that stood still: stopped, or without the CPU, for so long that its leases ran out.
//!
//! Their slots may be others' by now. The calls they were for are dropped before anything else is said
//! to the pool. A router that serves its share has slots of its own, which nobody else can have been
//! given: their time stands still with it, and its calls go on.

use weir_quota::Micros;

use super::{Entry, Phase, PoolClient};

/// The pool is spoken to again after this, whether or not all of those calls have ended.
const ENDS_WITHIN: Micros = 200_000;

impl<W> PoolClient<W> {
    /// To be told before anything else that something happens at `now`. Whom to wake if the process
    /// stood still before that; `None`: it did not, or no lease can have run out.
    pub fn lives(&mut self, now: Micros) -> Option<Vec<W>> {
        let lived_at = std::mem::replace(&mut self.lived_at, now);
        let lease_ttl = self.timing.lease_ttl;
        let stood_still = now.saturating_sub(lived_at);
        // The keeper says something more often than that.
        if stood_still < lease_ttl / 2 {
            return None;
        }
        if let Some(share) = &mut self.share {
            share.stand_still(stood_still);
            return None;
        }
        let mut woken = Vec::new();
        for entry in self.entries.values_mut() {
            let is_over = now.saturating_sub(entry.kept_at) >= lease_ttl;
            if is_over && let Phase::Held { key, .. } = &entry.phase {
                entry.phase = Phase::Lost { key: key.clone() };
                self.lost += 1;
                woken.extend(entry.watcher.take());
            }
        }
        // Those that are left are short of time.
        self.renew_due |= self.holds_any();
        if self.lost == 0 {
            return None;
        }
        self.lost_until = Some(now.saturating_add(ENDS_WITHIN));
        Some(woken)
    }

    /// Calls that run without a slot.
    pub fn lost_calls(&self) -> usize {
        self.lost
    }

    /// Whether calls that lost their slots have yet to end.
    pub(super) fn drops_calls(&self, now: Micros) -> bool {
        self.lost > 0 && self.lost_until.is_some_and(|until| now < until)
    }

    /// Whether a lease is lost; else its holder is woken when it is.
    pub fn watch(&mut self, lease: u64, watcher: &W) -> bool
    where
        W: Clone,
    {
        match self.entries.get_mut(&lease) {
            Some(Entry { phase: Phase::Lost { .. }, .. }) => true,
            Some(entry) => {
                entry.watcher = Some(watcher.clone());
                false
            }
            None => false,
        }
    }

    /// The pool knows now of all leases that a batch named which left at `sent_at`.
    pub(super) fn kept(&mut self, sent_at: Micros) {
        let held = self.entries.values_mut().filter(|entry| entry.is_held());
        held.for_each(|entry| entry.kept_at = entry.kept_at.max(sent_at));
    }
}

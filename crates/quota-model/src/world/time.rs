//! What the clock brings.

use std::sync::Arc;

use weir_quota::{Command, StoreError};

use super::{Request, World};
use crate::router::{Fate, Wire};
use crate::setup::{GRID, TIMEOUT};

impl World {
    /// Whether anything can still come of it that time passes.
    pub(crate) fn is_time_of_use(&self) -> bool {
        let is_on = |request: &Request| {
            matches!(request, Request::Waiting { .. } | Request::Running { .. })
        };
        let status = self.pool.status();
        let is_disturbed = |at: usize| {
            let router = &self.routers[at];
            router.is_cut || router.is_frozen || !self.is_calm(at)
        };
        self.requests.iter().any(is_on)
            || status.leases + status.tickets > 0
            || !self.all_know_limits()
            || (0..self.routers.len()).any(is_disturbed)
    }

    /// Whether a router has nothing to say that others would notice.
    fn is_calm(&self, at: usize) -> bool {
        let client = &self.routers[at].client;
        client.is_ready() && client.is_empty() && client.mode() == weir_types::QuotaMode::Exact
    }

    /// Until the next moment at which something happens by the clock.
    pub(crate) fn pass(&mut self) {
        let moments = self.routers.iter().filter(|at| !at.is_frozen).map(|at| at.next_moment());
        let next = moments.min().unwrap_or(self.now + 4 * GRID);
        // Timers are late, never early.
        self.now = next.max(self.now + 1).next_multiple_of(GRID);
        for router in 0..self.routers.len() {
            if !self.routers[router].is_frozen {
                self.tick(router);
            }
        }
        self.pass_idle_words();
    }

    /// Batches that say and bring nothing of note pass at once: their order is nobody's business.
    fn pass_idle_words(&mut self) {
        for router in 0..self.routers.len() {
            if self.is_under_way(router) && self.says_nothing(router) {
                self.execute_of(router);
                self.answer(router);
            }
        }
    }

    fn says_nothing(&self, router: usize) -> bool {
        let at = &self.routers[router];
        let Some(Wire { batch, fate: Fate::Sent, .. }) = &at.wire else { return false };
        let is_idle = |command: &Command| matches!(command, Command::Renew(_) | Command::Routers);
        let mut own =
            self.setup.requests.iter().zip(&self.requests).filter(|(of, _)| **of == router);
        let may_be_lost =
            self.is_troubled(router) && self.left.losses + self.left.late + self.left.twice > 0;
        let is_of_note = |request: &Request| match request {
            Request::Waiting { .. } => true,
            Request::Running { .. } => may_be_lost,
            _ => false,
        };
        !at.is_frozen
            && batch.session != 0
            && batch.commands.iter().all(is_idle)
            && !own.any(|(_, request)| is_of_note(request))
    }

    /// Gives up a batch that was waited for too long, and does what is due.
    pub(crate) fn tick(&mut self, router: usize) {
        let now = self.now;
        let is_late = |wire: &Wire| now >= wire.sent_at + TIMEOUT;
        if self.routers[router].wire.as_ref().is_some_and(is_late) {
            let at = Arc::make_mut(&mut self.routers[router]);
            let wire = at.wire.take();
            // Nothing is late but what was lost, and what came while its router stood still.
            if let Some(Wire { batch, fate: Fate::Sent, .. }) = wire {
                self.late.push(batch);
            }
            let lost = Err(StoreError::Unanswered("no answer in time".to_owned()));
            self.drive(router, |client, woken| woken.extend(client.absorb(lost, now)));
        } else if now >= self.routers[router].wake_at {
            self.drive(router, |_, _| ());
        }
    }
}

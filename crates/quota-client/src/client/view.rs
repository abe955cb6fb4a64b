//! What a driver sees of a client: how limits are kept, and what it has to say of that.

use weir_quota::{Micros, PoolStatus, Sight};
use weir_types::QuotaMode;

use super::PoolClient;
use crate::Defect;

impl<W> PoolClient<W> {
    /// Whether this router can serve: it has met the pool outside of a grace.
    pub fn is_ready(&self) -> bool {
        self.was_exact
    }

    /// What the pool looked like when it, or the share, last answered.
    pub fn status(&self) -> PoolStatus {
        self.status
    }

    /// When the batch left that the store answered last.
    pub fn heard_at(&self) -> Option<Micros> {
        self.heard_at
    }

    /// What is served here in the store's stead at present looks like, as [`weir_quota::Machine::sight`].
    pub fn share_sight(&self, model: &str, now: Micros) -> Option<Sight> {
        Some(self.share.as_ref()?.sight(model, now))
    }

    /// Why the last batch came to nothing, or the pool decides nothing; empty where neither is so.
    pub fn trouble(&self) -> &str {
        &self.trouble
    }

    /// Why what the store had of the pool was thrown away; told once.
    pub fn take_thrown_away(&mut self) -> Option<String> {
        self.thrown_away.take()
    }

    /// Whether the store refused something as malformed, and that was not told yet.
    pub fn has_defect(&self) -> bool {
        self.defect.is_some()
    }

    /// What the store refused as malformed; told once.
    pub fn take_defect(&mut self) -> Option<Defect> {
        self.defect.take()
    }

    /// Whether the pool knows, or cannot be told, that this process goes: nothing more is said.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Whether other limits than ours are in force.
    pub fn skewed(&self) -> bool {
        self.in_force.is_some()
    }

    /// How limits are kept at present.
    pub fn mode(&self) -> QuotaMode {
        match (&self.share, self.is_lost()) {
            (Some(_), _) => QuotaMode::Share,
            (None, true) => QuotaMode::Refuse,
            (None, false) => QuotaMode::Exact,
        }
    }
}

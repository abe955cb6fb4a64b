//! What no request does for a pool: say hello, renew leases, poll, and come back after a loss.
//!
//! One future per pool and process. Requests work without it, but nobody would be told of what
//! happens while no request speaks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_telemetry::Metrics;
use weir_types::QuotaMode;

use super::pool::Pool;
use crate::clock::now;

/// Routers read a new configuration a moment apart: only what lasts longer is worth a word.
const SKEW_PATIENCE: Duration = Duration::from_secs(3);

impl Pool {
    /// Runs for as long as the process lives, or until its provider is configured no longer and nobody
    /// needs it.
    pub(crate) async fn keep(self: Arc<Self>, metrics: Arc<Metrics>) {
        let (mut skewed, mut said) = (Skew::default(), Said::default());
        loop {
            if let Some(orphan) = self.take_orphan() {
                orphan.finish().await;
            }
            if self.is_done() {
                return;
            }
            let wake_at = self.tend();
            self.report(&metrics, &mut skewed, &mut said);
            // Either is a reason to look again.
            let changed = self.changed.notified();
            let _elapsed = tokio::time::timeout_at(wake_at.into(), changed).await;
        }
    }

    /// Renews and polls if it is time for that; when to look again.
    fn tend(self: &Arc<Self>) -> Instant {
        let waits = self.lock().waits();
        let is_deaf = waits && !self.store.hears_bell();
        self.with(|client, now| client.tend(now, is_deaf));
        let wake_at = self.lock().sleep(self.now());
        self.moment_of(wake_at)
    }

    /// Says when limits begin or cease to be exact, and why, each reason once.
    fn report_mode(&self, metrics: &Metrics, said: &mut Said) {
        let (mode, why) = {
            let client = self.lock();
            (client.mode(), client.trouble().to_owned())
        };
        let provider = &self.name;
        if said.mode == Some(mode) {
            if mode != QuotaMode::Exact && said.is_news(&why) {
                tracing::warn!(%provider, why, "limits are still not exact");
            }
            return;
        }
        metrics.quota_mode(&self.name, mode);
        let was = said.mode.replace(mode).unwrap_or_default();
        if mode == QuotaMode::Exact {
            said.reasons.clear();
        } else {
            said.is_news(&why);
        }
        match mode {
            QuotaMode::Exact if was == QuotaMode::Exact => {}
            QuotaMode::Exact => tracing::info!(%provider, "limits are exact again"),
            QuotaMode::Share => tracing::warn!(
                %provider,
                why,
                "the quota store does not decide: this router's share of the limits is served"
            ),
            QuotaMode::Refuse => {
                tracing::warn!(%provider, why, "the quota store is lost: requests are refused");
            }
        }
    }

    fn report(&self, metrics: &Metrics, skewed: &mut Skew, said: &mut Said) {
        let thrown_away = self.lock().take_thrown_away();
        metrics.quota_rebuilt(&self.name, thrown_away.is_some());
        if let Some(why) = thrown_away {
            tracing::error!(
                provider = %self.name,
                why,
                "what the quota store had of the pool was no pool: it is built again from what routers hold"
            );
        }
        let status = self.status();
        metrics.pool(&self.name, status.leases, status.tickets, status.cooling);
        self.report_mode(metrics, said);
        if skewed.lasts(self.is_skewed(), now()) {
            tracing::warn!(
                provider = %self.name,
                "config_skew: other limits than this router's are in force and are obeyed"
            );
        }
    }
}

/// So many different reasons of one loss are told.
const REASONS_MAX: usize = 8;

/// What was said of how limits are kept.
#[derive(Debug, Default)]
struct Said {
    mode: Option<QuotaMode>,
    reasons: Vec<String>,
}

impl Said {
    /// Whether a reason was not told since limits were exact; it counts as told from now on.
    fn is_news(&mut self, why: &str) -> bool {
        let is_news = !why.is_empty()
            && self.reasons.len() < REASONS_MAX
            && self.reasons.iter().all(|one| one != why);
        if is_news {
            self.reasons.push(why.to_owned());
        }
        is_news
    }
}

/// Since when other limits than ours are in force, and whether that was said.
#[derive(Debug, Default)]
struct Skew {
    since: Option<Instant>,
    is_said: bool,
}

impl Skew {
    /// Whether it is to be said now.
    fn lasts(&mut self, is_skewed: bool, now: Instant) -> bool {
        if !is_skewed {
            *self = Self::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let is_news = now.saturating_duration_since(since) >= SKEW_PATIENCE && !self.is_said;
        self.is_said |= is_news;
        is_news
    }
}

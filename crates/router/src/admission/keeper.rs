//! What no request does for a pool: say hello, renew leases, poll, and come back after a loss.
//!
//! One future per pool and process. Requests work without it, but nobody would be told of what
//! happens while no request speaks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_telemetry::Metrics;
use weir_types::QuotaMode;

use super::pool::{Pool, now};

/// Routers read a new configuration a moment apart: only what lasts longer is worth a word.
const SKEW_PATIENCE: Duration = Duration::from_secs(3);

impl Pool {
    /// Runs for as long as the process lives, or until its provider is configured no longer and nobody
    /// needs it.
    pub(crate) async fn keep(self: Arc<Self>, metrics: Arc<Metrics>) {
        let renew_every = Duration::from_micros(self.timing.lease_ttl / 3);
        let mut renew_at = now() + renew_every;
        let (mut skewed, mut mode) = (Skew::default(), None);
        loop {
            if let Some(orphan) = self.take_orphan() {
                orphan.finish().await;
            }
            if self.is_done() {
                return;
            }
            if now() >= renew_at {
                renew_at = now() + renew_every;
                self.with(|state, _| state.renew());
            }
            let wake_at = self.poll_if_due().min(renew_at);
            self.report(&metrics, &mut skewed, &mut mode);
            // Either is a reason to look again.
            let changed = self.changed.notified();
            let _elapsed = tokio::time::timeout_at(wake_at.into(), changed).await;
        }
    }

    /// Polls if nothing was said for long enough; when to look again.
    fn poll_if_due(self: &Arc<Self>) -> Instant {
        self.with(|state, now| {
            if now >= state.next_poll(now) {
                state.poll();
            }
        });
        let mut state = self.lock();
        let wake_at = state.next_poll(now()).max(now() + Duration::from_millis(1));
        state.armed = Some(wake_at);
        wake_at
    }

    /// Says when limits begin or cease to be exact.
    fn report_mode(&self, metrics: &Metrics, last: &mut Option<QuotaMode>) {
        let mode = self.mode();
        if *last == Some(mode) {
            return;
        }
        metrics.quota_mode(&self.name, mode);
        let (provider, was) = (&self.name, last.replace(mode).unwrap_or_default());
        match mode {
            QuotaMode::Exact if was == QuotaMode::Exact => {}
            QuotaMode::Exact => tracing::info!(%provider, "the quota store answers again"),
            QuotaMode::Share => tracing::warn!(
                %provider,
                "the quota store is lost: this router's share of the limits is served"
            ),
            QuotaMode::Refuse => {
                tracing::warn!(%provider, "the quota store is lost: requests are refused");
            }
        }
    }

    fn report(&self, metrics: &Metrics, skewed: &mut Skew, last_mode: &mut Option<QuotaMode>) {
        let thrown_away = self.lock().thrown_away.take();
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
        self.report_mode(metrics, last_mode);
        if skewed.lasts(self.is_skewed(), now()) {
            tracing::warn!(
                provider = %self.name,
                "config_skew: other limits than this router's are in force and are obeyed"
            );
        }
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

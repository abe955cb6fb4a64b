//! One router: its client, the batch that it waits for, and what drives both.
//!
//! Does what the driver in the router does: tells the client that time has passed, sends what it has to
//! say, sleeps until it is to be woken. Requests look only when they are woken.

mod told;

use weir_quota::canonical::Scribe;
use weir_quota::{Batch, BatchReply, Incarnation, Micros, StoreError};
use weir_quota_client::PoolClient;
use weir_types::QuotaMode;

use crate::mutant::Mutant;
use crate::setup::{PATIENCE, Setup, TIMEOUT, TIMING};
pub(crate) use told::Told;

/// A router.
#[derive(Debug, Clone)]
pub(crate) struct Router {
    pub(crate) id: Incarnation,
    /// Who waits is a request by its number.
    pub(crate) client: PoolClient<usize>,
    pub(crate) wire: Option<Wire>,
    /// Who else is there, as replies have said.
    pub(crate) told: Told,
    pub(crate) wake_at: Micros,
    pub(crate) is_frozen: bool,
    pub(crate) is_cut: bool,
    /// Since when it is frozen or cut off; of no meaning else.
    pub(crate) apart_since: Micros,
    /// How often its configuration was read anew.
    pub(crate) changes: u8,
    mutant: Option<Mutant>,
}

/// A batch that is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) batch: Batch,
    pub(crate) sent_at: Micros,
    pub(crate) fate: Fate,
}

/// What becomes of it.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// On its way to the pool.
    Sent,
    /// Its reply is on its way back.
    Answered(Result<BatchReply, StoreError>),
    /// Nothing comes.
    Lost,
}

impl Router {
    pub(crate) fn new(
        id: Incarnation,
        setup: &Setup,
        changes: u8,
        now: Micros,
        mutant: Option<Mutant>,
    ) -> Self {
        let serves_share = mutant != Some(Mutant::StopsInGrace);
        let client = PoolClient::new(id, setup.limits(changes), TIMING, serves_share, now)
            .with_patience(PATIENCE);
        Self {
            id,
            client,
            wire: None,
            told: Told::default(),
            wake_at: now,
            is_frozen: false,
            is_cut: false,
            apart_since: now,
            changes,
            mutant,
        }
    }

    /// Tells the client of something and sends what it has to say; whom it wakes.
    pub(crate) fn drive<T>(
        &mut self,
        now: Micros,
        change: impl FnOnce(&mut PoolClient<usize>, &mut Vec<usize>) -> T,
    ) -> (T, Vec<usize>) {
        let mut woken = Vec::new();
        if self.mutant != Some(Mutant::FrozenServes) {
            woken.extend(self.client.lives(now).unwrap_or_default());
        }
        let result = change(&mut self.client, &mut woken);
        self.pump(now, &mut woken);
        let is_lazy = self.mutant == Some(Mutant::NobodyPolls);
        if !is_lazy && (self.client.oversleeps(now) || now >= self.wake_at) {
            self.tend(now, &mut woken);
        }
        self.told.serves(self.client.mode() == QuotaMode::Share);
        (result, woken)
    }

    /// What the keeper does.
    fn tend(&mut self, now: Micros, woken: &mut Vec<usize>) {
        self.client.tend(now, false);
        self.pump(now, woken);
        self.wake_at = self.client.sleep(now);
    }

    fn pump(&mut self, now: Micros, woken: &mut Vec<usize>) {
        while let Some(more) = self.client.serve_share(now) {
            woken.extend(more);
        }
        if let Some(batch) = self.client.next_batch(now) {
            let fate = if self.is_cut { Fate::Lost } else { Fate::Sent };
            self.wire = Some(Wire { batch, sent_at: now, fate });
        }
    }

    /// When something happens by the clock.
    pub(crate) fn next_moment(&self) -> Micros {
        let gives_up = self.wire.as_ref().map_or(Micros::MAX, |wire| wire.sent_at + TIMEOUT);
        gives_up.min(self.wake_at)
    }

    pub(crate) fn write_to(&self, to: &mut Scribe) {
        let Self { id, client, wire, told, wake_at, is_frozen, is_cut, .. } = self;
        let Self { apart_since, changes, mutant: _, .. } = self;
        to.word(id.0);
        client.write_to(to);
        told.write_to(to);
        to.moment_to_come(*wake_at);
        to.flag(*is_frozen);
        to.flag(*is_cut);
        let apart_since = (*is_frozen || *is_cut).then_some(*apart_since);
        to.each(apart_since, Scribe::moment);
        to.word(u64::from(*changes));
        to.each(wire, |to, Wire { batch, sent_at, fate }| {
            to.moment(*sent_at);
            match fate {
                Fate::Sent => {
                    to.word(0);
                    to.batch(batch);
                }
                Fate::Answered(Ok(reply)) => {
                    to.word(1);
                    to.reply(reply);
                }
                Fate::Answered(Err(_)) => to.word(2),
                Fate::Lost => to.word(3),
            }
        });
    }
}

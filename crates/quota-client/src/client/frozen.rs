//! A process that stood still: stopped, or without the CPU, for so long that its leases ran out.
//!
//! Their slots may be others' by now. The calls they were for are dropped before anything else is said
//! to the pool. A router that serves its share has slots of its own, which nobody else can have been
//! given: their time stands still with it, and its calls go on. An answer that waited for it in a socket
//! is of the time before: what it grants may have run out too, so it counts as none.

use weir_quota::{BatchReply, Micros, StoreError};

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

    /// The result of a batch, unless what it grants has run out, or may before it is renewed.
    pub(super) fn in_time(
        &self,
        result: Result<BatchReply, StoreError>,
        now: Micros,
    ) -> Result<BatchReply, StoreError> {
        let is_over = now.saturating_sub(self.asked_at) >= self.timing.lease_ttl / 2;
        if is_over && result.is_ok() {
            return Err(StoreError::Unanswered("the answer is of another time".to_owned()));
        }
        result
    }

    /// The pool knows now of all leases that a batch named which left at `sent_at`.
    pub(super) fn kept(&mut self, sent_at: Micros) {
        let held = self.entries.values_mut().filter(|entry| entry.is_held());
        held.for_each(|entry| entry.kept_at = entry.kept_at.max(sent_at));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_quota::{Class, Command, Incarnation, Limits, Machine, Outcome, StoreError, Timing};
    use weir_types::QuotaMode;

    use super::*;
    use crate::{Ask, Found};

    const SECOND: Micros = 1_000_000;

    fn ask() -> Ask {
        let class = Class {
            model: Arc::from("m"),
            operation: Arc::from("chat"),
            keys: [weir_types::KeyName::from("k")].into_iter().collect(),
        };
        Ask { class, delay: 0, arrival: None, wait_for_cooldown: false, only_free: false }
    }

    /// A client with one slot, to the pool of which it has spoken until now, and the time.
    fn client() -> (PoolClient<()>, Machine, Micros) {
        let timing = Timing::default();
        let keys = vec![("k".into(), 1.0)];
        let limits = Limits { generation: 1, hash: 1, concurrency: 1, buffer: 4, leeway: 0, keys };
        let now = 100 * SECOND;
        let client = PoolClient::new(Incarnation(1), limits, timing, true, now);
        let (mut client, mut pool) = (client, Machine::new_since(timing, 0));
        for _ in 0..3 {
            client.tend(now, false);
            client.poll();
            exchange(&mut client, &mut pool, now);
        }
        assert_eq!(client.mode(), QuotaMode::Exact);
        (client, pool, now)
    }

    fn exchange(client: &mut PoolClient<()>, pool: &mut Machine, now: Micros) {
        while let Some(batch) = client.next_batch(now) {
            client.absorb(pool.execute(now, &batch).map(|executed| executed.reply), now);
        }
    }

    /// The store answers no more.
    fn lose(client: &mut PoolClient<()>, now: Micros) {
        for _ in 0..2 {
            client.poll();
            assert!(client.next_batch(now).is_some());
            client.absorb(Err(StoreError::Unanswered("lost".to_owned())), now);
        }
        assert_eq!(client.mode(), QuotaMode::Share);
        while client.serve_share(now).is_some() {}
    }

    /// A share that begins after that goes by what the pool says now, not by what it said before.
    #[test]
    fn the_first_batch_after_a_standstill_asks_who_is_there() {
        let (mut client, _, now) = client();
        let now = now + Timing::default().lease_ttl / 2;
        client.lives(now);
        client.enter(ask(), u64::MAX, now);
        let batch = client.next_batch(now).unwrap();
        assert!(batch.commands.contains(&Command::Routers), "{batch:?}");
    }

    /// It waited in a socket; whoever else asks meanwhile is granted the slot.
    #[test]
    fn an_answer_from_before_a_standstill_grants_nothing() {
        let (mut client, mut pool, now) = client();
        let ticket = client.enter(ask(), u64::MAX, now);
        let batch = client.next_batch(now).unwrap();
        let answered = pool.execute(now, &batch).map(|executed| executed.reply);
        let later = now + Timing::default().lease_ttl / 2;
        client.lives(later);
        client.absorb(answered, later);
        assert!(matches!(client.find(ticket, Some(&())), Found::Pending));
        // It is asked for again, and granted anew.
        exchange(&mut client, &mut pool, later);
        client.poll();
        exchange(&mut client, &mut pool, later);
        assert!(matches!(client.find(ticket, Some(&())), Found::Granted { .. }));
    }

    /// Also where the keeper has looked already, and held nothing.
    #[test]
    fn what_a_late_answer_grants_is_renewed_in_time() {
        let (mut client, mut pool, now) = client();
        let ticket = client.enter(ask(), u64::MAX, now);
        let batch = client.next_batch(now).unwrap();
        let answered = pool.execute(now, &batch).map(|executed| executed.reply);
        let later = now + Timing::default().lease_ttl / 2 - 1;
        client.lives(later);
        client.tend(later, false);
        client.absorb(answered, later);
        assert!(matches!(client.find(ticket, Some(&())), Found::Granted { .. }));
        let renews = |batch: &weir_quota::Batch| {
            let is_it = |one: &Command| matches!(one, Command::Renew(held) if held.len() == 1);
            batch.commands.iter().any(is_it)
        };
        let mut at = later;
        let said = loop {
            at = client.sleep(at);
            client.tend(at, false);
            if let Some(batch) = client.next_batch(at) {
                if renews(&batch) {
                    break at;
                }
                client.absorb(pool.execute(at, &batch).map(|executed| executed.reply), at);
            }
        };
        assert!(said + SECOND < now + Timing::default().lease_ttl);
    }

    #[test]
    fn what_runs_in_a_share_keeps_its_slot_while_the_process_stands_still() {
        let (mut client, _, now) = client();
        lose(&mut client, now);
        let first = client.enter(ask(), u64::MAX, now);
        while client.serve_share(now).is_some() {}
        assert!(matches!(client.find(first, Some(&())), Found::Granted { .. }));
        let now = now + 2 * Timing::default().lease_ttl;
        assert_eq!(client.lives(now), None, "its call goes on");
        let second = client.enter(ask(), u64::MAX, now);
        while client.serve_share(now).is_some() {}
        assert!(matches!(client.find(second, Some(&())), Found::Pending), "the slot is in use");
        client.settle(first, Outcome::default(), None, now);
        while client.serve_share(now).is_some() {}
        assert!(matches!(client.find(second, Some(&())), Found::Granted { .. }));
    }

    #[test]
    fn a_share_that_begins_after_a_standstill_waits_for_the_calls_that_lost_their_slots() {
        let (mut client, mut pool, now) = client();
        let first = client.enter(ask(), u64::MAX, now);
        exchange(&mut client, &mut pool, now);
        assert!(matches!(client.find(first, Some(&())), Found::Granted { .. }));
        client.watch(first, &());
        client.poll();
        assert!(client.next_batch(now).is_some());
        client.absorb(Err(StoreError::Unanswered("lost".to_owned())), now);
        client.poll();
        assert!(client.next_batch(now).is_some());
        let now = now + 2 * Timing::default().lease_ttl;
        assert_eq!(client.lives(now), Some(vec![()]));
        client.absorb(Err(StoreError::Unanswered("lost".to_owned())), now);
        assert_eq!(client.mode(), QuotaMode::Share);
        let second = client.enter(ask(), u64::MAX, now);
        while client.serve_share(now).is_some() {}
        assert!(matches!(client.find(second, Some(&())), Found::Pending), "its call still runs");
        client.settle(first, Outcome::default(), None, now);
        while client.serve_share(now).is_some() {}
        assert!(matches!(client.find(second, Some(&())), Found::Granted { .. }));
    }
}

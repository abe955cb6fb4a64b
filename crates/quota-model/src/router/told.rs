//! Who else is there, as the pool's replies have told one router: what its share of the limits is judged by.
//!
//! Kept beside the client, from what is on the wire alone, so that it does not share the client's mistakes.

use std::collections::{BTreeMap, BTreeSet};

use weir_quota::canonical::Scribe;
use weir_quota::{Answer, Batch, BatchReply, Command, Event, Incarnation, Micros};

use crate::setup::TIMING;

/// What one router was told in its present life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Who was named by the last reply that came from outside of a grace and named all, and when.
    all: Option<(BTreeSet<Incarnation>, Micros)>,
    /// Who was named in graces since, and when last.
    since: BTreeMap<Incarnation, Micros>,
    /// When the batch left to which the pool's last reply was.
    heard_at: Micros,
    /// While a share is served: who divided the limits when it began.
    divided: Option<BTreeSet<Incarnation>>,
    /// Tickets that the pool let in, as the reply says that is being taken in.
    let_in: BTreeSet<u64>,
}

impl Told {
    /// A reply has come, to a batch that left at `sent_at`: what it says is that old.
    pub(crate) fn hear(&mut self, batch: &Batch, reply: &BatchReply, sent_at: Micros) {
        self.let_in = let_in(batch, reply).collect();
        if batch.session == 0 {
            return;
        }
        self.heard_at = sent_at;
        let named = reply.answers.iter().rev().find_map(|answer| match answer {
            Answer::Routers(routers) => Some(routers),
            _ => None,
        });
        if reply.restate {
            self.since.extend(named.into_iter().flatten().map(|&router| (router, sent_at)));
            return;
        }
        if let Some(named) = named {
            self.since.clear();
            self.all = Some((named.iter().copied().collect(), sent_at));
        }
    }

    /// Whether it was the pool that let a ticket in, by the reply that is being taken in.
    pub(crate) fn is_let_in(&self, ticket: u64) -> bool {
        self.let_in.contains(&ticket)
    }

    /// It has been taken in.
    pub(crate) fn heard(&mut self) {
        self.let_in.clear();
    }

    /// Whether a share is served, from now on.
    pub(crate) fn serves(&mut self, share: bool) {
        if !share {
            self.divided = None;
        } else if self.divided.is_none() {
            self.divided = Some(self.there());
        }
    }

    /// All that were named last, and who was named in graces since, within a lease's life before the pool
    /// was last heard. None before all were named once.
    fn there(&self) -> BTreeSet<Incarnation> {
        let Some((all, _)) = &self.all else { return BTreeSet::new() };
        let is_there = |at: Micros| at.saturating_add(TIMING.lease_ttl) > self.heard_at;
        let since = self.since.iter().filter(|&(_, &at)| is_there(at)).map(|(&id, _)| id);
        all.iter().copied().chain(since).collect()
    }

    /// A router's share of so many slots: those who are there divide them, remainders to those with the
    /// lowest ids. Who comes while it is served changes it no more, but with other limits.
    pub(crate) fn share_of(&self, router: Incarnation, slots: u32) -> u32 {
        let part = |there: &BTreeSet<Incarnation>| {
            let rank = there.iter().position(|id| *id == router)?;
            let (rank, count) = (u32::try_from(rank).ok()?, u32::try_from(there.len()).ok()?);
            Some(slots / count + u32::from(rank < slots % count))
        };
        let begun = self.divided.as_ref().and_then(part);
        begun.max(part(&self.there())).unwrap_or(0)
    }

    /// Whether all were named once.
    pub(crate) fn knows_all(&self) -> bool {
        self.all.is_some()
    }

    /// How long nobody had been named when the pool was last heard.
    pub(crate) fn age(&self) -> Micros {
        let named_at = self.since.values().copied().chain(self.all.iter().map(|(_, at)| *at));
        named_at.max().map_or(0, |at| self.heard_at.saturating_sub(at))
    }

    pub(crate) fn write_to(&self, to: &mut Scribe) {
        // Between two steps no reply is being taken in.
        let Self { all, since, heard_at, divided, let_in: _ } = self;
        // Of matter is how long before the pool was last heard.
        let before = |at: &Micros| heard_at.saturating_sub(*at);
        to.each(all, |to, (all, at)| {
            to.each(all, |to, id| to.word(id.0));
            to.word(before(at));
        });
        to.each(since, |to, (id, at)| {
            to.word(id.0);
            to.word(before(at));
        });
        to.each(divided, |to, there| to.each(there, |to, id| to.word(id.0)));
    }
}

/// The tickets that a reply grants.
fn let_in<'a>(batch: &'a Batch, reply: &'a BatchReply) -> impl Iterator<Item = u64> + 'a {
    let answered = batch.commands.iter().zip(&reply.answers).filter_map(|(command, answer)| {
        let (ticket, answer) = match (command, answer) {
            (Command::Acquire(asked), answer) => (asked.ticket, answer),
            (
                Command::Settle { then: Some(asked), .. }
                | Command::Rotate { then: Some(asked), .. },
                Answer::Settled(Some(answer)),
            ) => (asked.ticket, &**answer),
            _ => return None,
        };
        matches!(answer, Answer::Granted { .. }).then_some(ticket.number)
    });
    let handed = reply.events.iter().filter_map(|event| match event {
        Event::HandedOff { ticket, claimed: true, .. } => Some(ticket.number),
        _ => None,
    });
    answered.chain(handed)
}

//! A client written down so that two which can do the same from now on are equal.

use weir_quota::PoolStatus;
use weir_quota::canonical::Scribe;

use super::PoolClient;
use super::answers::FAILURES_MAX;
use super::entry::{Entry, Op, Phase};
use super::share::{Peers, Share};
use crate::Refusal;

impl<W> PoolClient<W> {
    /// Adds the whole state to what a scribe writes down, but for words that are only told, gauges, and
    /// who waits.
    pub fn write_to(&self, to: &mut Scribe) {
        let Self { router, timing: _, limits, serves_share, in_force, replaces, .. } = self;
        let Self { limits_written, asked_of, offers_in_force, was_exact, peers, .. } = self;
        to.word(router.0);
        to.limits(limits);
        to.each(in_force, Scribe::limits);
        to.each(replaces, |to, generation| to.word(*generation));
        for flag in [serves_share, limits_written, offers_in_force, was_exact] {
            to.flag(*flag);
        }
        to.word(*asked_of);
        write_peers(peers, to);
        self.write_talk(to);
        self.write_times(to);
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|&(number, _)| *number);
        to.each(entries, |to, (number, entry)| {
            to.word(*number);
            write_entry(entry, to);
        });
    }

    /// What is said, and what has yet to be.
    fn write_talk(&self, to: &mut Scribe) {
        let Self { share, session, last_session, sequence, acknowledged, .. } = self;
        let Self { greeting, in_flight, .. } = self;
        let Self { sent, outbox, deferred, last_number, leaving, limits_due, .. } = self;
        let Self { restate_due, restated, renew_due, routers_due, poll_due, .. } = self;
        let Self { bye_due, is_gone, rung, busy, is_deaf, trouble: _, defect, .. } = self;
        let Self { thrown_away: _, status, failures, strange, .. } = self;
        to.each(share, |to, share| write_share(share, self, to));
        to.session(*session);
        to.session(*last_session);
        to.sequence(self.router, *sequence);
        to.sequence(self.router, *acknowledged);
        to.each(sent, write_op);
        to.each(outbox, write_op);
        to.each(deferred, write_op);
        to.word(*last_number);
        let mut leaving: Vec<_> = leaving.iter().copied().collect();
        leaving.sort_unstable();
        to.each(leaving, Scribe::word);
        for flag in [greeting, in_flight, limits_due, restate_due, restated, renew_due] {
            to.flag(*flag);
        }
        for flag in [routers_due, poll_due, bye_due, is_gone, rung, busy, is_deaf] {
            to.flag(*flag);
        }
        to.flag(defect.is_some());
        let PoolStatus { leases: _, tickets: _, routers: _, cooling, limits_hash: _ } = status;
        to.flag(*cooling > 0);
        to.word(u64::from((*failures).min(FAILURES_MAX)));
        to.word(u64::from((*strange).min(FAILURES_MAX)));
    }

    fn write_times(&self, to: &mut Scribe) {
        let Self { lived_at, sent_at, asked_at, lost, lost_until, blocked_until, .. } = self;
        let Self { wake_at, heard_at, pool_time, armed, renew_at, .. } = self;
        to.moment(*lived_at);
        for moment in [sent_at, asked_at] {
            to.each(self.in_flight.then_some(*moment), Scribe::moment);
        }
        to.word(*lost as u64);
        to.each((self.patience > 0).then_some(self.patient_until), Scribe::moment_to_come);
        for moment in [lost_until, blocked_until, wake_at, armed] {
            to.each(moment, |to, at| to.moment_to_come(*at));
        }
        to.moment_to_come(*renew_at);
        to.each(heard_at, |to, at| {
            to.moment(*at);
            to.word(pool_time.wrapping_sub(*at));
        });
    }
}

fn write_peers(peers: &Peers, to: &mut Scribe) {
    let Peers { all, since, count } = peers;
    to.each(all, |to, all| to.each(all, |to, router| to.word(router.0)));
    to.each(since, |to, (router, at)| {
        to.word(router.0);
        to.moment(*at);
    });
    to.word(u64::from(*count));
}

fn write_share<W>(share: &Share, of: &PoolClient<W>, to: &mut Scribe) {
    let Share { machine, limits, base, since, session, sequence, replaces } = share;
    machine.write_to(to);
    to.limits(limits);
    to.word(base.wrapping_sub(*since));
    to.session(*session);
    to.sequence(of.router, *sequence);
    to.each(replaces, |to, generation| to.word(*generation));
}

fn write_entry<W>(entry: &Entry<W>, to: &mut Scribe) {
    let Entry { class, not_before, deadline, arrival, wait_for_cooldown, only_free, .. } = entry;
    let Entry { sent, resent, rotations, kept_at, phase, watcher, .. } = entry;
    to.class(class);
    to.moment_to_come(*not_before);
    to.moment_to_come(*deadline);
    to.each(arrival, |to, arrival| to.arrival(*arrival));
    to.flag(*wait_for_cooldown);
    to.flag(*only_free);
    to.flag(*sent);
    to.word(u64::from(*resent));
    to.word(u64::from(*rotations));
    // Looked at while the slot is held, and set when it is granted.
    let kept_at = entry.key().map(|_| *kept_at);
    to.each(kept_at, Scribe::moment);
    to.flag(watcher.is_some());
    match phase {
        Phase::Waiting => to.word(0),
        Phase::Held { key, may_probe } => {
            to.word(1);
            to.text(key);
            to.flag(*may_probe);
        }
        Phase::Rotating { then, key, deferred } => {
            to.word(2);
            to.each(then, |to, then| to.word(*then));
            to.text(key);
            to.flag(*deferred);
        }
        Phase::Moved(then) => {
            to.word(3);
            to.word(*then);
        }
        Phase::Lost { key } => {
            to.word(4);
            to.text(key);
        }
        Phase::Refused(refusal) => write_refusal(refusal, to),
    }
}

fn write_refusal(refusal: &Refusal, to: &mut Scribe) {
    match refusal {
        Refusal::Full { retry_after: _ } => to.word(5),
        Refusal::NoKey { until, reason, notes } => {
            to.word(6);
            to.no_key(*until, *reason, notes);
        }
        Refusal::Unavailable(_) => to.word(7),
        Refusal::Defect(_) => to.word(8),
    }
}

fn write_op(to: &mut Scribe, op: &Op) {
    match op {
        Op::Acquire(number) => {
            to.word(0);
            to.word(*number);
        }
        Op::Settle { lease, outcome, then } => {
            to.word(1);
            to.word(*lease);
            to.outcome(outcome);
            to.each(then, |to, then| to.word(*then));
        }
        Op::Rotate { lease, attempt, outcome, class, then } => {
            to.word(2);
            to.word(*lease);
            to.word(u64::from(*attempt));
            to.outcome(outcome);
            to.class(class);
            to.each(then, |to, then| to.word(*then));
        }
        Op::Answered { lease, outcome } => {
            to.word(3);
            to.word(*lease);
            to.outcome(outcome);
        }
        Op::Leave(number) => {
            to.word(4);
            to.word(*number);
        }
        Op::SetLimits(hash) => {
            to.word(5);
            to.word(*hash);
        }
        Op::Restate => to.word(6),
        Op::Renew => to.word(7),
        Op::Routers => to.word(8),
        Op::Bye => to.word(9),
        Op::Learn(outcome) => {
            to.word(10);
            to.outcome(outcome);
        }
    }
}

//! What a reply, or its absence, changes.

use weir_quota::{Answer, BatchReply, Event, Micros, NoKeyReason, StoreError};

use super::{Op, Phase, PoolClient};
use crate::{Defect, Refusal};

/// How long a pool that gave no answer twice is left alone.
pub(super) const RETRY_PAUSE: Micros = 250_000;
/// After so many batches in a row without an answer, requests do not wait for one any more.
pub(super) const FAILURES_MAX: u32 = 2;
/// How often an acquire is sent again because the pool had no limits.
const RESENT_MAX: u8 = 3;

impl<W> PoolClient<W> {
    /// Takes in the result of the batch under way; who has news.
    pub fn absorb(&mut self, result: Result<BatchReply, StoreError>, now: Micros) -> Vec<W> {
        let mut woken = Vec::new();
        self.in_flight = false;
        let result = self.in_time(result, now);
        if self.share.is_some() {
            self.asked(result, now, &mut woken);
            return woken;
        }
        let greeting = std::mem::take(&mut self.greeting);
        if let Err(error) = &result {
            self.trouble = error.to_string();
        }
        match result {
            Ok(reply) => self.heard(reply, greeting, now, &mut woken),
            Err(error @ (StoreError::StaleSession | StoreError::Corrupt(_))) => {
                if let StoreError::Corrupt(why) = error {
                    self.thrown_away = Some(why);
                }
                self.session = 0;
                self.send_again();
                // Once it is what a server says that came back: it does answer.
                self.strange += 1;
                let why = "the pool refuses every session".to_owned();
                if self.strange >= FAILURES_MAX && self.failed_again(now) && !self.enter_share(now)
                {
                    self.turn_away(&Refusal::Unavailable(why), &mut woken);
                }
            }
            Err(StoreError::Unanswered(why)) => {
                self.send_again();
                if self.failed_again(now) && !self.enter_share(now) {
                    self.turn_away(&Refusal::Unavailable(why), &mut woken);
                }
            }
            Err(StoreError::Rejected(why)) => {
                let was_empty = self.sent.is_empty();
                self.rejected(&why, &mut woken);
                // A hello or a poll can only be sent again as it was.
                if was_empty && self.failed_again(now) {
                    self.turn_away(&Refusal::Unavailable(why), &mut woken);
                }
            }
        }
        woken
    }

    /// Takes in the store's reply.
    pub(super) fn heard(
        &mut self,
        reply: BatchReply,
        greeting: bool,
        now: Micros,
        woken: &mut Vec<W>,
    ) {
        (self.failures, self.strange) = (0, 0);
        self.trouble.clear();
        self.blocked_until = None;
        self.heard_at = Some(self.asked_at);
        self.pool_time = reply.now;
        // Somebody came or went, or may have; or a grace is over that named those alone that had spoken.
        let is_news = greeting
            || reply.status.routers != self.peers.count
            || !reply.restate && !self.peers.since.is_empty();
        self.routers_due |= self.serves_share && is_news;
        if greeting {
            self.begin_session(reply.session);
            self.last_session = self.last_session.max(reply.session);
            self.offers_in_force = self.limits_written && self.in_force.is_some();
        }
        let is_grace = reply.restate;
        self.take_in(reply, now, woken);
        if self.rung {
            // It rang while the batch was under way: its reply may have come too early.
            self.poll();
        }
        self.was_exact |= !is_grace;
        if is_grace && self.was_exact {
            self.bridge_grace(now);
        }
    }

    /// From now on the pool, or another one, is spoken to anew.
    pub(super) fn begin_session(&mut self, session: u64) {
        self.session = session;
        (self.sequence, self.acknowledged) = (0, 0);
        self.replaces = None;
        self.limits_due = true;
        self.restate_due = true;
    }

    /// Takes in a reply, whoever it is from.
    pub(super) fn take_in(&mut self, reply: BatchReply, now: Micros, woken: &mut Vec<W>) {
        if reply.answers.len() != self.sent.len() {
            let counts = (reply.answers.len(), self.sent.len());
            let why = format!("{} answers came for {} commands", counts.0, counts.1);
            self.rejected(&why, woken);
        }
        self.status = reply.status;
        self.acknowledged = self.sequence;
        let mut sent = std::mem::take(&mut self.sent);
        for (op, answer) in sent.drain(..).zip(reply.answers) {
            self.answer(op, answer, reply.restate, woken);
        }
        // The room is kept for the next batch.
        self.sent = sent;
        while let Some(op) = self.again.pop() {
            self.outbox.push_front(op);
        }
        for event in reply.events {
            self.event(event, woken);
        }
        if !reply.restate {
            self.restated = false;
        } else if !self.restated {
            self.restate_due = true;
        }
        self.wake_at = reply.wake_in.map(|after| now.saturating_add(after.max(1000)));
        self.busy = reply.restate || reply.status.tickets > 0;
        self.look_at_limits(reply.status.limits_hash, now);
    }

    fn answer(&mut self, op: Op, answer: Answer, in_grace: bool, woken: &mut Vec<W>) {
        match op {
            Op::Acquire(number) => self.ticket_answer(number, answer, woken),
            Op::Settle { then: Some(then), .. } => match answer {
                Answer::Settled(Some(answer)) => self.ticket_answer(then, *answer, woken),
                _ => self.outbox.push_back(Op::Acquire(then)),
            },
            Op::Rotate { .. } => self.rotate_answer(op, answer, woken),
            Op::Leave(number) => {
                self.leaving.remove(&number);
            }
            Op::SetLimits(hash) => {
                if self.share.is_none()
                    && let Some(generation) = self.judge(hash, answer, self.replaces)
                {
                    self.replaces = Some(generation);
                    self.limits_due = true;
                }
            }
            Op::Routers => {
                if let Answer::Routers(routers) = answer {
                    self.peers.named(&routers, self.asked_at, in_grace);
                }
            }
            Op::Bye => self.is_gone = true,
            Op::Restate | Op::Renew => self.kept(self.sent_at),
            Op::Settle { then: None, .. } | Op::Answered { .. } | Op::Learn(_) => {}
        }
    }

    /// The answer to an acquire, its own or one carried by another command.
    fn ticket_answer(&mut self, number: u64, answer: Answer, woken: &mut Vec<W>) {
        let may_probe = self.status.cooling > 0;
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        let refusal = match answer {
            Answer::Granted { key, arrival } => {
                entry.arrival = Some(arrival);
                entry.phase = Phase::Held { key, may_probe };
                entry.kept_at = self.sent_at;
                woken.extend(entry.watcher.take());
                return;
            }
            Answer::Queued { .. } if entry.only_free => {
                self.refuse(number, Refusal::Full { retry_after: 0 }, woken);
                return;
            }
            Answer::Queued { arrival, .. } => {
                entry.arrival = Some(arrival);
                return;
            }
            Answer::LimitsInForce(_) if entry.resent < RESENT_MAX => {
                entry.resent += 1;
                self.limits_due = true;
                self.replaces = None;
                self.again.push(Op::Acquire(number));
                return;
            }
            // Judged by limits that ours are about to replace.
            Answer::NoKey { reason: NoKeyReason::Unknown, .. }
                if self.limits_due && entry.resent < RESENT_MAX =>
            {
                entry.resent += 1;
                self.again.push(Op::Acquire(number));
                return;
            }
            Answer::Full { retry_after } => Refusal::Full { retry_after },
            Answer::NoKey { until, reason, notes } => Refusal::NoKey { until, reason, notes },
            other => Refusal::Defect(format!("the pool answered an acquire with {other:?}")),
        };
        entry.phase = Phase::Refused(refusal);
        woken.extend(entry.watcher.take());
    }

    fn rotate_answer(&mut self, op: Op, answer: Answer, woken: &mut Vec<W>) {
        let Op::Rotate { lease, then, .. } = &op else {
            return;
        };
        let (lease, then) = (*lease, *then);
        let may_probe = self.status.cooling > 0;
        let Some(entry) = self.entries.get_mut(&lease) else {
            // Withdrawn meanwhile; a settle and a leave follow.
            return;
        };
        match (answer, then) {
            (Answer::Grace, _) => {
                if let Phase::Rotating { deferred, .. } = &mut entry.phase {
                    *deferred = true;
                }
                self.deferred.push(op);
            }
            (Answer::Granted { key, arrival }, then) => {
                entry.arrival = Some(arrival);
                entry.phase = Phase::Held { key, may_probe };
                entry.kept_at = self.sent_at;
                woken.extend(entry.watcher.take());
                then.and_then(|then| self.entries.remove(&then));
            }
            (_, None) => {
                entry.phase = Phase::Refused(Refusal::NoKey {
                    until: None,
                    reason: NoKeyReason::Cooling,
                    notes: Vec::new(),
                });
                woken.extend(entry.watcher.take());
            }
            (Answer::Settled(Some(answer)), Some(then)) => {
                entry.phase = Phase::Moved(then);
                woken.extend(entry.watcher.take());
                self.ticket_answer(then, *answer, woken);
            }
            (_, Some(then)) => {
                entry.phase = Phase::Moved(then);
                woken.extend(entry.watcher.take());
                self.outbox.push_back(Op::Acquire(then));
            }
        }
    }

    fn event(&mut self, event: Event, woken: &mut Vec<W>) {
        let (Event::HandedOff { ticket, .. } | Event::NoKey { ticket, .. }) = &event;
        let number = ticket.number;
        let Some(entry) = self.entries.get_mut(&number) else {
            // Nobody waits for it; the pool must not go on offering it.
            self.leave(number);
            return;
        };
        if !matches!(entry.phase, Phase::Waiting) {
            return;
        }
        match event {
            Event::HandedOff { key, arrival, claimed: true, .. } => {
                let answer = Answer::Granted { key, arrival };
                self.ticket_answer(number, answer, woken);
            }
            // The next batch claims it.
            Event::HandedOff { arrival, claimed: false, .. } => entry.arrival = Some(arrival),
            Event::NoKey { until, reason, notes, .. } => {
                entry.phase = Phase::Refused(Refusal::NoKey { until, reason, notes });
                woken.extend(entry.watcher.take());
                self.leave(number);
            }
        }
    }

    /// Puts what was sent without an answer back to the front, in order.
    fn send_again(&mut self) {
        while let Some(op) = self.sent.pop() {
            match op {
                Op::SetLimits(_) => self.limits_due = true,
                Op::Restate => self.restate_due = true,
                Op::Renew => self.renew_due = true,
                Op::Routers => self.routers_due = true,
                // Still due.
                Op::Bye => {}
                op => self.outbox.push_front(op),
            }
        }
    }

    /// A batch came to nothing. The first time it is sent again at once; after that the pool is
    /// left alone for a moment, and true says that something must be done about those who wait.
    fn failed_again(&mut self, now: Micros) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_MAX {
            return false;
        }
        self.blocked_until = Some(now.saturating_add(RETRY_PAUSE));
        self.poll_due = true;
        true
    }

    /// Whether the pool does not answer.
    pub(super) fn is_lost(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// Refuses everything that waits.
    fn turn_away(&mut self, refusal: &Refusal, woken: &mut Vec<W>) {
        let waits = |phase: &Phase| matches!(phase, Phase::Waiting | Phase::Rotating { .. });
        let mut numbers: Vec<u64> =
            self.entries.iter().filter(|(_, e)| waits(&e.phase)).map(|(n, _)| *n).collect();
        numbers.sort_unstable();
        for number in numbers {
            self.refuse(number, refusal.clone(), woken);
        }
    }

    /// Ends a ticket or a rotate for the pool and leaves the reason for its request.
    fn refuse(&mut self, number: u64, refusal: Refusal, woken: &mut Vec<W>) {
        let Some(mut entry) = self.end(number) else {
            return;
        };
        woken.extend(entry.watcher.take());
        entry.phase = Phase::Refused(refusal);
        self.entries.insert(number, entry);
    }

    /// The pool calls the batch malformed: our defect, sending it again would not help. Leases
    /// whose settle is lost run out.
    pub(super) fn rejected(&mut self, why: &str, woken: &mut Vec<W>) {
        self.defect = Some(Defect { why: why.to_owned(), commands: self.sent.len() });
        self.poll_due = false;
        for op in std::mem::take(&mut self.sent) {
            let number = match op {
                Op::Acquire(number) => Some(number),
                Op::Rotate { lease, .. } => Some(lease),
                Op::Settle { then, .. } => then,
                Op::Leave(number) => {
                    self.leaving.remove(&number);
                    None
                }
                Op::Answered { .. } | Op::Learn(_) | Op::SetLimits(_) => None,
                Op::Restate | Op::Renew | Op::Routers | Op::Bye => None,
            };
            let refusal = Refusal::Defect(why.to_owned());
            number.into_iter().for_each(|n| self.refuse(n, refusal.clone(), woken));
        }
    }
}

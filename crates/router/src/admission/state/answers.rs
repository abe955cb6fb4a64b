//! What a reply, or its absence, changes.

use std::task::Waker;
use std::time::{Duration, Instant};

use weir_quota::{Answer, BatchReply, Event, Limits, Micros, NoKeyReason, Note, StoreError};

use super::{Op, Phase, State};
use crate::plan::{Cause, Rejection};

/// How long a pool that gave no answer twice is left alone.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// After so many batches in a row without an answer, requests do not wait for one any more.
const FAILURES_MAX: u32 = 2;
/// How often an acquire is sent again because the pool had no limits.
const RESENT_MAX: u8 = 3;

/// Whom to wake once the lock is released.
type Wakers = Vec<Waker>;

fn no_key(until: Option<Micros>, reason: NoKeyReason, notes: &[Note]) -> Rejection {
    let (until, cause) = (until.map(Duration::from_micros), Cause::common(notes));
    Rejection::NoKey { until, reason, cause }
}

impl State {
    /// Takes in the result of the batch under way.
    pub(in super::super) fn absorb(
        &mut self,
        result: Result<BatchReply, StoreError>,
        now: Instant,
    ) -> Wakers {
        let mut wakers = Wakers::new();
        self.in_flight = false;
        if self.share.is_some() {
            self.asked(result, now, &mut wakers);
            return wakers;
        }
        let greeting = std::mem::take(&mut self.greeting);
        match result {
            Ok(reply) => self.heard(reply, greeting, now, &mut wakers),
            Err(error @ (StoreError::StaleSession | StoreError::Corrupt(_))) => {
                if let StoreError::Corrupt(why) = error {
                    self.thrown_away = Some(why);
                }
                self.session = 0;
                self.send_again();
                let why = "the pool refuses every session".to_owned();
                if self.failed_again(now) {
                    self.turn_away(&Rejection::Unavailable(why), &mut wakers);
                }
            }
            Err(StoreError::Unanswered(why)) => {
                self.send_again();
                if self.failed_again(now) && !self.enter_share(now) {
                    self.turn_away(&Rejection::Unavailable(why), &mut wakers);
                }
            }
            Err(StoreError::Rejected(why)) => {
                let was_empty = self.sent.is_empty();
                self.rejected(&why, &mut wakers);
                // A hello or a poll can only be sent again as it was.
                if was_empty && self.failed_again(now) {
                    self.turn_away(&Rejection::Unavailable(why), &mut wakers);
                }
            }
        }
        wakers
    }

    /// Takes in the store's reply.
    pub(super) fn heard(
        &mut self,
        reply: BatchReply,
        greeting: bool,
        now: Instant,
        wakers: &mut Wakers,
    ) {
        self.failures = 0;
        self.blocked_until = None;
        self.heard_at = Some(now);
        self.pool_time = reply.now;
        // Somebody came or went, or may have.
        let is_news = greeting || reply.status.routers != self.peers.count;
        self.routers_due |= self.serves_share && is_news;
        if greeting {
            self.begin_session(reply.session);
        }
        self.take_in(reply, now, wakers);
    }

    /// From now on the pool, or another one, is spoken to anew.
    pub(super) fn begin_session(&mut self, session: u64) {
        self.session = session;
        self.sequence = 0;
        self.replaces = None;
        self.limits_due = true;
        self.restate_due = true;
    }

    /// Takes in a reply, whoever it is from.
    pub(super) fn take_in(&mut self, reply: BatchReply, now: Instant, wakers: &mut Wakers) {
        if reply.answers.len() != self.sent.len() {
            let counts = (reply.answers.len(), self.sent.len());
            let why = format!("{} answers came for {} commands", counts.0, counts.1);
            self.rejected(&why, wakers);
        }
        self.status = reply.status;
        let mut sent = std::mem::take(&mut self.sent);
        for (op, answer) in sent.drain(..).zip(reply.answers) {
            self.answer(op, answer, now, wakers);
        }
        // The room is kept for the next batch.
        self.sent = sent;
        for event in &reply.events {
            self.event(event, wakers);
        }
        if !reply.restate {
            self.restated = false;
        } else if !self.restated {
            self.restate_due = true;
        }
        self.wake_at = reply.wake_in.map(|after| now + Duration::from_micros(after.max(1000)));
        self.busy = reply.restate || reply.status.tickets > 0;
        self.look_at_limits(reply.status.limits_hash);
    }

    /// Another router may have put other limits in force since: the pool is asked for them.
    fn look_at_limits(&mut self, found: u64) {
        let known = self.in_force.as_ref().map_or(self.limits.hash, |limits| limits.hash);
        let is_settled = self.share.is_none() && self.limits_written && !self.limits_due;
        if found == known {
            self.asked_of = 0;
        } else if is_settled && found != 0 && found != self.asked_of {
            self.asked_of = found;
            self.replaces = None;
            self.limits_due = true;
        }
    }

    fn answer(&mut self, op: Op, answer: Answer, now: Instant, wakers: &mut Wakers) {
        match op {
            Op::Acquire(number) => self.ticket_answer(number, answer, wakers),
            Op::Claim(number) => self.claim_answer(number, answer, wakers),
            Op::Settle { then: Some(then), .. } => match answer {
                Answer::Settled(Some(answer)) => self.ticket_answer(then, *answer, wakers),
                _ => self.outbox.push_back(Op::Acquire(then)),
            },
            Op::Rotate { .. } => self.rotate_answer(op, answer, wakers),
            Op::Leave(number) => {
                self.leaving.remove(&number);
            }
            Op::SetLimits(hash) if hash == self.limits.hash => self.limits_answer(answer),
            Op::Routers => {
                if let Answer::Routers(routers) = answer {
                    self.peers.named(&routers, now, &self.timing);
                }
            }
            // Limits of an earlier configuration: those of the present one are due.
            Op::SetLimits(_) => {}
            Op::Settle { then: None, .. } | Op::Answered { .. } | Op::Restate | Op::Renew => {}
        }
    }

    /// The answer to an acquire, its own or one carried by another command.
    fn ticket_answer(&mut self, number: u64, answer: Answer, wakers: &mut Wakers) {
        let may_probe = self.status.cooling > 0;
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        let refusal = match answer {
            Answer::Granted { key, arrival } => {
                entry.arrival = Some(arrival);
                entry.phase = Phase::Held { key, may_probe };
                wakers.extend(entry.waker.take());
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
                self.outbox.push_front(Op::Acquire(number));
                return;
            }
            Answer::Full { retry_after } => {
                Rejection::Full { retry_after: Duration::from_micros(retry_after) }
            }
            Answer::NoKey { until, reason, notes } => no_key(until, reason, &notes),
            other => Rejection::Defect(format!("the pool answered an acquire with {other:?}")),
        };
        entry.phase = Phase::Refused(refusal);
        wakers.extend(entry.waker.take());
    }

    fn claim_answer(&mut self, number: u64, answer: Answer, wakers: &mut Wakers) {
        if matches!(answer, Answer::Granted { .. }) {
            return self.ticket_answer(number, answer, wakers);
        }
        // Too late, or in a grace: the ticket keeps its place.
        if let Some(entry) = self.entries.get_mut(&number)
            && let Phase::Waiting { claiming } = &mut entry.phase
        {
            *claiming = false;
        }
    }

    fn rotate_answer(&mut self, op: Op, answer: Answer, wakers: &mut Wakers) {
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
                wakers.extend(entry.waker.take());
                then.and_then(|then| self.entries.remove(&then));
            }
            (_, None) => {
                entry.phase = Phase::Refused(no_key(None, NoKeyReason::Cooling, &[]));
                wakers.extend(entry.waker.take());
            }
            (Answer::Settled(Some(answer)), Some(then)) => {
                entry.phase = Phase::Moved(then);
                wakers.extend(entry.waker.take());
                self.ticket_answer(then, *answer, wakers);
            }
            (_, Some(then)) => {
                entry.phase = Phase::Moved(then);
                wakers.extend(entry.waker.take());
                self.outbox.push_back(Op::Acquire(then));
            }
        }
    }

    /// Ours are in force, or others are: those are overwritten until ours have been in force once;
    /// later another router has newer ones, and they are obeyed.
    fn limits_answer(&mut self, answer: Answer) {
        if self.share.is_some() {
            return;
        }
        let Answer::LimitsInForce(in_force) = answer else {
            self.limits_written = true;
            self.in_force = None;
            return;
        };
        let ours = Limits { generation: in_force.generation, ..self.limits.clone() };
        if ours == in_force {
            self.limits_written = true;
            self.in_force = None;
        } else if self.limits_written || in_force.is_unset() {
            self.in_force = Some(in_force);
        } else {
            self.replaces = Some(in_force.generation);
            self.limits_due = true;
        }
    }

    fn event(&mut self, event: &Event, wakers: &mut Wakers) {
        let (Event::HandedOff { ticket, .. } | Event::NoKey { ticket, .. }) = event;
        let number = ticket.number;
        let Some(entry) = self.entries.get_mut(&number) else {
            // Nobody waits for it; the pool must not go on offering it.
            self.leave(number);
            return;
        };
        let Phase::Waiting { claiming } = &mut entry.phase else {
            return;
        };
        match event {
            Event::HandedOff { arrival, .. } => {
                entry.arrival = Some(*arrival);
                if !std::mem::replace(claiming, true) {
                    self.outbox.push_back(Op::Claim(number));
                }
            }
            Event::NoKey { until, reason, notes, .. } => {
                entry.phase = Phase::Refused(no_key(*until, *reason, notes));
                wakers.extend(entry.waker.take());
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
                op => self.outbox.push_front(op),
            }
        }
    }

    /// A batch came to nothing. The first time it is sent again at once; after that the pool is
    /// left alone for a moment, and true says that something must be done about those who wait.
    fn failed_again(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_MAX {
            return false;
        }
        self.blocked_until = Some(now + RETRY_PAUSE);
        self.poll_due = true;
        true
    }

    /// Whether the pool does not answer.
    pub(super) fn is_lost(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// Refuses everything that waits.
    fn turn_away(&mut self, refusal: &Rejection, wakers: &mut Wakers) {
        let waits = |phase: &Phase| matches!(phase, Phase::Waiting { .. } | Phase::Rotating { .. });
        let numbers: Vec<u64> =
            self.entries.iter().filter(|(_, e)| waits(&e.phase)).map(|(n, _)| *n).collect();
        for number in numbers {
            self.refuse(number, refusal.clone(), wakers);
        }
    }

    /// Ends a ticket or a rotate for the pool and leaves the reason for its request.
    fn refuse(&mut self, number: u64, refusal: Rejection, wakers: &mut Wakers) {
        let Some(mut entry) = self.end(number) else {
            return;
        };
        wakers.extend(entry.waker.take());
        entry.phase = Phase::Refused(refusal);
        self.entries.insert(number, entry);
    }

    /// The pool calls the batch malformed: our defect, sending it again would not help. Leases
    /// whose settle is lost run out.
    pub(super) fn rejected(&mut self, why: &str, wakers: &mut Wakers) {
        tracing::error!(why, commands = self.sent.len(), "the quota store refused a batch");
        self.poll_due = false;
        for op in std::mem::take(&mut self.sent) {
            let number = match op {
                Op::Acquire(number) | Op::Claim(number) => Some(number),
                Op::Rotate { lease, .. } => Some(lease),
                Op::Settle { then, .. } => then,
                Op::Leave(number) => {
                    self.leaving.remove(&number);
                    None
                }
                Op::Answered { .. } | Op::SetLimits(_) => None,
                Op::Restate | Op::Renew | Op::Routers => None,
            };
            let refusal = Rejection::Defect(why.to_owned());
            number.into_iter().for_each(|n| self.refuse(n, refusal.clone(), wakers));
        }
    }
}

//! One request of a link: what has come of it, and what is to be sent.
//!
//! Knows no other request.

use std::collections::VecDeque;
use std::hash::Hasher;
use std::task::{Context, Waker};

use super::super::frame::{PAYLOAD_BYTES_MAX, PAYLOAD_COST, Part};
use super::{ROOM_BYTES, Violation, Windows};

/// Shorter pieces of a payload are held as one.
const CRUMB_BYTES: usize = 512;

#[derive(Debug)]
pub(super) struct Request<W> {
    pub(super) _work: Option<W>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
}

#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) arrived: VecDeque<Part>,
    /// What the peer may still send.
    pub(super) allowed: u32,
    /// What was read and the peer has not heard of.
    pub(super) read: u32,
    /// It is to hear of it.
    pub(super) is_credit_due: bool,
    /// The head of an answer has come.
    has_head: bool,
    /// Nothing more comes.
    pub(super) is_over: bool,
    /// Nobody reads any more.
    pub(super) is_unread: bool,
    pub(super) reader: Option<Waker>,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) parts: VecDeque<Part>,
    /// Bytes of payloads among them.
    pub(super) queued: usize,
    pub(super) credit: u32,
    pub(super) is_ready: bool,
    /// The peer has been sent something.
    pub(super) is_begun: bool,
    /// Whoever sends, if there is no room.
    pub(super) sender: Option<Waker>,
}

impl<W> Request<W> {
    pub(super) fn new(work: Option<W>, windows: Windows) -> Self {
        let incoming = Incoming {
            arrived: VecDeque::new(),
            allowed: windows.own,
            read: 0,
            is_credit_due: false,
            has_head: false,
            is_over: false,
            is_unread: false,
            reader: None,
        };
        let outgoing = Outgoing {
            parts: VecDeque::new(),
            queued: 0,
            credit: windows.peer,
            is_ready: false,
            is_begun: false,
            sender: None,
        };
        Self { _work: work, incoming, outgoing }
    }

    /// Whoever waits for it looks again.
    pub(super) fn wake(&mut self) {
        self.incoming.wake();
        self.outgoing.wake();
    }
}

impl Incoming {
    pub(super) fn take(&mut self, part: Part) -> Result<(), Violation> {
        self.allowed = self.allowed.checked_sub(cost(&part)).ok_or(Violation::Overdrawn)?;
        if matches!(part, Part::Head(_)) && std::mem::replace(&mut self.has_head, true) {
            return Err(Violation::Misplaced);
        }
        if !self.is_unread {
            self.put(part);
            self.wake();
        }
        Ok(())
    }

    /// Crumbs of one payload, which cost their sender nothing each, are put together.
    fn put(&mut self, part: Part) {
        if let Part::Payload { bytes, is_last } = &part
            && let Some(Part::Payload { bytes: before, is_last: was_last @ false }) =
                self.arrived.back_mut()
            && before.len() + bytes.len() <= CRUMB_BYTES
        {
            *before = [&before[..], bytes].concat().into();
            *was_last = *is_last;
            return;
        }
        self.arrived.push_back(part);
    }

    pub(super) fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Outgoing {
    /// What may be sent next, of a payload as much as one frame and the credit allow.
    pub(super) fn next(&mut self) -> Option<Part> {
        let Some(Part::Payload { bytes, .. }) = self.parts.front_mut() else {
            return self.parts.pop_front();
        };
        let credit = usize::try_from(self.credit).unwrap_or(usize::MAX);
        let allowed = credit.checked_sub(PAYLOAD_COST)?;
        if allowed == 0 && !bytes.is_empty() {
            return None;
        }
        let bytes = bytes.split_to(bytes.len().min(PAYLOAD_BYTES_MAX).min(allowed));
        let part = Part::Payload { bytes, is_last: true };
        self.credit -= cost(&part);
        self.queued -= payload_len(&part);
        if self.parts.front().is_some_and(|rest| payload_len(rest) == 0) {
            self.parts.pop_front();
        }
        if self.queued < ROOM_BYTES {
            self.wake();
        }
        Some(part)
    }

    pub(super) fn wake(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}

pub(super) fn payload_len(part: &Part) -> usize {
    if let Part::Payload { bytes, .. } = part { bytes.len() } else { 0 }
}

/// What a part takes of the credit of its sender.
pub(super) fn cost(part: &Part) -> u32 {
    let Part::Payload { bytes, is_last } = part else { return 0 };
    let cost = bytes.len() + if *is_last { PAYLOAD_COST } else { 0 };
    u32::try_from(cost).unwrap_or(u32::MAX)
}

pub(super) fn set_waker(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(context.waker()),
        None => *place = Some(context.waker().clone()),
    }
}

/// Numbers of requests follow each other: one multiplication spreads them.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

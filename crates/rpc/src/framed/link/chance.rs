//! One end of a link between a peer that may send anything and users of its own, as bytes that chance has
//! made say: what it holds stays within its bounds, what it counts adds up, and nobody waits for nothing.
//!
//! For tests and for the fuzzer. Knows no socket.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::super::frame::{self, Decoder, PAYLOAD_COST, Part};
use super::request::{Request, cost, payload_len};
use super::{Link, ROOM_BYTES, Side, Windows};

/// Small enough to be overdrawn.
const WINDOW: u32 = 1000;
const REQUESTS_MAX: usize = 3;
/// Payloads of the peer, in bytes: around what is put together, and around the window.
const COMING: [usize; 8] = [0, 1, 30, 200, 511, 512, 936, 970];
/// Payloads of users: around what is copied, what is sent in one turn, and what waits for room.
static ZEROES: [u8; 70_000] = [0; 70_000];
const GOING: [usize; 6] = [0, 1, 40, 8193, 65_536, 70_000];
const CREDITS: [u32; 8] = [0, 1, 31, 33, 1000, 70_000, 1 << 31, u32::MAX];
/// A frame of a later version.
const LATER: &[u8] = &[0, 0, 0, 0, 4, 8, 1, 104, 1];
/// Moves with such a number may break the rules.
const WILD: usize = 250;

/// Plays what `data` says.
///
/// # Errors
/// What does not hold.
pub fn peer(data: &[u8]) -> Result<(), String> {
    let Some((first, rest)) = data.split_first() else { return Ok(()) };
    let side = if first & 1 == 0 { Side::Caller } else { Side::Service };
    let peer = CREDITS[usize::from(first >> 1) % CREDITS.len()];
    let mut play = Play::new(side, Windows { own: WINDOW, peer, requests_max: REQUESTS_MAX });
    let mut chance = rest.iter().copied();
    while let Some(move_) = chance.next() {
        let (which, more) = (chance.next().unwrap_or(0), chance.next().unwrap_or(0));
        let is_sound = play.turn(move_, which, usize::from(more));
        play.check()?;
        if !is_sound? {
            return play.broken();
        }
    }
    play.pull_all()?;
    play.check_rest()
}

/// What is known of a request from outside.
#[derive(Debug, Default)]
struct Known {
    /// Of its payload, what has come, and how much of that was read.
    came: Vec<u8>,
    read: usize,
    /// What may be sent, credits and all, and what was.
    allowed: u64,
    sent: u64,
    /// What was sent of it that opens it, or is its last.
    is_begun: bool,
    is_ended: bool,
    is_cancelled: bool,
    /// Its user has left its last part to be sent.
    is_done: bool,
}

struct Play {
    link: Link<Arc<()>>,
    windows: Windows,
    incoming: Decoder,
    outgoing: Decoder,
    known: HashMap<u64, Known>,
    /// The work of requests holds it.
    life: Arc<()>,
    /// The next byte of a payload that comes.
    next: u8,
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Play {
    fn new(side: Side, windows: Windows) -> Self {
        Self {
            link: Link::new(side, windows),
            windows,
            incoming: Decoder::default(),
            outgoing: Decoder::default(),
            known: HashMap::new(),
            life: Arc::new(()),
            next: 0,
        }
    }

    /// Whether the peer has kept to the rules.
    fn turn(&mut self, move_: u8, which: u8, more: usize) -> Result<bool, String> {
        let number = u64::from(which) % (self.link.last + 2);
        let part = match move_ % 16 {
            0 => Part::Open(Bytes::from_static(b"opening")),
            1 => Part::Head(Bytes::from_static(b"head")),
            2 | 3 => {
                let length = COMING[more % COMING.len()];
                let first = self.next;
                self.next = first.wrapping_add(length as u8);
                let bytes = (0..length).map(|at| first.wrapping_add(at as u8)).collect();
                Part::Payload { bytes, is_last: true }
            }
            4 => Part::End(Bytes::new()),
            5 if more & 1 == 0 => Part::Cut,
            5 => Part::Cancel,
            6 => Part::Credit(CREDITS[more % CREDITS.len()]),
            7 if more == 7 => Part::Leaving,
            7 => return self.receive(LATER, more),
            8 if more >= WILD => return self.receive(&[which, move_, 0, more as u8], 0),
            8 => return self.pull().map(|_| true),
            9 | 10 => return self.go(number, more).map(|()| true),
            11 | 12 => return self.read(number, more).map(|()| true),
            13 => {
                self.link.unread(number);
                return Ok(true);
            }
            14 => return self.pull().map(|_| true),
            _ if more == 7 => {
                self.link.leave();
                return Ok(true);
            }
            _ => return self.pull_all().map(|()| true),
        };
        // Else few games were longer than some moves.
        if !self.is_allowed(number, &part) && more < WILD {
            return Ok(true);
        }
        let mut bytes = BytesMut::new();
        frame::put(&mut bytes, number, &part);
        self.receive(&bytes, more)
    }

    /// Whether the peer may send it.
    fn is_allowed(&self, number: u64, part: &Part) -> bool {
        let is_caller = self.link.side == Side::Caller;
        let incoming = self.link.requests.get(&number).map(|request| &request.incoming);
        let has_credit = incoming.is_none_or(|it| !it.is_over && it.allowed >= cost(part));
        let is_told = |known: &Known| known.is_begun || !is_caller;
        if self.known.get(&number).is_some_and(|known| !is_told(known)) {
            return false;
        }
        match part {
            Part::Leaving => true,
            Part::Open(_) => !is_caller && number > self.link.last,
            Part::Head(_) => is_caller && number <= self.link.last && has_credit,
            Part::Credit(_) => number <= self.link.last,
            _ => number <= self.link.last && has_credit,
        }
    }

    /// Bytes of the peer, cut in two.
    fn receive(&mut self, bytes: &[u8], cut: usize) -> Result<bool, String> {
        let (one, two) = bytes.split_at(cut % (bytes.len() + 1));
        for piece in [one, two] {
            self.incoming.push(Bytes::copy_from_slice(piece));
            loop {
                let Ok(next) = self.incoming.next() else { return Ok(false) };
                let Some((number, part)) = next else { break };
                let (payload, credit) = match &part {
                    Part::Payload { bytes, .. } => (bytes.clone(), 0),
                    Part::Credit(credit) => (Bytes::new(), *credit),
                    _ => Default::default(),
                };
                let is_kept =
                    self.link.requests.get(&number).is_some_and(|one| !one.incoming.is_unread);
                let Ok(opened) = self.link.receive(number, part) else { return Ok(false) };
                if let Some(known) = self.known.get_mut(&number) {
                    known.allowed += u64::from(credit);
                    known.came.extend(payload.iter().filter(|_| is_kept));
                }
                if let Some((number, _)) = opened {
                    self.know(number);
                    self.link.begin(number, Arc::clone(&self.life));
                }
            }
        }
        Ok(true)
    }

    fn know(&mut self, number: u64) {
        let allowed = u64::from(self.windows.peer);
        self.known.insert(number, Known { allowed, ..Known::default() });
    }

    /// What users do who have something to send.
    fn go(&mut self, number: u64, more: usize) -> Result<(), String> {
        let length = GOING[more % GOING.len()];
        let payload = Part::Payload { bytes: Bytes::from_static(&ZEROES[..length]), is_last: true };
        // As permits bound them.
        let has_room = self.link.requests.len() < REQUESTS_MAX;
        if self.link.side == Side::Caller && more & 64 == 0 && has_room {
            let parts = vec![Part::Open(Bytes::from_static(b"opening")), payload];
            if let Ok(number) = self.link.open(parts) {
                self.know(number);
            }
            return Ok(());
        }
        let room = self.link.poll_room(number, &Context::from_waker(Waker::noop()));
        let Some(known) = self.known.get_mut(&number).filter(|known| !known.is_done) else {
            return Ok(());
        };
        if room == Poll::Ready(true) {
            known.is_done = more & 128 != 0;
            let part = match more & 32 {
                _ if !known.is_done => payload,
                0 => Part::End(Bytes::from_static(&ZEROES[..9000])),
                _ if self.link.side == Side::Service => Part::Cancel,
                _ => Part::Cut,
            };
            ensure(self.link.send(number, part), || {
                format!("there was room, but not for {number}")
            })?;
        }
        Ok(())
    }

    /// Reads what has come of a request, up to so many parts.
    fn read(&mut self, number: u64, parts: usize) -> Result<(), String> {
        if self.link.requests.get(&number).is_some_and(|one| one.incoming.is_unread) {
            return Ok(());
        }
        for _ in 0..=parts {
            let arrived = self.link.poll_arrived(number, &Context::from_waker(Waker::noop()));
            let Poll::Ready(Some(Ok(part))) = arrived else { break };
            let known = self.known.get_mut(&number).ok_or("a part of nothing that is known")?;
            if let Part::Payload { bytes, .. } = part {
                let rest = known.came.get(known.read..).unwrap_or_default();
                ensure(rest.starts_with(&bytes), || {
                    format!("{number}: what is read has not come")
                })?;
                known.read += bytes.len();
            }
        }
        Ok(())
    }

    fn pull_all(&mut self) -> Result<(), String> {
        while self.pull()? {}
        Ok(())
    }

    /// Sends what is next; false if there is nothing.
    fn pull(&mut self) -> Result<bool, String> {
        let Some(bytes) = self.link.pull() else { return Ok(false) };
        ensure(!bytes.is_empty(), || "nothing was pulled".to_owned())?;
        self.outgoing.push(bytes);
        while let Some((number, part)) = self.outgoing.next().map_err(|error| error.to_string())? {
            self.sent(number, &part)?;
        }
        Ok(true)
    }

    /// Whether a part may be sent, as the peer sees it.
    fn sent(&mut self, number: u64, part: &Part) -> Result<(), String> {
        let is_caller = self.link.side == Side::Caller;
        let Some(known) = self.known.get_mut(&number) else {
            let is_fine = match part {
                Part::Leaving => !is_caller && number == 0,
                // It was let go, or turned away.
                part => matches!(part, Part::Cancel),
            };
            return ensure(is_fine, || format!("{part:?} of {number}, which nobody knows"));
        };
        let was_begun = known.is_begun || !is_caller;
        known.is_begun |= matches!(part, Part::Open(_));
        known.sent += u64::from(cost(part));
        let Known { allowed, sent, is_ended, is_cancelled, .. } = *known;
        known.is_ended |= matches!(part, Part::End(_) | Part::Cut);
        known.is_cancelled |= matches!(part, Part::Cancel);
        let is_in_place = match part {
            Part::Open(_) => is_caller && !was_begun,
            Part::Head(_) => !is_caller && !is_ended,
            Part::Credit(_) => was_begun && (is_caller || !is_ended),
            Part::Cancel => was_begun && (is_caller || !is_ended),
            _ => was_begun && !is_ended,
        };
        ensure(is_in_place && !is_cancelled, || format!("{part:?} of {number} is out of place"))?;
        ensure(sent <= allowed, || format!("{sent} of {number} were sent, {allowed} may be"))
    }

    /// What holds at any time.
    fn check(&self) -> Result<(), String> {
        let link = &self.link;
        let open = link.requests.len();
        ensure(open <= REQUESTS_MAX, || format!("{open} requests"))?;
        ensure(Arc::strong_count(&self.life) <= open + 1, || {
            "work of requests that are gone".into()
        })?;
        let (ready, control) = (link.ready.len(), link.control.len());
        let most = 4 * REQUESTS_MAX + 1;
        ensure(ready <= most && control <= most, || {
            format!("{ready} and {control} wait for a turn")
        })?;
        link.requests.iter().try_for_each(|(number, request)| self.check_one(*number, request))
    }

    fn check_one(&self, number: u64, request: &Request<Arc<()>>) -> Result<(), String> {
        let Request { incoming, outgoing, .. } = request;
        let held: u32 = incoming.arrived.iter().map(cost).sum();
        let counted = incoming.allowed + held + incoming.read;
        let is_exact = !incoming.is_unread;
        ensure(counted <= WINDOW && (counted == WINDOW || !is_exact), || {
            format!(
                "{number}: {} may come, {held} are here, {} were read",
                incoming.allowed, incoming.read
            )
        })?;
        let parts = incoming.arrived.len();
        let most = WINDOW as usize / PAYLOAD_COST + 4;
        ensure(parts <= most, || format!("{number}: {parts} parts are here"))?;
        let queued: usize = outgoing.parts.iter().map(payload_len).sum();
        let is_over = incoming.is_over || self.link.broken.is_some();
        ensure(queued == outgoing.queued || is_over, || format!("{number}: {queued} bytes wait"))?;
        ensure(queued < ROOM_BYTES + ZEROES.len(), || format!("{number}: {queued} bytes wait"))?;
        let is_queued = self.link.ready.contains(&number);
        ensure(is_queued == outgoing.is_ready, || format!("{number}: has a turn: {is_queued}"))
    }

    /// What holds when all was sent that may be: who still waits has no credit.
    fn check_rest(&self) -> Result<(), String> {
        self.check()?;
        for (number, Request { outgoing, .. }) in &self.link.requests {
            let is_held_up = match outgoing.parts.front() {
                None => true,
                Some(Part::Payload { .. }) => outgoing.credit as usize <= PAYLOAD_COST,
                Some(_) => false,
            };
            ensure(is_held_up, || format!("{number}: {:?} is left", outgoing.parts.front()))?;
        }
        Ok(())
    }

    /// What holds when the link has failed.
    fn broken(mut self) -> Result<(), String> {
        self.link.fail("the peer breaks the rules");
        let context = Context::from_waker(Waker::noop());
        for number in 0..self.link.last + 2 {
            let room = self.link.poll_room(number, &context);
            let waits =
                room != Poll::Ready(false) || self.link.poll_some(number, &context).is_pending();
            ensure(!waits, || format!("{number} waits on a broken link"))?;
            // What had come can still be read, then why nothing more does.
            self.read(number, usize::MAX - 1)?;
            let is_pending = self.link.poll_arrived(number, &context).is_pending();
            ensure(!is_pending, || format!("{number} is read on a broken link"))?;
        }
        let has_work = self.link.side == Side::Service && Arc::strong_count(&self.life) > 1;
        ensure(!has_work, || "work goes on behind a broken link".to_owned())?;
        ensure(self.link.open(Vec::new()).is_err(), || "a broken link takes requests".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_that_a_peer_sends_breaks_an_end(data in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(super::peer(&data), Ok(()));
        }
    }
}

//! One end of a link as a machine: which requests are open, what each may send and has received.
//!
//! Parts in, bytes out and back. Knows no connection, no task and no message: what is to be sent is
//! pulled, who waits is woken. What it holds is bounded: of each request, a window of payload that was
//! received, and of what is to be sent the handles that whoever sends was allowed to leave here.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::frame::{self, PAYLOAD_BYTES_MAX, PAYLOAD_COST, Part};

/// Gathered for one write.
const BATCH_BYTES: usize = 32 * 1024;
/// Room made for it at first.
const BUFFER_BYTES: usize = 4 * 1024;
/// Longer parts are sent as they are; of shorter ones a copy is cheaper than a write of their own.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// Whoever has left this much to be sent of one request waits before there is more.
const ROOM_BYTES: usize = 64 * 1024;

/// Which end this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Opens requests.
    Caller,
    /// Is asked.
    Service,
}

/// What the ends allow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windows {
    /// What the peer may send of one request before it is read, in bytes.
    pub(crate) own: u32,
    /// The same for this end.
    pub(crate) peer: u32,
    /// Requests at a time.
    pub(crate) requests_max: usize,
}

/// The peer does not keep to what `link.proto` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// More was sent than there was credit for.
    #[error("a peer sent more of a request than it had credit for")]
    Overdrawn,
    /// Only callers open requests, only services have heads, and numbers grow.
    #[error("a peer sent a frame that is not its to send")]
    Misplaced,
}

/// Why no request can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The service is leaving: another link is as good.
    Leaving,
    /// The link broke.
    Broken(Arc<str>),
}

/// One end of a link. `W` is the work that a request is for, which is dropped when the request is let go;
/// dropping it must not call back.
#[derive(Debug)]
pub(crate) struct Link<W> {
    side: Side,
    windows: Windows,
    requests: HashMap<u64, Request<W>, BuildHasherDefault<NumberHasher>>,
    /// The greatest number up to now.
    last: u64,
    /// What does not wait for its turn.
    control: VecDeque<(u64, Control)>,
    /// Requests of which something can be sent.
    ready: VecDeque<u64>,
    buffer: BytesMut,
    /// Follows what was pulled last.
    large: Option<Bytes>,
    is_leaving: bool,
    broken: Option<Arc<str>>,
    pump: Option<Waker>,
}

#[derive(Debug, Clone, Copy)]
enum Control {
    Credit,
    Cancel,
    Leaving,
}

#[derive(Debug)]
struct Request<W> {
    _work: Option<W>,
    incoming: Incoming,
    outgoing: Outgoing,
}

#[derive(Debug)]
struct Incoming {
    arrived: VecDeque<Part>,
    /// What the peer may still send.
    allowed: u32,
    /// What was read and the peer has not heard of.
    read: u32,
    /// It is to hear of it.
    is_credit_due: bool,
    /// Nothing more comes.
    is_over: bool,
    /// Nobody reads any more.
    is_unread: bool,
    reader: Option<Waker>,
}

#[derive(Debug)]
struct Outgoing {
    parts: VecDeque<Part>,
    /// Bytes of payloads among them.
    queued: usize,
    credit: u32,
    is_ready: bool,
    /// The peer has been sent something.
    is_begun: bool,
    /// Whoever sends, if there is no room.
    sender: Option<Waker>,
}

impl<W> Link<W> {
    pub(crate) fn new(side: Side, windows: Windows) -> Self {
        Self {
            side,
            windows,
            requests: HashMap::default(),
            last: 0,
            control: VecDeque::new(),
            ready: VecDeque::new(),
            buffer: BytesMut::new(),
            large: None,
            is_leaving: false,
            broken: None,
            pump: None,
        }
    }

    /// Opens a request with its first parts; further ones may follow.
    ///
    /// # Errors
    /// [`Closed`]; nothing was or will be sent.
    pub(crate) fn open(&mut self, parts: impl Into<VecDeque<Part>>) -> Result<u64, Closed> {
        self.is_open()?;
        self.last += 1;
        let mut request = Request::new(None, self.windows);
        request.outgoing.parts = parts.into();
        request.outgoing.queued = request.outgoing.parts.iter().map(payload_len).sum();
        request.outgoing.is_ready = true;
        self.requests.insert(self.last, request);
        self.ready.push_back(self.last);
        self.wake_pump();
        Ok(self.last)
    }

    /// Whether a request can be opened.
    pub(crate) fn is_open(&self) -> Result<(), Closed> {
        match &self.broken {
            Some(why) => Err(Closed::Broken(Arc::clone(why))),
            None if self.is_leaving => Err(Closed::Leaving),
            None => Ok(()),
        }
    }

    /// Leaves a part to be sent; false if the request has been let go.
    pub(crate) fn send(&mut self, number: u64, part: Part) -> bool {
        let is_sendable = self.broken.is_none();
        let Some(request) = self.requests.get_mut(&number).filter(|_| is_sendable) else {
            return false;
        };
        let is_caller = self.side == Side::Caller;
        let outgoing = &mut request.outgoing;
        if is_caller && request.incoming.is_over {
            return false;
        }
        outgoing.queued += payload_len(&part);
        outgoing.parts.push_back(part);
        if !std::mem::replace(&mut outgoing.is_ready, true) {
            self.ready.push_back(number);
        }
        self.wake_pump();
        true
    }

    /// Waits until there is room for more of a request; false if it has been let go.
    pub(crate) fn poll_room(&mut self, number: u64, context: &Context<'_>) -> Poll<bool> {
        let is_sendable = self.broken.is_none();
        let Some(request) = self.requests.get_mut(&number).filter(|_| is_sendable) else {
            return Poll::Ready(false);
        };
        if self.side == Side::Caller && request.incoming.is_over {
            return Poll::Ready(false);
        }
        if request.outgoing.queued < ROOM_BYTES {
            return Poll::Ready(true);
        }
        set_waker(&mut request.outgoing.sender, context);
        Poll::Pending
    }

    /// The next part that has come of a request, none after its last; what is read is credited.
    pub(crate) fn poll_arrived(
        &mut self,
        number: u64,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Part, Arc<str>>>> {
        let Some(request) = self.requests.get_mut(&number) else {
            return Poll::Ready(self.broken.clone().map(Err));
        };
        let incoming = &mut request.incoming;
        let Some(part) = incoming.arrived.pop_front() else {
            if incoming.is_over {
                return Poll::Ready(None);
            }
            if let Some(why) = &self.broken {
                incoming.is_over = true;
                return Poll::Ready(Some(Err(Arc::clone(why))));
            }
            set_waker(&mut incoming.reader, context);
            return Poll::Pending;
        };
        incoming.read += cost(&part);
        // Lazily: small bodies are never credited.
        let is_due = incoming.read >= self.windows.own / 2 && !incoming.is_over;
        if is_due && !std::mem::replace(&mut incoming.is_credit_due, true) {
            self.control.push_back((number, Control::Credit));
            self.wake_pump();
        }
        Poll::Ready(Some(Ok(part)))
    }

    /// Waits until something of a request has come, or nothing more will.
    pub(crate) fn poll_some(&mut self, number: u64, context: &Context<'_>) -> Poll<()> {
        let Some(request) = self.requests.get_mut(&number) else { return Poll::Ready(()) };
        let incoming = &mut request.incoming;
        if !incoming.arrived.is_empty() || incoming.is_over || self.broken.is_some() {
            return Poll::Ready(());
        }
        set_waker(&mut incoming.reader, context);
        Poll::Pending
    }

    /// Nobody reads what comes of a request any more: a caller has let it go, a service goes on.
    pub(crate) fn unread(&mut self, number: u64) {
        if self.side == Side::Service {
            if let Some(request) = self.requests.get_mut(&number) {
                request.incoming.is_unread = true;
                request.incoming.arrived.clear();
            }
            return;
        }
        let Some(request) = self.requests.remove(&number) else { return };
        if let Some(sender) = request.outgoing.sender {
            sender.wake();
        }
        // Of what was never begun, or has ended, there is nothing to say.
        if request.outgoing.is_begun && !request.incoming.is_over && self.broken.is_none() {
            self.control.push_back((number, Control::Cancel));
        }
        if !self.control.is_empty() || self.is_leaving {
            self.wake_pump();
        }
    }

    /// The work that a request is for; it is dropped if the request has been let go.
    pub(crate) fn begin(&mut self, number: u64, work: W) {
        if let Some(request) = self.requests.get_mut(&number) {
            request._work = Some(work);
        }
    }

    /// No further requests: a caller has been told, or has nobody who would open any; a service says so.
    pub(crate) fn leave(&mut self) {
        if std::mem::replace(&mut self.is_leaving, true) {
            return;
        }
        if self.side == Side::Service {
            self.control.push_back((0, Control::Leaving));
        }
        self.wake_pump();
    }

    /// Whether all that was begun has ended and was sent.
    pub(crate) fn is_idle(&self) -> bool {
        let has_nothing_to_send =
            self.control.is_empty() && self.large.is_none() && self.buffer.is_empty();
        self.requests.is_empty() && has_nothing_to_send
    }

    /// Whether no further requests are wanted.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// The link is gone: everybody who waits hears why, and the work behind it is dropped.
    pub(crate) fn fail(&mut self, why: &str) {
        if self.broken.is_some() {
            return;
        }
        self.broken = Some(why.into());
        for request in self.requests.values_mut() {
            request.wake();
            request.outgoing.parts.clear();
        }
        if self.side == Side::Service {
            self.requests.clear();
        }
        self.wake_pump();
    }

    /// Who is woken when there is something to send.
    pub(crate) fn park(&mut self, context: &Context<'_>) {
        set_waker(&mut self.pump, context);
    }

    fn wake_pump(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
    }
}

/// What comes from the peer.
impl<W> Link<W> {
    /// Takes what the peer has sent; a request that it opens, with its opening.
    ///
    /// # Errors
    /// [`Violation`], after which nothing that comes can be believed.
    pub(crate) fn receive(
        &mut self,
        number: u64,
        part: Part,
    ) -> Result<Option<(u64, Bytes)>, Violation> {
        match (&part, self.side) {
            (Part::Leaving, _) => {
                self.leave();
                return Ok(None);
            }
            (Part::Open(_), Side::Service) if number > self.last => {
                let Part::Open(opening) = part else { return Ok(None) };
                return Ok(self.accept(number, opening));
            }
            (Part::Open(_), _) | (Part::Head(_), Side::Service) => {
                return Err(Violation::Misplaced);
            }
            _ if number > self.last => return Err(Violation::Misplaced),
            _ => {}
        }
        // What comes for a request that was let go was on its way.
        let Some(request) = self.requests.get_mut(&number) else { return Ok(None) };
        match part {
            Part::Credit(credit) => {
                let outgoing = &mut request.outgoing;
                outgoing.credit = outgoing.credit.saturating_add(credit);
                if !outgoing.parts.is_empty() && !std::mem::replace(&mut outgoing.is_ready, true) {
                    self.ready.push_back(number);
                    self.wake_pump();
                }
                return Ok(None);
            }
            Part::Cancel if self.side == Side::Service => {
                if let Some(mut gone) = self.requests.remove(&number) {
                    gone.wake();
                }
                return Ok(None);
            }
            _ if request.incoming.is_over => return Err(Violation::Misplaced),
            _ => {}
        }
        let is_last = matches!(part, Part::End(_) | Part::Cut | Part::Cancel);
        request.incoming.take(part)?;
        if is_last {
            request.incoming.is_over = true;
            if self.side == Side::Caller {
                // The service has let go of it, whatever was still to be sent.
                request.outgoing.parts.clear();
                request.outgoing.wake();
            }
        }
        Ok(None)
    }

    fn accept(&mut self, number: u64, opening: Bytes) -> Option<(u64, Bytes)> {
        self.last = number;
        if self.requests.len() >= self.windows.requests_max {
            self.control.push_back((number, Control::Cancel));
            self.wake_pump();
            return None;
        }
        self.requests.insert(number, Request::new(None, self.windows));
        Some((number, opening))
    }
}

/// What goes to the peer.
impl<W> Link<W> {
    /// The next bytes to be sent. Nobody's turn is longer than one payload or batch.
    pub(crate) fn pull(&mut self) -> Option<Bytes> {
        if let Some(large) = self.large.take() {
            return Some(large);
        }
        if self.control.is_empty() && self.ready.is_empty() {
            return None;
        }
        // The same bytes again, where those that were sent before are gone.
        self.buffer.reserve(BUFFER_BYTES);
        self.put_control();
        while self.buffer.len() < BATCH_BYTES && self.large.is_none() {
            let Some(number) = self.ready.pop_front() else { break };
            self.take_turn(number);
        }
        (!self.buffer.is_empty()).then(|| self.buffer.split().freeze())
    }

    fn put_control(&mut self) {
        while let Some((number, control)) = self.control.pop_front() {
            let part = match control {
                Control::Cancel => Part::Cancel,
                Control::Leaving => Part::Leaving,
                Control::Credit => {
                    let Some(request) = self.requests.get_mut(&number) else { continue };
                    let incoming = &mut request.incoming;
                    incoming.is_credit_due = false;
                    let credit = std::mem::take(&mut incoming.read);
                    incoming.allowed += credit;
                    Part::Credit(credit)
                }
            };
            frame::put(&mut self.buffer, number, &part);
        }
    }

    /// Sends of one request what it may, up to one payload.
    fn take_turn(&mut self, number: u64) {
        let Some(request) = self.requests.get_mut(&number) else { return };
        let outgoing = &mut request.outgoing;
        let mut sent = 0;
        while sent < PAYLOAD_BYTES_MAX && self.large.is_none() {
            let Some(part) = outgoing.next() else {
                outgoing.is_ready = false;
                return;
            };
            outgoing.is_begun = true;
            let is_last = matches!(part, Part::End(_) | Part::Cut | Part::Cancel);
            let bytes = match &part {
                Part::Open(bytes) | Part::Head(bytes) | Part::End(bytes) => bytes,
                Part::Payload { bytes, .. } => bytes,
                _ => &Bytes::new(),
            };
            sent += bytes.len() + PAYLOAD_COST;
            if bytes.len() > COPIED_BYTES_MAX {
                frame::put_header(&mut self.buffer, number, &part, bytes.len());
                self.large = Some(bytes.clone());
            } else {
                frame::put(&mut self.buffer, number, &part);
            }
            if is_last && self.side == Side::Service {
                if let Some(mut gone) = self.requests.remove(&number) {
                    gone.wake();
                }
                return;
            }
        }
        self.ready.push_back(number);
    }
}

impl<W> Request<W> {
    fn new(work: Option<W>, windows: Windows) -> Self {
        let incoming = Incoming {
            arrived: VecDeque::new(),
            allowed: windows.own,
            read: 0,
            is_credit_due: false,
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
    fn wake(&mut self) {
        self.incoming.wake();
        self.outgoing.wake();
    }
}

impl Incoming {
    fn take(&mut self, part: Part) -> Result<(), Violation> {
        self.allowed = self.allowed.checked_sub(cost(&part)).ok_or(Violation::Overdrawn)?;
        if !self.is_unread {
            self.arrived.push_back(part);
            self.wake();
        }
        Ok(())
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Outgoing {
    /// What may be sent next, of a payload as much as one frame and the credit allow.
    fn next(&mut self) -> Option<Part> {
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

    fn wake(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}

fn payload_len(part: &Part) -> usize {
    if let Part::Payload { bytes, .. } = part { bytes.len() } else { 0 }
}

/// What a part takes of the credit of its sender.
fn cost(part: &Part) -> u32 {
    let Part::Payload { bytes, is_last } = part else { return 0 };
    let cost = bytes.len() + if *is_last { PAYLOAD_COST } else { 0 };
    u32::try_from(cost).unwrap_or(u32::MAX)
}

fn set_waker(place: &mut Option<Waker>, context: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(context.waker()),
        None => *place = Some(context.waker().clone()),
    }
}

/// Numbers of requests follow each other: one multiplication spreads them.
#[derive(Debug, Default)]
struct NumberHasher(u64);

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

#[cfg(test)]
mod tests;

//! One end of a link as a machine: which requests are open, what each may send and has received.
//!
//! Parts in, bytes out and back. Knows no connection, no task and no message: what is to be sent is
//! pulled, who waits is woken. What it holds is bounded: of each request, a window of payload that was
//! received, and of what is to be sent the handles that whoever sends was allowed to leave here.

#[cfg(any(test, feature = "fuzz"))]
mod chance;
mod request;
mod sending;

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::frame::Part;
#[cfg(any(test, feature = "fuzz"))]
pub use chance::peer;
use request::{NumberHasher, Request, cost, payload_len, set_waker};

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
    /// Only callers open requests, only services have heads, one of each, and numbers grow.
    #[error("a peer sent a frame that is not its to send")]
    Misplaced,
    /// As many requests as may be open were turned away, and the peer does not read that they were.
    #[error("a peer opens requests without end")]
    Crowd,
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
        self.forget_gone();
    }

    /// Turns of requests that are gone do not pile up while nothing is pulled: a peer may open some and let
    /// them go for as long as it likes.
    fn forget_gone(&mut self) {
        let (most, requests) = (4 * self.windows.requests_max, &self.requests);
        if self.ready.len() > most {
            self.ready.retain(|number| requests.contains_key(number));
        }
        if self.control.len() > most {
            let is_credit = |control: &Control| matches!(control, Control::Credit);
            self.control.retain(|(number, one)| !is_credit(one) || requests.contains_key(number));
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
                return self.accept(number, opening);
            }
            (Part::Open(_), _) | (Part::Head(_), Side::Service) => {
                return Err(Violation::Misplaced);
            }
            _ if number > self.last => return Err(Violation::Misplaced),
            _ => {}
        }
        // What comes for a request that was let go was on its way.
        let Some(request) = self.requests.get_mut(&number) else { return Ok(None) };
        if self.side == Side::Caller && !request.outgoing.is_begun {
            return Err(Violation::Misplaced);
        }
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
                    self.forget_gone();
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

    fn accept(&mut self, number: u64, opening: Bytes) -> Result<Option<(u64, Bytes)>, Violation> {
        self.last = number;
        let Windows { requests_max, .. } = self.windows;
        if self.requests.len() >= requests_max {
            // A credit for each request may wait to be sent, and as many refusals.
            if self.control.len() > 2 * requests_max {
                return Err(Violation::Crowd);
            }
            self.control.push_back((number, Control::Cancel));
            self.wake_pump();
            return Ok(None);
        }
        self.requests.insert(number, Request::new(None, self.windows));
        Ok(Some((number, opening)))
    }
}

#[cfg(test)]
mod tests;

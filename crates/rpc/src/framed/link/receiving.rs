//! What comes from the peer: which request each part is of, and whether it was the peer's to send.
//!
//! Knows no connection and no bytes: parts are handed in as they come.

use bytes::Bytes;

use super::super::frame::Part;
use super::request::Request;
use super::{Control, Link, Side, Violation, Windows};

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
        let is_last = part.is_last();
        let Some(request) = self.requests.get_mut(&number) else {
            // What comes for a request that was let go was on its way.
            if is_last {
                self.ending.remove(&number);
            }
            return Ok(None);
        };
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
                    if gone.outgoing.is_complete() {
                        self.ended(number);
                    }
                }
                return Ok(None);
            }
            _ if request.incoming.is_over => return Err(Violation::Misplaced),
            _ => {}
        }
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

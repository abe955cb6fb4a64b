//! What goes to the peer: in turns, so that nobody waits for more than a payload of another.
//!
//! Knows no connection: whoever has room for bytes pulls them.

use bytes::Bytes;

use super::super::frame::{self, PAYLOAD_BYTES_MAX, PAYLOAD_COST, Part};
use super::{Control, Link, Side};

/// Gathered for one write.
const BATCH_BYTES: usize = 32 * 1024;
/// Room made for it at first.
const BUFFER_BYTES: usize = 4 * 1024;
/// Longer parts are sent as they are; of shorter ones a copy is cheaper than a write of their own.
const COPIED_BYTES_MAX: usize = 8 * 1024;

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

//! Our types as protobuf messages and back, one file per kind of message.
//!
//! What is sent is always complete. What is read may come from an older or newer version: unknown
//! codes and labels degrade as `proto/` says, and what cannot be understood is a [`Fault`] that
//! names the field, never a panic.

mod fault;
mod frame;
mod metadata;
mod reply;
mod request;
mod status;

pub(crate) use frame::{Part, WireFrame, first_chunk};
pub(crate) use metadata::{attach, beside, context, context_beside, transport_limit};
pub(crate) use reply::{description, description_of, end, end_of, reply, reply_head};
pub(crate) use request::{router_head, router_request, worker_head, worker_request};
pub(crate) use status::{fault_of, is_said, status};

use weir_types::{Fault, FaultCode};

use crate::Header;
use crate::proto::common;

fn headers(headers: Vec<Header>) -> Vec<common::Header> {
    headers.into_iter().map(|(name, value)| common::Header { name, value }).collect()
}

/// The most headers in one message: what fits into the 64 KiB of a client's head. Whoever makes a map
/// of them must not be brought to its end, which is a panic.
const HEADERS_MAX: usize = 2048;

fn headers_of(headers: Vec<common::Header>) -> Result<Vec<Header>, Fault> {
    if headers.len() > HEADERS_MAX {
        let count = headers.len();
        return Err(malformed(&format!("it has {count} `headers`, at most {HEADERS_MAX} may be")));
    }
    Ok(headers.into_iter().map(|header| (header.name, header.value)).collect())
}

/// A message of ours that lacks what it must have: the other side runs something else.
pub(crate) fn malformed(what: &str) -> Fault {
    Fault::new(
        FaultCode::Internal,
        format!("a service sent a message that this version cannot read: {what}"),
    )
}

/// `text`, if it is there.
fn required(text: String, field: &str) -> Result<String, Fault> {
    if text.is_empty() {
        return Err(malformed(&format!("`{field}` is missing")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;

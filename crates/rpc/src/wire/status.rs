//! A fault before the head of an answer, as the status of the call.
//!
//! The gRPC code is for meshes and people with a command line client; our own side reads the
//! details, which carry the whole fault. A status without them comes from the transport.

use prost::Message;
use tonic::{Code, Status};
use weir_types::{Fault, FaultCode};

use crate::proto::common;
use crate::token;

/// Details are a header, and headers of a connection's peer are bounded: 16 KiB in most stacks,
/// base64 included.
const DETAILS_BYTES_MAX: usize = 8 * 1024;

/// The status that carries `fault`.
///
/// # Errors
/// The fault itself if it is too long for a header, because of a provider's answer mostly.
pub(crate) fn status(fault: Fault) -> Result<Status, Box<common::Fault>> {
    let code = Code::from_i32(fault.code.grpc_code());
    let kind = fault.code.kind();
    let message = common::Fault::from(fault);
    if message.encoded_len() > DETAILS_BYTES_MAX {
        return Err(Box::new(message));
    }
    Ok(Status::with_details(code, kind, message.encode_to_vec().into()))
}

/// Whether the service itself gave `status`, or one of our own side's limits on what it said.
pub(crate) fn is_said(status: &Status) -> bool {
    !status.details().is_empty() || status.code() == Code::OutOfRange
}

/// The fault that `status` carries, or what a status of the transport means.
pub(crate) fn fault_of(status: &Status, deadline_passed: bool) -> Fault {
    let details = status.details();
    if !details.is_empty()
        && let Ok(fault) = common::Fault::decode(details)
        && fault.code != 0
    {
        return fault.into();
    }
    if deadline_passed {
        return Fault::new(
            FaultCode::DeadlineExceeded,
            "the request's deadline passed before an answer began",
        );
    }
    if token::is_refusal(status) {
        return Fault::new(
            FaultCode::LinkBroken,
            "one service of the gateway refuses another's link token",
        );
    }
    let (code, message) = (status.code(), status.message());
    Fault::new(
        FaultCode::LinkBroken,
        format!("the link between two services of the gateway broke ({code:?}: {message})"),
    )
}

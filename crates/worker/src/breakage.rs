//! What ended a stream before its end, and what is told of it: before the client has seen anything, and
//! after.

use weir_dialect::Garbage;
use weir_types::{FailureClass, Fault, FaultCode, Side};
use weir_upstream::Error;

use crate::call::Call;
use crate::fault;
use crate::rejection::error_in_band;
use crate::shared::Shared;
use crate::stream::Broken;

/// Why a stream ended without its end.
pub(crate) enum Cause {
    Broken(Broken),
    Connection(Error),
    EndedEarly,
    Stalled,
    /// Only comments have come for too long.
    SaysNothing,
}

/// Nothing of it has been seen: an attempt that failed.
pub(crate) fn before_commit(call: &Call, cause: &mut Cause) -> Fault {
    let shared = &call.shared;
    match cause {
        Cause::Broken(Broken::Error(data)) => {
            error_in_band(call.error_context(), std::mem::take(data))
        }
        Cause::Broken(Broken::Garbage(why)) => fault::broken(shared, why, FailureClass::Unusable),
        Cause::Connection(error) => fault::of_call(shared, error, call.limit),
        Cause::EndedEarly => {
            let why = "the stream ended before any content";
            fault::broken(shared, why, FailureClass::Transient)
        }
        Cause::Stalled | Cause::SaysNothing => {
            fault::timed_out(shared, "the stream stalled", call.limit)
        }
    }
}

/// The client has seen something of it. `is_held`: it would have, but it is held back; then what an
/// error says still decides what is done.
pub(crate) fn after_commit(call: &Call, cause: Cause, is_held: bool) -> Fault {
    let shared = &call.shared;
    let cut = |why: &str| fault::broken(shared, why, FailureClass::Cut);
    match cause {
        Cause::Broken(Broken::Error(data)) => {
            let fault = error_in_band(call.error_context(), data);
            if is_held { fault } else { fault.with_class(FailureClass::Cut) }
        }
        Cause::Broken(Broken::Garbage(why)) => cut(why),
        Cause::Connection(error) => cut(&error.to_string()),
        Cause::EndedEarly => cut(Garbage::ENDS_EARLY.0),
        Cause::Stalled => {
            let idle = call.stream_idle;
            let fault = stalled(shared, &format!("stalled for {} s", idle.as_secs_f64()));
            // A client that waits for less says nothing of the provider.
            if idle < shared.timeouts.stream_idle { fault.with_side(Side::Client) } else { fault }
        }
        Cause::SaysNothing => {
            let limit = shared.timeouts.stream_comments.as_secs_f64();
            let setting = "network_config.stream_comment_timeout_in_seconds";
            stalled(shared, &format!("only kept its connection open for {limit} s ({setting})"))
        }
    }
}

fn stalled(shared: &Shared, how: &str) -> Fault {
    let message = format!("{}: the stream {how}", shared.provider);
    Fault::new(FaultCode::UpstreamTimedOut, message).with_class(FailureClass::Cut)
}

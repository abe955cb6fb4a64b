//! What travels beside every call: request id, deadline, trace.
//!
//! A deadline travels as the time that remains, because clocks differ between machines.

use std::time::{Duration, Instant};

use tonic::Request;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use weir_types::{CallContext, Deadline, Fault, TraceContext, TraceParent};

use super::fault::micros;
use super::{malformed, required};
use crate::proto::common;

const REQUEST_ID: &str = "x-request-id";
const TIMEOUT_US: &str = "weir-timeout-us";
const GRPC_TIMEOUT: &str = "grpc-timeout";
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The transport's own limit is later by this much: the service answers in time with a fault that
/// says what happened, which would be lost if the transport cut the call at the same moment.
const TRANSPORT_GRACE: Duration = Duration::from_secs(1);

/// A caller that names no deadline waits as long as the longest timeout that can be written.
const NO_DEADLINE: Duration = Duration::MAX;

/// A call that carries `context`.
pub(crate) fn attach<T>(message: T, context: &CallContext) -> Result<Request<T>, Fault> {
    let mut request = Request::new(message);
    let now = Instant::now();
    let remaining = context.deadline.remaining(now);
    request.set_timeout(transport_limit(context.deadline, now));
    let metadata = request.metadata_mut();
    let id = AsciiMetadataValue::try_from(context.request_id.as_str());
    metadata.insert(REQUEST_ID, id.map_err(|_| malformed("the request id is no header value"))?);
    metadata.insert(TIMEOUT_US, micros(remaining).into());
    if let Some(parent) = context.trace.parent
        && let Ok(value) = AsciiMetadataValue::try_from(parent.to_string())
    {
        metadata.insert(TRACEPARENT, value);
    }
    // A state that is no header value is dropped, as the recommendation allows.
    if let Some(state) = context.trace.state.as_deref()
        && let Ok(value) = AsciiMetadataValue::try_from(state)
    {
        metadata.insert(TRACESTATE, value);
    }
    Ok(request)
}

/// When the transport gives a call up, from `now` on.
pub(crate) fn transport_limit(deadline: Deadline, now: Instant) -> Duration {
    deadline.remaining(now).saturating_add(TRANSPORT_GRACE)
}

/// The context that a call carries.
pub(crate) fn context(metadata: &MetadataMap) -> Result<CallContext, Fault> {
    let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
    let id = text(REQUEST_ID).ok_or_else(|| malformed("`x-request-id` is missing"))?;
    let timeout = match (text(TIMEOUT_US), text(GRPC_TIMEOUT)) {
        (Some(text), _) => {
            let us = text.parse().map_err(|_| malformed("`weir-timeout-us` is no number"))?;
            Duration::from_micros(us)
        }
        (None, Some(text)) => {
            grpc_timeout(text).ok_or_else(|| malformed("`grpc-timeout` is no time"))?
        }
        (None, None) => NO_DEADLINE,
    };
    Ok(CallContext {
        request_id: id.into(),
        deadline: Deadline::after(Instant::now(), timeout),
        trace: TraceContext {
            parent: text(TRACEPARENT).and_then(TraceParent::parse),
            state: text(TRACESTATE).map(Into::into),
        },
    })
}

/// What [`attach`] says, where many requests share one call.
pub(crate) fn beside(context: &CallContext) -> common::Context {
    let parent = context.trace.parent.map(|parent| parent.to_string());
    let state = context.trace.state.as_deref().map(str::to_owned);
    common::Context {
        request_id: context.request_id.as_str().to_owned(),
        timeout_us: micros(context.deadline.remaining(Instant::now())),
        traceparent: parent.unwrap_or_default(),
        tracestate: state.unwrap_or_default(),
    }
}

/// The context that a request on a shared call carries.
pub(crate) fn context_beside(context: common::Context) -> Result<CallContext, Fault> {
    let id = required(context.request_id, "request_id")?;
    let timeout = Duration::from_micros(context.timeout_us);
    Ok(CallContext {
        request_id: id.as_str().into(),
        deadline: Deadline::after(Instant::now(), timeout),
        trace: TraceContext {
            parent: TraceParent::parse(&context.traceparent),
            state: Some(context.tracestate).filter(|state| !state.is_empty()).map(Into::into),
        },
    })
}

/// At most eight digits and a unit.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#requests>
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "n" => Some(Duration::from_nanos(value)),
        "u" => Some(Duration::from_micros(value)),
        "m" => Some(Duration::from_millis(value)),
        "S" => Some(Duration::from_secs(value)),
        "M" => Some(Duration::from_secs(value * 60)),
        "H" => Some(Duration::from_secs(value * 3600)),
        _ => None,
    }
}

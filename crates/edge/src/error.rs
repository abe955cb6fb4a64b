//! The one place where a fault becomes what a client reads, in the client's wire format.
//!
//! A provider's own error answer goes on as it came, or as the worker translated it.

use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::IgnoredAny;
use weir_dialect::buckets::store::Objects;
use weir_dialect::format;
use weir_dialect::ir::{self, ErrorContext, ErrorKind};
use weir_types::{Attempt, Fault, FaultCode, UpstreamAnswer};

use crate::head;
use crate::kinds;
use crate::names;
use crate::record::Record;
use crate::route::UNKNOWN;
use crate::whole::Whole;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What to say where the HTTP parser refused a request before it became one, with `status`.
#[must_use]
pub fn rejection(status: u16) -> String {
    let fault = match status {
        431 => Fault::new(
            FaultCode::HeadersTooLarge,
            "the request's headers are over the limits (100 lines, 64 KiB); send fewer",
        ),
        426 => Fault::new(
            FaultCode::InvalidRequest,
            "this port speaks TLS, and the request came without; ask for https:// instead of http://",
        ),
        414 => Fault::new(FaultCode::InvalidRequest, "the request's path is too long"),
        _ => Fault::new(
            FaultCode::InvalidRequest,
            "the request is not well-formed HTTP/1.1; check its request line and headers",
        ),
    };
    let error = in_words(&fault, status, ErrorContext::default());
    // Nobody knows yet which format the client speaks.
    String::from_utf8_lossy(&format(UNKNOWN).write_error(&error)).into_owned()
}

/// The answer to a request that failed before its head was sent.
pub(crate) fn response(fault: &Fault, mut record: Record, head_only: bool) -> Response {
    let status = StatusCode::from_u16(fault.http_status())
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = HeaderMap::with_capacity(10);
    head::request_id(&mut headers, &record.request_id);
    blame(fault, &mut headers, &mut record);
    advise(fault, &mut headers);
    head::quota_mode(&mut headers, fault.detail.quota_mode);
    let own = format(record.dialect).stored().and_then(|stored| stored.of(record.form).objects);
    let body = match (own, passed_on(fault)) {
        (Some(objects), _) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(Objects::CONTENT_TYPE));
            objects.write_error(&with_status(fault, status.as_u16(), &record))
        }
        (None, Some(upstream)) => {
            // It is JSON, whatever the provider calls it.
            let form = HeaderValue::from_str(&upstream.content_type).ok();
            headers.insert(
                CONTENT_TYPE,
                form.filter(|_| kinds::is_json(&upstream.content_type)).unwrap_or(JSON),
            );
            upstream.body.clone()
        }
        (None, None) => {
            headers.insert(CONTENT_TYPE, JSON);
            let error = with_status(fault, status.as_u16(), &record);
            format(record.dialect).write_error(&error)
        }
    };
    record.refused(status.as_u16(), fault);
    let mut response = Response::new(Whole::body(body, record, head_only));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The error as formats write it, for an answer that broke after its head.
pub(crate) fn described(fault: &Fault, record: &Record) -> ir::Error {
    with_status(fault, fault.http_status(), record)
}

fn with_status(fault: &Fault, status: u16, record: &Record) -> ir::Error {
    let operation = record.operation.map(|operation| operation.config_name(record.stream));
    // After its head an answer has one provider, and no attempts to choose from.
    let blamed = culprit(fault).map(|attempt| &attempt.provider).or_else(|| record.provider());
    let context = ErrorContext {
        request_id: record.request_id.to_string(),
        provider: blamed.map_or_else(String::new, ToString::to_string),
        model: record.model.clone(),
        operation: operation.unwrap_or_default(),
        attempts: fault.detail.attempts.clone(),
        is_gateways: false,
    };
    in_words(fault, status, context)
}

fn in_words(fault: &Fault, status: u16, context: ErrorContext) -> ir::Error {
    let detail = &fault.detail;
    let is_gateways = fault.code != FaultCode::UpstreamRejected;
    ir::Error {
        status,
        kind: ErrorKind::of_status(status),
        label: fault.code.kind().to_owned(),
        code: detail.code.as_deref().map(str::to_owned),
        param: detail.param.as_deref().map(str::to_owned),
        message: detail.message.clone().into_owned(),
        context: ErrorContext { is_gateways, ..context },
    }
}

/// The attempt whose failure this is: if all fallbacks fail too, the first provider's error is
/// what the client gets, so it is that provider's last attempt.
fn culprit(fault: &Fault) -> Option<&Attempt> {
    let attempts = &fault.detail.attempts;
    let first = attempts.first()?;
    attempts.iter().rfind(|attempt| attempt.provider == first.provider)
}

fn blame(fault: &Fault, headers: &mut HeaderMap, record: &mut Record) {
    let Some(culprit) = culprit(fault) else {
        return;
    };
    headers.insert(names::PROVIDER, head::name(&culprit.provider));
    headers.insert(names::KEY, head::name(&culprit.key));
    record.asked(culprit.provider.clone(), culprit.key.clone());
    if let Some(attempts) = head::attempts(&fault.detail.attempts) {
        headers.insert(names::ATTEMPTS, attempts.clone());
        record.tried(attempts);
    }
}

/// Says whether and when to send the request again. What cannot pass is no invitation to wait, and
/// retries that the gateway has made already are not to be multiplied by the client's library.
fn advise(fault: &Fault, headers: &mut HeaderMap) {
    let invites = fault.invites_retry();
    let word = HeaderValue::from_static(if invites { "true" } else { "false" });
    headers.insert(names::SHOULD_RETRY, word);
    let Some(after) = fault.detail.retry_after.filter(|_| invites) else {
        return;
    };
    let ms = after.as_nanos().div_ceil(1_000_000).min(u128::from(u64::MAX));
    let ms = u64::try_from(ms).unwrap_or(u64::MAX);
    headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
    headers.insert(names::RETRY_AFTER_MS, HeaderValue::from(ms));
}

/// The provider's error answer, if it is one that the client's SDK can read. A page of HTML or a
/// JSON text that was cut at our own bound is not.
fn passed_on(fault: &Fault) -> Option<&UpstreamAnswer> {
    let upstream = fault.detail.upstream.as_ref()?;
    let is_shaped = matches!(upstream.body.trim_ascii_start().first(), Some(b'{' | b'['));
    let whole = fault.code == FaultCode::UpstreamRejected
        && is_shaped
        && serde_json::from_slice::<IgnoredAny>(&upstream.body).is_ok();
    whole.then_some(upstream)
}

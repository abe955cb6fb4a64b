//! The one place where a fault becomes what a client reads.
//!
//! A provider's own error answer goes on as it came; everything else is the native error object,
//! which OpenAI's SDKs read as theirs.

use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::IgnoredAny;
use weir_types::{Attempt, Fault, FaultCode, UpstreamAnswer};

use crate::answer;
use crate::names;
use crate::record::Record;
use crate::relay::Whole;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The native error object.
#[derive(Serialize)]
struct Native<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    event_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    is_bifrost_error: bool,
    status_code: u16,
    error: Detail<'a>,
    extra_fields: &'a Extra<'a>,
}

/// What OpenAI's SDKs look at.
#[derive(Serialize)]
struct Detail<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// What the request was.
#[derive(Default, Serialize)]
struct Extra<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    provider: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model_requested: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_type: &'a str,
}

/// What to say where the HTTP parser refused a request before it became one, with `status`.
#[must_use]
pub fn refusal(status: u16) -> String {
    let fault = match status {
        431 => Fault::new(
            FaultCode::HeadersTooLarge,
            "the request's headers are over the limits (100 lines, 64 KiB); send fewer",
        ),
        414 => Fault::new(FaultCode::InvalidRequest, "the request's path is too long"),
        _ => Fault::new(
            FaultCode::InvalidRequest,
            "the request is not well-formed HTTP/1.1; check its request line and headers",
        ),
    };
    let native = object(&fault, status, "", &Extra::default());
    String::from_utf8_lossy(&native).into_owned()
}

/// The answer to a request that failed before its head was sent.
pub(crate) fn response(fault: &Fault, mut record: Record, head_only: bool) -> Response {
    let status = StatusCode::from_u16(fault.http_status())
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error())
        .unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = HeaderMap::with_capacity(10);
    answer::request_id(&mut headers, &record.request_id);
    blame(fault, &mut headers, &mut record);
    retry_after(fault, &mut headers);
    answer::quota_mode(&mut headers, fault.detail.quota_mode);
    let body = match passed_on(fault) {
        Some(upstream) => {
            let form = HeaderValue::from_str(&upstream.content_type).unwrap_or(JSON);
            headers.insert(CONTENT_TYPE, form);
            upstream.body.clone()
        }
        None => {
            headers.insert(CONTENT_TYPE, JSON);
            native(fault, status.as_u16(), &record)
        }
    };
    record.refused(status.as_u16(), fault);
    let mut response = Response::new(Whole::body(body, record, head_only));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The error as the data of an event, for an answer that broke after its head.
pub(crate) fn event(fault: &Fault, record: &Record) -> Bytes {
    native(fault, fault.http_status(), record)
}

fn native(fault: &Fault, status: u16, record: &Record) -> Bytes {
    let operation = record.operation.map(|operation| operation.config_name(record.stream));
    let extra = Extra {
        provider: culprit(fault).map_or("", |attempt| attempt.provider.as_str()),
        model_requested: &record.model,
        request_type: operation.unwrap_or_default(),
    };
    object(fault, status, &record.request_id, &extra)
}

fn object(fault: &Fault, status: u16, event_id: &str, extra_fields: &Extra<'_>) -> Bytes {
    let kind = fault.code.kind();
    let detail = &fault.detail;
    let message = if detail.message.is_empty() { kind } else { &detail.message };
    let object = Native {
        event_id,
        kind,
        is_bifrost_error: fault.code != FaultCode::UpstreamRejected,
        status_code: status,
        error: Detail {
            message,
            kind,
            param: detail.param.as_deref(),
            code: detail.code.as_deref(),
        },
        extra_fields,
    };
    // Strings and numbers only: there is nothing in it that could fail to be written.
    serde_json::to_vec(&object).map_or_else(|_| Bytes::from_static(b"{}"), Bytes::from)
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
    headers.insert(names::PROVIDER, answer::name(&culprit.provider));
    headers.insert(names::KEY, answer::name(&culprit.key));
    record.asked(culprit.provider.clone(), culprit.key.clone());
    if let Some(attempts) = answer::attempts(&fault.detail.attempts) {
        headers.insert(names::ATTEMPTS, attempts.clone());
        record.tried(attempts);
    }
}

fn retry_after(fault: &Fault, headers: &mut HeaderMap) {
    let Some(after) = fault.detail.retry_after else {
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
    let whole = fault.code == FaultCode::UpstreamRejected
        && upstream.content_type.to_ascii_lowercase().contains("json")
        && serde_json::from_slice::<IgnoredAny>(&upstream.body).is_ok();
    whole.then_some(upstream)
}

//! The head of an answer: the provider's headers that may pass, and ours.

use std::borrow::Cow;
use std::fmt::Write;

use bytes::{BufMut, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use weir_rpc::{Header, ReplyHead, Timings};
use weir_types::headers::answered_as;
use weir_types::{Attempt, Operation, QuotaMode, RequestId};

use crate::kinds;
use crate::names;
use crate::record::Record;

/// More of the list than any client's header limit should have to bear.
const ATTEMPTS_BYTES_MAX: usize = 4096;

/// Room is made for so many of a provider's headers at once; more find theirs.
const HEADERS_FORESEEN: usize = 64;

/// The head of an answer that has come.
pub(crate) fn head_of(head: &ReplyHead, events: bool, record: &mut Record) -> http::Response<()> {
    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    record.answered(status.as_u16(), head);
    let mut headers = HeaderMap::with_capacity(12 + head.headers.len().min(HEADERS_FORESEEN));
    pass_on(&head.headers, &mut headers);
    let operation = record.operation.unwrap_or(Operation::Passthrough);
    let stream = events.then_some(record.framing);
    headers.insert(CONTENT_TYPE, kinds::of_answer(&head.content_type, operation, stream));
    if events {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(names::ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    request_id(&mut headers, &record.request_id);
    if !head.provider.is_empty() {
        headers.insert(names::PROVIDER, name(&head.provider));
        headers.insert(names::KEY, name(&head.key));
    }
    if let Some(attempts) = attempts(&head.attempts) {
        headers.insert(names::ATTEMPTS, attempts.clone());
        record.tried(attempts);
    }
    quota_mode(&mut headers, head.quota_mode);
    headers.insert(names::QUEUE_MS, HeaderValue::from(head.timings.queue_us / 1000));
    let total_us = u64::try_from(record.started().elapsed().as_micros()).unwrap_or(u64::MAX);
    headers.insert(names::SERVER_TIMING, server_timing(&head.timings, total_us));
    let mut response = http::Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The worker has filtered them; what frames our own message is left out once more, because a
/// wrong length would break the connection.
fn pass_on(from: &[Header], to: &mut HeaderMap) {
    for (name, value) in from {
        // A name that the worker has given an answer's header already stands for itself.
        let known = match **name == names::UPSTREAM_REQUEST_ID {
            true => Ok(names::UPSTREAM_REQUEST_ID),
            false => match answered_as(name) {
                Some(name) => HeaderName::from_bytes(name.as_bytes()),
                None => continue,
            },
        };
        if let (Ok(name), Ok(value)) = (known, HeaderValue::from_str(value)) {
            // A map has an end, and a full one panics.
            let _full = to.try_append(name, value);
        }
    }
}

/// Sets `x-request-id`.
pub(crate) fn request_id(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(names::REQUEST_ID, value);
    }
}

/// Sets `x-weir-quota-mode` where limits were not exact.
pub(crate) fn quota_mode(headers: &mut HeaderMap, mode: QuotaMode) {
    if mode != QuotaMode::Exact {
        headers.insert(names::QUOTA_MODE, HeaderValue::from_static(mode.label()));
    }
}

/// What may not stand in a name within a list of names.
const ENCODED: &AsciiSet = &CONTROLS.add(b',').add(b'%').add(b':').add(b';');

/// A provider's or key's name as a header value; what cannot stand there is percent-encoded.
pub(crate) fn name(text: &str) -> HeaderValue {
    HeaderValue::from_str(&encoded(text)).unwrap_or(HeaderValue::from_static("?"))
}

fn encoded(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    // Nearly every name; the encoder is ten times as slow to see it.
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    utf8_percent_encode(text, ENCODED).into()
}

/// `openai/key-a:429;ms=80, openai/key-b:200;ms=912`; a try without a status shows why it failed.
/// `None` if there was none.
pub(crate) fn attempts(list: &[Attempt]) -> Option<HeaderValue> {
    let mut text = BytesMut::with_capacity(40 * list.len());
    for (at, attempt) in list.iter().enumerate() {
        if text.len() > ATTEMPTS_BYTES_MAX {
            let _ = write!(text, ", and {} more", list.len() - at);
            break;
        }
        if at > 0 {
            text.put_slice(b", ");
        }
        text.put_slice(encoded(&attempt.provider).as_bytes());
        text.put_u8(b'/');
        text.put_slice(encoded(&attempt.key).as_bytes());
        text.put_u8(b':');
        match (attempt.status, attempt.class) {
            (0, Some(class)) => text.put_slice(class.label().as_bytes()),
            (status, _) => put_number(&mut text, u64::from(status)),
        }
        text.put_slice(b";ms=");
        put_number(&mut text, attempt.duration_us / 1000);
    }
    if text.is_empty() {
        return None;
    }
    HeaderValue::from_maybe_shared(text.freeze()).ok()
}

/// The parts add up to `total_us`, the time to the head: what nobody else claims is the edge's.
fn server_timing(timings: &Timings, total_us: u64) -> HeaderValue {
    let Timings { queue_us, router_us, worker_us, upstream_us, earlier_us } = *timings;
    let claimed = queue_us + router_us + worker_us + upstream_us + earlier_us;
    let parts = [
        ("queue", queue_us),
        ("router", router_us),
        ("worker", worker_us),
        ("upstream", upstream_us),
        ("edge", total_us.saturating_sub(claimed)),
    ];
    // Most requests have no earlier attempts.
    let earlier = Some(("earlier", earlier_us)).filter(|(_, us)| *us > 0);
    let mut text = BytesMut::with_capacity(112);
    for (at, (part, us)) in earlier.into_iter().chain(parts).enumerate() {
        text.put_slice(if at == 0 { b"" } else { b", " });
        text.put_slice(part.as_bytes());
        text.put_slice(b";dur=");
        put_number(&mut text, us / 1000);
        // A digit in front keeps the zeros: 7 is written 1007 and cut to 007.
        let mut thousandths = itoa::Buffer::new();
        let thousandths = thousandths.format(1000 + us % 1000);
        text.put_u8(b'.');
        text.put_slice(thousandths.as_bytes().get(1..).unwrap_or_default());
    }
    HeaderValue::from_maybe_shared(text.freeze()).unwrap_or(HeaderValue::from_static(""))
}

fn put_number(to: &mut BytesMut, number: u64) {
    to.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

//! The head of an answer: the provider's headers that may pass, and ours.

use std::fmt::Write;

use axum::response::Response;
use bytes::{BufMut, BytesMut};
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use weir_rpc::{End, Frame, Header, Reply, ReplyHead, Timings};
use weir_types::{Attempt, Fault, FaultCode, QuotaMode, RequestId};

use crate::app::App;
use crate::names;
use crate::record::Record;
use crate::relay::{self, Relay, Whole};
use crate::stall::Flow;

/// More of the list than any client's header limit should have to bear.
const ATTEMPTS_BYTES_MAX: usize = 4096;
/// The longest list of models, all providers together.
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A [`Reply`] as an HTTP response.
///
/// # Errors
/// The answer broke before anything of it was sent.
pub(crate) async fn relay(
    app: &App,
    reply: Reply,
    slot: &mut Option<Record>,
) -> Result<Response, Fault> {
    let Reply { head, mut frames } = reply;
    let events = is_events(&head.content_type);
    let mut ahead = Vec::new();
    let mut end = None;
    if !events {
        // Most answers are one chunk and their end. Looking one frame ahead gives those a length,
        // and a fault in between an error answer instead of a broken transfer.
        while ahead.len() < 2 && end.is_none() {
            match frames.next().await {
                Some(Frame::Chunk(chunk)) if chunk.is_empty() => {}
                Some(Frame::Chunk(chunk)) => ahead.push(chunk),
                Some(Frame::End(last)) => end = Some(*last),
                None => return Err(tried(relay::stopped(), head.attempts)),
            }
        }
    }
    if let Some(fault) = end.as_mut().and_then(|end| end.fault.take()) {
        return Err(tried(fault, head.attempts));
    }
    let Some(mut record) = slot.take() else {
        return Err(recordless());
    };
    let response = head_of(&head, events, &mut record);
    let body = match end {
        Some(End { usage, finish, .. }) => {
            record.cost(usage, finish);
            Whole::body(ahead.pop().unwrap_or_default(), record, false)
        }
        None => {
            let ahead = ahead.into_iter().map(Frame::Chunk).collect();
            Relay::body(&app.watch, Flow { frames, record }, ahead, events)
        }
    };
    Ok(response.map(|()| body))
}

/// The lists of models of all providers as one.
///
/// # Errors
/// One of the lists broke, or they cannot be merged.
pub(crate) async fn models(
    reply: Reply,
    slot: &mut Option<Record>,
    head_only: bool,
) -> Result<Response, Fault> {
    let Reply { head, mut frames } = reply;
    let mut lists = Vec::new();
    let mut held = 0;
    let end = loop {
        match frames.next().await {
            Some(Frame::Chunk(list)) => {
                held += list.len();
                if held > LIST_BYTES_MAX {
                    let text = format!("the lists of models are over {LIST_BYTES_MAX} bytes");
                    return Err(Fault::new(FaultCode::UpstreamBroken, text));
                }
                lists.push(list);
            }
            Some(Frame::End(end)) => break *end,
            None => return Err(relay::stopped()),
        }
    };
    if let Some(fault) = end.fault {
        return Err(fault);
    }
    let merged = weir_dialect::openai_chat::models::merge(&lists);
    let Some(mut record) = slot.take() else {
        return Err(recordless());
    };
    let response = head_of(&head, false, &mut record);
    record.cost(end.usage, end.finish);
    Ok(response.map(|()| Whole::body(merged, record, head_only)))
}

/// A fault behind a head knows the tries only from that head.
fn tried(mut fault: Fault, attempts: Vec<Attempt>) -> Fault {
    if fault.detail.attempts.is_empty() {
        fault.detail.attempts = attempts;
    }
    fault
}

fn recordless() -> Fault {
    Fault::new(FaultCode::Internal, "the request was answered twice")
}

fn is_events(content_type: &str) -> bool {
    const EVENTS: &str = "text/event-stream";
    content_type.get(..EVENTS.len()).is_some_and(|start| start.eq_ignore_ascii_case(EVENTS))
}

fn head_of(head: &ReplyHead, events: bool, record: &mut Record) -> http::Response<()> {
    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::OK);
    record.answered(status.as_u16(), head);
    let mut headers = HeaderMap::with_capacity(12 + head.headers.len());
    pass_on(&head.headers, &mut headers);
    let form = HeaderValue::from_str(&head.content_type)
        .unwrap_or(HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, form);
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
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        else {
            continue;
        };
        match name.as_str() {
            "connection" | "content-encoding" | "content-length" | "keep-alive" | "set-cookie"
            | "te" | "trailer" | "transfer-encoding" | "upgrade" => {}
            "x-request-id" => {
                to.insert(names::UPSTREAM_REQUEST_ID, value);
            }
            _ => {
                to.append(name, value);
            }
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

/// A provider's or key's name as a header value; what cannot stand there is percent-encoded.
pub(crate) fn name(text: &str) -> HeaderValue {
    if is_plain(text) {
        return HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("?"));
    }
    let mut value = BytesMut::with_capacity(text.len());
    put_name(&mut value, text);
    HeaderValue::from_maybe_shared(value.freeze()).unwrap_or(HeaderValue::from_static("?"))
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b',' | b'%' | b':'))
}

fn put_name(to: &mut BytesMut, text: &str) {
    if is_plain(text) {
        return to.put_slice(text.as_bytes());
    }
    for byte in text.bytes() {
        match byte {
            b',' | b'%' | b':' => put_escaped(to, byte),
            0x20..=0x7e => to.put_u8(byte),
            _ => put_escaped(to, byte),
        }
    }
}

fn put_escaped(to: &mut BytesMut, byte: u8) {
    // Writing into memory cannot fail.
    let _ = write!(to, "%{byte:02X}");
}

/// `openai/key-a:429, openai/key-b:200`; a try without a status shows why it failed. `None` if
/// there was none.
pub(crate) fn attempts(list: &[Attempt]) -> Option<HeaderValue> {
    let mut text = BytesMut::with_capacity(32 * list.len());
    for (at, attempt) in list.iter().enumerate() {
        if text.len() > ATTEMPTS_BYTES_MAX {
            let _ = write!(text, ", and {} more", list.len() - at);
            break;
        }
        if at > 0 {
            text.put_slice(b", ");
        }
        put_name(&mut text, &attempt.provider);
        text.put_u8(b'/');
        put_name(&mut text, &attempt.key);
        text.put_u8(b':');
        match (attempt.status, attempt.class) {
            (0, Some(class)) => text.put_slice(class.label().as_bytes()),
            (status, _) => put_number(&mut text, u64::from(status)),
        }
    }
    if text.is_empty() {
        return None;
    }
    HeaderValue::from_maybe_shared(text.freeze()).ok()
}

/// The parts add up to `total_us`, the time to the head: what nobody else claims is the edge's.
fn server_timing(timings: &Timings, total_us: u64) -> HeaderValue {
    let Timings { queue_us, router_us, worker_us, upstream_us } = *timings;
    let claimed = queue_us + router_us + worker_us + upstream_us;
    let parts = [
        ("queue", queue_us),
        ("router", router_us),
        ("worker", worker_us),
        ("upstream", upstream_us),
        ("edge", total_us.saturating_sub(claimed)),
    ];
    let mut text = BytesMut::with_capacity(112);
    for (at, (part, us)) in parts.into_iter().enumerate() {
        text.put_slice(if at == 0 { b"" } else { b", " });
        text.put_slice(part.as_bytes());
        text.put_slice(b";dur=");
        put_number(&mut text, us / 1000);
        let thousandths = us % 1000;
        text.put_u8(b'.');
        for unit in [100, 10, 1] {
            text.put_u8(digit(thousandths / unit));
        }
    }
    HeaderValue::from_maybe_shared(text.freeze()).unwrap_or(HeaderValue::from_static(""))
}

/// Decimal digits; the formatting machinery is the dearest part of a head.
fn put_number(to: &mut BytesMut, number: u64) {
    let mut digits = [0; 20];
    let mut from = digits.len();
    let mut rest = number;
    loop {
        from -= 1;
        if let Some(place) = digits.get_mut(from) {
            *place = digit(rest);
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    to.put_slice(digits.get(from..).unwrap_or_default());
}

/// The last decimal digit of `number`.
fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

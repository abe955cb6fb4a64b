//! Error answers: read within bounds, classified, and freed of the key if it is repeated there.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::response::Parts;
use http::{HeaderName, Method, Uri};
use tokio::time::{Instant, timeout_at};
use weir_budget::Gather;
use weir_dialect::{ErrorBody, ir};
use weir_provider::{Asked, Classified, ErrorFacts, classify, classify_in_band};
use weir_types::{FailureClass, Fault, FaultCode, UpstreamAnswer};
use weir_upstream::{Body, Error};

use crate::call::ErrorContext;
use crate::memory::{Held, Memory};
use crate::{fault, headers, reason};

/// Of an error answer no more is kept.
const ERROR_BYTES_MAX: usize = 1 << 20;
/// Of its message no more is quoted.
const MESSAGE_CHARS_MAX: usize = 500;

/// A body that has been read.
pub(crate) struct Collected {
    pub(crate) bytes: Bytes,
    /// The room that they take.
    pub(crate) held: Held,
    /// What stopped it before its end.
    pub(crate) stopped: Option<Stopped>,
}

/// Why a body was not read to its end.
pub(crate) enum Stopped {
    TooLong,
    NoRoom,
    TimedOut,
    Broke(Error),
}

/// Reads a body whose beginning may have been read; one that comes in one piece is not copied.
pub(crate) async fn collect(
    first: Bytes,
    mut body: Body,
    (bytes_max, memory): (usize, &Memory),
    deadline: Instant,
) -> Collected {
    let mut held = memory.counted();
    // What is announced decides where it is counted; memory follows what comes.
    let announced = body.announced().and_then(|length| usize::try_from(length).ok());
    let announced = announced.map(|length| length.min(bytes_max));
    let mut gather = Gather::new(memory.budget(), announced, bytes_max);
    let mut chunk = first;
    let stopped = loop {
        let length = gather.len() + chunk.len();
        if held.resize(length).is_err() || gather.push(chunk).await.is_err() {
            break Some(Stopped::NoRoom);
        }
        if length > bytes_max {
            break Some(Stopped::TooLong);
        }
        chunk = match timeout_at(deadline, body.chunk()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => break Some(Stopped::Broke(error)),
            Ok(None) => break None,
            Err(_) => break Some(Stopped::TimedOut),
        };
    };
    let mut bytes = gather.finish();
    bytes.truncate(bytes_max);
    Collected { bytes: without_mark(bytes), held, stopped }
}

/// `bytes` without the byte order mark that some servers put in front of JSON.
pub(crate) fn without_mark(bytes: Bytes) -> Bytes {
    if bytes.starts_with(b"\xef\xbb\xbf") { bytes.slice(3..) } else { bytes }
}

/// The fault for an answer whose status is not a success. `asked`: with which method, and where.
pub(crate) async fn rejected(
    call: ErrorContext<'_>,
    asked: (&Method, &Uri),
    head: &Parts,
    body: Body,
) -> Fault {
    let status = head.status.as_u16();
    if !head.status.is_client_error() && !head.status.is_server_error() {
        return fault::broken(call.shared, &redirect(head), FailureClass::Unusable);
    }
    // What can be read of it is enough: a reason that breaks off is still an answer.
    let bounds = (ERROR_BYTES_MAX, &call.shared.memory);
    let mut body = collect(Bytes::new(), body, bounds, call.limit.at).await.bytes;
    let format = call.way.errors();
    let mut error = format.read_error(&body);
    if let (Some(name), true) = (format.error_kind_header(), error.kind.is_empty()) {
        let said = headers::text(&head.headers, HeaderName::from_static(name));
        // What follows a colon is an address of the documentation.
        said.split(':').next().unwrap_or_default().clone_into(&mut error.kind);
        if !error.kind.is_empty() {
            body = format.error_with_kind(body, &error.kind);
        }
    }
    let mut place = String::new();
    if error.message.is_empty() {
        // Whoever it was that answered, it may not be who was meant.
        error.message = reason::of_body(&body);
        place = format!(" {}", at(asked));
    }
    let facts = facts(call, &error);
    let classified = classify(status, &facts, &head.headers, &body, SystemTime::now());
    let content_type = headers::text(&head.headers, CONTENT_TYPE).to_owned();
    rejection(call, classified, &error, &place, UpstreamAnswer { status, content_type, body })
}

/// Host and path, without what may follow them.
fn at((method, uri): (&Method, &Uri)) -> String {
    let host = uri.authority().map_or("", |authority| authority.as_str());
    format!("to {method} {host}{}", uri.path())
}

/// What to say of an answer that leads elsewhere. Where to, as far as that holds nothing but a place.
fn redirect(head: &Parts) -> String {
    let to = headers::text(&head.headers, LOCATION).split(['?', '#']).next().unwrap_or_default();
    let to = if to.is_empty() || to.contains('@') { "" } else { to };
    let to = if to.is_empty() { String::new() } else { format!(" to {}", shortened(to)) };
    let status = head.status.as_u16();
    format!("it answered {status}, a redirect{to}; redirects are not followed, check base_url")
}

/// The fault for an error inside an answer whose status says success.
pub(crate) fn error_in_band(call: ErrorContext<'_>, body: Bytes) -> Fault {
    let error = call.way.errors().read_error(&body);
    let facts = facts(call, &error);
    let classified = classify_in_band(error.status, &facts, &body, SystemTime::now());
    let status = error.status.unwrap_or(match classified.class {
        FailureClass::RateLimited => 429,
        FailureClass::Credential => 401,
        FailureClass::QuotaExhausted => 402,
        FailureClass::ModelMissing => 404,
        FailureClass::Refused => 403,
        FailureClass::ContextLength | FailureClass::Caller | FailureClass::Elsewhere => 400,
        _ => 502,
    });
    let content_type = "application/json".to_owned();
    rejection(call, classified, &error, "", UpstreamAnswer { status, content_type, body })
}

/// What a success says that is not the answer that was asked for; a part of it, for people.
pub(crate) fn quoted(call: ErrorContext<'_>, body: &[u8]) -> String {
    shortened(&redacted(call, &reason::of_body(body))).to_owned()
}

fn facts<'a>(call: ErrorContext<'a>, error: &'a ErrorBody) -> ErrorFacts<'a> {
    ErrorFacts {
        code: &error.code,
        kind: &error.kind,
        message: &error.message,
        param: &error.param,
        model: call.model,
        asked: if call.has_clients_headers { Asked::unknown() } else { call.asked },
    }
}

/// What is left of a class that rests a key where the client may have caused it.
fn believed(call: ErrorContext<'_>, class: FailureClass) -> FailureClass {
    match class.refuses_key() && call.has_clients_headers {
        true => FailureClass::Refused,
        false => class,
    }
}

fn rejection(
    call: ErrorContext<'_>,
    classified: Classified,
    error: &ErrorBody,
    place: &str,
    mut answer: UpstreamAnswer,
) -> Fault {
    // Before anything is made of it: a part of a secret would not be found.
    if let Some(key) = call.key {
        key.hide_in_answer(&mut answer);
    }
    let status = answer.status;
    let provider = &call.shared.provider;
    let said = redacted(call, &error.message);
    let message = match said.is_empty() {
        true => format!("{provider} answered {status}{place}"),
        false => format!("{provider} answered {status}{place}: {}", shortened(&said)),
    };
    let mut fault = Fault::new(FaultCode::UpstreamRejected, message)
        .with_class(believed(call, classified.class))
        .with_retry_after(classified.retry_after);
    let text = |text: &str| (!text.is_empty()).then(|| redacted(call, text).into());
    fault.detail.code = text(&error.code);
    fault.detail.param = text(&error.param);
    let kind = || kind(classified.class, status);
    let in_clients_words = || ir::Error {
        kind: kind(),
        code: fault.detail.code.as_deref().map(str::to_owned),
        param: fault.detail.param.as_deref().map(str::to_owned),
        ..ir::Error::new(status, said.clone())
    };
    fault.detail.upstream = Some(call.way.rejection(answer, in_clients_words));
    fault
}

/// What kind of error a client is told, where the status alone does not say it.
fn kind(class: FailureClass, status: u16) -> ir::ErrorKind {
    match (class, ir::ErrorKind::of_status(status)) {
        (FailureClass::QuotaExhausted, _) => ir::ErrorKind::QuotaExhausted,
        (FailureClass::RateLimited, _) => ir::ErrorKind::RateLimited,
        (_, kind) => kind,
    }
}

fn shortened(text: &str) -> &str {
    text.char_indices().nth(MESSAGE_CHARS_MAX).map_or(text, |(end, _)| text.split_at(end).0)
}

/// `text` without the secrets: some providers repeat the key that they refuse.
fn redacted(call: ErrorContext<'_>, text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(key) = call.key {
        key.hide(&mut text);
    }
    text
}

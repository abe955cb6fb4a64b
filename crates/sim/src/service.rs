//! One request: count it in, read it, judge it, answer it.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::answer::chat::Chat;
use crate::answer::completion::Completion;
use crate::answer::{embedding, models, text};
use crate::behaviour::{Behaviour, Breakage, Hint};
use crate::body::{Closing, Playback, broken_on_purpose};
use crate::ledger::{Entry, Ledger, Outcome, Ticket, now_us};
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::request::{self, Asked};
use crate::rule::{Facts, Verdict};
use crate::{Settings, admin};

/// Headers that may carry a key, the usual one first.
const KEY_HEADERS: [&str; 4] = ["authorization", "api-key", "x-api-key", "x-goog-api-key"];

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) ledger: Arc<Ledger>,
}

type Answer = Response<Playback>;

/// Head and body of an answer, before headers and timing.
struct Draft {
    status: u16,
    content_type: &'static str,
    plan: Plan,
}

/// Answers one request.
///
/// # Errors
/// The connection is to be closed without an answer.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    closing: Arc<Closing>,
    request: Request<Incoming>,
) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, shared.settings.body_bytes_max);
    if parts.uri.path().starts_with("/sim/") || parts.uri.path() == "/healthz" {
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let (status, json) = admin::answer(&shared, &parts, &body.unwrap_or_default());
        let plan = Plan::whole(json, &Behaviour::default());
        let draft = Draft { status, content_type: "application/json", plan };
        return Ok(respond(draft, None, closing, |_| {}));
    }
    let started_us = if shared.ledger.logs() { now_us() } else { 0 };
    let key = key_of(&parts.headers);
    let mut ticket = shared.ledger.begin(&key);
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let refusal = Refusal::of_status(413, "");
            ticket.set_status(refusal.status);
            return Ok(respond(error_draft(&refusal), Some(ticket), closing, |_| {}));
        }
        // The client stopped in the middle of its request.
        Err(_) => return Err(broken_on_purpose()),
    };
    serve(&shared, &parts, &key, started_us, &body, ticket, closing).await
}

async fn serve(
    shared: &Shared,
    parts: &Parts,
    key: &str,
    started_us: u64,
    body: &Bytes,
    mut ticket: Ticket,
    closing: Arc<Closing>,
) -> io::Result<Answer> {
    let path = parts.uri.path();
    let asked = Asked::of_path(path).filter(|_| parts.method == Method::POST);
    let parsed = asked.map(|asked| request::Request::parse(body, asked));
    let known = parsed.as_ref().and_then(|parsed| parsed.as_ref().ok());
    let model = known.map(request::Request::model).unwrap_or_default();
    let stream = known.is_some_and(request::Request::streams);
    let facts = Facts { key, model, path, stream };
    record(shared, &ticket, facts, parts, body, started_us);
    let judged = shared.ledger.with_rules(|rules| rules.judge(facts));
    let (verdict, grammar) = match judged {
        Ok(verdict) => (verdict, None),
        Err(error) => (Verdict::default(), Some(Refusal::bad_member("model", &error.to_string()))),
    };
    pause(shared, &verdict.behaviour).await;
    match verdict.behaviour.breakage {
        Some(Breakage::Silence) => std::future::pending::<()>().await,
        Some(Breakage::BeforeHead { reset }) => {
            if reset {
                closing.ask_for_reset();
            }
            ticket.end(if reset { Outcome::Reset } else { Outcome::Cut });
            return Err(broken_on_purpose());
        }
        Some(Breakage::InBody { .. }) | None => {}
    }
    let refused = refusal(shared, key, model, &verdict.behaviour).or(grammar);
    let draft = match (refused, asked.zip(parsed)) {
        (Some(refusal), _) => refused_draft(&refusal, &verdict),
        (None, Some((asked, Ok(request)))) => draft(shared, asked, &request, &verdict.behaviour)
            .unwrap_or_else(|refusal| error_draft(&refusal)),
        (None, Some((_, Err(refusal)))) => error_draft(&refusal),
        (None, None) => listing(shared, parts, &verdict.behaviour),
    };
    ticket.set_status(draft.status);
    let id = text::hash(&[path.as_bytes(), body]);
    Ok(respond(draft, Some(ticket), closing, |headers| {
        put(headers, "x-request-id", &text::id("req_", id));
        hints(headers, &verdict.behaviour.hints);
        verdict.headers.iter().for_each(|(name, value)| put(headers, name, value));
    }))
}

/// Puts the request into the log, if there is one.
fn record(
    shared: &Shared,
    ticket: &Ticket,
    facts: Facts<'_>,
    parts: &Parts,
    body: &[u8],
    started_us: u64,
) {
    ticket.record(|seq| Entry {
        seq,
        started_us,
        ended_us: None,
        method: parts.method.to_string(),
        path: facts.path.to_owned(),
        key: facts.key.to_owned(),
        model: facts.model.to_owned(),
        body_bytes: body.len(),
        stream: facts.stream,
        status: 0,
        outcome: None,
        headers: headers_for_log(&parts.headers),
        body: body_for_log(body, shared.settings.log_body_bytes),
    });
}

async fn pause(shared: &Shared, behaviour: &Behaviour) {
    let latency = behaviour.latency.unwrap_or(shared.settings.latency);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

/// The error that settings or behaviour ask for.
fn refusal(shared: &Shared, key: &str, model: &str, behaviour: &Behaviour) -> Option<Refusal> {
    let keys = &shared.settings.keys;
    if !keys.is_empty() && !keys.iter().any(|known| known == key) {
        return Some(Refusal::of_status(401, model));
    }
    let mut refusal = Refusal::of_status(behaviour.status?, model);
    if let Some(code) = &behaviour.code {
        refusal.code = Some(code.clone());
    }
    Some(refusal)
}

fn draft(
    shared: &Shared,
    asked: Asked,
    request: &request::Request<'_>,
    behaviour: &Behaviour,
) -> Result<Draft, Refusal> {
    let settings = &shared.settings;
    let answer_bytes = behaviour.answer_bytes.or(settings.answer_bytes);
    let chunks = behaviour.chunks.unwrap_or(settings.chunks);
    let interval = behaviour.interval.unwrap_or(settings.interval);
    let (usage, stream) = (request.wants_usage(), request.streams());
    Ok(match asked {
        Asked::Embedding => json(embedding::answer(request, settings.dimensions)?, behaviour),
        Asked::Chat => {
            let chat = Chat::answer(request, answer_bytes)?;
            if stream {
                sse(Plan::stream(chat.events(chunks, usage), interval, behaviour))
            } else {
                json(chat.json(), behaviour)
            }
        }
        Asked::Completion => {
            let completion = Completion::answer(request, answer_bytes);
            if stream {
                sse(Plan::stream(completion.events(chunks, usage), interval, behaviour))
            } else {
                json(completion.json(), behaviour)
            }
        }
    })
}

/// What has no body to parse: the models, and everything that does not exist.
fn listing(shared: &Shared, parts: &Parts, behaviour: &Behaviour) -> Draft {
    let path = parts.uri.path();
    if parts.method == Method::GET && path.ends_with("/models") {
        return json(models::list(&shared.settings.models), behaviour);
    }
    match path.split_once("/models/") {
        Some((_, model)) if parts.method == Method::GET => {
            if shared.settings.models.iter().any(|known| known == model) {
                return json(models::one(model), behaviour);
            }
            error_draft(&Refusal::of_status(404, model))
        }
        _ => error_draft(&Refusal::no_route(parts.method.as_str(), path)),
    }
}

fn json(body: Vec<u8>, behaviour: &Behaviour) -> Draft {
    Draft { status: 200, content_type: "application/json", plan: Plan::whole(body, behaviour) }
}

fn sse(plan: Plan) -> Draft {
    Draft { status: 200, content_type: "text/event-stream; charset=utf-8", plan }
}

/// An error that was asked for: its body may be given, and it may break.
fn refused_draft(refusal: &Refusal, verdict: &Verdict) -> Draft {
    let body = verdict.body.clone().unwrap_or_else(|| refusal.json());
    let plan = Plan::whole(body, &verdict.behaviour);
    Draft { status: refusal.status, content_type: "application/json", plan }
}

fn error_draft(refusal: &Refusal) -> Draft {
    let plan = Plan::whole(refusal.json(), &Behaviour::default());
    Draft { status: refusal.status, content_type: "application/json", plan }
}

fn respond(
    draft: Draft,
    ticket: Option<Ticket>,
    closing: Arc<Closing>,
    more: impl FnOnce(&mut HeaderMap),
) -> Answer {
    let mut response = Response::new(Playback::new(draft.plan, ticket, closing));
    *response.status_mut() =
        StatusCode::from_u16(draft.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(draft.content_type));
    more(headers);
    response
}

fn hints(headers: &mut HeaderMap, hints: &[Hint]) {
    for hint in hints {
        match hint {
            Hint::RetryAfter(text) => put(headers, "retry-after", text),
            Hint::RetryAfterMs(text) => put(headers, "retry-after-ms", text),
            Hint::RetryAfterDate(seconds) => {
                let then = SystemTime::now() + Duration::from_secs(*seconds);
                put(headers, "retry-after", &httpdate::fmt_http_date(then));
            }
            Hint::ResetRequests(text) => {
                put(headers, "x-ratelimit-remaining-requests", "0");
                put(headers, "x-ratelimit-reset-requests", text);
            }
            Hint::ResetTokens(text) => {
                put(headers, "x-ratelimit-remaining-tokens", "0");
                put(headers, "x-ratelimit-reset-tokens", text);
            }
        }
    }
}

/// A name or value that fits no header is left out; rules are checked before they are placed.
fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) =
        (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
    {
        headers.insert(name, value);
    }
}

/// The key value of a request, empty if it has none.
fn key_of(headers: &HeaderMap) -> Cow<'_, str> {
    let found = KEY_HEADERS.iter().find_map(|name| headers.get(*name));
    let Some(value) = found else {
        return Cow::Borrowed("");
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix("Bearer ").unwrap_or(text)),
        Cow::Owned(_) => text,
    }
}

fn headers_for_log(headers: &HeaderMap) -> Vec<(String, String)> {
    let seen = headers.iter().filter(|(name, _)| !KEY_HEADERS.contains(&name.as_str()));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    seen.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn body_for_log(body: &[u8], bytes_max: usize) -> Option<String> {
    let start = body.get(..bytes_max.min(body.len()))?;
    (bytes_max > 0).then(|| String::from_utf8_lossy(start).into_owned())
}

//! One request: count it in, read it, judge it, answer it.

mod given;
mod orders;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::answer::{self, Done, Making, text};
use crate::ask::{Ask, Task};
use crate::behaviour::{Behaviour, Breakage, Hint};
use crate::body::{Closing, Playback, broken_on_purpose};
use crate::call::{Call, KEY_HEADERS, key_of};
use crate::ledger::{Entry, Ledger, Outcome, Ticket, now_us};
use crate::manner;
use crate::plan::{Plan, Spoil};
use crate::refusal::Refusal;
use crate::rule::{Facts, Verdict};
use crate::store::Store;
use crate::wire::{self, Asked, Glimpse, Route, Told, Wire};
use crate::{Settings, admin};

pub(crate) use orders::Orders;

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) orders: Orders,
    pub(crate) store: Store,
}

type Answer = Response<Playback>;

/// Head and body of an answer, before headers and timing.
struct Draft {
    status: u16,
    content_type: &'static str,
    headers: Vec<(Cow<'static, str>, String)>,
    plan: Plan,
}

/// The format of a call, and what its path asks for.
#[derive(Clone, Copy)]
struct Door<'d> {
    wire: &'static dyn Wire,
    route: &'d Route<'d>,
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
        let draft = Draft { status, ..json_draft(Plan::plain(json.into())) };
        return Ok(respond(draft, None, closing, |_| {}));
    }
    let started_us = if shared.ledger.logs() { now_us() } else { 0 };
    let query = parts.uri.query().unwrap_or_default();
    let key = key_of(&parts.headers, query);
    let mut ticket = shared.ledger.begin(&key);
    let (method, path, headers) = (&parts.method, parts.uri.path(), &parts.headers);
    let version = parts.version;
    let call = Call { version, method, path, query, headers, key: &key, lenient: false };
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let (wire, route) = wire::of(&call);
            let draft = Door { wire, route: &route }.error(&Refusal::of_status(413, ""));
            ticket.set_status(draft.status);
            return Ok(respond(draft, Some(ticket), closing, |_| {}));
        }
        // The client stopped in the middle of its request.
        Err(_) => return Err(broken_on_purpose()),
    };
    serve(&shared, call, started_us, &body, ticket, closing).await
}

async fn serve(
    shared: &Shared,
    call: Call<'_>,
    started_us: u64,
    body: &Bytes,
    mut ticket: Ticket,
    closing: Arc<Closing>,
) -> io::Result<Answer> {
    let (wire, route) = wire::of(&call);
    let door = Door { wire, route: &route };
    let mut read = route.asked.has_body().then(|| wire.read(&call, &route, body));
    let (model, stream) = named(&route, read.as_ref(), body);
    let facts = Facts { key: call.key, model: &model, path: call.path, stream };
    record(shared, &ticket, facts, &call, body, started_us);
    let judged = shared.ledger.with_rules(|rules| rules.judge(facts, Instant::now()));
    let (verdict, grammar) = match judged {
        Ok(verdict) => (verdict, None),
        Err(error) => (Verdict::default(), Some(Refusal::bad_member("model", &error.to_string()))),
    };
    let behaviour = &verdict.behaviour;
    if behaviour.lenient && matches!(read, Some(Err(_))) {
        read = Some(wire.read(&Call { lenient: true, ..call }, &route, body));
    }
    if !wire.takes_orders() {
        pause(shared, behaviour).await;
    }
    match behaviour.breakage {
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
    let draft = match (door.refusal(shared, call.key, &model, behaviour).or(grammar), &read) {
        (Some(refusal), _) => door.refused(&refusal, &verdict),
        (None, Some(Ok(ask))) if wire.takes_orders() => {
            door.take(shared, &call, ask, behaviour).await
        }
        (None, Some(Ok(ask))) => door
            .kept(shared, (&call, body), ask, behaviour)
            .unwrap_or_else(|refusal| door.error(&refusal)),
        (None, Some(Err(refusal))) => door.error(refusal),
        (None, None) if route.asked == Asked::Stored => door.stored(shared, &call, body, behaviour),
        (None, None) if wire.takes_orders() => door.tell(shared, &call, behaviour),
        (None, None) => door.listing(shared, &call, behaviour),
    };
    let draft = Draft { plan: manner::apply(draft.plan, behaviour), ..draft };
    ticket.set_status(draft.status);
    let id = text::hash(&[call.path.as_bytes(), body]);
    Ok(respond(draft, Some(ticket), closing, |headers| {
        put(headers, wire.id_header(), &text::id("req_", id));
        hints(headers, wire, &behaviour.hints);
        manner::headers(behaviour).for_each(|(name, value)| put(headers, name, value));
        verdict.headers.iter().for_each(|(name, value)| put(headers, name, value));
    }))
}

/// The model and whether a stream is asked for, also of a body that was refused.
fn named<'a>(
    route: &Route<'a>,
    read: Option<&Result<Ask<'a>, Refusal>>,
    body: &'a [u8],
) -> (Cow<'a, str>, bool) {
    match read {
        Some(Ok(ask)) => (ask.model.clone(), ask.stream),
        None => (Cow::Borrowed(""), false),
        Some(Err(_)) => {
            let seen = Glimpse::of(body);
            let from_path = Some(&route.model).filter(|model| !model.is_empty()).cloned();
            let model = from_path.or(seen.model).unwrap_or_default();
            (model, route.stream || seen.stream.unwrap_or(false))
        }
    }
}

/// Puts the request into the log, if there is one.
fn record(
    shared: &Shared,
    ticket: &Ticket,
    facts: Facts<'_>,
    call: &Call<'_>,
    body: &[u8],
    started_us: u64,
) {
    ticket.record(|seq| Entry {
        seq,
        started_us,
        ended_us: None,
        version: format!("{:?}", call.version),
        method: call.method.to_string(),
        path: facts.path.to_owned(),
        key: facts.key.to_owned(),
        model: facts.model.to_owned(),
        body_bytes: body.len(),
        stream: facts.stream,
        status: 0,
        outcome: None,
        headers: headers_for_log(call.headers),
        body: body_for_log(body, shared.settings.log_body_bytes),
    });
}

async fn pause(shared: &Shared, behaviour: &Behaviour) {
    let latency = behaviour.latency.unwrap_or(shared.settings.latency);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

impl Door<'_> {
    /// The error that settings or behaviour ask for.
    fn refusal(
        self,
        shared: &Shared,
        key: &str,
        model: &str,
        behaviour: &Behaviour,
    ) -> Option<Refusal> {
        let keys = &shared.settings.keys;
        if !keys.is_empty() && !keys.iter().any(|known| known == key) {
            return Some(self.wire.wrong_key(self.route));
        }
        let retry = behaviour.hints.iter().find_map(|hint| match hint {
            Hint::RetryAfter(text) => Some(text.as_str().into()),
            _ => None,
        });
        let code = behaviour.code.clone();
        Some(Refusal { code, retry, ..Refusal::of_status(behaviour.status?, model) })
    }

    fn answer(
        self,
        settings: &Settings,
        ask: &Ask<'_>,
        behaviour: &Behaviour,
    ) -> Result<Draft, Refusal> {
        let Door { wire, route } = self;
        let answer_bytes = behaviour.answer_bytes.or(settings.answer_bytes);
        let making = Making { answer_bytes, dimensions: settings.dimensions };
        let salt = if route.asked == Asked::Completion { "completion" } else { "chat" };
        let done = answer::work(ask, salt, making)?;
        if let (true, Done::Reply(reply), Task::Chat(chat)) = (ask.stream, &done, &ask.task) {
            let chunks = behaviour.chunks.unwrap_or(settings.chunks);
            let interval = behaviour.interval.unwrap_or(settings.interval);
            let events = wire.stream(route, ask, Told { chat, reply, chunks });
            let plan = Plan::stream(events, interval, behaviour, |what, earlier| match what {
                Spoil::Garbage => wire.garbage_event(route),
                Spoil::Error => wire.error_event(route, &broken(behaviour), earlier),
            });
            return Ok(Draft { content_type: wire.stream_type(route), ..json_draft(plan) });
        }
        if let (Task::Media(ready), Done::Bytes(bytes)) = (&ask.task, &done) {
            return Ok(self.media(settings, ready, (bytes, ask.stream), behaviour));
        }
        Ok(self.json(wire.whole(route, ask, &done), behaviour))
    }

    /// What has no body to parse: the models, and everything that does not exist.
    fn listing(self, shared: &Shared, call: &Call<'_>, behaviour: &Behaviour) -> Draft {
        let (asked, names) = (self.route.asked, &shared.settings.models);
        match asked {
            Asked::Models | Asked::Profiles => {
                self.json(self.wire.models(self.route, names), behaviour)
            }
            Asked::Model if names.iter().any(|known| *known == self.route.model) => {
                self.json(self.wire.models(self.route, names), behaviour)
            }
            Asked::Model => self.error(&Refusal::of_status(404, &self.route.model)),
            _ => self.error(&Refusal::no_route(call.method.as_str(), call.path)),
        }
    }

    fn json(self, body: Vec<u8>, behaviour: &Behaviour) -> Draft {
        json_draft(Plan::whole(body, behaviour, || {
            self.wire.error(self.route, &broken(behaviour)).body
        }))
    }

    /// An error that was asked for: its body may be given, and it may break.
    fn refused(self, refusal: &Refusal, verdict: &Verdict) -> Draft {
        let spoken = self.wire.error(self.route, refusal);
        let body = verdict.body.clone().unwrap_or(spoken.body);
        let plan = self.json(body.into_bytes(), &verdict.behaviour).plan;
        let headers = spoken.headers.into_iter().map(|(name, value)| (name.into(), value));
        Draft { status: spoken.status, headers: headers.collect(), ..json_draft(plan) }
    }

    fn error(self, refusal: &Refusal) -> Draft {
        self.refused(refusal, &Verdict::default())
    }
}

/// The error in an answer that began well.
fn broken(behaviour: &Behaviour) -> Refusal {
    Refusal { code: behaviour.code.clone(), ..Refusal::of_status(500, "") }
}

fn json_draft(plan: Plan) -> Draft {
    Draft { status: 200, content_type: "application/json", headers: Vec::new(), plan }
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
    draft.headers.iter().for_each(|(name, value)| put(headers, name, value));
    more(headers);
    response
}

fn hints(headers: &mut HeaderMap, wire: &dyn Wire, hints: &[Hint]) {
    let limit = |headers: &mut HeaderMap, what, text: &str| {
        let [remaining, reset] = wire.limit_headers(what);
        put(headers, &remaining, "0");
        put(headers, &reset, text);
    };
    for hint in hints {
        match hint {
            Hint::RetryAfter(text) => put(headers, "retry-after", text),
            Hint::RetryAfterMs(text) => put(headers, "retry-after-ms", text),
            Hint::RetryAfterDate(seconds) => {
                let then = SystemTime::now() + Duration::from_secs(*seconds);
                put(headers, "retry-after", &httpdate::fmt_http_date(then));
            }
            Hint::ResetRequests(text) => limit(headers, "requests", text),
            Hint::ResetTokens(text) => limit(headers, "tokens", text),
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

fn headers_for_log(headers: &HeaderMap) -> Vec<(String, String)> {
    let seen = headers.iter().filter(|(name, _)| !KEY_HEADERS.contains(&name.as_str()));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    seen.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn body_for_log(body: &[u8], bytes_max: usize) -> Option<String> {
    let start = body.get(..bytes_max.min(body.len()))?;
    (bytes_max > 0).then(|| String::from_utf8_lossy(start).into_owned())
}

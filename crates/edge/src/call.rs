//! One request through the edge, step by step. Every step that fails gives a fault; one place
//! turns it into a response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use http::Method;
use http::request::Parts;
use weir_budget::Gather;
use weir_dialect::peek::Keeping;
use weir_dialect::stored::{self, Stored};
use weir_dialect::{PathFacts, format};
use weir_rpc::{Body as CallBody, Reply, RouterRequest};
use weir_types::{Addressee, CallContext, Content, Deadline, Fault, FaultCode, Operation, Target};

use crate::intake::Limits;
use crate::live::InForce;
use crate::options::RequestOptions;
use crate::record::{Record, RequestLine};
use crate::refers::{self, Reader};
use crate::renamed::renamed;
use crate::route::{self, Route};
use crate::said::{framing, provider};
use crate::shared::Shared;
use crate::stored::{Opening, resumable};
use crate::{answer, error, form, intake, relay, unknown};

/// Serves a request on an inference route; `parameter` is the value of the path's parameter.
pub(crate) fn serve(
    shared: Arc<Shared>,
    route: &'static Route,
    parameter: String,
    request: Request,
) -> impl Future<Output = Response> + Send {
    // Outside: what an async function is given it keeps twice.
    let (parts, body) = request.into_parts();
    async move {
        let head_only = parts.method == Method::HEAD;
        let started = Instant::now();
        let asked = RequestLine {
            route: route.name,
            dialect: route.dialect,
            form: route.form,
            operation: Some(route.operation),
        };
        let mut slot = Some(Record::start(&shared.telemetry, asked, &parts, started));
        let asked_of =
            Asked { shared: &shared, now: &shared.live.now(), route, parameter: &parameter };
        // Costs nothing while nothing panics; without it the connection would die without a word.
        let steps = AssertUnwindSafe(steps(asked_of, &parts, body, &mut slot)).catch_unwind();
        let answered = steps.await.unwrap_or_else(|_| {
            Err(Fault::new(FaultCode::Internal, "a defect of the gateway; see its log"))
        });
        match (answered, slot) {
            (Ok(response), _) => response,
            (Err(fault), Some(record)) => error::response(&fault, record, head_only),
            (Err(fault), None) => {
                let record = Record::start(&shared.telemetry, asked, &parts, started);
                error::response(&fault, record, head_only)
            }
        }
    }
}

/// Answers what no route or method matches.
pub(crate) fn refuse(shared: &Shared, fault: &Fault, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    intake::forget(&parts.headers, body, shared.live.look().settings.body_bytes_max);
    // Whoever asks in the wrong place reads the words of the right one.
    let path = parts.uri.path();
    let place = unknown::elsewhere(path, &parts.headers).unwrap_or(path);
    let (dialect, form) = route::words_of(shared.routes, place);
    let asked = RequestLine { route: method_label(&parts.method), dialect, form, operation: None };
    let record = Record::start(&shared.telemetry, asked, &parts, Instant::now());
    error::response(fault, record, parts.method == Method::HEAD)
}

/// A span's name must not be made of what clients send.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "HTTP",
    }
}

/// Who is asked for what, and by which settings.
#[derive(Clone, Copy)]
struct Asked<'a> {
    shared: &'a Shared,
    now: &'a InForce,
    route: &'static Route,
    parameter: &'a str,
}

/// The record is in `slot` until the response owns it.
async fn steps(
    asked: Asked<'_>,
    parts: &Parts,
    body: Body,
    slot: &mut Option<Record>,
) -> Result<Response, Fault> {
    let Asked { shared, now, route, parameter } = asked;
    let Some(record) = slot.as_mut() else {
        return Err(Fault::new(FaultCode::Internal, "a request without a record"));
    };
    let mut options = match admitted(now, route, parts, record) {
        Ok(options) => options,
        Err(fault) => {
            intake::forget(&parts.headers, body, now.settings.body_bytes_max);
            return Err(fault);
        }
    };
    let deadline = Deadline::after(record.started(), options.deadline);
    let limits = now.limits(deadline);
    let facts = route.operation.facts();
    let mut request = begun(route, parts, record, &mut options);
    if let Some(known) = stored_in(route) {
        let opening = asked.opening(parts, (record, options, limits));
        // In a box: other requests are no larger for it.
        return Box::pin(opening.serve(known, request, body, slot)).await;
    }
    let Looked { model, body, keeping, ids } =
        looked_at(asked, parts, body, limits, &mut request).await?;
    record.model.clone_from(&model);
    record.stream = request.stream;
    record.framing = request.framing;
    let wanted = route.wanted(parameter);
    request.target = match wanted {
        Some(id) => Target::Model { name: id.to_owned(), pin: options.key_pin.clone() },
        None => target(route, facts.addressee, model, &options, parts)?,
    };
    let (context, client) = (context(record, deadline), record.client_key.clone());
    let reply = shared.router.call(context, request, body).await;
    let reply = reply.map_err(|fault| if wanted.is_some() { unlisted(fault) } else { fault })?;
    let reply = match route.operation {
        Operation::Responses => asked.named_anew(reply, keeping.keeps, ids, client.as_deref()),
        _ => reply,
    };
    if facts.addressee == Addressee::Provider && route.operation.is_translated() {
        let head_only = parts.method == Method::HEAD;
        let wanted = wanted.map(|id| (id, route.form));
        return Box::pin(answer::models(reply, slot, head_only, wanted)).await;
    }
    answer::relay(reply, slot, relay::Times::of(&now.settings)).await
}

/// A body that was looked at.
struct Looked {
    /// The model that is asked for.
    model: String,
    /// As far as it has to be there.
    body: CallBody,
    keeping: Keeping,
    /// Ids in it that were resolved: ours, and the provider's own.
    ids: Vec<(String, String)>,
}

/// Looks at the body; what it says beside the model goes into `request`.
async fn looked_at(
    asked: Asked<'_>,
    parts: &Parts,
    body: Body,
    limits: Limits,
    request: &mut RouterRequest,
) -> Result<Looked, Fault> {
    let Asked { route, parameter, .. } = asked;
    let facts = route.operation.facts();
    let mut model = parameter.to_owned();
    let (mut keeping, mut ids) = (Keeping::default(), Vec::new());
    let body = match facts.request {
        Content::Empty => CallBody::Full(Bytes::new()),
        Content::Json => {
            let body = intake::read(&parts.headers, body, limits).await?;
            let path = PathFacts {
                operation: route.operation,
                model: route.has_parameter().then_some(parameter),
                stream: route.stream,
            };
            let is_marked = body.starts_with(MARK);
            let copy = intake::room_for_copy(&body, "fallbacks", limits).await?;
            let peeked = format(route.dialect).peek(body, &path);
            let peeked = peeked.map_err(|fault| if is_marked { marked() } else { fault.into() })?;
            model = peeked.model;
            request.stream = peeked.stream;
            request.fallbacks = peeked.fallbacks;
            request.outline = peeked.outline;
            let body = match copy {
                Some(hold) if !request.fallbacks.is_empty() => Gather::made(peeked.body, hold),
                _ => peeked.body,
            };
            keeping = peeked.keeping;
            CallBody::Full(match format(route.dialect).stored() {
                Some(stored) => {
                    let client = request.client_key.clone();
                    let reader = asked.reader(client.as_deref());
                    let (body, resolved) =
                        refers::resolve(reader, body, (stored, &keeping), limits).await?;
                    (request.owner, ids) = (resolved.owner, resolved.ids);
                    // Ids of another length have moved what follows them.
                    request.outline = request.outline.take().filter(|_| ids.is_empty());
                    body
                }
                None => body,
            })
        }
        Content::Multipart if facts.addressee == Addressee::Model => {
            request.content_type = intake::content_type(&parts.headers);
            let pieces = intake::stream(&parts.headers, body, limits)?;
            let named = route.has_parameter().then_some(parameter);
            let form = Box::pin(form::read(&parts.headers, pieces, named, limits)).await?;
            model = form.model;
            request.stream = form.stream && route.operation.streams();
            request.fallbacks = form.fallbacks;
            form.body
        }
        Content::Multipart | Content::Bytes => {
            request.content_type = intake::content_type(&parts.headers);
            CallBody::Stream(intake::stream(&parts.headers, body, limits)?)
        }
    };
    Ok(Looked { model, body, keeping, ids })
}

impl<'a> Asked<'a> {
    /// Reads ids that a client may have.
    fn reader<'r>(self, client: Option<&'r str>) -> Reader<'r>
    where
        'a: 'r,
    {
        let settings = &self.now.settings;
        Reader { secrets: &settings.ids, client, is_shared: !settings.client_keys.are_none() }
    }

    /// An answer, which its provider keeps if the request says so, with ids that say whose it is; `ids`
    /// were resolved on its way.
    fn named_anew(
        self,
        reply: Reply,
        keeps: bool,
        ids: Vec<(String, String)>,
        client: Option<&str>,
    ) -> Reply {
        let Reply { head, frames } = reply;
        let mut renames: Vec<_> = ids.into_iter().map(|(ours, own)| (own, ours)).collect();
        if let Some(own) = head.kept.as_ref().filter(|_| keeps) {
            let ours = self.now.settings.ids.seal((&head.provider, &head.key), client, own);
            renames.push((own.clone(), ours));
        }
        renames.retain(|(own, ours)| own != ours);
        match renames.is_empty() {
            true => Reply { head, frames },
            false => Reply { head, frames: renamed(frames, &renames) },
        }
    }

    /// A request about files or batches, whose head was read.
    fn opening(
        self,
        parts: &'a Parts,
        (record, options, limits): (&Record, RequestOptions, Limits),
    ) -> Opening<'a> {
        Opening {
            shared: self.shared,
            now: self.now,
            route: self.route,
            parts,
            limits,
            context: context(record, limits.deadline),
            client: record.client_key.clone(),
            id: self.parameter,
            named: provider(self.route, parts),
            pin: options.key_pin,
        }
    }
}

/// How the format of `route` speaks of files and batches, if it is about them.
fn stored_in(route: &Route) -> Option<&'static Stored> {
    let facts = || format(route.dialect).stored().map(|stored| stored.of(route.form));
    if stored::is_stored(route.operation) { facts() } else { None }
}

fn context(record: &Record, deadline: Deadline) -> CallContext {
    CallContext {
        request_id: record.request_id.clone(),
        deadline,
        trace: record.span().context().clone(),
    }
}

/// Who asks, and what they ask for beside the body.
fn admitted(
    now: &InForce,
    route: &Route,
    parts: &Parts,
    record: &mut Record,
) -> Result<RequestOptions, Fault> {
    record.client_key = resumable::caller(now, route, parts)?;
    now.rules.options(&parts.headers, route.dialect)
}

/// The request as far as its line and headers say it.
fn begun(
    route: &Route,
    parts: &Parts,
    record: &Record,
    options: &mut RequestOptions,
) -> RouterRequest {
    RouterRequest {
        dialect: route.dialect,
        operation: route.operation,
        target: Target::Provider { name: None, pin: None },
        stream: route.stream.unwrap_or(false),
        framing: framing(route, parts),
        form: route.form,
        commit: options.commit,
        patience: options.patience,
        content_type: String::new(),
        outline: None,
        fallbacks: Vec::new(),
        preferred_provider: route.preferred.map(str::to_owned),
        client_key: record.client_key.clone(),
        headers: std::mem::take(&mut options.headers),
        query: String::new(),
        cursor: None,
        owner: None,
    }
}

/// Why there is no list with the one model that was asked for.
fn unlisted(fault: Fault) -> Fault {
    match fault.code {
        FaultCode::UnknownModel | FaultCode::NoKeySupportsModel => {
            answer::no_such_model(fault.detail.message)
        }
        _ => fault,
    }
}

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// It cannot be seen in an editor, so it is named.
fn marked() -> Fault {
    let text = "the body begins with a byte order mark (EF BB BF), which is no JSON; send it without, \
                as `utf-8` and not `utf-8-sig`";
    Fault::new(FaultCode::InvalidRequest, text)
}

/// What the request is for.
fn target(
    route: &Route,
    addressee: Addressee,
    name: String,
    options: &RequestOptions,
    parts: &Parts,
) -> Result<Target, Fault> {
    let pin = options.key_pin.clone();
    match addressee {
        Addressee::Model => Ok(Target::Model { name, pin }),
        Addressee::Provider => Ok(Target::Provider { name: provider(route, parts), pin }),
        Addressee::Resource => {
            let text = "the id does not say which provider and key it belongs to";
            Err(Fault::new(FaultCode::InvalidRequest, text))
        }
    }
}

//! The routes, in one place, behind the gate, which turns away whom no route serves. There is no layer.
//! Body limits, panics and request ids are steps of `call`, where they cost no boxed future.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, any, get};
use http::Method;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use weir_rpc::RouterService;
use weir_telemetry::Telemetry;
use weir_types::{Fault, FaultCode, told, told_within};

use crate::gate::Gated;
use crate::route::{self, Route};
use crate::shared::Shared;
use crate::unserved::Unserved;
use crate::{Live, call, unknown};

/// How much of an unknown path is repeated to the client.
const PATH_CHARS_MAX: usize = 128;
/// And of a method.
const METHOD_BYTES_MAX: usize = 32;

/// The public HTTP surface: `routes` in front of `router`, served by what is in force. One instance per
/// runtime; answers are served on the runtime that polls it.
pub fn app(
    live: Arc<Live>,
    routes: &'static [Route],
    router: Arc<dyn RouterService>,
    telemetry: Telemetry,
) -> Gated {
    let shared = Arc::new(Shared { live, routes, router, telemetry });
    let mut app =
        Router::new().route(route::HEALTH, health(&shared)).route(route::ROOT, root(&shared));
    let mut prefixes: Vec<&'static str> = Vec::new();
    for (at, route) in routes.iter().enumerate() {
        match route.parameter() {
            None if routes[..at].iter().any(|other| other.path() == route.path()) => {}
            None => app = app.route(route.path(), plain(&shared, route.path())),
            Some((prefix, _)) if prefixes.contains(&prefix) => {}
            Some((prefix, _)) => {
                prefixes.push(prefix);
                app = app.route(&format!("{prefix}{{*tail}}"), with_parameter(&shared, prefix));
            }
        }
    }
    let nowhere = Arc::clone(&shared);
    let app =
        app.fallback(move |request: Request| std::future::ready(not_found(&nowhere, request)));
    Gated::new(shared, app)
}

/// A path without a parameter: an operation for each of its methods.
fn plain(shared: &Arc<Shared>, path: &'static str) -> MethodRouter {
    let mut router = MethodRouter::new();
    let mut allowed = Allowed::default();
    for route in shared.routes.iter().filter(|route| route.path() == path) {
        let serving = Arc::clone(shared);
        // axum answers HEAD where it answers GET.
        let method = match route.method() {
            Method::GET => MethodFilter::GET,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::POST,
        };
        allowed.add(&route.method());
        router = router.on(method, move |request: Request| {
            call::serve(Arc::clone(&serving), route, String::new(), request)
        });
    }
    let (refusing, allowed) = (Arc::clone(shared), allowed.words());
    router.fallback(move |request: Request| {
        std::future::ready(wrong_method(&refusing, &allowed, request))
    })
}

/// Methods of one path.
#[derive(Debug, Default)]
struct Allowed(Vec<Method>);

impl Allowed {
    fn add(&mut self, method: &Method) {
        let is_read = *method == Method::GET;
        // axum answers HEAD where it answers GET.
        for method in [Some(method), Some(&Method::HEAD).filter(|_| is_read)].into_iter().flatten()
        {
            if !self.0.contains(method) {
                self.0.push(method.clone());
            }
        }
    }

    /// As a header lists them; empty if there are none.
    fn words(&self) -> String {
        let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
        let words: Vec<&str> =
            known.iter().filter(|method| self.0.contains(method)).map(Method::as_str).collect();
        words.join(", ")
    }
}

/// All paths that begin with `prefix` and go on with a parameter: which operation it is, is told by
/// what follows the parameter.
fn with_parameter(shared: &Arc<Shared>, prefix: &'static str) -> MethodRouter {
    let shared = Arc::clone(shared);
    any(move |request: Request| {
        let shared = Arc::clone(&shared);
        async move {
            let tail = request.uri().path().strip_prefix(prefix).unwrap_or_default();
            let alike = shared.routes.iter().filter_map(|route| {
                let (own, _) = route.parameter().filter(|(own, _)| *own == prefix)?;
                debug_assert_eq!(own, prefix);
                Some((route, route.value_in(tail)?))
            });
            // What ends with a verb is not a model's name.
            let has_verb = alike.clone().any(|(route, _)| !route.ends_with_parameter());
            let mut allowed = Allowed::default();
            for (route, value) in alike {
                if has_verb && route.ends_with_parameter() {
                    continue;
                }
                let is_get = route.method() == Method::GET;
                // axum answers HEAD where it answers GET, and so is it done here.
                let is_head = is_get && request.method() == Method::HEAD;
                if route.method() == request.method() || is_head {
                    let value = decoded(value);
                    return call::serve(shared, route, value, request).await;
                }
                // A model's name may be anything, so nothing is said of a path that could be one.
                let says = !is_get || shared.routes.iter().all(|other| other.is_alone_at(prefix));
                if says {
                    allowed.add(&route.method());
                }
            }
            match &*allowed.words() {
                "" => not_found(&shared, request),
                allowed => wrong_method(&shared, allowed, request),
            }
        }
    })
}

fn decoded(value: &str) -> String {
    percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned()
}

fn health(shared: &Arc<Shared>) -> MethodRouter {
    const OK: &str = r#"{"status":"ok"}"#;
    let shared = Arc::clone(shared);
    get(|| std::future::ready(([(CONTENT_TYPE, "application/json")], OK).into_response())).fallback(
        move |request: Request| std::future::ready(wrong_method(&shared, "GET, HEAD", request)),
    )
}

/// What Weir is, and where to go from there.
const WELCOME: &str = concat!(
    r#"{"name":"weir","is":"an LLM gateway","chat":"POST /v1/chat/completions","#,
    r#""models":"GET /v1/models","health":"GET /health","drop_in_base_paths":["/v1","/openai","#,
    r#""/anthropic","/genai","/bedrock","/cohere","/mistral"]}"#,
);

/// Who asks for anything else there has left the path out.
fn root(shared: &Arc<Shared>) -> MethodRouter {
    let shared = Arc::clone(shared);
    let answer = || ([(CONTENT_TYPE, "application/json")], WELCOME).into_response();
    get(move || std::future::ready(answer()))
        .fallback(move |request: Request| std::future::ready(not_found(&shared, request)))
}

fn not_found(shared: &Shared, request: Request) -> Response {
    if let Some(fault) = misplaced(&request).or_else(|| unserved(&request)) {
        return call::refuse(shared, &fault, request);
    }
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let near = unknown::near(shared.routes, &path);
    let method = told_within(request.method().as_str(), METHOD_BYTES_MAX);
    let text = format!("no such route: {method} {path}{near}");
    call::refuse(shared, &Fault::new(FaultCode::NotFound, text), request)
}

/// Why a path is none of those at which the service is that the client has signed for.
fn misplaced(request: &Request) -> Option<Fault> {
    let path = request.uri().path();
    let base = unknown::elsewhere(path, request.headers())?;
    let text = format!(
        "no such route: {}; the service that the request is signed for is served under {base}: give the \
         client the gateway's address with this path behind it (endpoint_url=\"http://HOST:PORT{base}\")",
        told(path)
    );
    Some(Fault::new(FaultCode::NotFound, text))
}

/// Why a path that a vendor's interface has is not served.
fn unserved(request: &Request) -> Option<Fault> {
    let is_get = request.method() == Method::GET;
    Some(Unserved::at(request.uri().path(), is_get)?.fault())
}

fn wrong_method(shared: &Shared, allowed: &str, request: Request) -> Response {
    if let Some(fault) = misplaced(&request).or_else(|| unserved(&request)) {
        return call::refuse(shared, &fault, request);
    }
    let text = format!(
        "{} {} is not supported; allowed: {allowed}",
        told_within(request.method().as_str(), METHOD_BYTES_MAX),
        told(request.uri().path())
    );
    let fault = Fault::new(FaultCode::MethodNotAllowed, text);
    let mut response = call::refuse(shared, &fault, request);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

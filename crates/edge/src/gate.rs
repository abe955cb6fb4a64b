//! Who is turned away before anything runs: requests under a name that is not the gateway's, and those
//! of other sites' pages.
//!
//! A page needs no answer to do harm: a simple request (a form's, `text/plain`) is sent by a browser
//! before it asks anybody. SDKs and other programs send no `Origin`: for them this is a comparison of
//! `Host` and two looks into the header map.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use axum::{BoxError, Router};
use bytes::Bytes;
use foldhash::{HashMap, HashMapExt};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use tower::{Layer, Service};
use tower_http::cors::Cors;
use weir_runtime::is_own_origin;
use weir_types::{Fault, FaultCode};

use crate::cors::Origins;
use crate::live::InForce;
use crate::route::Route;
use crate::shared::Shared;
use crate::{call, names};

/// How much of an unknown host or origin is repeated to the client.
const REPEATED_CHARS_MAX: usize = 128;

/// Who is at the gate.
enum Comer {
    /// No page, or one of the gateway's own.
    Usual,
    /// A page that may call, and is told so.
    Page,
    Stranger(Fault),
}

impl InForce {
    fn judge(&self, request: &Request) -> Comer {
        let (uri, headers) = (request.uri(), request.headers());
        if let Some(host) = self.settings.hosts.stranger(uri, headers) {
            return Comer::Stranger(unknown_host(&host));
        }
        let mut comer = Comer::Usual;
        // An honest browser sends one.
        for origin in headers.get_all(ORIGIN) {
            if self.origins.allow(origin) {
                comer = Comer::Page;
            } else if !is_own_origin(origin, uri, headers) {
                return Comer::Stranger(foreign_page(&String::from_utf8_lossy(origin.as_bytes())));
            }
        }
        let is_said = headers.contains_key(ORIGIN) || matches!(self.origins, Origins::All);
        if !is_said && is_part_of_foreign_page(headers) {
            return Comer::Stranger(foreign_page("another site"));
        }
        comer
    }
}

/// Whether a browser fetches it for a page of another site without an `Origin`, as pictures, scripts
/// and frames are. A person who follows a link is welcome.
fn is_part_of_foreign_page(headers: &HeaderMap) -> bool {
    let site = headers.get(names::FETCH_SITE).map(HeaderValue::as_bytes);
    matches!(site, Some(b"cross-site" | b"same-site"))
        && headers.get(names::FETCH_DEST).is_none_or(|dest| dest != "document")
}

fn unknown_host(host: &str) -> Fault {
    let host: String = host.chars().take(REPEATED_CHARS_MAX).collect();
    let text = format!(
        "the gateway is not known as \"{host}\": ask for it by its address or as localhost, or add the \
         name to client.allowed_hosts or --allowed-host"
    );
    forbidden(text, "host_not_allowed")
}

fn foreign_page(origin: &str) -> Fault {
    let origin: String = origin.chars().take(REPEATED_CHARS_MAX).collect();
    let text = format!(
        "pages of \"{origin}\" may not call the gateway: add the origin to client.allowed_origins, if \
         they should"
    );
    forbidden(text, "origin_not_allowed")
}

fn forbidden(text: String, code: &'static str) -> Fault {
    let mut fault = Fault::new(FaultCode::Forbidden, text);
    fault.detail.code = Some(code.into());
    fault
}

/// The routes behind the gate. Around all of them and not in each, where axum would box it.
#[derive(Clone)]
pub struct Gated {
    shared: Arc<Shared>,
    plain: Arc<Plain>,
    routes: Router,
}

/// The routes whose paths have no parameter, by path: most requests are for one of these, and need
/// nothing of what a router does beside finding them.
struct Plain(HashMap<&'static str, Vec<&'static Route>>);

impl Plain {
    fn of(routes: &'static [Route]) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for route in routes.iter().filter(|route| !route.has_parameter()) {
            all.entry(route.path()).or_default().push(route);
        }
        Self(all)
    }

    /// The route of just this path and method.
    fn find(&self, request: &Request) -> Option<&'static Route> {
        let there = self.0.get(request.uri().path())?;
        there.iter().copied().find(|route| route.is_by(request.method()))
    }
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated").finish_non_exhaustive()
    }
}

impl Gated {
    pub(crate) fn new(shared: Arc<Shared>, routes: Router) -> Self {
        let plain = Arc::new(Plain::of(shared.routes));
        Self { shared, plain, routes }
    }
}

/// What becomes of a request for a plain route.
type Served = BoxFuture<'static, Result<Response, Infallible>>;

/// What becomes of a request that needs a router: for other routes, or of a page.
type Routed = Either<<Router as Service<Request>>::Future, OfPage>;

/// What becomes of a page's request: served with CORS, or turned away.
type OfPage =
    Either<<Cors<Router> as Service<Request>>::Future, Ready<Result<Response, Infallible>>>;

impl<B> Service<http::Request<B>> for Gated
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Served, Routed>;

    /// axum's routes are always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let request = request.map(Body::new);
        let live = self.shared.live.look();
        let routed = match live.judge(&request) {
            Comer::Usual => match self.plain.find(&request) {
                Some(route) => {
                    let shared = Arc::clone(&self.shared);
                    let serving = call::serve(shared, route, String::new(), request);
                    return Either::Left(Box::pin(serving.map(Ok)));
                }
                None => Either::Left(self.routes.call(request)),
            },
            Comer::Page => {
                Either::Right(Either::Left(live.cors.layer(self.routes.clone()).call(request)))
            }
            Comer::Stranger(fault) => {
                let refusal = call::refuse(&self.shared, &fault, request);
                Either::Right(Either::Right(ready(Ok(refusal))))
            }
        };
        Either::Right(routed)
    }
}

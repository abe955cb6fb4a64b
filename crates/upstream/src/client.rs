//! One core's connections to a provider.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::uri::Scheme;
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::connector::{Connector, host_and_port};
use crate::decoded::Decoder;
use crate::lanes::{Lanes, STREAMS_MAX};
use crate::proxy::{Kind, login_words};
use crate::{AsItComes, Body, Error, Outgoing, Transport};

/// What one HTTP/2 stream may send before it is read.
const STREAM_WINDOW: u32 = 256 << 10;
/// As much for all streams of a connection: one that is not read holds up no other.
#[expect(clippy::cast_possible_truncation, reason = "a hundred of them")]
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS_MAX as u32;
/// A shared connection whose far end has vanished is noticed by its silence to pings; a call that
/// gives up does not end it.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// A client with connections of its own; cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    /// Shared, because a pool is costly to copy.
    lanes: Lanes<Arc<Pool<Connector, Outgoing>>>,
    transport: Arc<Transport>,
    /// For servers of this machine; made when it is first needed.
    local: OnceLock<Client>,
    /// For servers that serve the provider's calls; made when it is first needed.
    aside: OnceLock<Client>,
}

impl Inner {
    /// A refusal of a forwarding proxy is not the provider's answer: to the caller it would
    /// look as if its own proxy had spoken, and the provider's key would be blamed.
    fn accepted(&self, target: &Uri, response: &Response<Incoming>) -> Result<(), Error> {
        let Some(via) = self.transport.forwarder(target) else {
            return Ok(());
        };
        let why = match response.status().as_u16() {
            // A provider says in JSON what it has against a request.
            status @ (401 | 407) if status == 407 || !is_json(response) => {
                let has_login = matches!(via.kind, Kind::Http(Some(_)));
                format!("{} ({status})", login_words(has_login))
            }
            status @ (403 | 500 | 502 | 503 | 504) if !is_json(response) => {
                format!("it answered {status}")
            }
            _ => return Ok(()),
        };
        Err(Error::Proxy { proxy: host_and_port(&via.uri), why })
    }

    /// Names the host where the request surely goes by HTTP/1.1. The pool would do it as well, by way of
    /// a formatter; it also does the rest: usual ports, which are left out, and what TLS may make HTTP/2.
    fn name_host(&self, request: &mut Request<Outgoing>) {
        let uri = request.uri();
        if self.transport.settings.enforce_http2 || uri.scheme() != Some(&Scheme::HTTP) {
            return;
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.is_empty() || authority.ends_with(":80") || authority.contains('@') {
            return;
        }
        if let Ok(host) = HeaderValue::from_str(authority) {
            request.headers_mut().entry(HOST).or_insert(host);
        }
    }

    /// Adds what a forwarding proxy wants to see in the request itself: there is no `CONNECT` that
    /// could carry it.
    fn authorize(&self, request: &mut Request<Outgoing>) {
        let via = self.transport.forwarder(request.uri());
        if let Some(Kind::Http(Some(value))) = via.map(|via| &via.kind) {
            let value = value.clone();
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
    }

    /// Without TLS a server cannot say that it does not speak HTTP/2; it breaks off.
    fn explained(&self, error: Error, target: &Uri) -> Error {
        let is_blind = target.scheme() == Some(&Scheme::HTTP);
        match error {
            Error::Closed(why) if is_blind && self.transport.settings.enforce_http2 => {
                Error::Closed(format!("{why} (enforce_http2 demands HTTP/2 of it)"))
            }
            error => error,
        }
    }

    fn timed_out(&self, target: &Uri) -> Error {
        match self.transport.forwarder(target) {
            Some(via) => Error::ProxySilent { proxy: host_and_port(&via.uri) },
            None => Error::Timeout,
        }
    }
}

fn is_json(response: &Response<Incoming>) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.to_str().is_ok_and(|text| text.contains("json")))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("transport", &self.0.transport).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for the runtime that it will be used in.
    #[must_use]
    pub fn new(transport: Arc<Transport>) -> Self {
        let shared = Arc::clone(&transport);
        let lanes = Lanes::new(transport.settings.enforce_http2, move || Arc::new(pool(&shared)));
        let (local, aside) = (OnceLock::new(), OnceLock::new());
        Self(Arc::new(Inner { lanes, transport, local, aside }))
    }

    /// Sends a request; done when the head of the answer is there. Dropping the future, or the
    /// body later, closes the connection, or the stream where calls share one.
    ///
    /// # Errors
    /// See [`Error`]; at the latest at `deadline`.
    pub fn send(
        &self,
        request: Request<impl Into<Outgoing>>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Response<Body>, Error>> + Send {
        // Outside: what an async function is given it keeps twice.
        let mut request = request.map(Into::into);
        async move {
            let permit = self.0.transport.permit(request.uri(), deadline).await?;
            self.0.authorize(&mut request);
            self.0.name_host(&mut request);
            let uri = request.uri().clone();
            let as_it_comes = request.extensions().get::<AsItComes>().is_some();
            let (answer, place) = {
                let (pool, place) = self.0.lanes.take();
                (pool.request(request), place)
            };
            match timeout_at(deadline, answer).await {
                Ok(Ok(mut response)) => {
                    if response.version() == Version::HTTP_2 {
                        self.0.lanes.share();
                    }
                    self.0.accepted(&uri, &response)?;
                    let decoder = match as_it_comes {
                        true => None,
                        false => Decoder::of(response.headers_mut()),
                    };
                    Ok(response.map(|incoming| Body::new(incoming, (permit, place), decoder)))
                }
                Ok(Err(error)) => {
                    let target = uri.authority().map_or("", |authority| authority.as_str());
                    let was_asked = self.0.transport.was_asked();
                    let error = Error::from_client(&error, target, was_asked);
                    if matches!(error, Error::Stale(_)) {
                        // The others that lie there are as old.
                        self.0.lanes.retire(&place);
                    }
                    Err(self.0.explained(error, &uri))
                }
                Err(_) => Err(self.0.timed_out(&uri)),
            }
        }
    }

    /// Sends a request to a server that serves the provider's calls, as those that give tokens do:
    /// by the provider's way, in whichever version of HTTP there is.
    ///
    /// # Errors
    /// See [`Error`]; at the latest at `deadline`.
    pub async fn send_aside(
        &self,
        request: Request<impl Into<Outgoing>>,
        deadline: Instant,
    ) -> Result<Response<Body>, Error> {
        let Some(transport) = self.0.transport.aside() else {
            return self.send(request, deadline).await;
        };
        self.0.aside.get_or_init(|| Self::new(transport)).send(request, deadline).await
    }

    /// Sends a request past the proxy, for addresses that only this machine can reach: instance
    /// metadata and the like.
    ///
    /// # Errors
    /// See [`Error`]; at the latest at `deadline`.
    pub async fn send_direct(
        &self,
        request: Request<impl Into<Outgoing>>,
        deadline: Instant,
    ) -> Result<Response<Body>, Error> {
        let local = self.0.local.get_or_init(|| Self::new(self.0.transport.local()));
        local.send(request, deadline).await
    }
}

fn pool(transport: &Arc<Transport>) -> Pool<Connector, Outgoing> {
    let settings = &transport.settings;
    Pool::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(settings.pool_idle_timeout)
        .pool_max_idle_per_host(settings.max_conns_per_host)
        .http2_only(settings.enforce_http2)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        // Only requests of which no byte was written are sent again, on another connection.
        .retry_canceled_requests(true)
        .set_host(true)
        .build(Connector::new(Arc::clone(transport)))
}

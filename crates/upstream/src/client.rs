//! One core's connections to a provider.

use std::fmt;
use std::sync::Arc;

use http::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout_at};

use crate::connector::{Connector, host_and_port};
use crate::{Body, Error, Outgoing, Transport};

/// A client with connections of its own; cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    pool: Pool<Connector, Outgoing>,
    transport: Arc<Transport>,
}

impl Inner {
    /// A refusal of a forwarding proxy is not the provider's answer: to the caller it would
    /// look as if its own proxy had spoken.
    fn accepted(&self, target: &Uri, status: StatusCode) -> Result<(), Error> {
        if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Ok(());
        }
        let Some(via) = self.transport.route.forwarder(target) else {
            return Ok(());
        };
        let why = "it does not accept the credentials (407)".to_owned();
        Err(Error::Proxy { proxy: host_and_port(&via.uri), why })
    }
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
        let settings = &transport.settings;
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.pool_idle_timeout)
            .pool_max_idle_per_host(settings.max_conns_per_host)
            // Only requests of which no byte was written are sent again, on another connection.
            .retry_canceled_requests(true)
            .set_host(true)
            .build(Connector::new(Arc::clone(&transport)));
        Self(Arc::new(Inner { pool, transport }))
    }

    /// Sends a request; done when the head of the answer is there. Dropping the future, or the
    /// body later, closes the connection.
    ///
    /// # Errors
    /// See [`Error`]; at the latest at `deadline`.
    pub async fn send(
        &self,
        request: Request<impl Into<Outgoing>>,
        deadline: Instant,
    ) -> Result<Response<Body>, Error> {
        let permit = self.0.transport.permit(request.uri(), deadline).await?;
        let mut request = request.map(Into::into);
        self.0.transport.route.authorize(&mut request);
        let uri = request.uri().clone();
        match timeout_at(deadline, self.0.pool.request(request)).await {
            Ok(Ok(response)) => {
                self.0.accepted(&uri, response.status())?;
                Ok(response.map(|incoming| Body::new(incoming, permit)))
            }
            Ok(Err(error)) => {
                let target = uri.authority().map_or("", |authority| authority.as_str());
                Err(Error::from_client(&error, target))
            }
            Err(_) => Err(Error::Timeout),
        }
    }
}

//! Posts export messages to a collector with the HTTP client that the rest of Weir uses.
//!
//! The SDK's batch thread has no async runtime around it, so the client brings its own: one that
//! runs only while an export is under way, on that thread. Reads no proxy and no environment.
//! Knows nothing of spans.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::{self, Runtime};

/// A collector's answer is a few bytes; more than this is not one.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

type Wire = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

/// An HTTP client that works on a thread without a runtime.
pub(crate) struct Poster {
    wire: Wire,
    headers: Vec<(HeaderName, HeaderValue)>,
    timeout: Duration,
    /// Made by the first export, so that it lives and dies on the exporting thread.
    runtime: Mutex<Option<Runtime>>,
}

impl Poster {
    /// A client that adds `headers` to every message and gives up after `timeout`.
    ///
    /// # Errors
    /// If `https` is asked for and the system has no certificate roots.
    pub(crate) fn new(
        https: bool,
        headers: Vec<(HeaderName, HeaderValue)>,
        timeout: Duration,
    ) -> Result<Self, HttpError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls_config(https)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let wire = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { wire, headers, timeout, runtime: Mutex::new(None) })
    }

    fn post(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = match &mut *runtime {
            Some(runtime) => runtime,
            none => none.insert(runtime::Builder::new_current_thread().enable_all().build()?),
        };
        let exchange = async {
            let response = self.wire.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        runtime.block_on(async { tokio::time::timeout(self.timeout, exchange).await })?
    }
}

impl HttpClient for Poster {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Answer<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        // Blocking is right here: nothing else runs on the exporting thread.
        Box::pin(async move { self.post(request) })
    }
}

impl fmt::Debug for Poster {
    /// Without headers: they carry the collector's credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn tls_config(https: bool) -> Result<rustls::ClientConfig, HttpError> {
    let mut roots = rustls::RootCertStore::empty();
    if https {
        let found = rustls_native_certs::load_native_certs();
        let (added, _unusable) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            return Err("the system has no certificate roots to check the collector with".into());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

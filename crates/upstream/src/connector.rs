//! From a target to a connection: straight or through the proxy, with TLS where the target wants
//! it, all of it within one time limit.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::{Service, ServiceExt};

use crate::error::innermost;
use crate::io::{Conn, Hop, Stream};
use crate::proxy::Kind;
use crate::{Error, Transport};

/// TCP keepalive notices peers that vanished: 10 s idle, then three probes 5 s apart.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    transport: Arc<Transport>,
}

impl Connector {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE_IDLE));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        // A share of it per address, so that a dead address leaves time for the next one.
        tcp.set_connect_timeout(Some(transport.settings.connect_timeout));
        Self { tcp, transport }
    }

    async fn connect(self, target: Uri) -> Result<Conn, Error> {
        let limit = self.transport.settings.connect_timeout;
        let name = host_and_port(&target);
        let connecting = self.connect_unbounded(target);
        match tokio::time::timeout(limit, connecting).await {
            Ok(done) => done,
            Err(_) => Err(Error::ConnectTimeout { target: name }),
        }
    }

    async fn connect_unbounded(self, target: Uri) -> Result<Conn, Error> {
        let is_https = target.scheme() == Some(&Scheme::HTTPS);
        let target = with_port(&target, is_https)?;
        let Some(via) = self.transport.route.via(&target) else {
            let tcp = self.tcp.clone().oneshot(target.clone()).await.map_err(|error| {
                Error::Connect { target: host_and_port(&target), why: innermost(&error) }
            })?;
            return self.finish(Hop::Tcp(tcp.into_inner()), &target, is_https).await;
        };
        let hop = self.connect_to_proxy(&via.uri).await?;
        let failed = |why: String| Error::Proxy { proxy: host_and_port(&via.uri), why };
        let hop = match &via.kind {
            Kind::Http(_) if !is_https => return Ok(Conn::new(Stream::Plain(hop), true)),
            Kind::Http(login) => {
                let mut tunnel = Tunnel::new(via.uri.clone(), Connected(Some(hop)));
                if let Some(login) = login {
                    tunnel = tunnel.with_auth(login.clone());
                }
                tunnel.oneshot(target.clone()).await.map_err(|error| failed(innermost(&error)))
            }
            Kind::Socks5(login) => {
                let mut socks = SocksV5::new(via.uri.clone(), Connected(Some(hop)));
                if let Some((user, password)) = login {
                    socks = socks.with_auth(user.clone(), password.expose().to_owned());
                }
                socks.oneshot(target.clone()).await.map_err(|error| failed(error.to_string()))
            }
        }?;
        self.finish(hop.into_inner(), &target, is_https).await
    }

    async fn connect_to_proxy(&self, proxy: &Uri) -> Result<Hop, Error> {
        let failed = |why: String| Error::Proxy { proxy: host_and_port(proxy), why };
        let tcp = self.tcp.clone().oneshot(proxy.clone()).await;
        let tcp = tcp.map_err(|error| failed(innermost(&error)))?.into_inner();
        if proxy.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Hop::Tcp(tcp));
        }
        let stream = self.handshake(tcp, proxy).await;
        stream.map(|stream| Hop::Tls(Box::new(stream))).map_err(|error| failed(error.to_string()))
    }

    async fn finish(&self, hop: Hop, target: &Uri, is_https: bool) -> Result<Conn, Error> {
        if !is_https {
            return Ok(Conn::new(Stream::Plain(hop), false));
        }
        let stream = self.handshake(hop, target).await?;
        Ok(Conn::new(Stream::Tls(Box::new(stream)), false))
    }

    async fn handshake<T>(&self, io: T, target: &Uri) -> Result<TlsStream<T>, Error>
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let failed = |why: String| Error::Tls { target: host_and_port(target), why };
        let config = self.transport.tls().await.map_err(|error| failed(error.to_string()))?;
        let host = target.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| failed("the host is not a valid name".to_owned()))?;
        let connected = TlsConnector::from(config).connect(name, io).await;
        connected.map_err(|error| failed(error.to_string()))
    }
}

impl Service<Uri> for Connector {
    type Response = Conn;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Conn, Error>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().connect(target))
    }
}

/// A connection to a proxy, for a handshake that wants to ask for it.
struct Connected(Option<Hop>);

impl Service<Uri> for Connected {
    type Response = TokioIo<Hop>;
    type Error = std::io::Error;
    type Future = Ready<Result<TokioIo<Hop>, std::io::Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _proxy: Uri) -> Self::Future {
        let hop = self.0.take().map(TokioIo::new);
        ready(hop.ok_or_else(|| std::io::ErrorKind::NotConnected.into()))
    }
}

/// The target with its port written out, because proxies want to be told.
fn with_port(target: &Uri, is_https: bool) -> Result<Uri, Error> {
    if target.port_u16().is_some() {
        return Ok(target.clone());
    }
    let (scheme, port) = if is_https { ("https", 443) } else { ("http", 80) };
    let text = format!("{scheme}://{}:{port}/", target.host().unwrap_or_default());
    text.parse().map_err(|_| Error::Request("the target has no valid host".to_owned()))
}

pub(crate) fn host_and_port(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

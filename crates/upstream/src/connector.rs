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
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::{Service, ServiceExt};

use crate::error::{find, innermost};
use crate::io::{Conn, Hop, Stream};
use crate::proxy::{Kind, Via, login_words};
use crate::reach::{Reach, Resolver};
use crate::tls::{self, Nameless};
use crate::{Error, Settings, Transport, tunnel};

/// TCP keepalive notices peers that vanished: 10 s idle, then three probes 5 s apart.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    to_provider: HttpConnector<Resolver>,
    to_proxy: HttpConnector<Resolver>,
    transport: Arc<Transport>,
}

impl Connector {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        let Settings { reach, connect_timeout, .. } = transport.settings;
        // Proxies stand in private networks, whatever may be called through them.
        let proxies = if reach == Reach::PublicOnly { Reach::NoMetadata } else { reach };
        let resolver = |reach| Resolver::new(reach, Arc::clone(&transport.lookups));
        let to_provider = tcp(resolver(reach), connect_timeout);
        let to_proxy = tcp(resolver(proxies), connect_timeout);
        Self { to_provider, to_proxy, transport }
    }

    async fn connect(self, target: Uri) -> Result<Conn, Error> {
        let is_https = target.scheme() == Some(&Scheme::HTTPS);
        let target = with_port(&target, is_https)?;
        self.check(&target)?;
        let via = self.transport.route.via(&target);
        let name = host_and_port(&target);
        let end = Instant::now() + self.transport.settings.connect_timeout;
        let hop = match via {
            None => timeout_at(end, self.straight(&target))
                .await
                .map_err(|_| Error::ConnectTimeout { target: name.clone() })??,
            Some(via) => self
                .through(via, &target, end)
                .await
                .map_err(|why| Error::Proxy { proxy: host_and_port(&via.uri), why })?,
        };
        if self.transport.forwarder(&target).is_some() {
            return Ok(Conn::to_forwarder(hop));
        }
        if !is_https {
            return Ok(Conn::to_provider(Stream::Plain(hop), false));
        }
        match timeout_at(end, self.secure(hop, &target)).await {
            Ok(secured) => secured.map_err(|why| {
                // Both ends of a tunnel can be at fault.
                let way =
                    via.map(|via| format!(" (through the proxy {})", host_and_port(&via.uri)));
                Error::Tls { target: name, why: why + &way.unwrap_or_default() }
            }),
            Err(_) => Err(Error::ConnectTimeout { target: name }),
        }
    }

    /// Names that a proxy resolves are not known here; addresses are.
    fn check(&self, target: &Uri) -> Result<(), Error> {
        let checked = self.transport.settings.reach.check_host(target.host().unwrap_or_default());
        checked.map_err(|why| Error::Forbidden { target: host_and_port(target), why })
    }

    async fn straight(&self, target: &Uri) -> Result<Hop, Error> {
        match self.to_provider.clone().oneshot(target.clone()).await {
            Ok(tcp) => Ok(Hop::Tcp(tcp.into_inner())),
            Err(error) => Err(find::<Error>(&error).cloned().unwrap_or_else(|| Error::Connect {
                target: host_and_port(target),
                why: innermost(&error),
            })),
        }
    }

    /// To the proxy, and where it is to know no more than the target's name, beyond it.
    async fn through(&self, via: &Via, target: &Uri, end: Instant) -> Result<Hop, String> {
        let hop = timeout_at(end, self.connect_to_proxy(&via.uri)).await;
        let hop = hop.unwrap_or_else(|_| Err("no connection in time".to_owned()))?;
        let beyond = timeout_at(end, self.beyond(via, hop, target)).await;
        beyond.unwrap_or_else(|_| {
            Err(format!(
                "it is silent: no answer came in time; is it {}?",
                match &via.kind {
                    Kind::Http(_) => "an HTTP proxy",
                    Kind::Socks5(_) => "a SOCKS5 proxy",
                }
            ))
        })
    }

    async fn beyond(&self, via: &Via, mut hop: Hop, target: &Uri) -> Result<Hop, String> {
        match &via.kind {
            Kind::Http(_) if self.transport.forwarder(target).is_some() => Ok(hop),
            Kind::Http(login) => {
                tunnel::open(&mut hop, target, login.as_ref()).await?;
                Ok(hop)
            }
            Kind::Socks5(login) => {
                let mut socks = SocksV5::new(via.uri.clone(), Connected(Some(hop)));
                if let Some((user, password)) = login {
                    socks = socks.with_auth(user.clone(), password.expose().to_owned());
                }
                let opened = socks.oneshot(target.clone()).await;
                let has_login = login.is_some();
                opened
                    .map(TokioIo::into_inner)
                    .map_err(|error| socks_words(&error.to_string(), has_login))
            }
        }
    }

    async fn connect_to_proxy(&self, proxy: &Uri) -> Result<Hop, String> {
        let tcp = self.to_proxy.clone().oneshot(proxy.clone()).await;
        let tcp = tcp.map_err(|error| innermost(&error))?.into_inner();
        if proxy.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Hop::Tcp(tcp));
        }
        let tls = self.transport.tls().await.map_err(|error| error.to_string())?;
        let stream = handshake(&tls.proxy, &tls.client, tcp, proxy).await?;
        Ok(Hop::Tls(Box::new(stream)))
    }

    async fn secure(&self, hop: Hop, target: &Uri) -> Result<Conn, String> {
        let tls = self.transport.tls().await.map_err(|error| error.to_string())?;
        let stream = handshake(&tls.provider, &tls.client, hop, target).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(tls::H2);
        if self.transport.settings.enforce_http2 && !is_h2 {
            return Err(tls::NO_HTTP2.to_owned());
        }
        Ok(Conn::to_provider(Stream::Tls(Box::new(stream)), is_h2))
    }
}

fn tcp(resolver: Resolver, connect_timeout: Duration) -> HttpConnector<Resolver> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE_IDLE));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    // A share of it per address, so that a dead address leaves time for the next one.
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp
}

async fn handshake<T>(
    config: &Arc<ClientConfig>,
    client: &Nameless,
    io: T,
    target: &Uri,
) -> Result<TlsStream<T>, String>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let host = target.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| "the host is not a valid name".to_owned())?;
    let connected = TlsConnector::from(Arc::clone(config)).connect(name, io).await;
    connected.map_err(|error| tls::of_handshake(&error, client.was_asked()))
}

/// What a SOCKS5 proxy has against us; the library's error has no type to ask.
fn socks_words(said: &str, has_login: bool) -> String {
    let is_login = said.contains("authentication") || said.contains("credentials");
    if is_login { login_words(has_login).to_owned() } else { said.to_owned() }
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

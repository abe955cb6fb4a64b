//! Origins and proxies small enough to read: what they are asked is kept, what they answer is
//! fixed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rcgen::{CertificateParams, KeyPair};
use rustls::server::NoClientAuth;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a server does with a connection.
#[derive(Clone)]
pub(super) enum Role {
    /// Answers every request with `ok`.
    Origin,
    /// Answers one request per connection, then closes it without saying so.
    Forgetful,
    /// Answers one request per connection, and says of each later one that it was not taken (HTTP/2).
    Reluctant,
    /// Answers one request with two bytes of three, and waits.
    Slow,
    /// CONNECT to this address, whatever the name; absolute form is answered with `proxied`.
    HttpProxy { to: SocketAddr, login: Option<&'static str> },
    /// The same over SOCKS5; with user and password.
    Socks5 { to: SocketAddr, login: Option<(&'static str, &'static str)> },
    /// Answers every request with this status and these headers.
    Says(&'static str),
    /// Accepts and says nothing.
    Silent,
}

/// A running server.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Server {
    pub(super) async fn start(role: Role) -> Self {
        Self::start_with(role, None).await
    }

    pub(super) async fn start_with(role: Role, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (kept, counted) = (Arc::clone(&heads), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let (role, tls, heads) = (role.clone(), tls.clone(), Arc::clone(&kept));
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, role, heads).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(socket).await else { return };
                            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                                serve_h2(stream, role, heads).await;
                            } else {
                                serve(stream, role, heads).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, heads, connections }
    }

    /// The heads of all requests so far; for SOCKS5 the names that were asked for.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

/// A certificate for `name`, as PEM for the client and as acceptor for the server.
pub(super) fn certificate(name: &str) -> (String, TlsAcceptor) {
    certificate_for(name, &["http/1.1"])
}

/// The same for a server that offers these versions of HTTP; with `h2` it speaks that if it is
/// chosen.
pub(super) fn certificate_for(name: &str, versions: &[&str]) -> (String, TlsAcceptor) {
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    self_signed(&params, rustls::ALL_VERSIONS, versions, None)
}

/// The same for any certificate that signs itself, a server that speaks these versions of TLS, and one
/// that may want to know its clients.
pub(super) fn self_signed(
    params: &CertificateParams,
    tls: &[&'static SupportedProtocolVersion],
    versions: &[&str],
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> (String, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let clients = clients.unwrap_or_else(|| Arc::new(NoClientAuth));
    let mut config = ServerConfig::builder_with_provider(crypto)
        .with_protocol_versions(tls)
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = versions.iter().map(|name| name.as_bytes().to_vec()).collect();
    (certificate.pem(), TlsAcceptor::from(Arc::new(config)))
}

async fn serve<T>(mut io: T, role: Role, heads: Arc<Mutex<Vec<String>>>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let keep = |head: &str| heads.lock().unwrap().push(head.to_owned());
    match role {
        Role::Silent => {
            let _ = io.read_to_end(&mut Vec::new()).await;
        }
        Role::Socks5 { to, login } => {
            if let Some(name) = socks5(&mut io, login).await {
                keep(&name);
                let mut target = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut io, &mut target).await;
            }
        }
        Role::HttpProxy { to, login } => {
            while let Some(head) = read_head(&mut io).await {
                keep(&head);
                let authorized = login.is_none_or(|login| {
                    head.contains(&format!(
                        "proxy-authorization: basic {}\r\n",
                        login.to_lowercase()
                    ))
                });
                if !authorized {
                    answer(&mut io, "407 No", "").await;
                } else if head.starts_with("connect ") {
                    let mut target = TcpStream::connect(to).await.unwrap();
                    io.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").await.unwrap();
                    let _ = copy_bidirectional(&mut io, &mut target).await;
                } else {
                    answer(&mut io, "200 OK", "proxied").await;
                }
            }
        }
        Role::Says(head) => {
            while let Some(asked) = read_head(&mut io).await {
                keep(&asked);
                answer(&mut io, head, "").await;
            }
        }
        Role::Origin | Role::Forgetful | Role::Slow | Role::Reluctant => {
            while let Some(head) = read_head(&mut io).await {
                keep(&head);
                if matches!(role, Role::Slow) {
                    let part = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok";
                    io.write_all(part).await.unwrap();
                    let _ = io.read_to_end(&mut Vec::new()).await;
                    return;
                }
                answer(&mut io, "200 OK", "ok").await;
                if matches!(role, Role::Forgetful) {
                    return;
                }
            }
        }
    }
}

/// Answers like an origin, over HTTP/2, and takes as many calls on a connection as most servers do;
/// a slow one ends no answer.
async fn serve_h2<T>(io: T, role: Role, heads: Arc<Mutex<Vec<String>>>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = h2::server::Builder::new();
    let handshake = builder.max_concurrent_streams(100).handshake::<_, Bytes>(io);
    let Ok(mut connection) = handshake.await else { return };
    let (mut open, mut has_answered) = (Vec::new(), false);
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        heads.lock().unwrap().push(format!("{} {} h2", request.method(), request.uri()));
        if matches!(role, Role::Reluctant) && std::mem::replace(&mut has_answered, true) {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
            continue;
        }
        let head = http::Response::new(());
        let Ok(mut body) = respond.send_response(head, false) else { continue };
        let is_slow = matches!(role, Role::Slow);
        let _ = body.send_data(Bytes::from_static(b"ok"), !is_slow);
        open.extend(is_slow.then_some(body));
    }
}

async fn answer<T: AsyncWrite + Unpin>(io: &mut T, status: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    io.write_all(text.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
}

/// A request's head in lower case; `None` once the client has closed.
async fn read_head<T: AsyncRead + Unpin>(io: &mut T) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(io.read_u8().await.ok()?);
    }
    Some(String::from_utf8(bytes).unwrap().to_lowercase())
}

/// The handshake of RFC 1928 and RFC 1929; the name that is asked for.
async fn socks5<T>(io: &mut T, login: Option<(&str, &str)>) -> Option<String>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut start = [0; 2];
    io.read_exact(&mut start).await.ok()?;
    let mut methods = vec![0; usize::from(start[1])];
    io.read_exact(&mut methods).await.ok()?;
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        io.write_all(&[5, 255]).await.ok()?;
        return None;
    }
    io.write_all(&[5, method]).await.ok()?;
    if let Some((user, password)) = login {
        io.read_u8().await.ok()?;
        let found = (read_text(io).await?, read_text(io).await?);
        let is_right = found == (user.to_owned(), password.to_owned());
        io.write_all(&[1, u8::from(!is_right)]).await.ok()?;
        if !is_right {
            return None;
        }
    }
    let mut request = [0; 4];
    io.read_exact(&mut request).await.ok()?;
    assert_eq!(request, [5, 1, 0, 3], "a name is to be resolved by the proxy");
    let name = read_text(io).await?;
    let port = io.read_u16().await.ok()?;
    io.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).await.ok()?;
    Some(format!("{name}:{port}"))
}

async fn read_text<T: AsyncRead + Unpin>(io: &mut T) -> Option<String> {
    let length = io.read_u8().await.ok()?;
    let mut text = vec![0; usize::from(length)];
    io.read_exact(&mut text).await.ok()?;
    String::from_utf8(text).ok()
}

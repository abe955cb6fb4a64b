//! TLS on a listener: the certificate that clients are shown, and how a connection begins.
//!
//! Knows no file: whoever reads them gives their content, again whenever it has changed.

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::RejectionBody;
use crate::linger::linger;
use crate::socket::Socket;

/// From the first byte to the last of a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// What a handshake begins with (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is none.
    #[error("the certificate: no `-----BEGIN CERTIFICATE-----` in it")]
    NoCertificate,
    /// It is not PEM.
    #[error("the certificate is not readable PEM")]
    Certificate,
    /// There is none, it is not PEM, or of a kind that is not known. What lies there may be a secret,
    /// and is not shown.
    #[error("the key: expected `-----BEGIN PRIVATE KEY-----`, unencrypted, and its end")]
    Key,
    /// The kind of key is one that nothing can be signed with.
    #[error("the key is of no kind that is served: expected RSA, ECDSA (P-256, P-384) or Ed25519")]
    KeyKind,
    /// They do not belong together.
    #[error("the key is not that of the first certificate: is a chain in the wrong order?")]
    Mismatch,
    /// Something else is wrong with the certificate.
    #[error("the certificate cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// What clients of a listener are shown. Clones show the same.
#[derive(Debug, Clone)]
pub struct Tls {
    acceptor: Arc<ServerConfig>,
    shown: Arc<Shown>,
}

#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// TLS 1.2 and 1.3, with HTTP/2 for clients that ask for it, and a certificate chain and the key
    /// of its first certificate, both PEM.
    ///
    /// # Errors
    /// If either cannot be used, or they do not belong together.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown(RwLock::new(Arc::new(certified(chain, key)?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: Arc::new(config), shown })
    }

    /// Shows another certificate from now on. Connections that are open keep theirs.
    ///
    /// # Errors
    /// As [`Tls::new`]; then the one before is shown on.
    pub fn show(&self, chain: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let certified = Arc::new(certified(chain, key)?);
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    /// Begins a connection; `None` if that fails, which whoever is at its other end has been told.
    pub(crate) async fn begin(
        &self,
        stream: TcpStream,
        words: Option<RejectionBody>,
    ) -> Option<Socket> {
        let handshake = async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
                refuse(stream, words).await;
                return Err(io::Error::other("the client does not speak TLS"));
            }
            TlsAcceptor::from(Arc::clone(&self.acceptor)).accept(stream).await
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the handshake takes too long");
        match timeout(HANDSHAKE_MAX, handshake).await.map_err(late).flatten() {
            Ok(stream) => Some(Socket::Tls(Box::new(stream))),
            Err(error) => {
                // Clients that do not trust the certificate hang up here, too: theirs to tell.
                tracing::debug!(%error, "no TLS connection came about");
                None
            }
        }
    }
}

fn certified(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
    let key = ring::sign::any_supported_type(&key).map_err(|_| TlsError::KeyKind)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(TlsError::Mismatch)
        }
        Err(error) => Err(TlsError::Unusable(error)),
    }
}

/// Tells a client that speaks HTTP in the clear what is spoken here, in the clear (RFC 2817 §4.2).
async fn refuse(mut stream: TcpStream, words: Option<RejectionBody>) {
    let body = words.map(|words| words(426)).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 426 Upgrade Required\r\nupgrade: TLS/1.2, HTTP/1.1\r\nconnection: upgrade, close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() && stream.shutdown().await.is_ok() {
        linger(stream, true).await;
    }
}

//! TLS on the links between services: each end shows a certificate of the gateway's own authority and
//! asks for one.
//!
//! Knows no file: whoever reads them gives their content, again whenever it has changed. Connections
//! that are open keep what they began with.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::line::Line;

/// What is spoken on a link.
const PROTOCOL: &[u8] = b"h2";
/// From the first byte to the last of a handshake that a peer has begun.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Why a link cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum LinkTlsError {
    /// There is none, or it is not PEM.
    #[error("the certificate: expected `-----BEGIN CERTIFICATE-----` and its end")]
    Certificate,
    /// There is none, it is not PEM, or of a kind that is not known. What lies there may be a secret,
    /// and is not shown.
    #[error("the key: expected `-----BEGIN PRIVATE KEY-----`, unencrypted, and its end")]
    Key,
    /// There is none, it is not PEM, or none that could sign others.
    #[error("the authority: expected `-----BEGIN CERTIFICATE-----` and its end, once or more")]
    Authority,
    /// They do not belong together, or cannot be used.
    #[error("the certificate or its key cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// What both ends of the links of a process show, and whom they believe. Clones are the same.
#[derive(Clone)]
pub struct LinkTls(Arc<RwLock<Ends>>);

#[derive(Clone)]
struct Ends {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl LinkTls {
    /// Shows `chain` with its `key` and believes certificates that `authorities` have signed; all of
    /// them PEM.
    ///
    /// # Errors
    /// [`LinkTlsError`].
    pub fn new(chain: &[u8], key: &[u8], authorities: &[u8]) -> Result<Self, LinkTlsError> {
        Ok(Self(Arc::new(RwLock::new(Ends::new(chain, key, authorities)?))))
    }

    /// The same for all links from now on.
    ///
    /// # Errors
    /// As [`LinkTls::new`]; then all stays as it is.
    pub fn replace(
        &self,
        chain: &[u8],
        key: &[u8],
        authorities: &[u8],
    ) -> Result<(), LinkTlsError> {
        let ends = Ends::new(chain, key, authorities)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = ends;
        Ok(())
    }

    fn ends(&self) -> Ends {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The other end of `stream`, which has called.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Line> {
        let shaken = TlsAcceptor::from(self.ends().server).accept(stream);
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the handshake takes too long");
        let stream = timeout(HANDSHAKE_MAX, shaken).await.map_err(late).flatten()?;
        Ok(Line::Tls(Box::new(stream.into())))
    }

    /// The other end of `stream`, which has to be `name`.
    pub(crate) async fn connect(&self, stream: TcpStream, name: &str) -> io::Result<Line> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(self.ends().client).connect(name, stream).await?;
        Ok(Line::Tls(Box::new(stream.into())))
    }
}

impl Ends {
    fn new(chain: &[u8], key: &[u8], authorities: &[u8]) -> Result<Self, LinkTlsError> {
        let certificates = |pem| -> Option<Vec<CertificateDer<'static>>> {
            let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?;
            (!found.is_empty()).then_some(found)
        };
        let chain = certificates(chain).ok_or(LinkTlsError::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| LinkTlsError::Key)?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(authorities).ok_or(LinkTlsError::Authority)? {
            roots.add(authority).map_err(|_| LinkTlsError::Authority)?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
        let verifier = verifier.map_err(|error| match error {
            VerifierBuilderError::NoRootAnchors => LinkTlsError::Authority,
            other => LinkTlsError::Unusable(rustls::Error::General(other.to_string())),
        })?;
        // Whoever is at the other end is a service of the same gateway: nobody needs less than 1.3.
        let versions = &[&rustls::version::TLS13];
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(LinkTlsError::Unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(LinkTlsError::Unusable)?;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(LinkTlsError::Unusable)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(LinkTlsError::Unusable)?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        client.alpn_protocols.clone_from(&server.alpn_protocols);
        // A ticket would let a peer in whose certificate is not looked at again.
        server.send_tls13_tickets = 0;
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

impl fmt::Debug for LinkTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A private key is a secret.
        f.debug_struct("LinkTls").finish_non_exhaustive()
    }
}

/// Whether the peer of a connection that broke so has turned this process's certificate away.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::AlertReceived(_)))
}

//! TLS: ring, the system's authorities plus those of the configuration, TLS 1.2 and 1.3.
//!
//! The system's authorities are read once per process and only if a target needs TLS. Where they
//! are is for the operating system to say, `SSL_CERT_FILE` and `SSL_CERT_DIR` included.

mod own;
mod words;

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::sync::OnceCell;

use weir_types::Secret;

use crate::SettingsError;
use own::Known;

pub(crate) use own::Nameless;
pub(crate) use words::{behind, of, of_handshake, of_words};

static SYSTEM: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();

/// The certificates of a PEM text.
pub(crate) fn parse_pem(pem: &Secret) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let unusable = |why: String| SettingsError(format!("ca_cert_pem cannot be used: {why}"));
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.expose().as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(pem.retold(&error)))?;
    if certificates.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    for certificate in &certificates {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|error| unusable(pem.retold(&error)))?;
    }
    Ok(certificates)
}

/// How one provider is greeted, and the proxies on the way to it.
pub(crate) struct Tls {
    pub(crate) provider: Arc<ClientConfig>,
    /// Proxies are asked in HTTP/1.1.
    pub(crate) proxy: Arc<ClientConfig>,
    /// What both show of us.
    pub(crate) client: Arc<Nameless>,
}

/// What is wrong with a server that `enforce_http2` does not fit.
pub(crate) const NO_HTTP2: &str = "it does not offer HTTP/2, which enforce_http2 demands";

/// The name of HTTP/2 in a handshake.
pub(crate) const H2: &[u8] = b"h2";
const HTTP_11: &[u8] = b"http/1.1";

/// The configurations for one provider.
pub(crate) async fn configs(
    authorities: &[CertificateDer<'static>],
    insecure_skip_verify: bool,
    enforce_http2: bool,
) -> Result<Tls, SettingsError> {
    let client = Arc::new(Nameless::default());
    let mut proxy = client_config(authorities, insecure_skip_verify, &client).await?;
    let mut provider = proxy.clone();
    proxy.alpn_protocols = vec![HTTP_11.to_vec()];
    provider.alpn_protocols = vec![H2.to_vec()];
    if !enforce_http2 {
        provider.alpn_protocols.push(HTTP_11.to_vec());
    }
    Ok(Tls { provider: Arc::new(provider), proxy: Arc::new(proxy), client })
}

async fn client_config(
    authorities: &[CertificateDer<'static>],
    insecure_skip_verify: bool,
    client: &Arc<Nameless>,
) -> Result<ClientConfig, SettingsError> {
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&crypto))
        .with_safe_default_protocol_versions()
        .map_err(|error| SettingsError(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = if insecure_skip_verify {
        Arc::new(AnyCertificate(crypto))
    } else {
        let mut roots = RootCertStore::clone(&*system().await?);
        roots.add_parsable_certificates(authorities.iter().cloned());
        if roots.is_empty() {
            let why = "this system has no certificate authorities and ca_cert_pem names none";
            return Err(SettingsError(why.to_owned()));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto);
        let verifier = verifier.build().map_err(|error| SettingsError(error.to_string()))?;
        Arc::new(Known { authorities: verifier, certificates: authorities.to_vec() })
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(builder.with_client_cert_resolver(Arc::clone(client) as _))
}

async fn system() -> Result<Arc<RootCertStore>, SettingsError> {
    let store = SYSTEM.get_or_try_init(async || {
        let load = tokio::task::spawn_blocking(|| {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(store)
        });
        load.await.map_err(|error| SettingsError(error.to_string()))
    });
    store.await.cloned()
}

/// Trusts any server (`insecure_skip_verify`). Signatures are still checked, so that the
/// peer has the key of the certificate it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

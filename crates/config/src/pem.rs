//! Is this text a set of certificates, or a private key?
//!
//! Looks at the PEM framing and at the outermost DER element; the TLS library has the last word
//! when the text is used.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::report::Draft;

/// One certificate or more, and nothing that fails to be one.
pub(crate) fn certificates(text: &str) -> Result<(), Draft> {
    let bad = |found: &str| {
        Draft::error("not a certificate")
            .expected("PEM text: -----BEGIN CERTIFICATE----- ... -----END CERTIFICATE-----")
            .found(found)
            .help("within JSON a line break is written \\n; or use \"env.NAME\"")
    };
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|_| bad("broken PEM text"))?;
        if !is_one_sequence(&certificate) {
            return Err(bad("PEM text that holds no certificate"));
        }
        count += 1;
    }
    if count == 0 { Err(bad("no certificate")) } else { Ok(()) }
}

/// One private key.
pub(crate) fn private_key(text: &str) -> Result<(), Draft> {
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map(drop).map_err(|_| {
        Draft::error("not a private key")
            .expected("PEM text: -----BEGIN PRIVATE KEY----- ... -----END PRIVATE KEY-----")
            .found("a string that is not that")
            .help("within JSON a line break is written \\n; or use \"env.NAME\"")
    })
}

/// Whether `der` is one SEQUENCE that ends where the bytes end.
fn is_one_sequence(der: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = der else {
        return false;
    };
    if *first < 0x80 {
        return rest.len() == usize::from(*first);
    }
    let octets = usize::from(*first & 0x7f);
    let Some((length, body)) = rest.split_at_checked(octets).filter(|_| octets <= 4) else {
        return false;
    };
    let length = length.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    u64::try_from(body.len()).is_ok_and(|actual| actual == length)
}

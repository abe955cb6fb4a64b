//! What went wrong between two ends of TLS, in words that say what to do.

use std::error::Error as StdError;
use std::io;

use rustls::AlertDescription as Alert;
use rustls::{CertificateError, Error, InvalidMessage};

use super::NO_HTTP2;
use super::own::is_authority;

const CLIENT_CERTIFICATE: &str = "it demands a client certificate (mTLS), which Weir does not \
     have; let the server take calls without one from here, or put a proxy between that shows one";

/// How servers refuse a client that shows no certificate, besides saying so.
const REFUSALS: [Alert; 5] = [
    Alert::HandshakeFailure,
    Alert::NoCertificate,
    Alert::BadCertificate,
    Alert::UnknownCA,
    Alert::AccessDenied,
];

/// The TLS library's error in `error` or behind it.
pub(crate) fn behind<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an I/O error holds is not among its causes, but in their place.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match held {
            Some(held) => Some(held as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

/// Why a handshake failed; `was_asked`: whether the server wanted to know who calls.
pub(crate) fn of_handshake(error: &io::Error, was_asked: bool) -> String {
    match behind(error) {
        Some(error) => of(error, was_asked),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closed the connection within the handshake; does it speak TLS on this port?"
                .to_owned()
        }
        None => error.to_string(),
    }
}

/// What `said` means, the words of an error that has no type any more: HTTP/2 keeps only those.
pub(crate) fn of_words(said: &str, was_asked: bool) -> Option<String> {
    let name = said.rsplit_once("received fatal alert: ")?.1;
    let alerts = REFUSALS.into_iter().chain([Alert::CertificateRequired]);
    let alert = alerts.into_iter().find(|alert| format!("{alert:?}") == name)?;
    Some(of_alert(alert, was_asked))
}

/// What `error` means.
pub(crate) fn of(error: &Error, was_asked: bool) -> String {
    match error {
        Error::InvalidCertificate(why) => of_certificate(why, is_authority(error)),
        Error::AlertReceived(alert) => of_alert(*alert, was_asked),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what it says is not TLS; is http:// meant, or another port?".to_owned()
        }
        Error::PeerIncompatible(why) => {
            format!("it has no version or cipher of TLS 1.2 or 1.3 in common with Weir ({why:?})")
        }
        error => error.to_string(),
    }
}

fn of_certificate(why: &CertificateError, is_authority: bool) -> String {
    match why {
        // An authority of the same name with another key is another authority.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is signed by nobody who is trusted here; put the certificate of its \
             authority, or its own if it is self-signed, into ca_cert_pem"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; renew it, or set this machine's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is this machine's clock right?".to_owned()
        }
        CertificateError::NotValidForName => {
            "its certificate is for another host; ask for it by a name on the certificate"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "its certificate names no host; make one with a subjectAltName".to_owned()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            // They come as `DnsName("example.com")`.
            let bare = |name: &'_ String| name.split('"').nth(1).unwrap_or(name).to_owned();
            let names: Vec<_> = presented.iter().map(bare).collect();
            format!("its certificate is for {}; ask for it by such a name", names.join(", "))
        }
        CertificateError::Revoked => "its certificate has been revoked".to_owned(),
        _ if is_authority => {
            "its certificate is an authority's; if it is the server's own, put that very \
             certificate into ca_cert_pem"
                .to_owned()
        }
        why => format!("its certificate cannot be verified ({why:?})"),
    }
}

fn of_alert(alert: Alert, was_asked: bool) -> String {
    match alert {
        Alert::CertificateRequired => CLIENT_CERTIFICATE.to_owned(),
        alert if was_asked && REFUSALS.contains(&alert) => CLIENT_CERTIFICATE.to_owned(),
        Alert::HandshakeFailure => "it takes none of the ciphers of TLS 1.2 and 1.3".to_owned(),
        Alert::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3".to_owned(),
        Alert::UnrecognisedName => "it serves no host of this name".to_owned(),
        // Only those who are asked for nothing else say so.
        Alert::NoApplicationProtocol => NO_HTTP2.to_owned(),
        alert => format!("it refuses ({alert:?})"),
    }
}

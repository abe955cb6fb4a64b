//! Why a call did not succeed, in texts that never hold a credential.

use std::error::Error as StdError;

use weir_types::Fault;

use crate::io::Stale;
use crate::tls;

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SettingsError(pub(crate) String);

/// Why a call failed. `target` and `proxy` are host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection: name unknown, refused, unreachable.
    #[error("cannot connect to {target}: {why}")]
    Connect {
        /// Whom.
        target: String,
        /// What the system said.
        why: String,
    },
    /// The proxy is not there, or refuses.
    #[error("the proxy {proxy} does not give a connection: {why}")]
    Proxy {
        /// Which one.
        proxy: String,
        /// What it or the system said.
        why: String,
    },
    /// A proxy that reads the requests gives no answer before the deadline. Whose silence it is
    /// cannot be told.
    #[error("no answer in time through the proxy {proxy}")]
    ProxySilent {
        /// Which one.
        proxy: String,
    },
    /// The settings forbid the address.
    #[error("{target} is not called: {why}")]
    Forbidden {
        /// Whom.
        target: String,
        /// Which address, and why not.
        why: String,
    },
    /// No agreement on TLS, or a certificate that is not trusted.
    #[error("no TLS connection to {target}: {why}")]
    Tls {
        /// Whom.
        target: String,
        /// What is wrong.
        why: String,
    },
    /// No connection within the connect timeout.
    #[error("no connection to {target} in time")]
    ConnectTimeout {
        /// Whom.
        target: String,
    },
    /// All connections that may be used at once are in use.
    #[error("all connections to {target} are in use")]
    Busy {
        /// Whom.
        target: String,
    },
    /// No head of an answer before the deadline.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended before the head of an answer.
    #[error("the connection broke before an answer: {0}")]
    Closed(String),
    /// The same, of a connection that had been used before, or of a request of which the other end
    /// says that it was not taken: it may be sent again, on another connection.
    #[error("the connection broke before an answer: {0}")]
    Stale(String),
    /// What came is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    Garbage(String),
    /// The connection ended within the body.
    #[error("the answer broke off: {0}")]
    Cut(String),
    /// The answer is encoded in a way that is not known, or not as it says.
    #[error("the answer cannot be read as {name}, which was not asked for: {why}")]
    Encoding {
        /// By the server's name of it.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The request's body broke off before its end; what its sender said.
    #[error("the request broke off: {0}")]
    Upload(Fault),
    /// The request itself cannot be sent.
    #[error("the request cannot be sent: {0}")]
    Request(String),
}

impl Error {
    /// From the client: our own error if the connector made it, else by what hyper says.
    /// `was_asked`: whether a server has wanted to know by TLS who calls.
    pub(crate) fn from_client(
        error: &hyper_util::client::legacy::Error,
        target: &str,
        was_asked: bool,
    ) -> Self {
        if let Some(ours) = find::<Self>(error) {
            return ours.clone();
        }
        // In TLS 1.3 a server says only after the handshake what it has against the client's part.
        if let Some(error) = tls::behind(error) {
            return Self::Tls { target: target.to_owned(), why: tls::of(error, was_asked) };
        }
        if let Some(fault) = find::<Fault>(error) {
            return Self::Upload(fault.clone());
        }
        let why = innermost(error);
        if is_stale(error) {
            return Self::Stale(why);
        }
        if let Some(why) = tls::of_words(&why, was_asked) {
            return Self::Tls { target: target.to_owned(), why };
        }
        if error.is_connect() {
            return Self::Connect { target: target.to_owned(), why };
        }
        match find::<hyper::Error>(error) {
            Some(inner) if inner.is_parse() || inner.is_parse_status() => Self::Garbage(why),
            Some(inner) if inner.is_user() => Self::Request(why),
            Some(_) => Self::Closed(why),
            None => Self::Request(why),
        }
    }

    /// From reading a body.
    pub(crate) fn from_body(error: &hyper::Error) -> Self {
        Self::Cut(innermost(error))
    }
}

/// Whether the request was surely not answered, and may be sent again.
fn is_stale(error: &(dyn StdError + 'static)) -> bool {
    // An I/O error gives what it was made of in its own way.
    let io = find::<std::io::Error>(error).and_then(std::io::Error::get_ref);
    let is_not_taken = |error: &h2::Error| {
        let reason = error.reason();
        error.is_remote()
            && (reason == Some(h2::Reason::REFUSED_STREAM)
                || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)))
    };
    io.is_some_and(|inner| inner.is::<Stale>()) || find(error).is_some_and(is_not_taken)
}

pub(crate) fn find<'a, T: StdError + 'static>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The text of the first cause, which is the one that says something.
pub(crate) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

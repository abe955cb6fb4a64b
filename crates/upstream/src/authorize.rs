//! The last step before a request is sent: it gets its credential.
//!
//! An authorizer belongs to one key and lives as long as the process's settings, not per core, so a
//! token that it fetches serves all. It sees the finished request, because a signature covers method,
//! address, headers and body; whatever changes the request later breaks it.
//!
//! Each cloud has a file that knows its exchanges; what they share is in `token` (when to fetch) and
//! `exchange` (how to ask). Nothing here reads the environment: whoever makes the settings says
//! where a credential comes from.

mod aws;
mod aws_local;
mod aws_login;
mod aws_tools;
mod azure;
mod bearer;
mod exchange;
mod files;
mod google;
mod google_external;
mod oauth;
mod query;
mod service_account;
mod sigv4;
mod sts;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tokio::time::Instant;
use weir_types::Secret;

use crate::{Client, Outgoing};

pub use aws::{Aws, AwsIdentity, AwsLogin, AwsRole, AwsSource, ContainerToken};
pub use azure::{AzureIdentity, AzureSource};
pub use google::GoogleIdentity;
pub use oauth::OAuthClient;
pub use query::Query;
pub use sigv4::AwsKeys;

/// Gives requests their credential.
pub trait Authorizer: Send + Sync + fmt::Debug {
    /// Authorizes `request`, at once where nothing has to be fetched for it. `client` reaches the
    /// provider's network, proxy included, for token calls; they are waited for no longer than to
    /// `deadline`.
    fn authorize<'a>(
        &'a self,
        request: &'a mut Request<Outgoing>,
        client: &'a Client,
        deadline: Instant,
    ) -> Authorized<'a>;

    /// Whether it shows something that was fetched, and that can be fetched anew.
    fn renews(&self) -> bool {
        false
    }

    /// Fetches another credential than the one in `sent`, the headers of a request that the provider
    /// refused for it. Whether there is one; waited for no longer than to `deadline`.
    fn renew<'a>(
        &'a self,
        sent: &'a HeaderMap,
        client: &'a Client,
        deadline: Instant,
    ) -> Renewed<'a> {
        let _ = (sent, client, deadline);
        Box::pin(std::future::ready(false))
    }

    /// What must not be seen in texts that come back, at this moment: tokens come and go.
    fn secrets(&self) -> Vec<Secret>;

    /// A header that carries the credential: a caller's of that name is not sent.
    fn header(&self) -> Option<&HeaderName>;
}

/// Whether there is another credential.
pub type Renewed<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// How an authorization goes on.
pub enum Authorized<'a> {
    /// It is done.
    Ready(Result<(), AuthFault>),
    /// Something has to be fetched first.
    Pending(Pin<Box<dyn Future<Output = Result<(), AuthFault>> + Send + 'a>>),
}

impl fmt::Debug for Authorized<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(result) => f.debug_tuple("Ready").field(result).finish(),
            Self::Pending(_) => f.write_str("Pending"),
        }
    }
}

impl Authorized<'_> {
    /// The outcome, waited for if it has to be.
    ///
    /// # Errors
    /// Which step failed and why.
    pub async fn done(self) -> Result<(), AuthFault> {
        match self {
            Self::Ready(result) => result,
            Self::Pending(future) => future.await,
        }
    }
}

/// Why a request got no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {why}")]
pub struct AuthFault {
    /// What was being done: "fetching a token from https://…".
    pub step: String,
    /// What went wrong, without a secret.
    pub why: String,
    /// The credential itself was refused; another try with it will not help.
    pub is_refused: bool,
}

/// One header with a fixed value.
#[derive(Debug, Clone)]
pub struct Static {
    name: HeaderName,
    value: HeaderValue,
    secret: Secret,
}

impl Static {
    /// `name: prefix secret`.
    ///
    /// # Errors
    /// The secret holds what cannot be sent in a header.
    pub fn new(name: HeaderName, prefix: &str, secret: &Secret) -> Result<Self, String> {
        let mut value = HeaderValue::try_from(format!("{prefix}{}", secret.expose()))
            .map_err(|_| "the secret holds characters that cannot be sent".to_owned())?;
        value.set_sensitive(true);
        Ok(Self { name, value, secret: secret.clone() })
    }
}

impl Authorizer for Static {
    fn authorize<'a>(
        &'a self,
        request: &'a mut Request<Outgoing>,
        _: &'a Client,
        _: Instant,
    ) -> Authorized<'a> {
        request.headers_mut().insert(self.name.clone(), self.value.clone());
        Authorized::Ready(Ok(()))
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.secret.clone()]
    }

    fn header(&self) -> Option<&HeaderName> {
        Some(&self.name)
    }
}

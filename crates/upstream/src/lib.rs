//! Outbound HTTP to one provider: connections, proxies, TLS, limits in time and number.
//!
//! Knows no wire format and no key. Nothing is left to a library's default that reads the
//! environment or waits forever; a proxy that does not work is an error, never a way around it.

mod authorize;
mod body;
mod client;
mod connector;
mod decoded;
mod error;
mod io;
mod lanes;
mod outgoing;
mod proxy;
mod reach;
mod tls;
mod transport;
mod tunnel;

#[cfg(test)]
mod tests;

pub use authorize::{
    AuthFault, Authorized, Authorizer, Aws, AwsIdentity, AwsKeys, AwsLogin, AwsRole, AwsSource,
    AzureIdentity, AzureSource, ContainerToken, GoogleIdentity, OAuthClient, Query, Renewed,
    Static,
};
pub use body::{Body, Chunks};
pub use client::Client;
pub use error::{Error, SettingsError};
pub use outgoing::{AsItComes, Outgoing, Pieces};
pub use reach::Reach;
pub use transport::{Credentials, Proxy, Settings, Transport};

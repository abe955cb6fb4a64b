//! Access tokens that an OAuth server grants to a client with a secret (RFC 6749, 4.4), shown to it
//! as HTTP Basic does.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Uri};
use tokio::time::Instant;
use weir_types::Secret;

use crate::Client;
use crate::authorize::aws::now;
use crate::authorize::bearer::{AccessToken, Bearer};
use crate::authorize::exchange::{Call, Way, address, form};
use crate::authorize::token::{Exchange, Fetched, Fetching};
use crate::authorize::{AuthFault, Authorizer};

/// Who calls, and where tokens are granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthClient {
    /// The address of the server.
    pub token_url: String,
    /// Who.
    pub client_id: String,
    /// Shows that.
    pub client_secret: Secret,
    /// For what.
    pub scope: String,
}

impl OAuthClient {
    /// Gives requests tokens of this client.
    ///
    /// # Errors
    /// What cannot be used about it, without secrets.
    pub fn authorizer(&self) -> Result<Arc<dyn Authorizer>, String> {
        let uri = address(&self.token_url, "the token server's address")?;
        // Both are encoded before they are joined (RFC 6749, 2.3.1).
        let encoded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = [encoded(&self.client_id), encoded(self.client_secret.expose())].join(":");
        let pair = Secret::new(STANDARD.encode(pair));
        let header = HeaderValue::try_from(format!("Basic {}", pair.expose()));
        let mut header = header.map_err(|_| "client_id cannot be sent".to_owned())?;
        header.set_sensitive(true);
        let secrets = vec![self.client_secret.clone(), pair];
        let (client_id, scope) = (self.client_id.clone(), self.scope.clone());
        let grant = Grant { uri, header, client_id, scope, secrets: secrets.clone() };
        Ok(Arc::new(Bearer::new(grant, secrets)))
    }
}

/// Asks for tokens.
#[derive(Debug)]
struct Grant {
    uri: Uri,
    header: HeaderValue,
    client_id: String,
    scope: String,
    secrets: Vec<Secret>,
}

impl Grant {
    async fn ask(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Fetched<Arc<AccessToken>>, AuthFault> {
        let (way, step, secrets) = (Way::Provider, self.step(), self.secrets.clone());
        let call = Call { client, deadline, way, step, secrets };
        let fields = [("grant_type", "client_credentials"), ("scope", self.scope.as_str())];
        let mut request = form(&self.uri, &fields);
        request.headers_mut().insert(AUTHORIZATION, self.header.clone());
        let answer = call.json(request).await?;
        AccessToken::granted(&answer, now()).map_err(|why| call.failed(&why))
    }
}

impl Exchange<Arc<AccessToken>> for Grant {
    fn step(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        format!("fetching a token for {} from {host}", self.client_id)
    }

    fn fetch<'a>(
        &'a self,
        client: &'a Client,
        deadline: Instant,
    ) -> Fetching<'a, Arc<AccessToken>> {
        Box::pin(self.ask(client, deadline))
    }
}

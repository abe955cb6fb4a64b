//! Access tokens as OAuth servers grant them, sent as `Authorization: Bearer`. Who grants them, and
//! for what, is for the exchange to know.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use serde_json::Value;
use tokio::time::Instant;
use weir_types::Secret;

use crate::authorize::token::{Cache, Exchange, Fetched, Taken};
use crate::authorize::{AuthFault, Authorized, Authorizer, Renewed};
use crate::{Client, Outgoing};

/// What servers mean that do not say how long a token is good.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A token as it was granted, and as it is sent.
#[derive(Debug)]
pub(super) struct AccessToken {
    pub(super) text: Secret,
    pub(super) header: HeaderValue,
}

impl AccessToken {
    /// Reads an answer; `now` is in seconds since 1970.
    pub(super) fn granted(answer: &Value, now: u64) -> Result<Fetched<Arc<Self>>, String> {
        let token = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
        let lifetime = match (seconds(answer, "expires_in"), seconds(answer, "expires_on")) {
            (Some(lifetime), _) => Duration::from_secs(lifetime),
            (None, Some(end)) => Duration::from_secs(end.saturating_sub(now)),
            (None, None) => LIFETIME,
        };
        Self::new(token, lifetime)
    }

    /// `token` as it is sent.
    pub(super) fn new(token: &str, lifetime: Duration) -> Result<Fetched<Arc<Self>>, String> {
        if token.is_empty() {
            return Err("the answer has no token".to_owned());
        }
        let mut header = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| "the token holds characters that cannot be sent".to_owned())?;
        header.set_sensitive(true);
        let token = Arc::new(Self { text: Secret::new(token.to_owned()), header });
        Ok(Fetched { token, lifetime })
    }
}

/// A number, which some servers write as a text.
fn seconds(answer: &Value, name: &str) -> Option<u64> {
    match answer.get(name)? {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64(),
    }
}

/// Gives requests a token that is fetched when it is needed.
#[derive(Debug)]
pub(super) struct Bearer {
    tokens: Cache<Arc<AccessToken>>,
    secrets: Vec<Secret>,
    /// Goes along with every token.
    companion: Option<(HeaderName, HeaderValue)>,
}

impl Bearer {
    /// `secrets` are those of the exchange.
    pub(super) fn new(
        exchange: impl Exchange<Arc<AccessToken>> + 'static,
        secrets: Vec<Secret>,
    ) -> Self {
        Self { tokens: Cache::new(exchange), secrets, companion: None }
    }

    /// Sends this header with every token.
    pub(super) fn with(mut self, companion: Option<(HeaderName, HeaderValue)>) -> Self {
        self.companion = companion;
        self
    }

    fn put(&self, request: &mut Request<Outgoing>, token: &AccessToken) {
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, token.header.clone());
        if let Some((name, value)) = self.companion.clone() {
            headers.insert(name, value);
        }
    }
}

impl Authorizer for Bearer {
    fn authorize<'a>(
        &'a self,
        request: &'a mut Request<Outgoing>,
        client: &'a Client,
        deadline: Instant,
    ) -> Authorized<'a> {
        match self.tokens.take(client) {
            Taken::Now(token) => Authorized::Ready(token.map(|token| self.put(request, &token))),
            Taken::Later(flight) => Authorized::Pending(Box::pin(async move {
                let token = self.tokens.wait(flight, client, deadline).await?;
                self.put(request, &token);
                Ok::<(), AuthFault>(())
            })),
        }
    }

    fn renews(&self) -> bool {
        true
    }

    fn renew<'a>(
        &'a self,
        sent: &'a HeaderMap,
        client: &'a Client,
        deadline: Instant,
    ) -> Renewed<'a> {
        let is_sent = |token: &Arc<AccessToken>| sent.get(AUTHORIZATION) == Some(&token.header);
        Box::pin(self.tokens.replace(is_sent, client, deadline))
    }

    fn secrets(&self) -> Vec<Secret> {
        let token = self.tokens.held().map(|token| token.text.clone());
        self.secrets.iter().cloned().chain(token).collect()
    }

    fn header(&self) -> Option<&HeaderName> {
        Some(&AUTHORIZATION)
    }
}

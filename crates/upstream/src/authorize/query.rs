//! A key that stands in the address.

use http::uri::PathAndQuery;
use http::{HeaderName, Request, Uri};
use tokio::time::Instant;
use weir_types::Secret;

use crate::authorize::{AuthFault, Authorized, Authorizer};
use crate::{Client, Outgoing};

/// One query parameter with a fixed value.
#[derive(Debug, Clone)]
pub struct Query {
    name: &'static str,
    secret: Secret,
    /// As it stands in the address.
    encoded: Secret,
}

impl Query {
    /// `?name=secret`.
    #[must_use]
    pub fn new(name: &'static str, secret: &Secret) -> Self {
        let encoded = form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect();
        Self { name, secret: secret.clone(), encoded: Secret::new(encoded) }
    }

    fn added(&self, uri: &Uri) -> Option<Uri> {
        let separator = if uri.query().is_some() { '&' } else { '?' };
        let before = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let text = format!("{before}{separator}{}={}", self.name, self.encoded.expose());
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
        Uri::from_parts(parts).ok()
    }
}

impl Authorizer for Query {
    fn authorize<'a>(
        &'a self,
        request: &'a mut Request<Outgoing>,
        _: &'a Client,
        _: Instant,
    ) -> Authorized<'a> {
        Authorized::Ready(match self.added(request.uri()) {
            Some(uri) => {
                *request.uri_mut() = uri;
                Ok(())
            }
            None => Err(AuthFault {
                step: "adding the key to the address".to_owned(),
                why: "the address becomes too long".to_owned(),
                is_refused: false,
            }),
        })
    }

    fn secrets(&self) -> Vec<Secret> {
        vec![self.secret.clone(), self.encoded.clone()]
    }

    fn header(&self) -> Option<&HeaderName> {
        None
    }
}

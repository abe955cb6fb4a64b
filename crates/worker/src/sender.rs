//! The last steps of a call: it gets its credential and is sent; where the provider refuses one that
//! was fetched, it gets another and is sent once more.

use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use weir_types::Fault;
use weir_upstream::{Authorizer, Body, Client, Outgoing};

use crate::call::Limit;
use crate::fault::Failed;
use crate::{Shared, fault};

/// What AWS calls credentials that it does not take, without the part that is about their holder.
const REFUSED_BY_AWS: [&str; 3] = ["ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId"];

/// How calls of one key are sent.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    /// `None`: nothing is shown.
    pub(crate) authorizer: Option<&'a dyn Authorizer>,
    pub(crate) client: &'a Client,
}

impl Sender<'_> {
    /// Gives `request` its credential.
    pub(crate) async fn authorize(
        &self,
        shared: &Shared,
        request: &mut Request<Outgoing>,
        deadline: Instant,
    ) -> Result<(), Fault> {
        let Some(authorizer) = self.authorizer else { return Ok(()) };
        let authorized = authorizer.authorize(request, self.client, deadline).done().await;
        authorized.map_err(|error| fault::unauthorized(shared, &error))
    }

    /// Gives `request` its credential and sends it.
    pub(crate) fn send(
        &self,
        shared: &Shared,
        mut request: Request<Outgoing>,
        limit: Limit,
    ) -> impl Future<Output = Result<Response<Body>, Failed>> + Send {
        let renews = self.authorizer.filter(|authorizer| authorizer.renews());
        async move {
            if let Some(authorizer) = renews
                && let Some(spare) = again(&request)
            {
                // In a box: calls whose credential is not fetched are no larger for it.
                let sent = self.send_or_renew(shared, (request, spare), authorizer, limit);
                return Box::pin(sent).await;
            }
            self.authorize(shared, &mut request, limit.at).await?;
            let sent = self.client.send(request, limit.at).await;
            sent.map_err(|error| Failed::of_call(shared, &error, limit))
        }
    }

    /// Sends `request`, and `spare`, which is the same, with another credential if that of the first is
    /// refused.
    async fn send_or_renew(
        &self,
        shared: &Shared,
        (mut request, mut spare): (Request<Outgoing>, Request<Outgoing>),
        authorizer: &dyn Authorizer,
        limit: Limit,
    ) -> Result<Response<Body>, Failed> {
        self.authorize(shared, &mut request, limit.at).await?;
        let headers = request.headers().clone();
        let failed = |error| Failed::of_call(shared, &error, limit);
        let answer = self.client.send(request, limit.at).await.map_err(failed)?;
        if !is_refused(&answer) || !authorizer.renew(&headers, self.client, limit.at).await {
            return Ok(answer);
        }
        // Its place among the calls is needed again.
        drop(answer);
        let provider = shared.provider.as_str();
        tracing::info!(provider, "a credential was refused before its end; there is a new one");
        self.authorize(shared, &mut spare, limit.at).await?;
        self.client.send(spare, limit.at).await.map_err(failed)
    }
}

/// `request` once more, before it has its credential.
fn again(request: &Request<Outgoing>) -> Option<Request<Outgoing>> {
    let mut again = Request::new(request.body().again()?);
    again.method_mut().clone_from(request.method());
    again.uri_mut().clone_from(request.uri());
    again.headers_mut().clone_from(request.headers());
    Some(again)
}

/// Whether the provider does not take the credential itself.
fn is_refused(answer: &Response<Body>) -> bool {
    match answer.status() {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
            let kind = answer.headers().get("x-amzn-errortype");
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            REFUSED_BY_AWS.iter().any(|name| kind.starts_with(name))
        }
        _ => false,
    }
}

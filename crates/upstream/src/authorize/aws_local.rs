//! Credentials that AWS hands to what runs on it: the metadata of a virtual machine, and the server
//! that a container service runs beside the process. Both are reached past the proxy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Uri};
use serde_json::Value;
use tokio::time::Instant;
use weir_types::{Secret, dates};

use crate::Client;
use crate::authorize::AuthFault;
use crate::authorize::aws::{ContainerToken, now};
use crate::authorize::exchange::{Call, Way, address, get};
use crate::authorize::files::read_token;
use crate::authorize::sigv4::AwsKeys;
use crate::authorize::token::{Exchange, Fetched, Fetching};

const INSTANCE: &str = "http://169.254.169.254";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
/// Who is not on a virtual machine of AWS shall hear so soon.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks a server of this machine.
#[derive(Debug)]
pub(super) struct Local {
    uri: Uri,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Container(Option<ContainerToken>),
    Instance,
}

impl Local {
    pub(super) fn container(url: &str, token: Option<ContainerToken>) -> Result<Self, String> {
        let uri = address(url, "the container service's address")?;
        Ok(Self { uri, kind: Kind::Container(token) })
    }

    pub(super) fn instance(endpoint: Option<&str>) -> Result<Self, String> {
        let uri = address(endpoint.unwrap_or(INSTANCE), "the metadata's address")?;
        Ok(Self { uri, kind: Kind::Instance })
    }

    async fn ask(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Fetched<Arc<AwsKeys>>, AuthFault> {
        let deadline = deadline.min(Instant::now() + LIMIT);
        let (way, step) = (Way::Direct, self.step());
        let call = Call { client, deadline, way, step, secrets: Vec::new() };
        let answer = match &self.kind {
            Kind::Container(token) => call.json(self.container_request(token, &call).await?).await,
            Kind::Instance => self.of_instance(&call).await,
        }?;
        keys_in(&answer).ok_or_else(|| call.failed("the answer holds no credentials"))
    }

    async fn container_request(
        &self,
        token: &Option<ContainerToken>,
        call: &Call<'_>,
    ) -> Result<Request<Bytes>, AuthFault> {
        let token = match token {
            None => None,
            Some(ContainerToken::Text(text)) => Some(text.clone()),
            Some(ContainerToken::File(file)) => {
                Some(read_token(file).await.map_err(|why| call.failed(&why))?)
            }
        };
        let mut request = empty(get(&self.uri), call)?;
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, sensitive(&token, call)?);
        }
        Ok(request)
    }

    /// Version 2: first a token for the metadata itself.
    async fn of_instance(&self, call: &Call<'_>) -> Result<Value, AuthFault> {
        let at = |path: &str| {
            let base = self.uri.to_string();
            let text = format!("{}{path}", base.trim_end_matches('/'));
            text.parse::<Uri>().map_err(|_| call.failed("the role's name makes no address"))
        };
        let request = get(&at("/latest/api/token")?).method(http::Method::PUT);
        let request = request.header("x-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = call.send(empty(request, call)?).await?;
        if !token.status.is_success() {
            return Err(call.refused(token.status, "no token for the metadata"));
        }
        let token = sensitive(&Secret::new(token.text), call)?;
        let shown = |uri: &Uri| {
            let request = get(uri).header("x-aws-ec2-metadata-token", token.clone());
            empty(request, call)
        };
        let roles = call.send(shown(&at(ROLES)?)?).await?;
        let role = roles.text.lines().next().unwrap_or_default().trim();
        if !roles.status.is_success() || role.is_empty() {
            return Err(call.refused(roles.status, "the machine has no role"));
        }
        call.json(shown(&at(&format!("{ROLES}{role}"))?)?).await
    }
}

impl Exchange<Arc<AwsKeys>> for Local {
    fn step(&self) -> String {
        let host = self.uri.host().unwrap_or_default();
        match &self.kind {
            Kind::Container(_) => format!("asking the container service at {host} for credentials"),
            Kind::Instance => format!("asking the machine's metadata at {host} for credentials"),
        }
    }

    fn fetch<'a>(&'a self, client: &'a Client, deadline: Instant) -> Fetching<'a, Arc<AwsKeys>> {
        Box::pin(self.ask(client, deadline))
    }
}

fn empty(request: http::request::Builder, call: &Call<'_>) -> Result<Request<Bytes>, AuthFault> {
    request.body(Bytes::new()).map_err(|_| call.failed("the request cannot be made"))
}

fn sensitive(text: &Secret, call: &Call<'_>) -> Result<HeaderValue, AuthFault> {
    let value = HeaderValue::try_from(text.expose());
    let mut value = value.map_err(|_| call.failed("the token cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn keys_in(answer: &Value) -> Option<Fetched<Arc<AwsKeys>>> {
    let text = |name: &str| answer.get(name)?.as_str().filter(|text| !text.is_empty());
    let keys = AwsKeys {
        access_key: text("AccessKeyId")?.to_owned(),
        secret_key: Secret::new(text("SecretAccessKey")?.to_owned()),
        session_token: text("Token").map(|token| Secret::new(token.to_owned())),
    };
    let end = dates::parse(text("Expiration")?)?;
    let lifetime = Duration::from_secs(end.saturating_sub(now()));
    Some(Fetched { token: Arc::new(keys), lifetime })
}

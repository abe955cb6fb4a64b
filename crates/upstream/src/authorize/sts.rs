//! Credentials of a role, from AWS's token service: `AssumeRole`, signed by credentials that are
//! there already, and `AssumeRoleWithWebIdentity`, with a token from a file.
//!
//! Answers are XML. Read are single elements of known names, each of which occurs once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use tokio::time::Instant;
use weir_types::{Secret, dates};

use crate::Client;
use crate::authorize::AuthFault;
use crate::authorize::aws::{AwsRole, Source, now};
use crate::authorize::exchange::{Answer, Call, Way, address, form};
use crate::authorize::files::read_token;
use crate::authorize::sigv4::{self, AwsKeys, Payload, Scope};
use crate::authorize::token::{Exchange, Fetched, Fetching};

/// The only version there is.
const VERSION: &str = "2011-06-15";
const SESSION_NAME: &str = "weir";

/// The token service of `region`, or the one at `other`.
pub(super) fn endpoint(region: &str, other: Option<&str>) -> Result<Uri, String> {
    if let Some(other) = other {
        return address(other, "the token service's address");
    }
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    address(&format!("https://sts.{region}.{domain}/"), "the region")
}

/// Assumes a role.
#[derive(Debug)]
pub(super) struct Assume {
    endpoint: Uri,
    role: AwsRole,
    proof: Proof,
}

/// What shows that the role may be assumed.
#[derive(Debug)]
enum Proof {
    Keys { source: Arc<Source>, region: String },
    Token(PathBuf),
}

impl Assume {
    pub(super) fn signed(
        endpoint: Uri,
        source: Arc<Source>,
        region: String,
        role: AwsRole,
    ) -> Self {
        Self { endpoint, role, proof: Proof::Keys { source, region } }
    }

    pub(super) fn with_token(endpoint: Uri, file: PathBuf, role: AwsRole) -> Self {
        Self { endpoint, role, proof: Proof::Token(file) }
    }

    async fn assume(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Fetched<Arc<AwsKeys>>, AuthFault> {
        let mut call =
            Call { client, deadline, way: Way::Provider, step: self.step(), secrets: Vec::new() };
        let request = match &self.proof {
            Proof::Keys { source, region } => {
                let keys = source.get(client, deadline).await?;
                call.secrets = keys.secrets();
                self.signed_request(&keys, region).map_err(|why| call.failed(&why))?
            }
            Proof::Token(file) => {
                let token = read_token(file).await.map_err(|why| call.failed(&why))?;
                call.secrets.push(token.clone());
                let token = ("WebIdentityToken", token.expose());
                form(&self.endpoint, &self.fields("AssumeRoleWithWebIdentity", Some(token)))
            }
        };
        let answer = call.send(request).await?;
        keys_in(&answer).map_err(|said| match said {
            Said::Refused { message, passes } => {
                let fault = call.refused(answer.status, &message);
                AuthFault { is_refused: fault.is_refused && !passes, ..fault }
            }
            Said::Nonsense(why) => call.failed(why),
        })
    }

    fn signed_request(&self, keys: &AwsKeys, region: &str) -> Result<Request<Bytes>, String> {
        let lifetime = self.role.lifetime.map(|lifetime| lifetime.as_secs().to_string());
        let external_id = self.role.external_id.as_deref().map(|id| ("ExternalId", id));
        let lifetime = lifetime.as_deref().map(|seconds| ("DurationSeconds", seconds));
        let more = external_id.into_iter().chain(lifetime);
        let mut request = form(&self.endpoint, &self.fields("AssumeRole", more));
        let payload = Payload::of([request.body()].into_iter());
        let scope = Scope { region, service: "sts", now: now() };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        sigv4::sign((&method, &uri), request.headers_mut(), &payload, keys, scope)?;
        Ok(request)
    }

    fn fields<'a>(
        &'a self,
        action: &'a str,
        more: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(&'a str, &'a str)> {
        let name = self.role.session_name.as_deref().unwrap_or(SESSION_NAME);
        let fields = [
            ("Action", action),
            ("Version", VERSION),
            ("RoleArn", self.role.arn.as_str()),
            ("RoleSessionName", name),
        ];
        fields.into_iter().chain(more).collect()
    }
}

impl Exchange<Arc<AwsKeys>> for Assume {
    fn step(&self) -> String {
        let host = self.endpoint.host().unwrap_or_default();
        format!("assuming the role {} at {host}", self.role.arn)
    }

    fn fetch<'a>(&'a self, client: &'a Client, deadline: Instant) -> Fetching<'a, Arc<AwsKeys>> {
        Box::pin(self.assume(client, deadline))
    }
}

enum Said {
    /// `passes`: another try may succeed.
    Refused {
        message: String,
        passes: bool,
    },
    Nonsense(&'static str),
}

fn keys_in(answer: &Answer) -> Result<Fetched<Arc<AwsKeys>>, Said> {
    let text = answer.text.as_str();
    if !answer.status.is_success() {
        let code = element(text, "Code").unwrap_or_default();
        let message = element(text, "Message").unwrap_or_default();
        let passes = ["Throttl", "RequestLimit", "IDPCommunicationError"];
        let passes = passes.iter().any(|part| code.contains(part));
        let message = if code.is_empty() { String::new() } else { format!("{code}: {message}") };
        return Err(Said::Refused { message, passes });
    }
    let field = |name| element(text, name).filter(|value| !value.is_empty());
    let found = (|| {
        let keys = AwsKeys {
            access_key: field("AccessKeyId")?,
            secret_key: Secret::new(field("SecretAccessKey")?),
            session_token: Some(Secret::new(field("SessionToken")?)),
        };
        Some((keys, dates::parse(&field("Expiration")?)?))
    })();
    let (keys, end) = found.ok_or(Said::Nonsense("the answer holds no credentials"))?;
    Ok(Fetched { token: Arc::new(keys), lifetime: Duration::from_secs(end.saturating_sub(now())) })
}

/// The text of the first element called `name`, which has no children.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let mut plain = String::with_capacity(text.len());
    let mut parts = text.trim().split('&');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (entity, rest) = part.split_once(';')?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let hex = entity.strip_prefix("#x").map(|code| u32::from_str_radix(code, 16));
                let code = hex.or_else(|| entity.strip_prefix('#').map(str::parse))?;
                char::from_u32(code.ok()?)?
            }
        });
        plain.push_str(rest);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_and_their_entities_undone() {
        let xml = "<R xmlns=\"x\"><A> a&amp;b&#x2F;&#43; </A><B></B><C>&bad</C><D>&no;</D></R>";
        assert_eq!(element(xml, "A").as_deref(), Some("a&b/+"));
        assert_eq!(element(xml, "B").as_deref(), Some(""));
        for missing in ["C", "D", "E", "R"] {
            assert_eq!(element(xml, missing), None, "{missing}");
        }
    }

    #[test]
    fn the_token_service_is_the_regions() {
        let found = |region, other| endpoint(region, other).map(|uri| uri.to_string());
        assert_eq!(found("eu-west-1", None).unwrap(), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(found("cn-north-1", None).unwrap(), "https://sts.cn-north-1.amazonaws.com.cn/");
        assert_eq!(found("x", Some("http://127.0.0.1:1")).unwrap(), "http://127.0.0.1:1/");
        assert!(found("x", Some("sts")).is_err());
    }
}

//! Google Cloud: access tokens for a service account, for a user's stored login, or for the machine
//! that the process runs on.
//!
//! Of the files that Google's tools write, those of the types `service_account`, `authorized_user`
//! and `external_account` can be used.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;
use tokio::time::Instant;
use weir_types::Secret;

use crate::Client;
use crate::authorize::aws::now;
use crate::authorize::bearer::{AccessToken, Bearer};
use crate::authorize::exchange::{Call, Way, address, form, get};
use crate::authorize::google_external::External;
use crate::authorize::service_account::Signer;
use crate::authorize::token::{Exchange, Fetched, Fetching};
use crate::authorize::{AuthFault, Authorizer};

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_SERVER: &str = "https://oauth2.googleapis.com/token";
const METADATA: &str = "http://metadata.google.internal";
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
/// Who is not on a machine of Google's shall hear so soon.
const METADATA_LIMIT: Duration = Duration::from_secs(5);

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoogleIdentity {
    /// The text of a file as Google's tools write it, plain or in base64.
    File(Secret),
    /// The account of the machine that the process runs on.
    Machine {
        /// Another server of metadata than the usual one: `http://host:port`.
        endpoint: Option<String>,
    },
}

impl GoogleIdentity {
    /// Gives requests tokens of this identity.
    ///
    /// # Errors
    /// What cannot be used about it, without secrets.
    pub fn authorizer(&self) -> Result<Arc<dyn Authorizer>, String> {
        let mut project = None;
        let (kind, secrets) = match self {
            Self::File(text) => {
                let file = parsed(text)?;
                project = quota_project(&file)?;
                of_file(&file)?
            }
            Self::Machine { endpoint } => {
                let base = endpoint.as_deref().unwrap_or(METADATA).trim_end_matches('/');
                let uri = address(&format!("{base}{METADATA_PATH}"), "the metadata's address")?;
                (Kind::Machine(uri), Vec::new())
            }
        };
        let exchange = Google { kind, secrets: secrets.clone() };
        Ok(Arc::new(Bearer::new(exchange, secrets).with(project)))
    }

    /// What stands in it that must not be seen: the text, and the secrets in it if it can be read.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let Self::File(text) = self else { return Vec::new() };
        let inner = parsed(text).and_then(|file| of_file(&file));
        let inner = inner.map(|(_, secrets)| secrets).unwrap_or_default();
        inner.into_iter().chain([text.clone()]).collect()
    }
}

/// Whose quota calls count against that are made with a user's login.
fn quota_project(file: &Value) -> Result<Option<(HeaderName, HeaderValue)>, String> {
    let Some(project) = file.get("quota_project_id").and_then(Value::as_str) else {
        return Ok(None);
    };
    let value = HeaderValue::from_str(project);
    let value = value.map_err(|_| "`quota_project_id` cannot be sent".to_owned())?;
    Ok(Some((HeaderName::from_static("x-goog-user-project"), value)))
}

fn of_file(value: &Value) -> Result<(Kind, Vec<Secret>), String> {
    let text = |name: &str| {
        let found = value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        found.ok_or_else(|| format!("the Google credentials lack `{name}`"))
    };
    match text("type")? {
        "service_account" => {
            let key = Secret::new(text("private_key")?.to_owned());
            let key_id = value.get("private_key_id").and_then(Value::as_str);
            let signer = Box::new(Signer::new(text("client_email")?, key_id, &key)?);
            let uri = address(text("token_uri").unwrap_or(TOKEN_SERVER), "`token_uri`")?;
            Ok((Kind::ServiceAccount { signer, uri }, vec![key]))
        }
        "authorized_user" => {
            let uri = address(text("token_uri").unwrap_or(TOKEN_SERVER), "`token_uri`")?;
            let client_id = text("client_id")?.to_owned();
            let secret = |name| Ok::<_, String>(Secret::new(text(name)?.to_owned()));
            let (client, refresh) = (secret("client_secret")?, secret("refresh_token")?);
            let secrets = vec![client.clone(), refresh.clone()];
            Ok((Kind::User { uri, client_id, client_secret: client, refresh }, secrets))
        }
        "external_account" => Ok((Kind::External(Box::new(External::new(value)?)), Vec::new())),
        other if other.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => Err(format!(
            "Google credentials of type {other} are not supported; use a service_account, an \
             authorized_user or an external_account"
        )),
        _ => Err("the Google credentials are of no known type".to_owned()),
    }
}

/// The JSON text, plain or in base64.
fn parsed(text: &Secret) -> Result<Value, String> {
    let text = text.expose().trim();
    let object = |bytes: &[u8]| serde_json::from_slice(bytes).ok().filter(Value::is_object);
    let value = if text.starts_with('{') {
        object(text.as_bytes())
    } else {
        let compact: String = text.split_whitespace().collect();
        STANDARD.decode(compact).ok().and_then(|bytes| object(&bytes))
    };
    value.ok_or_else(|| "the Google credentials are neither JSON nor base64 of it".to_owned())
}

/// Asks for tokens.
#[derive(Debug)]
struct Google {
    kind: Kind,
    secrets: Vec<Secret>,
}

#[derive(Debug)]
enum Kind {
    ServiceAccount { signer: Box<Signer>, uri: Uri },
    User { uri: Uri, client_id: String, client_secret: Secret, refresh: Secret },
    External(Box<External>),
    Machine(Uri),
}

impl Google {
    async fn ask(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Fetched<Arc<AccessToken>>, AuthFault> {
        let (step, secrets, way) = (self.step(), self.secrets.clone(), Way::Provider);
        let mut call = Call { client, deadline, way, step, secrets };
        let request = match &self.kind {
            Kind::ServiceAccount { signer, uri } => {
                let assertion = signer.assertion(&uri.to_string(), SCOPE, now());
                let assertion = assertion.map_err(|why| call.failed(&why))?;
                call.secrets.push(assertion.clone());
                let fields = [
                    ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                    ("assertion", assertion.expose()),
                ];
                form(uri, &fields)
            }
            Kind::User { uri, client_id, client_secret, refresh } => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                    ("refresh_token", refresh.expose()),
                ];
                form(uri, &fields)
            }
            Kind::External(external) => return external.ask(call, SCOPE).await,
            Kind::Machine(uri) => {
                call.way = Way::Direct;
                call.deadline = deadline.min(Instant::now() + METADATA_LIMIT);
                let request = get(uri).header("metadata-flavor", "Google").body(Bytes::new());
                request.map_err(|_| call.failed("the request cannot be made"))?
            }
        };
        let answer = call.json(request).await?;
        AccessToken::granted(&answer, now()).map_err(|why| call.failed(&why))
    }
}

impl Exchange<Arc<AccessToken>> for Google {
    fn step(&self) -> String {
        let (who, uri) = match &self.kind {
            Kind::ServiceAccount { signer, uri } => (signer.account(), uri),
            Kind::User { uri, .. } => ("a user", uri),
            Kind::External(external) => ("an external account", &external.token_server),
            Kind::Machine(uri) => ("this machine", uri),
        };
        format!("fetching a Google token for {who} from {}", uri.host().unwrap_or_default())
    }

    fn fetch<'a>(
        &'a self,
        client: &'a Client,
        deadline: Instant,
    ) -> Fetching<'a, Arc<AccessToken>> {
        Box::pin(self.ask(client, deadline))
    }
}

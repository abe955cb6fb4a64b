//! Azure: access tokens of Entra for a service principal, for a workload of Kubernetes, or for the
//! managed identity of the machine or the app service that the process runs on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use tokio::time::Instant;
use weir_types::Secret;

use crate::Client;
use crate::authorize::aws::now;
use crate::authorize::bearer::{AccessToken, Bearer};
use crate::authorize::exchange::{Call, Way, address, form, get};
use crate::authorize::files::read_token;
use crate::authorize::token::{Exchange, Fetched, Fetching};
use crate::authorize::{AuthFault, Authorizer};

const AUTHORITY: &str = "https://login.microsoftonline.com";
const MACHINE: &str = "http://169.254.169.254";
const MACHINE_PATH: &str = "/metadata/identity/oauth2/token";
/// Who is not on a machine of Azure's shall hear so soon.
const LOCAL_LIMIT: Duration = Duration::from_secs(5);
const SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// Who calls, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureIdentity {
    /// Scopes of the tokens; empty: Azure's AI services.
    pub scopes: Vec<String>,
    /// Who calls.
    pub source: AzureSource,
}

/// Where an identity comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AzureSource {
    /// A service principal with a secret.
    ClientSecret {
        /// Where it lives.
        tenant: String,
        /// Who it is.
        client_id: String,
        /// Shows that.
        client_secret: Secret,
        /// Another server than Entra's usual one.
        authority: Option<String>,
    },
    /// A token in a file, as Kubernetes puts it there.
    Workload {
        /// Where the identity lives.
        tenant: String,
        /// Who it is.
        client_id: String,
        /// Read anew for every exchange.
        token_file: PathBuf,
        /// Another server than Entra's usual one.
        authority: Option<String>,
    },
    /// The virtual machine's identity.
    Machine {
        /// One of several.
        client_id: Option<String>,
        /// Another address than the usual one.
        endpoint: Option<String>,
    },
    /// The app service's identity.
    AppService {
        /// One of several.
        client_id: Option<String>,
        /// Where to ask.
        endpoint: String,
        /// What it wants to be shown.
        header: Secret,
    },
}

impl AzureIdentity {
    /// Gives requests tokens of this identity.
    ///
    /// # Errors
    /// What cannot be used about it, without secrets.
    pub fn authorizer(&self) -> Result<Arc<dyn Authorizer>, String> {
        let (uri, secrets) = (self.source.place()?, self.secrets());
        let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.trim()).collect();
        let scope = scopes.into_iter().filter(|scope| !scope.is_empty()).collect::<Vec<_>>();
        let scope = if scope.is_empty() { SCOPE.to_owned() } else { scope.join(" ") };
        let source = self.source.clone();
        let exchange = Azure { uri, scope, source, secrets: secrets.clone() };
        Ok(Arc::new(Bearer::new(exchange, secrets)))
    }

    /// What stands in it that must not be seen.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        match &self.source {
            AzureSource::ClientSecret { client_secret: secret, .. }
            | AzureSource::AppService { header: secret, .. } => vec![secret.clone()],
            AzureSource::Workload { .. } | AzureSource::Machine { .. } => Vec::new(),
        }
    }
}

impl AzureSource {
    /// Whom to ask.
    fn place(&self) -> Result<Uri, String> {
        let entra = |authority: &Option<String>, tenant: &str| {
            let tenant = tenant.trim();
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if tenant.is_empty() || !tenant.bytes().all(is_name) {
                return Err("tenant_id is neither an id nor a domain".to_owned());
            }
            let base = authority.as_deref().unwrap_or(AUTHORITY).trim().trim_end_matches('/');
            address(&format!("{base}/{tenant}/oauth2/v2.0/token"), "Entra's address")
        };
        match self {
            Self::ClientSecret { tenant, authority, .. }
            | Self::Workload { tenant, authority, .. } => entra(authority, tenant),
            Self::Machine { endpoint, .. } => {
                let base = endpoint.as_deref().unwrap_or(MACHINE).trim().trim_end_matches('/');
                address(&format!("{base}{MACHINE_PATH}"), "the metadata's address")
            }
            Self::AppService { endpoint, header, .. } => {
                if HeaderValue::try_from(header.expose()).is_err() {
                    return Err("the app service's secret cannot be sent".to_owned());
                }
                address(endpoint, "the app service's address")
            }
        }
    }
}

/// Asks for tokens.
#[derive(Debug)]
struct Azure {
    uri: Uri,
    scope: String,
    source: AzureSource,
    secrets: Vec<Secret>,
}

impl Azure {
    async fn ask(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Fetched<Arc<AccessToken>>, AuthFault> {
        let (step, secrets, way) = (self.step(), self.secrets.clone(), Way::Provider);
        let mut call = Call { client, deadline, way, step, secrets };
        let request = match &self.source {
            AzureSource::ClientSecret { client_id, client_secret, .. } => {
                form(&self.uri, &self.fields(client_id, &[("client_secret", client_secret)]))
            }
            AzureSource::Workload { client_id, token_file, .. } => {
                let token = read_token(token_file).await.map_err(|why| call.failed(&why))?;
                call.secrets.push(token.clone());
                let kind = Secret::new(ASSERTION.to_owned());
                let more = [("client_assertion_type", &kind), ("client_assertion", &token)];
                form(&self.uri, &self.fields(client_id, &more))
            }
            AzureSource::Machine { client_id, .. } => {
                self.local(&mut call, client_id.as_deref(), "2018-02-01", ("metadata", "true"))?
            }
            AzureSource::AppService { client_id, header, .. } => {
                let header = ("x-identity-header", header.expose());
                self.local(&mut call, client_id.as_deref(), "2019-08-01", header)?
            }
        };
        let answer = call.json(request).await?;
        AccessToken::granted(&answer, now()).map_err(|why| call.failed(&why))
    }

    fn fields<'a>(
        &'a self,
        client_id: &'a str,
        proof: &[(&'a str, &'a Secret)],
    ) -> Vec<(&'a str, &'a str)> {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client_id),
            ("scope", self.scope.as_str()),
        ];
        fields.into_iter().chain(proof.iter().map(|(name, text)| (*name, text.expose()))).collect()
    }

    /// A question to a server of this machine, which wants a resource instead of a scope.
    fn local(
        &self,
        call: &mut Call<'_>,
        client_id: Option<&str>,
        version: &str,
        (name, shown): (&'static str, &str),
    ) -> Result<Request<Bytes>, AuthFault> {
        call.way = Way::Direct;
        call.deadline = call.deadline.min(Instant::now() + LOCAL_LIMIT);
        let scope = self.scope.split(' ').next().unwrap_or_default();
        let resource = scope.strip_suffix("/.default").unwrap_or(scope);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", version).append_pair("resource", resource);
        client_id.into_iter().for_each(|id| _ = query.append_pair("client_id", id));
        let separator = if self.uri.query().is_some() { '&' } else { '?' };
        let address = format!("{}{separator}{}", self.uri, query.finish());
        let request = address.parse().ok().and_then(|uri| {
            let mut shown = HeaderValue::try_from(shown).ok()?;
            shown.set_sensitive(true);
            get(&uri).header(name, shown).body(Bytes::new()).ok()
        });
        request.ok_or_else(|| call.failed("the request cannot be made"))
    }
}

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Exchange<Arc<AccessToken>> for Azure {
    fn step(&self) -> String {
        let who = match &self.source {
            AzureSource::ClientSecret { client_id, .. }
            | AzureSource::Workload { client_id, .. } => client_id,
            AzureSource::Machine { .. } => "this machine",
            AzureSource::AppService { .. } => "this app service",
        };
        format!("fetching an Azure token for {who} from {}", self.uri.host().unwrap_or_default())
    }

    fn fetch<'a>(
        &'a self,
        client: &'a Client,
        deadline: Instant,
    ) -> Fetching<'a, Arc<AccessToken>> {
        Box::pin(self.ask(client, deadline))
    }
}

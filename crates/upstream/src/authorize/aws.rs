//! AWS: requests signed with the credentials of a key, of a role, or of the process itself.
//!
//! Where credentials come from is said in settings; nothing is looked for anywhere else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::AUTHORIZATION;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, Request, Uri};
use tokio::time::Instant;
use weir_types::Secret;

use crate::authorize::aws_local::Local;
use crate::authorize::aws_login::Login;
use crate::authorize::aws_tools::Process;
use crate::authorize::sigv4::{self, AwsKeys, OBJECTS, Payload, Scope};
use crate::authorize::sts::{self, Assume};
use crate::authorize::token::{Cache, Taken};
use crate::authorize::{AuthFault, Authorized, Authorizer, Renewed};
use crate::{Client, Outgoing};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsIdentity {
    /// The region that calls are signed for, and whose token service is asked.
    pub region: String,
    /// What is there to begin with.
    pub source: AwsSource,
    /// A role to assume on top.
    pub role: Option<AwsRole>,
    /// Another token service than the region's.
    pub sts_endpoint: Option<String>,
}

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsSource {
    /// The settings.
    Keys(AwsKeys),
    /// A token in a file, as Kubernetes puts it there, exchanged for those of a role.
    WebIdentity {
        /// Read anew for every exchange.
        token_file: PathBuf,
        /// The role.
        role_arn: String,
        /// What the session is called.
        session_name: Option<String>,
    },
    /// The server that a container service runs beside the process.
    Container {
        /// Its address.
        url: String,
        /// What it wants to be shown.
        token: Option<ContainerToken>,
    },
    /// The metadata of the virtual machine.
    Instance {
        /// Another address than the usual one.
        endpoint: Option<String>,
    },
    /// What a command prints.
    Process {
        /// Its line, which may hold secrets.
        command: Secret,
    },
    /// A person's login.
    Login(AwsLogin),
    /// A role that is assumed with another one's credentials.
    Assumed {
        /// Whose.
        source: Box<Self>,
        /// Which role.
        role: AwsRole,
    },
}

/// A login of AWS's single sign-on, and what it is used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsLogin {
    /// Where AWS's own tool keeps logins.
    pub folder: PathBuf,
    /// What the login is kept under: the session's name, or the address where it began.
    pub session: String,
    /// Where the sign-on is.
    pub region: String,
    /// The account whose role it is.
    pub account: String,
    /// The role's name.
    pub role: String,
    /// Another address than the region's.
    pub endpoint: Option<String>,
    /// Another address for renewing logins than the region's.
    pub oidc_endpoint: Option<String>,
}

/// What a container service's server wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerToken {
    /// This.
    Text(Secret),
    /// What is in this file, read anew for every exchange.
    File(PathBuf),
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsRole {
    /// Which.
    pub arn: String,
    /// What its owner wants to be told.
    pub external_id: Option<String>,
    /// What the session is called.
    pub session_name: Option<String>,
    /// How long its credentials shall be good, where that is not the role's usual hour.
    pub lifetime: Option<Duration>,
}

impl AwsIdentity {
    /// What stands in it that must not be seen.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        self.source.secrets()
    }
}

impl AwsSource {
    fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Keys(keys) => keys.secrets(),
            Self::Container { token: Some(ContainerToken::Text(token)), .. } => {
                vec![token.clone()]
            }
            Self::Process { command } => vec![command.clone()],
            Self::Assumed { source, .. } => source.secrets(),
            Self::Container { .. }
            | Self::WebIdentity { .. }
            | Self::Instance { .. }
            | Self::Login(_) => Vec::new(),
        }
    }
}

/// Signs requests.
#[derive(Debug)]
pub struct Aws {
    region: String,
    service: &'static str,
    source: Arc<Source>,
}

/// Whether this can be the name of a region: it becomes a part of hosts' names.
fn region(text: &str) -> Result<String, String> {
    let region = text.trim().to_owned();
    match !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        true => Ok(region),
        false => Err("the region is not the name of one".to_owned()),
    }
}

impl Aws {
    /// Signs for `service` as `identity`, in its region.
    ///
    /// # Errors
    /// Settings that cannot be used, without secrets.
    pub fn new(identity: &AwsIdentity, service: &'static str) -> Result<Self, String> {
        let region = region(&identity.region)?;
        let endpoint = sts::endpoint(&region, identity.sts_endpoint.as_deref())?;
        let sts = Sts { endpoint, region: region.clone() };
        let mut source = Arc::new(Source::new(&identity.source, &sts)?);
        if let Some(role) = &identity.role {
            source = Arc::new(sts.assumed(source, role));
        }
        Ok(Self { region, service, source })
    }

    /// The same identity, with the same credentials, for another service or region.
    ///
    /// # Errors
    /// The region is not the name of one.
    pub fn elsewhere(&self, service: &'static str, other: Option<&str>) -> Result<Self, String> {
        let region = other.map_or_else(|| Ok(self.region.clone()), region)?;
        Ok(Self { region, service, source: Arc::clone(&self.source) })
    }
}

/// Credentials that are there, or come.
#[derive(Debug)]
pub(super) enum Source {
    Fixed(Arc<AwsKeys>),
    Fetched(Cache<Arc<AwsKeys>>),
}

/// The token service that roles are asked of.
struct Sts {
    endpoint: Uri,
    region: String,
}

impl Sts {
    fn assumed(&self, source: Arc<Source>, role: &AwsRole) -> Source {
        let (endpoint, region) = (self.endpoint.clone(), self.region.clone());
        Source::Fetched(Cache::new(Assume::signed(endpoint, source, region, role.clone())))
    }
}

impl Source {
    fn new(source: &AwsSource, sts: &Sts) -> Result<Self, String> {
        Ok(match source {
            AwsSource::Keys(keys) => Self::fixed(keys)?,
            AwsSource::WebIdentity { token_file, role_arn, session_name } => {
                let role = AwsRole {
                    arn: role_arn.clone(),
                    external_id: None,
                    session_name: session_name.clone(),
                    lifetime: None,
                };
                let (endpoint, file) = (sts.endpoint.clone(), token_file.clone());
                Self::Fetched(Cache::new(Assume::with_token(endpoint, file, role)))
            }
            AwsSource::Container { url, token } => {
                Self::Fetched(Cache::new(Local::container(url, token.clone())?))
            }
            AwsSource::Instance { endpoint } => {
                Self::Fetched(Cache::new(Local::instance(endpoint.as_deref())?))
            }
            AwsSource::Process { command } => {
                Self::Fetched(Cache::new(Process::new(command.expose())?))
            }
            AwsSource::Login(login) => Self::Fetched(Cache::new(Login::new(login)?)),
            AwsSource::Assumed { source, role } => {
                sts.assumed(Arc::new(Self::new(source, sts)?), role)
            }
        })
    }

    fn fixed(keys: &AwsKeys) -> Result<Self, String> {
        let is_sendable = |text: &str| text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        let token = keys.session_token.as_ref().map(Secret::expose).unwrap_or_default();
        if !is_sendable(&keys.access_key) || !is_sendable(token) {
            return Err(
                "the access key or session token holds characters that cannot be sent".to_owned()
            );
        }
        Ok(Self::Fixed(Arc::new(keys.clone())))
    }

    pub(super) async fn get(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Arc<AwsKeys>, AuthFault> {
        match self {
            Self::Fixed(keys) => Ok(Arc::clone(keys)),
            Self::Fetched(cache) => cache.get(client, deadline).await,
        }
    }

    fn held(&self) -> Option<Arc<AwsKeys>> {
        match self {
            Self::Fixed(keys) => Some(Arc::clone(keys)),
            Self::Fetched(cache) => cache.held(),
        }
    }
}

impl Authorizer for Aws {
    fn authorize<'a>(
        &'a self,
        request: &'a mut Request<Outgoing>,
        client: &'a Client,
        deadline: Instant,
    ) -> Authorized<'a> {
        let cache = match &*self.source {
            Source::Fixed(keys) => return Authorized::Ready(self.sign(request, keys)),
            Source::Fetched(cache) => cache,
        };
        match cache.take(client) {
            Taken::Now(keys) => Authorized::Ready(keys.and_then(|keys| self.sign(request, &keys))),
            Taken::Later(flight) => Authorized::Pending(Box::pin(async move {
                let keys = cache.wait(flight, client, deadline).await?;
                self.sign(request, &keys)
            })),
        }
    }

    fn renews(&self) -> bool {
        matches!(&*self.source, Source::Fetched(_))
    }

    fn renew<'a>(
        &'a self,
        sent: &'a HeaderMap,
        client: &'a Client,
        deadline: Instant,
    ) -> Renewed<'a> {
        let Source::Fetched(cache) = &*self.source else {
            return Box::pin(std::future::ready(false));
        };
        let shown = sent.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|text| text.split_once("Credential="));
        let shown = shown.and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
        let is_sent = move |keys: &Arc<AwsKeys>| keys.access_key == shown;
        Box::pin(cache.replace(is_sent, client, deadline))
    }

    fn secrets(&self) -> Vec<Secret> {
        self.source.held().map(|keys| keys.secrets()).unwrap_or_default()
    }

    fn header(&self) -> Option<&HeaderName> {
        Some(&AUTHORIZATION)
    }
}

impl Aws {
    fn sign(&self, request: &mut Request<Outgoing>, keys: &AwsKeys) -> Result<(), AuthFault> {
        let scope = Scope { region: &self.region, service: self.service, now: now() };
        let fault = |why: String| AuthFault {
            step: "signing the request".to_owned(),
            why,
            is_refused: false,
        };
        let is_safe = || request.uri().scheme() == Some(&Scheme::HTTPS);
        let stated = || Payload::stated(request.headers()).filter(|_| self.service == OBJECTS);
        let payload = match request.body().held() {
            Some(pieces) => Payload::of(pieces),
            // Whoever keeps files at a service without TLS has chosen so.
            None if is_safe() || self.service == OBJECTS => stated().unwrap_or(Payload::Unsigned),
            None => return Err(fault("a body that is still arriving needs https".to_owned())),
        };
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let headers = request.headers_mut();
        sigv4::sign((&method, &uri), headers, &payload, keys, scope).map_err(fault)
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

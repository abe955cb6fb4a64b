//! A person's login, as `aws sso login` leaves it behind in a folder: it is read anew whenever a role's
//! credentials are due, and renewed where it has ended and can be.
//!
//! A renewed login is kept in memory. The file belongs to AWS's own tool and is never written; one
//! that has changed counts again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Uri};
use ring::digest;
use serde_json::{Value, json};
use tokio::time::Instant;
use weir_types::{Secret, dates};

use crate::Client;
use crate::authorize::AuthFault;
use crate::authorize::aws::{AwsLogin, now};
use crate::authorize::exchange::{Call, Way, address, get};
use crate::authorize::files::read_token;
use crate::authorize::sigv4::AwsKeys;
use crate::authorize::token::{Exchange, Fetched, Fetching};

/// Shows the login, and gets a role's credentials.
#[derive(Debug)]
pub(super) struct Login {
    portal: Uri,
    host: String,
    /// Where logins are renewed.
    renewal: Uri,
    file: PathBuf,
    renewed: Mutex<Option<Renewed>>,
}

/// A login that has been renewed here.
#[derive(Debug, Clone)]
struct Renewed {
    /// The file's token that it came from.
    origin: Secret,
    token: Secret,
    end: u64,
    /// For the next time.
    refresh: Secret,
}

impl Login {
    pub(super) fn new(login: &AwsLogin) -> Result<Self, String> {
        let usual = |service: &str| format!("https://{service}.{}.amazonaws.com", login.region);
        let base = login.endpoint.clone().unwrap_or_else(|| usual("portal.sso"));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("role_name", &login.role).append_pair("account_id", &login.account);
        let base = base.trim_end_matches('/');
        let text = format!("{base}/federation/credentials?{}", query.finish());
        let portal = address(&text, "sso_region")?;
        let base = login.oidc_endpoint.clone().unwrap_or_else(|| usual("oidc"));
        let renewal = address(&format!("{}/token", base.trim_end_matches('/')), "sso_region")?;
        let name = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, login.session.as_bytes());
        let name: String = name.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let host = portal.host().unwrap_or_default().to_owned();
        let file = login.folder.join(format!("{name}.json"));
        Ok(Self { portal, host, renewal, file, renewed: Mutex::default() })
    }

    async fn ask(
        &self,
        client: &Client,
        deadline: Instant,
    ) -> Result<Fetched<Arc<AwsKeys>>, AuthFault> {
        let (way, step) = (Way::Provider, self.step());
        let mut call = Call { client, deadline, way, step, secrets: Vec::new() };
        let token = self.token(&mut call).await?;
        call.secrets.push(token.clone());
        let header = HeaderValue::try_from(token.expose());
        let mut header = header.map_err(|_| call.failed("the token cannot be sent"))?;
        header.set_sensitive(true);
        let request = get(&self.portal).header("x-amz-sso_bearer_token", header);
        let request = request.body(Bytes::new());
        let request = request.map_err(|_| call.failed("the request cannot be made"))?;
        let answer = call.json(request).await?;
        keys_in(&answer).ok_or_else(|| call.failed("the answer holds no credentials"))
    }

    /// The login's token, renewed if it has ended.
    async fn token(&self, call: &mut Call<'_>) -> Result<Secret, AuthFault> {
        let text = read_token(&self.file).await.map_err(|why| call.failed(&why))?;
        let login: Value = serde_json::from_str(text.expose()).unwrap_or_default();
        let field = |name: &str| login.get(name).and_then(Value::as_str).unwrap_or_default();
        let lives = |name: &str| dates::parse(field(name)).is_some_and(|end| end > now());
        let origin = Secret::new(field("accessToken").to_owned());
        if lives("expiresAt") {
            return Ok(origin);
        }
        let renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let renewed = renewed.filter(|renewed| renewed.origin.expose() == origin.expose());
        if let Some(renewed) = renewed.as_ref().filter(|renewed| renewed.end > now()) {
            return Ok(renewed.token.clone());
        }
        let refresh = renewed.map_or_else(
            || Secret::new(field("refreshToken").to_owned()),
            |renewed| renewed.refresh,
        );
        let (id, secret) = (field("clientId"), Secret::new(field("clientSecret").to_owned()));
        let is_registered =
            field("registrationExpiresAt").is_empty() || lives("registrationExpiresAt");
        let parts = [refresh.expose(), id, secret.expose()];
        if !is_registered || parts.iter().any(|part| part.is_empty()) {
            return Err(ended(call.failed("the login has ended, and cannot be renewed")));
        }
        call.secrets.extend([refresh.clone(), secret]);
        let asked = json!({
            "grantType": "refresh_token",
            "clientId": id,
            "clientSecret": field("clientSecret"),
            "refreshToken": refresh.expose(),
        });
        let renewed = self.renew(call, &asked, (origin, refresh)).await?;
        let token = renewed.token.clone();
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = Some(renewed);
        Ok(token)
    }

    async fn renew(
        &self,
        call: &mut Call<'_>,
        asked: &Value,
        (origin, refresh): (Secret, Secret),
    ) -> Result<Renewed, AuthFault> {
        let host = self.renewal.host().unwrap_or_default();
        let step = std::mem::replace(&mut call.step, format!("renewing a login at {host}"));
        let request = get(&self.renewal).method(Method::POST);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Bytes::from(asked.to_string()));
        let request = request.map_err(|_| call.failed("the request cannot be made"))?;
        let answer = call.json(request).await;
        let answer = answer.map_err(|fault| if fault.is_refused { ended(fault) } else { fault })?;
        let text = |name: &str| answer.get(name)?.as_str().filter(|text| !text.is_empty());
        let seconds = answer.get("expiresIn").and_then(Value::as_u64);
        let (token, seconds) = text("accessToken")
            .zip(seconds)
            .ok_or_else(|| call.failed("the answer holds no token, or not its end"))?;
        let next = text("refreshToken").map(|text| Secret::new(text.to_owned()));
        call.step = step;
        Ok(Renewed {
            origin,
            token: Secret::new(token.to_owned()),
            end: now() + seconds,
            refresh: next.unwrap_or(refresh),
        })
    }
}

/// Only a person can help.
fn ended(fault: AuthFault) -> AuthFault {
    let why = format!("{}: run `aws sso login` again", fault.why);
    AuthFault { is_refused: true, why, ..fault }
}

fn keys_in(answer: &Value) -> Option<Fetched<Arc<AwsKeys>>> {
    let role = answer.get("roleCredentials")?;
    let text = |name: &str| role.get(name)?.as_str().filter(|text| !text.is_empty());
    let keys = AwsKeys {
        access_key: text("accessKeyId")?.to_owned(),
        secret_key: Secret::new(text("secretAccessKey")?.to_owned()),
        session_token: Some(Secret::new(text("sessionToken")?.to_owned())),
    };
    let end = role.get("expiration")?.as_u64()? / 1000;
    let lifetime = Duration::from_secs(end.saturating_sub(now()));
    Some(Fetched { token: Arc::new(keys), lifetime })
}

impl Exchange<Arc<AwsKeys>> for Login {
    fn step(&self) -> String {
        format!("asking {} for the credentials of a login", self.host)
    }

    fn fetch<'a>(&'a self, client: &'a Client, deadline: Instant) -> Fetching<'a, Arc<AwsKeys>> {
        Box::pin(self.ask(client, deadline))
    }
}

//! An identity of somebody else's that Google trusts (`external_account`): a token of theirs, from
//! a file or a server, becomes one of Google's, and that, where the file says so, one of a service
//! account's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Request, Uri};
use serde_json::{Value, json};
use weir_types::{Secret, dates};

use crate::authorize::AuthFault;
use crate::authorize::aws::now;
use crate::authorize::bearer::AccessToken;
use crate::authorize::exchange::{Call, Way, address, form, get};
use crate::authorize::files::read_token;
use crate::authorize::token::Fetched;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const WANTED: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What the file says.
#[derive(Debug)]
pub(super) struct External {
    audience: String,
    subject_token_type: String,
    pub(super) token_server: Uri,
    source: Source,
    /// Where a service account's token is given for this one.
    account: Option<Uri>,
}

/// Where the other token is.
#[derive(Debug)]
struct Source {
    place: Place,
    /// The member that holds the token; `None`: the whole text is it.
    member: Option<String>,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Server { uri: Uri, headers: Vec<(HeaderName, HeaderValue)> },
}

impl External {
    /// Reads the file.
    ///
    /// # Errors
    /// What is missing or cannot be used, without its value.
    pub(super) fn new(file: &Value) -> Result<Self, String> {
        let text = |name: &str| {
            let found = file.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            found.ok_or_else(|| format!("the Google credentials lack `{name}`"))
        };
        let account = "service_account_impersonation_url";
        let account = text(account).ok().map(|url| address(url, &format!("`{account}`")));
        Ok(Self {
            audience: text("audience")?.to_owned(),
            subject_token_type: text("subject_token_type")?.to_owned(),
            token_server: address(text("token_url")?, "`token_url`")?,
            source: Source::new(file.get("credential_source").unwrap_or(&Value::Null))?,
            account: account.transpose()?,
        })
    }

    pub(super) async fn ask(
        &self,
        mut call: Call<'_>,
        scope: &str,
    ) -> Result<Fetched<Arc<AccessToken>>, AuthFault> {
        let subject = self.source.token(&mut call).await?;
        call.secrets.push(subject.clone());
        let fields = [
            ("grant_type", GRANT),
            ("audience", &self.audience),
            ("scope", scope),
            ("requested_token_type", WANTED),
            ("subject_token_type", &self.subject_token_type),
            ("subject_token", subject.expose()),
        ];
        let answer = call.json(form(&self.token_server, &fields)).await?;
        let token = AccessToken::granted(&answer, now()).map_err(|why| call.failed(&why))?;
        let Some(account) = &self.account else { return Ok(token) };
        call.secrets.push(token.token.text.clone());
        call.step = format!("{}, then of its service account", call.step);
        let wanted = json!({ "scope": [scope], "lifetime": "3600s" }).to_string();
        let request = get(account)
            .method(http::Method::POST)
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, token.token.header.clone())
            .body(Bytes::from(wanted));
        let request = request.map_err(|_| call.failed("the request cannot be made"))?;
        let answer = call.json(request).await?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
        let end = dates::parse(text("expireTime"));
        let end = end.ok_or_else(|| call.failed("the answer does not say when the token ends"))?;
        let lifetime = Duration::from_secs(end.saturating_sub(now()));
        AccessToken::new(text("accessToken"), lifetime).map_err(|why| call.failed(&why))
    }
}

impl Source {
    fn new(source: &Value) -> Result<Self, String> {
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let format = source.get("format").unwrap_or(&Value::Null);
        let is_json = text(format, "type").as_deref() == Some("json");
        let member = text(format, "subject_token_field_name");
        let member = match is_json {
            true => Some(member.ok_or("`credential_source` names no member for the token")?),
            false => None,
        };
        let place = if let Some(file) = text(source, "file") {
            Place::File(PathBuf::from(file))
        } else if let Some(url) = text(source, "url").filter(|_| {
            // With it the token is a signed request of AWS's.
            source.get("environment_id").is_none()
        }) {
            let headers = source.get("headers").and_then(Value::as_object).into_iter().flatten();
            let headers = headers.map(|(name, value)| {
                let mut value = HeaderValue::from_str(value.as_str()?).ok()?;
                value.set_sensitive(true);
                Some((name.parse().ok()?, value))
            });
            let headers: Option<Vec<_>> = headers.collect();
            let headers = headers.ok_or("`credential_source` has headers that cannot be sent")?;
            Place::Server { uri: address(&url, "`credential_source.url`")?, headers }
        } else {
            return Err(
                "`credential_source` must have a `file` or a `url`; AWS's and executables \
                        are not supported"
                    .to_owned(),
            );
        };
        Ok(Self { place, member })
    }

    async fn token(&self, call: &mut Call<'_>) -> Result<Secret, AuthFault> {
        let text = match &self.place {
            Place::File(path) => read_token(path).await.map_err(|why| call.failed(&why))?,
            Place::Server { uri, headers } => {
                let way = std::mem::replace(&mut call.way, way_to(uri));
                let answer = call.send(asking(uri, headers, call)?).await;
                call.way = way;
                let answer = answer?;
                if !answer.status.is_success() {
                    return Err(call.refused(answer.status, "no token of the other side's"));
                }
                Secret::new(answer.text.trim().to_owned())
            }
        };
        let Some(member) = &self.member else { return Ok(text) };
        let value: Option<Value> = serde_json::from_str(text.expose()).ok();
        let token = value.as_ref().and_then(|value| value.get(member)).and_then(Value::as_str);
        let token = token.map(|token| Secret::new(token.to_owned()));
        token.ok_or_else(|| call.failed("the other side's token is not where the file says"))
    }
}

fn asking(
    uri: &Uri,
    headers: &[(HeaderName, HeaderValue)],
    call: &Call<'_>,
) -> Result<Request<Bytes>, AuthFault> {
    let request = headers
        .iter()
        .fold(get(uri), |request, (name, value)| request.header(name.clone(), value.clone()));
    request.body(Bytes::new()).map_err(|_| call.failed("the request cannot be made"))
}

/// Servers that only this machine can reach are asked past the proxy.
fn way_to(uri: &Uri) -> Way {
    let host = uri.authority().map_or("", Authority::host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_near = match host.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local(),
        Err(_) => matches!(host, "localhost" | "metadata.google.internal"),
    };
    if is_near { Way::Direct } else { Way::Provider }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_servers_are_known() {
        for (address, way) in [
            ("http://169.254.169.254/x", Way::Direct),
            ("http://127.0.0.1:1/", Way::Direct),
            ("http://[::1]:1/", Way::Direct),
            ("http://metadata.google.internal/", Way::Direct),
            ("https://token.test/", Way::Provider),
            ("http://10.0.0.1/", Way::Provider),
        ] {
            assert_eq!(way_to(&address.parse().unwrap()), way, "{address}");
        }
    }
}

//! A call for a token: one request, a bounded answer, and errors that say what was refused but no
//! secret. Knows no cloud.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::request::Builder;
use http::{HeaderValue, Request, StatusCode, Uri};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use weir_types::{Mask, Secret};

use crate::authorize::AuthFault;
use crate::{Body, Client};

/// Tokens are some kilobytes long.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Of what a server says of a refusal no more is quoted.
const QUOTED_CHARS_MAX: usize = 300;
/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";
/// Shorter ones are words that occur by chance.
const TELLING_BYTES_MIN: usize = 6;

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As the calls that the token is for.
    Provider,
    /// Past the proxy.
    Direct,
}

/// What belongs to one call.
pub(super) struct Call<'a> {
    pub(super) client: &'a Client,
    pub(super) deadline: Instant,
    pub(super) way: Way,
    /// What is done, for messages.
    pub(super) step: String,
    /// What must not be quoted.
    pub(super) secrets: Vec<Secret>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Call<'_> {
    /// Sends `request`.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Answer, AuthFault> {
        let sent = match self.way {
            Way::Provider => self.client.send_aside(request, self.deadline).await,
            Way::Direct => self.client.send_direct(request, self.deadline).await,
        };
        let response = sent.map_err(|error| self.failed(&error.to_string()))?;
        let status = response.status();
        let body = read(response.into_body());
        let body = timeout_at(self.deadline, body).await.map_err(|_| self.failed("not in time"))?;
        let body = body.map_err(|why| self.failed(&why))?;
        let text = String::from_utf8(body).map_err(|_| self.failed("the answer is not a text"))?;
        Ok(Answer { status, text })
    }

    /// Sends `request`; the answer is a JSON object, and its status says success.
    pub(super) async fn json(&self, request: Request<Bytes>) -> Result<Value, AuthFault> {
        let answer = self.send(request).await?;
        let value: Option<Value> = serde_json::from_str(&answer.text).ok();
        if !answer.status.is_success() {
            return Err(self.refused(answer.status, &said(value.as_ref())));
        }
        value.filter(Value::is_object).ok_or_else(|| self.failed("the answer is not JSON"))
    }

    /// Something went wrong that another try may mend.
    pub(super) fn failed(&self, why: &str) -> AuthFault {
        AuthFault { step: self.step.clone(), why: self.quotable(why), is_refused: false }
    }

    /// The server does not want.
    pub(super) fn refused(&self, status: StatusCode, said: &str) -> AuthFault {
        let is_refused = matches!(status.as_u16(), 400 | 401 | 403 | 404);
        let why = match said {
            "" => format!("answered {}", status.as_u16()),
            said => format!("answered {}: {}", status.as_u16(), self.quotable(said)),
        };
        AuthFault { step: self.step.clone(), why, is_refused }
    }

    /// `text`, shortened and without secrets.
    fn quotable(&self, text: &str) -> String {
        let mask = Mask::new(&self.secrets);
        let mut text = mask.hide_text(text, REDACTED).unwrap_or_else(|| text.to_owned());
        // Answers to the calls of an exchange are short, so shorter values stand out as well.
        for secret in &self.secrets {
            let plain = secret.expose();
            if plain.len() < TELLING_BYTES_MIN {
                continue;
            }
            let sent: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
            text = text.replace(plain, REDACTED).replace(&sent, REDACTED);
        }
        let one_line = |c: char| if c.is_control() { ' ' } else { c };
        text.chars().map(one_line).take(QUOTED_CHARS_MAX).collect()
    }
}

async fn read(mut body: Body) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk.map_err(|error| error.to_string())?;
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too long for a token".to_owned());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// What an error answer says, in the forms that token servers use.
fn said(value: Option<&Value>) -> String {
    let Some(value) = value else { return String::new() };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let error = value.get("error");
    let code = text("error").or_else(|| text("code")).or_else(|| text("Code"));
    let nested = error.and_then(|error| error.get("message")).and_then(Value::as_str);
    let long = text("error_description").or_else(|| text("message")).or_else(|| text("Message"));
    let parts = [code, long.or(nested)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

const AGENT: HeaderValue = HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// `GET uri`, for more headers.
pub(super) fn get(uri: &Uri) -> Builder {
    Request::get(uri.clone()).header(USER_AGENT, AGENT).header(ACCEPT, JSON)
}

/// `POST uri` with these fields.
pub(super) fn form(uri: &Uri, fields: &[(&str, &str)]) -> Request<Bytes> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    let text = form.extend_pairs(fields).finish();
    let mut request = Request::new(Bytes::from(text));
    *request.method_mut() = http::Method::POST;
    request.uri_mut().clone_from(uri);
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, AGENT);
    headers.insert(ACCEPT, JSON);
    headers.insert(CONTENT_TYPE, FORM);
    request
}

/// An address of a server that gives tokens. It may be a secret's part, so it is not quoted.
pub(super) fn address(text: &str, name: &str) -> Result<Uri, String> {
    let uri: Uri = text.trim().parse().map_err(|_| format!("{name} is not an address"))?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_login = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match is_web && !has_login && uri.host().is_some_and(|host| !host.is_empty()) {
        true => Ok(uri),
        false => Err(format!("{name} is not an http:// or https:// address")),
    }
}

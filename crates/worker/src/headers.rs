//! Headers of calls and of answers: what is sent, what is let through, what never is.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use weir_provider::Auth;
use weir_rpc::Header;
use weir_types::{Secret, TraceContext};

use crate::settings::Settings;

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION")));
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Headers that describe the connection or the message; nobody may set them.
const OURS: [HeaderName; 10] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::ACCEPT_ENCODING,
    header::CONTENT_ENCODING,
    header::PROXY_AUTHORIZATION,
    header::EXPECT,
];

/// Headers that a caller may not set either: who we are and what we send.
const NOT_THE_CALLERS: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::HOST,
    header::COOKIE,
    header::USER_AGENT,
    header::ACCEPT,
    header::CONTENT_TYPE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// What every call with one key sends.
pub(crate) fn template(settings: &Settings, secret: Option<&Secret>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(16 + settings.extra_headers.len());
    headers.insert(header::USER_AGENT, USER_AGENT);
    for (name, value) in &settings.extra_headers {
        let name: HeaderName =
            name.parse().map_err(|_| format!("extra_headers: {name:?} is not a header name"))?;
        if OURS.contains(&name) {
            return Err(format!("extra_headers: {name} cannot be set"));
        }
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| format!("extra_headers: the value of {name} cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers.insert(header::ACCEPT_ENCODING, IDENTITY);
    if let Some(secret) = secret {
        let (name, text) = match settings.vendor.auth {
            Auth::Bearer => (header::AUTHORIZATION, format!("Bearer {}", secret.expose())),
            Auth::Header(name) => (HeaderName::from_static(name), secret.expose().to_owned()),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| "the secret holds characters that cannot be sent".to_owned())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// The headers of one call.
pub(crate) fn of_call(
    template: &HeaderMap,
    auth: Auth,
    callers: &[Header],
    trace: &TraceContext,
    body: Expect,
) -> HeaderMap {
    let mut headers = template.clone();
    let is_auth = |name: &HeaderName| matches!(auth, Auth::Header(own) if name == own);
    for (name, value) in callers {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value))
        else {
            continue;
        };
        if !OURS.contains(&name) && !NOT_THE_CALLERS.contains(&name) && !is_auth(&name) {
            headers.insert(name, value);
        }
    }
    headers.insert(header::ACCEPT, if body == Expect::Events { EVENTS } else { JSON });
    if body != Expect::List {
        headers.insert(header::CONTENT_TYPE, JSON);
    }
    if let Some(parent) = &trace.parent
        && let Ok(value) = HeaderValue::try_from(parent.to_string())
    {
        headers.insert(HeaderName::from_static("traceparent"), value);
        if let Some(Ok(state)) = trace.state.as_deref().map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static("tracestate"), state);
        }
    }
    headers
}

/// What a call expects back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A document.
    Json,
    /// A stream.
    Events,
    /// A document, and it sends nothing.
    List,
}

/// The provider's headers that a client may see.
pub(crate) fn passed_on(headers: &HeaderMap) -> Vec<Header> {
    let mut passed = Vec::new();
    for (name, value) in headers {
        let name = name.as_str();
        let is_limit = name.starts_with("x-ratelimit-") || name.starts_with("ratelimit");
        let new_name = match name {
            "x-request-id" => "x-upstream-request-id",
            _ if is_limit || name.starts_with("openai-") => name,
            _ => continue,
        };
        if let Ok(value) = value.to_str() {
            passed.push((new_name.to_owned(), value.to_owned()));
        }
    }
    passed
}

/// The value of `name` as text; empty if there is none.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

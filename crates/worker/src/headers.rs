//! Headers of calls and of answers: what is sent, what is let through, what never is.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use weir_dialect::ir::Losses;
use weir_framing::Framing;
use weir_provider::Betas;
use weir_rpc::Header;
use weir_types::headers::{BETAS, LOSSES, answered_as, is_same_header, operator_may_set, sent_as};
use weir_types::{Content, TraceContext};

use crate::betas::Filter;
use crate::clients::Clients;
use crate::endpoint::Endpoint;
use crate::settings::Settings;

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("weir/", env!("CARGO_PKG_VERSION")));
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What every call sends, and what a caller may add to it.
#[derive(Debug)]
pub(crate) struct Template {
    headers: HeaderMap,
    /// What the operator adds; it stays as it is, whoever else would set it.
    operators: HeaderMap,
    /// What clients may choose.
    pub(crate) clients: Clients,
}

impl Default for Template {
    fn default() -> Self {
        let clients = Clients::new(Filter::new(Betas::All, &[]), &[], &[]);
        Self { headers: plain(), operators: HeaderMap::new(), clients }
    }
}

/// What the settings say of every call.
pub(crate) fn template(settings: &Settings) -> Result<Template, String> {
    let mut operators = HeaderMap::with_capacity(settings.extra_headers.len());
    for (name, value) in &settings.extra_headers {
        let name: HeaderName =
            name.parse().map_err(|_| format!("extra_headers: {name:?} is not a header name"))?;
        if !operator_may_set(name.as_str()) {
            return Err(format!("extra_headers: {name} cannot be set"));
        }
        let mut value = HeaderValue::from_bytes(value.expose().as_bytes())
            .map_err(|_| format!("extra_headers: the value of {name} cannot be sent"))?;
        value.set_sensitive(true);
        operators.insert(name, value);
    }
    let betas = Filter::new(settings.vendor.betas, &settings.beta_overrides);
    let wishes = settings.vendor.client_headers;
    let clients = Clients::new(betas, wishes, &settings.header_allowlist);
    Ok(Template { operators, clients, ..Template::default() })
}

/// What every call sends, and all that one sends to a host that is not the provider's own. There is
/// room for the rest.
pub(crate) fn plain() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(header::USER_AGENT, USER_AGENT);
    headers.insert(header::ACCEPT_ENCODING, IDENTITY);
    headers
}

/// The headers of one call, but for its credential. `features` are those in trial that the provider
/// is told of in a header, in one line.
pub(crate) fn of_call(
    template: &Template,
    endpoint: &Endpoint,
    callers: &[Header],
    trace: &TraceContext,
    body: &Expect<'_>,
    features: &str,
) -> HeaderMap {
    let mut headers = template.headers.clone();
    for (name, value) in &endpoint.headers {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    let credential = endpoint.authorizer.as_ref().and_then(|authorizer| authorizer.header());
    // One list, of which the operator's part is sent in any case.
    let operators = template.operators.get(BETAS).and_then(|value| value.to_str().ok());
    let list = match operators {
        Some(operators) if !features.is_empty() => Cow::Owned(format!("{operators},{features}")),
        _ => Cow::Borrowed(features),
    };
    if !list.is_empty()
        && let Ok(value) = HeaderValue::from_str(&list)
    {
        headers.insert(HeaderName::from_static(BETAS), value);
    }
    for (name, value) in callers {
        let name = sent_as(name);
        let takes = name != BETAS && template.clients.may_send(name, endpoint.route.dialect);
        let is_credential = credential.is_some_and(|own| is_same_header(own.as_str(), name));
        if takes
            && !is_credential
            && let Ok(name) = name.parse::<HeaderName>()
            && let Ok(value) = HeaderValue::from_str(value)
        {
            headers.insert(name, value);
        }
    }
    for (name, value) in &endpoint.own_headers {
        headers.insert(name, value.clone());
    }
    headers.insert(header::ACCEPT, accept(body));
    match body.content_type {
        Some("") => {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        Some(given) => {
            if let Ok(value) = HeaderValue::from_str(given) {
                headers.insert(header::CONTENT_TYPE, value);
            }
        }
        None => {}
    }
    if let Some(parent) = &trace.parent
        && let Ok(value) = HeaderValue::try_from(parent.to_string())
    {
        headers.insert(HeaderName::from_static("traceparent"), value);
        if let Some(Ok(state)) = trace.state.as_deref().map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static("tracestate"), state);
        }
    }
    for (name, value) in &template.operators {
        if name.as_str() == BETAS && headers.contains_key(BETAS) {
            continue;
        }
        // Whoever takes `_` for `-` must not find another's value first.
        let is_other =
            |other: &&HeaderName| *other != name && is_same_header(other.as_str(), name.as_str());
        while let Some(other) = headers.keys().find(is_other).cloned() {
            headers.remove(other);
        }
        headers.insert(name, value.clone());
    }
    headers
}

fn accept(body: &Expect<'_>) -> HeaderValue {
    match (body.stream, body.answer) {
        (Some(framing), _) => HeaderValue::from_static(framing.media_type()),
        (None, Content::Bytes) => HeaderValue::from_static("*/*"),
        (None, _) => JSON,
    }
}

/// What a call sends and expects back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expect<'a> {
    /// How the stream is framed that is to come; `None`: none is to come.
    pub(crate) stream: Option<Framing>,
    /// What comes if it is no stream.
    pub(crate) answer: Content,
    /// The body's type, empty for JSON; `None`: nothing is sent.
    pub(crate) content_type: Option<&'a str>,
}

/// The provider's headers that a client may see, and what a translation lost.
pub(crate) fn passed_on(headers: &HeaderMap, losses: &Losses) -> Vec<Header> {
    let mut passed = Vec::new();
    for (name, value) in headers {
        if let Some(name) = answered_as(name.as_str())
            && name != LOSSES
            && let Ok(value) = value.to_str()
        {
            passed.push((name.to_owned(), value.to_owned()));
        }
    }
    if !losses.is_empty() {
        let names: Vec<_> = losses.iter().map(|loss| &*loss.member).collect();
        passed.push((LOSSES.to_owned(), names.join(", ")));
    }
    passed
}

/// The value of `name` as text; empty if there is none.
pub(crate) fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

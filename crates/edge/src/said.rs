//! What the first line and the headers of a request say of its target and its answer, beside the options
//! ([`crate::options`]).

use http::request::Parts;
use weir_types::Framing;

use crate::names;
use crate::route::Route;

/// Which provider a request without a model is for: it stands in the query or in a header.
pub(crate) fn provider(route: &Route, parts: &Parts) -> Option<String> {
    let header = parts.headers.get(&names::LIST_PROVIDER).and_then(|value| value.to_str().ok());
    let asked = header.map(str::to_owned).or_else(|| query(parts, "provider"));
    match asked.as_deref().map(str::trim) {
        Some("all") => None,
        Some(provider) if !provider.is_empty() => Some(provider.to_owned()),
        // A drop-in prefix lists its own provider, as that provider's API would.
        _ => route.preferred.map(str::to_owned),
    }
}

/// How a stream is to be framed, where the query says so.
pub(crate) fn framing(route: &Route, parts: &Parts) -> Framing {
    match route.framing_by_query {
        Some((name, value, framing)) if query(parts, name).as_deref() == Some(value) => framing,
        _ => route.framing,
    }
}

/// The first value of a query parameter.
fn query(parts: &Parts, name: &str) -> Option<String> {
    let query = parts.uri.query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

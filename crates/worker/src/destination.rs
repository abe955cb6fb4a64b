//! Where a request goes: which of a key's endpoints serves it, at which address, under which name.
//! Knows no body and no connection.

use http::Uri;
use weir_provider::{Fit, Wanted};
use weir_rpc::WorkerRequest;
use weir_types::{FailureClass, Fault, FaultCode};

use crate::endpoint::Endpoint;
use crate::shared::Key;
use crate::{Shared, fault};

/// Where a request goes.
pub(crate) struct Destination<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// What the addresses of its endpoints begin with.
    pub(crate) base: &'a str,
    pub(crate) fit: Fit,
    pub(crate) uri: Uri,
    /// As the provider writes it.
    pub(crate) model: String,
    /// As rules of models know it.
    pub(crate) known_as: Option<&'a str>,
}

/// Index of the key that the router chose.
pub(crate) fn find_key(shared: &Shared, request: &WorkerRequest) -> Result<usize, Fault> {
    fault::check_provider(shared, request)?;
    let at = shared.keys.iter().position(|key| key.name == request.key);
    at.ok_or_else(|| fault::no_key(shared, &request.key))
}

/// The endpoint, and what the model is called there.
pub(crate) fn of<'a>(
    shared: &Shared,
    key: &'a Key,
    request: &'a WorkerRequest,
) -> Result<Destination<'a>, Fault> {
    let stream = request.is_streamed();
    let resolved = key.resolve(&request.model);
    let endpoints = resolved.endpoints;
    let found = endpoints.find(&Wanted {
        operation: request.operation,
        stream,
        dialect: request.dialect,
        form: request.form,
        model: resolved.name,
        family: endpoints.family(resolved.name, resolved.settings.family),
        choices: resolved.settings.choices,
    });
    let (endpoint, fit) =
        found.ok_or_else(|| fault::unsupported(shared, request.operation, stream))?;
    let model = match resolved.wire_name {
        Some(name) => name.to_owned(),
        None => shared.vendor.wire_model(resolved.name).into_owned(),
    };
    let resource = request.resource.as_deref().unwrap_or_default();
    let refused = |why| Fault::new(FaultCode::InvalidRequest, why).with_class(FailureClass::Caller);
    let uri = endpoint.uri(request.operation, stream, &model, resource).map_err(refused)?;
    let uri = with_query(uri, &request.query).map_err(refused)?;
    let model = endpoint.route.named(model, |name| resolved.variable(name));
    let known_as = resolved.settings.known_as.as_deref();
    let base = endpoints.base();
    Ok(Destination { endpoint, base, fit, uri, model, known_as })
}

/// `uri`, and `query` behind what it asks already.
fn with_query(uri: Uri, query: &str) -> Result<Uri, String> {
    if query.is_empty() {
        return Ok(uri);
    }
    let gap = if uri.query().is_some() { '&' } else { '?' };
    format!("{uri}{gap}{query}").parse().map_err(|_| "the query is not valid".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_stands_behind_the_one_of_the_address() {
        let with = |uri: &'static str, query| {
            with_query(Uri::from_static(uri), query).map(|uri| uri.to_string())
        };
        assert_eq!(with("http://h/v1/files", "a=b"), Ok("http://h/v1/files?a=b".to_owned()));
        assert_eq!(with("http://h/f?x=1", "a=b&c=d"), Ok("http://h/f?x=1&a=b&c=d".to_owned()));
        assert_eq!(with("http://h/f?x=1", ""), Ok("http://h/f?x=1".to_owned()));
        assert!(with("http://h/f", "a b").is_err());
    }
}

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
    let uri = endpoint.uri(request.operation, stream, &model, resource).map_err(|why| {
        Fault::new(FaultCode::InvalidRequest, why).with_class(FailureClass::Caller)
    })?;
    let known_as = resolved.settings.known_as.as_deref();
    let base = endpoints.base();
    Ok(Destination { endpoint, base, fit, uri, model, known_as })
}

//! A request on its way through several calls: which key, which addresses.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::time::Instant;
use url::form_urlencoded;
use weir_dialect::buckets::name::Unique;
use weir_dialect::format;
use weir_dialect::ir::Losses;
use weir_provider::encoded;
use weir_rpc::WorkerRequest;
use weir_telemetry::Span;
use weir_types::{CallContext, Content, FailureClass, Fault, FaultCode, Form, Operation};
use weir_upstream::Client;

use super::wire::Wire;
use crate::attempt::start_span;
use crate::call::{Call, Limit};
use crate::clock::since_epoch;
use crate::destination::{self, Destination};
use crate::endpoint::Endpoint;
use crate::headers::{self, Expect};
use crate::shared::Key;
use crate::stream::Framings;
use crate::way::Way;
use crate::{Shared, fault};

/// A request, and with what it is served.
pub(super) struct Visit<'a> {
    pub(super) wire: Arc<Wire>,
    pub(super) request: &'a WorkerRequest,
    pub(super) key: &'a Key,
    /// Where the service is.
    pub(super) base: String,
    /// The provider's own hosts are called.
    pub(super) is_vendors: bool,
    /// The client speaks the provider's own words.
    pub(super) is_native: bool,
}

impl<'a> Visit<'a> {
    /// For `request`, with what is told of it.
    ///
    /// # Errors
    /// The key cannot be used for it.
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        client: &Client,
        context: &CallContext,
        request: &'a WorkerRequest,
    ) -> Result<(Self, Call), Fault> {
        let started = Instant::now();
        let at = destination::find_key(shared, request)?;
        let key = shared.keys.get(at).ok_or_else(|| fault::no_key(shared, &request.key))?;
        let Destination { endpoint, base: own, uri, .. } = destination::of(shared, key, request)?;
        let is_vendors = own == shared.vendor.base_url;
        // What a query asks for is not asked so here.
        let base = uri.to_string().split('?').next().unwrap_or_default().to_owned();
        let span = start_span(shared, context, request, "", &uri);
        let limit = Limit::new(shared, context, false, None, started);
        let wire = Wire {
            shared: Arc::clone(shared),
            client: client.clone(),
            key: at,
            authorizer: endpoint.authorizer.clone(),
            headers: headers_of(shared, endpoint, &span),
            way: way(shared, request),
            limit,
            tells_code: request.form == Form::Objects,
        };
        let call = Call {
            _room: None,
            shared: Arc::clone(shared),
            key: at,
            operation: request.operation,
            way: way(shared, request),
            framings: Framings {
                provider: endpoint.route.framing,
                client: request.framing,
                event_bytes_max: shared.event_bytes_max,
            },
            losses: Losses::default(),
            model: String::new(),
            limit,
            stream_idle: shared.timeouts.stream_idle,
            may_stream: false,
            document: None,
            has_clients_headers: false,
            upload: None,
            span,
            started,
            sent: started,
            refused: Duration::ZERO,
        };
        let own = shared.vendor.routes.first().map(|route| route.dialect);
        let is_native = own == Some(request.dialect);
        let visit = Self { wire: Arc::new(wire), request, key, base, is_vendors, is_native };
        Ok((visit, call))
    }

    /// The address that `operation` of what is called `id` has.
    pub(super) fn uri(
        &self,
        operation: Operation,
        id: &str,
        query: &[(&str, &str)],
    ) -> Result<Uri, Fault> {
        self.uri_of("", operation, id, query)
    }

    /// The same, of a model.
    pub(super) fn uri_of(
        &self,
        model: &str,
        operation: Operation,
        id: &str,
        query: &[(&str, &str)],
    ) -> Result<Uri, Fault> {
        let endpoint = self.key.endpoints.of(operation, self.key.model.choices);
        let unserved = || fault::unsupported(&self.wire.shared, operation, false);
        let uri = endpoint.ok_or_else(unserved)?.uri(operation, false, model, id);
        let uri = uri.map_err(|why| Fault::new(FaultCode::Internal, why))?;
        with_query(&uri.to_string(), query)
    }

    /// The address that an upload goes on at, which began at `uri`, as the answer's `header` says it. That
    /// is looked at for what names the upload alone: a credential is shown nowhere else than where the
    /// operator says.
    pub(super) fn session(
        &self,
        uri: &Uri,
        headers: &http::HeaderMap,
        header: &'static str,
    ) -> Result<Uri, Fault> {
        let told = headers::text(headers, http::HeaderName::from_static(header));
        let query = told.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let text = uri.to_string();
        let at = text.split('?').next().unwrap_or_default();
        let place = format!("{at}?{query}").parse::<Uri>();
        let broken = || self.wire.broken(&"it does not say where the file goes");
        place.ok().filter(|_| !query.is_empty()).ok_or_else(broken)
    }

    /// What makes names unlike all others.
    pub(super) fn unique() -> Unique {
        let now = u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX);
        Unique { now_ms: now, draw: fastrand::u64(..) }
    }

    /// The pairs of the request's query.
    pub(super) fn query(&self) -> form_urlencoded::Parse<'_> {
        form_urlencoded::parse(self.request.query.as_bytes())
    }
}

/// No id of such a thing.
pub(super) fn not_there(what: &str, id: &str) -> Fault {
    let shown: String = id.chars().take(64).collect();
    let text = format!("`{shown}` is no id of a {what} of this provider");
    Fault::new(FaultCode::NotFound, text).with_class(FailureClass::Caller)
}

/// Errors are in the words of the provider's first interface.
fn way(shared: &Shared, request: &WorkerRequest) -> Way {
    let errors = shared.vendor.routes.first().map(|route| format(route.dialect));
    Way::Same { format: format(request.dialect), errors, choices: 1 }
}

fn headers_of(shared: &Shared, endpoint: &Endpoint, span: &Span) -> http::HeaderMap {
    let expect = Expect { stream: None, answer: Content::Bytes, content_type: None };
    headers::of_call(&shared.headers, endpoint, &[], span.context(), &expect, "")
}

fn uri_of(text: &str) -> Result<Uri, Fault> {
    text.parse().map_err(|_| Fault::new(FaultCode::Internal, "an address is not a valid URL"))
}

pub(super) fn with_query(uri: &str, query: &[(&str, &str)]) -> Result<Uri, Fault> {
    let pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    match pairs.is_empty() {
        true => uri_of(uri),
        false => uri_of(&format!("{uri}?{}", pairs.join("&"))),
    }
}

/// A model as the key knows it: without the name of the provider.
pub(super) fn known_as<'m>(visit: &Visit<'_>, model: &'m str) -> &'m str {
    let own = visit.wire.shared.provider.as_str();
    let rest = model.strip_prefix(own).and_then(|rest| rest.strip_prefix('/'));
    rest.unwrap_or(model)
}

//! A request on its way through several calls: which key, which buckets, which addresses.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::time::Instant;
use url::form_urlencoded;
use weir_dialect::buckets::name::Unique;
use weir_dialect::buckets::{Bucket, Place, for_new, of_place};
use weir_dialect::format;
use weir_dialect::ir::Losses;
use weir_provider::{encoded, encoded_path};
use weir_rpc::WorkerRequest;
use weir_telemetry::Span;
use weir_types::{CallContext, Content, FailureClass, Fault, FaultCode, Form, Operation};
use weir_upstream::Client;

use super::wire::Wire;
use crate::attempt::start_span;
use crate::call::{Call, Counted, Limit};
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
    base: String,
    /// The provider's own hosts are called.
    is_vendors: bool,
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
            _counted: Counted(Arc::clone(shared)),
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
        visit.check_storage()?;
        Ok((visit, call))
    }

    /// The buckets are there, and the credential opens them.
    fn check_storage(&self) -> Result<(), Fault> {
        if self.key.shows_value {
            return Err(self.refused(
                "an API key opens no bucket: files and batches need access_key and secret_key, or the \
                 process's own AWS identity, in place of its value",
            ));
        }
        match self.buckets().is_empty() {
            true => self.bucket_for_new().map(|_| ()),
            false => Ok(()),
        }
    }

    fn refused(&self, why: &str) -> Fault {
        let text = format!("{}: key {}: {why}", self.wire.shared.provider, self.key.name);
        Fault::new(FaultCode::UnsupportedOperation, text).with_class(FailureClass::Elsewhere)
    }

    pub(super) fn buckets(&self) -> &'a [Bucket] {
        &self.key.storage.buckets
    }

    /// The bucket that new files go to.
    pub(super) fn bucket_for_new(&self) -> Result<&'a Bucket, Fault> {
        for_new(self.buckets()).map_err(|why| self.refused(&why))
    }

    /// What the request is for, and its bucket.
    pub(super) fn file(&self) -> Result<(Place, &'a Bucket), Fault> {
        let id = self.request.resource.as_deref().unwrap_or_default();
        let place = Place::of_id(id).ok_or_else(|| not_there("file", id))?;
        let bucket = self.bucket_of(&place)?;
        Ok((place, bucket))
    }

    /// The bucket that `place` is in.
    pub(super) fn bucket_of(&self, place: &Place) -> Result<&'a Bucket, Fault> {
        of_place(self.buckets(), place).ok_or_else(|| {
            let text = format!(
                "{}: {} is in none of the buckets that key {} names in batch_s3_config, or not behind \
                 their prefixes",
                self.wire.shared.provider,
                place.uri(),
                self.key.name
            );
            Fault::new(FaultCode::NotFound, text).with_class(FailureClass::Caller)
        })
    }

    /// The address of a job.
    pub(super) fn job_uri(
        &self,
        operation: Operation,
        job: &str,
        query: &[(&str, &str)],
    ) -> Result<Uri, Fault> {
        let endpoint = self.key.endpoints.of(operation, self.key.model.choices);
        let unserved = || fault::unsupported(&self.wire.shared, operation, false);
        let uri = endpoint.ok_or_else(unserved)?.uri(operation, false, "", job);
        let uri = uri.map_err(|why| Fault::new(FaultCode::Internal, why))?;
        with_query(&uri.to_string(), query)
    }

    /// The address of the object `key` in `bucket`, or with an empty one of the bucket.
    pub(super) fn object_uri(
        &self,
        bucket: &str,
        key: &str,
        query: &[(&str, &str)],
    ) -> Result<Uri, Fault> {
        with_query(&object_address(&self.base, self.is_vendors, bucket, key), query)
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

/// Where the object `key` is, of a service at `base`: by a host of the bucket's own at the vendor's, else
/// by path.
fn object_address(base: &str, is_vendors: bool, bucket: &str, key: &str) -> String {
    let (base, key) = (base.trim_end_matches('/'), encoded_path(key));
    match base.split_once("://") {
        // A certificate for all buckets is none for names with dots.
        Some((scheme, host)) if is_vendors && !bucket.contains('.') => {
            format!("{scheme}://{bucket}.{host}/{key}")
        }
        _ => format!("{base}/{bucket}/{key}"),
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

fn with_query(uri: &str, query: &[(&str, &str)]) -> Result<Uri, Fault> {
    let pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    match pairs.is_empty() {
        true => uri_of(uri),
        false => uri_of(&format!("{uri}?{}", pairs.join("&"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_host_of_its_own_but_for_names_with_dots_and_other_services() {
        let vendors = "https://s3.eu-west-1.amazonaws.com/";
        for (base, is_vendors, bucket, key, expected) in [
            (
                vendors,
                true,
                "b-1",
                "a/b c+.x",
                "https://b-1.s3.eu-west-1.amazonaws.com/a/b%20c%2B.x",
            ),
            (vendors, true, "b.1", "a", "https://s3.eu-west-1.amazonaws.com/b.1/a"),
            (vendors, true, "b-1", "", "https://b-1.s3.eu-west-1.amazonaws.com/"),
            ("http://store:9000/x/", false, "b-1", "a", "http://store:9000/x/b-1/a"),
        ] {
            let address = object_address(base, is_vendors, bucket, key);
            assert_eq!(address, expected);
            assert!(with_query(&address, &[("a b", "c&d")]).is_err());
            let uri = with_query(&address, &[("prefix", "c&d/ä"), ("uploads", "")]).unwrap();
            assert_eq!(uri.query(), Some("prefix=c%26d%2F%C3%A4&uploads="));
        }
    }
}

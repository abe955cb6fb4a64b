//! One call to a service of the provider: signed, sent, and its refusals read. Owns all that it needs,
//! so that what was begun can be taken back when nobody waits any more.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http::{Method, Request, Response, StatusCode, Uri};
use tokio::time::Instant;
use weir_dialect::batches::Step;
use weir_dialect::buckets::objects;
use weir_provider::Asked;
use weir_types::{FailureClass, Fault};
use weir_upstream::{AsItComes, Authorizer, Body, Client, Outgoing, Pieces};

use crate::call::{ErrorContext, Limit};
use crate::rejection::{collect, rejected};
use crate::sender::Sender;
use crate::upload::Upload;
use crate::way::Way;
use crate::{Shared, fault, whole};

/// How Google says that an upload was given up.
/// <https://docs.cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload>
const GONE: u16 = 499;
/// Of an error no more is read.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// How one key's service is called.
pub(super) struct Wire {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Client,
    /// Index into `shared.keys`.
    pub(super) key: usize,
    pub(super) authorizer: Option<Arc<dyn Authorizer>>,
    pub(super) headers: HeaderMap,
    /// For errors.
    pub(super) way: Way,
    /// Of the attempt; each call has the attempt's own time anew.
    pub(super) limit: Limit,
    /// The client reads the service's own words for what went wrong.
    pub(super) tells_code: bool,
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    /// What comes is not decoded: it is a file as it was put.
    pub(super) as_it_comes: bool,
    /// It brings a part, and the service may say so (308) that it wants more.
    pub(super) goes_on: bool,
    /// It takes back what was begun, and the service may say so (499) that it is gone.
    pub(super) takes_back: bool,
}

impl Ask {
    pub(super) fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: Vec::new(),
            body: Bytes::new(),
            as_it_comes: false,
            goes_on: false,
            takes_back: false,
        }
    }

    /// With these headers and this body.
    pub(super) fn step(mut self, step: Step) -> Self {
        let named = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?))
        };
        self.headers.extend(step.headers.into_iter().filter_map(named));
        self.body = step.body;
        self
    }

    pub(super) fn with(mut self, body: Bytes, content_type: &'static str) -> Self {
        self.body = body;
        self.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self
    }
}

impl Wire {
    pub(super) fn limit(&self) -> Limit {
        self.limit.again(Instant::now())
    }

    /// Calls; an answer whose status is no success is a fault.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Response<Body>, Fault> {
        let limit = self.limit();
        self.ask_within(ask, limit).await
    }

    pub(super) async fn ask_within(&self, ask: Ask, limit: Limit) -> Result<Response<Body>, Fault> {
        let sender = Sender { authorizer: self.authorizer.as_deref(), client: &self.client };
        let send = || sender.send(&self.shared, self.request(&ask), limit);
        let sent = match send().await {
            // Nobody has done anything about it.
            Err(failed) if failed.is_stale => send().await,
            sent => sent,
        };
        let sent = sent.map_err(|failed| failed.fault)?;
        let status = sent.status();
        let goes_on = ask.goes_on && status == StatusCode::PERMANENT_REDIRECT;
        if goes_on || (ask.takes_back && status.as_u16() == GONE) {
            return Ok(sent);
        }
        self.accepted((&ask.method, &ask.uri), sent, limit).await
    }

    /// `answer`, if its status is a success.
    async fn accepted(
        &self,
        asked: (&Method, &Uri),
        answer: Response<Body>,
        limit: Limit,
    ) -> Result<Response<Body>, Fault> {
        let (head, body) = answer.into_parts();
        if head.status.is_success() {
            return Ok(Response::from_parts(head, body));
        }
        let bounds = (ERROR_BYTES_MAX, &self.shared.memory);
        let said = collect(Bytes::new(), body, bounds, limit.at).await.bytes;
        Err(self.refused(asked, head, said, limit).await)
    }

    /// Calls and reads all of the answer.
    pub(super) async fn read(&self, ask: Ask) -> Result<(Parts, Bytes), Fault> {
        let limit = self.limit();
        let asked = (ask.method.clone(), ask.uri.clone());
        let answer = self.ask_within(ask, limit).await?;
        self.all_of(answer, (&asked.0, &asked.1), limit).await
    }

    /// Calls with a body that is still arriving, `length` bytes long if that is known, and reads all of the
    /// answer. It is sent once.
    pub(super) async fn put(
        &self,
        ask: Ask,
        pieces: Pieces,
        length: Option<u64>,
    ) -> Result<(Parts, Bytes), Fault> {
        let (upload, pieces) = Upload::watch(pieces);
        let mut request = self.request(&ask);
        *request.body_mut() = Outgoing::stream(pieces, length);
        let sender = Sender { authorizer: self.authorizer.as_deref(), client: &self.client };
        let limit = self.limit();
        sender.authorize(&self.shared, &mut request, limit.at).await?;
        let sent = upload.send(&self.client, request, limit.own, limit.deadline).await;
        // The rest of the answer has a time of its own.
        let limit = limit.again(Instant::now());
        let answer = sent.map_err(|error| fault::of_call(&self.shared, &error, limit))?;
        let asked = (&ask.method, &ask.uri);
        let answer = self.accepted(asked, answer, limit).await?;
        self.all_of(answer, asked, limit).await
    }

    async fn all_of(
        &self,
        answer: Response<Body>,
        asked: (&Method, &Uri),
        limit: Limit,
    ) -> Result<(Parts, Bytes), Fault> {
        let (head, body) = answer.into_parts();
        let (body, _) = whole::read(&self.shared, limit, Bytes::new(), body).await?;
        // Some errors are found out when the status has been sent.
        if objects::refusal(&body).is_some() {
            let mut head = head;
            head.status = StatusCode::INTERNAL_SERVER_ERROR;
            return Err(self.refused(asked, head, body, limit).await);
        }
        Ok((head, body))
    }

    fn request(&self, ask: &Ask) -> Request<Outgoing> {
        let body = match ask.body.is_empty() {
            true => Outgoing::parts(Vec::new()),
            false => Outgoing::from(ask.body.clone()),
        };
        let mut request = Request::new(body);
        request.method_mut().clone_from(&ask.method);
        request.uri_mut().clone_from(&ask.uri);
        *request.headers_mut() = self.headers.clone();
        for (name, value) in &ask.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if ask.as_it_comes {
            request.extensions_mut().insert(AsItComes);
        }
        request
    }

    /// What an error answer means. One in XML is read as if it were in the provider's other words.
    async fn refused(
        &self,
        asked: (&Method, &Uri),
        mut head: Parts,
        said: Bytes,
        limit: Limit,
    ) -> Fault {
        if let Some(region) = head.headers.get("x-amz-bucket-region")
            && (head.status.is_redirection() || head.status == StatusCode::BAD_REQUEST)
        {
            let region = region.to_str().unwrap_or_default();
            let why = format!("the bucket is in the region {region}, and the key says another one");
            return fault::broken(&self.shared, &why, FailureClass::Elsewhere);
        }
        let told = match (objects::refusal(&said), said.is_empty(), head.status) {
            (Some(told), ..) => Some(told),
            // An answer to `HEAD` has no words.
            (None, true, StatusCode::NOT_FOUND) => Some(objects::Refusal {
                code: "NoSuchKey".to_owned(),
                message: "there is no such file".to_owned(),
            }),
            _ => None,
        };
        let mut said = said;
        let mut code = None;
        if let Some(told) = told {
            code = Some(told.code.clone()).filter(|_| self.tells_code);
            said = told.document().into();
            head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let kind = self.way.errors().error_kind_header();
            if let (Some(name), Ok(value)) = (kind, HeaderValue::from_str(&told.code)) {
                head.headers.insert(HeaderName::from_static(name), value);
            }
        }
        let body = Body::made(Box::pin(futures_util::stream::iter([Ok(said)])));
        let context = ErrorContext {
            shared: &self.shared,
            key: self.shared.keys.get(self.key),
            model: "",
            limit,
            way: &self.way,
            asked: Asked::with(b""),
            has_clients_headers: false,
        };
        let mut fault = rejected(context, asked, &head, body).await;
        if let Some(code) = code {
            fault.detail.code = Some(code.into());
        }
        fault
    }

    /// What came is not what was to come.
    pub(super) fn broken(&self, why: &impl ToString) -> Fault {
        fault::broken(&self.shared, &why.to_string(), FailureClass::Unusable)
    }
}

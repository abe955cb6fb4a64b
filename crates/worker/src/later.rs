//! Answers that are not there at once: what comes first says where to look, and all of the looking
//! happens within the limits of the one attempt.
//!
//! Whatever ends an attempt before its answer is complete (its limits, a client that leaves) takes the
//! order back, so that nobody pays for what nobody reads. That holds from the moment in which the order
//! is on its way: it is sent by a task of its own, which learns what to take back. Knows no format.

mod place;
mod tail;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};
use weir_dialect::{AnswerFault, Format, Next, Receipt};
use weir_framing::{Framing, Writer};
use weir_provider::Later;
use weir_types::{FailureClass, Fault};
use weir_upstream::{Authorizer, Body, Client, Error, Outgoing};

use crate::call::{Call, Limit};
use crate::endpoint::Endpoint;
use crate::fault::Failed;
use crate::sender::Sender;
use crate::{Shared, fault, rejection, whole};
use place::{Origin, Place};

/// An order that nobody waits for any more is still heard of for so long.
const GRACE: Duration = Duration::from_secs(10);
/// Looks that fail one after the other; the work itself goes on meanwhile.
const FAILURES_MAX: u32 = 3;
/// RFC 7240: asks a server to hold its answer back until it is complete.
const PREFER: HeaderName = HeaderName::from_static("prefer");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where one answer is ordered and fetched.
pub(crate) struct Desk {
    later: &'static Later,
    shared: Arc<Shared>,
    client: Client,
    /// Shown to the provider's own hosts only.
    authorizer: Option<Arc<dyn Authorizer>>,
    /// What every call to the provider sends, but for the credential.
    headers: HeaderMap,
    origin: Origin,
    format: &'static dyn Format,
    framing: Framing,
}

/// An order as it stands, with what was last heard of it.
struct Order {
    head: Parts,
    body: Bytes,
    receipt: Receipt,
    guard: Guard,
}

/// What came of sending an order.
enum Ordered {
    Taken(Box<Order>),
    /// An answer whose status is no success.
    Refused(Response<Body>),
}

impl Desk {
    /// For `request`, a call to `endpoint`, whose address begins with `base`.
    pub(crate) fn new(
        later: &'static Later,
        call: &Call,
        client: &Client,
        endpoint: &Endpoint,
        base: &str,
        request: &Request<Outgoing>,
    ) -> Arc<Self> {
        let mut headers = request.headers().clone();
        for name in [CONTENT_TYPE, CONTENT_LENGTH, PREFER] {
            headers.remove(name);
        }
        headers.insert(ACCEPT, JSON);
        Arc::new(Self {
            later,
            shared: Arc::clone(&call.shared),
            client: client.clone(),
            authorizer: endpoint.authorizer.clone(),
            headers,
            origin: Origin::new(request.uri(), base, call.shared.vendor.base_url, later.hosts),
            format: call.way.provider(),
            framing: call.framings.provider,
        })
    }

    /// Sends `request` and fetches what it orders: the whole answer, or its events.
    pub(crate) async fn answer(
        self: Arc<Self>,
        call: &Call,
        mut request: Request<Outgoing>,
        stream: bool,
    ) -> Result<Response<Body>, Failed> {
        request.headers_mut().insert(ACCEPT, JSON);
        self.prefer(request.headers_mut(), call.limit, stream);
        let mut order = match self.order(request, call.limit, stream).await? {
            Ordered::Taken(order) => *order,
            Ordered::Refused(response) => return Ok(response),
        };
        let (mut looks, mut failures) = (0, 0);
        loop {
            let url = match &order.receipt.next {
                Next::Here => return Ok(self.served(order, stream)?),
                Next::Events(url) => {
                    let url = url.clone();
                    return Ok(self.events(order, &url, call.limit).await?);
                }
                Next::Later(url) => url.clone(),
            };
            self.pause(looks, call.limit).await?;
            looks += 1;
            match self.look(call, &url).await {
                Ok((head, body)) => {
                    failures = 0;
                    order.receipt = self.read(&body, stream)?;
                    (order.head, order.body) = (head, body);
                }
                Err(fault) if failures + 1 < FAILURES_MAX && may_pass(&fault) => failures += 1,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// Asks for an answer that is complete, unless the operator has a wish. Not for long: what comes
    /// first says how to take the order back, and there must be time to look for the rest.
    fn prefer(&self, headers: &mut HeaderMap, limit: Limit, stream: bool) {
        if stream {
            // The events are to be had while they come.
            headers.remove(PREFER);
            return;
        }
        let half = limit.at.saturating_duration_since(Instant::now()) / 2;
        let seconds = self.later.wait.min(half).as_secs();
        if let (Ok(value), true) = (HeaderValue::try_from(format!("wait={seconds}")), seconds > 0) {
            headers.entry(PREFER).or_insert(value);
        }
    }

    /// Sends the order. It is not given up when the attempt is: until it is answered nobody knows how
    /// to take it back.
    async fn order(
        self: &Arc<Self>,
        request: Request<Outgoing>,
        limit: Limit,
        stream: bool,
    ) -> Result<Ordered, Failed> {
        let (tell, told) = oneshot::channel();
        let desk = Arc::clone(self);
        tokio::spawn(async move {
            // An order that is not fetched is taken back by its guard.
            let _ = tell.send(desk.ordered(request, limit, stream).await);
        });
        match timeout_at(limit.at, told).await {
            Ok(Ok(ordered)) => ordered,
            Ok(Err(_)) => {
                Err(fault::broken(&self.shared, "no answer", FailureClass::Transient).into())
            }
            Err(_) => Err(fault::timed_out(&self.shared, "no answer in time", limit).into()),
        }
    }

    async fn ordered(
        self: &Arc<Self>,
        request: Request<Outgoing>,
        limit: Limit,
        stream: bool,
    ) -> Result<Ordered, Failed> {
        let limit = Limit { at: limit.at + GRACE, ..limit };
        let sent = self.sender(true).send(&self.shared, request, limit).await?;
        if !sent.status().is_success() {
            return Ok(Ordered::Refused(sent));
        }
        let (head, body) = sent.into_parts();
        // It counts again where it is served.
        let (body, _) = whole::read(&self.shared, limit, Bytes::new(), body).await?;
        let receipt = self.read(&body, stream)?;
        let guard = Guard { desk: Arc::clone(self), cancel: receipt.cancel.clone() };
        Ok(Ordered::Taken(Box::new(Order { head, body, receipt, guard })))
    }

    /// Waits before the next look.
    async fn pause(&self, looks: u32, limit: Limit) -> Result<(), Fault> {
        let next = Instant::now() + self.later.pause(looks);
        sleep_until(next.min(limit.at)).await;
        match next < limit.at {
            true => Ok(()),
            false => Err(fault::timed_out(&self.shared, "no answer in time", limit)),
        }
    }

    /// Looks whether the answer is there.
    async fn look(&self, call: &Call, url: &str) -> Result<(Parts, Bytes), Fault> {
        let place = self.place(url)?;
        let (head, body) = self.get(&place, JSON, call.limit).await?.into_parts();
        if !head.status.is_success() {
            let asked = (&Method::GET, &place.uri);
            return Err(rejection::rejected(call.error_context(), asked, &head, body).await);
        }
        let (body, _) = whole::read(&self.shared, call.limit, Bytes::new(), body).await?;
        Ok((head, body))
    }

    /// The whole answer, which is there; as events if these are wanted.
    fn served(&self, mut order: Order, stream: bool) -> Result<Response<Body>, Fault> {
        order.guard.cancel = None;
        let (mut body, mut media_type) = (order.body, JSON);
        if stream {
            body = self.event(&body).map_err(|fault| self.broken(&fault))?;
            media_type = HeaderValue::from_static(self.framing.media_type());
        }
        let mut head = order.head;
        head.status = StatusCode::OK;
        head.headers.insert(CONTENT_TYPE, media_type);
        let body = Body::made(Box::pin(stream::iter([Ok::<_, Error>(body)])));
        Ok(Response::from_parts(head, body))
    }

    /// The answer's events, with what its documents say before and after them.
    async fn events(
        self: Arc<Self>,
        order: Order,
        url: &str,
        limit: Limit,
    ) -> Result<Response<Body>, Fault> {
        let accept = HeaderValue::from_static(self.framing.media_type());
        let response = self.get(&self.place(url)?, accept, limit).await?;
        if !response.status().is_success() {
            return Ok(response);
        }
        let first = self.event(&order.body).map_err(|fault| self.broken(&fault))?;
        let Order { receipt, guard, .. } = order;
        Ok(response.map(|body| tail::body(&self, first, body, receipt.document, guard)))
    }

    async fn get(
        &self,
        place: &Place,
        accept: HeaderValue,
        limit: Limit,
    ) -> Result<Response<Body>, Fault> {
        let mut request = self.request(Method::GET, place);
        request.headers_mut().insert(ACCEPT, accept);
        let sent = self.sender(place.is_own).send(&self.shared, request, limit).await;
        sent.map_err(|failed| failed.fault)
    }

    /// What an answer names as the place of something, if it is one that may be asked.
    fn place(&self, url: &str) -> Result<Place, Fault> {
        self.origin
            .place(url)
            .map_err(|why| fault::broken(&self.shared, &why, FailureClass::Unusable))
    }

    /// A request without a body, and without a credential still.
    fn request(&self, method: Method, place: &Place) -> Request<Outgoing> {
        let mut request = Request::new(Outgoing::parts(Vec::new()));
        *request.method_mut() = method;
        request.uri_mut().clone_from(&place.uri);
        *request.headers_mut() = match place.is_own {
            true => self.headers.clone(),
            false => crate::headers::plain(),
        };
        request
    }

    fn sender(&self, is_own: bool) -> Sender<'_> {
        let authorizer = self.authorizer.as_deref().filter(|_| is_own);
        Sender { authorizer, client: &self.client }
    }

    fn read(&self, body: &[u8], stream: bool) -> Result<Receipt, Fault> {
        self.format.receipt(body, stream).map_err(|fault| self.broken(&fault))
    }

    /// A document about the answer as an event of its stream.
    fn event(&self, body: &[u8]) -> Result<Bytes, AnswerFault> {
        let mut writer = Writer::new(self.framing);
        self.format.write_document(body, &mut writer)?;
        Ok(writer.take())
    }

    fn broken(&self, fault: &AnswerFault) -> Fault {
        fault::broken(&self.shared, &fault.to_string(), FailureClass::Unusable)
    }

    async fn take_back(&self, url: &str) -> Result<StatusCode, Fault> {
        let place = self.place(url)?;
        let request = self.request(Method::POST, &place);
        let at = Instant::now() + GRACE;
        let limit = Limit { at, is_requests: false, is_clients: false, own: GRACE, deadline: at };
        let sent = self.sender(place.is_own).send(&self.shared, request, limit).await;
        sent.map(|response| response.status()).map_err(|failed| failed.fault)
    }
}

/// Whether the next look may find what this one did not.
fn may_pass(fault: &Fault) -> bool {
    matches!(fault.detail.class, Some(FailureClass::Transient | FailureClass::RateLimited))
}

/// Takes an order back when it is dropped, unless all of it has come.
struct Guard {
    desk: Arc<Desk>,
    cancel: Option<String>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let (Some(url), Ok(runtime)) = (self.cancel.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let desk = Arc::clone(&self.desk);
        runtime.spawn(async move {
            let provider = desk.shared.provider.as_str();
            match desk.take_back(&url).await {
                Ok(status) if status.is_success() => {}
                Ok(status) => {
                    let status = status.as_u16();
                    tracing::warn!(provider, status, "an answer that nobody waits for goes on");
                }
                Err(fault) => {
                    let why = fault.detail.message.as_ref();
                    tracing::warn!(provider, why, "an answer that nobody waits for goes on");
                }
            }
        });
    }
}

//! One request to another service, on a framed link or on a call of its own.
//!
//! Knows no hop: what it asks and how one call is made is given.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use futures_util::{FutureExt, StreamExt};
use http::Uri;
use tonic::{Request, Response, Status, Streaming};
use weir_types::{CallContext, Deadline, Fault, FaultCode};

use crate::channel::{Channel, Way};
use crate::exchange::{Answer, Held, Outgoing, Parts, Wanted};
use crate::framed::{self, Caller, Permit, Task};
use crate::link::Load;
use crate::wire::{self, Part, WireFrame};
use crate::{Body, Reply};

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Asking {
    channel: Channel,
    /// The method that is a framed link.
    target: Arc<Uri>,
}

/// A request that has left, and of which something has come back.
struct Begun<F> {
    parts: Parts<F>,
    want: Wanted,
    upload: Option<Task>,
}

impl Asking {
    /// Asks the service that is called `name` and is reached at `origin`.
    pub(crate) fn new(channel: Channel, origin: &Uri, name: &str) -> Self {
        let mut parts = origin.clone().into_parts();
        parts.path_and_query = format!("/{name}/{}", framed::METHOD).parse().ok();
        let target = Uri::from_parts(parts).unwrap_or_else(|_| origin.clone());
        Self { channel, target: Arc::new(target) }
    }

    /// Asks, by `call` if the service has no framed links. `load` is dropped when the answer is over.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(crate) async fn ask<F, C>(
        &self,
        context: &CallContext,
        head: F::Head,
        body: Body,
        load: Option<Load>,
        call: impl FnOnce(Request<Outgoing<F>>) -> C + Send,
    ) -> Result<Reply, NoReply>
    where
        F: WireFrame,
        C: Future<Output = Result<Response<Streaming<F>>, Status>> + Send,
    {
        let begin = async {
            let Some((caller, permit)) = self.framed().await? else {
                let (outgoing, want) = Outgoing::<F>::new(head, body);
                let request = wire::attach(outgoing, context).map_err(said)?;
                let parts = Parts::Call(call(request).await?.into_inner());
                return Ok(Begun { parts, want, upload: None });
            };
            let opening = framed::encode(&F::opening(wire::beside(context), head));
            let too_long = || wire::malformed("what opens it is too long");
            let opening = opening.ok_or_else(|| said(too_long()))?;
            let opened = caller.open(permit, opening, body);
            let opened = opened.ok_or_else(|| Status::unavailable("the link has ended"))?;
            opened.arriving.some().await;
            Ok(Begun { parts: Parts::Framed(opened.arriving), want: None, upload: opened.upload })
        };
        answer(in_time(context, begin).await, load, context.deadline).await
    }

    /// A framed link, and leave to open a request on it.
    async fn framed(&self) -> Result<Option<(Arc<Caller>, Permit)>, Status> {
        loop {
            match self.channel.way(&self.target).await.map_err(Status::from_error)? {
                Way::Calls => return Ok(None),
                Way::Framed(caller) => {
                    if let Some(permit) = caller.permit().await {
                        return Ok(Some((caller, permit)));
                    }
                    // It takes no more: another connection is as good.
                }
            }
        }
    }
}

/// A fault as whoever reads a status finds it again.
fn said(fault: Fault) -> Status {
    wire::status(fault).unwrap_or_else(|_too_long| Status::internal("the request cannot be sent"))
}

/// The transport's part of a call, ended by the transport's own limit: a service that has gone
/// silent does not say that the time is over. In a box, because it is the largest part of what is
/// moved around it.
fn in_time<T>(
    context: &CallContext,
    call: impl Future<Output = Result<T, Status>>,
) -> impl Future<Output = Result<T, Status>> {
    let limit = wire::transport_limit(context.deadline, Instant::now());
    let late = || Status::deadline_exceeded("nothing was said in time");
    let timed = tokio::time::timeout(limit, Box::pin(call));
    timed.map(move |said| said.unwrap_or_else(|_| Err(late())))
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct NoReply {
    pub(crate) fault: Fault,
    /// The link broke before the service said anything. A service that *says* that a link broke
    /// speaks of one of its own.
    pub(crate) is_unanswered: bool,
}

/// The answer to a call whose transport has spoken.
async fn answer<F: WireFrame>(
    begun: Result<Begun<F>, Status>,
    load: Option<Load>,
    deadline: Deadline,
) -> Result<Reply, NoReply> {
    let failed = |status: &Status| {
        let passed = deadline.remaining(Instant::now()).is_zero();
        let is_unanswered = !passed && !wire::is_said(status);
        NoReply { fault: wire::fault_of(status, passed), is_unanswered }
    };
    let Begun { mut parts, want, upload } = begun.map_err(|status| failed(&status))?;
    let held = Held { _want: want, _load: load, _upload: upload };
    match parts.next().await.transpose().map_err(|status| failed(&status))? {
        Some(Part::Reply(head)) => {
            let head = wire::reply(*head)?;
            Ok(Reply { head, frames: Box::pin(Answer::new(parts, held)) })
        }
        Some(Part::End(end)) => Err(end
            .fault
            .map_or_else(|| no_head("the answer ends without a head"), Fault::from)
            .into()),
        Some(Part::Chunk(_) | Part::Request(_)) => Err(no_head("the answer has no head").into()),
        None => Err(no_head("the answer is empty").into()),
    }
}

fn no_head(message: &'static str) -> Fault {
    Fault::new(FaultCode::LinkBroken, message)
}

impl From<Fault> for NoReply {
    fn from(fault: Fault) -> Self {
        Self { fault, is_unanswered: false }
    }
}

impl From<NoReply> for Fault {
    fn from(none: NoReply) -> Self {
        none.fault
    }
}

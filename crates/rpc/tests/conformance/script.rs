//! The service under the suite: does what the test tells it, one call at a time.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{mpsc, oneshot, watch};
use weir_rpc::{
    Body, CallFuture, CheckedKey, DescribeStream, Description, End, ExplainFuture, ExplainRequest,
    ExplainedClass, ExplainedKey, ExplainedPool, ExplainedProvider, Explanation, Frame, Reply,
    ReplyHead, RouterRequest, RouterService, Timings, UsableKey, WorkerRequest, WorkerService,
};
use weir_types::{CallContext, Fault, FaultCode, QuotaMode};

/// What was asked, on either hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Router(RouterRequest),
    Worker(WorkerRequest),
}

/// One call as the service sees it. Dropping `answer` unanswered leaves the call pending.
pub(crate) struct Call {
    pub(crate) context: CallContext,
    pub(crate) asked: Asked,
    pub(crate) body: Body,
    /// Resolves what the service returns.
    pub(crate) answer: oneshot::Sender<Result<Reply, Fault>>,
    /// Ends when the service's future is dropped.
    pub(crate) dropped: oneshot::Receiver<()>,
}

/// The service. What it is asked arrives in the test through the channel.
pub(crate) struct Script {
    calls: mpsc::Sender<Call>,
    description: watch::Receiver<Description>,
}

impl Script {
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Call>, watch::Sender<Description>) {
        let (calls, called) = mpsc::channel(16);
        let (describe, description) = watch::channel(description(&["blue"]));
        (Arc::new(Self { calls, description }), called, describe)
    }

    fn take(&self, context: CallContext, asked: Asked, body: Body) -> CallFuture {
        let calls = self.calls.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let (alive, dropped) = oneshot::channel::<()>();
            calls.send(Call { context, asked, body, answer, dropped }).await.unwrap();
            let answer = match answered.await {
                Ok(answer) => answer,
                Err(_) => std::future::pending().await,
            };
            // Answered is not dropped: only a future that ends early ends the channel.
            std::mem::forget(alive);
            answer
        })
    }
}

impl RouterService for Script {
    fn call(&self, context: CallContext, request: RouterRequest, body: Body) -> CallFuture {
        self.take(context, Asked::Router(request), body)
    }

    /// Of whichever provider is asked about; without a model it is a fault.
    fn explain(&self, request: ExplainRequest) -> ExplainFuture {
        let answer = match request.model.is_empty() {
            true => Err(Fault::new(FaultCode::InvalidRequest, "no model")),
            false => Ok(explanation(&request)),
        };
        Box::pin(std::future::ready(answer))
    }
}

impl WorkerService for Script {
    fn call(&self, context: CallContext, request: WorkerRequest, body: Body) -> CallFuture {
        self.take(context, Asked::Worker(request), body)
    }

    /// Whoever is to ask servers says of its first key that its server is well.
    fn describe(&self, checks: bool) -> DescribeStream {
        let state = (self.description.clone(), true, checks);
        Box::pin(stream::unfold(state, async |(mut description, first, checks)| {
            if !first && description.changed().await.is_err() {
                return None;
            }
            let mut now = description.borrow_and_update().clone();
            if let Some(key) = now.keys.first().filter(|_| checks) {
                now.checked.push(CheckedKey { name: key.name.clone(), trouble: None });
            }
            Some((now, (description, false, checks)))
        }))
    }
}

/// Every kind of field once.
pub(crate) fn explanation(request: &ExplainRequest) -> Explanation {
    let key = ExplainedKey {
        key: request.key.clone(),
        eligible: true,
        weight: 0.5,
        rests_for_ms: Some(7),
        lag: Some(-0.25),
        ..ExplainedKey::default()
    };
    let class = ExplainedClass { keys: vec!["a".into(), "b".into()], ..ExplainedClass::default() };
    let pool = ExplainedPool { waiting_by_class: vec![class], ..ExplainedPool::default() };
    let provider = ExplainedProvider {
        provider: request.provider.clone(),
        keys: vec![key],
        pool: Some(pool),
        ..ExplainedProvider::default()
    };
    let (model, providers) = (request.model.clone(), vec![provider]);
    Explanation { model, live: true, next_provider: None, providers }
}

pub(crate) fn description(keys: &[&str]) -> Description {
    Description {
        provider: "openai".into(),
        keys: keys
            .iter()
            .map(|&name| UsableKey { name: name.into(), places: Arc::default() })
            .collect(),
        unusable: vec![("grey".into(), "OPENAI_KEY is not set".to_owned())],
        checked: Vec::new(),
    }
}

pub(crate) fn head() -> ReplyHead {
    ReplyHead {
        status: 200,
        content_type: "application/json".to_owned(),
        headers: vec![("openai-version".to_owned(), "1".to_owned())],
        provider: "openai".into(),
        key: "blue".into(),
        attempts: Vec::new(),
        timings: Timings { queue_us: 1, router_us: 2, worker_us: 3, upstream_us: 4, earlier_us: 5 },
        quota_mode: QuotaMode::Share,
        seen: Vec::new(),
        parts: Vec::new(),
        kept: None,
    }
}

pub(crate) fn chunk(bytes: impl Into<Bytes>) -> Frame {
    Frame::Chunk(bytes.into())
}

pub(crate) fn end() -> Frame {
    Frame::End(Box::default())
}

pub(crate) fn broken(fault: Fault) -> Frame {
    Frame::End(Box::new(End { fault: Some(fault), ..End::default() }))
}

/// An answer whose frames are all there.
pub(crate) fn reply(frames: Vec<Frame>) -> Reply {
    Reply { head: head(), frames: stream::iter(frames).boxed() }
}

/// An answer whose frames the test sends one by one; closing the sender ends it. The receiver
/// ends when the answer is dropped.
pub(crate) fn streamed() -> (Reply, mpsc::Sender<Frame>, oneshot::Receiver<()>) {
    let (sender, receiver) = mpsc::channel::<Frame>(1);
    let (alive, dropped) = oneshot::channel::<()>();
    let frames: BoxStream<'static, Frame> =
        stream::unfold((receiver, alive), async |(mut receiver, alive)| {
            receiver.recv().await.map(|frame| (frame, (receiver, alive)))
        })
        .boxed();
    (Reply { head: head(), frames }, sender, dropped)
}

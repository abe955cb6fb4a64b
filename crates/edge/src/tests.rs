//! The whole HTTP surface, driven in process against a scripted router.

mod bodies;
mod errors;
mod gate;
mod headers;
mod manual;
mod records;
mod relays;
mod routes;
mod stored;
mod wire;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tower::ServiceExt;
use weir_rpc::{
    Body as CallBody, CallFuture, End, Frame, Reply, ReplyHead, RouterRequest, RouterService,
    Timings,
};
use weir_telemetry::Telemetry;
use weir_types::{Attempt, CallContext, FailureClass, Fault, QuotaMode, Usage};

use crate::{Live, Settings};

/// What the router was asked.
struct Seen {
    context: CallContext,
    request: RouterRequest,
    body: Bytes,
}

type Script = Box<dyn FnMut(&RouterRequest) -> CallFuture + Send>;

/// A router that plays a script and notes what it was asked.
#[derive(Clone)]
struct Fake {
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
}

impl RouterService for Fake {
    fn call(&self, context: CallContext, request: RouterRequest, body: CallBody) -> CallFuture {
        let answer = (self.script.lock().unwrap())(&request);
        let body = match body {
            CallBody::Full(body) => body,
            // An upload.
            CallBody::Pieces(_) | CallBody::Stream(_) => Bytes::new(),
        };
        self.seen.lock().unwrap().push(Seen { context, request, body });
        answer
    }
}

/// The surface under test.
struct Edge {
    app: crate::Gated,
    fake: Fake,
    telemetry: Telemetry,
}

impl Edge {
    fn scripted(settings: Settings, script: Script) -> Self {
        let script = Arc::new(Mutex::new(script));
        let fake = Fake { seen: Arc::default(), script };
        let telemetry = Telemetry::default();
        let app = crate::app(
            Live::new(settings),
            crate::ROUTES,
            Arc::new(fake.clone()),
            telemetry.clone(),
        );
        Self { app, fake, telemetry }
    }

    /// Every call is answered by `reply`.
    fn replying(reply: impl Fn() -> Result<Reply, Fault> + Send + 'static) -> Self {
        Self::with(Settings::default(), reply)
    }

    fn with(settings: Settings, reply: impl Fn() -> Result<Reply, Fault> + Send + 'static) -> Self {
        let script =
            move |_: &RouterRequest| -> CallFuture { Box::pin(std::future::ready(reply())) };
        Self::scripted(settings, Box::new(script))
    }

    /// Every call succeeds with a small JSON answer.
    fn fine() -> Self {
        Self::replying(|| Ok(json_reply(br#"{"ok":true}"#)))
    }

    async fn send(&self, request: Request<Body>) -> Response {
        self.app.clone().oneshot(request).await.unwrap()
    }

    fn calls(&self) -> usize {
        self.fake.seen.lock().unwrap().len()
    }

    fn last<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(self.fake.seen.lock().unwrap().last().expect("the router was called"))
    }

    /// Requests that have begun and not ended.
    fn in_flight(&self) -> i64 {
        let text = self.telemetry.metrics.render();
        let line = text.lines().find(|line| line.starts_with("weir_requests_in_flight "));
        line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
    }
}

const CHAT: &str = r#"{"model":"openai/gpt-4o","messages":[]}"#;
const CHAT_STREAM: &str = r#"{"model":"openai/gpt-4o","stream":true,"messages":[]}"#;

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("content-type", "application/json").body(body.into()).unwrap()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

fn chat() -> Request<Body> {
    post("/v1/chat/completions", CHAT)
}

fn chat_stream() -> Request<Body> {
    post("/v1/chat/completions", CHAT_STREAM)
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn json(response: Response) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// The length of its body, as whoever serves it announces it.
fn length(response: &Response) -> Option<u64> {
    response.body().size_hint().exact()
}

fn attempt(key: &str, status: u16, class: Option<FailureClass>) -> Attempt {
    Attempt { provider: "openai".into(), key: key.into(), status, class, duration_us: 1000 }
}

fn head(content_type: &str) -> ReplyHead {
    ReplyHead {
        status: 200,
        content_type: content_type.to_owned(),
        headers: Vec::new(),
        provider: "openai".into(),
        key: "key-a".into(),
        attempts: vec![attempt("key-a", 200, None)],
        timings: Timings::default(),
        quota_mode: QuotaMode::Exact,
        seen: Vec::new(),
        parts: Vec::new(),
        kept: None,
    }
}

fn chunk(text: &'static str) -> Frame {
    Frame::Chunk(Bytes::from_static(text.as_bytes()))
}

fn end() -> Frame {
    Frame::End(Box::default())
}

fn broken(fault: Fault) -> Frame {
    Frame::End(Box::new(End { fault: Some(fault), ..End::default() }))
}

fn reply_of(content_type: &str, frames: Vec<Frame>) -> Reply {
    Reply { head: head(content_type), frames: futures_util::stream::iter(frames).boxed() }
}

fn json_reply(body: &'static [u8]) -> Reply {
    reply_of("application/json", vec![Frame::Chunk(Bytes::from_static(body)), end()])
}

/// Frames that a test sends one by one, and whether anybody still wants them.
struct Feed {
    sender: mpsc::Sender<Frame>,
    dropped: Arc<AtomicBool>,
}

impl Feed {
    fn is_dropped(&self) -> bool {
        self.dropped.load(Ordering::SeqCst)
    }

    async fn send(&self, frame: Frame) {
        self.sender.send(frame).await.unwrap();
    }
}

struct Fed {
    receiver: mpsc::Receiver<Frame>,
    dropped: Arc<AtomicBool>,
}

impl Stream for Fed {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frame>> {
        self.receiver.poll_recv(cx)
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
    }
}

/// An edge whose one call is answered with frames from the feed.
fn fed(settings: Settings, content_type: &'static str) -> (Edge, Feed) {
    let (sender, receiver) = mpsc::channel(64);
    let dropped = Arc::new(AtomicBool::new(false));
    let mut fed = Some(Fed { receiver, dropped: Arc::clone(&dropped) });
    let script = move |_: &RouterRequest| -> CallFuture {
        let frames = Box::pin(fed.take().expect("one call"));
        Box::pin(std::future::ready(Ok(Reply { head: head(content_type), frames })))
    };
    (Edge::scripted(settings, Box::new(script)), Feed { sender, dropped })
}

const SSE: &str = "text/event-stream";
/// Longer than any wait that a test is about; only ever passes in paused time.
const LONG: Duration = Duration::from_secs(1000);

//! A worker that does per key what it is told, and watches what is under way.

use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use weir_rpc::{
    CallFuture, DescribeStream, Description, ReplyHead, Timings, UsableKey, WorkerRequest,
};
use weir_types::{KeyName, QuotaMode};

use super::*;

/// What a fake does with one request.
#[derive(Debug, Clone)]
pub(super) enum Does {
    /// Answers after a while, with chunks so far apart.
    Answer { after: Duration, chunks: Vec<&'static str>, apart: Duration },
    /// Fails after a while.
    Fail(Duration, Fault),
    /// Says nothing, ever.
    Hang,
    /// Gives a head and a chunk, then nothing, ever.
    Stall,
    /// Gives a head and a chunk and stops without an end.
    Cut,
}

/// A worker of one provider.
pub(super) struct Fake {
    does: Box<dyn Fn(&WorkerRequest) -> Does + Send + Sync>,
    pub(super) asked: Mutex<Vec<(KeyName, u32)>>,
    pub(super) traces: Mutex<Vec<TraceContext>>,
    pub(super) running: Arc<Running>,
    describes: Mutex<Option<Vec<&'static str>>>,
    /// Called when a request's future or stream is dropped before its end.
    on_drop: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

#[derive(Default)]
pub(super) struct Running {
    now: AtomicUsize,
    pub(super) most: AtomicUsize,
}

/// Counts a request for as long as it is under way.
struct Count {
    running: Arc<Running>,
    on_drop: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Fake {
    pub(super) fn new(does: impl Fn(&WorkerRequest) -> Does + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            does: Box::new(does),
            asked: Mutex::default(),
            traces: Mutex::default(),
            running: Arc::default(),
            describes: Mutex::default(),
            on_drop: Mutex::default(),
        })
    }

    pub(super) fn answering(text: &'static str) -> Arc<Self> {
        Self::new(move |_| Does::answer(text))
    }

    pub(super) fn describe_only(&self, keys: &[&'static str]) {
        *self.describes.lock().unwrap() = Some(keys.to_vec());
    }

    pub(super) fn when_dropped(&self, then: impl Fn() + Send + Sync + 'static) {
        *self.on_drop.lock().unwrap() = Some(Arc::new(then));
    }

    pub(super) fn keys_asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(key, _)| key.to_string()).collect()
    }

    pub(super) fn running(&self) -> usize {
        self.running.now.load(Ordering::SeqCst)
    }
}

impl Does {
    pub(super) fn answer(text: &'static str) -> Self {
        Self::Answer { after: Duration::ZERO, chunks: vec![text], apart: Duration::ZERO }
    }
}

impl Count {
    fn new(fake: &Fake) -> Self {
        let now = fake.running.now.fetch_add(1, Ordering::SeqCst) + 1;
        fake.running.most.fetch_max(now, Ordering::SeqCst);
        let on_drop = fake.on_drop.lock().unwrap().clone();
        Self { running: fake.running.clone(), on_drop }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.running.now.fetch_sub(1, Ordering::SeqCst);
        if let Some(on_drop) = &self.on_drop {
            on_drop();
        }
    }
}

fn reply(
    request: &WorkerRequest,
    frames: Pin<Box<dyn futures_core::Stream<Item = Frame> + Send>>,
) -> Reply {
    let head = ReplyHead {
        status: 200,
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        provider: request.provider.clone(),
        key: request.key.clone(),
        attempts: Vec::new(),
        timings: Timings { worker_us: 7, upstream_us: 20, ..Timings::default() },
        quota_mode: QuotaMode::Exact,
        seen: Vec::new(),
        parts: Vec::new(),
        kept: None,
    };
    Reply { head, frames }
}

impl WorkerService for Fake {
    fn call(&self, context: CallContext, request: WorkerRequest, _body: Body) -> CallFuture {
        self.asked.lock().unwrap().push((request.key.clone(), request.attempt));
        self.traces.lock().unwrap().push(context.trace);
        let does = (self.does)(&request);
        let count = Count::new(self);
        Box::pin(async move {
            match does {
                Does::Fail(after, fault) => {
                    tokio::time::sleep(after).await;
                    drop(count);
                    Err(fault)
                }
                Does::Hang => std::future::pending().await,
                Does::Stall => {
                    let first = futures_util::stream::iter([Frame::Chunk(Bytes::from("part"))]);
                    let frames = first.chain(futures_util::stream::pending()).map(move |frame| {
                        let _under_way = &count;
                        frame
                    });
                    Ok(reply(&request, Box::pin(frames)))
                }
                Does::Cut => {
                    let frames = futures_util::stream::iter([Frame::Chunk(Bytes::from("part"))]);
                    Ok(reply(&request, Box::pin(frames)))
                }
                Does::Answer { after, chunks, apart } => {
                    tokio::time::sleep(after).await;
                    let state = (Some(count), chunks.into_iter());
                    let frames = futures_util::stream::unfold(state, move |(count, mut chunks)| {
                        async move {
                            let count = count?;
                            if let Some(chunk) = chunks.next() {
                                tokio::time::sleep(apart).await;
                                let chunk = Frame::Chunk(Bytes::from(chunk));
                                return Some((chunk, (Some(count), chunks)));
                            }
                            // Counted down before the last frame is yielded.
                            drop(count);
                            Some((Frame::End(Box::default()), (None, chunks)))
                        }
                    });
                    Ok(reply(&request, Box::pin(frames)))
                }
            }
        })
    }

    fn describe(&self, _: bool) -> DescribeStream {
        let Some(keys) = self.describes.lock().unwrap().clone() else {
            return Box::pin(futures_util::stream::pending());
        };
        let description = Description {
            provider: "one".into(),
            keys: keys
                .into_iter()
                .map(|name| UsableKey { name: name.into(), places: Arc::default() })
                .collect(),
            unusable: vec![("b".into(), "env.B is not set".to_owned())],
            checked: Vec::new(),
        };
        let first = futures_util::stream::iter([description]);
        Box::pin(first.chain(futures_util::stream::pending()))
    }
}

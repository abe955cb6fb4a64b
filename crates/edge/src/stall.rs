//! Clients that take no more bytes: their streams are ended and the work behind them dropped.
//!
//! hyper asks a body for more only when there is room to write, so a body cannot notice by itself
//! that nobody reads. One watch per application instance looks at all open streams four times per
//! limit; a stream pays a lock without contention per frame and no timer of its own. The watch
//! runs only while there are streams.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use weir_rpc::{Frame, FrameStream};

use crate::record::{Outcome, Record};

/// Looks per limit: a stalled client is found after the limit and at most a quarter more.
const LOOKS: u32 = 4;

/// All open streams of one application instance.
pub(crate) struct Watch {
    every: Duration,
    streams: Mutex<Streams>,
}

#[derive(Default)]
struct Streams {
    /// Freed places are used again, so the list is as long as there were streams at once.
    open: Vec<Option<Weak<Source>>>,
    free: Vec<usize>,
    running: bool,
}

/// The frames of one answer and the record of its request, until the answer ends.
pub(crate) struct Source {
    watch: Arc<Watch>,
    place: usize,
    state: Mutex<State>,
}

struct State {
    flow: Option<Flow>,
    /// Looks since the client last took something.
    idle: u32,
    /// Nothing to take: the provider is the one being waited for.
    waiting_upstream: bool,
}

/// What ends together.
pub(crate) struct Flow {
    /// The frames to come.
    pub(crate) frames: FrameStream,
    /// What is known of the request.
    pub(crate) record: Record,
}

/// What a poll of a [`Source`] gave.
pub(crate) enum Next {
    /// The next frame; `None` if the stream stopped without an end.
    Frame(Option<Frame>),
    /// The stream was ended because its client took nothing.
    Stalled,
}

impl Watch {
    /// A watch that ends streams whose client takes nothing for `limit`.
    pub(crate) fn new(limit: Duration) -> Arc<Self> {
        let every = (limit / LOOKS).max(Duration::from_millis(1));
        Arc::new(Self { every, streams: Mutex::default() })
    }

    /// Puts a stream under watch. Must be called inside a tokio runtime.
    pub(crate) fn guard(self: &Arc<Self>, flow: Flow) -> Arc<Source> {
        let mut streams = lock(&self.streams);
        let place = streams.free.pop().unwrap_or_else(|| {
            streams.open.push(None);
            streams.open.len() - 1
        });
        let state = State { flow: Some(flow), idle: 0, waiting_upstream: false };
        let source = Arc::new(Source { watch: Arc::clone(self), place, state: Mutex::new(state) });
        if let Some(slot) = streams.open.get_mut(place) {
            *slot = Some(Arc::downgrade(&source));
        }
        if !streams.running {
            streams.running = true;
            tokio::spawn(Arc::clone(self).run());
        }
        source
    }

    async fn run(self: Arc<Self>) {
        loop {
            tokio::time::sleep(self.every).await;
            let sources: Vec<_> = {
                let mut streams = lock(&self.streams);
                if streams.free.len() == streams.open.len() {
                    streams.running = false;
                    return;
                }
                streams.open.iter_mut().flatten().filter_map(|weak| weak.upgrade()).collect()
            };
            for source in sources {
                source.look();
            }
        }
    }
}

impl Source {
    /// The next frame. While it is not there, the provider is waited for, not the client.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = lock(&self.state);
        state.idle = 0;
        let Some(flow) = &mut state.flow else {
            return Poll::Ready(Next::Stalled);
        };
        let polled = flow.frames.poll_next_unpin(cx);
        state.waiting_upstream = polled.is_pending();
        polled.map(Next::Frame)
    }

    /// Works on the record; nothing happens once the stream has ended.
    pub(crate) fn with_record(&self, work: impl FnOnce(&mut Record)) {
        if let Some(flow) = &mut lock(&self.state).flow {
            work(&mut flow.record);
        }
    }

    /// Ends the stream: the frames are dropped and the record is written.
    pub(crate) fn end(&self, outcome: Outcome) {
        // Dropped outside of the lock: both run other people's code.
        let flow = lock(&self.state).flow.take();
        if let Some(flow) = flow {
            drop(flow.frames);
            flow.record.ended(outcome);
        }
    }

    fn look(&self) {
        let stalled = {
            let mut state = lock(&self.state);
            if state.waiting_upstream {
                return;
            }
            state.idle += 1;
            state.idle > LOOKS
        };
        if stalled {
            self.end(Outcome::ClientStalled);
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut streams = lock(&self.watch.streams);
        if let Some(slot) = streams.open.get_mut(self.place) {
            *slot = None;
            streams.free.push(self.place);
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("place", &self.place).finish_non_exhaustive()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("every", &self.every).finish_non_exhaustive()
    }
}

/// Nothing is left half done under these locks, so a panic elsewhere does not spoil them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

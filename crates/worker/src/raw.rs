//! Answers that are bytes: sound, files. They pass as they come and are not looked at; what is held of
//! them is a piece. Up to the first of them a failure is an attempt that failed, after it the answer is
//! cut where it broke.

use bytes::Bytes;
use futures_util::stream;
use http::response::Parts;
use tokio::time::timeout;
use weir_dialect::ir::Losses;
use weir_rpc::{End, Frame, Reply, ReplyHead};
use weir_types::{FailureClass, Fault, FaultCode, Usage};
use weir_upstream::{Body, Error};

use crate::beginning::next;
use crate::call::Call;
use crate::fault;

/// An answer whose first bytes have come.
pub(crate) struct Raw {
    head: ReplyHead,
    /// `None`: it is empty.
    first: Option<Bytes>,
    body: Body,
}

/// Waits for the first bytes.
///
/// # Errors
/// They do not come.
pub(crate) async fn open(call: &Call, head: &Parts, mut body: Body) -> Result<Raw, Fault> {
    let first = next(call, &mut body, None).await?.transpose();
    let first = first.map_err(|error| fault::of_call(&call.shared, &error, call.limit))?;
    call.first_content();
    Ok(Raw { head: call.reply_head(head, &Losses::default()), first, body })
}

/// What is still to come of an answer. The body goes before the call, which counts it.
struct Rest {
    first: Option<Bytes>,
    body: Option<Body>,
    call: Call,
}

impl Raw {
    /// The reply; `call` lives as long as its frames.
    pub(crate) fn into_reply(self, call: Call) -> Reply {
        let Self { head, first, body } = self;
        let body = first.is_some().then_some(body);
        let rest = Rest { first, body, call };
        let frames = stream::unfold(Some(rest), |rest| async {
            let mut rest = rest?;
            match rest.next().await {
                Some(Ok(chunk)) => Some((Frame::Chunk(chunk), Some(rest))),
                ended => {
                    let fault = ended.and_then(Result::err);
                    Some((rest.end(fault), None))
                }
            }
        });
        Reply { head, frames: Box::pin(frames) }
    }
}

impl Rest {
    async fn next(&mut self) -> Option<Result<Bytes, Fault>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let idle = self.call.stream_idle;
        let chunk = timeout(idle, self.body.as_mut()?.chunk()).await;
        match chunk {
            Ok(chunk) => Some(chunk?.map_err(|error| self.cut(&error))),
            Err(_) => {
                let provider = &self.call.shared.provider;
                let text = format!("{provider}: the answer stalled for {} s", idle.as_secs_f64());
                let fault = Fault::new(FaultCode::UpstreamTimedOut, text);
                Some(Err(fault.with_class(FailureClass::Cut)))
            }
        }
    }

    fn cut(&self, error: &Error) -> Fault {
        fault::broken(&self.call.shared, &error.to_string(), FailureClass::Cut)
    }

    fn end(mut self, mut fault: Option<Fault>) -> Frame {
        self.body = None;
        self.call.ended(&Usage::default(), None, fault.as_mut());
        Frame::End(Box::new(End { fault, ..End::default() }))
    }
}

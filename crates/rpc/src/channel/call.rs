//! One call on a connection: its request is sent, and the body of its answer is what comes.
//!
//! Knows no address, and nothing of how the connection came about.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::poll_fn;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http_body::{Body as _, Frame};
use tonic::body::Body;

use super::ChannelError;
use crate::framed::Task;

/// The body of an answer.
pub(crate) struct AnswerBody {
    stream: RecvStream,
    /// Sends what is left of the request; ends with whoever waits for the answer.
    _upload: Option<Task>,
}

/// One call up to the head of its answer.
pub(super) async fn exchange(
    mut sender: SendRequest<Bytes>,
    request: http::Request<Body>,
) -> Result<http::Response<AnswerBody>, ChannelError> {
    let (parts, body) = request.into_parts();
    let (answer, stream) = sender.send_request(http::Request::from_parts(parts, ()), false)?;
    // Mostly the whole body is there, and room for it.
    let mut sending = Box::pin(send(body, stream));
    let upload = match sending.as_mut().now_or_never() {
        Some(sent) => sent.map(|()| None)?,
        None => {
            let rest = async {
                if let Err(error) = sending.await {
                    tracing::debug!(%error, "a request was not sent to its end");
                }
            };
            Some(Task::spawn(rest))
        }
    };
    let answer = answer.await?;
    Ok(answer.map(|stream| AnswerBody { stream, _upload: upload }))
}

/// Sends a body.
async fn send(mut body: Body, mut stream: SendStream<Bytes>) -> Result<(), ChannelError> {
    let mut next = next_frame(&mut body).await;
    while let Some(frame) = next {
        let Ok(mut data) = frame?.into_data() else { break };
        // A look ahead lets the last bytes end the stream.
        let ahead = next_frame(&mut body).now_or_never();
        let is_last = matches!(ahead, Some(None));
        while !data.is_empty() {
            let room = room(&mut stream, data.len()).await?;
            let part = data.split_to(room.min(data.len()));
            stream.send_data(part, is_last && data.is_empty())?;
        }
        if is_last {
            return Ok(());
        }
        next = match ahead {
            Some(ahead) => ahead,
            None => next_frame(&mut body).await,
        };
    }
    Ok(stream.send_data(Bytes::new(), true)?)
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, tonic::Status>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// How many bytes may be sent now, once there are any.
async fn room(stream: &mut SendStream<Bytes>, wanted: usize) -> Result<usize, ChannelError> {
    stream.reserve_capacity(wanted);
    while stream.capacity() == 0 {
        let more = poll_fn(|context| stream.poll_capacity(context)).await;
        more.ok_or("the answer ended before the request")??;
    }
    Ok(stream.capacity())
}

// === impl AnswerBody ===

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.stream.poll_data(context)) {
            Some(Ok(data)) => {
                // What was read makes room for more; a reader that pauses stops the sender.
                self.stream.flow_control().release_capacity(data.len())?;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                let trailers = ready!(self.stream.poll_trailers(context));
                Poll::Ready(trailers.map(|some| some.map(Frame::trailers)).transpose())
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

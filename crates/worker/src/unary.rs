//! Whole answers: read, checked and passed on as they came.

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_ENCODING;
use http::response::Parts;
use weir_dialect::openai_chat::answer::read;
use weir_rpc::{End, Frame, Reply};
use weir_types::{FailureClass, Fault};
use weir_upstream::Body;

use crate::answer::{self, Collected, Stopped, collect};
use crate::attempt::{Call, Limit};
use crate::{Shared, fault, headers};

/// The reply for an answer whose status says success.
pub(crate) async fn reply(call: &mut Call, head: Parts, body: Body) -> Result<Reply, Fault> {
    let bytes = whole(&call.shared, call.limit, &head, body).await?;
    let answer = read(&bytes).map_err(|error| {
        fault::broken(&call.shared, &error.to_string(), FailureClass::Transient)
    })?;
    if answer.is_error {
        return Err(answer::error_in_band(call.asked(), bytes));
    }
    call.first_content();
    call.ended(&answer.usage, answer.finish.as_deref(), None);
    let end = End { usage: answer.usage, finish: answer.finish, fault: None };
    Ok(Reply {
        head: call.reply_head(&head),
        frames: Box::pin(stream::iter([Frame::Chunk(bytes), Frame::End(Box::new(end))])),
    })
}

/// All of a body, or why it cannot be had.
pub(crate) async fn whole(
    shared: &Shared,
    limit: Limit,
    head: &Parts,
    body: Body,
) -> Result<Bytes, Fault> {
    check_encoding(shared, head)?;
    let Collected { bytes, stopped } = collect(body, shared.answer_bytes_max, limit.at).await;
    match stopped {
        None => Ok(bytes),
        Some(Stopped::Broke(error)) => Err(fault::of_call(shared, &error, limit)),
        Some(Stopped::TimedOut) => {
            Err(fault::timed_out(shared, "the answer was not complete in time", limit))
        }
        Some(Stopped::TooLong) => {
            let why = format!("the answer is over {} bytes", shared.answer_bytes_max);
            // Another try would bring as much.
            Err(fault::broken(shared, &why, FailureClass::Caller))
        }
    }
}

/// We ask for plain bytes; anything else cannot be read here.
pub(crate) fn check_encoding(shared: &Shared, head: &Parts) -> Result<(), Fault> {
    let encoding = headers::text(&head.headers, CONTENT_ENCODING);
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
        return Ok(());
    }
    let why = format!("the answer is encoded as {encoding}, which was not asked for");
    Err(fault::broken(shared, &why, FailureClass::Transient))
}

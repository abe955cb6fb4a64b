//! Whole answers: read, checked and passed on as they came.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::response::Parts;
use weir_budget::Gather;
use weir_dialect::AnswerFacts;
use weir_dialect::ir::Losses;
use weir_rpc::{End, Frame, FrameStream, Reply};
use weir_types::{Content, FailureClass, Fault, Usage};
use weir_upstream::Body;

use crate::call::{Call, Limit};
use crate::memory::Held;
use crate::rejection::{self, Collected, Stopped, collect};
use crate::{Shared, fault, headers, room};

/// The reply for an answer whose status says success.
pub(crate) async fn reply(call: &mut Call, head: Parts, body: Body) -> Result<Reply, Fault> {
    let (bytes, held) = read(&call.shared, call.limit, Bytes::new(), body).await?;
    let facts = call.operation.facts();
    // That something is gone, or that more of it may come, needs no document.
    let is_document = facts.answer == Content::Json && !(facts.batch_keys_only && bytes.is_empty());
    if !is_document || (call.operation.may_be_text() && is_plain(&head)) {
        return Ok(bare(call, &head, bytes, held));
    }
    let room = match call.way.is_translated() {
        true => room::of(call.shared.memory.budget(), &bytes).await,
        false => Ok(None),
    };
    let room = room.map_err(|_| fault::no_room(&call.shared))?;
    let mut answer = call
        .way
        .answer(bytes)
        .map_err(|error| fault::broken(&call.shared, &error.to_string(), FailureClass::Unusable))?;
    if let Some(mut room) = room
        && room.resize(answer.body.len()).is_ok()
    {
        answer.body = Gather::made(answer.body, room);
    }
    if answer.facts.is_error {
        return Err(rejection::error_in_band(call.error_context(), answer.body));
    }
    let AnswerFacts { usage, finish, id, .. } = answer.facts;
    let usage = call.cost(usage);
    let finish = finish.map(|finish| call.without_secrets(&finish));
    call.ended(&usage, finish.as_deref(), None);
    let mut reply_head = call.reply_head(&head, &answer.losses);
    reply_head.kept = call.kept(id);
    // Some servers call everything text.
    let is_called_so = |kind: &str| kind == "application/json" || kind.contains("json");
    if call.way.is_translated() || !is_called_so(&reply_head.content_type) {
        "application/json".clone_into(&mut reply_head.content_type);
    }
    let end = End { usage, finish, fault: None };
    Ok(Reply { head: reply_head, frames: frames(answer.body, end, held) })
}

/// The reply for an answer that is not looked at.
fn bare(call: &mut Call, head: &Parts, bytes: Bytes, held: Held) -> Reply {
    call.ended(&Usage::default(), None, None);
    Reply {
        head: call.reply_head(head, &Losses::default()),
        frames: frames(bytes, End::default(), held),
    }
}

/// Whether an answer is called plain text, or subtitles.
fn is_plain(head: &Parts) -> bool {
    let kind = headers::text(&head.headers, CONTENT_TYPE).split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    matches!(&*kind, "text/plain" | "text/vtt" | "text/srt" | "application/x-subrip")
}

/// The frames of a whole answer; what it takes counts until the last of them is taken.
fn frames(body: Bytes, end: End, held: Held) -> FrameStream {
    let frames = stream::iter([Frame::Chunk(body), Frame::End(Box::new(end))]);
    if !held.is_large() {
        return Box::pin(frames);
    }
    Box::pin(frames.map(move |frame| {
        let _ = &held;
        frame
    }))
}

/// All of a body whose beginning may have been read, or why it cannot be had.
pub(crate) async fn read(
    shared: &Shared,
    limit: Limit,
    first: Bytes,
    body: Body,
) -> Result<(Bytes, Held), Fault> {
    let bounds = (shared.answer_bytes_max, &shared.memory);
    let Collected { bytes, held, stopped } = collect(first, body, bounds, limit.at).await;
    match stopped {
        None => Ok((bytes, held)),
        Some(Stopped::NoRoom) => Err(fault::no_room(shared)),
        Some(Stopped::Broke(error)) => Err(fault::of_call(shared, &error, limit)),
        Some(Stopped::TimedOut) => {
            Err(fault::timed_out(shared, "the answer was not complete in time", limit))
        }
        Some(Stopped::TooLong) => {
            let max = shared.answer_bytes_max;
            let why = format!("the answer is over {max} bytes (network_config.max_answer_size_mb)");
            // Another try would bring as much.
            Err(fault::broken(shared, &why, FailureClass::Unusable))
        }
    }
}

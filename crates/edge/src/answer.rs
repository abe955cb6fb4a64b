//! An answer on its way to the client: as a whole, frame by frame, or several lists as one.

use std::borrow::Cow;

use axum::response::Response;
use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use weir_dialect::{Models, format, models};
use weir_rpc::{End, Frame, Reply, ReplyHead};
use weir_types::{Attempt, Content, Fault, FaultCode, Form, Operation};

use crate::head::head_of;
use crate::record::Record;
use crate::relay::{self, StreamBody, Times};
use crate::whole::Whole;

/// The longest list of models, all providers together.
const LIST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A [`Reply`] as an HTTP response, whose body keeps to `times`.
///
/// # Errors
/// The answer broke before anything of it was sent.
pub(crate) async fn relay(
    reply: Reply,
    slot: &mut Option<Record>,
    times: Times,
) -> Result<Response, Fault> {
    let Reply { head, mut frames } = reply;
    let events = slot.as_mut().is_some_and(|record| is_stream(&head, record));
    let is_bytes = slot.as_ref().is_some_and(|record| answers_bytes(record.operation));
    let mut ahead = Vec::new();
    let mut end = None;
    if is_bytes && !events {
        // It passes as it comes: what is there at once is looked at, and nothing is waited for.
        while ahead.len() < 2 && end.is_none() {
            let next = match ahead.is_empty() {
                true => Some(frames.next().await),
                false => frames.next().now_or_never(),
            };
            match next {
                None => break,
                Some(Some(Frame::Chunk(chunk))) if chunk.is_empty() => {}
                Some(Some(Frame::Chunk(chunk))) => ahead.push(chunk),
                Some(Some(Frame::End(last))) => end = Some(*last),
                Some(None) => return Err(tried(relay::stopped(), head.attempts)),
            }
        }
    } else if !events {
        // Most answers are one chunk and their end. Looking one frame ahead gives those a length,
        // and a fault in between an error answer instead of a broken transfer.
        while ahead.len() < 2 && end.is_none() {
            match frames.next().await {
                Some(Frame::Chunk(chunk)) if chunk.is_empty() => {}
                Some(Frame::Chunk(chunk)) => ahead.push(chunk),
                Some(Frame::End(last)) => end = Some(*last),
                None => return Err(tried(relay::stopped(), head.attempts)),
            }
        }
    }
    if let Some(fault) = end.as_mut().and_then(|end| end.fault.take()) {
        return Err(tried(fault, head.attempts));
    }
    let Some(mut record) = slot.take() else {
        return Err(recordless());
    };
    let response = head_of(&head, events, &mut record);
    let body = match end {
        Some(End { usage, finish, .. }) => {
            record.cost(usage, finish);
            Whole::body(ahead.pop().unwrap_or_default(), record, false)
        }
        None => {
            let ahead = ahead.into_iter().map(Frame::Chunk).collect();
            StreamBody::body(frames, record, ahead, events, times)
        }
    };
    Ok(response.map(|()| body))
}

/// Whether the answer is a stream: one was asked for, or comes because the request said so where only
/// the provider read it.
fn is_stream(head: &ReplyHead, record: &mut Record) -> bool {
    let streams = record.operation.is_some_and(Operation::streams);
    record.stream |= streams && head.content_type.starts_with(record.framing.media_type());
    record.stream
}

fn answers_bytes(operation: Option<Operation>) -> bool {
    operation.is_some_and(|operation| operation.facts().answer == Content::Bytes)
}

/// The lists of models of all providers as one; or, of those, the model `wanted`, in the form in which
/// its client reads.
///
/// # Errors
/// One of the lists broke, they cannot be merged, or there is no such model.
pub(crate) async fn models(
    reply: Reply,
    slot: &mut Option<Record>,
    head_only: bool,
    wanted: Option<(&str, Form)>,
) -> Result<Response, Fault> {
    let Reply { head, mut frames } = reply;
    // A long list comes in several chunks.
    let mut lists = BytesMut::new();
    let end = loop {
        match frames.next().await {
            Some(Frame::Chunk(list)) => {
                if lists.len() + list.len() > LIST_BYTES_MAX {
                    let text = format!("the lists of models are over {LIST_BYTES_MAX} bytes");
                    return Err(Fault::new(FaultCode::UpstreamBroken, text));
                }
                lists.extend_from_slice(&list);
            }
            Some(Frame::End(end)) => break *end,
            None => return Err(relay::stopped()),
        }
    };
    if let Some(fault) = end.fault {
        return Err(fault);
    }
    let merged = models::merge(&lists).seen(&head.seen);
    let one =
        wanted.map(|(id, form)| Ok::<_, Fault>((one_of(&merged, id, &head)?, form))).transpose()?;
    let Some(mut record) = slot.take() else {
        return Err(recordless());
    };
    let format = format(record.dialect);
    let merged = match one {
        Some((one, form)) => models::write_one(format, &one, form),
        None => format.write_models(&merged),
    };
    let response = head_of(&head, false, &mut record);
    record.cost(end.usage, end.finish);
    Ok(response.map(|()| Whole::body(merged, record, head_only)))
}

/// The model `id` of the provider that serves it, which may have no list: then what its keys serve is
/// there.
fn one_of(models: &Models, id: &str, head: &ReplyHead) -> Result<Models, Fault> {
    let provider = &*head.provider;
    let prefix = id.get(..provider.len()).filter(|prefix| prefix.eq_ignore_ascii_case(provider));
    let rest = prefix.and_then(|_| id.get(provider.len()..)?.strip_prefix('/'));
    let name = rest.unwrap_or(id);
    if models.is_empty() {
        return Ok(Models::bare(provider, name));
    }
    models.only(&format!("{provider}/{name}")).ok_or_else(|| {
        no_such_model(format!("the provider `{provider}` does not list the model `{name}`"))
    })
}

/// A model that was asked for by its name is not there.
pub(crate) fn no_such_model(text: impl Into<Cow<'static, str>>) -> Fault {
    let mut fault = Fault::new(FaultCode::NotFound, text).with_param("model");
    fault.detail.code = Some("model_not_found".into());
    fault
}

/// A fault behind a head knows the tries only from that head.
pub(crate) fn tried(mut fault: Fault, attempts: Vec<Attempt>) -> Fault {
    if fault.detail.attempts.is_empty() {
        fault.detail.attempts = attempts;
    }
    fault
}

/// The record has gone with another answer.
pub(crate) fn recordless() -> Fault {
    Fault::new(FaultCode::Internal, "the request was answered twice")
}

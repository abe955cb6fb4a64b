//! Lists of what keys have stored: each key is asked for its own, with a slot as for any other call,
//! and the lists are given on one after the other. Knows not what is in them; who merges them is told
//! which is whose.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream;
use weir_rpc::{Frame, Part, Reply, ReplyHead, RouterRequest};
use weir_types::headers::LEFT_OUT;
use weir_types::{
    Addressee, Attempt, Content, Fault, FaultCode, KeyName, ProviderName, Target, TraceContext,
};

use super::relay::{Answered, Held, cut_off};
use super::{Call, Source};
use crate::catalog::StoredAt;

/// Keys that are asked at a time.
const AT_A_TIME: usize = 8;

/// Whether `request` is for such a list.
pub(super) fn is_list(request: &RouterRequest) -> bool {
    let facts = request.operation.facts();
    facts.batch_keys_only
        && facts.addressee == Addressee::Provider
        && facts.request == Content::Empty
        && matches!(request.target, Target::Provider { .. })
}

/// One key's list.
struct Listed {
    head: ReplyHead,
    body: Bytes,
}

/// Asks every key that may have something, from the request's cursor on. The answer has one part per
/// key that answered, in declared order; its head says which did not.
///
/// # Errors
/// Nobody can be asked, or nobody has answered: the first one's reason, with every attempt.
pub(super) async fn serve(call: &Call, parent: &TraceContext) -> Result<Answered, Fault> {
    let Target::Provider { name, .. } = &call.request.target else {
        return Err(Fault::new(FaultCode::Internal, "a list is asked of providers"));
    };
    let stores = call.snapshot.catalogs.stores(&call.request, name.as_deref())?;
    let asked = stores.iter().enumerate().map(|(at, store)| ask(call, store, at == 0, parent));
    // All at once: a lazy list of futures is none that may go to another thread.
    let asked: Vec<_> = asked.collect();
    let answers: Vec<_> = stream::iter(asked).buffered(AT_A_TIME).collect().await;
    let (mut attempts, mut left_out, mut first) = (Vec::<Attempt>::new(), Vec::new(), None);
    let mut listed = Vec::with_capacity(answers.len());
    for (store, answer) in stores.iter().zip(answers) {
        match answer {
            Ok(mut one) => {
                attempts.append(&mut one.head.attempts);
                listed.push((store, one));
            }
            Err(mut fault) => {
                attempts.append(&mut fault.detail.attempts);
                left_out.push(format!("{}/{}", store.provider(), store.key));
                first = first.or(Some(fault));
            }
        }
    }
    if listed.is_empty() {
        let nobody = || Fault::new(FaultCode::Internal, "no key was asked");
        let mut fault = first.unwrap_or_else(nobody);
        fault.detail.attempts = attempts;
        return Err(fault);
    }
    joined(call, listed, attempts, &left_out)
        .ok_or_else(|| Fault::new(FaultCode::Internal, "no key has answered"))
}

/// The lists as one answer; `None` if there are none.
fn joined(
    call: &Call,
    listed: Vec<(&StoredAt, Listed)>,
    attempts: Vec<Attempt>,
    left_out: &[String],
) -> Option<Answered> {
    let part = |(store, one): &(&StoredAt, Listed)| Part {
        provider: store.provider().clone(),
        key: store.key.clone(),
        bytes: one.body.len() as u64,
    };
    let parts: Vec<Part> = listed.iter().map(part).collect();
    let target = listed.first().map(|(store, _)| store.target.clone())?;
    // Each key's slot is given back.
    let held = Held::new(None, target, call.shared.breakers.clone());
    let mut lists = listed.into_iter().map(|(_, one)| one);
    let Listed { head, body } = lists.next()?;
    let (provider, key) = match parts.as_slice() {
        [only] => (only.provider.clone(), only.key.clone()),
        _ => (ProviderName::from(""), KeyName::from("")),
    };
    let mut headers = head.headers;
    if !left_out.is_empty() {
        headers.push((LEFT_OUT.to_owned(), left_out.join(", ")));
    }
    let head = ReplyHead { headers, provider, key, attempts, parts, ..head };
    let bodies = std::iter::once(body).chain(lists.map(|one| one.body));
    let end = Frame::End(Box::default());
    let frames: Vec<Frame> = bodies.map(Frame::Chunk).chain([end]).collect();
    Some(Answered { head, frames: Box::pin(stream::iter(frames)), held })
}

/// One key's list; its slot is free when it is there.
async fn ask(
    call: &Call,
    store: &StoredAt,
    is_first: bool,
    parent: &TraceContext,
) -> Result<Listed, Fault> {
    let mut request = call.request.clone();
    request.target = Target::Provider {
        name: Some(store.provider().to_string()),
        pin: Some(store.key.to_string()),
    };
    // The place in the list is that of one key alone.
    if let Some(cursor) = request.cursor.take().filter(|_| is_first) {
        let gap = if request.query.is_empty() || cursor.query.is_empty() { "" } else { "&" };
        request.query = format!("{}{gap}{}", request.query, cursor.query);
    }
    let own = Call {
        shared: Arc::clone(&call.shared),
        snapshot: Arc::clone(&call.snapshot),
        workers: Arc::clone(&call.workers),
        context: call.context.clone(),
        request,
        body: Source::new(Bytes::new().into()),
        started: call.started,
        deadline: call.deadline,
        is_outdated: AtomicBool::new(false),
    };
    let Reply { head, mut frames } = Box::pin(own.route(parent)).await?.into_reply();
    let bytes_max = call.snapshot.settings.listing_bytes_max;
    let mut body = BytesMut::new();
    while let Some(frame) = frames.next().await {
        match frame {
            Frame::Chunk(bytes) if body.len() + bytes.len() > bytes_max => {
                let text = format!("the list of `{}` is over {bytes_max} bytes", store.provider());
                return Err(Fault::new(FaultCode::UpstreamBroken, text));
            }
            Frame::Chunk(bytes) => body.extend_from_slice(&bytes),
            Frame::End(end) => {
                return match end.fault {
                    Some(fault) => Err(fault),
                    None => Ok(Listed { head, body: body.freeze() }),
                };
            }
        }
    }
    Err(cut_off())
}

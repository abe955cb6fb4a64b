//! Documents of what is stored, with ids that say whose they are.

use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use weir_dialect::AnswerFault;
use weir_dialect::stored::{Page, Stored};
use weir_rpc::{End, Frame, Part, Reply, ReplyHead};
use weir_types::{Fault, FaultCode};

use crate::answer::{recordless, tried};
use crate::head::head_of;
use crate::ids::IdSecrets;
use crate::record::Record;
use crate::relay::stopped;
use crate::whole::Whole;

/// The longest document or list, those of all keys together.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// To whom what is given.
pub(super) struct Giving<'a> {
    pub(super) stored: &'static Stored,
    pub(super) secrets: &'a IdSecrets,
    pub(super) client: Option<&'a str>,
    pub(super) head_only: bool,
}

impl Giving<'_> {
    /// One document.
    pub(super) async fn one(
        &self,
        reply: Reply,
        slot: &mut Option<Record>,
    ) -> Result<Response, Fault> {
        let (head, body, end) = collected(reply).await?;
        let id = |own: &str| self.secrets.seal((&head.provider, &head.key), self.client, own);
        // An answer to a deletion may be empty.
        let body = match body.is_empty() {
            true => body,
            false => self.stored.with_ids(&body, &id).map_err(|fault| broken(&head, &fault))?,
        };
        self.given(&head, body, end, slot)
    }

    /// The lists of several keys, of which `limit` items are wanted.
    pub(super) async fn list(
        &self,
        reply: Reply,
        limit: Option<usize>,
        slot: &mut Option<Record>,
    ) -> Result<Response, Fault> {
        let (head, body, end) = collected(reply).await?;
        let bodies = pieces(&head.parts, &body).ok_or_else(|| {
            Fault::new(FaultCode::Internal, "the parts of a list are not as long as its head says")
        })?;
        let ids: Vec<_> = head
            .parts
            .iter()
            .map(|Part { provider, key, .. }| {
                move |own: &str| self.secrets.seal((provider, key), self.client, own)
            })
            .collect();
        let pages: Vec<_> = bodies
            .iter()
            .zip(&ids)
            .map(|(body, id)| Page { body, id: id as &dyn Fn(&str) -> String })
            .collect();
        let joined = self.stored.joined(&pages, limit).map_err(|fault| broken(&head, &fault))?;
        self.given(&head, joined, end, slot)
    }

    fn given(
        &self,
        head: &ReplyHead,
        body: Bytes,
        end: End,
        slot: &mut Option<Record>,
    ) -> Result<Response, Fault> {
        let Some(mut record) = slot.take() else { return Err(recordless()) };
        let response = head_of(head, false, &mut record);
        record.cost(end.usage, end.finish);
        Ok(response.map(|()| Whole::body(body, record, self.head_only)))
    }
}

/// All of an answer.
pub(super) async fn collected(reply: Reply) -> Result<(ReplyHead, Bytes, End), Fault> {
    let Reply { head, mut frames } = reply;
    let mut body = BytesMut::new();
    loop {
        match frames.next().await {
            Some(Frame::Chunk(chunk)) if body.len() + chunk.len() > BYTES_MAX => {
                let text = format!("the answer is over {BYTES_MAX} bytes");
                return Err(tried(Fault::new(FaultCode::UpstreamBroken, text), head.attempts));
            }
            Some(Frame::Chunk(chunk)) => body.extend_from_slice(&chunk),
            Some(Frame::End(mut end)) => {
                return match end.fault.take() {
                    Some(fault) => Err(tried(fault, head.attempts)),
                    None => Ok((head, body.freeze(), *end)),
                };
            }
            None => return Err(tried(stopped(), head.attempts)),
        }
    }
}

/// `body` in the parts that it is made of; `None` if it is not as long as they are together.
fn pieces(parts: &[Part], body: &Bytes) -> Option<Vec<Bytes>> {
    let mut rest = body.clone();
    let mut pieces = Vec::with_capacity(parts.len());
    for part in parts {
        let length = usize::try_from(part.bytes).ok().filter(|length| *length <= rest.len())?;
        pieces.push(rest.split_to(length));
    }
    rest.is_empty().then_some(pieces)
}

fn broken(head: &ReplyHead, fault: &AnswerFault) -> Fault {
    let whose = if head.provider.is_empty() { "a provider" } else { &*head.provider };
    let text = format!("{whose}: the answer makes no sense: {fault}");
    tried(Fault::new(FaultCode::UpstreamBroken, text), head.attempts.clone())
}

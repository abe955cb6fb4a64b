//! Requests, by operation. The members of each are the business of the files beside.

mod count;
mod messages_in;
mod messages_out;
mod read;
mod tools;
mod write;

pub(super) use messages_in::arguments;

use bytes::Bytes;
use weir_types::{Dialect, Operation};

use super::{embedding, rerank};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::format::{Target, Written};
use crate::ir;
use crate::peek::PathFacts;

/// Reads a request.
pub(super) fn read(body: &Bytes, path: &PathFacts<'_>) -> Result<ir::Request, RequestFault> {
    match path.operation {
        Operation::Chat => {
            let chat = read::chat(Fields::document(body)?, path)?;
            Ok(ir::Request::Chat(Box::new(chat)))
        }
        Operation::Embedding => {
            embedding::read_request(Fields::document(body)?, path).map(ir::Request::Embedding)
        }
        Operation::Rerank => {
            rerank::read_request(Fields::document(body)?, path).map(ir::Request::Rerank)
        }
        other => Err(RequestFault::untranslatable(Dialect::CohereChat, other)),
    }
}

/// Writes a request.
pub(super) fn write(request: &ir::Request, target: &Target<'_>) -> Result<Written, RequestFault> {
    match request {
        ir::Request::Chat(chat) => write::chat(chat, target),
        ir::Request::CountTokens(chat) => count::write(chat, target),
        ir::Request::Embedding(embedding) => embedding::write_request(embedding, target),
        ir::Request::Rerank(rerank) => rerank::write_request(rerank, target),
    }
}

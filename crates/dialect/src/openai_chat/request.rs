//! The way out: requests of this format, read and written.

mod messages;
mod options;
mod parts;
mod read_tools;
mod turns;
mod write;
mod write_options;
mod write_parts;
mod write_tools;

use bytes::Bytes;
use weir_types::{Dialect, Operation};

pub(super) use write_parts::takes;

use super::{embedding, rerank};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::format::{Target, Written};
use crate::ir::{Chat, Request};
use crate::peek::PathFacts;
use crate::state;

/// Searches that the host does for the model, and indexes that it keeps for its customer: an answer
/// without them is another.
/// <https://platform.openai.com/docs/api-reference/chat/create>
/// <https://learn.microsoft.com/azure/ai-services/openai/references/on-your-data>
const STATE: [&str; 2] = ["web_search_options", "data_sources"];

/// Reads a request.
pub(super) fn read(body: &Bytes, path: &PathFacts<'_>) -> Result<Request, RequestFault> {
    let read = match path.operation {
        Operation::Chat => read_chat,
        Operation::Embedding => embedding::read_request,
        Operation::Rerank => rerank::read_request,
        other => return Err(RequestFault::untranslatable(Dialect::OpenAiChat, other)),
    };
    let mut fields = Fields::document(body)?;
    let named = fields.text("model")?;
    let model = path.model.map(str::to_owned).or(named).unwrap_or_default();
    // The gateway's own member.
    fields.any("fallbacks");
    let mut request = read(fields, model)?;
    if let (Request::Chat(chat), Some(stream)) = (&mut request, path.stream) {
        chat.stream = stream;
    }
    Ok(request)
}

fn read_chat(mut fields: Fields, model: String) -> Result<Request, RequestFault> {
    let mut chat = Chat::new(Dialect::OpenAiChat);
    chat.model = model;
    chat.messages = messages::read(&mut fields)?;
    read_tools::read(&mut fields, &mut chat)?;
    options::read(&mut fields, &mut chat)?;
    // What options could not take whole is there already.
    for (name, value) in fields.rest() {
        chat.extra.insert(name, value);
    }
    state::note(&mut chat, &STATE, &[]);
    Ok(Request::Chat(Box::new(chat)))
}

/// Writes a request.
pub(super) fn write(request: &Request, target: &Target<'_>) -> Result<Written, RequestFault> {
    match request {
        Request::Chat(chat) => write::write(chat, target),
        Request::Embedding(embedding) => embedding::write_request(embedding, target),
        Request::Rerank(rerank) => rerank::write_request(rerank, target),
        Request::CountTokens(_) => {
            Err(RequestFault::unserved(Dialect::OpenAiChat, Operation::CountTokens))
        }
    }
}

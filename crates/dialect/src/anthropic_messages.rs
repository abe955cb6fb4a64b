//! Anthropic's Messages, also as Vertex, Azure and Bedrock's mantle host it: chat, token counts,
//! model lists.
//!
//! Follows <https://platform.claude.com/docs/en/api/messages>. What differs between models is not
//! here but in [`crate::families::claude`]; what differs between hosts (the model in the path, the
//! member `anthropic_version`) is in their quirks.

mod answer;
mod block;
mod citation;
mod error;
mod models;
mod request;
mod sealed;
mod stream;
#[cfg(test)]
mod tests;
mod usage;
mod words;

use std::borrow::Cow;

use bytes::Bytes;
use weir_framing::{Frame, Writer};
use weir_types::{Dialect, Operation};

use crate::fault::{AnswerFault, Garbage, RequestFault};
use crate::format::{
    AnswerFacts, Asked, Depth, ErrorBody, Format, Observed, Place, StreamReader, StreamWriter,
    Target, Written,
};
use crate::ir;
use crate::models::Models;
use crate::names::{NameRule, NameRules};
use crate::peek::{PathFacts, Peeked};
use crate::stored::{self, Stored};

/// The name of this format, as forms read from it carry it.
const OWN: Dialect = Dialect::AnthropicMessages;

/// The format.
#[derive(Debug)]
pub(crate) struct AnthropicMessages;

impl Format for AnthropicMessages {
    fn dialect(&self) -> Dialect {
        OWN
    }

    fn peek(&self, body: Bytes, path: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
        request::peek(body, path)
    }

    fn read_request(
        &self,
        body: &Bytes,
        path: &PathFacts<'_>,
    ) -> Result<ir::Request, RequestFault> {
        match path.operation {
            Operation::Chat => request::read(body, path).map(ir::Request::Chat),
            Operation::CountTokens => request::read(body, path).map(ir::Request::CountTokens),
            other => Err(RequestFault::untranslatable(OWN, other)),
        }
    }

    fn write_request(
        &self,
        request: &ir::Request,
        target: &Target<'_>,
    ) -> Result<Written, RequestFault> {
        match request {
            ir::Request::Chat(chat) => request::write(chat, target, false),
            ir::Request::CountTokens(chat) => request::write(chat, target, true),
            ir::Request::Embedding(_) | ir::Request::Rerank(_) => {
                Err(RequestFault::unserved(OWN, target.operation))
            }
        }
    }

    fn strip_sealed(&self, body: &Bytes) -> Result<Option<Written>, RequestFault> {
        sealed::strip(body)
    }

    /// The model neither hears nor sees films, and shows nothing itself; the system has only words.
    fn takes(&self, medium: &ir::PartBody, place: Place, _vendor: &str) -> bool {
        matches!(medium, ir::PartBody::Image(_) | ir::PartBody::Document(_))
            && matches!(place, Place::User | Place::Result)
    }

    fn name_rules(&self) -> NameRules {
        // Anthropic itself has no limit for ids, but hosts that hand them on to Bedrock have.
        let rule = NameRule { bytes_max: 64, beside: Some("_-"), is_exact: false };
        NameRules { tool: rule, call_id: rule }
    }

    fn observe_answer(&self, body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
        answer::observe(body)
    }

    fn read_answer(&self, operation: Operation, body: &[u8]) -> Result<ir::Answer, AnswerFault> {
        match operation {
            Operation::Chat => answer::read(body),
            Operation::CountTokens => answer::read_count(body),
            other => Err(AnswerFault::untranslatable(OWN, other)),
        }
    }

    fn write_answer(&self, answer: &ir::Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
        match answer {
            ir::Answer::Chat(chat) => Ok(answer::write(chat, asked)),
            ir::Answer::Tokens(tokens) => Ok(answer::write_count(*tokens)),
            ir::Answer::Embedding(_) | ir::Answer::Rerank(_) => {
                Err(AnswerFault::untranslatable(OWN, asked.operation))
            }
        }
    }

    fn read_error(&self, body: &[u8]) -> ErrorBody {
        error::read(body)
    }

    fn write_error(&self, error: &ir::Error) -> Bytes {
        error::write(error)
    }

    fn error_event(&self, error: &ir::Error, out: &mut Writer) {
        out.event("error", &error::write(error));
    }

    fn keep_alive(&self) -> Bytes {
        Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n")
    }

    fn event_name<'f>(&self, frame: &'f Frame<'_>) -> Cow<'f, str> {
        stream::name(frame)
    }

    fn observe(&self, frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage> {
        let data = frame.data.as_deref().unwrap_or_default();
        match depth {
            Depth::Full => stream::observe(frame.name, data),
            Depth::Skim => stream::skim(frame.name, data),
        }
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::<stream::Reader>::default())
    }

    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        matches!(asked.operation, Operation::Chat | Operation::Responses)
            .then(|| Box::new(stream::EventWriter::new(asked)) as Box<dyn StreamWriter>)
    }

    fn stored(&self) -> Option<&'static Stored> {
        Some(&stored::ANTHROPIC)
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

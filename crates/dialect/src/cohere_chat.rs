//! Cohere's API, version 2: chat, embed, rerank, the list of models.
//!
//! Only the [`Format`] is here; what it does is in the folder. Chat and its stream follow
//! <https://docs.cohere.com/reference/chat>. Token counting (`/v1/tokenize`) is written and its
//! answer read, but not the other way round: a client of it wants the tokens themselves, and no
//! other format has them.

mod answer;
mod citation;
mod document;
mod embedding;
mod error;
mod models;
mod request;
mod rerank;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

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
use crate::peek::PathFacts;

/// The format.
#[derive(Debug)]
pub(crate) struct CohereChat;

/// Letters, digits and underscores is all that Cohere has ever promised for names of tools:
/// <https://docs.cohere.com/v1/reference/chat#request.body.tools>. Ids are not looked at.
const NAMES: NameRules = NameRules {
    tool: NameRule { bytes_max: 64, beside: Some("_"), is_exact: false },
    call_id: NameRule::ANY,
};

impl Format for CohereChat {
    fn dialect(&self) -> Dialect {
        Dialect::CohereChat
    }

    fn read_request(
        &self,
        body: &Bytes,
        path: &PathFacts<'_>,
    ) -> Result<ir::Request, RequestFault> {
        request::read(body, path)
    }

    fn write_request(
        &self,
        request: &ir::Request,
        target: &Target<'_>,
    ) -> Result<Written, RequestFault> {
        request::write(request, target)
    }

    /// The models read and see, and neither hear nor see films.
    fn takes(&self, medium: &ir::PartBody, place: Place, _vendor: &str) -> bool {
        matches!(medium, ir::PartBody::Image(_) | ir::PartBody::Document(_))
            && matches!(place, Place::User | Place::Result)
    }

    fn name_rules(&self) -> NameRules {
        NAMES
    }

    fn observe_answer(&self, body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
        answer::observe(body)
    }

    fn read_answer(&self, operation: Operation, body: &[u8]) -> Result<ir::Answer, AnswerFault> {
        answer::read(operation, body)
    }

    fn write_answer(&self, answer: &ir::Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
        answer::write(answer, asked)
    }

    fn read_error(&self, body: &[u8]) -> ErrorBody {
        error::read(body)
    }

    fn write_error(&self, error: &ir::Error) -> Bytes {
        error::write(error)
    }

    fn error_event(&self, error: &ir::Error, out: &mut Writer) {
        stream::write_error(error, out);
    }

    fn observe(&self, frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage> {
        stream::observe(frame, depth)
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::new(stream::Reader::default()))
    }

    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        matches!(asked.request, ir::Request::Chat(_))
            .then(|| Box::new(stream::EventWriter::new(asked)) as Box<dyn StreamWriter>)
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

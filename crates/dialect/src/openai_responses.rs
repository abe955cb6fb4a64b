//! OpenAI's Responses: `POST /v1/responses` and the count of its tokens.
//!
//! Requests and answers between a client and a provider of this format pass as they are; what a
//! provider keeps of them (`previous_response_id` and the like) has a meaning there only, so a
//! request that refers to it goes to no provider of another format.

mod answer;
mod content;
mod error;
mod items;
mod models;
mod request;
mod sealed;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
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
use crate::peek::{PathFacts, Peeked};
use crate::stored::{RESPONSES, Stored};

/// The format.
#[derive(Debug)]
pub(crate) struct OpenAiResponses;

impl Format for OpenAiResponses {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiResponses
    }

    fn peek(&self, body: Bytes, path: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
        request::peek(body, path)
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

    fn strip_sealed(&self, body: &Bytes) -> Result<Option<Written>, RequestFault> {
        sealed::strip(body)
    }

    /// Of the model's earlier turns only words are taken.
    fn takes(&self, medium: &ir::PartBody, place: Place, _vendor: &str) -> bool {
        place != Place::Assistant && !matches!(medium, ir::PartBody::Video(_))
    }

    fn has_custom_tools(&self) -> bool {
        true
    }

    fn name_rules(&self) -> NameRules {
        NameRules {
            tool: NameRule { bytes_max: 64, beside: Some("_-"), is_exact: false },
            call_id: NameRule { bytes_max: 64, ..NameRule::ANY },
        }
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
        error::event(error, out);
    }

    fn observe(&self, frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage> {
        let data = frame.data.as_deref().unwrap_or_default();
        match depth {
            Depth::Full => stream::observe(frame.name, data),
            Depth::Skim => stream::skim(frame.name, data),
        }
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::new(stream::Reader::default()))
    }

    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        Some(Box::new(stream::EventWriter::new(asked)))
    }

    fn stored(&self) -> Option<&'static Stored> {
        Some(&RESPONSES)
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

//! Google's generateContent, of Gemini and of Vertex AI: conversations, counting of tokens,
//! embeddings and lists of models; and documents by relevance, as Vertex AI has them.
//!
//! The model and the stream flag stand in the path. What a thought is signed with stands on the
//! part that it led to, and must come back there; most of what is particular here follows from
//! that.

mod answer;
mod calls;
mod camel;
mod embedding;
mod error;
mod finish;
mod media;
mod models;
mod parts;
mod request;
mod rerank;
mod schema;
mod sealed;
mod stream;
#[cfg(test)]
mod tests;

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
use crate::patch::{Patch, Patched};
use crate::peek::PathFacts;
use crate::stored::{GEMINI, Stored};

/// The format.
#[derive(Debug)]
pub(crate) struct GeminiGenerate;

impl Format for GeminiGenerate {
    fn dialect(&self) -> Dialect {
        Dialect::GeminiGenerate
    }

    fn patch(&self, body: &Bytes, patch: &Patch<'_>) -> Result<Patched, RequestFault> {
        request::patch(body, patch)
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

    fn gives_choices(&self) -> bool {
        true
    }

    /// Instructions are text. <https://ai.google.dev/api/generate-content#request-body>
    fn takes(&self, _medium: &ir::PartBody, place: Place, _vendor: &str) -> bool {
        place != Place::System
    }

    fn name_rules(&self) -> NameRules {
        let tool = NameRule { bytes_max: 128, beside: Some("_.:-"), is_exact: false };
        NameRules { tool, call_id: NameRule::ANY }
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
        out.event("", &error::write(error));
    }

    fn observe(&self, frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage> {
        let data = frame.data.as_deref().unwrap_or_default();
        match depth {
            Depth::Full => stream::observe(data),
            Depth::Skim => stream::skim(data),
        }
    }

    fn event_of_answer(&self, body: &[u8]) -> Option<Bytes> {
        // Events have the form of answers.
        let is_answer = self.read_answer(Operation::Chat, body).is_ok();
        is_answer.then(|| Bytes::copy_from_slice(body))
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::new(stream::Reader::default()))
    }

    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        Some(Box::new(stream::EventWriter::new(asked)))
    }

    fn stored(&self) -> Option<&'static Stored> {
        Some(&GEMINI)
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

//! OpenAI's chat completions family: chat, text completions, embeddings, model lists.
//!
//! Where client and provider both speak it, requests and answers pass as they are: `observe` and
//! `skim` in [`stream`] and [`answer`] read the few facts the gateway needs. Everything else here
//! translates, for clients and providers of other formats, of which it knows nothing but their names.

mod answer;
mod call;
mod citation;
mod clients;
mod embedding;
mod error;
mod finish;
mod gpt;
mod hosts;
mod models;
mod reasoning;
mod request;
mod rerank;
mod sealed;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

use bytes::Bytes;
use weir_framing::{Frame, Writer, sse};
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
use crate::stored::{self, Stored};

/// The format.
#[derive(Debug)]
pub(crate) struct OpenAiChat;

impl Format for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiChat
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

    fn strip_foreign(&self, body: &Bytes, vendor: &str) -> Result<Option<Written>, RequestFault> {
        sealed::strip_foreign(body, vendor)
    }

    fn gives_choices(&self) -> bool {
        true
    }

    fn has_custom_tools(&self) -> bool {
        true
    }

    fn takes(&self, medium: &ir::PartBody, place: Place, vendor: &str) -> bool {
        request::takes(medium, place, vendor)
    }

    fn name_rules(&self) -> NameRules {
        // What OpenAI refuses: tools by its reference, ids of calls by its error messages.
        NameRules {
            tool: NameRule { bytes_max: 64, beside: Some("_-"), is_exact: false },
            call_id: NameRule { bytes_max: 40, ..NameRule::ANY },
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
        out.event("", &error::write(error));
    }

    fn observe(&self, frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage> {
        let data = frame.data.as_deref().unwrap_or_default();
        match depth {
            Depth::Full => stream::observe(frame.name, data),
            Depth::Skim => stream::skim(frame.name, data),
        }
    }

    fn event_of_answer(&self, body: &[u8]) -> Option<Bytes> {
        stream::of_answer(body)
    }

    fn terminator(&self, operation: Operation) -> Option<Bytes> {
        let is_text = matches!(operation, Operation::Chat | Operation::Completion);
        is_text.then(|| Bytes::from_static(sse::DONE))
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::<stream::Reader>::default())
    }

    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        let is_chat = matches!(asked.request, ir::Request::Chat(_));
        is_chat.then(|| Box::new(stream::EventWriter::new(asked)) as Box<dyn StreamWriter>)
    }

    fn stored(&self) -> Option<&'static Stored> {
        Some(&stored::OPENAI)
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

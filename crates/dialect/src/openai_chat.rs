//! OpenAI's chat completions family: chat, text completions, embeddings, model lists.
//!
//! Requests and answers of this format pass between client and provider as they are; what is here
//! changes the few bytes that must change and reads the few facts the gateway needs.

mod answer;
mod error;
mod stream;
mod usage;

use bytes::Bytes;
use weir_framing::{Frame, Writer, sse};
use weir_types::Dialect;

use crate::fault::{AnswerFault, Garbage};
use crate::format::{AnswerFacts, Depth, ErrorBody, Format, Observed};
use crate::ir;
use crate::models::Models;

/// The format.
#[derive(Debug)]
pub(crate) struct OpenAiChat;

impl Format for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiChat
    }

    fn observe_answer(&self, body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
        answer::observe(body)
    }

    fn read_error(&self, body: &[u8]) -> ErrorBody {
        error::parse(body)
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
            Depth::Full => stream::read(frame.name, data),
            Depth::Skim => stream::skim(frame.name, data),
        }
    }

    fn terminator(&self) -> Option<Bytes> {
        Some(Bytes::from_static(sse::DONE))
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        Models::parse(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models.document()
    }
}

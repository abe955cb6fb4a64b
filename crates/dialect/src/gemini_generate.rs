//! Google's generateContent, of Gemini and of Vertex AI.

use bytes::Bytes;
use weir_framing::{Frame, Writer};
use weir_types::Dialect;

use crate::fault::{AnswerFault, Garbage};
use crate::format::{AnswerFacts, Depth, ErrorBody, Format, Observed};
use crate::ir;
use crate::models::Models;

/// The format.
#[derive(Debug)]
pub(crate) struct GeminiGenerate;

impl Format for GeminiGenerate {
    fn dialect(&self) -> Dialect {
        Dialect::GeminiGenerate
    }

    fn observe_answer(&self, _body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
        todo!()
    }

    fn read_error(&self, _body: &[u8]) -> ErrorBody {
        todo!()
    }

    fn write_error(&self, _error: &ir::Error) -> Bytes {
        todo!()
    }

    fn error_event(&self, _error: &ir::Error, _out: &mut Writer) {
        todo!()
    }

    fn observe(&self, _frame: &Frame<'_>, _depth: Depth) -> Result<Observed, Garbage> {
        todo!()
    }

    fn read_models(&self, _body: &[u8]) -> Result<Models, AnswerFault> {
        todo!()
    }

    fn write_models(&self, _models: &Models) -> Bytes {
        todo!()
    }
}

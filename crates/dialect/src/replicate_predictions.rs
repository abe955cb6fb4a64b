//! Replicate's predictions: a model's `input` is sent, its `output` is fetched when it is there.
//!
//! Providers speak it, clients do not: requests are written and never read, answers the other way
//! round. What a prediction is, <https://replicate.com/docs/reference/http#predictions.create> says;
//! what each model takes in `input`, its own page.

mod answer;
mod error;
mod inputs;
mod models;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

use bytes::Bytes;
use weir_framing::{Frame, Writer};
use weir_types::{Dialect, Operation};

use crate::fault::{AnswerFault, Garbage, RequestFault};
use crate::format::{
    AnswerFacts, Depth, ErrorBody, Format, Observed, Place, StreamReader, Target, Written,
};
use crate::ir;
use crate::models::Models;
use crate::receipt::Receipt;

pub use inputs::is_version;

const OWN: Dialect = Dialect::ReplicatePredictions;

/// The format.
#[derive(Debug)]
pub(crate) struct ReplicatePredictions;

impl Format for ReplicatePredictions {
    fn dialect(&self) -> Dialect {
        OWN
    }

    fn write_request(
        &self,
        request: &ir::Request,
        target: &Target<'_>,
    ) -> Result<Written, RequestFault> {
        match request {
            ir::Request::Chat(chat) => request::write(chat, target),
            _ => Err(RequestFault::unserved(OWN, target.operation)),
        }
    }

    /// Prompts are text, with images beside it; documents of text stand within.
    fn takes(&self, medium: &ir::PartBody, _place: Place, _vendor: &str) -> bool {
        matches!(medium, ir::PartBody::Image(_) | ir::PartBody::Document(_))
    }

    fn observe_answer(&self, body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
        answer::observe(body)
    }

    fn read_answer(&self, operation: Operation, body: &[u8]) -> Result<ir::Answer, AnswerFault> {
        match operation {
            Operation::Chat => answer::read(body).map(ir::Answer::Chat),
            other => Err(AnswerFault::untranslatable(OWN, other)),
        }
    }

    fn receipt(&self, body: &[u8], stream: bool) -> Result<Receipt, AnswerFault> {
        answer::receipt(body, stream)
    }

    fn write_document(&self, body: &[u8], out: &mut Writer) -> Result<(), AnswerFault> {
        stream::write_document(body, out)
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

    fn observe(&self, frame: &Frame<'_>, _depth: Depth) -> Result<Observed, Garbage> {
        stream::observe(frame)
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::new(stream::Reader::default()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

//! Amazon Bedrock's Converse: chat, streams of it, counting of tokens, lists of models; and documents by
//! relevance, in a form of their own.
//!
//! One form for the models of many makers. The model stands in the path; what only one maker's
//! models take travels in `additionalModelRequestFields`. How frames are cut is not known here.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>

mod answer;
mod blocks;
mod error;
mod models;
mod request;
mod rerank;
mod sealed;
mod stream;
#[cfg(test)]
mod tests;
mod words;

use bytes::Bytes;
use weir_framing::{Frame, Framing, Writer};
use weir_types::{Dialect, Operation};

use crate::buckets;
use crate::fault::{AnswerFault, Garbage, RequestFault};
use crate::format::{
    AnswerFacts, Asked, Depth, ErrorBody, Format, Observed, Place, StreamReader, StreamWriter,
    Target, Written,
};
use crate::ir;
use crate::models::Models;
use crate::names::{NameRule, NameRules};
use crate::patch::{self, Patch, Patched};
use crate::peek::{self, PathFacts, Peeked};
use crate::quirks::Quirks;
use crate::stored::Stored;

/// The format.
#[derive(Debug)]
pub(crate) struct BedrockConverse;

impl Format for BedrockConverse {
    fn dialect(&self) -> Dialect {
        Dialect::BedrockConverse
    }

    /// The path names the model, but for one kind of request.
    fn peek(&self, body: Bytes, path: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
        if path.operation != Operation::Rerank || body.trim_ascii().is_empty() {
            return peek::peek(body, path);
        }
        let model = rerank::model(&body)?;
        peek::peek(body, &PathFacts { model: Some(&model), ..*path })
    }

    /// Every host of this format has the model in the path and refuses it in the body, or has it deep
    /// in there.
    fn patch(&self, body: &Bytes, patch: &Patch<'_>) -> Result<Patched, RequestFault> {
        let quirks = Quirks { omits_model: true, ..*patch.quirks };
        let patch = Patch { quirks: &quirks, ..*patch };
        match rerank::renamed(body, patch.model)? {
            Some(renamed) => patch::apply(&renamed, &Patch { outline: None, ..patch }),
            None => patch::apply(body, &patch),
        }
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

    fn takes(&self, medium: &ir::PartBody, place: Place, _vendor: &str) -> bool {
        match place {
            Place::User => true,
            Place::Result => !matches!(medium, ir::PartBody::Audio(_)),
            Place::System | Place::Assistant => false,
        }
    }

    fn name_rules(&self) -> NameRules {
        let rule = |beside| NameRule { bytes_max: 64, beside: Some(beside), is_exact: false };
        NameRules { tool: rule("_-"), call_id: rule("_.:-") }
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

    fn stored(&self) -> Option<&'static Stored> {
        Some(&buckets::JOBS)
    }

    fn error_kind_header(&self) -> Option<&'static str> {
        Some("x-amzn-errortype")
    }

    fn error_with_kind(&self, body: Bytes, kind: &str) -> Bytes {
        error::with_kind(body, kind)
    }

    fn write_error(&self, error: &ir::Error) -> Bytes {
        error::write(error)
    }

    fn error_event(&self, error: &ir::Error, out: &mut Writer) {
        error::event(error, out);
    }

    fn framing(&self) -> Framing {
        Framing::EventStream
    }

    fn observe(&self, frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage> {
        stream::observe(frame, depth)
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::new(stream::Reader::default()))
    }

    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        Some(Box::new(stream::Writing::new(asked)))
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

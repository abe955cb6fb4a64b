//! A format that nobody speaks, for tests alone (feature `probe`): whatever it needs outside of this
//! folder and of rows that name it is a fault of the seam between formats and rooms.
//!
//! Odd on purpose: members have other names than anywhere else, messages are pairs, streams are
//! lines, and it can carry text and nothing but text.
//!
//! | | |
//! |---|---|
//! | request | `{"m": "model", "say": [["u", "text"], ["a", "text"]], "live": false, "cap": 9}` |
//! | answer | `{"said": "text", "why": "end", "in": 3, "out": 5}` |
//! | stream | `{"+": "text"}` …, then `{"end": "end", "in": 3, "out": 5}` |
//! | error, event of an error | `{"oops": "text", "n": 400}` |
//! | models | `{"have": ["model"]}` |

mod answer;
mod error;
mod models;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use weir_framing::{Frame, Framing, Writer};
use weir_types::{Dialect, Operation};

use crate::fault::{AnswerFault, Garbage, RequestFault};
use crate::format::{
    AnswerFacts, Asked, Depth, ErrorBody, Format, Observed, StreamReader, StreamWriter, Target,
    Written,
};
use crate::ir;
use crate::models::Models;
use crate::patch::{Patch, Patched};
use crate::peek::{PathFacts, Peeked};

/// The format.
#[derive(Debug)]
pub(crate) struct Probe;

impl Format for Probe {
    fn dialect(&self) -> Dialect {
        Dialect::Probe
    }

    fn peek(&self, body: Bytes, _: &PathFacts<'_>) -> Result<Peeked, RequestFault> {
        request::peek(body)
    }

    fn patch(&self, body: &Bytes, patch: &Patch<'_>) -> Result<Patched, RequestFault> {
        request::patch(body, patch)
    }

    fn read_request(&self, body: &Bytes, _: &PathFacts<'_>) -> Result<ir::Request, RequestFault> {
        request::read(body)
    }

    fn write_request(
        &self,
        request: &ir::Request,
        target: &Target<'_>,
    ) -> Result<Written, RequestFault> {
        request::write(request, target)
    }

    fn observe_answer(&self, body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
        answer::observe(body)
    }

    fn read_answer(&self, _: Operation, body: &[u8]) -> Result<ir::Answer, AnswerFault> {
        answer::read(body)
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

    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn observe(&self, frame: &Frame<'_>, _: Depth) -> Result<Observed, Garbage> {
        stream::observe(frame)
    }

    fn stream_reader(&self) -> Option<Box<dyn StreamReader>> {
        Some(Box::new(stream::Reader::default()))
    }

    fn stream_writer(&self, _: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        Some(Box::new(stream::Lines::default()))
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        models::read(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        models::write(models)
    }
}

//! Amazon Bedrock's InvokeModel: bodies in the words of the model's maker, errors in the host's.
//!
//! Whatever the maker, bytes pass to Bedrock as they are. What is translated to other providers are
//! Claude's bodies: they are another format's but for a version, so that format is handed in, and so
//! is the one whose errors and lists the host speaks. To Bedrock go requests for vectors, which
//! Converse lacks, and for documents by relevance, where a key does not open the host that has those. <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html>

mod answer;
mod error;
mod models;
mod request;
mod rerank;
mod stream;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use weir_framing::{Frame, Framing, Writer};
use weir_types::{Dialect, Operation};

use crate::fault::{AnswerFault, Garbage, RequestFault};
use crate::format::{
    AnswerFacts, Asked, Depth, ErrorBody, Format, Observed, StreamWriter, Target, Written,
};
use crate::ir;
use crate::models::Models;
use crate::patch::{Patch, Patched};
use crate::peek::PathFacts;

const OWN: Dialect = Dialect::BedrockInvoke;

/// The format.
#[derive(Debug)]
pub(crate) struct BedrockInvoke {
    /// The format of Claude's bodies.
    pub(crate) claude: &'static dyn Format,
    /// The format of the host's errors and lists.
    pub(crate) host: &'static dyn Format,
}

impl Format for BedrockInvoke {
    fn dialect(&self) -> Dialect {
        OWN
    }

    /// The model stands in the path, and nobody but its maker knows what the body holds.
    fn patch(&self, body: &Bytes, _patch: &Patch<'_>) -> Result<Patched, RequestFault> {
        Ok(Patched { parts: vec![body.clone()], choices: 1, ..Patched::default() })
    }

    fn read_request(
        &self,
        body: &Bytes,
        path: &PathFacts<'_>,
    ) -> Result<ir::Request, RequestFault> {
        if path.operation != Operation::Chat {
            return Err(RequestFault::untranslatable(OWN, path.operation));
        }
        let (body, features) = request::plain(body)?;
        let mut read = self.claude.read_request(&body, path)?;
        if let ir::Request::Chat(chat) = &mut read {
            chat.features = features;
        }
        Ok(read)
    }

    fn write_request(
        &self,
        request: &ir::Request,
        target: &Target<'_>,
    ) -> Result<Written, RequestFault> {
        match request {
            ir::Request::Embedding(embedding) => request::embedding(embedding, target),
            ir::Request::Rerank(rerank) => Ok(rerank::write(rerank, target)),
            _ => Err(RequestFault::unserved(OWN, target.operation)),
        }
    }

    fn strip_sealed(&self, body: &Bytes) -> Result<Option<Written>, RequestFault> {
        self.claude.strip_sealed(body)
    }

    fn observe_answer(&self, body: &[u8]) -> Result<AnswerFacts, AnswerFault> {
        answer::observe(body)
    }

    fn read_answer(&self, operation: Operation, body: &[u8]) -> Result<ir::Answer, AnswerFault> {
        match operation {
            Operation::Embedding => answer::read_embedding(body).map(ir::Answer::Embedding),
            Operation::Rerank => rerank::read_answer(body).map(ir::Answer::Rerank),
            other => Err(AnswerFault::untranslatable(OWN, other)),
        }
    }

    fn write_answer(&self, answer: &ir::Answer, asked: &Asked<'_>) -> Result<Written, AnswerFault> {
        self.claude.write_answer(answer, asked)
    }

    fn read_error(&self, body: &[u8]) -> ErrorBody {
        self.host.read_error(body)
    }

    fn error_kind_header(&self) -> Option<&'static str> {
        self.host.error_kind_header()
    }

    fn error_with_kind(&self, body: Bytes, kind: &str) -> Bytes {
        self.host.error_with_kind(body, kind)
    }

    fn write_error(&self, error: &ir::Error) -> Bytes {
        self.host.write_error(error)
    }

    fn error_event(&self, error: &ir::Error, out: &mut Writer) {
        self.host.error_event(error, out);
    }

    fn framing(&self) -> Framing {
        Framing::EventChunks
    }

    fn observe(&self, frame: &Frame<'_>, _depth: Depth) -> Result<Observed, Garbage> {
        stream::observe(self.claude, frame)
    }

    fn stream_writer(&self, asked: &Asked<'_>) -> Option<Box<dyn StreamWriter>> {
        self.claude.stream_writer(asked)
    }

    fn read_models(&self, body: &[u8]) -> Result<Models, AnswerFault> {
        self.host.read_models(body)
    }

    fn write_models(&self, models: &Models) -> Bytes {
        self.host.write_models(models)
    }
}

//! Vertex AI's records, of which its jobs are made, for Gemini's models.
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage>
//!
//! Results come in any order and have no name of their own: they repeat their request, whose labels have it.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use weir_types::Dialect;

use super::labels;
use crate::batches::line::unbroken;
use crate::batches::outcome::meant;
use crate::batches::{Failure, Frame, Interface, Outcome, Own, Records};
use crate::families::Family;
use crate::fault::{AnswerFault, RequestFault};
use crate::ir;
use crate::json::Members;

const LABELS: &str = "labels";

/// Vertex AI's.
pub(super) struct Vertex;

#[derive(Deserialize)]
struct Told<'l> {
    request: Option<Map<String, Value>>,
    #[serde(borrow)]
    response: Option<&'l RawValue>,
    status: Option<Value>,
}

impl Records for Vertex {
    fn own(&self) -> Option<Own> {
        Some(Own { member: "request", words: "a record of Vertex's (request)" })
    }

    fn has_one_model(&self) -> bool {
        true
    }

    fn takes(&self, family: Family) -> bool {
        family == Family::Gemini
    }

    fn frame(&self) -> Frame {
        Frame::LINES
    }

    fn record(
        &self,
        id: &str,
        _: Interface,
        input: Vec<Bytes>,
    ) -> Result<Vec<Bytes>, RequestFault> {
        let too_long = || {
            let why = format!("custom_id: expected at most 512 bytes, found {}", id.len());
            RequestFault::invalid("custom_id", why)
        };
        let labels = labels::of(id).ok_or_else(too_long)?;
        let input = labelled(input, labels)?;
        let head = Bytes::from_static(b"{\"request\":");
        let parts = [head].into_iter().chain(unbroken(input));
        Ok(parts.chain([Bytes::from_static(b"}")]).collect())
    }

    fn outcome(&self, line: &[u8]) -> Result<Outcome, AnswerFault> {
        let wrong = |error| AnswerFault::Shape(format!("a line is no result of a record: {error}"));
        let told: Told<'_> = serde_json::from_slice(line).map_err(wrong)?;
        let mut request = told.request.unwrap_or_default();
        let mut id = None;
        if let Some(Value::Object(labels)) = request.get_mut(LABELS) {
            id = labels::taken(labels);
            if labels.is_empty() {
                request.remove(LABELS);
            }
        }
        let status = told.status.unwrap_or_default();
        let status = status.as_str().unwrap_or_default();
        let response = told.response.map(RawValue::get).filter(|text| !is_empty(text));
        let answer = match response {
            Some(response) if status.is_empty() => Ok(Bytes::copy_from_slice(response.as_bytes())),
            _ => Err(failure(status)),
        };
        let input = Some(Value::Object(request).to_string().into());
        Ok(Outcome { id: id.unwrap_or_default(), interface: None, input, answer })
    }

    fn unknown(&self) -> &'static [u8] {
        br#"{"contents":[]}"#
    }
}

/// Whether a document says nothing.
fn is_empty(text: &str) -> bool {
    text == "null" || text.bytes().all(|byte| b"{} \t".contains(&byte))
}

/// The request `input` with `labels` besides its own.
fn labelled(input: Vec<Bytes>, labels: Map<String, Value>) -> Result<Vec<Bytes>, RequestFault> {
    let input = match <[Bytes; 1]>::try_from(input) {
        Ok([only]) => only,
        Err(parts) => parts.concat().into(),
    };
    let input = input.slice_ref(input.trim_ascii());
    let members = Members::scan(&input)?;
    if members.find(LABELS)?.is_some() {
        let wrong = |error| RequestFault::invalid("body", format!("body: {error}"));
        let mut request: Map<String, Value> = serde_json::from_slice(&input).map_err(wrong)?;
        let own = request.entry(LABELS).or_insert_with(|| Value::Object(Map::new()));
        match own {
            Value::Object(own) => own.extend(labels),
            own => *own = Value::Object(labels),
        }
        return Ok(vec![Value::Object(request).to_string().into()]);
    }
    let rest = input.slice(1..);
    let gap = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
    let head = format!("{{\"{LABELS}\":{}{gap}", Value::Object(labels));
    Ok(vec![head.into(), rest])
}

/// Why there is no answer: a phrase, behind which may stand the error's document.
fn failure(status: &str) -> Failure {
    let document = status.find('{').and_then(|at| status.get(at..)).unwrap_or_default();
    let code = serde_json::from_str::<Value>(document).ok();
    let code = code.as_ref().and_then(|document| document.pointer("/error/code")?.as_u64());
    let code = code.and_then(|code| u16::try_from(code).ok());
    match code.filter(|code| (400..600).contains(code)) {
        Some(code) => {
            let mut said = meant(Dialect::GeminiGenerate, document.as_bytes());
            said.status = code;
            said.kind = ir::ErrorKind::of_status(code);
            Failure::of(said)
        }
        None => Failure::of(ir::Error::new(500, status)),
    }
}

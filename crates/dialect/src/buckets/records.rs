//! Bedrock's records, of which its jobs are made.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html>

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::batches::line::unbroken;
use crate::batches::{Failure, Frame, Interface, Outcome, Own, Records};
use crate::fault::{AnswerFault, RequestFault};
use crate::ir;

/// Bedrock's.
pub(super) struct Bedrock;

#[derive(Deserialize)]
struct Told<'l> {
    #[serde(borrow, rename = "recordId")]
    id: Option<Cow<'l, str>>,
    #[serde(borrow, rename = "modelInput")]
    input: Option<&'l RawValue>,
    #[serde(borrow, rename = "modelOutput")]
    output: Option<&'l RawValue>,
    error: Option<Value>,
}

impl Records for Bedrock {
    fn own(&self) -> Option<Own> {
        let words = "a record of Bedrock's (recordId, modelInput)";
        Some(Own { member: "modelInput", words })
    }

    fn has_one_model(&self) -> bool {
        true
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
        let head = format!("{{\"recordId\":{},\"modelInput\":", Value::from(id));
        let parts = [Bytes::from(head)].into_iter().chain(unbroken(input));
        Ok(parts.chain([Bytes::from_static(b"}")]).collect())
    }

    fn outcome(&self, line: &[u8]) -> Result<Outcome, AnswerFault> {
        let wrong = |error| AnswerFault::Shape(format!("a line is no result of a record: {error}"));
        let told: Told<'_> = serde_json::from_slice(line).map_err(wrong)?;
        let bytes = |raw: &RawValue| Bytes::copy_from_slice(raw.get().as_bytes());
        let answer = match (told.output, told.error) {
            (Some(output), None) => Ok(bytes(output)),
            (_, error) => Err(failure(&error.unwrap_or_default())),
        };
        Ok(Outcome {
            id: told.id.unwrap_or_default().into_owned(),
            interface: None,
            input: told.input.map(bytes),
            answer,
        })
    }

    fn unknown(&self) -> &'static [u8] {
        br#"{"messages":[]}"#
    }
}

fn failure(error: &Value) -> Failure {
    let status = error.get("errorCode");
    let status = status.and_then(|code| {
        code.as_u64().or_else(|| code.as_str().and_then(|text| text.parse().ok()))
    });
    let status = status.and_then(|status| u16::try_from(status).ok());
    let message = error.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
    let status = status.filter(|status| (400..600).contains(status)).unwrap_or(500);
    Failure::of(ir::Error::new(status, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line() {
        let input = vec![Bytes::from_static(b"{\n\"x\":"), Bytes::from_static(b"1}")];
        let line = Bedrock.record("a\"1", Interface::Chat, input).unwrap().concat();
        assert_eq!(line, b"{\"recordId\":\"a\\\"1\",\"modelInput\":{ \"x\":1}}");
    }

    #[test]
    fn results_are_answers_or_say_why_not() {
        let line = br#"{"modelInput":{"a":1},"modelOutput":{"b":2},"recordId":"one"}"#;
        let found = Bedrock.outcome(line).unwrap();
        assert_eq!((&*found.id, &found.input), ("one", &Some(Bytes::from_static(b"{\"a\":1}"))));
        assert_eq!(found.answer, Ok(Bytes::from_static(b"{\"b\":2}")));
        for (error, status) in [
            (r#"{"errorCode":400,"errorMessage":"no"}"#, 400),
            (r#"{"errorCode":"429","errorMessage":"no"}"#, 429),
            (r#"{"errorCode":7}"#, 500),
            ("null", 500),
        ] {
            let line = format!("{{\"recordId\":\"x\",\"error\":{error}}}");
            let found = Bedrock.outcome(line.as_bytes()).unwrap();
            let failure = found.answer.unwrap_err();
            assert_eq!(failure.error.status, status);
            assert!(!failure.error.message.is_empty());
        }
        assert!(Bedrock.outcome(b"x").is_err());
    }
}

//! What came of records, and the lines of OpenAI's results.
//! <https://platform.openai.com/docs/api-reference/batch/request-output>

use bytes::Bytes;
use serde_json::{Value, json};
use weir_framing::Frame;
use weir_types::Dialect;

use super::Interface;
use crate::{format, ir};

/// What came of a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The client's name of the request.
    pub id: String,
    /// Which interface the request was for, if the record says so.
    pub interface: Option<Interface>,
    /// What the model was asked, if that is told.
    pub input: Option<Bytes>,
    /// Its answer, or why there is none.
    pub answer: Result<Bytes, Failure>,
}

/// Why a record has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is said of it.
    pub error: ir::Error,
    /// It was not asked at all: OpenAI's word for the reason.
    pub unasked: Option<&'static str>,
}

impl Failure {
    /// The model was not asked, because the batch was over.
    #[must_use]
    pub fn unasked(code: &'static str, message: &str) -> Self {
        Self { error: ir::Error::new(0, message), unasked: Some(code) }
    }

    /// The vendor's `error`, which may say nothing.
    #[must_use]
    pub fn of(mut error: ir::Error) -> Self {
        if error.message.is_empty() {
            error.message = "the request has no answer, and no reason is given".to_owned();
        }
        Self { error, unasked: None }
    }
}

/// What the error `document` of a vendor means, as it would in a stream of its: neither has a status of
/// HTTP's to show.
pub(crate) fn meant(dialect: Dialect, document: &[u8]) -> ir::Error {
    let mut events = Vec::new();
    let data = Some(document.into());
    let frame = Frame { raw: document, name: b"error", data, is_exception: false };
    if let Some(mut reader) = format(dialect).stream_reader() {
        // What cannot be read says nothing.
        _ = reader.read(&frame, &mut events);
    }
    let error = events.into_iter().find_map(|event| match event {
        ir::Event::Error(error) => Some(error),
        _ => None,
    });
    error.unwrap_or_else(|| ir::Error::new(500, ""))
}

/// A line of a batch's results: the answer `body`, which is JSON, to the client's request `id`; the
/// batch's own names of it are made of `unique`. `losses`: what its translation left out.
#[must_use]
pub fn answered(id: &str, unique: &str, status: u16, body: &[u8], losses: &[&str]) -> Bytes {
    let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let mut line = json!({
        "id": format!("batch_req_{unique}"),
        "custom_id": id,
        "response": {"status_code": status, "request_id": unique, "body": body},
        "error": null,
    });
    if let (false, Some(line)) = (losses.is_empty(), line.as_object_mut()) {
        line.insert("losses".to_owned(), losses.into());
    }
    format!("{line}\n").into()
}

/// The same for a request that was not asked.
#[must_use]
pub fn unanswered(id: &str, unique: &str, code: &str, message: &str) -> Bytes {
    let line = json!({
        "id": format!("batch_req_{unique}"),
        "custom_id": id,
        "response": null,
        "error": {"code": code, "message": message},
    });
    format!("{line}\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_its_translation_left_out() {
        let line = answered("one", "u", 200, b"{\"b\":2}", &[]);
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["response"]["body"]["b"], 2);
        assert!(line.get("losses").is_none());
        let line = answered("one", "u", 200, b"{}", &["seed"]);
        assert!(line.ends_with(b"\"losses\":[\"seed\"]}\n"));
    }

    #[test]
    fn what_was_not_asked_has_no_answer() {
        let line = unanswered("one", "u", "batch_expired", "too late");
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&line["response"], &line["custom_id"]), (&Value::Null, &json!("one")));
        assert_eq!(line["error"]["code"], "batch_expired");
    }
}

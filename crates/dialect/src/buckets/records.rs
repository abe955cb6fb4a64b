//! Lines of OpenAI's batches as Bedrock's records, and Bedrock's results as OpenAI's lines.
//! <https://platform.openai.com/docs/api-reference/batch/request-input>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html>
//!
//! What a request says in the other format is not known here: whoever reads a line translates that.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::name::Interface;
use crate::fault::{AnswerFault, RequestFault};

/// A line that is uploaded.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A request in OpenAI's words.
    Request {
        /// The client's name of it.
        id: String,
        /// Which interface it is for.
        interface: Interface,
        /// As it names its model.
        model: String,
        /// The request itself.
        body: Bytes,
    },
    /// A record that Bedrock takes as it is.
    Record,
}

#[derive(Deserialize)]
struct Uploaded<'l> {
    #[serde(borrow, rename = "modelInput")]
    record: Option<&'l RawValue>,
    #[serde(borrow)]
    custom_id: Option<Cow<'l, str>>,
    #[serde(borrow)]
    url: Option<Cow<'l, str>>,
    #[serde(borrow)]
    body: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Body<'l> {
    #[serde(borrow)]
    model: Option<Cow<'l, str>>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// It is neither; says what is missing.
    pub fn read(line: &Bytes) -> Result<Self, RequestFault> {
        let wrong = |param: &'static str, why: String| RequestFault::invalid(param, why);
        let read: Uploaded<'_> = serde_json::from_slice(line)
            .map_err(|error| wrong("", format!("it is not a request of a batch: {error}")))?;
        if read.record.is_some() {
            return Ok(Self::Record);
        }
        let missing = |name: &'static str| {
            let why = format!(
                "{name}: missing; a line is a request of OpenAI's batches (custom_id, method, url, \
                 body) or a record of Bedrock's (recordId, modelInput)"
            );
            wrong(name, why)
        };
        let id = read.custom_id.filter(|id| !id.is_empty()).ok_or_else(|| missing("custom_id"))?;
        let url = read.url.ok_or_else(|| missing("url"))?;
        let body = read.body.ok_or_else(|| missing("body"))?.get();
        let interface = Interface::of_path(&url).ok_or_else(|| {
            let [chat, responses] = [Interface::Chat, Interface::Responses].map(Interface::path);
            let shown: String = url.chars().take(64).collect();
            wrong("url", format!("url: expected {chat} or {responses}, found `{shown}`"))
        })?;
        let named: Body<'_> = serde_json::from_str(body)
            .map_err(|error| wrong("body", format!("body: it is not a request: {error}")))?;
        let model = named.model.filter(|model| !model.is_empty());
        let model = model.ok_or_else(|| wrong("body.model", "body.model: missing".to_owned()))?;
        Ok(Self::Request {
            id: id.into_owned(),
            interface,
            model: model.into_owned(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }
}

/// The record, a line with its end, of the request `input`, which is JSON, with the client's name.
#[must_use]
pub fn record(id: &str, input: &[Bytes]) -> Vec<Bytes> {
    let head = format!("{{\"recordId\":{},\"modelInput\":", Value::from(id));
    let mut parts = Vec::with_capacity(input.len() + 2);
    parts.push(Bytes::from(head));
    // Between tokens only: strings have no line breaks.
    parts.extend(input.iter().map(|part| match part.iter().any(|byte| b"\r\n".contains(byte)) {
        true => part.iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte }).collect(),
        false => part.clone(),
    }));
    parts.push(Bytes::from_static(b"}\n"));
    parts
}

/// What came of a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The client's name of the request.
    pub id: String,
    /// What the model was asked, if that is told.
    pub input: Option<Bytes>,
    /// Its answer, or why there is none.
    pub answer: Result<Bytes, Failure>,
}

/// Why a record has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A status of HTTP's.
    pub status: u16,
    /// What is said of it.
    pub message: String,
}

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

impl Outcome {
    /// Reads a line of results.
    ///
    /// # Errors
    /// It is none.
    pub fn read(line: &[u8]) -> Result<Self, AnswerFault> {
        let wrong = |error| AnswerFault::Shape(format!("a line is no result of a record: {error}"));
        let told: Told<'_> = serde_json::from_slice(line).map_err(wrong)?;
        let bytes = |raw: &RawValue| Bytes::copy_from_slice(raw.get().as_bytes());
        let answer = match (told.output, told.error) {
            (Some(output), None) => Ok(bytes(output)),
            (_, error) => Err(failure(&error.unwrap_or_default())),
        };
        Ok(Self {
            id: told.id.unwrap_or_default().into_owned(),
            input: told.input.map(bytes),
            answer,
        })
    }
}

fn failure(error: &Value) -> Failure {
    let status = error.get("errorCode");
    let status = status.and_then(|code| {
        code.as_u64().or_else(|| code.as_str().and_then(|text| text.parse().ok()))
    });
    let status = status.and_then(|status| u16::try_from(status).ok());
    let message = error.get("errorMessage").and_then(Value::as_str);
    Failure {
        status: status.filter(|status| (400..600).contains(status)).unwrap_or(500),
        message: message.unwrap_or("the record has no answer, and no reason is given").to_owned(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Line, RequestFault> {
        Line::read(&Bytes::copy_from_slice(line.as_bytes()))
    }

    #[test]
    fn lines_are_told_apart_from_records() {
        let line = r#"{"custom_id":"a\"1","method":"POST","url":"/v1/chat/completions",
            "body":{"messages":[],"model":"bedrock/m"}}"#;
        let expected = Line::Request {
            id: "a\"1".to_owned(),
            interface: Interface::Chat,
            model: "bedrock/m".to_owned(),
            body: Bytes::from_static(br#"{"messages":[],"model":"bedrock/m"}"#),
        };
        assert_eq!(read(line).unwrap(), expected);
        let record = r#"{"recordId":"1","modelInput":{"messages":[]}}"#;
        assert_eq!(read(record).unwrap(), Line::Record);
        for (line, param) in [
            ("{", None),
            ("[]", None),
            ("{}", Some("custom_id")),
            (r#"{"custom_id":"a"}"#, Some("url")),
            (r#"{"custom_id":"a","url":"/v1/embeddings","body":{}}"#, Some("url")),
            (r#"{"custom_id":"a","url":"/v1/responses"}"#, Some("body")),
            (r#"{"custom_id":"a","url":"/v1/responses","body":[]}"#, Some("body")),
            (r#"{"custom_id":"a","url":"/v1/responses","body":{}}"#, Some("body.model")),
        ] {
            assert_eq!(read(line).unwrap_err().param.as_deref(), param, "{line}");
        }
    }

    #[test]
    fn a_record_is_one_line() {
        let parts = record("a\"1", &[Bytes::from_static(b"{\n\"x\":"), Bytes::from_static(b"1}")]);
        let line = parts.concat();
        assert_eq!(line, b"{\"recordId\":\"a\\\"1\",\"modelInput\":{ \"x\":1}}\n");
    }

    #[test]
    fn results_are_answers_or_say_why_not() {
        let line = br#"{"modelInput":{"a":1},"modelOutput":{"b":2},"recordId":"one"}"#;
        let found = Outcome::read(line).unwrap();
        assert_eq!((&*found.id, &found.input), ("one", &Some(Bytes::from_static(b"{\"a\":1}"))));
        assert_eq!(found.answer, Ok(Bytes::from_static(b"{\"b\":2}")));
        for (error, status) in [
            (r#"{"errorCode":400,"errorMessage":"no"}"#, 400),
            (r#"{"errorCode":"429","errorMessage":"no"}"#, 429),
            (r#"{"errorCode":7}"#, 500),
            ("null", 500),
        ] {
            let line = format!("{{\"recordId\":\"x\",\"error\":{error}}}");
            let found = Outcome::read(line.as_bytes()).unwrap();
            let failure = found.answer.unwrap_err();
            assert_eq!(failure.status, status);
            assert!(!failure.message.is_empty());
        }
        assert!(Outcome::read(b"x").is_err());
        let line = answered("one", "u", 200, b"{\"b\":2}", &[]);
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["response"]["body"]["b"], 2);
        assert!(line.get("losses").is_none());
        let line = answered("one", "u", 200, b"{}", &["seed"]);
        assert!(line.ends_with(b"\"losses\":[\"seed\"]}\n"));
    }
}

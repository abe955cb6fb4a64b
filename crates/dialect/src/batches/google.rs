//! Batches and files of Google's Gemini API. <https://ai.google.dev/api/batch-api>,
//! <https://ai.google.dev/api/files>
//!
//! A batch has one model, which stands in its path, and is made of a file; both have a name for people,
//! in which it is written of which requests they were made.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use weir_types::{Dialect, dates};

use super::document::{Batch, File, INPUT, OUTPUT};
use super::id::{marked, unmarked};
use super::line::unbroken;
use super::outcome::meant;
use super::{Failure, Files, Frame, Interface, Outcome, Paging, Records, Service, Step, Tag, id};
use crate::fault::{AnswerFault, RequestFault};
use crate::ir::ErrorKind;

/// Google's.
pub(super) struct Google;

/// What names begin with that say of which requests something was made.
const MARK: &str = "weir.";
/// As much of a file's name is kept: names have 512 characters.
const FILENAME_MAX: usize = 128;
/// What is said to be in files of requests.
const KIND: &str = "application/jsonl";
/// How long a batch may take.
const HOURS: u64 = 24;
/// The statuses of HTTP's for those of `google.rpc.Code`, from 1 on.
const STATUSES: [u16; 16] =
    [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

impl Records for Google {
    fn has_one_model(&self) -> bool {
        true
    }

    fn frame(&self) -> Frame {
        Frame::LINES
    }

    fn record(
        &self,
        id: &str,
        interface: Interface,
        input: Vec<Bytes>,
    ) -> Result<Vec<Bytes>, RequestFault> {
        let name = marked(id, interface, |_| true).unwrap_or_default();
        let head = format!("{{\"key\":{},\"request\":", Value::from(name));
        let parts = [Bytes::from(head)].into_iter().chain(unbroken(input));
        Ok(parts.chain([Bytes::from_static(b"}")]).collect())
    }

    fn outcome(&self, line: &[u8]) -> Result<Outcome, AnswerFault> {
        #[derive(Deserialize)]
        struct Told<'l> {
            #[serde(borrow)]
            key: Option<Cow<'l, str>>,
            #[serde(borrow)]
            response: Option<&'l RawValue>,
            error: Option<Value>,
        }
        let wrong = |error| AnswerFault::Shape(format!("a line is no result of a batch: {error}"));
        let told: Told<'_> = serde_json::from_slice(line).map_err(wrong)?;
        let (id, interface) = unmarked(&told.key.unwrap_or_default());
        let answer = match (told.response, told.error) {
            (Some(response), None) => Ok(Bytes::copy_from_slice(response.get().as_bytes())),
            (_, error) => Err(failure(&error.unwrap_or_default())),
        };
        Ok(Outcome { id, interface, input: None, answer })
    }

    fn unknown(&self) -> &'static [u8] {
        br#"{"contents":[]}"#
    }
}

fn failure(error: &Value) -> Failure {
    let document = json!({ "error": error }).to_string();
    let mut said = meant(Dialect::GeminiGenerate, document.as_bytes());
    let code =
        error.get("code").and_then(Value::as_u64).and_then(|code| usize::try_from(code).ok());
    let status = code.and_then(|code| STATUSES.get(code.checked_sub(1)?)).copied();
    if let Some(status) = status {
        said.status = status;
        said.kind = ErrorKind::of_status(status);
    }
    Failure::of(said)
}

/// The last step of a name that is a path.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn text<'v>(document: &'v Value, path: &str) -> Option<&'v str> {
    document.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn moment(document: &Value, path: &str) -> Option<u64> {
    text(document, path).and_then(dates::parse)
}

/// Numbers of 64 bits are texts there.
fn number(document: &Value, path: &str) -> u64 {
    match document.pointer(path) {
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(number) => number.as_u64().unwrap_or_default(),
        None => 0,
    }
}

fn read_name(name: &str) -> Option<(Tag, &str)> {
    let (tag, filename) = name.strip_prefix(MARK)?.split_once('.')?;
    let tag = String::from_utf8(URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
    Some((Tag::of_text(&tag)?, filename))
}

impl Service for Google {
    fn batch(&self, document: &Value) -> Result<Batch, AnswerFault> {
        let own = text(document, "/name").map(last);
        let own = own.ok_or_else(|| AnswerFault::Shape("it names no batch".to_owned()))?;
        let tag = text(document, "/metadata/displayName").and_then(read_name).map(|(tag, _)| tag);
        let endpoint = match &tag {
            Some(tag) => tag.interface.path().to_owned(),
            None => {
                let model = text(document, "/metadata/model").unwrap_or_default();
                format!("/v1beta/{model}:generateContent")
            }
        };
        let state = text(document, "/metadata/state").unwrap_or_default();
        let state = state.rsplit_once("STATE_").map_or(state, |(_, state)| state);
        let status = match state {
            "RUNNING" => "in_progress",
            "SUCCEEDED" => "completed",
            "FAILED" => "failed",
            "CANCELLED" => "cancelled",
            "EXPIRED" => "expired",
            _ => "validating",
        };
        let has_ended = !matches!(status, "in_progress" | "validating");
        let ended = moment(document, "/metadata/endTime")
            .or_else(|| moment(document, "/metadata/updateTime"))
            .filter(|_| has_ended);
        let created = moment(document, "/metadata/createTime").unwrap_or_default();
        let output = text(document, "/response/responsesFile")
            .or_else(|| text(document, "/metadata/output/responsesFile"));
        let count = |name: &str| number(document, &format!("/metadata/batchStats/{name}"));
        Ok(Batch {
            id: id::batch(own),
            status,
            endpoint,
            input: text(document, "/metadata/inputConfig/fileName")
                .map(|name| id::file(last(name))),
            output: output.map(|name| id::file(last(name))),
            window: HOURS,
            created,
            ended,
            expires: None,
            counts: ["requestCount", "successfulRequestCount", "failedRequestCount"].map(count),
            message: text(document, "/error/message").map(str::to_owned),
        })
    }

    fn batches(&self) -> &'static str {
        "operations"
    }

    fn paging(&self) -> Paging {
        Paging {
            limit: ("pageSize", "100"),
            next: ("pageToken", "nextPageToken"),
            more: None,
            by_id: false,
        }
    }

    fn files(&self) -> Option<&'static dyn Files> {
        Some(&Self)
    }
}

impl Files for Google {
    fn named(&self, tag: &Tag, filename: &str) -> String {
        let begin = filename.char_indices().rev().nth(FILENAME_MAX - 1).map_or(0, |(at, _)| at);
        let filename = filename.get(begin..).unwrap_or_default();
        format!("{MARK}{}.{filename}", URL_SAFE_NO_PAD.encode(tag.text()))
    }

    fn batch_of(&self, own: &str, named: &str) -> Bytes {
        let input = json!({"fileName": format!("files/{own}")});
        json!({"batch": {"displayName": named, "inputConfig": input}}).to_string().into()
    }

    fn begin(&self, named: &str) -> (Step, &'static str) {
        let headers = vec![
            ("x-goog-upload-protocol", "resumable".to_owned()),
            ("x-goog-upload-command", "start".to_owned()),
            ("x-goog-upload-header-content-type", KIND.to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        let body = json!({"file": {"displayName": named, "mimeType": KIND}}).to_string().into();
        (Step { headers, body }, "x-goog-upload-url")
    }

    fn step(&self, bytes: Bytes, offset: u64, is_last: bool) -> Step {
        let command = if is_last { "upload, finalize" } else { "upload" };
        let headers = vec![
            ("x-goog-upload-command", command.to_owned()),
            ("x-goog-upload-offset", offset.to_string()),
        ];
        Step { headers, body: bytes }
    }

    fn uploaded(&self, document: &Value) -> Result<File, AnswerFault> {
        let missing = || AnswerFault::Shape("it has no file".to_owned());
        self.file(document.get("file").ok_or_else(missing)?)
    }

    fn file(&self, document: &Value) -> Result<File, AnswerFault> {
        let own = text(document, "/name").map(last);
        let own = own.ok_or_else(|| AnswerFault::Shape("it names no file".to_owned()))?;
        let called = text(document, "/displayName").unwrap_or(own);
        let (tag, filename) = match read_name(called) {
            Some((tag, filename)) => (Some(tag), filename),
            None => (None, called),
        };
        // Videos are made, too.
        let is_made = text(document, "/source") == Some("GENERATED")
            && text(document, "/mimeType").is_none_or(|kind| kind.contains("json"));
        let purpose = match (&tag, is_made) {
            (Some(_), _) => INPUT,
            (None, true) => OUTPUT,
            (None, false) => "user_data",
        };
        Ok(File {
            id: id::file(own),
            purpose: purpose.to_owned(),
            filename: filename.to_owned(),
            bytes: number(document, "/sizeBytes"),
            created: moment(document, "/createTime").unwrap_or_default(),
            tag,
        })
    }

    fn files(&self) -> &'static str {
        "files"
    }
}

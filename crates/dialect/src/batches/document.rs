//! Batches and files as OpenAI writes them, whoever has them.
//! <https://platform.openai.com/docs/api-reference/batch/object>,
//! <https://platform.openai.com/docs/api-reference/files/object>

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Tag;
use crate::fault::{AnswerFault, RequestFault};
use crate::ir::Losses;

/// The purpose of files of requests.
pub const INPUT: &str = "batch";
/// That of files of results.
pub const OUTPUT: &str = "batch_output";

/// A batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Its id.
    pub id: String,
    /// OpenAI's word for how far it is.
    pub status: &'static str,
    /// What its requests are for.
    pub endpoint: String,
    /// The id of the file of its requests.
    pub input: Option<String>,
    /// The id of the file of its results.
    pub output: Option<String>,
    /// How long it may take, in hours.
    pub window: u64,
    /// When it was made, in seconds since 1970, as all moments.
    pub created: u64,
    /// When it came to an end, whichever.
    pub ended: Option<u64>,
    /// When it will have taken too long.
    pub expires: Option<u64>,
    /// All requests, those done, those that failed.
    pub counts: [u64; 3],
    /// Why it failed.
    pub message: Option<String>,
}

impl Batch {
    /// As OpenAI writes it.
    #[must_use]
    pub fn document(&self) -> Value {
        let ended = |status: &str| self.ended.filter(|_| self.status == status);
        let [total, completed, failed] = self.counts;
        let message = self.message.as_ref().filter(|_| self.status == "failed");
        let errors = message.map(|message| {
            let error =
                json!({"code": "job_failed", "message": message, "line": null, "param": null});
            json!({"object": "list", "data": [error]})
        });
        json!({
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": errors,
            "input_file_id": self.input,
            "completion_window": format!("{}h", self.window),
            "status": self.status,
            "output_file_id": self.output,
            "error_file_id": null,
            "created_at": self.created,
            "in_progress_at": null,
            "expires_at": self.expires,
            "finalizing_at": null,
            "completed_at": ended("completed"),
            "failed_at": ended("failed"),
            "expired_at": ended("expired"),
            "cancelling_at": ended("cancelling"),
            "cancelled_at": ended("cancelled"),
            "request_counts": {"total": total, "completed": completed, "failed": failed},
            "metadata": null,
        })
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub id: String,
    /// OpenAI's word for what it is for.
    pub purpose: String,
    /// Its name.
    pub filename: String,
    /// Its length.
    pub bytes: u64,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// Of which requests it was made, if its name says so.
    pub tag: Option<Tag>,
}

impl File {
    /// As OpenAI writes it.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created,
            "expires_at": null,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": null,
        })
    }
}

/// What came of the deletion of a file.
#[must_use]
pub fn deleted(id: &str, is_gone: bool) -> Bytes {
    json!({"id": id, "object": "file", "deleted": is_gone}).to_string().into()
}

/// A request for a batch.
#[derive(Debug)]
pub struct Request {
    members: Map<String, Value>,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// It is not an object.
    pub fn read(body: &[u8]) -> Result<Self, RequestFault> {
        let wrong = |error: serde_json::Error| {
            RequestFault::invalid("", format!("request body: it is not a JSON object: {error}"))
        };
        Ok(Self { members: serde_json::from_slice(body).map_err(wrong)? })
    }

    /// The text in the member `name`, if there is one.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, RequestFault> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(RequestFault::invalid(name, format!("{name}: expected a string"))),
        }
    }

    /// The same of a member that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn needed(&self, name: &'static str) -> Result<&str, RequestFault> {
        let missing = || RequestFault::invalid(name, format!("{name}: missing"));
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    /// The id of a file of requests, in the member that names it.
    ///
    /// # Errors
    /// It names none.
    pub fn input<T>(&self, read: impl Fn(&str) -> Option<T>) -> Result<T, RequestFault> {
        read(self.needed("input_file_id")?).ok_or_else(|| {
            let why = "input_file_id: no id of a file of this provider";
            RequestFault::invalid("input_file_id", why)
        })
    }

    /// Tells `losses` what of it a batch of the provider, which has `known`, cannot have.
    pub fn lost(&self, known: &[&str], losses: &mut Losses) {
        for (name, value) in &self.members {
            if !known.contains(&name.as_str()) && !value.is_null() && *value != json!({}) {
                losses.add(name.clone(), "a batch of the provider has no such member");
            }
        }
    }
}

/// How many hours a `completion_window` is, of those that the provider takes.
///
/// # Errors
/// It is none of them.
pub fn hours(window: &str, taken: std::ops::RangeInclusive<u64>) -> Result<u64, RequestFault> {
    let hours = window.strip_suffix('h').and_then(|hours| hours.parse().ok());
    hours.filter(|hours| taken.contains(hours)).ok_or_else(|| {
        let expected = match (taken.start(), taken.end()) {
            (from, to) if from == to => format!("\"{from}h\""),
            (from, to) => format!("hours from \"{from}h\" to \"{to}h\""),
        };
        let message = format!("completion_window: expected {expected}");
        RequestFault::invalid("completion_window", message)
    })
}

/// What a vendor says.
pub type Document = Value;

/// An answer as a document.
///
/// # Errors
/// It is none.
pub fn parsed(answer: &[u8]) -> Result<Document, AnswerFault> {
    serde_json::from_slice(answer)
        .map_err(|error| AnswerFault::Shape(format!("it is not JSON: {error}")))
}

pub(crate) fn object(answer: &[u8]) -> Result<Map<String, Value>, AnswerFault> {
    serde_json::from_slice(answer)
        .map_err(|error| AnswerFault::Shape(format!("it is not a JSON object: {error}")))
}

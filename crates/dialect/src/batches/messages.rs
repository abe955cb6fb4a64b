//! Anthropic's message batches. <https://platform.claude.com/docs/en/api/creating-message-batches>
//!
//! A batch is made of its requests, not of a file, and what is uploaded to Anthropic is given back to
//! nobody: so the file of its requests, the batch, and the file of its results are one thing there.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use weir_types::{Dialect, dates};

use super::document::Batch;
use super::id::{marked, unmarked};
use super::line::unbroken;
use super::outcome::meant;
use super::side::Side;
use super::{Failure, Files, Frame, Interface, Outcome, Paging, Records, Service, id};
use crate::fault::{AnswerFault, RequestFault};

/// Anthropic's.
pub(super) struct Messages;

/// What it takes as a record's name.
const ID_MAX: usize = 64;
/// What its batches are for where nobody says so in OpenAI's words.
const ENDPOINT: &str = "/v1/messages";
/// How long a batch may take.
const HOURS: u64 = 24;

impl Records for Messages {
    fn has_one_model(&self) -> bool {
        false
    }

    fn frame(&self) -> Frame {
        Frame { before: "{\"requests\":[", between: ",\n", after: "]}" }
    }

    fn record(
        &self,
        id: &str,
        interface: Interface,
        input: Vec<Bytes>,
    ) -> Result<Vec<Bytes>, RequestFault> {
        let is_fit = |name: &str| {
            let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            (1..=ID_MAX).contains(&name.len()) && name.bytes().all(is_fit)
        };
        let name = marked(id, interface, is_fit).ok_or_else(|| {
            let why = format!(
                "custom_id: too long for the provider, whose own have {ID_MAX} letters, digits, `_` \
                 and `-`; at most {} of them, or 42 bytes of any kind, can be carried",
                ID_MAX - "weir-c-".len()
            );
            RequestFault::invalid("custom_id", why)
        })?;
        let head = format!("{{\"custom_id\":{},\"params\":", Value::from(name));
        Ok([Bytes::from(head)]
            .into_iter()
            .chain(unbroken(input))
            .chain([Bytes::from_static(b"}")])
            .collect())
    }

    fn outcome(&self, line: &[u8]) -> Result<Outcome, AnswerFault> {
        #[derive(Deserialize)]
        struct Told<'l> {
            #[serde(borrow)]
            custom_id: Cow<'l, str>,
            #[serde(borrow)]
            result: Came<'l>,
        }
        #[derive(Deserialize)]
        struct Came<'l> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'l, str>,
            #[serde(borrow)]
            message: Option<&'l RawValue>,
            #[serde(borrow)]
            error: Option<&'l RawValue>,
        }
        let wrong = |error| AnswerFault::Shape(format!("a line is no result of a batch: {error}"));
        let told: Told<'_> = serde_json::from_slice(line).map_err(wrong)?;
        let (id, interface) = unmarked(&told.custom_id);
        let answer = match (&*told.result.kind, told.result.message) {
            ("succeeded", Some(message)) => Ok(Bytes::copy_from_slice(message.get().as_bytes())),
            ("canceled", _) => {
                let why = "the batch was canceled before this request was sent to the model";
                Err(Failure::unasked("batch_cancelled", why))
            }
            ("expired", _) => {
                let why = "the batch expired before this request was sent to the model";
                Err(Failure::unasked("batch_expired", why))
            }
            _ => Err(failure(told.result.error)),
        };
        Ok(Outcome { id, interface, input: None, answer })
    }

    fn unknown(&self) -> &'static [u8] {
        br#"{"model":"","max_tokens":1,"messages":[]}"#
    }
}

fn failure(error: Option<&RawValue>) -> Failure {
    let said = error.map_or("{}", RawValue::get);
    Failure::of(meant(Dialect::AnthropicMessages, said.as_bytes()))
}

impl Service for Messages {
    fn batch(&self, document: &Value) -> Result<Batch, AnswerFault> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let own = text("id").ok_or_else(|| AnswerFault::Shape("it names no batch".to_owned()))?;
        let moment = |name: &str| text(name).and_then(dates::parse);
        let count = |name: &str| {
            let count = document.pointer(&format!("/request_counts/{name}"));
            count.and_then(Value::as_u64).unwrap_or_default()
        };
        let [open, well, failed, canceled, expired] =
            ["processing", "succeeded", "errored", "canceled", "expired"].map(count);
        let unasked = canceled + expired;
        let status = match text("processing_status") {
            Some("canceling") => "cancelling",
            Some("ended") if moment("cancel_initiated_at").is_some() => "cancelled",
            Some("ended") if expired > 0 && well + failed == 0 => "expired",
            Some("ended") => "completed",
            _ => "in_progress",
        };
        Ok(Batch {
            id: id::batch(own),
            status,
            endpoint: ENDPOINT.to_owned(),
            input: Some(Side::Input.id(own)),
            output: text("results_url").map(|_| Side::Output.id(own)),
            window: HOURS,
            created: moment("created_at").unwrap_or_default(),
            ended: moment("ended_at").or_else(|| moment("cancel_initiated_at")),
            expires: moment("expires_at"),
            counts: [open + well + failed + unasked, well, failed + unasked],
            message: None,
        })
    }

    fn batches(&self) -> &'static str {
        "data"
    }

    fn paging(&self) -> Paging {
        Paging {
            limit: ("limit", "100"),
            next: ("after_id", "last_id"),
            more: Some("has_more"),
            by_id: true,
        }
    }

    fn files(&self) -> Option<&'static dyn Files> {
        None
    }
}

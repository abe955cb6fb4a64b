//! Google's Cloud Storage, and Vertex AI's batch prediction jobs.
//! <https://docs.cloud.google.com/storage/docs/json_api/v1>,
//! <https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs>

mod jobs;
mod labels;
mod records;

use bytes::Bytes;
use serde_json::Value;
use weir_types::dates;

use super::Bucket;
use super::cloud::{Addressing, Cloud, ListAsked, Pairs, Sessions};
use super::jobs::{Job, Terms};
use super::objects::{Entry, Listing};
use crate::batches::document::object;
use crate::batches::{Batch, Paging, Records, Step};
use crate::fault::AnswerFault;

/// The file of a job's results.
const RESULTS: &str = "predictions.jsonl";
/// Cloud Storage gives no more at a time.
const PAGE_MAX: usize = 1000;
/// What an object is said to be.
const KIND: &str = "application/octet-stream";

/// Google's.
pub(super) struct Google;

/// Numbers of 64 bits are texts there.
fn number(document: &Value, path: &str) -> u64 {
    match document.pointer(path) {
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(number) => number.as_u64().unwrap_or_default(),
        None => 0,
    }
}

fn text<'v>(document: &'v Value, path: &str) -> Option<&'v str> {
    document.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// <https://docs.cloud.google.com/storage/docs/json_api/v1/objects#resource>
fn entry_of(object: &Value) -> Result<Entry, AnswerFault> {
    let key = text(object, "/name").map(str::to_owned);
    Ok(Entry {
        key: key.ok_or_else(|| AnswerFault::Shape("it names no object".to_owned()))?,
        bytes: number(object, "/size"),
        modified: text(object, "/updated").and_then(dates::parse).unwrap_or_default(),
    })
}

impl Cloud for Google {
    fn scheme(&self) -> &'static str {
        jobs::GS
    }

    fn field(&self) -> &'static str {
        "vertex_key_config.batch_gcs_config"
    }

    fn addressing(&self) -> Addressing {
        Addressing::Resource
    }

    fn records(&self) -> &'static dyn Records {
        &records::Vertex
    }

    fn are_results(&self, filename: &str) -> bool {
        filename == RESULTS
    }

    fn list(&self, asked: ListAsked<'_>) -> Pairs {
        let mut pairs = vec![("prefix", asked.prefix.to_owned())];
        // The name at which it begins is among them.
        let most = asked.most + usize::from(asked.after.is_some());
        pairs.push(("maxResults", most.min(PAGE_MAX).to_string()));
        pairs.push(("fields", "nextPageToken,items(name,size,updated)".to_owned()));
        match (asked.next, asked.after) {
            (Some(next), _) => pairs.push(("pageToken", next.to_owned())),
            (None, Some(after)) => pairs.push(("startOffset", after.to_owned())),
            (None, None) => {}
        }
        pairs
    }

    fn listing(&self, answer: &[u8]) -> Result<Listing, AnswerFault> {
        const PAGING: Paging = Paging {
            limit: ("maxResults", ""),
            next: ("pageToken", "nextPageToken"),
            more: None,
            by_id: false,
        };
        let (items, next) = PAGING.read(Value::Object(object(answer)?), "items")?;
        let entries = items.iter().map(entry_of).collect::<Result<_, _>>()?;
        Ok(Listing { entries, is_truncated: next.is_some(), next })
    }

    fn entry(&self) -> Option<fn(&[u8]) -> Result<Entry, AnswerFault>> {
        Some(|answer| entry_of(&Value::Object(object(answer)?)))
    }

    fn sessions(&self) -> Option<&'static dyn Sessions> {
        Some(&Self)
    }

    fn terms(&self) -> &'static Terms {
        &jobs::TERMS
    }

    fn needs_role(&self) -> bool {
        false
    }

    fn invocation(&self) -> Option<&'static str> {
        None
    }

    fn model(&self, name: &str) -> String {
        match name.split_once('/') {
            Some(("projects" | "publishers", _)) => name.to_owned(),
            _ => format!("publishers/google/models/{}", name.trim_start_matches("google/")),
        }
    }

    fn job_of(&self, id: &str) -> Option<String> {
        jobs::job_of(id)
    }

    fn job(&self, job: &Job<'_>) -> Bytes {
        jobs::document(job)
    }

    fn made(&self, document: &Value) -> Result<String, AnswerFault> {
        jobs::made(document)
    }

    fn batch(&self, job: &Value, buckets: &[Bucket]) -> Result<Option<Batch>, AnswerFault> {
        jobs::batch(job, buckets)
    }

    fn jobs(&self) -> Paging {
        Paging {
            limit: ("pageSize", "100"),
            next: ("pageToken", "nextPageToken"),
            more: None,
            by_id: false,
        }
    }

    fn order(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn jobs_member(&self) -> &'static str {
        "batchPredictionJobs"
    }

    fn near(&self) -> Option<fn(&Value) -> Option<(&'static str, String)>> {
        None
    }
}

/// <https://docs.cloud.google.com/storage/docs/performing-resumable-uploads>
impl Sessions for Google {
    fn begin(&self, key: &str) -> (Pairs, Step, &'static str) {
        let pairs = vec![("uploadType", "resumable".to_owned()), ("name", key.to_owned())];
        let headers = vec![("x-upload-content-type", KIND.to_owned())];
        (pairs, Step { headers, body: Bytes::new() }, "location")
    }

    fn step(&self, bytes: Bytes, offset: u64, is_last: bool) -> Step {
        let end = offset + bytes.len() as u64;
        let total = if is_last { end.to_string() } else { "*".to_owned() };
        let range = match bytes.is_empty() {
            true => format!("bytes */{total}"),
            false => format!("bytes {offset}-{}/{total}", end - 1),
        };
        Step { headers: vec![("content-range", range)], body: bytes }
    }

    fn come(&self, range: &str) -> u64 {
        let last = range.strip_prefix("bytes=0-").and_then(|last| last.parse::<u64>().ok());
        last.map_or(0, |last| last + 1)
    }
}

#[cfg(test)]
mod tests;

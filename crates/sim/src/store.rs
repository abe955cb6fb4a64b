//! What keys have stored: files, batches of requests that are worked off after a while, responses.
//!
//! Everything is its key's: another key's is not there. What a batch does is what the same requests
//! would have done one by one. Several services have such things, each with its own paths, words and
//! documents (files of `store`; Amazon's in `store/objects.rs` and
//! `store/jobs.rs`, Google's cloud's in `store/gcs.rs` and `store/vertex.rs`).

mod anthropic;
mod gcs;
mod gemini;
mod jobs;
mod mistral;
mod objects;
mod openai;
mod responses;
mod service;
mod vertex;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::answer::{self, Making, text};
use crate::call::Call;
use crate::ledger::now_us;
use crate::refusal::Refusal;
use crate::wire::{self, Asked, Route, Wire};
use service::Service;

/// More is not kept: whoever stores that much has forgotten to reset.
const KEPT_MAX: usize = 10_000;

/// The bucket and the object of an address, which begins with `scheme`.
fn object_of(uri: &str, scheme: &str) -> Option<(String, String)> {
    let (bucket, key) = uri.strip_prefix(scheme)?.split_once('/')?;
    Some((bucket.to_owned(), key.to_owned()))
}

/// Files and batches of all keys.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    files: BTreeMap<String, File>,
    batches: BTreeMap<String, Batch>,
    /// By key and id.
    responses: BTreeMap<(String, String), responses::Kept>,
    uploads: BTreeMap<String, gemini::Upload>,
    buckets: objects::Buckets,
    gcs: gcs::Buckets,
    count: u64,
}

#[derive(Debug, Clone)]
struct File {
    nth: u64,
    key: String,
    name: String,
    kind: String,
    purpose: String,
    bytes: Bytes,
    created_us: u64,
}

#[derive(Debug, Clone)]
struct Batch {
    nth: u64,
    key: String,
    /// As it was asked for.
    asked: Value,
    /// What is to be done, one by one; `Err`: why none of it can be.
    lines: Result<Vec<Line>, Value>,
    created_us: u64,
    canceled_us: Option<u64>,
    /// Files that were made when its end was first seen.
    outputs: Option<[Option<String>; 2]>,
}

/// One request of a batch, and what came of it.
#[derive(Debug, Clone)]
struct Line {
    custom_id: String,
    status: u16,
    body: Value,
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begun,
    Working,
    Finishing,
    Done,
    Canceling,
    Canceled,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<objects::Header>,
    pub(crate) body: Bytes,
}

impl Given {
    fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name.into(), value));
        self
    }

    fn json(value: &Value) -> Self {
        Self::bytes("application/json", value.to_string().into())
    }

    fn bytes(content_type: &'static str, body: Bytes) -> Self {
        Self { status: 200, content_type, headers: Vec::new(), body }
    }
}

/// Whose door a call about what is stored comes to; `None`: it is about something else.
pub(crate) fn of(call: &Call<'_>) -> Option<(&'static dyn Wire, Route<'static>)> {
    Some((Service::of(call)?.wire(), Route::to(Asked::Stored)))
}

/// The steps of a path that is about what is stored, behind its version.
fn steps(path: &str) -> Option<(&str, Vec<&str>)> {
    let (before, rest) = path.split_once("/v1/")?;
    let steps: Vec<&str> = rest.split('/').collect();
    let is_ours = match steps.as_slice() {
        ["files" | "batches", ..] | ["messages", "batches", ..] | ["batch", "jobs", ..] => true,
        ["responses", "compact" | "input_tokens"] => false,
        ["responses", id, ..] => !id.is_empty(),
        _ => false,
    };
    is_ours.then_some((before, steps))
}

impl Store {
    fn with<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.with(|shelf| {
            shelf.files.clear();
            shelf.batches.clear();
            shelf.responses.clear();
            shelf.uploads.clear();
            shelf.buckets.clear();
            shelf.gcs.clear();
        });
    }

    /// Whether a request refers to no file that is another key's.
    ///
    /// # Errors
    /// It does.
    pub(crate) fn check_files(&self, call: &Call<'_>, body: &[u8]) -> Result<(), Refusal> {
        self.with(|shelf| match shelf.files.is_empty() {
            true => Ok(()),
            false => gemini::check_files(shelf, call.key, body),
        })
    }

    /// Answers a call. A batch is worked off within `pace`.
    ///
    /// # Errors
    /// What the service would refuse.
    pub(crate) fn answer(
        &self,
        call: &Call<'_>,
        body: &Bytes,
        pace: Duration,
    ) -> Result<Given, Refusal> {
        let nowhere = || Refusal::no_route(call.method.as_str(), call.path);
        let service = Service::of(call).ok_or_else(nowhere)?;
        let steps = steps(call.path).map(|(_, steps)| steps).unwrap_or_default();
        self.with(|shelf| {
            let kept = shelf.files.len() + shelf.batches.len();
            let kept = kept + shelf.buckets.len() + shelf.gcs.len();
            if kept >= KEPT_MAX {
                return Err(Refusal::bad_request("the simulated provider keeps no more; reset it"));
            }
            let mut visit = Visit { shelf, call, body, pace_us: micros(pace), now_us: now_us() };
            match service {
                Service::OpenAi => openai::answer(visit, &steps),
                Service::Responses => {
                    responses::answer(&mut visit, steps.get(1..).unwrap_or_default())
                }
                Service::Mistral => mistral::answer(visit, &steps),
                Service::Gemini => gemini::answer(visit),
                Service::Anthropic => anthropic::answer(visit, &steps),
                Service::Objects => objects::answer(&mut visit),
                Service::Jobs => jobs::answer(&mut visit),
                Service::CloudStorage => gcs::answer(&mut visit),
                Service::Vertex => vertex::answer(&mut visit),
            }
        })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// One call at the shelf.
struct Visit<'v> {
    shelf: &'v mut Shelf,
    call: &'v Call<'v>,
    body: &'v Bytes,
    pace_us: u64,
    now_us: u64,
}

impl Visit<'_> {
    fn is(&self, method: &Method) -> bool {
        self.call.method == method
    }

    fn next(&mut self) -> u64 {
        self.shelf.count += 1;
        self.shelf.count
    }

    /// An id that nothing else has.
    fn id(prefix: &str, key: &str, nth: u64) -> String {
        text::id(prefix, text::hash(&[key.as_bytes(), &nth.to_be_bytes()]))
    }

    fn keep(
        &mut self,
        prefix: &str,
        name: &str,
        kind: &str,
        purpose: &str,
        bytes: Bytes,
    ) -> String {
        let nth = self.next();
        let id = Self::id(prefix, self.call.key, nth);
        let file = File {
            nth,
            key: self.call.key.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            purpose: purpose.to_owned(),
            bytes,
            created_us: self.now_us,
        };
        self.shelf.files.insert(id.clone(), file);
        id
    }

    fn file(&self, id: &str) -> Option<&File> {
        self.shelf.files.get(id).filter(|file| file.key == self.call.key)
    }

    fn batch(&self, id: &str) -> Option<&Batch> {
        self.shelf.batches.get(id).filter(|batch| batch.key == self.call.key)
    }

    /// The batch `id`; those of a call that cancels are canceled.
    fn cancel(&mut self, id: &str) -> Option<()> {
        let (now, pace) = (self.now_us, self.pace_us);
        let batch = self.shelf.batches.get_mut(id).filter(|batch| batch.key == self.call.key)?;
        let is_open = !matches!(batch.stage(now, pace), Stage::Done | Stage::Canceled);
        if is_open {
            batch.canceled_us.get_or_insert(now);
        }
        Some(())
    }

    /// Begins a batch.
    fn begin(&mut self, prefix: &str, asked: Value, lines: Result<Vec<Line>, Value>) -> String {
        let nth = self.next();
        let id = Self::id(prefix, self.call.key, nth);
        let batch = self.begun(nth, asked, lines);
        self.shelf.batches.insert(id.clone(), batch);
        id
    }

    /// A batch that begins now.
    fn begun(&self, nth: u64, asked: Value, lines: Result<Vec<Line>, Value>) -> Batch {
        Batch {
            nth,
            key: self.call.key.to_owned(),
            asked,
            lines,
            created_us: self.now_us,
            canceled_us: None,
            outputs: None,
        }
    }

    /// Does one request of a batch: what a call with it would have done.
    fn line(&self, path: &str, custom_id: &str, params: &Value) -> Line {
        let body = params.to_string();
        let call = Call { method: &Method::POST, path, query: "", ..*self.call };
        let custom_id = custom_id.to_owned();
        let (wire, route) = wire::of(&call);
        let making = Making { answer_bytes: None, dimensions: 8 };
        let done = wire
            .read(&call, &route, body.as_bytes())
            .and_then(|ask| answer::work(&ask, "chat", making).map(|done| (ask, done)));
        let (status, bytes) = match done {
            Ok((ask, done)) => (200, wire.whole(&route, &ask, &done)),
            Err(refusal) => {
                let spoken = wire.error(&route, &refusal);
                (spoken.status, spoken.body.into_bytes())
            }
        };
        Line { custom_id, status, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// A page of `all`, which are in order, the newest first, between the ids that the parameters
    /// `after` and `before` name.
    fn page(
        &self,
        all: &[(String, Value)],
        (after, before): (&str, Option<&str>),
        usual: usize,
    ) -> Result<Value, Refusal> {
        let missing = |id: &str| Refusal::bad_member(after, &format!("there is no '{id}'"));
        let at =
            |id: &str| all.iter().position(|(known, _)| known == id).ok_or_else(|| missing(id));
        let limit = match self.call.query("limit") {
            None => usual,
            Some(text) => match text.parse() {
                Ok(limit @ 1..=10_000) => limit,
                _ => return Err(Refusal::bad_member("limit", "expected 1 to 10000")),
            },
        };
        let begin = self.call.query(after).map(at).transpose()?.map_or(0, |at| at + 1);
        let end = before.and_then(|before| self.call.query(before)).map(at).transpose()?;
        let end = end.unwrap_or(all.len());
        let rest = all.get(begin..end).unwrap_or_default();
        let shown = rest.get(..limit.min(rest.len())).unwrap_or_default();
        let id = |item: Option<&(String, Value)>| item.map(|(id, _)| id.clone());
        Ok(json!({
            "data": shown.iter().map(|(_, item)| item).collect::<Vec<_>>(),
            "has_more": shown.len() < rest.len(),
            "first_id": id(shown.first()),
            "last_id": id(shown.last()),
        }))
    }
}

impl Batch {
    fn stage(&self, now_us: u64, pace_us: u64) -> Stage {
        let since = |then: u64| now_us.saturating_sub(then);
        if let Some(canceled) = self.canceled_us {
            let is_over = since(canceled) >= pace_us / 2;
            return if is_over { Stage::Canceled } else { Stage::Canceling };
        }
        match since(self.created_us) {
            past if past >= pace_us => Stage::Done,
            past if past >= pace_us / 4 * 3 => Stage::Finishing,
            past if past >= pace_us / 4 => Stage::Working,
            _ => Stage::Begun,
        }
    }

    /// How many lines there are, and how many of them went well.
    fn counts(&self) -> (usize, usize) {
        let lines = self.lines.as_deref().unwrap_or_default();
        (lines.len(), lines.iter().filter(|line| line.status == 200).count())
    }
}

/// The header's value, empty if there is none.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;

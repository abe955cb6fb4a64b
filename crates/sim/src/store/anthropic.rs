//! Message batches and files as Anthropic has them: <https://docs.claude.com/en/api/creating-message-batches>,
//! <https://docs.claude.com/en/docs/build-with-claude/files>.

use http::Method;
use serde_json::{Value, json};

use super::{Batch, File, Given, Line, Stage, Visit, header};
use crate::form;
use crate::refusal::Refusal;

const BATCH_MAX: usize = 100_000;
const USUAL: usize = 20;
/// Files whose names begin so may be read back, as those can that tools have made.
const READABLE: &str = "made-";

pub(super) fn answer(mut visit: Visit<'_>, steps: &[&str]) -> Result<Given, Refusal> {
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    let delete = visit.is(&Method::DELETE);
    match steps {
        ["messages", "batches"] if post => create(&mut visit),
        ["messages", "batches"] if get => batches(&visit),
        ["messages", "batches", id] if get => told(&visit, id),
        ["messages", "batches", id, "cancel"] if post => {
            visit.cancel(id).ok_or_else(no_batch)?;
            told(&visit, id)
        }
        ["messages", "batches", id, "results"] if get => results(&visit, id),
        ["messages", "batches", id] if delete => {
            let batch = visit.batch(id).ok_or_else(no_batch)?;
            if !is_ended(&visit, batch) {
                return Err(Refusal::bad_request("Message batch is still in progress."));
            }
            visit.shelf.batches.remove(*id);
            Ok(Given::json(&json!({"id": id, "type": "message_batch_deleted"})))
        }
        ["files"] if post => upload(&mut visit),
        ["files"] if get => files(&visit),
        ["files", id] if get => {
            visit.file(id).map(|file| Given::json(&shown(id, file))).ok_or_else(no_file)
        }
        ["files", id, "content"] if get => {
            let file = visit.file(id).ok_or_else(no_file)?;
            if !file.name.starts_with(READABLE) {
                return Err(Refusal::bad_request("File is not downloadable."));
            }
            Ok(Given::bytes("application/octet-stream", file.bytes.clone()))
        }
        ["files", id] if delete => {
            visit.file(id).ok_or_else(no_file)?;
            visit.shelf.files.remove(*id);
            Ok(Given::json(&json!({"id": id, "type": "file_deleted"})))
        }
        _ => Err(not_found("Not found")),
    }
}

fn not_found(message: &str) -> Refusal {
    Refusal { status: 404, ..Refusal::bad_request(message) }
}

fn no_batch() -> Refusal {
    not_found("Batch not found")
}

fn no_file() -> Refusal {
    not_found("File not found")
}

fn create(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let asked: Value = serde_json::from_slice(visit.body)
        .map_err(|_| Refusal::bad_request("The request body is not valid JSON"))?;
    let members = asked.as_object().map(|object| object.keys().map(String::as_str));
    if let Some(unknown) = members.into_iter().flatten().find(|name| *name != "requests") {
        let message = format!("{unknown}: Extra inputs are not permitted");
        return Err(Refusal::bad_request(message));
    }
    let Some(requests) = asked.get("requests").and_then(Value::as_array) else {
        return Err(Refusal::bad_request("requests: Field required"));
    };
    if !(1..=BATCH_MAX).contains(&requests.len()) {
        return Err(Refusal::bad_request("requests: List should have 1 to 100000 items"));
    }
    let (before, _) = visit.call.path.split_once("/v1/").unwrap_or_default();
    let path = format!("{before}/v1/messages");
    let mut lines: Vec<Line> = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        let id = request.get("custom_id").and_then(Value::as_str).unwrap_or_default();
        if !(1..=64).contains(&id.len()) {
            let message = format!("requests.{at}.custom_id: String should have 1 to 64 characters");
            return Err(Refusal::bad_request(message));
        }
        if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            let message = format!(
                "requests.{at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
            );
            return Err(Refusal::bad_request(message));
        }
        if lines.iter().any(|line| line.custom_id == id) {
            let message = format!("requests.{at}.custom_id: Custom ids must be unique");
            return Err(Refusal::bad_request(message));
        }
        let Some(params) = request.get("params").filter(|params| params.is_object()) else {
            return Err(Refusal::bad_request(format!("requests.{at}.params: Field required")));
        };
        lines.push(visit.line(&path, id, params));
    }
    let id = visit.begin("msgbatch_", Value::Null, Ok(lines));
    told(visit, &id)
}

fn is_ended(visit: &Visit<'_>, batch: &Batch) -> bool {
    matches!(batch.stage(visit.now_us, visit.pace_us), Stage::Done | Stage::Canceled)
}

fn told(visit: &Visit<'_>, id: &str) -> Result<Given, Refusal> {
    let batch = visit.batch(id).ok_or_else(no_batch)?;
    Ok(Given::json(&document(visit, id, batch)))
}

fn document(visit: &Visit<'_>, id: &str, batch: &Batch) -> Value {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let (all, well) = batch.counts();
    let (processing, succeeded, errored, canceled) = match stage {
        Stage::Done => (0, well, all - well, 0),
        Stage::Canceled => (0, 0, 0, all),
        _ => (all, 0, 0, 0),
    };
    let status = match stage {
        Stage::Done | Stage::Canceled => "ended",
        Stage::Canceling => "canceling",
        Stage::Begun | Stage::Working | Stage::Finishing => "in_progress",
    };
    let ended = status == "ended";
    let host = header(visit.call.headers, "host");
    let (before, _) = visit.call.path.split_once("/v1/").unwrap_or_default();
    let url = format!("http://{host}{before}/v1/messages/batches/{id}/results");
    json!({
        "id": id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {"processing": processing, "succeeded": succeeded, "errored": errored,
            "canceled": canceled, "expired": 0},
        "ended_at": ended.then(|| time(visit.now_us)),
        "created_at": time(batch.created_us),
        "expires_at": time(batch.created_us + 86_400_000_000),
        "archived_at": null,
        "cancel_initiated_at": batch.canceled_us.map(time),
        "results_url": ended.then_some(url),
    })
}

fn page(visit: &Visit<'_>, all: &[(String, Value)]) -> Result<Given, Refusal> {
    let list = visit.page(all, ("after_id", Some("before_id")), USUAL)?;
    Ok(Given::json(&list))
}

fn batches(visit: &Visit<'_>) -> Result<Given, Refusal> {
    let own = visit.shelf.batches.iter().filter(|(_, batch)| batch.key == visit.call.key);
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|(_, batch)| std::cmp::Reverse(batch.nth));
    let all = own.into_iter().map(|(id, batch)| (id.clone(), document(visit, id, batch)));
    page(visit, &all.collect::<Vec<_>>())
}

fn results(visit: &Visit<'_>, id: &str) -> Result<Given, Refusal> {
    let batch = visit.batch(id).ok_or_else(no_batch)?;
    let stage = batch.stage(visit.now_us, visit.pace_us);
    if !is_ended(visit, batch) {
        return Err(not_found("Batch results are not available yet"));
    }
    let line = |line: &Line| {
        let result = match (stage, line.status) {
            (Stage::Canceled, _) => json!({"type": "canceled"}),
            (_, 200) => json!({"type": "succeeded", "message": line.body}),
            _ => json!({"type": "errored", "error": line.body}),
        };
        format!("{}\n", json!({"custom_id": line.custom_id, "result": result}))
    };
    let lines = batch.lines.as_deref().unwrap_or_default();
    let text: String = lines.iter().map(line).collect();
    Ok(Given::bytes("application/x-jsonl", text.into()))
}

fn upload(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let body = visit.body.clone();
    let parts = form::read(header(visit.call.headers, "content-type"), &body)?;
    let is_known = |name: &str| matches!(name, "file" | "expires_in_seconds");
    if let Some(unknown) = parts.iter().find(|part| !is_known(&part.name)) {
        let message = format!("{}: Extra inputs are not permitted", unknown.name);
        return Err(Refusal::bad_request(message));
    }
    let missing = || Refusal::bad_request("file: Field required");
    let file = parts.iter().find(|part| part.name == "file").ok_or_else(missing)?;
    let name = file.file.clone().ok_or_else(missing)?;
    let id = visit.keep("file_", &name, &file.kind, "", body.slice_ref(file.content));
    let file = visit.file(&id).ok_or_else(no_file)?;
    Ok(Given::json(&shown(&id, file)))
}

fn shown(id: &str, file: &File) -> Value {
    json!({
        "id": id,
        "type": "file",
        "filename": file.name,
        "mime_type": if file.kind.is_empty() { "application/octet-stream" } else { &file.kind },
        "size_bytes": file.bytes.len(),
        "created_at": time(file.created_us),
        "downloadable": file.name.starts_with(READABLE),
    })
}

/// Lists of files have tokens: the id behind which they go on, in other words.
const TOKEN: &str = "page_";

fn files(visit: &Visit<'_>) -> Result<Given, Refusal> {
    let own = visit.shelf.files.iter().filter(|(_, file)| file.key == visit.call.key);
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|(_, file)| std::cmp::Reverse(file.nth));
    let begin = match visit.call.query("page") {
        None => 0,
        Some(token) => {
            let at = own.iter().position(|(id, _)| token.strip_prefix(TOKEN) == Some(id));
            at.ok_or_else(|| Refusal::bad_request("page: Input should be a page of this list"))? + 1
        }
    };
    let rest = own.get(begin..).unwrap_or_default();
    let limit = visit.call.query("limit").map_or(Ok(USUAL), str::parse);
    let Ok(limit @ 1..=1000) = limit else {
        return Err(Refusal::bad_request("limit: Input should be from 1 to 1000"));
    };
    let page = rest.get(..limit.min(rest.len())).unwrap_or_default();
    let next = page.last().filter(|_| page.len() < rest.len());
    Ok(Given::json(&json!({
        "data": page.iter().map(|(id, file)| shown(id, file)).collect::<Vec<_>>(),
        "next_page": next.map(|(id, _)| format!("{TOKEN}{id}")),
    })))
}

/// A moment as RFC 3339 writes it.
fn time(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date that is so many days after the first of 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_service_writes_them() {
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
        assert_eq!(time(951_782_399_000_000), "2000-02-28T23:59:59Z");
        assert_eq!(time(951_782_400_000_000), "2000-02-29T00:00:00Z");
        assert_eq!(time(1_767_225_599_999_999), "2025-12-31T23:59:59Z");
    }
}

//! Batch prediction jobs, as Google's Vertex AI has them: what they read and write are objects.
//! <https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.batchPredictionJobs>

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::objects::iso;
use super::{Batch, Given, Line, Stage, Visit};
use crate::answer::text::hash;
use crate::refusal::Refusal;
use crate::shape::{Reading, Shape, may, must};

const STEP: &str = "/batchPredictionJobs";
/// What ids are kept behind.
const KEPT: &str = "prediction-";

const URI: Shape = Shape::Like(
    |text| text.strip_prefix("gs://").is_some_and(|rest| rest.contains('/')),
    "an address as gs://BUCKET/NAME",
);
const URIS: Shape = Shape::List(&URI);
const FROM: Shape = Shape::Members(&[
    must("instancesFormat", &Shape::Word(&["jsonl"])),
    must("gcsSource", &Shape::Members(&[must("uris", &URIS)])),
]);
const TO: Shape = Shape::Members(&[
    must("predictionsFormat", &Shape::Word(&["jsonl"])),
    must("gcsDestination", &Shape::Members(&[must("outputUriPrefix", &URI)])),
]);
const MODEL: Shape = Shape::Like(
    |text| text.starts_with("publishers/google/models/") || text.starts_with("projects/"),
    "the name of a model's resource",
);
const JOB: Shape = Shape::Members(&[
    must("displayName", &Shape::Filled),
    must("model", &MODEL),
    must("inputConfig", &FROM),
    must("outputConfig", &TO),
    may("labels", &Shape::Object),
]);

/// Whether a path is about jobs.
pub(super) fn are_meant(path: &str) -> bool {
    path.contains("/projects/") && path.contains(STEP)
}

pub(super) fn answer(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let path = visit.call.path;
    let nowhere = || Refusal::no_route(visit.call.method.as_str(), path);
    let (before, rest) = path.split_once(STEP).ok_or_else(nowhere)?;
    if !visit.call.header("authorization").starts_with("Bearer ") {
        return Err(Refusal::of_status(401, ""));
    }
    let before = before.find("projects/").and_then(|at| before.get(at..)).unwrap_or_default();
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    let rest = rest.trim_start_matches('/');
    let (own, cancels) = match rest.strip_suffix(":cancel") {
        Some(own) => (own, true),
        None => (rest, false),
    };
    let id = format!("{KEPT}{own}");
    match (own, cancels) {
        ("", false) if post => create(visit, before),
        ("", false) if get => list(visit, before),
        (_, true) if post => {
            visit.cancel(&id).ok_or_else(missing)?;
            Ok(Given::json(&json!({})))
        }
        (_, false) if get => {
            let batch = visit.batch(&id).ok_or_else(missing)?.clone();
            Ok(Given::json(&told(visit, before, &id, &batch)))
        }
        (_, false) if visit.is(&Method::DELETE) => {
            visit.batch(&id).ok_or_else(missing)?;
            visit.shelf.batches.remove(&id);
            Ok(Given::json(&json!({"done": true})))
        }
        _ => Err(nowhere()),
    }
}

fn missing() -> Refusal {
    Refusal { status: 404, ..Refusal::bad_request("The BatchPredictionJob does not exist.") }
}

fn at<'v>(asked: &'v Value, path: &str) -> &'v str {
    asked.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

const FROM_URI: &str = "/inputConfig/gcsSource/uris/0";
const TO_URI: &str = "/outputConfig/gcsDestination/outputUriPrefix";

fn create(visit: &mut Visit<'_>, before: &str) -> Result<Given, Refusal> {
    let asked: Value = serde_json::from_slice(visit.body)
        .map_err(|_| Refusal::bad_request("Invalid JSON payload received."))?;
    let reading = Reading { lenient: visit.call.lenient, snake: true };
    JOB.check(&asked, reading).map_err(|flaw| {
        Refusal::bad_request(format!("Invalid JSON payload: {} {:?}", flaw.path, flaw.what))
    })?;
    let lines = lines(visit, before, &asked);
    let nth = visit.next();
    let number = hash(&[visit.call.key.as_bytes(), &nth.to_be_bytes()]);
    let id = format!("{KEPT}{number}");
    let batch = visit.begun(nth, asked, lines);
    let answer = told(visit, before, &id, &batch);
    visit.shelf.batches.insert(id, batch);
    Ok(Given::json(&answer))
}

fn records(bytes: &Bytes) -> impl Iterator<Item = Option<Value>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| serde_json::from_slice(line).ok())
}

/// What comes of the records; or why none of it can be done.
fn lines(visit: &Visit<'_>, before: &str, asked: &Value) -> Result<Vec<Line>, Value> {
    let input = visit.shelf.gcs.at(at(asked, FROM_URI));
    let input = input.ok_or_else(|| json!("The input object was not found."))?;
    let path = format!("/v1/{before}/{}:generateContent", at(asked, "/model"));
    let mut done = Vec::new();
    for record in records(&input.bytes) {
        let request = record.as_ref().and_then(|record| record.get("request"));
        let request = request.ok_or_else(|| json!("A line has no request."))?;
        if labels(request).any(|value| !is_label(value)) {
            return Err(json!("A label's value is not valid."));
        }
        done.push(visit.line(&path, "", request));
    }
    if done.is_empty() { Err(json!("The input object is empty.")) } else { Ok(done) }
}

fn labels(request: &Value) -> impl Iterator<Item = &Value> {
    request.get("labels").and_then(Value::as_object).into_iter().flat_map(|all| all.values())
}

fn is_label(value: &Value) -> bool {
    let is_fit =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    value.as_str().is_some_and(|text| text.len() <= 63 && text.bytes().all(is_fit))
}

/// The folder of a job's results.
fn folder(id: &str, asked: &Value) -> String {
    format!("{}/prediction-model-{id}", at(asked, TO_URI).trim_end_matches('/'))
}

/// What has become of a job; its results are written when it is over, the last request first.
fn told(visit: &mut Visit<'_>, before: &str, id: &str, batch: &Batch) -> Value {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    if let (Stage::Done, Ok(lines), None) = (stage, &batch.lines, &batch.outputs) {
        let input = visit.shelf.gcs.at(at(&batch.asked, FROM_URI));
        let input = input.map(|object| object.bytes.clone()).unwrap_or_default();
        let mut results: Vec<_> = records(&input)
            .zip(lines)
            .map(|(asked, line)| {
                let mut result = asked.unwrap_or_default();
                result["processed_time"] = json!(iso(visit.now_us));
                (result["status"], result["response"]) = match line.status {
                    200 => (json!(""), line.body.clone()),
                    _ => (json!(format!("Bad Request: {}", line.body)), json!({})),
                };
                format!("{result}\n")
            })
            .collect();
        results.reverse();
        let uri = format!("{}/predictions.jsonl", folder(id, &batch.asked));
        visit.shelf.gcs.put(&uri, results.concat().into(), visit.now_us);
        if let Some(batch) = visit.shelf.batches.get_mut(id) {
            batch.outputs = Some([None, None]);
        }
    }
    document(visit, before, id, batch)
}

fn document(visit: &Visit<'_>, before: &str, id: &str, batch: &Batch) -> Value {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let state = match (&batch.lines, stage) {
        (_, Stage::Begun) => "PENDING",
        (Err(_), _) => "FAILED",
        (_, Stage::Working | Stage::Finishing) => "RUNNING",
        (_, Stage::Done) => "SUCCEEDED",
        (_, Stage::Canceling) => "CANCELLING",
        (_, Stage::Canceled) => "CANCELLED",
    };
    let mut job = batch.asked.clone();
    let number = id.trim_start_matches(KEPT);
    job["name"] = json!(format!("{before}{STEP}/{number}"));
    job["state"] = json!(format!("JOB_STATE_{state}"));
    job["createTime"] = json!(iso(batch.created_us));
    job["updateTime"] = json!(iso(visit.now_us));
    if matches!(state, "SUCCEEDED" | "FAILED" | "CANCELLED") {
        job["endTime"] = json!(iso(visit.now_us));
    }
    if let (Err(why), "FAILED") = (&batch.lines, state) {
        job["error"] = json!({"code": 3, "message": why});
    }
    if state == "SUCCEEDED" {
        let (all, well) = batch.counts();
        job["outputInfo"] = json!({"gcsOutputDirectory": folder(id, &batch.asked)});
        job["completionStats"] =
            json!({"successfulCount": well.to_string(), "failedCount": (all - well).to_string()});
    }
    job
}

fn list(visit: &mut Visit<'_>, before: &str) -> Result<Given, Refusal> {
    let number = |name: &str| visit.call.query(name).map(str::parse::<usize>);
    let (size, begin) = match (number("pageSize"), number("pageToken")) {
        (None | Some(Ok(1..=100)), None | Some(Ok(_))) => {
            let or = |found: Option<Result<usize, _>>, usual| {
                found.and_then(Result::ok).unwrap_or(usual)
            };
            (or(number("pageSize"), 100), or(number("pageToken"), 0))
        }
        _ => return Err(Refusal::bad_request("Invalid page.")),
    };
    let own = visit.shelf.batches.iter();
    let own = own.filter(|(id, batch)| id.starts_with(KEPT) && batch.key == visit.call.key);
    let mut own: Vec<_> = own.map(|(id, batch)| (id.clone(), batch.clone())).collect();
    own.sort_by_key(|(_, batch)| std::cmp::Reverse(batch.nth));
    let shown = own.iter().skip(begin).take(size);
    let shown: Vec<_> = shown.map(|(id, batch)| told(visit, before, id, batch)).collect();
    let end = begin + shown.len();
    let mut page = json!({});
    if !shown.is_empty() {
        page["batchPredictionJobs"] = json!(shown);
    }
    if end < own.len() {
        page["nextPageToken"] = json!(end.to_string());
    }
    Ok(Given::json(&page))
}

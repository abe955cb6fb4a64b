//! Files and batch jobs as Mistral has them, behind a path with `/mistral/` in it:
//! <https://docs.mistral.ai/api/endpoint/batch>.

use http::Method;
use serde_json::{Value, json};

use super::{Batch, Given, Line, Stage, Visit, openai};
use crate::refusal::Refusal;
use crate::shape::{Reading, Shape, may, must};
use crate::wire::openai::invalid;

const ENDPOINT: Shape = Shape::Word(&[
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/fim/completions",
    "/v1/moderations",
    "/v1/chat/moderations",
    "/v1/ocr",
    "/v1/audio/transcriptions",
]);
const FILES: Shape = Shape::List(&Shape::Filled);
const REQUESTS: Shape = Shape::List(&REQUEST);
const REQUEST: Shape =
    Shape::Members(&[must("body", &Shape::Object), may("custom_id", &Shape::Text)]);
const METADATA: Shape = Shape::MapOf(&Shape::Text);
const JOB: Shape = Shape::Members(&[
    must("endpoint", &ENDPOINT),
    may("input_files", &FILES),
    may("requests", &REQUESTS),
    may("model", &Shape::Filled),
    may("agent_id", &Shape::Text),
    may("metadata", &METADATA),
    may("timeout_hours", &Shape::Whole(1)),
]);

pub(super) fn answer(mut visit: Visit<'_>, steps: &[&str]) -> Result<Given, Refusal> {
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    match steps {
        ["batch", "jobs"] if post => create(&mut visit),
        ["batch", "jobs"] if get => jobs(&mut visit),
        ["batch", "jobs", id] if get => told(&mut visit, id),
        ["batch", "jobs", id] if visit.is(&Method::DELETE) => {
            visit.batch(id).ok_or_else(|| missing(id))?;
            visit.shelf.batches.remove(*id);
            Ok(Given::json(&json!({"id": id, "object": "batch", "deleted": true})))
        }
        ["batch", "jobs", id, "cancel"] if post => {
            visit.cancel(id).ok_or_else(|| missing(id))?;
            told(&mut visit, id)
        }
        ["files"] if get => files(&visit),
        _ => openai::answer(visit, steps).map(|given| as_ours(&given)),
    }
}

fn missing(id: &str) -> Refusal {
    let message = format!("Batch job {id} not found");
    Refusal { status: 404, ..Refusal::bad_request(message) }
}

/// A file's document with what Mistral says besides.
fn as_ours(given: &Given) -> Given {
    match serde_json::from_slice::<Value>(&given.body) {
        Ok(Value::Object(mut file)) if file.contains_key("filename") => {
            file.remove("status");
            file.insert("sample_type".to_owned(), json!("batch_request"));
            file.insert("source".to_owned(), json!("upload"));
            // Only of one that is asked for, but nobody minds.
            file.insert("deleted".to_owned(), json!(false));
            Given::json(&Value::Object(file))
        }
        _ => Given::bytes(given.content_type, given.body.clone()),
    }
}

/// A page of `all` by its number.
fn page(visit: &Visit<'_>, all: &[Value]) -> Result<Given, Refusal> {
    let number = |name: &str, usual: usize| match visit.call.query(name).map(str::parse::<usize>) {
        None => Ok(usual),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(Refusal::bad_member(name, "expected a number")),
    };
    let (page, size) = (number("page", 0)?, number("page_size", 100)?);
    let shown: Vec<_> = all.iter().skip(page * size).take(size).collect();
    Ok(Given::json(&json!({"object": "list", "data": shown, "total": all.len()})))
}

fn files(visit: &Visit<'_>) -> Result<Given, Refusal> {
    let own = visit.shelf.files.iter().filter(|(_, file)| file.key == visit.call.key);
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|(_, file)| std::cmp::Reverse(file.nth));
    let all = own.into_iter().map(|(id, file)| {
        let given = as_ours(&Given::json(&openai::shown(id, file)));
        serde_json::from_slice(&given.body).unwrap_or_default()
    });
    page(visit, &all.collect::<Vec<_>>())
}

fn create(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let asked: Value = serde_json::from_slice(visit.body)
        .map_err(|_| Refusal::bad_request("Invalid JSON in the body"))?;
    let reading = Reading { lenient: visit.call.lenient, ..Reading::default() };
    JOB.check(&asked, reading).map_err(|flaw| invalid(&flaw))?;
    let list = |name: &str| asked.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut requests = list("requests");
    for id in list("input_files") {
        let id = id.as_str().unwrap_or_default();
        let file = visit.file(id).ok_or_else(|| {
            let message = format!("File {id} not found");
            Refusal { status: 404, ..Refusal::bad_request(message) }
        })?;
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        requests.extend(lines.map(|line| serde_json::from_str(line).unwrap_or_default()));
    }
    if requests.is_empty() {
        return Err(Refusal::bad_request("One of input_files and requests is needed"));
    }
    let lines = requests.iter().map(|request| line(visit, &asked, request)).collect();
    let id = visit.begin("", asked, Ok(lines));
    told(visit, &id)
}

/// Does one request; the job says for which model.
fn line(visit: &Visit<'_>, asked: &Value, request: &Value) -> Line {
    let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let mut body = request.get("body").cloned().unwrap_or_default();
    if let (Some(members), Some(model)) = (body.as_object_mut(), asked.get("model")) {
        members.entry("model").or_insert_with(|| model.clone());
    }
    let (before, _) = visit.call.path.split_once("/v1/").unwrap_or_default();
    let path = format!("{before}{}", text(asked, "endpoint"));
    visit.line(&path, &text(request, "custom_id"), &body)
}

fn told(visit: &mut Visit<'_>, id: &str) -> Result<Given, Refusal> {
    let batch = visit.batch(id).ok_or_else(|| missing(id))?.clone();
    let batch = openai::with_outputs(visit, id, batch);
    Ok(Given::json(&document(visit, id, &batch)))
}

fn document(visit: &Visit<'_>, id: &str, batch: &Batch) -> Value {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let status = match stage {
        Stage::Begun => "QUEUED",
        Stage::Working | Stage::Finishing => "RUNNING",
        Stage::Done => "SUCCESS",
        Stage::Canceling => "CANCELLATION_REQUESTED",
        Stage::Canceled => "CANCELLED",
    };
    let (total, well) = batch.counts();
    let done = if stage == Stage::Done { total } else { 0 };
    let [output, errored] = batch.outputs.clone().unwrap_or_default();
    let asked = |name: &str| batch.asked.get(name).cloned().unwrap_or_default();
    let seconds = |us: u64| us / 1_000_000;
    json!({
        "id": id,
        "object": "batch",
        "input_files": batch.asked.get("input_files").cloned().unwrap_or_else(|| json!([])),
        "metadata": asked("metadata"),
        "endpoint": asked("endpoint"),
        "model": asked("model"),
        "agent_id": asked("agent_id"),
        "output_file": output,
        "error_file": errored,
        "errors": [],
        "outputs": null,
        "status": status,
        "created_at": seconds(batch.created_us),
        "total_requests": total,
        "completed_requests": done,
        "succeeded_requests": done.min(well),
        "failed_requests": done - done.min(well),
        "started_at": (stage != Stage::Begun).then(|| seconds(batch.created_us)),
        "completed_at": (stage == Stage::Done).then(|| seconds(visit.now_us)),
    })
}

fn jobs(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let own = visit.shelf.batches.iter().filter(|(_, batch)| batch.key == visit.call.key);
    let mut own: Vec<_> = own.map(|(id, batch)| (id.clone(), batch.clone())).collect();
    own.sort_by_key(|(_, batch)| std::cmp::Reverse(batch.nth));
    let all: Vec<_> = own.iter().map(|(id, batch)| document(visit, id, batch)).collect();
    page(visit, &all)
}

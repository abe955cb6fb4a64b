//! Files and batches as OpenAI has them: <https://platform.openai.com/docs/api-reference/batch>.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::{Batch, File, Given, Line, Stage, Visit, header};
use crate::form;
use crate::refusal::Refusal;
use crate::shape::{Reading, Shape, may, must};
use crate::wire::openai::invalid;

const PURPOSES: [&str; 6] = ["assistants", "batch", "fine-tune", "vision", "user_data", "evals"];
const FIELDS: [&str; 4] = ["file", "purpose", "expires_after[anchor]", "expires_after[seconds]"];
/// What Mistral takes besides.
const MISTRALS: [&str; 2] = ["expiry", "visibility"];
const WINDOW: Shape = Shape::Word(&["24h"]);
const ENDPOINT: Shape =
    Shape::Word(&["/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/completions"]);
const METADATA: Shape = Shape::MapOf(&Shape::Text);
const BATCH: Shape = Shape::Members(&[
    must("input_file_id", &Shape::Filled),
    must("endpoint", &ENDPOINT),
    must("completion_window", &WINDOW),
    may("metadata", &METADATA),
    may("output_expires_after", &Shape::Object),
]);

/// Parameters that lists have.
const LISTS: [&str; 4] = ["after", "limit", "order", "purpose"];

pub(super) fn answer(mut visit: Visit<'_>, steps: &[&str]) -> Result<Given, Refusal> {
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    let delete = visit.is(&Method::DELETE);
    match steps {
        ["files"] if post => upload(&mut visit),
        ["files"] if get => files(&visit),
        ["files", id] if get => {
            visit.file(id).map(|file| Given::json(&shown(id, file))).ok_or_else(|| no_file(id))
        }
        ["files", id, "content"] if get => {
            let file = visit.file(id).ok_or_else(|| no_file(id))?;
            Ok(Given::bytes("application/octet-stream", file.bytes.clone()))
        }
        ["files", id] if delete => {
            visit.file(id).ok_or_else(|| no_file(id))?;
            visit.shelf.files.remove(*id);
            Ok(Given::json(&json!({"id": id, "object": "file", "deleted": true})))
        }
        ["batches"] if post => create(&mut visit),
        ["batches"] if get => batches(&mut visit),
        ["batches", id] if get => told(&mut visit, id),
        ["batches", id, "cancel"] if post => {
            visit.cancel(id).ok_or_else(|| no_batch(id))?;
            told(&mut visit, id)
        }
        _ => Err(Refusal::no_route(visit.call.method.as_str(), visit.call.path)),
    }
}

fn not_found(message: String) -> Refusal {
    Refusal { status: 404, ..Refusal::bad_request(message) }
}

fn no_file(id: &str) -> Refusal {
    not_found(format!("No such File object: {id}")).about("id")
}

fn no_batch(id: &str) -> Refusal {
    not_found(format!("No batch found with id '{id}'.")).about("batch_id")
}

fn upload(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let body = visit.body.clone();
    let parts = form::read(header(visit.call.headers, "content-type"), &body)?;
    let is_mistrals = visit.call.path.contains("/mistral/");
    let is_known = |name: &str| FIELDS.contains(&name) || (is_mistrals && MISTRALS.contains(&name));
    if let Some(unknown) = parts.iter().find(|part| !is_known(&part.name)) {
        let message = format!("Unknown parameter: '{}'.", unknown.name);
        return Err(Refusal::bad_request(message).with_code("unknown_parameter"));
    }
    let part = |name: &str| {
        let missing = || Refusal::bad_request(format!("'{name}' is a required property"));
        parts.iter().find(|part| part.name == name).ok_or_else(missing)
    };
    let (file, purpose) = (part("file")?, part("purpose")?.content);
    let purpose = String::from_utf8_lossy(purpose);
    if !PURPOSES.contains(&&*purpose) {
        return Err(Refusal::bad_member(
            "purpose",
            &format!("'{purpose}' is not one of its values"),
        ));
    }
    let Some(name) = &file.file else {
        return Err(Refusal::bad_member("file", "expected a file"));
    };
    if purpose == "batch" && !name.ends_with(".jsonl") {
        return Err(Refusal::bad_request("Invalid file format. Expected .jsonl"));
    }
    let id = visit.keep("file-", name, &file.kind, &purpose, body.slice_ref(file.content));
    let file = visit.file(&id).ok_or_else(|| no_file(&id))?;
    Ok(Given::json(&shown(&id, file)))
}

pub(super) fn shown(id: &str, file: &File) -> Value {
    json!({
        "id": id,
        "object": "file",
        "bytes": file.bytes.len(),
        "created_at": file.created_us / 1_000_000,
        "expires_at": null,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": null,
    })
}

/// A page of a list; parameters that it does not have are refused.
fn page(visit: &Visit<'_>, all: &[(String, Value)], usual: usize) -> Result<Given, Refusal> {
    let names = visit.call.query.split('&').filter_map(|pair| pair.split('=').next());
    let mut unknown = names.filter(|name| !name.is_empty() && !LISTS.contains(name));
    if let Some(name) = unknown.next() {
        return Err(Refusal::bad_request(format!("Unknown query parameter: '{name}'.")));
    }
    let mut list = visit.page(all, ("after", None), usual)?;
    list["object"] = json!("list");
    Ok(Given::json(&list))
}

fn files(visit: &Visit<'_>) -> Result<Given, Refusal> {
    let purpose = visit.call.query("purpose");
    let own = visit.shelf.files.iter().filter(|(_, file)| file.key == visit.call.key);
    let own = own.filter(|(_, file)| purpose.is_none_or(|purpose| file.purpose == purpose));
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|(_, file)| std::cmp::Reverse(file.nth));
    if visit.call.query("order") == Some("asc") {
        own.reverse();
    }
    let all = own.into_iter().map(|(id, file)| (id.clone(), shown(id, file)));
    page(visit, &all.collect::<Vec<_>>(), 10_000)
}

fn create(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let asked: Value = serde_json::from_slice(visit.body)
        .map_err(|_| Refusal::bad_request("We could not parse the JSON body of your request."))?;
    let reading = Reading { lenient: visit.call.lenient, ..Reading::default() };
    BATCH.check(&asked, reading).map_err(|flaw| invalid(&flaw))?;
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let input = text("input_file_id");
    let file = visit.file(&input).ok_or_else(|| no_file(&input).about("input_file_id"))?;
    if file.purpose != "batch" {
        return Err(Refusal::bad_member("input_file_id", "the file's purpose is not 'batch'"));
    }
    let bytes = file.bytes.clone();
    let lines = lines(visit, &text("endpoint"), &bytes);
    let id = visit.begin("batch_", asked, lines);
    told(visit, &id)
}

/// The requests of a file, done; or all that is wrong with them.
fn lines(visit: &Visit<'_>, endpoint: &str, bytes: &Bytes) -> Result<Vec<Line>, Value> {
    let mut flaws = Vec::new();
    let mut done = Vec::new();
    let text = String::from_utf8_lossy(bytes);
    let (before, _) = visit.call.path.split_once("/v1/").unwrap_or_default();
    for (line, number) in text.lines().filter(|line| !line.trim().is_empty()).zip(1..) {
        let mut flaw = |code: &str, message: &str| {
            flaws.push(json!({"code": code, "line": number, "message": message, "param": null}));
        };
        let Ok(request) = serde_json::from_str::<Value>(line) else {
            flaw("invalid_json_line", "This line is not parseable as valid JSON.");
            continue;
        };
        let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("custom_id").is_empty() {
            flaw("missing_required_parameter", "Missing required parameter: 'custom_id'.");
        } else if text("method") != "POST" {
            flaw("invalid_method", "The method has to be 'POST'.");
        } else if text("url") != endpoint {
            flaw("mismatched_url", "The url does not match the endpoint of the batch.");
        } else {
            let body = request.get("body").cloned().unwrap_or_default();
            let path = format!("{before}{endpoint}");
            done.push(visit.line(&path, text("custom_id"), &body));
        }
    }
    if done.is_empty() && flaws.is_empty() {
        flaws.push(json!({"code": "empty_file", "line": null, "message": "The file is empty.",
            "param": null}));
    }
    if flaws.is_empty() { Ok(done) } else { Err(json!({"object": "list", "data": flaws})) }
}

/// What has become of a batch.
fn told(visit: &mut Visit<'_>, id: &str) -> Result<Given, Refusal> {
    let batch = visit.batch(id).ok_or_else(|| no_batch(id))?.clone();
    let batch = with_outputs(visit, id, batch);
    Ok(Given::json(&document(visit, id, &batch)))
}

/// Its files are there when it is over.
pub(super) fn with_outputs(visit: &mut Visit<'_>, id: &str, mut batch: Batch) -> Batch {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let (Stage::Done, Ok(lines), None) = (stage, &batch.lines, &batch.outputs) else {
        return batch;
    };
    let written = |is_well: bool| {
        let lines = lines.iter().filter(|line| (line.status == 200) == is_well);
        lines.zip(1_u32..).map(|(line, nth)| result(id, nth, line)).collect::<String>()
    };
    let made = [written(true), written(false)].map(|text| {
        (!text.is_empty()).then(|| {
            let name = format!("{id}_output.jsonl");
            visit.keep("file-", &name, "application/jsonl", "batch_output", text.into())
        })
    });
    batch.outputs = Some(made);
    visit.shelf.batches.insert(id.to_owned(), batch.clone());
    batch
}

fn result(id: &str, nth: u32, line: &Line) -> String {
    let result = json!({
        "id": format!("batch_req_{id}_{nth}"),
        "custom_id": line.custom_id,
        "response": {"status_code": line.status, "request_id": format!("req_{nth}"), "body": line.body},
        "error": null,
    });
    format!("{result}\n")
}

fn document(visit: &Visit<'_>, id: &str, batch: &Batch) -> Value {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let (status, errors) = match (&batch.lines, stage) {
        (Err(_), Stage::Begun) | (Ok(_), Stage::Begun) => ("validating", Value::Null),
        (Err(errors), _) => ("failed", errors.clone()),
        (_, Stage::Working) => ("in_progress", Value::Null),
        (_, Stage::Finishing) => ("finalizing", Value::Null),
        (_, Stage::Done) => ("completed", Value::Null),
        (_, Stage::Canceling) => ("cancelling", Value::Null),
        (_, Stage::Canceled) => ("cancelled", Value::Null),
    };
    let (total, well) = batch.counts();
    let is_done = status == "completed";
    let [output, errored] = batch.outputs.clone().unwrap_or_default();
    let created = batch.created_us / 1_000_000;
    let asked = |name: &str| batch.asked.get(name).cloned().unwrap_or_default();
    let at = |is_so: bool| if is_so { json!(visit.now_us / 1_000_000) } else { Value::Null };
    json!({
        "id": id,
        "object": "batch",
        "endpoint": asked("endpoint"),
        "errors": errors,
        "input_file_id": asked("input_file_id"),
        "completion_window": asked("completion_window"),
        "status": status,
        "output_file_id": output,
        "error_file_id": errored,
        "created_at": created,
        "in_progress_at": at(matches!(status, "in_progress" | "finalizing" | "completed")),
        "expires_at": created + 86_400,
        "finalizing_at": at(matches!(status, "finalizing" | "completed")),
        "completed_at": at(is_done),
        "failed_at": at(status == "failed"),
        "expired_at": null,
        "cancelling_at": at(status.starts_with("cancel")),
        "cancelled_at": at(status == "cancelled"),
        "request_counts": {
            "total": if is_done { total } else { 0 },
            "completed": if is_done { well } else { 0 },
            "failed": if is_done { total - well } else { 0 },
        },
        "metadata": asked("metadata"),
    })
}

fn batches(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let own = visit.shelf.batches.iter().filter(|(_, batch)| batch.key == visit.call.key);
    let mut own: Vec<_> = own.map(|(id, batch)| (id.clone(), batch.clone())).collect();
    own.sort_by_key(|(_, batch)| std::cmp::Reverse(batch.nth));
    let own = own.into_iter().map(|(id, batch)| {
        let batch = with_outputs(visit, &id, batch);
        let document = document(visit, &id, &batch);
        (id, document)
    });
    let all: Vec<_> = own.collect();
    page(visit, &all, 20)
}

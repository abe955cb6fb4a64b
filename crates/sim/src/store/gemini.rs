//! Files and batches as Google's Gemini API has them: <https://ai.google.dev/api/files>,
//! <https://ai.google.dev/api/batch-api>. Uploads come in steps.

use bytes::{Bytes, BytesMut};
use http::Method;
use serde_json::{Value, json};

use super::{Batch, Given, Line, Shelf, Stage, Visit, header};
use crate::refusal::Refusal;
use crate::shape::{Reading, Shape, may, must, proto_member};

/// Where files say that they are.
const HOST: &str = "https://generativelanguage.googleapis.com";
const URL: &str = "x-goog-upload-url";
const STATUS: &str = "x-goog-upload-status";

/// An upload that is not over.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    key: String,
    file: Value,
    kind: String,
    bytes: BytesMut,
}

const START: Shape = Shape::Members(&[may("file", &FILE)]);
const FILE: Shape = Shape::Members(&[
    may("name", &Shape::Filled),
    may("displayName", &Shape::Text),
    may("mimeType", &Shape::Text),
    may("sizeBytes", &Shape::Any),
]);
const CREATE: Shape = Shape::Members(&[must("batch", &BATCH)]);
const BATCH: Shape = Shape::Members(&[
    may("displayName", &Shape::Text),
    must("inputConfig", &INPUT),
    may("priority", &Shape::Any),
    may("webhookConfig", &Shape::Any),
]);
const INPUT: Shape = Shape::Union(&[may("fileName", &Shape::Filled), may("requests", &REQUESTS)]);
const REQUESTS: Shape = Shape::Members(&[must("requests", &INLINED)]);
const INLINED: Shape = Shape::List(&REQUEST);
const REQUEST: Shape =
    Shape::Members(&[must("request", &Shape::Object), may("metadata", &Shape::Object)]);

/// The steps of a path that is about what is stored; the version first. An upload's is `upload`.
pub(super) fn steps(path: &str) -> Option<(&str, Vec<&str>)> {
    let at = ["/v1beta/", "/v1alpha/"].iter().find_map(|version| path.find(version));
    let (before, rest) = path.split_at(at?);
    let steps: Vec<&str> = rest.split('/').skip(2).collect();
    let is_ours = match steps.as_slice() {
        ["files" | "batches"] | ["files" | "batches", _] => true,
        ["models", rest] => rest.ends_with(":batchGenerateContent"),
        _ => false,
    };
    is_ours.then_some((before, steps))
}

pub(super) fn answer(mut visit: Visit<'_>) -> Result<Given, Refusal> {
    let nowhere = || Refusal::no_route(visit.call.method.as_str(), visit.call.path);
    let (before, steps) = steps(visit.call.path).ok_or_else(nowhere)?;
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    let delete = visit.is(&Method::DELETE);
    match steps.as_slice() {
        ["files"] if post && before.ends_with("/upload") => upload(&mut visit),
        ["files"] if get => {
            let own = visit.shelf.files.iter().filter(|(_, file)| file.key == visit.call.key);
            let mut own: Vec<_> = own.collect();
            own.sort_by_key(|(_, file)| std::cmp::Reverse(file.nth));
            let own = own.into_iter().map(|(name, _)| shown(&visit, name));
            let all = own.collect::<Option<Vec<_>>>().unwrap_or_default();
            page(&visit, "files", &all)
        }
        ["files", rest] => match rest.strip_suffix(":download") {
            Some(name) if get => {
                let name = format!("files/{name}");
                let file = visit.file(&name).ok_or_else(|| missing(&name))?;
                if file.purpose != "batch_output" {
                    let message = "Only generated files can be downloaded.";
                    return Err(Refusal::bad_request(message));
                }
                Ok(Given::bytes("application/octet-stream", file.bytes.clone()))
            }
            None if get => {
                let name = format!("files/{rest}");
                shown(&visit, &name).map(|file| Given::json(&file)).ok_or_else(|| missing(&name))
            }
            None if delete => {
                let name = format!("files/{rest}");
                visit.file(&name).ok_or_else(|| missing(&name))?;
                visit.shelf.files.remove(&name);
                Ok(Given::json(&json!({})))
            }
            _ => Err(nowhere()),
        },
        ["models", rest] if post => {
            let model = rest.strip_suffix(":batchGenerateContent").unwrap_or_default().to_owned();
            create(&mut visit, before, &model)
        }
        ["batches"] if get => {
            let own = visit.shelf.batches.iter().filter(|(_, batch)| batch.key == visit.call.key);
            let mut own: Vec<_> = own.map(|(name, batch)| (name.clone(), batch.clone())).collect();
            own.sort_by_key(|(_, batch)| std::cmp::Reverse(batch.nth));
            let own = own.into_iter().map(|(name, batch)| told(&mut visit, &name, batch));
            let all: Vec<_> = own.collect();
            page(&visit, "operations", &all)
        }
        ["batches", rest] => one(&mut visit, rest, (get, post, delete)),
        _ => Err(nowhere()),
    }
}

fn one(
    visit: &mut Visit<'_>,
    rest: &str,
    (get, post, delete): (bool, bool, bool),
) -> Result<Given, Refusal> {
    let cancels = rest.strip_suffix(":cancel");
    let name = format!("batches/{}", cancels.unwrap_or(rest));
    let batch = visit.batch(&name).ok_or_else(|| missing(&name))?.clone();
    match cancels {
        Some(_) if post => {
            visit.cancel(&name);
            Ok(Given::json(&json!({})))
        }
        None if get => Ok(Given::json(&told(visit, &name, batch))),
        None if delete => {
            visit.shelf.batches.remove(&name);
            Ok(Given::json(&json!({})))
        }
        _ => Err(Refusal::no_route(visit.call.method.as_str(), visit.call.path)),
    }
}

/// Another key's is not told from one that is not there.
fn missing(name: &str) -> Refusal {
    let message = format!("You do not have permission to access {name} or it may not exist.");
    Refusal { status: 403, ..Refusal::bad_request(message) }
}

/// Whether a request refers to files that are another key's.
///
/// # Errors
/// It does.
pub(super) fn check_files(shelf: &Shelf, key: &str, body: &[u8]) -> Result<(), Refusal> {
    let body = String::from_utf8_lossy(body);
    let names =
        body.match_indices("files/").filter_map(|(at, _)| body.get(at..)?.split('"').next());
    let mut others =
        names.filter(|name| shelf.files.get(*name).is_some_and(|file| file.key != key));
    others.next().map_or(Ok(()), |name| Err(missing(name)))
}

/// The first step of an upload, or one that brings bytes.
fn upload(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let given = |name: &str| header(visit.call.headers, name);
    let command = given("x-goog-upload-command");
    if command == "start" {
        if given("x-goog-upload-protocol") != "resumable" {
            return Err(Refusal::bad_request("Unknown upload protocol."));
        }
        let kind = given("x-goog-upload-header-content-type").to_owned();
        let asked: Value = match visit.body.is_empty() {
            true => json!({}),
            false => serde_json::from_slice(visit.body)
                .map_err(|_| Refusal::bad_request("Invalid JSON payload received."))?,
        };
        check(visit, &START, &asked)?;
        let nth = visit.next();
        let id = Visit::id("AHmgid", visit.call.key, nth);
        let file = asked.get("file").cloned().unwrap_or_default();
        let key = visit.call.key.to_owned();
        let begun = Upload { key, file, kind, bytes: BytesMut::new() };
        visit.shelf.uploads.insert(id.clone(), begun);
        let host = header(visit.call.headers, "host");
        let (_, rest) = visit.call.path.rsplit_once("/upload/").unwrap_or_default();
        let url = format!("https://{host}/upload/{rest}?upload_id={id}&upload_protocol=resumable");
        return Ok(Given::json(&json!({}))
            .with(URL, url)
            .with(STATUS, "active".to_owned())
            .with("x-goog-upload-control-url", format!("https://{host}/control")));
    }
    go_on(visit, command)
}

fn go_on(visit: &mut Visit<'_>, command: &str) -> Result<Given, Refusal> {
    let offset = header(visit.call.headers, "x-goog-upload-offset").parse::<usize>();
    let id = visit.call.query("upload_id").unwrap_or_default().to_owned();
    let unknown = || Refusal { status: 404, ..Refusal::bad_request("Upload not found.") };
    let key = visit.call.key;
    let upload = visit.shelf.uploads.get_mut(&id).filter(|upload| upload.key == key);
    let upload = upload.ok_or_else(unknown)?;
    let words: Vec<_> = command.split(',').map(str::trim).collect();
    if !words.contains(&"upload") || offset != Ok(upload.bytes.len()) {
        return Err(Refusal::bad_request("The offset or command of the upload is not valid."));
    }
    upload.bytes.extend_from_slice(visit.body);
    if !words.contains(&"finalize") {
        return Ok(Given::bytes("text/plain", Bytes::new()).with(STATUS, "active".to_owned()));
    }
    let Upload { file, kind, bytes, .. } = visit.shelf.uploads.remove(&id).ok_or_else(unknown)?;
    let members = file.as_object().cloned().unwrap_or_default();
    let text =
        |name: &str| proto_member(&members, name).and_then(Value::as_str).unwrap_or_default();
    let kind = if text("mimeType").is_empty() { kind } else { text("mimeType").to_owned() };
    let name = visit.keep("files/", text("displayName"), &kind, "upload", bytes.freeze());
    let file = shown(visit, &name).unwrap_or_default();
    Ok(Given::json(&json!({ "file": file })).with(STATUS, "final".to_owned()))
}

fn check(visit: &Visit<'_>, shape: &Shape, asked: &Value) -> Result<(), Refusal> {
    let reading = Reading { lenient: visit.call.lenient, snake: true };
    shape.check(asked, reading).map_err(|flaw| {
        Refusal::bad_request(format!(
            "Invalid JSON payload received: {} {:?}",
            flaw.path, flaw.what
        ))
    })
}

fn shown(visit: &Visit<'_>, name: &str) -> Option<Value> {
    let file = visit.file(name)?;
    let is_made = file.purpose == "batch_output";
    let mut shown = json!({
        "name": name,
        "mimeType": file.kind,
        "sizeBytes": file.bytes.len().to_string(),
        "createTime": "2025-06-15T15:06:40Z",
        "updateTime": "2025-06-15T15:06:40Z",
        "uri": format!("{HOST}/v1beta/{name}"),
        "state": "ACTIVE",
        "source": if is_made { "GENERATED" } else { "UPLOADED" },
        "displayName": file.name,
    });
    if is_made {
        shown["downloadUri"] = json!(format!("{HOST}/v1beta/{name}:download?alt=media"));
    }
    Some(shown)
}

fn page(visit: &Visit<'_>, member: &str, all: &[Value]) -> Result<Given, Refusal> {
    let size = match visit.call.query("pageSize").map(str::parse::<usize>) {
        None => 10,
        Some(Ok(size @ 1..=100)) => size,
        Some(_) => return Err(Refusal::bad_request("page_size must be from 1 to 100.")),
    };
    // A token is the place at which a list goes on.
    let begin = match visit.call.query("pageToken").map(|token| token.strip_prefix("at")) {
        None => 0,
        Some(place) => place
            .and_then(|place| place.parse::<usize>().ok())
            .filter(|place| *place <= all.len())
            .ok_or_else(|| Refusal::bad_request("Invalid page token."))?,
    };
    let shown: Vec<_> = all.iter().skip(begin).take(size).collect();
    let end = begin + shown.len();
    let mut page = json!({});
    if !shown.is_empty() {
        page[member] = json!(shown);
    }
    if end < all.len() {
        page["nextPageToken"] = json!(format!("at{end}"));
    }
    Ok(Given::json(&page))
}

fn create(visit: &mut Visit<'_>, before: &str, model: &str) -> Result<Given, Refusal> {
    let mut asked: Value = serde_json::from_slice(visit.body)
        .map_err(|_| Refusal::bad_request("Invalid JSON payload received."))?;
    check(visit, &CREATE, &asked)?;
    let input = asked["batch"]["inputConfig"].clone();
    let input_file =
        input.get("fileName").or_else(|| input.get("file_name")).and_then(Value::as_str);
    let requests: Vec<(String, Value)> = match input_file {
        Some(name) => {
            let file = visit.file(name).ok_or_else(|| missing(name))?;
            let text = String::from_utf8_lossy(&file.bytes).into_owned();
            let read = |line: &str| {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                let key = line["key"].as_str().unwrap_or_default().to_owned();
                (key, line.get("request").cloned().unwrap_or_default())
            };
            text.lines().filter(|line| !line.trim().is_empty()).map(read).collect()
        }
        None => input["requests"]["requests"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| (String::new(), one["request"].clone()))
            .collect(),
    };
    let path = format!("{before}/v1beta/models/{model}:generateContent");
    let lines = requests.iter().map(|(key, request)| visit.line(&path, key, request)).collect();
    asked["model"] = json!(format!("models/{model}"));
    let name = visit.begin("batches/", asked, Ok(lines));
    let batch = visit.batch(&name).ok_or_else(|| missing(&name))?.clone();
    Ok(Given::json(&told(visit, &name, batch)))
}

/// What has become of a batch, as an operation.
fn told(visit: &mut Visit<'_>, name: &str, mut batch: Batch) -> Value {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let state = match stage {
        Stage::Begun => "BATCH_STATE_PENDING",
        Stage::Working | Stage::Finishing => "BATCH_STATE_RUNNING",
        Stage::Done => "BATCH_STATE_SUCCEEDED",
        Stage::Canceling | Stage::Canceled => "BATCH_STATE_CANCELLED",
    };
    let input = &batch.asked["batch"]["inputConfig"];
    let is_file = input.get("fileName").is_some() || input.get("file_name").is_some();
    let lines = batch.lines.clone().unwrap_or_default();
    if stage == Stage::Done && is_file && batch.outputs.is_none() {
        let text: String = lines.iter().map(|line| format!("{}\n", result(line, true))).collect();
        let made = visit.keep("files/batch-", "", "application/jsonl", "batch_output", text.into());
        batch.outputs = Some([Some(made), None]);
        visit.shelf.batches.insert(name.to_owned(), batch.clone());
    }
    let output = match (&batch.outputs, stage) {
        (Some([Some(made), _]), _) => json!({ "responsesFile": made }),
        (_, Stage::Done) => {
            let all: Vec<_> = lines.iter().map(|line| result(line, false)).collect();
            json!({"inlinedResponses": {"inlinedResponses": all}})
        }
        _ => Value::Null,
    };
    let mut metadata = json!({
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": batch.asked["model"],
        "displayName": batch.asked["batch"]["displayName"],
        "inputConfig": if is_file { input.clone() } else { json!({}) },
        "createTime": "2025-06-15T15:06:40Z",
        "updateTime": "2025-06-15T15:06:40Z",
        "state": state,
        "name": name,
        "batchStats": stats(&batch, stage),
    });
    let mut operation = json!({ "name": name });
    if !output.is_null() {
        metadata["output"] = output.clone();
        metadata["endTime"] = json!("2025-06-15T15:06:40Z");
        operation["done"] = json!(true);
        operation["response"] = output;
    }
    operation["metadata"] = metadata;
    operation
}

/// How many requests there are, and what has come of them; numbers that are 0 are not said.
fn stats(batch: &Batch, stage: Stage) -> Value {
    let (all, well) = batch.counts();
    let (well, failed, pending) = match stage {
        Stage::Done => (well, all - well, 0),
        _ => (0, 0, all),
    };
    let named = [
        ("requestCount", all),
        ("successfulRequestCount", well),
        ("failedRequestCount", failed),
        ("pendingRequestCount", pending),
    ];
    let told = named.into_iter().filter(|(_, count)| *count > 0);
    told.map(|(name, count)| (name.to_owned(), json!(count.to_string()))).collect()
}

/// What came of one request; with its key where a file holds it.
fn result(line: &Line, keyed: bool) -> Value {
    let mut result = match line.status {
        200 => json!({ "response": line.body }),
        _ => json!({ "error": line.body["error"] }),
    };
    if keyed {
        result["key"] = json!(line.custom_id);
    }
    result
}

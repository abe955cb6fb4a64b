//! Model invocation jobs, as Amazon's Bedrock has them: what they read and write are objects.
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html>

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::objects::iso;
use super::{Batch, Given, Line, Stage, Visit};
use crate::answer::text::hash;
use crate::call::{Signature, percent_decoded};
use crate::refusal::Refusal;
use crate::shape::{Reading, Shape, may, must};
use crate::wire::bedrock::error::invalid;
use crate::wire::bedrock::request::check_signature;

const STEP: &str = "model-invocation-job";

/// `[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9\+\-\.]){0,63}`, 63 at most.
const NAME: Shape = Shape::Like(
    |text| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        begins && text.len() <= 63 && text.bytes().all(is_fit)
    },
    "satisfying regular expression pattern: [a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9\\+\\-\\.]){0,63}",
);
const TOKEN: Shape = Shape::Like(
    |text| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        begins && text.len() <= 256 && text.bytes().all(is_fit)
    },
    "satisfying regular expression pattern: [a-zA-Z0-9]{1,256}(-*[a-zA-Z0-9]){0,256}",
);
const ROLE: Shape = Shape::Like(
    |text| {
        let mut parts = text.splitn(6, ':');
        let is_arn =
            parts.next() == Some("arn") && parts.next().is_some_and(|p| p.starts_with("aws"));
        let is_iam = parts.next() == Some("iam") && parts.next() == Some("");
        let account = parts.next().unwrap_or_default();
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        is_arn && is_iam && is_account && parts.next().is_some_and(|p| p.starts_with("role/"))
    },
    "satisfying regular expression pattern: arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+",
);
const MODEL: Shape = Shape::Like(
    |text| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:/_".contains(&byte);
        !text.is_empty() && text.len() <= 2048 && text.bytes().all(is_fit)
    },
    "the identifier of a model",
);
const URI: Shape = Shape::Like(
    |text| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-!_*'().".contains(&byte);
        let Some(rest) = text.strip_prefix("s3://") else { return false };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        text.len() <= 1024
            && rest.split('/').all(|step| !step.is_empty() && step.bytes().all(is_fit))
    },
    "satisfying regular expression pattern: \
     s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](?:/[-!_*'().a-z0-9A-Z]+(?:/[-!_*'().a-z0-9A-Z]+)*)?/?",
);
const FORMAT: Shape = Shape::Word(&["JSONL"]);
const TYPE: Shape = Shape::Word(&["InvokeModel", "Converse"]);
const HOURS: Shape = Shape::Number(24.0, 168.0);
const OWNER: Shape = Shape::Text;
const INPUT: Shape = Shape::Members(&[
    must("s3Uri", &URI),
    may("s3InputFormat", &FORMAT),
    may("s3BucketOwner", &OWNER),
]);
const OUTPUT: Shape = Shape::Members(&[
    must("s3Uri", &URI),
    may("s3EncryptionKeyId", &Shape::Text),
    may("s3BucketOwner", &OWNER),
]);
const FROM: Shape = Shape::Union(&[must("s3InputDataConfig", &INPUT)]);
const TO: Shape = Shape::Union(&[must("s3OutputDataConfig", &OUTPUT)]);
const TAG: Shape = Shape::Members(&[must("key", &Shape::Filled), must("value", &Shape::Text)]);
const TAGS: Shape = Shape::List(&TAG);
const JOB: Shape = Shape::Members(&[
    must("jobName", &NAME),
    must("roleArn", &ROLE),
    must("modelId", &MODEL),
    must("inputDataConfig", &FROM),
    must("outputDataConfig", &TO),
    may("clientRequestToken", &TOKEN),
    may("vpcConfig", &Shape::Object),
    may("timeoutDurationInHours", &HOURS),
    may("tags", &TAGS),
    may("modelInvocationType", &TYPE),
]);

/// Whether a path is about jobs.
pub(super) fn are_meant(path: &str) -> bool {
    path.split('/').any(|step| step == STEP || step == "model-invocation-jobs")
}

pub(super) fn answer(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    check_signature(visit.call)?;
    let (get, post) = (visit.is(&Method::GET), visit.is(&Method::POST));
    let path = percent_decoded(visit.call.path).into_owned();
    let Some((_, rest)) = path.split_once(STEP) else {
        return Err(Refusal::no_route(visit.call.method.as_str(), &path));
    };
    match rest.trim_start_matches('/') {
        "s" if get => list(visit),
        "" if post => create(visit),
        id if get => {
            let id = id.to_owned();
            told(visit, &id)
        }
        rest if post && rest.ends_with("/stop") => {
            let id = named(rest.trim_end_matches("/stop"));
            let is_open = visit.batch(&id).map(|batch| batch.stage(visit.now_us, visit.pace_us));
            match is_open.ok_or_else(|| no_job(&id))? {
                Stage::Done | Stage::Canceled => Err(conflict()),
                _ => {
                    visit.cancel(&id).ok_or_else(|| no_job(&id))?;
                    Ok(Given::json(&json!({})))
                }
            }
        }
        _ => Err(Refusal::no_route(visit.call.method.as_str(), &path)),
    }
}

fn conflict() -> Refusal {
    let message = "The job is not in a state in which it can be stopped.";
    Refusal { status: 409, ..Refusal::bad_request(message) }.with_code("ConflictException")
}

fn no_job(id: &str) -> Refusal {
    let message = format!("Could not find a model invocation job with the identifier {id}.");
    Refusal { status: 404, ..Refusal::bad_request(message) }.with_code("ResourceNotFoundException")
}

/// The last part of a job's ARN names it alone.
fn named(id: &str) -> String {
    format!("job-{}", id.rsplit('/').next().unwrap_or(id))
}

fn create(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let asked: Value = serde_json::from_slice(visit.body).map_err(|error| {
        Refusal::bad_request(error.to_string()).with_code("SerializationException")
    })?;
    let reading = Reading { lenient: visit.call.lenient, ..Reading::default() };
    JOB.check(&asked, reading).map_err(|flaw| invalid(&flaw))?;
    let token = asked.get("clientRequestToken").and_then(Value::as_str);
    let same = visit.shelf.batches.iter().find(|(_, batch)| {
        let known = batch.asked.get("clientRequestToken").and_then(Value::as_str);
        batch.key == visit.call.key && token.is_some() && known == token
    });
    let id = match same.map(|(id, _)| id.clone()) {
        Some(id) => id,
        None => begin(visit, asked),
    };
    Ok(Given::json(&json!({"jobArn": arn(visit, &id)})))
}

/// The ids of jobs have twelve letters and digits.
fn begin(visit: &mut Visit<'_>, asked: Value) -> String {
    let nth = visit.next();
    let drawn = hash(&[visit.call.key.as_bytes(), &nth.to_be_bytes()]);
    let id = format!("job-{:012x}", drawn & 0xffff_ffff_ffff);
    let lines = lines(visit, &asked);
    let batch = visit.begun(nth, asked, lines);
    visit.shelf.batches.insert(id.clone(), batch);
    id
}

fn arn(visit: &Visit<'_>, id: &str) -> String {
    let signature = Signature::read(visit.call.header("authorization")).unwrap_or_default();
    let region = if signature.region.is_empty() { "us-east-1" } else { signature.region };
    let id = id.strip_prefix("job-").unwrap_or(id);
    format!("arn:aws:bedrock:{region}:123456789012:{STEP}/{id}")
}

fn at<'v>(asked: &'v Value, path: &str) -> &'v str {
    asked.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

const FROM_URI: &str = "/inputDataConfig/s3InputDataConfig/s3Uri";
const TO_URI: &str = "/outputDataConfig/s3OutputDataConfig/s3Uri";

/// The records of a job, and what comes of them; or why it fails.
fn lines(visit: &Visit<'_>, asked: &Value) -> Result<Vec<Line>, Value> {
    let input = visit.shelf.buckets.at(at(asked, FROM_URI));
    let input = input.ok_or_else(|| json!("The input object was not found."))?;
    let converse = at(asked, "/modelInvocationType") == "Converse";
    let how = if converse { "converse" } else { "invoke" };
    let path = format!("/model/{}/{how}", at(asked, "/modelId"));
    let mut done = Vec::new();
    for record in records(&input.bytes) {
        let record = record.ok_or_else(|| json!("A record is not valid JSON."))?;
        let id = record.get("recordId").and_then(Value::as_str).unwrap_or_default();
        let Some(input) = record.get("modelInput") else {
            return Err(json!("A record has no modelInput."));
        };
        done.push(visit.line(&path, id, input));
    }
    if done.is_empty() { Err(json!("The input object has no records.")) } else { Ok(done) }
}

fn records(bytes: &Bytes) -> impl Iterator<Item = Option<Value>> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    lines.map(|line| serde_json::from_slice(line).ok())
}

/// What has become of a job; its results are written when it is over.
fn told(visit: &mut Visit<'_>, id: &str) -> Result<Given, Refusal> {
    let id = named(id);
    let batch = visit.batch(&id).ok_or_else(|| no_job(&id))?.clone();
    write(visit, &id, &batch);
    Ok(Given::json(&document(visit, &id, &batch)))
}

fn write(visit: &mut Visit<'_>, id: &str, batch: &Batch) {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let (Stage::Done, Ok(lines), None) = (stage, &batch.lines, &batch.outputs) else { return };
    let from = at(&batch.asked, FROM_URI).to_owned();
    let input = visit.shelf.buckets.at(&from).map(|object| object.bytes.clone());
    let input = input.unwrap_or_default();
    let results = records(&input).zip(lines).map(|(record, line)| {
        let asked = record.as_ref().and_then(|record| record.get("modelInput"));
        let result = match line.status {
            200 => {
                json!({"modelInput": asked, "modelOutput": line.body, "recordId": line.custom_id})
            }
            status => {
                let said = line.body.get("message").cloned().unwrap_or_default();
                json!({"modelInput": asked, "recordId": line.custom_id,
                    "error": {"errorCode": status, "errorMessage": said}})
            }
        };
        format!("{result}\n")
    });
    let results: String = results.collect();
    let (total, well) = batch.counts();
    let summary = json!({"totalRecordCount": total, "processedRecordCount": total,
        "successRecordCount": well, "errorRecordCount": total - well});
    let folder = at(&batch.asked, TO_URI).trim_end_matches('/');
    let folder = format!("{folder}/{}", id.strip_prefix("job-").unwrap_or(id));
    let file = from.rsplit('/').next().unwrap_or_default();
    let now = visit.now_us;
    let buckets = &mut visit.shelf.buckets;
    buckets.put(&format!("{folder}/{file}.out"), results.into(), now);
    buckets.put(&format!("{folder}/manifest.json.out"), summary.to_string().into(), now);
    if let Some(batch) = visit.shelf.batches.get_mut(id) {
        batch.outputs = Some([None, None]);
    }
}

fn document(visit: &Visit<'_>, id: &str, batch: &Batch) -> Value {
    let stage = batch.stage(visit.now_us, visit.pace_us);
    let (status, message) = match (&batch.lines, stage) {
        (_, Stage::Begun) => ("Submitted", None),
        (Err(why), _) => ("Failed", Some(why.clone())),
        (_, Stage::Working | Stage::Finishing) => ("InProgress", None),
        (_, Stage::Done) => ("Completed", None),
        (_, Stage::Canceling) => ("Stopping", None),
        (_, Stage::Canceled) => ("Stopped", None),
    };
    let asked = |name: &str| batch.asked.get(name).cloned().unwrap_or_default();
    let mut job = json!({
        "jobArn": arn(visit, id),
        "jobName": asked("jobName"),
        "modelId": asked("modelId"),
        "roleArn": asked("roleArn"),
        "status": status,
        "submitTime": iso(batch.created_us),
        "lastModifiedTime": iso(visit.now_us),
        "inputDataConfig": asked("inputDataConfig"),
        "outputDataConfig": asked("outputDataConfig"),
        "timeoutDurationInHours": batch.asked.get("timeoutDurationInHours").cloned()
            .unwrap_or_else(|| json!(24)),
        "jobExpirationTime": iso(batch.created_us + 7 * 86_400 * 1_000_000),
    });
    let Some(members) = job.as_object_mut() else { return job };
    for name in ["clientRequestToken", "modelInvocationType", "vpcConfig"] {
        if let Some(value) = batch.asked.get(name) {
            members.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(message) = message {
        members.insert("message".to_owned(), message);
    }
    if matches!(status, "Completed" | "Failed" | "Stopped") {
        members.insert("endTime".to_owned(), json!(iso(visit.now_us)));
    }
    if status == "Completed" {
        let (total, well) = batch.counts();
        let counts = [
            ("totalRecordCount", total),
            ("processedRecordCount", total),
            ("successRecordCount", well),
            ("errorRecordCount", total - well),
        ];
        members.extend(counts.map(|(name, count)| (name.to_owned(), json!(count))));
    }
    job
}

/// Parameters that the list has.
const PARAMETERS: [&str; 8] = [
    "submitTimeAfter",
    "submitTimeBefore",
    "statusEquals",
    "nameContains",
    "maxResults",
    "nextToken",
    "sortBy",
    "sortOrder",
];

fn list(visit: &mut Visit<'_>) -> Result<Given, Refusal> {
    let names = visit.call.query.split('&').filter_map(|pair| pair.split('=').next());
    let mut unknown = names.filter(|name| !name.is_empty() && !PARAMETERS.contains(name));
    if let Some(name) = unknown.next() {
        return Err(Refusal::bad_request(format!("unknown parameter {name}")));
    }
    let query = |name: &str| visit.call.query(name).map(|text| percent_decoded(text).into_owned());
    let most = match query("maxResults") {
        None => 100,
        Some(text) => {
            text.parse().ok().filter(|most| (1..=1000).contains(most)).ok_or_else(|| {
                Refusal::bad_request("Value at 'maxResults' failed to satisfy constraint")
            })?
        }
    };
    if query("sortBy").is_some_and(|by| by != "CreationTime") {
        return Err(Refusal::bad_request("Value at 'sortBy' failed to satisfy constraint"));
    }
    let is_descending = match query("sortOrder").as_deref() {
        None | Some("Ascending") => false,
        Some("Descending") => true,
        Some(_) => return Err(Refusal::bad_request("Value at 'sortOrder' is no order")),
    };
    let (before, after) = (query("submitTimeBefore"), query("submitTimeAfter"));
    let (wanted, part) = (query("statusEquals"), query("nameContains"));
    let begin = query("nextToken").and_then(|token| token.parse().ok()).unwrap_or(0);
    let own = visit.shelf.batches.iter();
    let own = own.filter(|(id, batch)| id.starts_with("job-") && batch.key == visit.call.key);
    let mut own: Vec<_> = own.map(|(id, batch)| (id.clone(), batch.clone())).collect();
    own.sort_by_key(|(_, batch)| batch.nth);
    if is_descending {
        own.reverse();
    }
    let mut all = Vec::new();
    for (id, batch) in own {
        write(visit, &id, &batch);
        let job = document(visit, &id, &batch);
        // Moments are as long as each other but for fractions of a second.
        let made = iso(batch.created_us);
        let is_in = before.as_deref().is_none_or(|end| made.as_str() < end)
            && after.as_deref().is_none_or(|begin| made.as_str() > begin)
            && wanted.as_deref().is_none_or(|status| job["status"] == status)
            && part.as_deref().is_none_or(|part| at(&job, "/jobName").contains(part));
        if is_in {
            all.push(job);
        }
    }
    let page: Vec<_> = all.iter().skip(begin).take(most).cloned().collect();
    let mut answer = json!({"invocationJobSummaries": page});
    if begin + page.len() < all.len() {
        answer["nextToken"] = json!((begin + page.len()).to_string());
    }
    Ok(Given::json(&answer))
}

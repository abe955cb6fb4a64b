//! OpenAI's batches as Vertex AI's batch prediction jobs.
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/batch-prediction-from-cloud-storage>

use bytes::Bytes;
use serde_json::{Value, json};
use weir_types::dates;

use super::super::jobs::{Job, Terms};
use super::super::{Bucket, Place, of_place};
use super::{RESULTS, number, text};
use crate::batches::{Batch, id};
use crate::fault::AnswerFault;

/// How addresses of objects begin.
pub(super) const GS: &str = "gs://";
/// How long a job may take: nothing is said of it there.
const HOURS: u64 = 24;
const INPUT: &str = "/inputConfig/gcsSource/uris/0";
/// The folder that a job made for its results.
const OUTPUT: &str = "/outputInfo/gcsOutputDirectory";

pub(super) const TERMS: Terms = Terms {
    scheme: GS,
    members: &["input_file_id", "endpoint", "completion_window", "model"],
    hours: HOURS..=HOURS,
};

/// The job that an id says, or one that stands in its place: jobs have numbers, which may stand behind
/// where they are.
pub(super) fn job_of(id: &str) -> Option<String> {
    let own = id::of_batch(id)?;
    let last = own.rsplit('/').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| last.to_owned())
}

pub(super) fn made(document: &Value) -> Result<String, AnswerFault> {
    let name = text(document, "/name").and_then(|name| name.rsplit('/').next());
    let name = name.filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| AnswerFault::Shape("it names no job".to_owned()))
}

pub(super) fn document(job: &Job<'_>) -> Bytes {
    let document = json!({
        "displayName": format!("weir-{}", job.token),
        "model": job.model,
        "inputConfig": {
            "instancesFormat": "jsonl",
            "gcsSource": {"uris": [job.input.uri(GS)]},
        },
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": job.output.uri(GS).trim_end_matches('/')},
        },
    });
    document.to_string().into()
}

pub(super) fn batch(job: &Value, buckets: &[Bucket]) -> Result<Option<Batch>, AnswerFault> {
    let own = made(job)?;
    let place = |path: &str| text(job, path).and_then(|uri| Place::of_uri(GS, uri));
    let input = place(INPUT);
    let Some((input, bucket)) =
        input.and_then(|place| of_place(buckets, &place).map(|bucket| (place, bucket)))
    else {
        return Ok(None);
    };
    let state = text(job, "/state").unwrap_or_default();
    let (status, has_results) = match state.strip_prefix("JOB_STATE_").unwrap_or(state) {
        "RUNNING" | "PAUSED" | "UPDATING" => ("in_progress", false),
        "SUCCEEDED" | "PARTIALLY_SUCCEEDED" => ("completed", true),
        "FAILED" => ("failed", false),
        "CANCELLING" => ("cancelling", false),
        "CANCELLED" => ("cancelled", false),
        "EXPIRED" => ("expired", false),
        // Queued, pending, and what may come.
        _ => ("validating", false),
    };
    let output = place(OUTPUT).filter(|_| has_results).map(|folder| Place {
        key: format!("{}/{RESULTS}", folder.key.trim_end_matches('/')),
        ..folder
    });
    let endpoint = match input.named(bucket).tag {
        Some(tag) => tag.interface.path().to_owned(),
        None => format!("/v1/{}:generateContent", text(job, "/model").unwrap_or_default()),
    };
    let moment = |path: &str| text(job, path).and_then(dates::parse);
    let counts = ["successfulCount", "failedCount", "incompleteCount"];
    let [well, failed, rest] = counts.map(|name| number(job, &format!("/completionStats/{name}")));
    let created = moment("/createTime").unwrap_or_default();
    Ok(Some(Batch {
        id: id::batch(&own),
        status,
        endpoint,
        input: Some(input.id()),
        output: output.map(|place| place.id()),
        window: HOURS,
        created,
        ended: moment("/endTime").or_else(|| moment("/updateTime")),
        expires: None,
        counts: [well + failed + rest, well, failed],
        message: text(job, "/error/message").map(str::to_owned),
    }))
}

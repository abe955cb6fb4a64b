//! OpenAI's batches as jobs: what is asked of one, and Bedrock's model invocation jobs.
//! <https://platform.openai.com/docs/api-reference/batch>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelInvocationJob.html>

mod list;
mod native;

use bytes::Bytes;
use serde_json::{Value, json};
use weir_types::dates;

use super::cloud::Cloud;
use super::{Bucket, Place, of_place};
use crate::batches::document::{self, Request, object};
use crate::batches::{Batch, id};
use crate::fault::{AnswerFault, RequestFault};
use crate::ir::Losses;

pub use list::{List, page_of};
pub use native::{only_within, own, places};

/// What a request for a batch says.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The file of which it is made.
    pub input: Place,
    /// The path that its requests are for.
    pub endpoint: String,
    /// How long it may take.
    pub hours: u64,
    /// The role as which Bedrock reads and writes files, where the request names one.
    pub role: Option<String>,
    /// The model, where the request names one.
    pub model: Option<String>,
    /// How models are called whose records are passed as they are.
    pub invocation: Option<String>,
}

/// What a service takes in a request for a batch.
#[derive(Debug)]
pub struct Terms {
    /// How addresses of its objects begin.
    pub scheme: &'static str,
    /// Members that mean something there.
    pub members: &'static [&'static str],
    /// How many hours a batch may take.
    pub hours: std::ops::RangeInclusive<u64>,
}

/// Bedrock's.
pub(super) const TERMS: Terms = Terms {
    scheme: S3,
    members: &[
        "input_file_id",
        "endpoint",
        "completion_window",
        "role_arn",
        "model",
        "model_invocation_type",
    ],
    hours: 24..=168,
};

impl Wanted {
    /// Reads a request; `losses` gets to know what of it a job has no member for.
    ///
    /// # Errors
    /// It lacks something, or asks for what cannot be.
    pub fn read(body: &[u8], terms: &Terms, losses: &mut Losses) -> Result<Self, RequestFault> {
        let asked = Request::read(body)?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let wanted = Self {
            input: asked.input(|id| Place::of_id(terms.scheme, id))?,
            endpoint: asked.needed("endpoint")?.to_owned(),
            hours: document::hours(asked.needed("completion_window")?, terms.hours.clone())?,
            role: owned(asked.text("role_arn")?),
            model: owned(asked.text("model")?),
            invocation: owned(asked.text("model_invocation_type")?),
        };
        asked.lost(terms.members, losses);
        Ok(wanted)
    }
}

/// A job that is to be made.
#[derive(Debug)]
pub struct Job<'a> {
    /// Its name and what tells it from all others: letters and digits.
    pub token: &'a str,
    /// As whom files are read and written, where that must be said.
    pub role: Option<&'a str>,
    /// As the service knows it.
    pub model: &'a str,
    /// What is read.
    pub input: &'a Place,
    /// The folder that is written to.
    pub output: &'a Place,
    /// How long it may take.
    pub hours: u64,
    /// How the model is called; `None`: as the service does by itself.
    pub invocation: Option<&'a str>,
}

/// How models are called with what is translated.
pub const CONVERSE: &str = "Converse";

impl Job<'_> {
    /// The request that makes it at Bedrock.
    pub(super) fn document(&self) -> Bytes {
        let mut document = json!({
            "jobName": format!("weir-{}", self.token),
            "clientRequestToken": self.token,
            "roleArn": self.role,
            "modelId": self.model,
            "inputDataConfig": {
                "s3InputDataConfig": {"s3Uri": self.input.uri(S3), "s3InputFormat": "JSONL"},
            },
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": self.output.uri(S3)}},
            "timeoutDurationInHours": self.hours,
        });
        if let (Some(how), Some(document)) = (self.invocation, document.as_object_mut()) {
            document.insert("modelInvocationType".to_owned(), how.into());
        }
        document.to_string().into()
    }
}

/// The job that an id says, or one that stands in its place.
pub(super) fn job_of(id: &str) -> Option<String> {
    id::of_batch(id).filter(|job| *job != id || job.starts_with("arn:"))
}

/// The job that an answer to the making of one names.
pub(super) fn made(job: &Value) -> Result<String, AnswerFault> {
    let job = job.get("jobArn").and_then(Value::as_str);
    job.map(str::to_owned).ok_or_else(|| AnswerFault::Shape("it names no job".to_owned()))
}

/// The job that the answer to the making of one is, or names.
///
/// # Errors
/// It names none.
pub fn made_in(cloud: &dyn Cloud, answer: &[u8]) -> Result<String, AnswerFault> {
    cloud.made(&Value::Object(object(answer)?))
}

/// The batch that has just been made.
#[must_use]
pub fn begun(job: &str, wanted: &Wanted, now: u64) -> Bytes {
    let batch = Batch {
        id: id::batch(job),
        status: "validating",
        endpoint: wanted.endpoint.clone(),
        input: Some(wanted.input.id()),
        window: wanted.hours,
        created: now,
        expires: Some(now + wanted.hours * 3600),
        ..Batch::default()
    };
    batch.document().to_string().into()
}

/// A job's document as a batch of OpenAI's; `None`: its files are in none of `buckets`.
///
/// # Errors
/// It is no document of a job.
pub fn batch(
    cloud: &dyn Cloud,
    answer: &[u8],
    buckets: &[Bucket],
) -> Result<Option<Bytes>, AnswerFault> {
    let job = Value::Object(object(answer)?);
    let batch = cloud.batch(&job, buckets)?;
    Ok(batch.map(|batch| batch.document().to_string().into()))
}

/// When a job was made, as its document says it.
pub(super) fn made_at(job: &Value) -> Option<u64> {
    moment(job.get("submitTime"))
}

/// The moment of which all that was made at `made` is before, as queries have it.
pub(super) fn moment_after(made: u64) -> String {
    dates::written(made + 1)
}

/// How addresses of S3 begin.
pub(super) const S3: &str = "s3://";
const INPUT: &str = "/inputDataConfig/s3InputDataConfig/s3Uri";
const OUTPUT: &str = "/outputDataConfig/s3OutputDataConfig/s3Uri";

/// The same of Bedrock's.
pub(super) fn shown(job: &Value, buckets: &[Bucket]) -> Result<Option<Batch>, AnswerFault> {
    let text = |path: &str| job.pointer(path).and_then(Value::as_str);
    let job_id = text("/jobArn").ok_or_else(|| AnswerFault::Shape("it names no job".to_owned()))?;
    let input = text(INPUT).and_then(|uri| Place::of_uri(S3, uri));
    let Some((input, bucket)) =
        input.and_then(|place| of_place(buckets, &place).map(|bucket| (place, bucket)))
    else {
        return Ok(None);
    };
    let (status, ends) = status(text("/status").unwrap_or_default());
    let output = text(OUTPUT).and_then(|uri| Place::of_uri(S3, uri));
    let output = output.filter(|_| ends.has_results).map(|folder| results(folder, job_id, &input));
    let tag = input.named(bucket).tag;
    let endpoint = match tag {
        Some(tag) => tag.interface.path().to_owned(),
        None => native(text("/modelId"), text("/modelInvocationType")),
    };
    let count = |name: &str| job.get(name).and_then(Value::as_u64).unwrap_or_default();
    let batch = Batch {
        id: id::batch(job_id),
        status,
        endpoint,
        input: Some(input.id()),
        output: output.map(|place| place.id()),
        window: job.get("timeoutDurationInHours").and_then(Value::as_u64).unwrap_or(24),
        created: moment(job.get("submitTime")).unwrap_or_default(),
        ended: moment(job.get("endTime")).or_else(|| moment(job.get("lastModifiedTime"))),
        expires: moment(job.get("jobExpirationTime")),
        counts: [count("totalRecordCount"), count("successRecordCount"), count("errorRecordCount")],
        message: text("/message").map(str::to_owned),
    };
    Ok(Some(batch))
}

/// How records that pass as they are name what they are for.
fn native(model: Option<&str>, invocation: Option<&str>) -> String {
    let how = if invocation == Some(CONVERSE) { "converse" } else { "invoke" };
    format!("/model/{}/{how}", model.unwrap_or_default())
}

/// Where a job's results are: in a folder with its own name, in a file with the input's.
fn results(folder: Place, job: &str, input: &Place) -> Place {
    let own = job.rsplit('/').next().unwrap_or(job);
    let file = input.key.rsplit('/').next().unwrap_or_default();
    let key = format!("{}/{own}/{file}.out", folder.key.trim_end_matches('/'));
    Place { key: key.trim_start_matches('/').to_owned(), ..folder }
}

/// What is true of a batch in a state.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    has_results: bool,
}

fn status(status: &str) -> (&'static str, Ends) {
    let results = Ends { has_results: true };
    match status {
        "InProgress" => ("in_progress", Ends::default()),
        "Completed" | "PartiallyCompleted" => ("completed", results),
        "Failed" => ("failed", Ends::default()),
        "Stopping" => ("cancelling", Ends::default()),
        "Stopped" => ("cancelled", Ends::default()),
        "Expired" => ("expired", Ends::default()),
        // Submitted, Validating, Scheduled, and what may come.
        _ => ("validating", Ends::default()),
    }
}

fn moment(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::String(text) => dates::parse(text),
        Value::Number(number) => number.as_f64().map(|seconds| seconds as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

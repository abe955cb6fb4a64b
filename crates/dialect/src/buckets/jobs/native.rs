//! Jobs in Bedrock's own words: over which files they are.

use bytes::Bytes;
use serde_json::Value;

use super::super::{Bucket, Place, of_place};
use super::{INPUT, OUTPUT, S3};
use crate::batches::document::object;
use crate::fault::{AnswerFault, RequestFault};

fn at_s3(uri: &str) -> Option<Place> {
    Place::of_uri(S3, uri)
}

/// Where a job in Bedrock's own words reads, and the folder that it writes to.
///
/// # Errors
/// It does not say so.
pub fn places(body: &[u8]) -> Result<[Place; 2], RequestFault> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        RequestFault::invalid("", format!("request body: it is not JSON: {error}"))
    })?;
    let place = |member: &'static str, path: &str| {
        let place = body.pointer(path).and_then(Value::as_str).and_then(at_s3);
        let expected = || format!("{member}: expected an address as s3://BUCKET/NAME");
        place.ok_or_else(|| RequestFault::invalid(member, expected()))
    };
    let input = place("inputDataConfig.s3InputDataConfig.s3Uri", INPUT)?;
    let output = place("outputDataConfig.s3OutputDataConfig.s3Uri", OUTPUT)?;
    // Whatever is written there.
    let key = format!("{}/*", output.key.trim_end_matches('/'));
    Ok([input, Place { key: key.trim_start_matches('/').to_owned(), ..output }])
}

/// Whether a job, as its document has it, reads from `buckets`.
fn is_within(job: &Value, buckets: &[Bucket]) -> bool {
    let input = job.pointer(INPUT).and_then(Value::as_str).and_then(at_s3);
    input.is_some_and(|place| of_place(buckets, &place).is_some())
}

/// A list of jobs with those alone that read from `buckets`.
///
/// # Errors
/// It is no list of jobs.
pub fn only_within(answer: &[u8], buckets: &[Bucket]) -> Result<Bytes, AnswerFault> {
    let mut answer = object(answer)?;
    let Some(Value::Array(jobs)) = answer.get_mut("invocationJobSummaries") else {
        return Err(AnswerFault::Shape("it is no list of jobs".to_owned()));
    };
    jobs.retain(|job| is_within(job, buckets));
    Ok(Value::Object(answer).to_string().into())
}

/// A job's document, if it reads from `buckets`.
///
/// # Errors
/// It is no document of a job.
pub fn own(answer: &Bytes, buckets: &[Bucket]) -> Result<Option<Bytes>, AnswerFault> {
    let job = Value::Object(object(answer)?);
    Ok(is_within(&job, buckets).then(|| answer.clone()))
}

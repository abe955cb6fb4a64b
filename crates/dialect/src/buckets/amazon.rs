//! Amazon's S3, and Bedrock's jobs.

use bytes::Bytes;
use serde_json::Value;

use super::cloud::{Addressing, Cloud, ListAsked, Pairs, Sessions};
use super::jobs::{self, CONVERSE, Job, S3, TERMS, Terms};
use super::objects::{self, Entry, Listing};
use super::{Bucket, records};
use crate::batches::{Batch, Paging, Records};
use crate::fault::AnswerFault;

/// What the results of a job end with, and what does not hold any.
const RESULTS: &str = ".out";
const SUMMARY: &str = "manifest.json.out";

/// Amazon's.
pub(super) struct Amazon;

impl Cloud for Amazon {
    fn scheme(&self) -> &'static str {
        S3
    }

    fn field(&self) -> &'static str {
        "bedrock_key_config.batch_s3_config"
    }

    fn addressing(&self) -> Addressing {
        Addressing::ByName
    }

    fn records(&self) -> &'static dyn Records {
        &records::Bedrock
    }

    fn are_results(&self, filename: &str) -> bool {
        filename.ends_with(RESULTS) && filename != SUMMARY
    }

    fn list(&self, asked: ListAsked<'_>) -> Pairs {
        let mut pairs = vec![
            ("list-type", "2".to_owned()),
            ("prefix", asked.prefix.to_owned()),
            ("max-keys", asked.most.to_string()),
            ("encoding-type", "url".to_owned()),
        ];
        pairs.extend(asked.after.map(|after| ("start-after", after.to_owned())));
        pairs
    }

    fn listing(&self, answer: &[u8]) -> Result<Listing, AnswerFault> {
        objects::listing(answer)
    }

    fn entry(&self) -> Option<fn(&[u8]) -> Result<Entry, AnswerFault>> {
        None
    }

    fn sessions(&self) -> Option<&'static dyn Sessions> {
        None
    }

    fn terms(&self) -> &'static Terms {
        &TERMS
    }

    fn needs_role(&self) -> bool {
        true
    }

    fn invocation(&self) -> Option<&'static str> {
        Some(CONVERSE)
    }

    fn model(&self, name: &str) -> String {
        name.to_owned()
    }

    fn job_of(&self, id: &str) -> Option<String> {
        jobs::job_of(id)
    }

    fn job(&self, job: &Job<'_>) -> Bytes {
        job.document()
    }

    fn made(&self, document: &Value) -> Result<String, AnswerFault> {
        jobs::made(document)
    }

    fn batch(&self, job: &Value, buckets: &[Bucket]) -> Result<Option<Batch>, AnswerFault> {
        jobs::shown(job, buckets)
    }

    fn jobs(&self) -> Paging {
        Paging {
            limit: ("maxResults", "100"),
            next: ("nextToken", "nextToken"),
            more: None,
            by_id: false,
        }
    }

    fn order(&self) -> &'static [(&'static str, &'static str)] {
        &[("sortBy", "CreationTime"), ("sortOrder", "Descending")]
    }

    fn jobs_member(&self) -> &'static str {
        "invocationJobSummaries"
    }

    fn near(&self) -> Option<fn(&Value) -> Option<(&'static str, String)>> {
        // Those of the same second are looked through.
        Some(|job| {
            let before = jobs::moment_after(jobs::made_at(job)?);
            Some(("submitTimeBefore", before))
        })
    }
}

//! What tells the services apart that have objects in buckets and jobs over them: how they are addressed,
//! and in which words they are asked and answer.

use bytes::Bytes;
use serde_json::Value;

use super::Bucket;
use super::jobs::{Job, Terms};
use super::objects::{Entry, Listing};
use crate::batches::{Batch, Paging, Records, Step};
use crate::fault::AnswerFault;

/// Where objects are, behind the address of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `BUCKET/NAME`, or a host of the bucket's own.
    ByName,
    /// `storage/v1/b/BUCKET/o/NAME`, where the name is one step; the bytes are there if `alt=media` is
    /// asked for, else what is known of it.
    Resource,
}

/// Pairs of a query.
pub type Pairs = Vec<(&'static str, String)>;

/// Reads what is known of an object.
pub type ReadEntry = fn(&[u8]) -> Result<Entry, AnswerFault>;

/// What a list of jobs is asked with that begins near the job of a document.
pub type Near = fn(&Value) -> Option<(&'static str, String)>;

/// What is asked of a list of objects.
#[derive(Debug, Clone, Copy)]
pub struct ListAsked<'a> {
    /// What names begin with.
    pub prefix: &'a str,
    /// The name behind which it begins.
    pub after: Option<&'a str>,
    /// What the page before gave to go on with.
    pub next: Option<&'a str>,
    /// How many are wanted.
    pub most: usize,
}

/// A vendor's buckets, and its jobs over what is in them.
pub trait Cloud: Sync {
    /// How addresses of objects begin.
    fn scheme(&self) -> &'static str;

    /// The field of a key's configuration that names buckets.
    fn field(&self) -> &'static str;

    /// Where objects are.
    fn addressing(&self) -> Addressing;

    /// What lines of files for batches become, and results are read from.
    fn records(&self) -> &'static dyn Records;

    /// Whether a file of this name, which a job has made, holds results.
    fn are_results(&self, filename: &str) -> bool;

    /// How a list of objects is asked for.
    fn list(&self, asked: ListAsked<'_>) -> Pairs;

    /// The answer.
    ///
    /// # Errors
    /// It is no list.
    fn listing(&self, answer: &[u8]) -> Result<Listing, AnswerFault>;

    /// What is known of an object, where that is a document; `None`: headers say it.
    fn entry(&self) -> Option<ReadEntry>;

    /// How long objects are uploaded, where that is done in a session; `None`: in parts.
    fn sessions(&self) -> Option<&'static dyn Sessions>;

    /// What it takes in a request for a batch.
    fn terms(&self) -> &'static Terms;

    /// Whether jobs are worked off as a role that must be named.
    fn needs_role(&self) -> bool;

    /// How jobs call models of which records were translated, where that must be said.
    fn invocation(&self) -> Option<&'static str>;

    /// A model as jobs name it.
    fn model(&self, name: &str) -> String;

    /// The job that an id says, or one that stands in its place.
    fn job_of(&self, id: &str) -> Option<String>;

    /// The request that makes a job.
    fn job(&self, job: &Job<'_>) -> Bytes;

    /// The job that a document names.
    ///
    /// # Errors
    /// It names none.
    fn made(&self, document: &Value) -> Result<String, AnswerFault>;

    /// A job's document as a batch; `None`: its files are in none of `buckets`.
    ///
    /// # Errors
    /// It is no document of a job.
    fn batch(&self, job: &Value, buckets: &[Bucket]) -> Result<Option<Batch>, AnswerFault>;

    /// How lists of jobs, the newest first, go on.
    fn jobs(&self) -> Paging;

    /// What else such a list is asked with.
    fn order(&self) -> &'static [(&'static str, &'static str)];

    /// The member of a page in which its jobs are.
    fn jobs_member(&self) -> &'static str;

    /// What a list is asked with that begins near the job of this document; `None`: lists cannot be
    /// asked for so.
    fn near(&self) -> Option<Near>;
}

/// Uploads of long objects in one session.
pub trait Sessions: Sync {
    /// What begins one for the object `key`: its query, the call, and the header of the answer that says
    /// where its bytes go.
    fn begin(&self, key: &str) -> (Pairs, Step, &'static str);

    /// What `bytes` are sent with, which follow `offset` others; `is_last`: nothing more comes.
    fn step(&self, bytes: Bytes, offset: u64, is_last: bool) -> Step;

    /// How many bytes have come, as the header `range` of an answer says that wants more.
    fn come(&self, range: &str) -> u64;
}

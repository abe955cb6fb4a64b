//! OpenAI's batches in the words of vendors that have them in other ways: lines of requests become records
//! of the vendor's, its results lines of OpenAI's, and what it says of a batch or a file OpenAI's document.
//!
//! Nothing is remembered anywhere: ids, names and the marks of records say what must be known later. Pure;
//! who calls, and in which order, is the worker's affair. Knows no secret and no address.

pub mod document;
mod google;
pub mod id;
pub mod line;
mod messages;
pub mod outcome;
pub(crate) mod page;
pub mod side;

use bytes::Bytes;
use serde_json::Value;
use weir_types::Dialect;

pub use document::{Batch, File};
pub use line::{Interface, Line, Tag};
pub use outcome::{Failure, Outcome, answered};
pub use page::{FilePage, List, Page};

use crate::families::Family;
use crate::fault::{AnswerFault, RequestFault};

/// A vendor's records: what lines are made into, and what its results are read from.
pub trait Records: Sync {
    /// How records of its own can be told from OpenAI's lines, where they pass as they are.
    fn own(&self) -> Option<Own> {
        None
    }

    /// Whether all records of a batch are for one model.
    fn has_one_model(&self) -> bool;

    /// Whether they are for models of this family.
    fn takes(&self, _: Family) -> bool {
        true
    }

    /// What stands before, between and after records.
    fn frame(&self) -> Frame;

    /// The record of the request `input`, which is JSON in the vendor's words, with the client's name.
    ///
    /// # Errors
    /// The name cannot be one of a record.
    fn record(
        &self,
        id: &str,
        interface: Interface,
        input: Vec<Bytes>,
    ) -> Result<Vec<Bytes>, RequestFault>;

    /// Reads a line of results.
    ///
    /// # Errors
    /// It is none.
    fn outcome(&self, line: &[u8]) -> Result<Outcome, AnswerFault>;

    /// A request of which nothing is known, in the vendor's words: results need not repeat theirs.
    fn unknown(&self) -> &'static [u8];
}

/// Records that pass as they are.
#[derive(Debug, Clone, Copy)]
pub struct Own {
    /// The member that no line of OpenAI's has.
    pub member: &'static str,
    /// What they are called.
    pub words: &'static str,
}

/// What records stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Before the first.
    pub before: &'static str,
    /// Between two.
    pub between: &'static str,
    /// After the last.
    pub after: &'static str,
}

impl Frame {
    /// A line each.
    pub const LINES: Self = Self { before: "", between: "\n", after: "\n" };
}

/// Batches of a vendor, by its own interface.
pub trait Service: Records {
    /// What is called a batch there.
    ///
    /// # Errors
    /// It is no such document.
    fn batch(&self, document: &Value) -> Result<Batch, AnswerFault>;

    /// The member of a page in which its batches are.
    fn batches(&self) -> &'static str;

    /// How lists are asked for.
    fn paging(&self) -> Paging;

    /// The files that batches are made of; `None`: a batch is made of its requests, and is there as soon
    /// as these are uploaded.
    fn files(&self) -> Option<&'static dyn Files>;
}

/// Files of a vendor, by its own interface. They have a name that says of which requests they were made.
pub trait Files: Sync {
    /// How a file of such requests is named, and a batch of it.
    fn named(&self, tag: &Tag, filename: &str) -> String;

    /// The request for a batch that is so named, over the file that the vendor calls `own`.
    fn batch_of(&self, own: &str, named: &str) -> Bytes;

    /// What begins the upload of a file that is so named; the header of the answer that says where its
    /// bytes go.
    fn begin(&self, named: &str) -> (Step, &'static str);

    /// What `bytes` are sent with, which follow `offset` others; `is_last`: nothing more comes.
    fn step(&self, bytes: Bytes, offset: u64, is_last: bool) -> Step;

    /// The file in the answer to what ends an upload.
    ///
    /// # Errors
    /// There is none.
    fn uploaded(&self, document: &Value) -> Result<File, AnswerFault>;

    /// What is called a file there.
    ///
    /// # Errors
    /// It is no such document.
    fn file(&self, document: &Value) -> Result<File, AnswerFault>;

    /// The member of a page in which its files are.
    fn files(&self) -> &'static str;
}

/// One call of an upload.
#[derive(Debug)]
pub struct Step {
    /// Headers that it needs.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Bytes,
}

/// How a vendor's lists go on.
#[derive(Debug, Clone, Copy)]
pub struct Paging {
    /// How many are wanted, at most.
    pub limit: (&'static str, &'static str),
    /// What is said again to get the next page, and where a page says it.
    pub next: (&'static str, &'static str),
    /// A page that has more says so here; `None`: by saying what comes next.
    pub more: Option<&'static str>,
    /// An item's id is what comes next.
    pub by_id: bool,
}

impl Paging {
    /// The items of a page, which are in `member`, and what asks for the page behind it, if there is one.
    ///
    /// # Errors
    /// It is no page.
    pub fn read(
        &self,
        mut page: Value,
        member: &str,
    ) -> Result<(Vec<Value>, Option<String>), AnswerFault> {
        let has_more = self.more.is_none_or(|member| page.get(member) == Some(&Value::Bool(true)));
        let next = page.get(self.next.1).and_then(Value::as_str).filter(|next| !next.is_empty());
        let next = next.filter(|_| has_more).map(str::to_owned);
        // Where there are none, the member may be missing.
        match page.get_mut(member).map(Value::take) {
            Some(Value::Array(items)) => Ok((items, next)),
            None | Some(Value::Null) if page.is_object() => Ok((Vec::new(), next)),
            _ => Err(AnswerFault::Shape(format!("`{member}` is not a list"))),
        }
    }
}

/// The batches of vendors that speak `dialect`, where they are known.
#[must_use]
pub fn of(dialect: Dialect) -> Option<&'static dyn Service> {
    match dialect {
        Dialect::AnthropicMessages => Some(&messages::Messages),
        Dialect::GeminiGenerate => Some(&google::Google),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! Lists of batches, made of the pages of a list of jobs, of which only some are over the key's files.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::Value;

use super::super::{Bucket, Cloud};
use crate::batches::Page;
use crate::batches::document::object;
use crate::batches::page::listed;
use crate::fault::{AnswerFault, RequestFault};

/// What the pairs of a query say of a list of batches; it begins behind a job.
///
/// # Errors
/// A value is not one of those that can be.
pub fn page_of<'q>(
    cloud: &dyn Cloud,
    pairs: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
) -> Result<Page, RequestFault> {
    let Page { after, limit } = Page::read(pairs)?;
    let missing = || RequestFault::invalid("after", "after: no id of a batch");
    let job = |id: String| cloud.job_of(&id).ok_or_else(missing);
    Ok(Page { after: after.map(job).transpose()?, limit })
}

/// A list of batches, made of the pages of a list of jobs.
#[derive(Debug)]
pub struct List<'p> {
    page: &'p Page,
    items: Vec<Value>,
    /// The job behind which it begins has been seen.
    has_begun: bool,
    has_more: bool,
}

impl<'p> List<'p> {
    /// Nothing yet of what `page` asks for.
    #[must_use]
    pub fn new(page: &'p Page) -> Self {
        Self { page, items: Vec::new(), has_begun: page.after.is_none(), has_more: false }
    }

    /// Takes a page of jobs; what asks for the next one, if that is needed.
    ///
    /// # Errors
    /// It is no list of jobs.
    pub fn add(
        &mut self,
        cloud: &dyn Cloud,
        answer: &[u8],
        buckets: &[Bucket],
    ) -> Result<Option<String>, AnswerFault> {
        let page = Value::Object(object(answer)?);
        let (jobs, next) = cloud.jobs().read(page, cloud.jobs_member())?;
        for job in jobs {
            if !self.has_begun {
                self.has_begun =
                    cloud.made(&job)?.as_str() == self.page.after.as_deref().unwrap_or_default();
                continue;
            }
            let Some(batch) = cloud.batch(&job, buckets)? else { continue };
            if self.items.len() == self.page.limit {
                self.has_more = true;
                return Ok(None);
            }
            self.items.push(batch.document());
        }
        Ok(next)
    }

    /// The document.
    #[must_use]
    pub fn document(self) -> Bytes {
        listed(&self.items, self.has_more)
    }
}

//! Lists of batches and files, made of a vendor's pages.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use super::document::{INPUT, OUTPUT};
use crate::fault::RequestFault;

/// How many items a list has for whom nothing else is said, and at most: of batches, of files.
const BATCHES: (usize, usize) = (20, 100);
const FILES: (usize, usize) = (10_000, 10_000);

/// What is asked of a list of batches, in the query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The id behind which it begins.
    pub after: Option<String>,
    /// How many are wanted.
    pub limit: usize,
}

impl Page {
    /// What the pairs of a query say of a list of batches.
    ///
    /// # Errors
    /// A value is not one of those that can be.
    pub fn read<'q>(
        pairs: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
    ) -> Result<Self, RequestFault> {
        let mut page = Self { after: None, limit: BATCHES.0 };
        for (name, value) in pairs {
            match &*name {
                "after" => page.after = Some(value.into_owned()),
                "limit" => page.limit = limit(&value, BATCHES.1)?,
                _ => {}
            }
        }
        Ok(page)
    }
}

/// What is asked of a list of files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FilePage {
    /// Where it begins, and how many are wanted.
    pub page: Page,
    /// Only those for this purpose.
    pub purpose: Option<String>,
}

impl FilePage {
    /// What the pairs of a query say.
    ///
    /// # Errors
    /// A value is not one of those that can be.
    pub fn read<'q>(
        pairs: impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)>,
    ) -> Result<Self, RequestFault> {
        let mut files = Self { page: Page { after: None, limit: FILES.0 }, purpose: None };
        for (name, value) in pairs {
            match &*name {
                "after" => files.page.after = Some(value.into_owned()),
                "limit" => files.page.limit = limit(&value, FILES.1)?,
                "purpose" => files.purpose = Some(value.into_owned()),
                "order" if value == "desc" => {}
                "order" => {
                    let message = "order: files of this provider are listed newest first; \
                                   send `desc` or nothing";
                    return Err(RequestFault::invalid("order", message));
                }
                _ => {}
            }
        }
        Ok(files)
    }

    /// Whether files for `purpose` are in the list.
    #[must_use]
    pub fn has(&self, purpose: &str) -> bool {
        self.purpose.as_ref().is_none_or(|wanted| wanted == purpose)
    }

    /// Whether any file of a batch can be.
    #[must_use]
    pub fn has_any(&self) -> bool {
        self.has(INPUT) || self.has(OUTPUT)
    }
}

/// How many items are wanted.
fn limit(text: &str, max: usize) -> Result<usize, RequestFault> {
    let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| {
        RequestFault::invalid("limit", format!("limit: expected a number from 1 to {max}"))
    })
}

/// A list in the making.
#[derive(Debug)]
pub struct List<'p> {
    page: &'p Page,
    items: Vec<Value>,
    /// The item behind which it begins has been seen.
    has_begun: bool,
    has_more: bool,
}

impl<'p> List<'p> {
    /// Nothing yet of what `page` asks for; `has_begun`: what comes is behind its beginning.
    #[must_use]
    pub fn new(page: &'p Page, has_begun: bool) -> Self {
        let has_begun = has_begun || page.after.is_none();
        Self { page, items: Vec::new(), has_begun, has_more: false }
    }

    /// Takes the next item; whether it is full.
    pub fn add(&mut self, item: Value) -> bool {
        if !self.has_begun {
            self.has_begun = item.get("id").and_then(Value::as_str) == self.page.after.as_deref();
            return false;
        }
        if self.items.len() == self.page.limit {
            self.has_more = true;
            return true;
        }
        self.items.push(item);
        false
    }

    /// The document.
    #[must_use]
    pub fn document(self) -> Bytes {
        listed(&self.items, self.has_more)
    }
}

/// A page of OpenAI's lists.
pub(crate) fn listed(items: &[Value], has_more: bool) -> Bytes {
    let end = |item: Option<&Value>| item.and_then(|item| item.get("id")).cloned();
    let (first, last) = (end(items.first()), end(items.last()));
    json!({
        "object": "list",
        "data": items,
        "first_id": first,
        "last_id": last,
        "has_more": has_more,
    })
    .to_string()
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs<'q>(
        query: &'q [(&'q str, &'q str)],
    ) -> impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)> {
        query.iter().map(|(name, value)| ((*name).into(), (*value).into()))
    }

    #[test]
    fn a_list_begins_behind_an_item_and_says_whether_there_is_more() {
        for (after, has_begun, limit, expected, has_more) in [
            (None, false, 2, vec!["a", "b"], true),
            (Some("a"), false, 9, vec!["b", "c"], false),
            (Some("x"), true, 9, vec!["a", "b", "c"], false),
            (Some("x"), false, 9, vec![], false),
        ] {
            let page = Page { after: after.map(str::to_owned), limit };
            let mut list = List::new(&page, has_begun);
            let full = ["a", "b", "c"].map(|id| list.add(json!({ "id": id })));
            assert_eq!(full.contains(&true), has_more);
            let list: Value = serde_json::from_slice(&list.document()).unwrap();
            let ids: Vec<_> = list["data"].as_array().unwrap().iter().collect();
            let ids: Vec<_> = ids.iter().map(|one| one["id"].as_str().unwrap()).collect();
            assert_eq!((ids, &list["has_more"]), (expected, &json!(has_more)));
        }
    }

    #[test]
    fn queries_that_make_no_sense_are_refused() {
        let page = Page::read(pairs(&[("after", "a"), ("limit", "7")])).unwrap();
        assert_eq!(page, Page { after: Some("a".to_owned()), limit: 7 });
        for bad in [("limit", "0"), ("limit", "101")] {
            assert!(Page::read(pairs(&[bad])).unwrap_err().message.starts_with("limit"));
        }
        let files = FilePage::read(pairs(&[("purpose", "batch"), ("order", "desc")])).unwrap();
        assert!(files.has(INPUT) && !files.has(OUTPUT) && files.has_any());
        for bad in [("limit", "x"), ("order", "asc")] {
            let why = FilePage::read(pairs(&[bad])).unwrap_err().message;
            assert!(why.starts_with(bad.0), "{why}");
        }
    }
}

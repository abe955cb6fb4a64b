//! Objects as OpenAI's documents of files.
//! <https://platform.openai.com/docs/api-reference/files/object>

use bytes::Bytes;
use serde_json::Value;

use super::name::PURPOSES;
use super::objects::Entry;
use super::{Bucket, Named, Place};
use crate::batches::page::listed;
use crate::batches::{File, FilePage};
use crate::fault::RequestFault;

/// Purposes for which a file may be uploaded: results are made by batches alone.
const UPLOADED: [&str; 6] = ["assistants", "batch", "evals", "fine-tune", "user_data", "vision"];

/// # Errors
/// Files are not uploaded for this purpose; says for which they are.
pub fn check_purpose(purpose: &str) -> Result<(), RequestFault> {
    if UPLOADED.contains(&purpose) {
        return Ok(());
    }
    let shown: String = purpose.chars().take(64).collect();
    let message = format!("purpose: expected one of {}, found `{shown}`", UPLOADED.join(", "));
    Err(RequestFault::invalid("purpose", message))
}

/// What is known of a file.
#[must_use]
pub fn document(place: &Place, named: &Named, bytes: u64, created: u64) -> Bytes {
    shown(place, named, bytes, created).to_string().into()
}

fn shown(place: &Place, named: &Named, bytes: u64, created: u64) -> Value {
    let Named { purpose, filename, tag } = named.clone();
    File { id: place.id(), purpose, filename, bytes, created, tag }.document()
}

/// What is asked of a list of files, in the query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Behind which it begins.
    pub after: Option<Place>,
    /// How many are wanted.
    pub limit: usize,
    /// Only those for this purpose.
    pub purpose: Option<String>,
}

/// No service gives more at a time.
const LIMIT_MAX: usize = 1000;

impl Page {
    /// What the pairs of a query say.
    ///
    /// # Errors
    /// A value is not one of those that can be.
    pub fn read<'q>(
        scheme: &str,
        pairs: impl Iterator<Item = (std::borrow::Cow<'q, str>, std::borrow::Cow<'q, str>)>,
    ) -> Result<Self, RequestFault> {
        let FilePage { page, purpose } = FilePage::read(pairs)?;
        let missing = || RequestFault::invalid("after", "after: no id of a file");
        let place = |id: String| Place::of_id(scheme, &id).ok_or_else(missing);
        let after = page.after.map(place).transpose()?;
        Ok(Self { after, limit: page.limit.min(LIMIT_MAX), purpose })
    }

    /// What names of objects in `bucket` begin with that may be in the list.
    #[must_use]
    pub fn prefix(&self, bucket: &Bucket) -> String {
        match &self.purpose {
            Some(purpose) if purpose != "user_data" && PURPOSES.contains(&purpose.as_str()) => {
                format!("{}{purpose}/", bucket.prefix)
            }
            _ => bucket.prefix.clone(),
        }
    }

    /// Whether what is so named is in the list.
    #[must_use]
    pub fn has(&self, named: &Named) -> bool {
        self.purpose.as_ref().is_none_or(|purpose| *purpose == named.purpose)
    }
}

/// A list of files.
#[derive(Debug, Default)]
pub struct List {
    items: Vec<Value>,
}

impl List {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds the object `entry` of `bucket` if it is one of those that `page` asks for.
    pub fn add(&mut self, page: &Page, bucket: &Bucket, entry: &Entry) {
        // What ends with a slash is a folder, as consoles make them.
        if entry.key.ends_with('/') {
            return;
        }
        let place = Place { bucket: bucket.name.clone(), key: entry.key.clone() };
        let named = place.named(bucket);
        if page.has(&named) {
            self.items.push(shown(&place, &named, entry.bytes, entry.modified));
        }
    }

    /// The document.
    #[must_use]
    pub fn document(self, has_more: bool) -> Bytes {
        listed(&self.items, has_more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &[(&str, &str)]) -> Result<Page, String> {
        let pairs = query.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Page::read("s3://", pairs).map_err(|fault| fault.message)
    }

    #[test]
    fn a_list_holds_what_is_asked_for() {
        let bucket = Bucket::new("b", "p", false);
        let entry = |key: &str| Entry { key: key.to_owned(), bytes: 3, modified: 9 };
        for (query, prefix, expected) in [
            (vec![], "p/", vec!["a.jsonl", "x.txt"]),
            (vec![("purpose", "batch")], "p/batch/", vec!["a.jsonl"]),
            (vec![("purpose", "user_data")], "p/", vec!["x.txt"]),
            (vec![("purpose", "nothing")], "p/", vec![]),
        ] {
            let page = page(&query).unwrap();
            assert_eq!(page.prefix(&bucket), prefix);
            let mut list = List::default();
            for key in ["p/batch/u/a.jsonl", "p/folder/", "p/x.txt"] {
                list.add(&page, &bucket, &entry(key));
            }
            let list: Value = serde_json::from_slice(&list.document(true)).unwrap();
            let names: Vec<_> = list["data"].as_array().unwrap().iter().collect();
            let names: Vec<_> = names.iter().map(|one| one["filename"].as_str().unwrap()).collect();
            assert_eq!(names, expected);
            assert_eq!(
                list["last_id"],
                list["data"]
                    .as_array()
                    .unwrap()
                    .last()
                    .map_or(Value::Null, |one| one["id"].clone())
            );
        }
    }

    #[test]
    fn queries_that_make_no_sense_are_refused() {
        assert_eq!(page(&[("limit", "7")]).unwrap().limit, 7);
        assert_eq!(page(&[("limit", "9999"), ("order", "desc")]).unwrap().limit, LIMIT_MAX);
        for bad in [("limit", "0"), ("limit", "x"), ("order", "asc"), ("after", "file-?")] {
            let why = page(&[bad]).unwrap_err();
            assert!(why.starts_with(bad.0), "{why}");
        }
        assert!(check_purpose("batch").is_ok());
        for purpose in ["", "batch_output", "x"] {
            assert!(check_purpose(purpose).unwrap_err().message.contains("found `"));
        }
    }
}

//! S3's documents, which are XML: lists of objects, errors, uploads in parts.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/>

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use weir_types::dates;

use crate::fault::AnswerFault;

/// An object in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// When it was last written, in seconds since 1970.
    pub modified: u64,
}

/// A page of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of their names.
    pub entries: Vec<Entry>,
    /// There are more behind the last.
    pub is_truncated: bool,
    /// What asks for these, where the last name does not.
    pub next: Option<String>,
}

/// Reads the answer to `ListObjectsV2` with `encoding-type=url`.
///
/// # Errors
/// It is no such answer.
pub fn listing(xml: &[u8]) -> Result<Listing, AnswerFault> {
    let mut list = Listing::default();
    let mut entry = Entry::default();
    let mut has_root = false;
    walk(xml, |path, step| match (path, step) {
        (["ListBucketResult"], Step::Begin) => has_root = true,
        (["ListBucketResult", "Contents"], Step::Begin) => entry = Entry::default(),
        (["ListBucketResult", "Contents"], Step::End(_)) => {
            list.entries.push(std::mem::take(&mut entry));
        }
        (["ListBucketResult", "Contents", name], Step::End(text)) => match *name {
            "Key" => entry.key = decoded(text),
            "Size" => entry.bytes = text.trim().parse().unwrap_or_default(),
            "LastModified" => entry.modified = dates::parse(text).unwrap_or_default(),
            _ => {}
        },
        (["ListBucketResult", "IsTruncated"], Step::End(text)) => {
            list.is_truncated = text.trim() == "true";
        }
        _ => {}
    })?;
    match has_root {
        true => Ok(list),
        false => Err(AnswerFault::Shape("it is no list of objects".to_owned())),
    }
}

fn decoded(text: &str) -> String {
    // A space is a plus there, and a plus `%2B`.
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The name of an upload in parts, in the answer that begins it.
///
/// # Errors
/// It has none.
pub fn upload_id(xml: &[u8]) -> Result<String, AnswerFault> {
    let mut id = String::new();
    walk(xml, |path, step| {
        if let (["InitiateMultipartUploadResult", "UploadId"], Step::End(text)) = (path, step) {
            text.clone_into(&mut id);
        }
    })?;
    match id.is_empty() {
        true => Err(AnswerFault::Shape("it names no upload".to_owned())),
        false => Ok(id),
    }
}

/// The document that ends an upload whose parts have these marks (`ETag`), from the first on.
#[must_use]
pub fn complete(marks: &[String]) -> String {
    let mut xml = "<CompleteMultipartUpload>".to_owned();
    for (mark, number) in marks.iter().zip(1..) {
        let mark = quick_xml::escape::escape(mark);
        // Writing into a string cannot fail.
        _ = write!(xml, "<Part><PartNumber>{number}</PartNumber><ETag>{mark}</ETag></Part>");
    }
    xml.push_str("</CompleteMultipartUpload>");
    xml
}

/// An error, which may stand in an answer whose status says success.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// S3's word for it, as `NoSuchKey`.
    pub code: String,
    /// What it says of it.
    pub message: String,
}

impl Refusal {
    /// The same in the words of Bedrock's errors.
    #[must_use]
    pub fn document(&self) -> String {
        serde_json::json!({ "message": self.message }).to_string()
    }
}

/// The error that `xml` is; `None`: it is none.
#[must_use]
pub fn refusal(xml: &[u8]) -> Option<Refusal> {
    let mut found = Refusal::default();
    let walked = walk(xml, |path, step| match (path, step) {
        (["Error", "Code"], Step::End(text)) => text.clone_into(&mut found.code),
        (["Error", "Message"], Step::End(text)) => text.clone_into(&mut found.message),
        _ => {}
    });
    (walked.is_ok() && !found.code.is_empty()).then_some(found)
}

/// What is told of an element.
enum Step<'t> {
    Begin,
    /// With the text that stood in it.
    End(&'t str),
}

/// How deep documents are that are read.
const DEPTH_MAX: usize = 16;

/// Tells `visit` of every element, with the names of those that it is in and its own.
fn walk(xml: &[u8], mut visit: impl FnMut(&[&str], Step<'_>)) -> Result<(), AnswerFault> {
    let broken = |why: String| AnswerFault::Shape(format!("it is not XML: {why}"));
    let xml = std::str::from_utf8(xml).map_err(|error| broken(error.to_string()))?;
    let mut reader = Reader::from_str(xml);
    let mut names: Vec<String> = Vec::new();
    let mut text = String::new();
    loop {
        let event = reader.read_event().map_err(|error| broken(error.to_string()))?;
        match event {
            Event::Start(start) => {
                if names.len() >= DEPTH_MAX {
                    return Err(broken(format!("elements are more than {DEPTH_MAX} deep")));
                }
                names.push(start.local_name().into_inner().to_owned());
                text.clear();
                visit(&steps(&names), Step::Begin);
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(entity) => match entity.resolve_char_ref() {
                Ok(Some(letter)) => text.push(letter),
                _ => text.push_str(resolve_predefined_entity(&entity).unwrap_or_default()),
            },
            Event::End(_) => {
                visit(&steps(&names), Step::End(&text));
                names.pop();
                text.clear();
            }
            Event::Eof if names.is_empty() => return Ok(()),
            Event::Eof => return Err(broken("it ends in the middle".to_owned())),
            _ => {}
        }
    }
}

fn steps(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_s3_writes_it() {
        let xml = br#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
<Prefix>p/</Prefix><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>
<Contents><Key>p/a+b%2Bc.jsonl</Key><LastModified>2026-01-01T00:00:01.000Z</LastModified>
<ETag>&quot;x&quot;</ETag><Size>12</Size><Owner><ID>1</ID></Owner></Contents>
<Contents><Key>p/&amp;&#x41;</Key><LastModified>2026-01-01T00:00:02.000Z</LastModified><Size>0</Size></Contents>
<CommonPrefixes><Prefix>q/</Prefix></CommonPrefixes></ListBucketResult>"#;
        let list = listing(xml).unwrap();
        assert!(list.is_truncated);
        let first = Entry { key: "p/a b+c.jsonl".to_owned(), bytes: 12, modified: 1_767_225_601 };
        assert_eq!(list.entries[0], first);
        assert_eq!((&*list.entries[1].key, list.entries[1].bytes), ("p/&A", 0));
        let none = b"<ListBucketResult><Prefix/></ListBucketResult>";
        assert_eq!(listing(none).unwrap(), Listing::default());
        for bad in [&b"<x></x>"[..], b"<ListBucketResult>", b"{}", b"", b"<a></b>"] {
            assert!(listing(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        let deep = "<a>".repeat(99);
        assert!(listing(deep.as_bytes()).is_err());
    }

    #[test]
    fn uploads_in_parts_and_errors() {
        let xml = b"<InitiateMultipartUploadResult><Bucket>b</Bucket><UploadId>VX-1_~.</UploadId></InitiateMultipartUploadResult>";
        assert_eq!(upload_id(xml).unwrap(), "VX-1_~.");
        assert!(
            upload_id(b"<InitiateMultipartUploadResult></InitiateMultipartUploadResult>").is_err()
        );
        let marks = ["\"a\"".to_owned(), "\"b\"".to_owned()];
        assert_eq!(
            complete(&marks),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag></Part>\
             <Part><PartNumber>2</PartNumber><ETag>&quot;b&quot;</ETag></Part></CompleteMultipartUpload>"
        );
        let xml = b"<?xml version='1.0'?>\n<Error><Code>NoSuchKey</Code><Message>The \"key\" is &lt;gone></Message></Error>";
        let found = refusal(xml).unwrap();
        assert_eq!((&*found.code, &*found.message), ("NoSuchKey", "The \"key\" is <gone>"));
        assert_eq!(found.document(), r#"{"message":"The \"key\" is <gone>"}"#);
        assert_eq!(
            refusal(b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"),
            None
        );
        assert_eq!(refusal(b"not found"), None);
    }
}

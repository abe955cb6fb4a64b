//! What the name of an object says: where it is, what it is for, and of which requests it was made.
//!
//! A name is `PREFIX purpose/UNIQUE.TAG/FILENAME`. Within a purpose newer ones come first in the order
//! in which buckets are listed. The characters are those that Bedrock takes in an address of S3:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ModelInvocationJobS3InputDataConfig.html>

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Bucket, Tag};
use crate::batches::id;

/// Purposes that OpenAI's files have.
pub(super) const PURPOSES: [&str; 7] =
    ["assistants", "batch", "batch_output", "evals", "fine-tune", "user_data", "vision"];
/// What is in an object whose name does not tell.
const OTHER: &str = "user_data";
/// Of which purpose results are.
const RESULTS: &str = "batch_output";
/// S3's limit, and Bedrock's for a whole address.
const KEY_BYTES_MAX: usize = 900;
const FILENAME_BYTES_MAX: usize = 200;
/// Times in names count down from here, in milliseconds since 1970: far away, and of 11 digits.
const END_OF_TIME: u64 = 0x0fff_ffff_ffff;

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket's name.
    pub bucket: String,
    /// The object's name in it.
    pub key: String,
}

/// What an object's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// OpenAI's word for what it is for.
    pub purpose: String,
    /// As the client called the file.
    pub filename: String,
    /// Set where its lines are not as the client wrote them, or not as it wants to read them.
    pub tag: Option<Tag>,
}

/// What makes a name one that nothing else has.
#[derive(Debug, Clone, Copy)]
pub struct Unique {
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// Drawn.
    pub draw: u64,
}

impl Unique {
    fn text(self) -> String {
        let left = END_OF_TIME.saturating_sub(self.now_ms);
        format!("{left:011x}{:016x}", self.draw)
    }

    /// For names of jobs and the like: letters and digits.
    #[must_use]
    pub fn token(self) -> String {
        format!("{:011x}{:016x}", self.now_ms, self.draw)
    }
}

impl Place {
    /// A place for a new file.
    ///
    /// # Errors
    /// Its name would be too long.
    pub fn new(bucket: &Bucket, named: &Named, unique: Unique) -> Result<Self, String> {
        let folder = folder(bucket, &named.purpose, named.tag.as_ref(), unique);
        let key = format!("{folder}{}", sendable(&named.filename));
        match key.len() <= KEY_BYTES_MAX {
            true => Ok(Self { bucket: bucket.name.clone(), key }),
            false => {
                Err("the names of prefix, model and file are too long for one of an object".into())
            }
        }
    }

    /// The folder for the results of the batch of which `self` is the input, in the same bucket.
    #[must_use]
    pub fn results(&self, bucket: &Bucket, unique: Unique) -> Self {
        let tag = self.named(bucket).tag;
        Self { bucket: bucket.name.clone(), key: folder(bucket, RESULTS, tag.as_ref(), unique) }
    }

    /// `SCHEME://BUCKET/NAME`, where `scheme` ends with its slashes.
    #[must_use]
    pub fn uri(&self, scheme: &str) -> String {
        format!("{scheme}{}/{}", self.bucket, self.key)
    }

    /// The inverse of [`Place::uri`].
    #[must_use]
    pub fn of_uri(scheme: &str, uri: &str) -> Option<Self> {
        Self::of_path(uri.strip_prefix(scheme)?)
    }

    fn of_path(path: &str) -> Option<Self> {
        let (bucket, key) = path.split_once('/')?;
        (!bucket.is_empty()).then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The id of a file, in letters that may stand in a path.
    #[must_use]
    pub fn id(&self) -> String {
        id::file(&format!("{}/{}", self.bucket, self.key))
    }

    /// What an id says, or an address of the service's in its place.
    #[must_use]
    pub fn of_id(scheme: &str, id: &str) -> Option<Self> {
        let said = id::of_file(id)?;
        match said == id {
            true => Self::of_uri(scheme, id),
            false => Self::of_path(&said),
        }
    }

    /// What its name says, in `bucket`.
    #[must_use]
    pub fn named(&self, bucket: &Bucket) -> Named {
        let rest = self.key.strip_prefix(&bucket.prefix).unwrap_or(&self.key);
        let mut steps = rest.split('/');
        let purpose = steps.next().filter(|step| PURPOSES.contains(step) && *step != rest);
        let tag = steps.next().filter(|_| purpose.is_some()).and_then(tag_in);
        Named {
            purpose: purpose.unwrap_or(OTHER).to_owned(),
            filename: rest.rsplit('/').next().unwrap_or(rest).to_owned(),
            tag,
        }
    }
}

fn folder(bucket: &Bucket, purpose: &str, tag: Option<&Tag>, unique: Unique) -> String {
    let mut text = format!("{}{purpose}/{}", bucket.prefix, unique.text());
    if let Some(tag) = tag {
        // Writing into a string cannot fail.
        _ = write!(text, ".{}", URL_SAFE_NO_PAD.encode(tag.text()));
    }
    text.push('/');
    text
}

fn tag_in(step: &str) -> Option<Tag> {
    let (_, tag) = step.split_once('.')?;
    let tag = String::from_utf8(URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
    Tag::of_text(&tag)
}

/// A file's name in characters that may stand in an address; never empty.
fn sendable(filename: &str) -> String {
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || "-!_*'().".contains(letter);
    let last = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let text: String = last.chars().map(|c| if is_fit(c) { c } else { '_' }).collect();
    // The ending says what it is.
    let text = text.get(text.len().saturating_sub(FILENAME_BYTES_MAX)..).unwrap_or_default();
    match text {
        "" | "." | ".." => "file".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::Interface;

    const S3: &str = "s3://";
    const NOW: Unique = Unique { now_ms: 1_800_000_000_000, draw: 7 };

    fn named(filename: &str, tag: Option<Tag>) -> Named {
        Named { purpose: "batch".to_owned(), filename: filename.to_owned(), tag }
    }

    fn tag(interface: Interface) -> Tag {
        let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0".to_owned();
        Tag { interface, model }
    }

    #[test]
    fn a_name_says_all_that_is_known_of_a_file() {
        for prefix in ["", "a/b"] {
            let bucket = Bucket::new("bucket", prefix, false);
            for tag in [None, Some(tag(Interface::Chat)), Some(tag(Interface::Responses))] {
                let named = named("in.jsonl", tag);
                let place = Place::new(&bucket, &named, NOW).unwrap();
                assert_eq!(place.named(&bucket), named);
                assert_eq!(Place::of_uri(S3, &place.uri(S3)), Some(place.clone()));
                assert_eq!(Place::of_id(S3, &place.id()), Some(place.clone()));
                assert_eq!(Place::of_id(S3, &place.uri(S3)), Some(place.clone()));
                let results = place.results(&bucket, NOW);
                let output = Place { key: format!("{}abc/in.jsonl.out", results.key), ..results };
                let said = output.named(&bucket);
                assert_eq!((&*said.purpose, said.tag), ("batch_output", named.tag));
                let fit = |c: char| c.is_ascii_alphanumeric() || "-_.!*'()/".contains(c);
                assert!(place.key.chars().all(fit), "{}", place.key);
            }
        }
    }

    #[test]
    fn newer_names_come_first() {
        let bucket = Bucket::new("bucket", "", false);
        let later = Unique { now_ms: NOW.now_ms + 1, draw: 0 };
        let key = |unique| Place::new(&bucket, &named("f", None), unique).unwrap().key;
        assert!(key(later) < key(NOW));
        assert_ne!(NOW.token(), later.token());
    }

    #[test]
    fn names_of_others_are_files_too() {
        let bucket = Bucket::new("bucket", "p", false);
        for (key, purpose, filename) in [
            ("p/some/where.txt", "user_data", "where.txt"),
            ("p/batch", "user_data", "batch"),
            ("p/batch/x.?/in.jsonl", "batch", "in.jsonl"),
            ("p/x", "user_data", "x"),
        ] {
            let place = Place { bucket: "bucket".to_owned(), key: key.to_owned() };
            let Named { purpose: said, filename: name, tag } = place.named(&bucket);
            assert_eq!((&*said, &*name, tag), (purpose, filename, None), "{key}");
        }
    }

    #[test]
    fn names_of_files_are_made_sendable() {
        for (filename, expected) in [
            ("a b.jsonl", "a_b.jsonl"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\ä.txt", "_.txt"),
            ("", "file"),
            ("..", "file"),
        ] {
            assert_eq!(sendable(filename), expected);
        }
        assert_eq!(sendable(&"x".repeat(999)).len(), FILENAME_BYTES_MAX);
        let long = Tag { interface: Interface::Chat, model: "m".repeat(999) };
        let bucket = Bucket::new("bucket", "", false);
        assert!(Place::new(&bucket, &named("f", Some(long)), NOW).is_err());
    }
}

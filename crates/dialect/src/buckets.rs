//! Files as objects in buckets, and batches as jobs over them: what OpenAI's interface of files and
//! batches is in the words of Amazon's S3 and Bedrock, Google's Cloud Storage and Vertex AI, and the other
//! way round.
//!
//! Nothing is remembered anywhere: an object's name says what is in it. Pure; who calls, and in which
//! order, is the worker's affair. Knows no secret and no address.

mod amazon;
pub mod cloud;
pub mod files;
mod google;
pub mod jobs;
pub mod name;
pub mod objects;
mod records;
pub mod store;

pub use cloud::{Addressing, Cloud, Sessions};
pub use name::{Named, Place};

use weir_types::{Dialect, Form};

use crate::batches::Tag;
use crate::stored::{BASE, Stored};

/// The buckets and jobs of vendors that speak `dialect`, where they are known.
#[must_use]
pub fn of(dialect: Dialect) -> Option<&'static dyn Cloud> {
    match dialect {
        Dialect::BedrockConverse => Some(&amazon::Amazon),
        Dialect::GeminiGenerate => Some(&google::Google),
        _ => None,
    }
}

/// Jobs over files as Bedrock has them.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListModelInvocationJobs.html>
pub(crate) const JOBS: Stored = Stored {
    ids: &["jobArn"],
    after: "nextToken",
    token: Some(("nextToken", "nextToken")),
    limit: "maxResults",
    query: &[
        "maxResults",
        "nameContains",
        "sortBy",
        "sortOrder",
        "statusEquals",
        "submitTimeAfter",
        "submitTimeBefore",
    ],
    items: &["invocationJobSummaries"],
    clients: Some((Form::Objects, &store::OBJECTS)),
    ..BASE
};

/// A bucket in which a key may keep files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What names of objects begin with: empty, or with a slash at its end and none at its beginning.
    pub prefix: String,
    /// Files go there if nothing else is said.
    pub is_default: bool,
}

impl Bucket {
    /// A bucket as the configuration has it.
    #[must_use]
    pub fn new(name: &str, prefix: &str, is_default: bool) -> Self {
        let prefix = prefix.trim().trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { name: name.trim().to_owned(), prefix, is_default }
    }

    /// How the places in it begin: `bucket/prefix/`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.name, self.prefix)
    }
}

/// The bucket of `all`, which the configuration has in `field`, that new files go to: the default one, or
/// the only one.
///
/// # Errors
/// Which of them is meant cannot be told; says what to configure.
pub fn for_new<'a>(all: &'a [Bucket], field: &str) -> Result<&'a Bucket, String> {
    match all {
        [] => Err(format!("files and batches need a bucket, and {field}.buckets names none")),
        [only] => Ok(only),
        all => all.iter().find(|bucket| bucket.is_default).ok_or_else(|| {
            format!("{field}.buckets names {} buckets and none has is_default", all.len())
        }),
    }
}

/// The bucket of `all` that `place` is in, and within its prefix; `None`: it is in none of them.
#[must_use]
pub fn of_place<'a>(all: &'a [Bucket], place: &Place) -> Option<&'a Bucket> {
    let is_plain = !place.key.split('/').any(|step| matches!(step, "." | ".."));
    all.iter().find(|bucket| {
        is_plain
            && bucket.name == place.bucket
            && place.key.strip_prefix(&bucket.prefix).is_some_and(|rest| !rest.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::{Line, Records as _};

    #[test]
    fn new_files_go_to_the_default_bucket_or_the_only_one() {
        let (a, b) = (Bucket::new("a", "/x/y/", false), Bucket::new("b", "", true));
        assert_eq!(a.prefix, "x/y/");
        assert_eq!(for_new(std::slice::from_ref(&a), "f"), Ok(&a));
        assert_eq!(for_new(&[a.clone(), b.clone()], "f"), Ok(&b));
        assert!(for_new(&[], "f").unwrap_err().contains("f.buckets names none"));
        assert!(for_new(&[a.clone(), a], "f").unwrap_err().contains("none has is_default"));
    }

    proptest::proptest! {
        /// Whatever comes, it is read or refused.
        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>, text in "[<>/&;#xa-zA-Z\"= ]{0,60}") {
            for data in [&bytes[..], text.as_bytes()] {
                _ = (objects::listing(data), objects::upload_id(data), objects::refusal(data));
                _ = records::Bedrock.outcome(data);
                for cloud in [of(Dialect::BedrockConverse), of(Dialect::GeminiGenerate)] {
                    let cloud = cloud.unwrap();
                    _ = (cloud.records().outcome(data), jobs::made_in(cloud, data));
                    _ = (cloud.listing(data), jobs::batch(cloud, data, &[]));
                }
                _ = Line::read(&bytes::Bytes::copy_from_slice(data), records::Bedrock.own());
                let text = String::from_utf8_lossy(data);
                let sealed = format!("file-{text}");
                for id in [&*text, &sealed] {
                    if let Some(place) = Place::of_id("s3://", id) {
                        _ = (place.named(&Bucket::new("b", "", true)), of_place(&[], &place));
                    }
                }
                _ = jobs::job_of(&format!("batch_{text}"));
            }
        }
    }

    #[test]
    fn a_place_is_in_a_bucket_only_within_its_prefix() {
        let all = [Bucket::new("a", "x", false), Bucket::new("b", "", false)];
        let at = |uri: &str| {
            Place::of_uri("s3://", uri).and_then(|place| of_place(&all, &place).cloned())
        };
        assert_eq!(at("s3://a/x/file").unwrap().name, "a");
        assert_eq!(at("s3://b/file").unwrap().name, "b");
        for outside in
            ["s3://a/file", "s3://a/xy/file", "s3://a/x/", "s3://c/x/file", "s3://a/x/../file"]
        {
            assert_eq!(at(outside), None, "{outside}");
        }
    }
}

//! Buckets in which a key keeps files, whoever has them.

use schemars::JsonSchema;

use crate::reader::Field;
use crate::reference::SecretRef;
use crate::report::Draft;
use crate::text;

/// Buckets for batch files.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Buckets {
    /// The buckets.
    #[schemars(with = "Option<Vec<Bucket>>")]
    pub buckets: Vec<Bucket>,
}

/// A bucket for batch files.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(deny_unknown_fields, extend("x-required" = ["bucket_name"]))]
pub struct Bucket {
    /// The bucket's name.
    pub bucket_name: SecretRef,
    /// What object names start with.
    pub prefix: SecretRef,
    /// Whether files go here when nothing else is said.
    #[schemars(with = "Option<bool>")]
    pub is_default: bool,
}

pub(super) fn read(field: &Field<'_>) -> Option<Buckets> {
    let mut section = field.section()?;
    let buckets = section.field("buckets").and_then(|field| field.items()).unwrap_or_default();
    section.finish();
    let read: Vec<_> = buckets.iter().filter_map(|field| Some((field, bucket(field)?))).collect();
    let mut defaults = read.iter().filter(|(_, bucket)| bucket.is_default);
    if let (Some((first, _)), Some((second, _))) = (defaults.next(), defaults.next()) {
        let draft = Draft::error("a second bucket with is_default");
        second.report(
            draft
                .expected("one bucket at most that files go to if nothing else is said")
                .found(format!("{} has is_default too", first.path))
                .help("remove is_default from all but one"),
        );
    }
    Some(Buckets { buckets: read.into_iter().map(|(_, bucket)| bucket).collect() })
}

fn bucket(field: &Field<'_>) -> Option<Bucket> {
    let mut section = field.section()?;
    let bucket = Bucket {
        bucket_name: section.needed("bucket_name", "the bucket's name", text::bucket),
        prefix: section.judged("prefix", text::prefix),
        is_default: section.flag("is_default").unwrap_or_default(),
    };
    section.finish();
    Some(bucket)
}

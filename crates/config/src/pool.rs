//! `concurrency_and_buffer_size`: how many requests of a provider run, and how many may wait.

use schemars::JsonSchema;

use crate::reader::Field;
use crate::report::Draft;

/// A provider's limits, over all processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Pool {
    /// Requests in flight at once, streams to their last byte.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1_000_000), extend("default" = 1000))]
    pub concurrency: u32,
    /// Requests that may wait for their turn.
    #[schemars(with = "Option<u32>", range(min = 1, max = 1_000_000), extend("default" = 5000))]
    pub buffer_size: u32,
    /// Weir's extension: choose the least busy key; by so many requests each may be ahead of or behind its
    /// share by weight. 0: exact shares.
    #[schemars(with = "Option<u32>", range(max = 1_000_000), extend("default" = 0))]
    pub least_busy_within: u32,
}

impl Default for Pool {
    fn default() -> Self {
        Self { concurrency: 1000, buffer_size: 5000, least_busy_within: 0 }
    }
}

/// The largest limit that can be set.
const LIMIT_MAX: u64 = 1_000_000;

pub(crate) fn read(field: &Field<'_>) -> Option<Pool> {
    let mut section = field.section()?;
    let default = Pool::default();
    let range = 1..=LIMIT_MAX;
    let limit = |value: Option<u64>| value.and_then(|n| u32::try_from(n).ok());
    let concurrency = limit(section.whole("concurrency", range.clone()));
    let buffer_size = limit(section.whole("buffer_size", range));
    let pool = Pool {
        concurrency: concurrency.unwrap_or(default.concurrency),
        buffer_size: buffer_size.unwrap_or(default.buffer_size),
        least_busy_within: limit(section.whole("least_busy_within", 0..=LIMIT_MAX)).unwrap_or(0),
    };
    // A value with a fault of its own says nothing about the other.
    let sound = |there: bool, value: Option<u32>| !there || value.is_some();
    let both_sound = sound(section.field("concurrency").is_some(), concurrency)
        && sound(section.field("buffer_size").is_some(), buffer_size);
    if both_sound && pool.concurrency > pool.buffer_size {
        let (running, waiting) = (pool.concurrency, pool.buffer_size);
        let draft = Draft::error("concurrency is larger than buffer_size");
        section.report(
            draft
                .expected("a buffer_size of at least concurrency")
                .found(format!("concurrency {running}, buffer_size {waiting}"))
                .help(format!("raise buffer_size to {running} or lower concurrency")),
        );
    }
    section.finish();
    Some(pool)
}

//! The calendar, which answers and names that are made here tell. The core is told the time.

use std::time::{Duration, SystemTime};

/// The time since 1970; none on a machine whose clock is before it.
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// The same in whole seconds.
pub(crate) fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}

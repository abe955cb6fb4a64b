//! The clock that the shell reads: the runtime's, which tests can stop. The core is told the time.

use std::time::Instant;

/// The present moment.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

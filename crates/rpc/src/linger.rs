//! A call per request that is let go: what its caller keeps of it for a while, because the transport
//! tells a service that a call was let go, and nobody that it has ended it.
//!
//! Knows no call: whoever makes one says when it is over.

use std::time::Duration;

use tokio::runtime::Handle;
use weir_types::Kept;

/// The transport carries a reset in a round trip at most, and the service drops what it did at once.
const LINGER: Duration = Duration::from_millis(20);

/// What is kept of one call.
#[derive(Debug, Default)]
pub(crate) struct Linger(Option<Kept>);

impl Linger {
    pub(crate) fn of(kept: &Kept) -> Self {
        Self(kept.is_wanted().then(|| kept.clone()))
    }

    /// The service has ended the call, or never had it.
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }
}

impl Drop for Linger {
    fn drop(&mut self) {
        if let Some(kept) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                tokio::time::sleep(LINGER).await;
                drop(kept);
            });
        }
    }
}

//! What was begun of an object and has no end yet: taken back when it is dropped, as nobody waits for it
//! any more. Parts are paid for, and sessions stay open for days.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use tokio::time::Instant;

use super::super::wire::{Ask, Wire};
use crate::call::Limit;

/// It is taken back within this time.
const GRACE: Duration = Duration::from_secs(10);

/// Something begun.
pub(super) struct Unfinished {
    wire: Arc<Wire>,
    /// Where it is.
    pub(super) uri: Uri,
    is_finished: bool,
}

impl Unfinished {
    pub(super) fn new(wire: &Arc<Wire>, uri: Uri) -> Self {
        Self { wire: Arc::clone(wire), uri, is_finished: false }
    }

    /// It is an object now.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.is_finished {
            return;
        }
        let ask = Ask { takes_back: true, ..Ask::new(Method::DELETE, self.uri.clone()) };
        let wire = Arc::clone(&self.wire);
        runtime.spawn(async move {
            let at = Instant::now() + GRACE;
            let limit =
                Limit { at, is_requests: false, is_clients: false, own: GRACE, deadline: at };
            if let Err(fault) = wire.ask_within(ask, limit).await {
                let provider = wire.shared.provider.as_str();
                let why = fault.detail.message.as_ref();
                tracing::warn!(provider, why, "parts of a file that was cut off are left behind");
            }
        });
    }
}

//! How long a client is ready to wait for parts of its answer. Plain values; what they are bounded by is
//! each room's own setting.

use std::time::Duration;

/// What a client says of its patience; `None`: as the provider's settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Patience {
    /// For a stream up to its first content.
    pub first_token: Option<Duration>,
    /// Between two parts of a stream.
    pub stream_idle: Option<Duration>,
    /// Until the fallback is asked as well; zero: it is not.
    pub hedge_after: Option<Duration>,
}

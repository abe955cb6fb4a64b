//! Nouns that every room shares: ids, wire formats, failures, deadlines, secrets.
//!
//! Knows nothing of HTTP servers, gRPC, Redis or configuration files. Whatever only two crates
//! need belongs into one of them, not here.

mod context;
mod dialect;
mod fault;
mod ids;
mod quota_mode;
mod rules;
mod secret;
mod usage;

pub use context::{CallContext, Deadline, TraceContext, TraceParent};
pub use dialect::{Dialect, Operation};
pub use fault::{Attempt, FailureClass, Fault, FaultCode, FaultDetail, UpstreamAnswer};
pub use ids::{KeyName, ModelName, ProviderName, RequestId};
pub use quota_mode::QuotaMode;
pub use rules::{KeyRules, ModelList};
pub use secret::Secret;
pub use usage::Usage;

//! Nouns that every room shares: ids, wire formats, failures, deadlines, secrets.
//!
//! Knows nothing of HTTP servers, gRPC, Redis or configuration files. Whatever only two crates
//! need belongs into one of them, not here.

mod commit;
mod context;
pub mod dates;
mod dialect;
mod failure;
mod fault;
mod form;
mod framing;
pub mod headers;
mod ids;
mod operation;
mod outline;
mod patience;
mod quota_mode;
mod rules;
mod secret;
mod target;
mod told;
mod usage;

pub use commit::Commit;
pub use context::{CallContext, Deadline, TraceContext, TraceParent};
pub use dialect::Dialect;
pub use failure::{FailureClass, Side};
pub use fault::{Attempt, Fault, FaultCode, FaultDetail, UpstreamAnswer};
pub use form::Form;
pub use framing::Framing;
pub use ids::{KeyName, ModelName, ProviderName, RequestId};
pub use operation::{Addressee, Content, Operation, OperationFacts, OperationSet};
pub use outline::Outline;
pub use patience::Patience;
pub use quota_mode::QuotaMode;
pub use rules::{KeyRules, ModelList, SeenModels, Served};
pub use secret::{Mask, Secret};
pub use target::Target;
pub use told::{TOLD_BYTES_MAX, told, told_within};
pub use usage::Usage;

//! One provider: its secrets, endpoint, proxy and wire format.
//!
//! A worker makes single attempts with the key it is told. It bounds them in time, finds the
//! commit point, relays what follows and says what a failure means. Knows no quota, no other
//! provider, no client. Secrets are known here and nowhere else.

mod attempt;
mod beginning;
mod betas;
mod breakage;
mod call;
mod checks;
mod clients;
mod clock;
mod credential;
mod destination;
mod endpoint;
mod fault;
mod form;
mod headers;
mod held;
mod hidden;
mod later;
mod lines;
mod live;
mod looks;
mod memory;
mod models;
mod raw;
mod reason;
mod rejection;
mod room;
mod sendable;
mod sender;
mod settings;
mod shared;
mod signs;
mod stored;
mod stream;
mod streamed;
mod upload;
mod way;
mod whole;
mod worker;

pub use live::Live;
pub use memory::Memory;
pub use settings::{
    Credential, Custom, HealthCheck, KeySettings, ModelSettings, Models, Pace, Settings, Storage,
    Timeouts, Variant,
};
pub use shared::Shared;
pub use weir_dialect::buckets::Bucket;
pub use weir_upstream::{Credentials, Proxy, Settings as UpstreamSettings};
pub use worker::Worker;

#[cfg(test)]
mod tests;

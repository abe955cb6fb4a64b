//! The routing room: which provider, which key, how often, and not before there is a slot.
//!
//! Knows providers, key names, weights, quotas, attempts, fallbacks and deadlines. Never sees a
//! secret, and bodies are opaque bytes. A request goes `catalog` (where may it go) → `plan` (what
//! next) ⇄ `admission` (may it start) and `service` (make it happen).

mod admission;
mod breaker;
mod catalog;
mod clock;
mod explain;
mod hedges;
mod lists;
mod plan;
mod retries;
mod servers;
mod service;
mod settings;
mod shared;
mod upkeep;
mod usable;
mod workers;

pub use explain::explain_offline;
pub use service::Router;
pub use settings::{
    ClientKeySettings, ClientKeys, KeySettings, ProviderAccess, ProviderSettings, Settings,
};
pub use shared::Shared;
pub use workers::{WorkerMap, Workers};

//! The edge: HTTP in front of the router.
//!
//! Knows HTTP, the client's wire format, and of a request its model, its stream flag and its
//! fallbacks; nothing of keys, quotas, providers' addresses or secrets. A body is read once,
//! looked at without being parsed into values, and passed on as the bytes it was.
//!
//! One request, in the order of the files: `gate` (who may ask), `app` and `route` (the table) → `call` (the steps)
//! → `options` (headers) → `intake` (body) → the format's `peek` (model, stream, fallbacks) → the
//! router → `answer` and `head` → `relay` or `whole` (body), with `error` for every failure and
//! `record` for what is measured and logged when the last byte has gone.

mod answer;
mod app;
mod call;
mod client_keys;
mod cors;
mod error;
mod filter;
mod form;
mod gate;
mod head;
mod ids;
mod intake;
mod kinds;
mod live;
mod names;
mod options;
mod pace;
mod quiet;
mod record;
mod refers;
mod relay;
mod renamed;
mod route;
mod said;
mod settings;
mod shared;
mod stored;
mod unknown;
mod unserved;
mod whole;

pub use app::app;
pub use client_keys::{ClientKey, ClientKeys, KeyHash, key_hash};
pub use error::rejection;
pub use gate::Gated;
pub use ids::{IdSecretError, IdSecrets};
pub use live::Live;
pub use route::{ROUTES, Route};
pub use settings::Settings;

#[cfg(test)]
mod tests;

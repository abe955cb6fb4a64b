//! The edge: HTTP in front of the router.
//!
//! Knows HTTP, the client's wire format, and of a request its model, its stream flag and its
//! fallbacks; nothing of keys, quotas, providers' addresses or secrets. A body is read once,
//! looked at without being parsed into values, and passed on as the bytes it was.
//!
//! One request, in the order of the files: `app` (routes and layers) → `call` (the steps) →
//! `client` (headers) → `intake` (body) → `peek` (model, stream, fallbacks) → the router →
//! `answer` (head) → `relay` (body), with `error` for every failure and `record` for what is
//! measured and logged when the last byte has gone.

mod answer;
mod app;
mod call;
mod client;
mod cors;
mod error;
mod filter;
mod intake;
mod names;
mod peek;
mod record;
mod relay;
mod route;
mod settings;
mod stall;

pub use app::app;
pub use error::refusal;
pub use settings::Settings;

#[cfg(test)]
mod tests;

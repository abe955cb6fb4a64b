//! Which key, and may the request start now?
//!
//! Pure: time, ids and every other input are arguments, so that memory, Redis and simulation give
//! one answer. Knows nothing of HTTP, bodies, providers or Redis.

mod api;

pub use api::*;

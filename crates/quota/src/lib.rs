//! Which key, and may the request start now?
//!
//! A pool is one provider's slots, buffer and keys. [`Machine`] is the truth about it: a pure step
//! from state, batch and time to state and reply, so that memory, Redis and simulation give one
//! answer. Time, ids and every other input are arguments; it knows nothing of HTTP, bodies,
//! providers or Redis.
//!
//! What always holds, cited by number wherever it is kept or checked:
//!
//! - **Q1** Leases never outnumber `concurrency`, but for re-asserted ones and after the limit
//!   shrank; nothing is granted then.
//! - **Q2** Tickets and claimed leases never outnumber `buffer + concurrency`, with the same
//!   exceptions.
//! - **Q3** A lease is settled at most once.
//! - **Q4** A lease not renewed is reclaimed within its life and one poll (and a grace after a gap).
//! - **Q5** Slots go in order of arrival among the tickets that could use them and whose routers
//!   live.
//! - **Q6** A cooling scope is granted nothing; after its rest, one probe at a time.
//! - **Q7** While every grant since zero lags had the same eligible keys, each key's count is within
//!   1 - θ of its exact share, θ = 1/(2m - 2).
//! - **Q8** A rejected batch or command changes nothing.
//! - **Q9** Every ticket ends in exactly one way: granted, refused or abandoned.
//! - **Q10** Outside a grace, a free slot and a ticket that could use it coexist no longer than a
//!   claim limit and one poll.

mod admit;
mod api;
mod choice;
mod classes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod cooldown;
mod grace;
mod hash;
mod keys;
mod leases;
mod machine;
mod rate;
mod routers;
mod snapshot;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod tickets;
mod validate;
mod verbs;

pub use api::*;
pub use choice::choose;
pub use machine::{Executed, Machine};
pub use snapshot::*;
pub use store::*;

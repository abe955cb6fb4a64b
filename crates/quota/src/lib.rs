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
//! - **Q2** A fresh ticket waits only while fewer than `buffer` do; with the heirs of leases, which are
//!   held back for a rest or a backoff, tickets never outnumber `buffer + concurrency`. The same
//!   exceptions.
//! - **Q3** A lease is settled at most once.
//! - **Q4** A lease not renewed is reclaimed within its life and one poll (and a grace after a gap).
//! - **Q5** Slots go in order of arrival among the tickets that could use them and whose routers
//!   live.
//! - **Q6** A cooling scope is granted nothing; after its rest, its probes.
//! - **Q7** While every grant since zero lags had the same eligible keys, each key's count is within
//!   1 - θ of its exact share, θ = 1/(2m - 2); with a leeway within 1 - θ and the leeway. Whatever keys
//!   were eligible, no key is granted more than the leeway in the place of others, nor others in its.
//! - **Q8** A rejected batch or command changes nothing.
//! - **Q9** Every ticket ends in exactly one way: granted, refused or abandoned.
//! - **Q10** Outside a grace, a free slot and a ticket that could use it coexist no longer than a
//!   claim limit and one poll.
//! - **Q11** One router's trouble, silence, loss, return or end stops no other: while others speak to
//!   the pool, no hello and no return from a share begins a grace, nobody unheard is awaited, and
//!   nothing is kept for whoever only says hello.
//! - **Q12** What a batch costs the store is bounded by its commands and by the number of keys,
//!   whatever waits or rests. What it may not look at any more it leaves to the next one.
//! - **Q13** What can start now is never refused as full. What waits for a rest or a delay takes at most
//!   half of the buffer for one model (heirs of leases: as many places as there are slots).
//! - **Q14** A probe is alone for a claim limit at most; then 2, 4, 8, ... are let in at once as long as
//!   no bad news comes. No scope is held up by a probe that nobody answers for longer than that.
//! - **Q15** One set of limits is in force, told by every reply; what it superseded is not taken again
//!   while a router is there that offered it or a later one.

mod admit;
mod api;
#[cfg(feature = "canonical")]
pub mod canonical;
mod choice;
mod classes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod cooldown;
#[cfg(feature = "faults")]
mod faults;
mod grace;
mod hash;
mod health;
mod keys;
mod leases;
mod limits;
mod line;
mod machine;
mod rate;
mod routers;
mod sight;
mod snapshot;
mod store;
mod sweep;
#[cfg(test)]
mod tests;
mod tickets;
mod validate;
mod verbs;

pub use api::*;
pub use choice::{Burden, choose, choose_least_busy};
pub use health::*;
pub use limits::{LEEWAY_MAX, Limits};
pub use machine::{Executed, Machine};
pub use sight::{RestView, Sight};
pub use snapshot::*;
pub use store::*;

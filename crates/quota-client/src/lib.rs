//! The router's side of the quota protocol: may this attempt start now, and with which key?
//!
//! [`PoolClient`] is what one router knows of one pool: its tickets and leases, what it has yet to
//! say, what it waits to hear. Pure, as the machine that it speaks to: time is an argument, batches
//! go out and replies come in, and whoever drives it carries them. Knows no lock, clock, store or
//! request; who waits is a value of the driver's (`W`) that is handed back when there is news.
//!
//! One step of a driver: [`lives`](PoolClient::lives) first, then what has happened
//! ([`enter`](PoolClient::enter), [`settle`](PoolClient::settle), [`absorb`](PoolClient::absorb), ...),
//! then [`serve_share`](PoolClient::serve_share) until it has nothing, then
//! [`next_batch`](PoolClient::next_batch). When nothing happens it is woken at the time that
//! [`sleep`](PoolClient::sleep) names and calls [`tend`](PoolClient::tend).

mod client;
mod request;

pub use client::{Found, PoolClient};
pub use request::{Ask, Defect, Refusal};

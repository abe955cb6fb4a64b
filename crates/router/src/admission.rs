//! The router's side of the quota protocol: may this attempt start now, and with which key?
//!
//! One [`Pool`] per provider and process, shared by all runtimes. `state` is the bookkeeping and
//! pure; `pool` carries batches to the store; `lease` is what a request holds, and gives back
//! whatever becomes of it; `keeper` does what no request does: renew, poll, come back after a
//! loss. Knows no plan, fault or body.

mod keeper;
mod lease;
mod limits;
mod pool;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use lease::Lease;
pub(crate) use pool::Pool;

//! The router's side of the quota protocol: may this attempt start now, and with which key?
//!
//! One [`Pool`] per provider and process, shared by all runtimes. The bookkeeping is
//! `weir_quota_client`'s, and pure; `pool` carries batches to the store; `lease` is what a request
//! holds, and gives back whatever becomes of it; `keeper` does what no request does: renew, poll, come
//! back after a loss. Knows no plan, fault or body.

mod keeper;
mod lease;
mod limits;
mod pool;
#[cfg(test)]
mod tests;

pub(crate) use lease::{Lease, Watch};
pub(crate) use pool::{Looked, Pool};

//! How a process lives: it takes its sockets, runs one event loop per core, serves, says how it
//! is, and leaves without cutting anybody off.
//!
//! Knows nothing of requests, rooms or configuration: what to serve and every limit are arguments.
//!
//! A life: [`bind_shared`] takes the addresses, [`Cores::run`] starts the loops and listens for
//! signals, [`serve_http`] or [`accept()`] serve on each of them, and [`Drain`] tells all of them
//! when to stop.

mod accept;
mod admin;
mod cores;
mod drain;
mod hosts;
mod http;
mod http2;
mod linger;
mod listen;
mod memory;
mod patience;
mod rejection;
mod seats;
mod socket;
mod tls;

pub use accept::{Crowd, accept};
pub use admin::{AdminState, Readiness, admin};
pub use cores::{CoreError, Cores, RunError};
pub use drain::{Drain, DrainControl, Stop};
pub use hosts::{Hosts, is_own_origin};
pub use http::{App, HttpLimits, serve_http, serve_https};
pub use listen::bind_shared;
pub use memory::memory_limit;
pub use patience::ClientStall;
pub use rejection::RejectionBody;
pub use seats::{Addresses, Running, Seat};
pub use tls::{Tls, TlsError};

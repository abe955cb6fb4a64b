//! The contracts between the rooms: one trait per service, with an implementation in the same
//! process and one over gRPC that behaves alike; `balance` makes one of several addresses.
//!
//! Knows what travels (heads, bytes, ends), not what it means: no wire format of a provider, no
//! quota, no HTTP route. `tests/conformance` runs one suite against both implementations.

mod answering;
mod arrived;
mod asking;
mod balance;
#[cfg(any(test, feature = "fuzz"))]
pub mod chance;
mod channel;
mod client;
mod cork;
mod door;
mod exchange;
mod framed;
mod line;
mod link;
mod message;
mod proto;
mod serve;
mod server;
mod service;
mod tls;
mod token;
mod wire;

pub use balance::{BalancedRouter, BalancedWorker, Lookup, Reach, Resolving};
pub use client::{RemoteRouter, RemoteWorker};
pub use link::{LinkError, LinkSettings, check_url};
pub use message::{
    Body, CheckedKey, Cursor, Description, End, Frame, FrameStream, Header, Owner, Part, Reply,
    ReplyHead, RouterRequest, Timings, UsableKey, WorkerRequest,
};
pub use proto::router::{
    ExplainRequest, ExplainedClass, ExplainedKey, ExplainedPool, ExplainedProvider, Explanation,
};
pub use serve::{Server, router_server, worker_server};
pub use service::{
    CallFuture, DescribeStream, ExplainFuture, LookAgain, RouterService, WorkerService,
};
pub use tls::{LinkTls, LinkTlsError};
pub use token::{LinkTokens, TokenError};

//! The contracts between the rooms: one trait per service, with an implementation in the same
//! process and one over gRPC that behaves alike.
//!
//! Knows what travels (heads, bytes, ends), not what it means: no wire format of a provider, no
//! quota, no HTTP route.

mod message;
mod service;

pub use message::{
    Body, Description, End, Frame, FrameStream, Header, Reply, ReplyHead, RouterRequest,
    Timings, UsableKey, WorkerRequest,
};
pub use service::{CallFuture, DescribeStream, RouterService, WorkerService};

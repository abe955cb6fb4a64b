//! One suite for every way to reach a service: in the same process, and over gRPC on a loopback
//! socket, on framed links and with a call per request. A case that passes here for one and not for the other is a defect of the link.
//!
//! `script` is the service under the suite, `bench` the ways to reach it, `calls` the cases of
//! both hops, `worker` those of the worker alone, `link` what only a network can do, `balance` what
//! only several addresses can do, `token` and `tls` who may call at all.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests")]

mod balance;
mod bench;
mod calls;
mod delay;
mod link;
mod script;
mod tls;
mod token;
mod worker;

/// Makes a test of every case for every bench.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        mod router_in_process { $(
            #[tokio::test]
            async fn $case() { super::$case(crate::bench::Bench::local_router()).await; }
        )* }
        mod router_over_grpc { $(
            #[tokio::test]
            async fn $case() { super::$case(crate::bench::Bench::remote_router().await).await; }
        )* }
        mod worker_in_process { $(
            #[tokio::test]
            async fn $case() { super::$case(crate::bench::Bench::local_worker()).await; }
        )* }
        mod worker_over_grpc { $(
            #[tokio::test]
            async fn $case() { super::$case(crate::bench::Bench::remote_worker().await).await; }
        )* }
        mod router_over_tls { $(
            #[tokio::test]
            async fn $case() { super::$case(crate::bench::Bench::encrypted_router().await).await; }
        )* }
        mod router_by_calls { $(
            #[tokio::test]
            async fn $case() {
                crate::bench::by_calls();
                super::$case(crate::bench::Bench::remote_router().await).await;
            }
        )* }
        mod worker_by_calls { $(
            #[tokio::test]
            async fn $case() {
                crate::bench::by_calls();
                super::$case(crate::bench::Bench::remote_worker().await).await;
            }
        )* }
        mod worker_of_before { $(
            #[tokio::test]
            async fn $case() {
                super::$case(crate::bench::Bench::worker_of_before().await).await;
            }
        )* }
        mod caller_of_before { $(
            #[tokio::test]
            async fn $case() {
                super::$case(crate::bench::Bench::caller_of_before().await).await;
            }
        )* }
        mod worker_balanced { $(
            #[tokio::test]
            async fn $case() { super::$case(crate::bench::Bench::balanced_worker().await).await; }
        )* }
    };
}
pub(crate) use cases;

/// Makes two tests of every case: with framed links, and with a call per request.
macro_rules! both_ways {
    ($($case:ident),* $(,)?) => {
        mod framed { $(
            #[tokio::test]
            async fn $case() { super::$case().await; }
        )* }
        mod by_calls { $(
            #[tokio::test]
            async fn $case() {
                crate::bench::by_calls();
                super::$case().await;
            }
        )* }
    };
}
pub(crate) use both_ways;

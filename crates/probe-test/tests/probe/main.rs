//! Whether the seam between wire formats and rooms is one: a format that no room has heard of goes in
//! and out through edge, router and worker, and an operation whose body nobody reads does, too.
//!
//! All that the format brings along is its folder in `weir-dialect`, its name in `weir-types`, and the
//! rows in [`rows`]. Every case runs twice: rooms that call each other, and rooms behind gRPC. Whatever
//! has to be changed elsewhere to make one of these tests pass is a fault of the seam.

#![cfg(test)]

mod bench;
mod failures;
mod models;
mod provider;
mod rows;
mod same;
mod translated;
mod uploads;
mod wire;

/// Runs each case over both kinds of links.
macro_rules! over_both {
    ($($case:ident),* $(,)?) => {
        mod local {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::bench::Links::Local).await;
            })*
        }
        mod remote {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::bench::Links::Remote).await;
            })*
        }
    };
}
pub(crate) use over_both;

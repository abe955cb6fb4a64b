//! What a worker says of itself.

use futures_util::StreamExt;

use crate::bench::{Bench, within};
use crate::script::description;

#[tokio::test]
async fn in_process() {
    the_present_comes_first_then_every_change(Bench::local_worker()).await;
}

#[tokio::test]
async fn over_grpc() {
    the_present_comes_first_then_every_change(Bench::remote_worker().await).await;
}

#[tokio::test]
async fn balanced() {
    the_present_comes_first_then_every_change(Bench::balanced_worker().await).await;
}

async fn the_present_comes_first_then_every_change(bench: Bench) {
    let mut updates = bench.worker().describe(false);
    assert_eq!(within(updates.next()).await, Some(description(&["blue"])));
    for keys in [vec!["blue", "red"], vec![], vec!["red"]] {
        bench.describe.send(description(&keys)).unwrap();
        assert_eq!(within(updates.next()).await, Some(description(&keys)));
    }
    let mut later = bench.worker().describe(false);
    assert_eq!(within(later.next()).await, Some(description(&["red"])));
}

//! A process without free file descriptors: it must still be there when some come back. A file of
//! its own, with one test, because the limit counts for the whole process.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_runtime::{Drain, HttpLimits, bind_shared, serve_http};

const LIMIT: usize = 96;

#[tokio::test]
async fn running_out_of_descriptors_does_not_end_the_accept_loop() {
    let (addr, mut listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let (_control, drain) = Drain::new();
    let app = Router::new().route("/", get(async || "hello"));
    let serving = tokio::spawn(serve_http(listeners.remove(0), app, HttpLimits::default(), drain));

    let target = std::process::id().to_string();
    let limit = format!("--nofile={LIMIT}");
    let status = Command::new("prlimit").args(["--pid", &target, &limit]).status().unwrap();
    assert!(status.success());

    let mut hoard = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        hoard.push(file);
    }
    assert!(hoard.len() < LIMIT);
    // One descriptor for the client, none for the server's end of it.
    hoard.pop();
    let mut client = TcpStream::connect(addr).await.unwrap();
    File::open("/dev/null").expect_err("a descriptor is left");
    client.write_all(b"GET / HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n").await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), client.readable()).await;
    assert!(early.is_err(), "accepted without a descriptor");
    assert!(!serving.is_finished());

    drop(hoard);
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), client.read_to_string(&mut answer))
        .await
        .expect("accepted again in time")
        .unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
}

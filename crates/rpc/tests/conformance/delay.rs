//! A line on which bytes are under way for long.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use weir_rpc::{RemoteRouter, RouterService, router_server};

use crate::bench::{Serving, context, limits, router_request, within};
use crate::script::{Script, end, reply};

/// One way.
const DELAY: Duration = Duration::from_millis(50);
const REQUESTS: usize = 32;
const BODY_BYTES: usize = 200_000;
const READ_BYTES: usize = 256 * 1024;
/// What the requests would take if no more than 256 KiB of all of them were under way at a time.
const ONE_WINDOW: Duration = Duration::from_millis(2440);

/// Everything that comes from `near` leaves for `far` a while later.
async fn pass_on(
    mut near: impl AsyncRead + Unpin,
    mut far: impl AsyncWrite + Unpin + Send + 'static,
) {
    let (late, mut due) = mpsc::channel::<(Instant, Bytes)>(1024);
    let deliver = async move {
        while let Some((at, bytes)) = due.recv().await {
            tokio::time::sleep_until(at.into()).await;
            if far.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let delivering = tokio::spawn(deliver);
    let mut read = BytesMut::with_capacity(READ_BYTES);
    while near.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
        let sent = late.send((Instant::now() + DELAY, read.split().freeze())).await;
        if sent.is_err() {
            break;
        }
        read.reserve(READ_BYTES);
    }
    drop(late);
    let _ = delivering.await;
}

/// A line to `far`, of one connection.
async fn line(far: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = TcpStream::connect(far).await.unwrap().into_split();
        tokio::join!(pass_on(near_read, far_write), pass_on(far_read, near_write));
    });
    addr
}

#[tokio::test]
async fn a_long_line_holds_more_than_the_window_of_one_request() {
    let (script, mut called, _describe) = Script::new();
    let serving = Serving::start(router_server(script, &limits())).await;
    let addr = line(serving.addr).await;
    let router = RemoteRouter::connect(&format!("http://{addr}"), &limits()).unwrap();
    let answering = tokio::spawn(async move {
        while let Some(call) = called.recv().await {
            assert_eq!(call.body.held_bytes(), Some(BODY_BYTES));
            call.answer.send(Ok(reply(vec![end()]))).unwrap();
        }
    });
    let ask = || async {
        let body = Bytes::from(vec![b'x'; BODY_BYTES]);
        router.call(context(), router_request(), body.into()).await.unwrap();
    };
    // The connection is made, and the system's own windows have grown.
    within(join_all((0..REQUESTS).map(|_| ask()))).await;
    let begun = Instant::now();
    within(join_all((0..REQUESTS).map(|_| ask()))).await;
    let took = begun.elapsed();
    answering.abort();
    assert!(took >= DELAY * 2, "{took:?}");
    assert!(took < ONE_WINDOW / 2, "{took:?}");
}

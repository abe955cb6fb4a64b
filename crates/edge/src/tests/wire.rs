//! The same surface behind a real socket: what hyper makes of our bodies, and what clients see.

use super::records::Lines;
use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_runtime::{Drain, HttpLimits, serve_http};

/// Serves `edge` on a free port and connects to it.
async fn connect(edge: &Edge) -> TcpStream {
    connect_within(edge, HttpLimits::default()).await
}

async fn connect_within(edge: &Edge, limits: HttpLimits) -> TcpStream {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let app = edge.app.clone();
    tokio::spawn(async move {
        let (_control, drain) = Drain::new();
        serve_http(listener, app, limits, drain).await
    });
    TcpStream::connect(address).await.unwrap()
}

async fn ask(client: &mut TcpStream, body: &str) {
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    client.write_all(request.as_bytes()).await.unwrap();
}

/// Reads until `what` has come.
async fn read_until(client: &mut TcpStream, what: &str) -> String {
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&got).into_owned();
        if text.contains(what) {
            return text;
        }
        let read = client.read(&mut piece).await.unwrap();
        assert_ne!(read, 0, "closed before {what:?} came: {text}");
        got.extend_from_slice(&piece[..read]);
    }
}

#[tokio::test]
async fn events_are_flushed_one_by_one_and_the_end_is_clean() {
    let (edge, feed) = fed(Settings::default(), SSE);
    let mut client = connect(&edge).await;
    ask(&mut client, CHAT_STREAM).await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("transfer-encoding: chunked"));
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        feed.send(chunk(event)).await;
        read_until(&mut client, event).await;
    }
    feed.send(end()).await;
    read_until(&mut client, "0\r\n\r\n").await;
    ask(&mut client, "{").await;
    assert!(read_until(&mut client, "}}").await.starts_with("HTTP/1.1 400"), "kept alive");
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_drops_the_frames() {
    let (edge, feed) = fed(Settings::default(), SSE);
    let mut client = connect(&edge).await;
    ask(&mut client, CHAT_STREAM).await;
    feed.send(chunk("data: 1\n\n")).await;
    read_until(&mut client, "data: 1").await;
    drop(client);
    feed.sender.closed().await;
    assert!(feed.is_dropped());
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_drops_the_call() {
    let (started, mut starts) = mpsc::channel::<mpsc::Sender<()>>(1);
    let script = move |_: &RouterRequest| -> CallFuture {
        let started = started.clone();
        Box::pin(async move {
            let (alive, mut held) = mpsc::channel(1);
            started.send(alive).await.unwrap();
            held.recv().await;
            unreachable!("nobody sends")
        })
    };
    let edge = Edge::scripted(Settings::default(), Box::new(script));
    let mut client = connect(&edge).await;
    ask(&mut client, CHAT).await;
    let alive = starts.recv().await.unwrap();
    drop(client);
    alive.closed().await;
}

#[tokio::test]
async fn a_broken_answer_never_ends_its_chunks() {
    let fault = || Fault::new(weir_types::FaultCode::UpstreamBroken, "reset");
    let edge = Edge::replying(move || {
        let frames = vec![chunk("{\"a\":"), chunk("1}"), broken(fault())];
        Ok(reply_of("application/json", frames))
    });
    let mut client = connect(&edge).await;
    ask(&mut client, CHAT).await;
    let mut got = Vec::new();
    // Closed or reset: both are an end that no client takes for the answer's.
    let _ = client.read_to_end(&mut got).await;
    let text = String::from_utf8(got).unwrap();
    assert!(!text.contains("\r\n0\r\n\r\n"), "{text:?}");
}

#[tokio::test]
async fn a_refused_upload_gets_to_see_the_refusal() {
    let settings = Settings { body_bytes_max: 4 * 1024 * 1024, ..Settings::default() };
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    let mut client = connect(&edge).await;
    // Written whole before anything is read, as most clients do.
    ask(&mut client, &"x".repeat(7 * 1024 * 1024)).await;
    let answer = read_until(&mut client, "request_too_large").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_comes_in_drops_is_refused_and_its_connection_closed() {
    let settings = Settings { client_stall_max: Duration::from_millis(600), ..Settings::default() };
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    let mut client = connect(&edge).await;
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = client.split();
    let drops = async {
        while to.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = String::new();
    let answered = async {
        // Closed or reset, when the client goes on.
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut piece).await {
            answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    };
    let both = async {
        tokio::select! { () = drops => {}, () = answered => {} }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(
        answer.contains("--body-rate-min") && answer.contains("request_incomplete"),
        "{answer}"
    );
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn a_client_that_stops_reading_loses_its_stream() {
    let (lines, _guard) = Lines::capture();
    let (edge, feed) = fed(Settings::default(), SSE);
    let write_stall_max = Duration::from_millis(200);
    let limits = HttpLimits { write_stall_max, ..HttpLimits::default() };
    let mut client = connect_within(&edge, limits).await;
    ask(&mut client, CHAT_STREAM).await;
    // More than the socket buffers and hyper's own hold; sending ends when the stream is dropped.
    let block = Bytes::from(vec![b'x'; 256 * 1024]);
    while feed.sender.send(Frame::Chunk(block.clone())).await.is_ok() {}
    assert!(feed.is_dropped());
    assert_eq!(edge.in_flight(), 0);
    assert_eq!(lines.one()["outcome"], "client_stalled");
    drop(client);
}

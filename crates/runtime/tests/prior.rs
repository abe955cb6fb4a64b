//! HTTP/2 from the first byte: it serves, it has the limits of HTTP/1.1, and it leaves as well.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use futures_util::StreamExt;
use futures_util::stream::repeat;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use weir_runtime::{Drain, DrainControl, HttpLimits, bind_shared, serve_http};

const PATIENCE: Duration = Duration::from_secs(10);

fn serve(app: Router, limits: HttpLimits) -> (SocketAddr, DrainControl, JoinHandle<()>) {
    let (address, mut listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let (control, drain) = Drain::new();
    let listener = listeners.remove(0);
    let serving =
        tokio::spawn(async move { serve_http(listener, app, limits, drain).await.unwrap() });
    (address, control, serving)
}

/// A client, and its connection, which ends when the server ends it.
async fn connect(address: SocketAddr) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    (client.ready().await.unwrap(), tokio::spawn(connection))
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

async fn body_of(mut body: h2::RecvStream) -> String {
    let mut text = String::new();
    while let Some(piece) = within(body.data()).await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        text.push_str(std::str::from_utf8(&piece).unwrap());
    }
    text
}

fn app() -> Router {
    let endless = || async {
        Body::from_stream(repeat(Bytes::from_static(&[b'x'; 4096])).map(Ok::<_, std::io::Error>))
    };
    Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(async |body: String| body))
        .route("/endless", get(endless))
}

#[tokio::test]
async fn requests_share_a_connection() {
    let (address, _control, _serving) = serve(app(), HttpLimits::default());
    let (mut client, _connection) = connect(address).await;
    for _ in 0..3 {
        let get = Request::get("http://weir/").body(()).unwrap();
        let (answer, _) = client.send_request(get, true).unwrap();
        let post = Request::post("http://weir/echo").body(()).unwrap();
        let (echoed, mut sending) = client.send_request(post, false).unwrap();
        sending.send_data(Bytes::from_static(b"said"), true).unwrap();
        assert_eq!(body_of(within(answer).await.unwrap().into_body()).await, "hello");
        assert_eq!(body_of(within(echoed).await.unwrap().into_body()).await, "said");
        client = client.ready().await.unwrap();
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// What the server says first when these pieces come one by one.
async fn first_words(address: SocketAddr, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut words = vec![0; 9];
    within(stream.read_exact(&mut words)).await.unwrap();
    words
}

#[tokio::test]
async fn the_preface_may_come_in_pieces() {
    let (address, _control, _serving) = serve(app(), HttpLimits::default());
    let greets = |words: &[u8]| words.get(3) == Some(&4);
    for at in 0..=PREFACE.len() {
        let (one, two) = PREFACE.split_at(at);
        let words = first_words(address, &[one, &[two, SETTINGS].concat()]).await;
        assert!(greets(&words), "{at}: {}", String::from_utf8_lossy(&words));
    }
    let single: Vec<_> = PREFACE.chunks(1).chain([SETTINGS]).collect();
    assert!(greets(&first_words(address, &single).await));
}

#[tokio::test]
async fn what_only_begins_like_the_preface_is_what_it_is() {
    let (address, _control, _serving) = serve(app(), HttpLimits::default());
    let post: &[u8] = b"OST /echo HTTP/1.1\r\nhost: weir\r\ncontent-length: 4\r\n\r\nsaid";
    let words = first_words(address, &[b"P", post]).await;
    assert_eq!(String::from_utf8_lossy(&words), "HTTP/1.1 ");
    for nonsense in [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX".as_slice(), b"PRI * HTTP/3.0\r\n\r\n"] {
        let (one, two) = nonsense.split_at(9);
        let words = first_words(address, &[one, two]).await;
        assert_eq!(String::from_utf8_lossy(&words), "HTTP/1.1 ");
    }
    // Whoever leaves in the middle of it costs nothing.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PRI * H").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = Vec::new();
    within(stream.read_to_end(&mut said)).await.unwrap();
    assert!(!said.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_drain_lets_requests_finish_and_closes() {
    let (address, control, serving) = serve(app(), HttpLimits::default());
    let (mut client, connection) = connect(address).await;
    let post = Request::post("http://weir/echo").body(()).unwrap();
    let (echoed, mut sending) = client.send_request(post, false).unwrap();
    // The server has the request when it has answered one that came later.
    let mut client = client.ready().await.unwrap();
    let get = Request::get("http://weir/").body(()).unwrap();
    within(client.send_request(get, true).unwrap().0).await.unwrap();
    control.start();
    sending.send_data(Bytes::from_static(b"late"), true).unwrap();
    assert_eq!(body_of(within(echoed).await.unwrap().into_body()).await, "late");
    drop(client);
    let _ended = within(connection).await.unwrap();
    within(serving).await.unwrap();
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_is_closed() {
    let limits =
        HttpLimits { header_read_timeout: Duration::from_millis(100), ..HttpLimits::default() };
    let (address, _control, _serving) = serve(app(), limits);
    let (client, connection) = connect(address).await;
    within(connection).await.unwrap().unwrap();
    drop(client);
}

/// Serves `app` to a client that takes a little again and again; whether it is given up soon.
async fn nibbled(write_rate_min: usize) -> bool {
    // The client opens its window by half of it at a time, which takes it a third of a second.
    let write_stall_max = Duration::from_millis(1500);
    let limits = HttpLimits { write_stall_max, write_rate_min, ..HttpLimits::default() };
    let (address, _control, _serving) = serve(app(), limits);
    let (mut client, connection) = connect(address).await;
    let get = Request::get("http://weir/endless").body(()).unwrap();
    let (answer, _) = client.send_request(get, true).unwrap();
    let mut body = within(answer).await.unwrap().into_body();
    let nibble = async {
        while let Some(Ok(piece)) = body.data().await {
            for _ in 0..piece.len() / 1024 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let _ = body.flow_control().release_capacity(1024);
            }
            let _rest = body.flow_control().release_capacity(piece.len() % 1024);
        }
    };
    tokio::select! {
        _ended = connection => true,
        () = nibble => true,
        () = tokio::time::sleep(Duration::from_secs(5)) => false,
    }
}

#[tokio::test]
async fn a_client_that_takes_too_little_is_given_up() {
    // It takes 100,000 bytes a second at most.
    let (slow, fine) = tokio::join!(nibbled(2_000_000), nibbled(500));
    assert!(slow && !fine);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let limits =
        HttpLimits { write_stall_max: Duration::from_millis(100), ..HttpLimits::default() };
    let (address, _control, _serving) = serve(app(), limits);
    let (mut client, connection) = connect(address).await;
    let get = Request::get("http://weir/endless").body(()).unwrap();
    let (answer, _) = client.send_request(get, true).unwrap();
    // Its window is never opened again.
    let answer = within(answer).await.unwrap();
    let _ended = within(connection).await.unwrap();
    drop((answer, client));
}

//! `serve_http` over real sockets: what clients may do to it, and how it leaves.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::routing::{get, post};
use futures_util::StreamExt;
use futures_util::stream::{pending, repeat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use weir_budget::Budget;
use weir_runtime::{Crowd, Drain, DrainControl, HttpLimits, Stop, bind_shared, serve_http};

/// Everything below is over in milliseconds, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

struct Served {
    addr: SocketAddr,
    control: DrainControl,
    serving: JoinHandle<std::io::Result<()>>,
}

fn serve(app: Router, limits: HttpLimits) -> Served {
    let (addr, mut listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let (control, drain) = Drain::new();
    let serving = tokio::spawn(serve_http(listeners.remove(0), app, limits, drain));
    Served { addr, control, serving }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    async fn returned(self) {
        within(self.serving).await.unwrap().unwrap();
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

async fn send(stream: &mut TcpStream, text: &str) {
    within(stream.write_all(text.as_bytes())).await.unwrap();
}

async fn get_path(stream: &mut TcpStream, path: &str) {
    send(stream, &format!("GET {path} HTTP/1.1\r\nhost: weir\r\n\r\n")).await;
}

/// Reads until `part` has come; panics at the end of the stream.
async fn read_until(stream: &mut TcpStream, part: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(part) {
        let read = within(stream.read(&mut buffer)).await.unwrap();
        assert_ne!(read, 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is as good as a close.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8(bytes).unwrap()
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// A route whose handler never answers. The first channel says that it has begun, the second one
/// ends when its future is dropped.
fn silent() -> (Router, mpsc::Receiver<()>, oneshot::Receiver<()>) {
    let (begun, has_begun) = mpsc::channel(1);
    let (alive, dropped) = oneshot::channel::<()>();
    let alive = std::sync::Arc::new(std::sync::Mutex::new(Some(alive)));
    let handler = move || {
        let (begun, alive) = (begun.clone(), alive.lock().unwrap().take());
        async move {
            let _alive = alive;
            begun.send(()).await.unwrap();
            std::future::pending::<&'static str>().await
        }
    };
    (Router::new().route("/silent", get(handler)), has_begun, dropped)
}

/// A route whose body is `parts` and ends the returned channel when it is dropped.
fn streaming<S>(parts: S) -> (Router, oneshot::Receiver<()>)
where
    S: futures_util::Stream<Item = Bytes> + Clone + Send + Sync + 'static,
{
    let (alive, dropped) = oneshot::channel::<()>();
    let alive = std::sync::Arc::new(std::sync::Mutex::new(Some(alive)));
    let handler = move || {
        let (parts, alive) = (parts.clone(), alive.lock().unwrap().take());
        async move {
            Body::from_stream(parts.map(move |part| {
                let _ = &alive;
                Ok::<_, Infallible>(part)
            }))
        }
    };
    (Router::new().route("/stream", get(handler)), dropped)
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let served = serve(hello(), HttpLimits::default());
    let mut client = served.connect().await;
    for _ in 0..3 {
        get_path(&mut client, "/").await;
        assert!(read_until(&mut client, "hello").await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_drops_the_pending_handler() {
    let (app, mut begun, dropped) = silent();
    let served = serve(app, HttpLimits::default());
    let mut client = served.connect().await;
    get_path(&mut client, "/silent").await;
    within(begun.recv()).await.unwrap();
    drop(client);
    within(dropped).await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_leaves_drops_the_streaming_body() {
    let parts = futures_util::stream::once(async { Bytes::from_static(b"first") });
    let parts = std::sync::Arc::new(std::sync::Mutex::new(Some(parts)));
    let (alive, dropped) = oneshot::channel::<()>();
    let alive = std::sync::Arc::new(std::sync::Mutex::new(Some(alive)));
    let handler = move || {
        let parts = parts.lock().unwrap().take().unwrap().chain(pending());
        let alive = alive.lock().unwrap().take();
        async move {
            Body::from_stream(parts.map(move |part| {
                let _ = &alive;
                Ok::<_, Infallible>(part)
            }))
        }
    };
    let served = serve(Router::new().route("/stream", get(handler)), HttpLimits::default());
    let mut client = served.connect().await;
    get_path(&mut client, "/stream").await;
    read_until(&mut client, "first").await;
    drop(client);
    within(dropped).await.unwrap_err();
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_given_up() {
    let (app, dropped) = streaming(repeat(Bytes::from_static(&[b'x'; 64 * 1024])));
    let limits =
        HttpLimits { write_stall_max: Duration::from_millis(100), ..HttpLimits::default() };
    let served = serve(app, limits);
    let mut client = served.connect().await;
    get_path(&mut client, "/stream").await;
    within(dropped).await.unwrap_err();
    drop(client);
}

/// Takes a little of `client` again and again, for ever.
async fn nibble(client: &mut TcpStream) {
    let mut crumb = [0; 16 * 1024];
    while within(client.read_exact(&mut crumb)).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_client_that_takes_too_little_is_given_up() {
    // It takes 16 MB a second at most, again and again.
    for (write_rate_min, is_slow) in [(500_000_000, true), (1000, false)] {
        let (app, mut dropped) = streaming(repeat(Bytes::from_static(&[b'x'; 64 * 1024])));
        let write_stall_max = Duration::from_millis(700);
        let limits = HttpLimits { write_stall_max, write_rate_min, ..HttpLimits::default() };
        let served = serve(app, limits);
        let mut client = served.connect().await;
        get_path(&mut client, "/stream").await;
        let is_given_up = tokio::select! {
            gone = &mut dropped => gone.is_err(),
            () = nibble(&mut client) => true,
            () = tokio::time::sleep(Duration::from_secs(4)) => false,
        };
        assert_eq!(is_given_up, is_slow, "{write_rate_min}");
    }
}

#[tokio::test]
async fn a_provider_that_sends_little_makes_no_client_slow() {
    let handler = || async {
        Body::from_stream(futures_util::stream::unfold(0, async |count| {
            tokio::time::sleep(Duration::from_millis(50)).await;
            (count < 20).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"x")), count + 1))
        }))
    };
    let write_stall_max = Duration::from_millis(100);
    let limits =
        HttpLimits { write_stall_max, write_rate_min: 50_000_000, ..HttpLimits::default() };
    let served = serve(Router::new().route("/stream", get(handler)), limits);
    let mut client = served.connect().await;
    get_path(&mut client, "/stream").await;
    read_until(&mut client, "\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn what_is_no_request_gets_a_4xx_and_harms_nobody() {
    let served = serve(hello(), HttpLimits::default());
    let many = "x-a: b\r\n".repeat(101);
    let long = format!("x-a: {}\r\n", "b".repeat(70 * 1024));
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\nhost: weir\r\n{many}\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nhost: weir\r\n{long}\r\n"), "431"),
        ("no http at all\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nbad header\r\n\r\n".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n".to_owned(), "400"),
    ] {
        let mut client = served.connect().await;
        // The server may answer and close before all of it is sent.
        let _ = within(client.write_all(request.as_bytes())).await;
        let answer = read_until(&mut client, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let mut client = served.connect().await;
    get_path(&mut client, "/").await;
    read_until(&mut client, "hello").await;
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_is_still_sending() {
    let app = hello().route("/refuse", post(async || (StatusCode::PAYLOAD_TOO_LARGE, "too large")));
    let served = serve(app, HttpLimits::default());
    let body = vec![b'x'; 8 * 1024 * 1024];
    let length = body.len();
    for (head, status) in [
        (format!("POST /refuse HTTP/1.1\r\nhost: weir\r\ncontent-length: {length}\r\n\r\n"), "413"),
        ("GET / HTTP/1.1\r\nhost: weir\r\nbomb: ".to_owned(), "431"),
    ] {
        let mut client = served.connect().await;
        send(&mut client, &head).await;
        within(client.write_all(&body)).await.unwrap();
        let mut answer = String::new();
        within(client.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
}

#[tokio::test]
async fn who_waits_to_be_asked_for_a_body_is_told_when_nobody_will() {
    let app = Router::new().route("/", post(async || StatusCode::FORBIDDEN));
    let served = serve(app.route("/read", post(async |_: Bytes| "read")), HttpLimits::default());
    let ask = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: w\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
        )
    };
    let mut client = served.connect().await;
    send(&mut client, &ask("/read")).await;
    read_until(&mut client, "100 Continue\r\n\r\n").await;
    send(&mut client, "body").await;
    let answer = read_until(&mut client, "\r\n\r\nread").await;
    assert!(!answer.contains("connection: close"), "{answer}");
    send(&mut client, &ask("/")).await;
    let answer = read_to_end(&mut client).await;
    assert!(answer.contains(" 403 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn headers_that_do_not_come_are_not_waited_for() {
    let limits =
        HttpLimits { header_read_timeout: Duration::from_millis(50), ..HttpLimits::default() };
    let served = serve(hello(), limits);
    let mut client = served.connect().await;
    send(&mut client, "GET / HTTP/1.1\r\nhost:").await;
    read_to_end(&mut client).await;
    let mut idle = served.connect().await;
    get_path(&mut idle, "/").await;
    assert!(read_to_end(&mut idle).await.ends_with("hello"));
}

#[tokio::test]
async fn a_full_listener_closes_who_is_idle_and_lets_the_others_wait() {
    let crowd = Crowd { connections_max: 1, addresses: None };
    let limits = HttpLimits { crowd, ..HttpLimits::default() };
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "at last"
    };
    let served = serve(hello().route("/slow", get(slow)), limits);
    let mut idle = served.connect().await;
    get_path(&mut idle, "/").await;
    read_until(&mut idle, "hello").await;
    let mut busy = served.connect().await;
    get_path(&mut busy, "/slow").await;
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).await.unwrap(), 0);
    let mut waiting = served.connect().await;
    get_path(&mut waiting, "/").await;
    let early = tokio::time::timeout(Duration::from_millis(100), waiting.readable()).await;
    assert!(early.is_err(), "served beside the busy one");
    read_until(&mut busy, "at last").await;
    read_until(&mut waiting, "hello").await;
}

#[tokio::test]
async fn heads_that_do_not_end_are_bounded_in_total() {
    // 128 KiB of it for them.
    let budget = Budget::new(2 << 20);
    let served = serve(hello(), HttpLimits { budget: Some(budget), ..HttpLimits::default() });
    let begin = format!("GET / HTTP/1.1\r\nhost: weir\r\nx-long: {}", "x".repeat(50_000));
    let mut crowd = Vec::new();
    for _ in 0..60 {
        let mut connection = served.connect().await;
        connection.write_all(begin.as_bytes()).await.unwrap();
        crowd.push(connection);
    }
    let mut closed = 0;
    for connection in &mut crowd {
        let mut byte = [0];
        let read = connection.read(&mut byte);
        let ended = tokio::time::timeout(Duration::from_millis(20), read).await;
        closed += usize::from(ended.is_ok());
    }
    assert!((5..60).contains(&closed), "{closed} of 60 were closed");
    assert!(budget.used() <= 2 << 20);
    // A usual head needs no room, and a long one has some when the others have gone.
    let mut usual = served.connect().await;
    get_path(&mut usual, "/").await;
    read_until(&mut usual, "hello").await;
    drop(crowd);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(budget.used(), 0);
    let mut long = served.connect().await;
    long.write_all(format!("{begin}\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut long, "hello").await;
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_closes_the_rest() {
    let (go, may_go) = oneshot::channel::<()>();
    let may_go = std::sync::Arc::new(std::sync::Mutex::new(Some(may_go)));
    let (begun, mut has_begun) = mpsc::channel(1);
    let handler = move || {
        let (begun, may_go) = (begun.clone(), may_go.lock().unwrap().take().unwrap());
        async move {
            begun.send(()).await.unwrap();
            may_go.await.unwrap();
            "finished"
        }
    };
    let served = serve(hello().route("/slow", get(handler)), HttpLimits::default());
    let mut busy = served.connect().await;
    get_path(&mut busy, "/slow").await;
    within(has_begun.recv()).await.unwrap();
    let mut idle = served.connect().await;
    get_path(&mut idle, "/").await;
    read_until(&mut idle, "hello").await;
    let mut unused = served.connect().await;

    served.control.start();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert_eq!(read_to_end(&mut unused).await, "");
    TcpStream::connect(served.addr).await.expect_err("still accepts");
    assert!(!served.serving.is_finished());
    go.send(()).unwrap();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("finished"), "{answer}");
    served.returned().await;
}

#[tokio::test]
async fn a_connection_that_waits_to_be_accepted_is_still_served() {
    let served = serve(hello(), HttpLimits::default());
    // Nothing has been polled yet: the connection below is in the kernel's queue.
    let mut client = std::net::TcpStream::connect(served.addr).unwrap();
    std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\nhost: weir\r\n\r\n").unwrap();
    served.control.start();
    client.set_nonblocking(true).unwrap();
    let mut client = TcpStream::from_std(client).unwrap();
    assert!(read_to_end(&mut client).await.ends_with("hello"));
    served.returned().await;
}

#[tokio::test]
async fn the_end_of_a_drain_cuts_what_is_left() {
    let (app, mut begun, dropped) = silent();
    let served = serve(app, HttpLimits::default());
    let mut client = served.connect().await;
    get_path(&mut client, "/silent").await;
    within(begun.recv()).await.unwrap();
    served.control.start();
    served.control.end(Stop::LimitPassed);
    within(dropped).await.unwrap_err();
    served.returned().await;
}

#[tokio::test]
async fn every_answer_says_that_it_is_what_it_is_called() {
    let limits = HttpLimits { rejection_body: Some(|_| "{}".to_owned()), ..HttpLimits::default() };
    let served = serve(hello(), limits);
    for request in
        ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET /no HTTP/1.1\r\nhost: a\r\n\r\n", "?\r\n\r\n"]
    {
        let mut client = served.connect().await;
        send(&mut client, request).await;
        let answer = read_until(&mut client, "\r\n\r\n").await;
        assert!(answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
    }
}

//! The whole simulator over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use weir_runtime::{DrainControl, bind_shared};

use super::*;
use crate::Outcome;

mod formats;
mod orders;

struct Running {
    sim: Sim,
    address: SocketAddr,
    drain: DrainControl,
    task: JoinHandle<io::Result<()>>,
}

/// Dropping what it returns ends the drain and with it the server.
async fn start(settings: Settings) -> Running {
    let (address, mut listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let (listener, sim) = (listeners.remove(0), Sim::new(settings));
    let (control, drain) = Drain::new();
    let serving = sim.clone();
    let task = tokio::spawn(async move { serving.serve(listener, drain).await });
    Running { sim, address, drain: control, task }
}

/// What came back until the connection ended, and how it ended.
struct Heard {
    text: String,
    ended: io::Result<()>,
}

impl Heard {
    fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn json(&self) -> Value {
        let (_, body) = self.text.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }
}

async fn ask(running: &Running, method: &str, path: &str, key: &str, body: &str) -> Heard {
    let mut socket = send(running, method, path, key, body).await;
    let mut bytes = Vec::new();
    let ended = socket.read_to_end(&mut bytes).await.map(drop);
    Heard { text: String::from_utf8(bytes).unwrap(), ended }
}

async fn send(running: &Running, method: &str, path: &str, key: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {key}\r\n\
         x-seen: yes\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

async fn chat(running: &Running, model: &str, stream: bool) -> Heard {
    let body = chat_body(model, stream);
    ask(running, "POST", "/v1/chat/completions", "k1", &body).await
}

fn chat_body(model: &str, stream: bool) -> String {
    let messages = json!([{"role": "user", "content": "hi"}]);
    json!({"model": model, "stream": stream, "messages": messages}).to_string()
}

#[tokio::test]
async fn answers_log_and_counts_agree() {
    let running = start(Settings { log_body_bytes: 20, ..Settings::default() }).await;
    let answer = chat(&running, "gpt-4o", false).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text.contains("x-request-id: req_"), "{}", answer.text);
    assert_eq!(answer.json()["object"], "chat.completion");
    assert_eq!(ask(&running, "GET", "/v1/models", "k2", "").await.status(), 200);
    let log = ask(&running, "GET", "/sim/requests", "", "").await.json();
    let entry = &log["requests"][0];
    assert_eq!(
        (&entry["key"], &entry["model"], &entry["outcome"], &entry["status"]),
        (&json!("k1"), &json!("gpt-4o"), &json!("completed"), &json!(200))
    );
    assert!(entry["headers"].as_array().unwrap().contains(&json!(["x-seen", "yes"])));
    assert_eq!(entry["body"].as_str().unwrap(), &chat_body("gpt-4o", false)[..20]);
    assert!(!entry["headers"].to_string().contains("k1"));
    let log = ask(&running, "GET", "/sim/requests?after=1&limit=5", "", "").await.json();
    assert_eq!(log["requests"].as_array().unwrap().len(), 1);
    let stats = ask(&running, "GET", "/sim/stats", "", "").await.json();
    assert_eq!(stats["total"]["succeeded"], 2);
    assert_eq!(
        stats["keys"]["k1"],
        json!({"in_flight": 0, "high_water": 1, "requests": 1,
        "succeeded": 1, "client_closed": 0})
    );
    assert_eq!(ask(&running, "POST", "/sim/reset", "", "").await.status(), 200);
    assert_eq!(running.sim.stats().total.requests, 0);
}

#[tokio::test]
async fn refusals_are_clear() {
    let keys = vec!["k1".to_owned()];
    let running = start(Settings { keys, body_bytes_max: 1000, ..Settings::default() }).await;
    let body = chat_body("m", false);
    let post = |path, key, body, status, says| ("POST", path, key, body, status, says);
    let get = |path, status, says| ("GET", path, "k1", "", status, says);
    let (chat_path, faults, long) = ("/v1/chat/completions", "/sim/faults", "x".repeat(2000));
    for (method, path, key, body, status, says) in [
        post(chat_path, "other", &*body, 401, "invalid_api_key"),
        post(chat_path, "k1", "{", 400, "could not parse"),
        post(chat_path, "k1", &*long, 413, "too large"),
        post("/v1/nothing", "k1", "{}", 404, "serves POST /v1/chat"),
        post(faults, "", r#"{"do":"oops"}"#, 400, "unknown word 'oops'"),
        post(faults, "", r#"{"so":"x"}"#, 400, "unknown field `so`"),
        get("/v1/models/none", 404, "`none` does not exist"),
        get("/sim/requests?after=x", 400, "expected a number"),
    ] {
        let heard = ask(&running, method, path, key, body).await;
        assert_eq!(heard.status(), status, "{method} {path}: {}", heard.text);
        assert!(heard.text.contains(says), "{method} {path}: {}", heard.text);
    }
    let heard = chat(&running, "sim:x", false).await;
    assert!(heard.text.contains("unknown word 'x'"), "{}", heard.text);
}

#[tokio::test]
async fn error_answers_carry_what_was_asked_for() {
    let running = start(Settings::default()).await;
    let wish = "sim:status=429,code=slow,retry-after=2,retry-after-ms=1500,reset-tokens=6m0s";
    let heard = chat(&running, wish, true).await;
    assert_eq!((heard.status(), &heard.json()["error"]["code"]), (429, &json!("slow")));
    for header in ["retry-after: 2", "retry-after-ms: 1500", "x-ratelimit-reset-tokens: 6m0s"] {
        assert!(heard.text.contains(header), "{header}: {}", heard.text);
    }
    let dated = chat(&running, "sim:status=503,retry-after-date=60", false).await;
    assert!(dated.text.contains(" GMT\r\n"), "{}", dated.text);
    let rule = json!({"match": {"key": "k1"}, "do": "status=500,times=1", "body": "<html>",
        "headers": {"content-type": "text/html"}});
    let placed = ask(&running, "POST", "/sim/faults", "", &rule.to_string()).await;
    assert_eq!(placed.json(), json!({"ids": [1]}));
    let heard = chat(&running, "m", false).await;
    assert_eq!(heard.status(), 500);
    assert!(heard.text.contains("content-type: text/html"), "{}", heard.text);
    assert!(heard.text.ends_with("<html>"), "{}", heard.text);
    assert_eq!(chat(&running, "m", false).await.status(), 200);
    let rules = ask(&running, "GET", "/sim/faults", "", "").await.json();
    assert_eq!(rules["faults"][0]["matched"], 2);
}

#[tokio::test]
async fn connections_break_the_way_they_are_told_to() {
    let running = start(Settings::default()).await;
    for (wish, stream, events, reset) in [
        ("sim:reset", false, 0, true),
        ("sim:cut", false, 0, false),
        ("sim:reset=0", true, 1, true),
        ("sim:cut=2", true, 3, false),
        ("sim:error", true, 1, false),
        ("sim:no-done,chunks=2", true, 4, false),
    ] {
        let heard = chat(&running, wish, stream).await;
        assert_eq!(heard.text.matches("data: ").count(), events, "{wish}: {}", heard.text);
        assert!(!heard.text.contains("[DONE]"), "{wish}");
        assert_eq!(heard.ended.is_err(), reset, "{wish}: {:?}", heard.ended);
    }
    let half = chat(&running, "sim:cut=first", false).await;
    let length = half.text.split("content-length: ").nth(1).unwrap();
    let announced: usize = length.split('\r').next().unwrap().parse().unwrap();
    let body = half.text.split("\r\n\r\n").nth(1).unwrap();
    assert_eq!(body.len(), announced / 2);
    let outcomes: Vec<_> =
        running.sim.requests(0).into_iter().map(|entry| entry.outcome.unwrap()).collect();
    use Outcome::{Completed, Cut, Reset};
    assert_eq!(outcomes, [Reset, Cut, Reset, Cut, Completed, Completed, Cut]);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let running = start(Settings::default()).await;
    for (wish, stream) in [("sim:silence", false), ("sim:stall=1", true), ("sim:stall", false)] {
        let seen = running.sim.stats().total;
        let mut socket =
            send(&running, "POST", "/v1/chat/completions", "k1", &chat_body(wish, stream)).await;
        if !wish.contains("silence") {
            let mut byte = [0];
            socket.read_exact(&mut byte).await.unwrap();
        }
        wait_for(|| running.sim.stats().total.in_flight == 1).await;
        drop(socket);
        wait_for(|| running.sim.stats().total.client_closed == seen.client_closed + 1).await;
        assert_eq!(running.sim.stats().total.in_flight, 0, "{wish}");
    }
    assert!(running.sim.requests(0).iter().all(|e| e.outcome == Some(Outcome::ClientClosed)));
}

/// Lets the other tasks run until something holds; the test runner's time limit ends it.
async fn wait_for(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn streams_take_the_time_they_are_told_to() {
    let running = start(Settings::default()).await;
    let before = tokio::time::Instant::now();
    let wish = "sim:latency=20,first-chunk=20,chunks=5,interval=10";
    let heard = chat(&running, wish, true).await;
    assert!(before.elapsed() >= Duration::from_millis(80), "{:?}", before.elapsed());
    assert!(heard.text.contains("data: [DONE]\n\n"));
    assert_eq!(heard.text.matches("\"content\":").count(), 6);
}

#[tokio::test]
async fn the_count_is_down_before_the_last_byte_arrives() {
    let running = start(Settings { log_requests: 0, ..Settings::default() }).await;
    for stream in [false, true] {
        for _ in 0..50 {
            assert_eq!(chat(&running, "m", stream).await.status(), 200);
            assert_eq!(running.sim.stats().total.in_flight, 0);
        }
    }
    assert_eq!(running.sim.stats().total.high_water, 1);
    assert!(running.sim.requests(0).is_empty());
}

#[tokio::test]
async fn rules_can_be_set_from_the_same_process() {
    let running = start(Settings::default()).await;
    let rule = Rule { act: "status=503,times=1".into(), ..Rule::default() };
    running.sim.add_rule(rule).unwrap();
    assert_eq!(chat(&running, "m", false).await.status(), 503);
    running.sim.reset();
    assert_eq!(chat(&running, "m", false).await.status(), 200);
}

#[tokio::test]
async fn a_drain_lets_answers_finish() {
    let running = start(Settings::default()).await;
    let body = chat_body("sim:chunks=5,interval=10", true);
    let mut socket = send(&running, "POST", "/v1/chat/completions", "k1", &body).await;
    let mut bytes = vec![0];
    socket.read_exact(&mut bytes).await.unwrap();
    running.drain.start();
    socket.read_to_end(&mut bytes).await.unwrap();
    assert!(String::from_utf8(bytes).unwrap().contains("[DONE]"));
    running.task.await.unwrap().unwrap();
}

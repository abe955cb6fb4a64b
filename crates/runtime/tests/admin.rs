//! The admin listener's answers, over a real socket.

#![expect(clippy::unwrap_used, reason = "the helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_runtime::{
    AdminState, Drain, Hosts, HttpLimits, Readiness, admin, bind_shared, serve_http,
};

async fn ask(addr: std::net::SocketAddr, path: &str) -> (String, String) {
    ask_as(addr, path, &format!("host: {addr}\r\n")).await
}

async fn ask_as(addr: std::net::SocketAddr, path: &str, lines: &str) -> (String, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\n{lines}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test]
async fn liveness_readiness_and_metrics() {
    let ready = Arc::new(AtomicBool::new(false));
    let (control, drain) = Drain::new();
    let readiness = {
        let ready = ready.clone();
        move || Readiness {
            ready: ready.load(Ordering::Relaxed),
            detail: Map::from_iter([("openai".to_owned(), Value::from("2 keys usable"))]),
        }
    };
    let state = AdminState::new(drain, readiness, || "weir_requests_total 3\n# EOF\n".to_owned());
    // The listener itself outlives the drain it reports.
    let (_serving, forever) = Drain::new();
    let (addr, mut listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let app = admin(state, Hosts::default);
    tokio::spawn(serve_http(listeners.remove(0), app, HttpLimits::default(), forever));

    let (head, _) = ask(addr, "/healthz").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");

    for (set_ready, drains, status, text) in [
        (false, false, "503", "not_ready"),
        (true, false, "200", "ready"),
        (true, true, "503", "draining"),
    ] {
        ready.store(set_ready, Ordering::Relaxed);
        if drains {
            control.start();
        }
        let (head, body) = ask(addr, "/readyz").await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        assert!(head.contains("content-type: application/json"), "{head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["status"], text);
        assert_eq!(body["detail"]["openai"], "2 keys usable");
    }

    let (head, _) = ask(addr, "/healthz").await;
    assert!(head.starts_with("HTTP/1.1 200"), "alive while draining: {head}");
    let (head, body) = ask(addr, "/metrics").await;
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert_eq!(body, "weir_requests_total 3\n# EOF\n");
}

#[tokio::test]
async fn pages_of_other_sites_are_told_nothing() {
    let asked = Arc::new(AtomicBool::new(false));
    let readiness = {
        let asked = asked.clone();
        move || {
            asked.store(true, Ordering::Relaxed);
            Readiness { ready: true, detail: Map::new() }
        }
    };
    let (_serving, forever) = Drain::new();
    let state = AdminState::new(forever.clone(), readiness, || "secret_metric 1\n".to_owned());
    let (addr, mut listeners) = bind_shared("127.0.0.1:0".parse().unwrap(), 1).unwrap();
    let app = admin(state, move || Hosts::new(addr.ip(), &["ops.example".to_owned()]));
    tokio::spawn(serve_http(listeners.remove(0), app, HttpLimits::default(), forever));

    let own = format!("host: {addr}\r\n");
    for lines in [
        "host: evil.example\r\n".to_owned(),
        format!("host: evil.example:{}\r\norigin: http://evil.example\r\n", addr.port()),
        format!("{own}host: evil.example\r\n"),
        format!("{own}origin: https://evil.example\r\n"),
        format!("{own}origin: null\r\n"),
        format!("{own}origin: http://{addr}\r\norigin: http://evil.example\r\n"),
    ] {
        for path in ["/healthz", "/readyz", "/metrics", "/nowhere"] {
            let (head, body) = ask_as(addr, path, &lines).await;
            assert!(head.starts_with("HTTP/1.1 403"), "{lines}{path}: {head}");
            assert!(body.contains("forbidden") && !body.contains("secret"), "{body}");
        }
    }
    let (head, body) = ask_as(addr, "http://evil.example/metrics", &own).await;
    assert!(head.starts_with("HTTP/1.1 403") && body.contains("evil.example"), "{head}{body}");
    assert!(!asked.load(Ordering::Relaxed));
    for lines in ["", "host: ops.example:1\r\n", &format!("{own}origin: http://{addr}\r\n")] {
        let (head, _) = ask_as(addr, "/readyz", lines).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{lines}: {head}");
    }
}

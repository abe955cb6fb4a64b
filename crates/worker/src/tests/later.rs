//! Answers that are fetched after what came first: looked for, streamed, and taken back.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;
use weir_rpc::{Body, Reply, WorkerRequest, WorkerService};
use weir_types::{FailureClass, Fault, FaultCode};

use super::fake::{STREAM, chunk, json as answer};
use super::*;

const MODEL: &str = "meta/meta-llama-3-70b-instruct";
const ASKED: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;

/// What the provider says of the order; its addresses are the vendor's own.
fn order(status: &str, more: &Value) -> String {
    let at = "https://api.replicate.com/v1/predictions/p1";
    let mut order = json!({
        "id": "p1", "model": MODEL, "status": status, "error": null, "output": null,
        "urls": {"get": at, "cancel": format!("{at}/cancel"), "stream": format!("{at}/events")},
    });
    for (name, value) in more.as_object().unwrap() {
        order[name.as_str()] = value.clone();
    }
    order.to_string()
}

fn said(status: u16, body: &str) -> Vec<Act> {
    vec![Act::Send(answer(status, "", body))]
}

fn done() -> String {
    let metrics = json!({"input_token_count": 7, "output_token_count": 2});
    order("succeeded", &json!({"output": ["Hel", "lo"], "metrics": metrics}))
}

fn open() -> String {
    order("processing", &json!({}))
}

fn asked(worker: &crate::Worker, stream: bool) -> WorkerRequest {
    WorkerRequest { model: MODEL.into(), ..request(worker, stream) }
}

async fn ask(worker: &crate::Worker, stream: bool) -> Result<Reply, Fault> {
    let body = Body::Full(bytes::Bytes::from_static(ASKED.as_bytes()));
    worker.call(context(), asked(worker, stream), body).await
}

/// The first lines of the requests so far.
fn lines(fake: &Fake) -> Vec<String> {
    let first = |request: &String| request.lines().next().unwrap_or_default().to_owned();
    fake.requests().iter().map(first).map(|line| line.replace(" HTTP/1.1", "")).collect()
}

const CREATE: &str = "POST /v1/models/meta/meta-llama-3-70b-instruct/predictions";
const LOOK: &str = "GET /v1/predictions/p1";
const CANCEL: &str = "POST /v1/predictions/p1/cancel";
const EVENTS: &str = "GET /v1/predictions/p1/events";

/// Waits until the provider has seen `line`.
async fn seen(fake: &Fake, line: &str) {
    let has = async {
        while !lines(fake).iter().any(|seen| seen == line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = timeout(Duration::from_secs(5), has).await;
    waited.unwrap_or_else(|_| panic!("no {line} in {:?}", lines(fake)));
}

#[tokio::test]
async fn an_answer_that_is_there_at_once_is_not_looked_for() {
    let fake = Fake::start(vec![said(201, &done())]).await;
    let mut settings = settings("replicate", &fake.url);
    settings.timeouts.attempt = Duration::from_secs(30);
    let worker = worker(settings);
    let reply = ask(&worker, false).await.unwrap();
    assert_eq!(reply.head.status, 200);
    let (text, end) = drain(reply).await;
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "Hello");
    assert_eq!((end.usage.input_tokens, end.usage.output_tokens), (7, 2));
    assert_eq!(lines(&fake), [CREATE]);
    let head = fake.requests()[0].to_lowercase();
    assert!(head.contains("prefer: wait=5") && head.contains("accept: application/json"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {SECRET}")), "{head}");
    assert!(head.ends_with(r#"{"input":{"prompt":"hi"}}"#), "{head}");
}

#[tokio::test]
async fn an_answer_is_looked_for_until_it_is_there() {
    let scripts = vec![said(201, &open()), said(503, "{}"), said(200, &open()), said(200, &done())];
    let fake = Fake::start(scripts).await;
    let worker = worker(settings("replicate", &fake.url));
    let reply = ask(&worker, false).await.unwrap();
    assert!(drain(reply).await.0.contains("Hello"));
    assert_eq!(lines(&fake), [CREATE, LOOK, LOOK, LOOK]);
    let look = fake.requests()[1].to_lowercase();
    assert!(look.contains(&format!("authorization: bearer {SECRET}")), "{look}");
    assert!(!look.contains("prefer:") && !look.contains("content-type:"), "{look}");
}

#[tokio::test]
async fn an_answer_that_came_to_nothing_is_a_failure_and_not_taken_back() {
    let failed = order("failed", &json!({"error": "CUDA out of memory (E1001)"}));
    let fake = Fake::start(vec![said(201, &open()), said(200, &failed)]).await;
    let worker = worker(settings("replicate", &fake.url));
    let fault = ask(&worker, false).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UpstreamRejected);
    assert_eq!(fault.detail.class, Some(FailureClass::Transient));
    assert_eq!(fault.detail.code.as_deref(), Some("E1001"));
    assert!(fault.detail.message.contains("CUDA out of memory"), "{fault}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(lines(&fake), [CREATE, LOOK]);
}

#[tokio::test]
async fn what_is_not_there_in_time_is_taken_back() {
    let fake = Fake::start(vec![said(201, &open()); 9]).await;
    let mut settings = settings("replicate", &fake.url);
    settings.timeouts.attempt = Duration::from_millis(800);
    let worker = worker(settings);
    let fault = ask(&worker, false).await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Silent), "{fault}");
    // The attempt is too short to hold anything back in it.
    assert!(!fake.requests()[0].to_lowercase().contains("prefer:"));
    seen(&fake, CANCEL).await;
    assert_eq!(lines(&fake)[..2], [CREATE, LOOK]);
    let cancel = fake.requests().pop().unwrap().to_lowercase();
    assert!(cancel.contains(&format!("authorization: bearer {SECRET}")), "{cancel}");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_order_back_even_before_that_is_answered() {
    let fake = Fake::start(vec![said(201, &open()); 2]).await;
    let worker = worker(settings("replicate", &fake.url));
    let waits = timeout(Duration::from_millis(200), ask(&worker, false)).await;
    assert!(waits.is_err());
    seen(&fake, CANCEL).await;
    assert_eq!(lines(&fake), [CREATE, CANCEL]);

    // The order is on its way when the client leaves.
    let late = Act::Pause(Duration::from_millis(150));
    let late = vec![late, Act::Send(answer(201, "", &open()))];
    let fake = Fake::start(vec![late, said(200, "{}")]).await;
    let worker = super::worker(settings("replicate", &fake.url));
    let call = ask(&worker, false);
    tokio::select! {
        _ = call => panic!("it is answered later"),
        () = seen(&fake, CREATE) => {}
    }
    seen(&fake, CANCEL).await;
    assert_eq!(lines(&fake), [CREATE, CANCEL]);
}

fn events(list: &[(&str, &str)]) -> String {
    list.iter().map(|(name, data)| format!("event: {name}\ndata: {data}\n\n")).collect()
}

fn stream(list: &[(&str, &str)]) -> Vec<Act> {
    vec![Act::Send(STREAM.to_owned()), Act::Send(chunk(&events(list)))]
}

#[tokio::test]
async fn events_are_fetched_and_the_document_says_what_they_leave_unsaid() {
    let mut told = stream(&[("output", "Hel"), ("output", "lo"), ("done", "{}")]);
    // The connection stays open after the last event.
    told.push(Act::Hold);
    let scripts = vec![said(201, &open()), told, said(200, &open()), said(200, &done())];
    let fake = Fake::start(scripts).await;
    let worker = worker(settings("replicate", &fake.url));
    let reply = ask(&worker, true).await.unwrap();
    let (text, end) = drain(reply).await;
    assert!(text.contains(r#""content":"Hel""#) && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(text.contains(r#""id":"p1""#), "{text}");
    assert!(end.fault.is_none(), "{end:?}");
    assert_eq!((end.usage.input_tokens, end.usage.output_tokens), (7, 2));
    assert_eq!(lines(&fake), [CREATE, EVENTS, LOOK, LOOK]);
    let (create, look) = (&fake.requests()[0].to_lowercase(), &fake.requests()[1].to_lowercase());
    assert!(!create.contains("prefer:") && create.contains("accept: application/json"), "{create}");
    assert!(create.ends_with(r#"{"input":{"prompt":"hi"},"stream":true}"#), "{create}");
    assert!(look.contains("accept: text/event-stream"), "{look}");
}

#[tokio::test]
async fn a_model_that_does_not_stream_is_streamed_when_it_is_done() {
    let no_stream = open().replace("\"stream\"", "\"web\"");
    let fake = Fake::start(vec![said(201, &no_stream), said(200, &done())]).await;
    let worker = worker(settings("replicate", &fake.url));
    let (text, end) = drain(ask(&worker, true).await.unwrap()).await;
    assert!(text.contains(r#""content":"Hello""#) && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(end.usage.output_tokens, 2);
    assert_eq!(lines(&fake), [CREATE, LOOK]);
}

#[tokio::test]
async fn a_stream_whose_document_cannot_be_had_is_complete_all_the_same() {
    let told = stream(&[("output", "Hello"), ("done", "{}")]);
    let scripts = vec![said(201, &open()), told, said(500, "{}"), said(500, "{}"), said(404, "{}")];
    let fake = Fake::start(scripts).await;
    let worker = worker(settings("replicate", &fake.url));
    let (text, end) = drain(ask(&worker, true).await.unwrap()).await;
    assert!(text.ends_with("data: [DONE]\n\n") && end.fault.is_none(), "{text} {end:?}");
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_takes_its_order_back() {
    let mut told = stream(&[("output", "Hello")]);
    told.push(Act::Hold);
    let fake = Fake::start(vec![said(201, &open()), told, said(200, "{}")]).await;
    let worker = worker(settings("replicate", &fake.url));
    let mut reply = ask(&worker, true).await.unwrap();
    assert!(reply.frames.next().await.is_some());
    drop(reply);
    seen(&fake, CANCEL).await;
    assert_eq!(lines(&fake), [CREATE, EVENTS, CANCEL]);
}

#[tokio::test]
async fn a_stream_that_is_silent_or_fails_is_a_failure() {
    let mut settings = settings("replicate", "");
    settings.timeouts.stream_idle = Duration::from_millis(200);
    settings.timeouts.first_token = Some(Duration::from_millis(400));
    let mut stalled = stream(&[("output", "Hello")]);
    stalled.push(Act::Hold);
    let failed = stream(&[("error", "the GPU is gone"), ("done", "{\"reason\": \"error\"}")]);
    let silent = vec![Act::Send(STREAM.to_owned()), Act::Hold];
    for (told, class, cancels) in [
        (stalled, FailureClass::Cut, true),
        (silent, FailureClass::Silent, true),
        (failed, FailureClass::Transient, false),
    ] {
        let fake = Fake::start(vec![said(201, &open()), told, said(200, "{}")]).await;
        settings.base_url = Some(fake.url.clone());
        let worker = worker(settings.clone());
        let fault = match ask(&worker, true).await {
            Ok(reply) => drain(reply).await.1.fault.unwrap(),
            Err(fault) => fault,
        };
        assert_eq!(fault.detail.class, Some(class), "{fault}");
        if cancels {
            seen(&fake, CANCEL).await;
        } else {
            assert!(fault.detail.message.contains("the GPU is gone"), "{fault}");
            assert_eq!(lines(&fake), [CREATE, EVENTS]);
        }
    }
}

#[tokio::test]
async fn an_answer_cannot_send_us_elsewhere() {
    let other = Fake::start(vec![said(200, &done()); 3]).await;
    let elsewhere = open().replace("https://api.replicate.com", &other.url);
    for stream in [false, true] {
        let fake = Fake::start(vec![said(201, &elsewhere)]).await;
        let worker = worker(settings("replicate", &fake.url));
        let fault = ask(&worker, stream).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::UpstreamBroken, "{fault}");
        assert!(fault.detail.message.contains("none of its hosts"), "{fault}");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_key_says_through_which_door_models_are_asked() {
    let version = format!("acme/x:{}", "a".repeat(64));
    for (model, deployments, line, body) in [
        (MODEL, None, CREATE, r#"{"input":{"prompt":"Hi"}}"#.to_owned()),
        (MODEL, Some(false), CREATE, r#"{"input":{"prompt":"Hi"}}"#.to_owned()),
        (
            "acme/mine",
            Some(true),
            "POST /v1/deployments/acme/mine/predictions",
            r#"{"input":{"prompt":"Hi"}}"#.to_owned(),
        ),
        (
            version.as_str(),
            Some(true),
            "POST /v1/predictions",
            format!(r#"{{"version":"{version}","input":{{"prompt":"Hi"}}}}"#),
        ),
    ] {
        let fake = Fake::start(vec![said(201, &done())]).await;
        let mut settings = settings("replicate", &fake.url);
        settings.keys[0].model.choices.deployments = deployments;
        let worker = worker(settings);
        let request = WorkerRequest { model: model.into(), ..request(&worker, false) };
        let asked = Body::Full(bytes::Bytes::from_static(ASKED.as_bytes()));
        worker.call(context(), request, asked).await.unwrap();
        assert_eq!(lines(&fake), [line]);
        assert!(fake.requests()[0].ends_with(&body), "{:?}", fake.requests());
    }
    let fake = Fake::start(Vec::new()).await;
    let worker = worker(settings("replicate", &fake.url));
    let model = "meta/../../deployments/acme/mine".into();
    let request = WorkerRequest { model, ..request(&worker, false) };
    let asked = Body::Full(bytes::Bytes::from_static(ASKED.as_bytes()));
    let fault = worker.call(context(), request, asked).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::InvalidRequest, "{fault}");
    assert!(fake.requests().is_empty());
}

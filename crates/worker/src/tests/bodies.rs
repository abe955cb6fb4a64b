//! Bodies as servers really send them: of any type and encoding, with marks, numbers that are none, and
//! whole where a stream was asked for; and connections that are closed while they lie idle.

use weir_rpc::WorkerService;
use weir_types::{Dialect, FailureClass, FaultCode};

use super::fake::{LAST, STREAM, chunk, json};
use super::*;

const ANSWER: &str = r#"{"id":"1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn typed(status: u16, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{content_type}content-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn events_are_read_under_any_type_or_none() {
    for content_type in [
        "content-type: text/plain\r\n",
        "",
        "content-type: application/json\r\n",
        "content-type: ?\r\n",
    ] {
        for mark in ["", "\u{feff}"] {
            let body = format!("{mark}{TEXT}{STOP}{DONE}");
            let fake = Fake::once(typed(200, content_type, &body)).await;
            let reply = chat(&worker(settings("openai", &fake.url)), true).await.unwrap();
            assert_eq!(reply.head.content_type, "text/event-stream");
            let (text, end) = drain(reply).await;
            assert_eq!((text, end.fault), (format!("{TEXT}{STOP}{DONE}"), None), "{content_type}");
        }
    }
}

#[tokio::test]
async fn a_whole_answer_in_place_of_a_stream_becomes_one() {
    for content_type in
        ["content-type: application/json\r\n", "content-type: text/event-stream\r\n"]
    {
        let fake = Fake::once(typed(200, content_type, &format!("\u{feff}{ANSWER}"))).await;
        let reply = chat(&worker(settings("openai", &fake.url)), true).await.unwrap();
        assert_eq!(reply.head.content_type, "text/event-stream");
        let (text, end) = drain(reply).await;
        assert!(text.contains(r#""delta":{"role":"assistant","content":"hi"}"#), "{text}");
        assert!(text.ends_with(DONE) && text.contains("chat.completion.chunk"), "{text}");
        assert_eq!((end.finish.as_deref(), end.fault), (Some("stop"), None));
    }
    // The same for a client of another format.
    let fake = Fake::once(json(200, "", ANSWER)).await;
    let worker = worker(settings("openai", &fake.url));
    let request =
        weir_rpc::WorkerRequest { dialect: Dialect::AnthropicMessages, ..request(&worker, true) };
    let body =
        br#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    let call = worker.call(context(), request, weir_rpc::Body::Full(body.as_slice().into()));
    let (text, end) = drain(call.await.unwrap()).await;
    assert!(text.contains("\"text\":\"hi\"") && text.contains("message_stop"), "{text}");
    assert_eq!(end.fault, None);
}

#[tokio::test]
async fn numbers_that_are_none_pass_untouched() {
    let answer = ANSWER.replace(r#""index":0"#, r#""index":0,"logprob":-Infinity,"x":NaN"#);
    let fake = Fake::once(json(200, "", &answer)).await;
    let (text, _) = drain(chat(&worker(settings("openai", &fake.url)), false).await.unwrap()).await;
    assert_eq!(text, answer);
    let odd = TEXT.replace("\"delta\"", "\"x\":[NaN,Infinity],\"delta\"");
    let stream = vec![
        Act::Send(STREAM.to_owned()),
        Act::Send(chunk(&odd)),
        Act::Send(chunk(&(odd.clone() + STOP + DONE))),
        Act::Send(LAST.to_owned()),
    ];
    let fake = Fake::start(vec![stream]).await;
    let (text, end) =
        drain(chat(&worker(settings("openai", &fake.url)), true).await.unwrap()).await;
    assert_eq!((text, end.fault), (format!("{odd}{odd}{STOP}{DONE}"), None));
}

#[tokio::test]
async fn a_whole_answer_is_json_whatever_it_is_called() {
    for content_type in ["content-type: text/plain\r\n", ""] {
        let fake = Fake::once(typed(200, content_type, &format!("\u{feff}{ANSWER}"))).await;
        let reply = chat(&worker(settings("openai", &fake.url)), false).await.unwrap();
        assert_eq!(reply.head.content_type, "application/json");
        assert_eq!(drain(reply).await.0, ANSWER);
    }
}

#[tokio::test]
async fn reasons_are_told_whatever_they_are_written_in_and_where_they_come_from() {
    for (path, content_type, body, expected) in [
        ("", "text/plain", "404 page not found\n", "/v1/chat/completions: 404 page not found"),
        (
            "",
            "text/html",
            "<html><title>Not here</title><body><h1>Go &amp; look</h1></body>",
            "/v1/chat/completions: Not here Go & look",
        ),
        ("", "text/plain", &format!("bad key {SECRET}"), ": bad key [redacted]"),
        ("", "text/plain", "", "answered 404 to POST"),
    ] {
        let answer = typed(404, &format!("content-type: {content_type}\r\n"), body);
        let fake = Fake::once(answer).await;
        let url = format!("{}{path}", fake.url);
        let fault = chat(&worker(settings("openai", &url)), false).await.unwrap_err();
        let message = &fault.detail.message;
        assert!(message.contains(expected), "{message}");
        let host = fake.url.trim_start_matches("http://");
        assert!(message.contains(&format!("to POST {host}/v1")), "{message}");
    }
    let long = typed(500, "", &"x ".repeat(9999));
    let fault = chat(&worker(settings("openai", &Fake::once(long).await.url)), false).await;
    assert!(fault.unwrap_err().detail.message.len() < 700);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_costs_nothing() {
    let answer = || Act::Send(json(200, "", ANSWER));
    // The second request of each connection meets its end.
    let fake = Fake::start(vec![
        vec![answer()],
        vec![Act::Close],
        vec![answer()],
        vec![Act::Reset],
        vec![answer()],
    ])
    .await;
    let worker = worker(settings("openai", &fake.url));
    for _ in 0..3 {
        let reply = chat(&worker, false).await.unwrap();
        assert!(reply.head.attempts.is_empty(), "{:?}", reply.head.attempts);
        assert_eq!(drain(reply).await.0, ANSWER);
    }
    assert_eq!((fake.requests().len(), fake.connections()), (5, 3));
}

#[tokio::test]
async fn only_a_used_connection_without_a_byte_of_an_answer_is_replaced() {
    let answer = || Act::Send(json(200, "", ANSWER));
    for (name, script, class) in [
        ("a fresh one", vec![vec![Act::Close], vec![answer()]], FailureClass::Transient),
        (
            "an answer that has begun",
            vec![vec![answer()], vec![Act::Send("HTTP/1.1 200".to_owned()), Act::Close]],
            FailureClass::Transient,
        ),
        (
            "one after the other",
            vec![vec![answer()], vec![Act::Close], vec![Act::Close], vec![answer()]],
            FailureClass::Transient,
        ),
    ] {
        let fake = Fake::start(script).await;
        let worker = worker(settings("openai", &fake.url));
        let mut requests = 1;
        if name != "a fresh one" {
            drain(chat(&worker, false).await.unwrap()).await;
            requests = if name.starts_with("one") { 3 } else { 2 };
        }
        let fault = chat(&worker, false).await.unwrap_err();
        assert_eq!(fault.detail.class, Some(class), "{name}: {fault}");
        assert_ne!(fault.code, FaultCode::Internal);
        assert_eq!(fake.requests().len(), requests, "{name}");
    }
}

#[tokio::test]
async fn an_event_may_be_as_long_as_the_settings_say() {
    let image = TEXT.replace("\"a\"", &format!("\"{}\"", "A".repeat(1_200_000)));
    for (max, fits) in [(2 << 20, true), (1 << 20, false)] {
        let stream = vec![
            Act::Send(STREAM.to_owned()),
            Act::Send(chunk(TEXT)),
            Act::Send(chunk(&image)),
            Act::Send(chunk(&(STOP.to_owned() + DONE))),
            Act::Send(LAST.to_owned()),
        ];
        let fake = Fake::start(vec![stream]).await;
        let mut settings = settings("openai", &fake.url);
        settings.event_bytes_max = max;
        let (text, end) = drain(chat(&worker(settings), true).await.unwrap()).await;
        assert_eq!(text.ends_with(DONE), fits, "{max}");
        assert_eq!(end.fault.is_none(), fits, "{max}");
        let named =
            end.fault.is_none_or(|fault| fault.detail.message.contains("max_event_size_mb"));
        assert!(named);
    }
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_the_settings_say() {
    // The first as 2,048 embeddings of 3,072 numbers are.
    for (length, max, fits) in [(65 << 20, 70 << 20, true), (2 << 20, 2 << 20, false)] {
        let big = ANSWER.replace("hi", &"x".repeat(length));
        let fake = Fake::start(vec![vec![Act::Send(json(200, "", &big))]]).await;
        let mut settings = settings("openai", &fake.url);
        settings.answer_bytes_max = max;
        match chat(&worker(settings), false).await {
            Ok(reply) => assert!(fits && drain(reply).await.0.len() == big.len(), "{max}"),
            Err(fault) => {
                assert!(!fits && fault.detail.message.contains("max_answer_size_mb"), "{fault}");
            }
        }
    }
}

#[tokio::test]
async fn answers_that_are_held_share_one_bound() {
    let big = ANSWER.replace("hi", &"x".repeat(3 << 20));
    let answer = || vec![Act::Send(json(200, "", &big))];
    let fake = Fake::start(vec![answer(), answer(), answer()]).await;
    let mut settings = settings("openai", &fake.url);
    settings.answer_bytes_max = 9 << 20;
    settings.memory = crate::Memory::new(5 << 20, weir_budget::Budget::default());
    let worker = worker(settings);
    let first = chat(&worker, false).await.unwrap();
    // It is held until it is taken.
    let fault = chat(&worker, false).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::Unavailable);
    assert_eq!(fault.detail.class, Some(FailureClass::Unusable));
    assert!(fault.detail.message.contains("max_buffered_answers_mb"), "{fault}");
    assert_eq!(drain(first).await.0.len(), big.len());
    assert_eq!(drain(chat(&worker, false).await.unwrap()).await.0.len(), big.len());
}

#[tokio::test]
async fn a_long_event_has_to_find_room() {
    let image = TEXT.replace("\"a\"", &format!("\"{}\"", "A".repeat(3 << 20)));
    let stream = vec![
        Act::Send(STREAM.to_owned()),
        Act::Send(chunk(TEXT)),
        Act::Send(chunk(&image)),
        Act::Send(LAST.to_owned()),
    ];
    let fake = Fake::start(vec![stream]).await;
    let mut settings = settings("openai", &fake.url);
    settings.event_bytes_max = 9 << 20;
    settings.memory = crate::Memory::new(2 << 20, weir_budget::Budget::default());
    let (_, end) = drain(chat(&worker(settings), true).await.unwrap()).await;
    let fault = end.fault.unwrap();
    assert!(fault.detail.message.contains("max_buffered_answers_mb"), "{fault}");
}

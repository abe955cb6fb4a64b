//! Client and provider speak different formats: what one says is said in the words of the other, and
//! what cannot be is named.

use serde_json::{Value, json};

use crate::bench::{Bench, Links};
use crate::over_both;
use crate::wire::within;

over_both!(
    whole_to_openai,
    stream_to_openai,
    whole_from_openai,
    stream_from_openai,
    stream_is_not_held_back,
    what_cannot_be_said_is_refused,
);

const NDJSON: &str = "application/x-ndjson";
const SSE: &str = "text/event-stream";

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(bytes)))
}

async fn whole_to_openai(links: Links) {
    let mut bench = Bench::new(links).await;
    let said = json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "a",
        "choices": [{ "index": 0, "finish_reason": "length",
            "message": { "role": "assistant", "content": "hello" } }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8 },
    });
    bench.provider.answers(200, "application/json", said.to_string().as_bytes());
    let body = r#"{"m":"talker/a","say":[["s","brief"],["u","hi"]],"cap":9,"mood":"calm"}"#;
    let answer = bench.post("/probe/talk", body).await;
    assert_eq!(answer.text(), r#"{"said":"hello","why":"full","in":3,"out":5}"#);
    assert_eq!(answer.head.header("x-weir-losses"), Some("mood"));
    let (head, body) = bench.provider.request().await;
    assert_eq!(head.first, "POST /v1/chat/completions HTTP/1.1");
    let body = parsed(&body);
    assert_eq!((&body["model"], body["messages"].as_array().unwrap().len()), (&json!("a"), 2));
    assert_eq!(body["messages"][1], json!({ "role": "user", "content": "hi" }));
    assert!(body["max_tokens"] == 9 || body["max_completion_tokens"] == 9, "{body}");
}

const STREAM: &str = r#"{"m":"talker/a","live":true,"say":[["u","hi"]]}"#;
const EVENTS: [&str; 6] = [
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"he\"}}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"llo\"}}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\
     \"completion_tokens\":5}}\n\n",
    "data: [DONE]\n\n",
];

async fn stream_to_openai(links: Links) {
    let mut bench = Bench::new(links).await;
    bench.provider.streams(SSE, &EVENTS);
    // Some hosts leave the last event out, and some the end of the connection.
    bench.provider.streams(SSE, &EVENTS[..5]);
    bench.provider.streams_on(SSE, &EVENTS);
    for _ in 0..3 {
        let answer = bench.post("/probe/talk", STREAM).await;
        assert_eq!(answer.head.header("content-type"), Some(NDJSON));
        let lines = "{\"+\":\"he\"}\n{\"+\":\"llo\"}\n{\"end\":\"end\",\"in\":3,\"out\":5}\n";
        assert_eq!(answer.text(), lines);
    }
    let (_, body) = bench.provider.request().await;
    let body = parsed(&body);
    assert_eq!(
        (&body["stream"], &body["stream_options"]["include_usage"]),
        (&json!(true), &json!(true))
    );
}

async fn whole_from_openai(links: Links) {
    let mut bench = Bench::new(links).await;
    bench.provider.answers(200, "text/plain", br#"{"said":"hello","why":"hush","in":3,"out":5}"#);
    let body = r#"{"model":"probe/a","temperature":0.5,"seed":7,"max_completion_tokens":9,
        "messages":[{"role":"system","content":"brief"},{"role":"user","content":"hi"}]}"#;
    let answer = bench.post("/v1/chat/completions", body).await;
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    assert_eq!(answer.head.header("x-weir-losses"), Some("seed, temperature"));
    let said = parsed(&answer.body);
    assert_eq!(said["choices"][0]["message"]["content"], "hello");
    assert_eq!(said["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(
        (&said["usage"]["prompt_tokens"], &said["usage"]["total_tokens"]),
        (&json!(3), &json!(8))
    );
    let (head, body) = bench.provider.request().await;
    assert_eq!(head.first, "POST /talk HTTP/1.1");
    let expected = r#"{"m":"a","say":[["s","brief"],["u","hi"]],"live":false,"cap":9}"#;
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

async fn stream_from_openai(links: Links) {
    let mut bench = Bench::new(links).await;
    let lines = "{\"+\":\"he\"}\n{\"+\":\"llo\"}\n{\"end\":\"full\",\"in\":3,\"out\":5}\n";
    // Also where the provider leaves the last line open.
    for pieces in [&[lines, ""][..1], &[&lines[..30], lines[30..].trim_end()]] {
        bench.provider.streams(NDJSON, pieces);
        let body = r#"{"model":"probe/a","stream":true,"stream_options":{"include_usage":true},
            "seed":7,"messages":[{"role":"user","content":"hi"}]}"#;
        let answer = bench.post("/v1/chat/completions", body).await;
        assert_eq!(answer.head.header("content-type"), Some(SSE));
        assert_eq!(answer.head.header("x-weir-losses"), Some("seed"));
        let text = answer.text();
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        let events = text.split("\n\n").filter_map(|event| event.strip_prefix("data: {"));
        let events: Vec<_> = events.map(|event| parsed(format!("{{{event}").as_bytes())).collect();
        let delta =
            |event: &Value| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned);
        assert_eq!(events.iter().filter_map(delta).collect::<String>(), "hello");
        assert!(events.iter().any(|event| event["choices"][0]["finish_reason"] == "length"));
        assert!(events.iter().any(|event| event["usage"]["completion_tokens"] == 5));
        assert_eq!(parsed(&bench.provider.request().await.1)["live"], true);
    }
}

/// What the provider has said is with the client before it says more.
async fn stream_is_not_held_back(links: Links) {
    let bench = Bench::new(links).await;
    // The stream has no end: a client that waited for it would wait for ever.
    bench.provider.streams_on(NDJSON, &["{\"+\":\"early\"}\n"]);
    let body = r#"{"model":"probe/a","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let mut client = bench.asks("/v1/chat/completions", body).await;
    assert_eq!(within(client.head()).await.unwrap().status(), 200);
    client.until("early").await;
}

async fn what_cannot_be_said_is_refused(links: Links) {
    let bench = Bench::new(links).await;
    let body = r#"{"model":"probe/a","messages":[{"role":"user","content":"hi"}],"tools":[
        {"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]}"#;
    let answer = bench.post("/v1/chat/completions", body).await;
    let error = parsed(&answer.body);
    assert_eq!((answer.head.status(), &error["error"]["param"]), (400, &json!("tools")), "{error}");
    // Another provider may be able to serve it.
    let said = br#"{"id":"x","choices":[{"index":0,"message":{"content":"y"}}]}"#;
    bench.provider.answers(200, "application/json", said);
    let body = body.replacen('{', r#"{"fallbacks":["talker/b"],"#, 1);
    let answer = bench.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.head.header("x-weir-provider"), Some("talker"), "{}", answer.text());
}

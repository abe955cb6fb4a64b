//! What fails is told in the client's format, wherever it fails: at the edge, before the commit point,
//! after it.

use serde_json::Value;

use crate::bench::{Bench, Links};
use crate::over_both;
use crate::wire::Answer;

over_both!(
    at_the_edge,
    error_in_a_stream_of_the_same_format,
    before_the_commit_point,
    error_event_before_the_commit_point,
    after_the_commit_point_for_the_probe,
    after_the_commit_point_for_openai,
);

const NDJSON: &str = "application/x-ndjson";
const SSE: &str = "text/event-stream";
const TEXT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";

fn probe(model: &str) -> String {
    format!(r#"{{"m":"{model}","live":true,"say":[["u","hi"]]}}"#)
}

fn openai(model: &str) -> String {
    format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

fn oops(text: &str) -> (String, u64) {
    let error: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}"));
    (error["oops"].as_str().expect(text).to_owned(), error["n"].as_u64().expect(text))
}

fn check_oops(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.head.header("content-type"), Some("application/json"));
    let (text, number) = oops(answer.text());
    assert_eq!((answer.head.status(), number), (status, u64::from(status)), "{text}");
    assert!(text.contains(part), "{text}");
}

async fn at_the_edge(links: Links) {
    let bench = Bench::new(links).await;
    check_oops(&bench.post("/probe/talk", r#"{"say":[]}"#).await, 400, "`m` is missing");
    check_oops(&bench.post("/probe/talk", "{").await, 400, "line 1");
    check_oops(&bench.post("/probe/talk", &probe("nobody/x")).await, 400, "nobody");
    check_oops(&bench.post("/probe/nothing", "{}").await, 404, "POST /probe/talk");
    check_oops(&bench.get("/probe/talk").await, 405, "POST");
}

async fn error_in_a_stream_of_the_same_format(links: Links) {
    let bench = Bench::new(links).await;
    bench.provider.streams(NDJSON, &["{\"+\":\"a\"}\n", "{\"oops\":\"broke\",\"n\":503}\n"]);
    let answer = bench.post("/probe/talk", &probe("probe/a")).await;
    let lines: Vec<_> = answer.text().lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "{\"+\":\"a\"}"));
    let (text, number) = oops(lines[1]);
    assert!(text.contains("broke") && number == 503, "{text} {number}");

    bench.provider.cuts(NDJSON, &["{\"+\":\"a\"}\n", "{\"+\":"]);
    let answer = bench.post("/probe/talk", &probe("probe/a")).await;
    let lines: Vec<_> = answer.text().lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "{\"+\":\"a\"}"), "no half of an event");
    assert_eq!(oops(lines[1]).1, 502);
}

async fn before_the_commit_point(links: Links) {
    let bench = Bench::new(links).await;
    let error = br#"{"error":{"message":"not today","type":"x","code":"y"}}"#;
    bench.provider.answers(403, "application/json", error);
    let answer = bench.post("/probe/talk", &probe("talker/a")).await;
    check_oops(&answer, 403, "not today");

    bench.provider.answers(403, "application/json", br#"{"oops":"not today","n":403}"#);
    let answer = bench.post("/v1/chat/completions", &openai("probe/a")).await;
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.head.status(), &error["error"]["message"]), (403, &"not today".into()));
}

async fn error_event_before_the_commit_point(links: Links) {
    let bench = Bench::new(links).await;
    bench.provider.streams(SSE, &["data: {\"error\":{\"message\":\"too much\",\"code\":400}}\n\n"]);
    let answer = bench.post("/probe/talk", &probe("talker/a")).await;
    assert!(answer.head.status() >= 400, "{answer:?}");
    assert_eq!(oops(answer.text()).0, "too much");

    bench.provider.streams(NDJSON, &["{\"oops\":\"too much\",\"n\":422}\n"]);
    let answer = bench.post("/v1/chat/completions", &openai("probe/a")).await;
    let error: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.head.status(), &error["error"]["message"]), (422, &"too much".into()));
}

async fn after_the_commit_point_for_the_probe(links: Links) {
    let bench = Bench::new(links).await;
    let error = "data: {\"error\":{\"message\":\"broke\",\"code\":503}}\n\n";
    bench.provider.streams(SSE, &[TEXT, error]);
    bench.provider.cuts(SSE, &[TEXT]);
    for part in ["broke", ""] {
        let answer = bench.post("/probe/talk", &probe("talker/a")).await;
        assert_eq!(answer.head.header("content-type"), Some(NDJSON));
        let lines: Vec<_> = answer.text().lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "{\"+\":\"a\"}"));
        let (text, number) = oops(lines[1]);
        assert!(text.contains(part) && number >= 500, "{text} {number}");
    }
}

async fn after_the_commit_point_for_openai(links: Links) {
    let bench = Bench::new(links).await;
    let text = "{\"+\":\"a\"}\n";
    bench.provider.streams(NDJSON, &[text, "{\"oops\":\"broke\",\"n\":503}\n"]);
    bench.provider.cuts(NDJSON, &[text]);
    for part in ["broke", ""] {
        let answer = bench.post("/v1/chat/completions", &openai("probe/a")).await;
        assert_eq!(answer.head.header("content-type"), Some(SSE));
        assert!(!answer.text().contains("[DONE]"), "{}", answer.text());
        let last = answer.text().trim_end().rsplit("data: ").next().unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        let message = last["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{last}");
    }
}

//! Streams: byte-exact relay, the commit point, and ends that tell the truth.

use std::time::Duration;

use weir_types::{Dialect, FailureClass, FaultCode, Operation};

use super::fake::{LAST, STREAM, chunk, json};
use super::*;
use crate::Worker;

const ROLE: &str =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const TEXT: &str =
    "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const ERROR: &str =
    "data: {\"error\":{\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}}\n\n";

fn events(events: &[&str]) -> Vec<Act> {
    let mut acts = vec![Act::Send(STREAM.to_owned())];
    acts.extend(events.iter().map(|event| Act::Send(chunk(event))));
    acts
}

fn then(mut acts: Vec<Act>, more: &[Act]) -> Vec<Act> {
    acts.extend_from_slice(more);
    acts
}

fn last() -> Act {
    Act::Send(LAST.to_owned())
}

#[tokio::test]
async fn a_stream_passes_as_it_came_and_its_connection_is_used_again() {
    let script = || then(events(&[ROLE, ": hi\n\n", TEXT, TEXT, STOP, USAGE, DONE]), &[last()]);
    let fake = Fake::start(vec![script(), script()]).await;
    let worker = worker(settings("openai", &fake.url));
    for _ in 0..2 {
        let reply = chat(&worker, true).await.unwrap();
        assert_eq!(reply.head.content_type, "text/event-stream");
        let (text, end) = drain(reply).await;
        // Before the commit point a comment is not kept.
        assert_eq!(text, format!("{ROLE}{TEXT}{TEXT}{STOP}{USAGE}{DONE}"));
        assert_eq!((end.usage.input_tokens, end.usage.output_tokens), (3, 5));
        assert_eq!((end.finish.as_deref(), end.fault), (Some("stop"), None));
        // The rest of the connection's answer is read behind the reply's back.
        while worker.live.present().transport.calls_in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(fake.connections(), 1);
    assert!(fake.requests()[0].contains("accept: text/event-stream\r\n"));
}

#[tokio::test]
async fn a_complete_stream_without_its_marker_gets_one() {
    let plain_end = then(events(&[TEXT, STOP, USAGE]), &[last(), Act::Close]);
    let fake = Fake::start(vec![plain_end]).await;
    let (text, end) = drain(chat(&worker(settings("groq", &fake.url)), true).await.unwrap()).await;
    assert_eq!(text, format!("{TEXT}{STOP}{USAGE}{DONE}"));
    assert_eq!((end.usage.output_tokens, end.fault), (5, None));
    // An empty answer is an answer.
    let fake = Fake::start(vec![then(events(&[ROLE, STOP]), &[last()])]).await;
    let (text, end) = drain(chat(&worker(settings("groq", &fake.url)), true).await.unwrap()).await;
    assert_eq!((text, end.fault), (format!("{ROLE}{STOP}{DONE}"), None));
}

#[tokio::test]
async fn a_reset_after_the_finish_is_an_end_only_where_no_marker_is_due() {
    let script = || vec![then(events(&[TEXT, STOP]), &[Act::Reset])];
    let fake = Fake::start(script()).await;
    let reply = chat(&worker(settings("cerebras", &fake.url)), true).await.unwrap();
    let (text, end) = drain(reply).await;
    assert_eq!((text, end.fault), (format!("{TEXT}{STOP}{DONE}"), None));
    // Nor does it matter there that the connection stays open.
    let fake = Fake::start(vec![then(events(&[TEXT, STOP]), &[Act::Hold])]).await;
    let mut patient = settings("cerebras", &fake.url);
    patient.timeouts.stream_idle = Duration::from_millis(100);
    let (text, end) = drain(chat(&worker(patient), true).await.unwrap()).await;
    assert_eq!((text, end.fault), (format!("{TEXT}{STOP}{DONE}"), None));
    let fake = Fake::start(script()).await;
    let reply = chat(&worker(settings("groq", &fake.url)), true).await.unwrap();
    let (text, end) = drain(reply).await;
    assert!(!text.contains("[DONE]"));
    assert_eq!(end.fault.unwrap().detail.class, Some(FailureClass::Cut));
}

#[tokio::test]
async fn a_break_after_content_is_told_and_never_marked_as_done() {
    let partial = "data: {\"choices\":[{\"del";
    for (name, script) in [
        ("reset", then(events(&[TEXT, TEXT]), &[Act::Reset])),
        ("close without end", then(events(&[TEXT, TEXT]), &[Act::Close])),
        ("end without finish", then(events(&[TEXT, TEXT]), &[last()])),
        ("end within an event", then(events(&[TEXT, TEXT, partial]), &[last()])),
        ("garbage", then(events(&[TEXT, TEXT, "data: {oops\n\n", TEXT, DONE]), &[last()])),
        ("error", then(events(&[TEXT, TEXT, ERROR, TEXT, DONE]), &[last()])),
        ("too long", then(events(&[TEXT, TEXT, &"x".repeat(1 << 20), "xx"]), &[Act::Hold])),
    ] {
        let fake = Fake::start(vec![script]).await;
        let reply = chat(&worker(settings("openai", &fake.url)), true).await.unwrap();
        let (text, end) = drain(reply).await;
        assert_eq!(text, format!("{TEXT}{TEXT}"), "{name}");
        let fault = end.fault.expect(name);
        assert_eq!(fault.detail.class, Some(FailureClass::Cut), "{name}");
        assert_eq!(fault.detail.upstream.is_some(), name == "error", "{name}");
    }
}

#[tokio::test]
async fn a_stall_ends_the_stream_and_the_connection() {
    let mut fake = Fake::start(vec![then(events(&[TEXT]), &[Act::Hold])]).await;
    let mut settings = settings("openai", &fake.url);
    settings.timeouts.stream_idle = Duration::from_millis(100);
    let (text, end) = drain(chat(&worker(settings), true).await.unwrap()).await;
    assert_eq!(text, TEXT);
    let fault = end.fault.unwrap();
    assert_eq!(fault.code, FaultCode::UpstreamTimedOut);
    assert_eq!(fault.detail.class, Some(FailureClass::Cut));
    tokio::time::timeout(Duration::from_secs(1), fake.closed.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_break_before_content_is_an_attempt_that_failed() {
    let quiet = [ROLE, ": working\n\n", USAGE];
    for (name, script, code, class) in [
        (
            "reset",
            then(events(&quiet), &[Act::Reset]),
            FaultCode::UpstreamBroken,
            FailureClass::Transient,
        ),
        (
            "end",
            then(events(&quiet), &[last()]),
            FaultCode::UpstreamBroken,
            FailureClass::Transient,
        ),
        (
            "garbage",
            events(&[ROLE, "data: <\n\n"]),
            FaultCode::UpstreamBroken,
            FailureClass::Unusable,
        ),
        ("error", events(&[ERROR]), FaultCode::UpstreamRejected, FailureClass::RateLimited),
        (
            "late error",
            events(&[ROLE, ERROR]),
            FaultCode::UpstreamRejected,
            FailureClass::RateLimited,
        ),
        (
            "plain error",
            events(&["event: error\ndata: overloaded\n\n"]),
            FaultCode::UpstreamRejected,
            FailureClass::Transient,
        ),
    ] {
        let fake = Fake::start(vec![script]).await;
        let fault = chat(&worker(settings("openai", &fake.url)), true).await.unwrap_err();
        assert_eq!((fault.code, fault.detail.class), (code, Some(class)), "{name}: {fault}");
    }
}

#[tokio::test]
async fn silence_before_content_ends_at_the_first_token_limit() {
    let fake = Fake::start(vec![then(events(&[ROLE]), &[Act::Hold])]).await;
    let mut settings = settings("openai", &fake.url);
    settings.timeouts.first_token = Some(Duration::from_millis(100));
    let fault = chat(&worker(settings), true).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UpstreamTimedOut);
    assert_eq!(fault.detail.class, Some(FailureClass::Silent));
}

#[tokio::test]
async fn a_success_that_is_no_stream_is_a_failure() {
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    let fake = Fake::once(html).await;
    let fault = chat(&worker(settings("openai", &fake.url)), true).await.unwrap_err();
    assert_eq!(
        (fault.code, fault.detail.class),
        (FaultCode::UpstreamBroken, Some(FailureClass::Unusable))
    );
    assert!(!fault.detail.message.contains('<'), "{fault}");
    let fake = Fake::once(json(200, "", r#"{"error":{"message":"x","code":400}}"#)).await;
    let fault = chat(&worker(settings("openai", &fake.url)), true).await.unwrap_err();
    assert_eq!((fault.http_status(), fault.detail.class), (400, Some(FailureClass::Caller)));
    let fake = Fake::once(json(429, "retry-after: 1\r\n", "{}")).await;
    let fault = chat(&worker(settings("openai", &fake.url)), true).await.unwrap_err();
    assert_eq!(fault.detail.retry_after, Some(Duration::from_secs(1)));
}

/// Comments after `events` for as long as anybody listens, faster than any limit here.
fn chatter(before: &[&str]) -> Vec<Act> {
    let comment = || Act::Send(chunk(": hi\n\n"));
    then(
        events(before),
        &(0..500)
            .flat_map(|_| [comment(), Act::Pause(Duration::from_millis(20))])
            .collect::<Vec<_>>(),
    )
}

#[tokio::test]
async fn after_a_finish_reason_every_stream_ends_soon_comments_or_not() {
    for vendor in ["openai", "groq", "cerebras"] {
        let held = then(events(&[TEXT, STOP, USAGE]), &[Act::Hold]);
        for script in [held, chatter(&[TEXT, STOP, USAGE])] {
            let fake = Fake::start(vec![script]).await;
            let mut settings = settings(vendor, &fake.url);
            settings.timeouts.stream_idle = Duration::from_millis(200);
            let begun = std::time::Instant::now();
            let (text, end) = drain(chat(&worker(settings), true).await.unwrap()).await;
            let text = text.replace(": hi\n\n", "");
            assert_eq!((text, end.fault), (format!("{TEXT}{STOP}{USAGE}{DONE}"), None), "{vendor}");
            assert_eq!(end.usage.output_tokens, 5);
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    }
}

#[tokio::test]
async fn before_it_comments_keep_a_stream_alive_for_a_while() {
    let mut patient = settings("openai", "");
    patient.timeouts.stream_idle = Duration::from_millis(1000);
    patient.timeouts.stream_comments = Duration::from_millis(2500);
    // They are more than silence.
    let comments: Vec<_> = (0..12)
        .flat_map(|_| [Act::Send(chunk(": hi\n\n")), Act::Pause(Duration::from_millis(120))])
        .collect();
    let rest: Vec<_> = [STOP, DONE].iter().map(|event| Act::Send(chunk(event))).collect();
    let script = [events(&[TEXT]), comments.clone(), events(&[])[1..].to_vec(), rest].concat();
    let fake = Fake::start(vec![then(script, &[last()])]).await;
    let alive = crate::Settings { base_url: Some(fake.url.clone()), ..patient.clone() };
    let (text, end) = drain(chat(&worker(alive), true).await.unwrap()).await;
    assert!(text.ends_with(DONE) && end.fault.is_none(), "{text} {:?}", end.fault);
    // But not for good.
    let fake = Fake::start(vec![chatter(&[TEXT])]).await;
    let stuck = crate::Settings { base_url: Some(fake.url.clone()), ..patient };
    let begun = std::time::Instant::now();
    let (text, end) = drain(chat(&worker(stuck), true).await.unwrap()).await;
    assert!(!text.contains("[DONE]"));
    assert_eq!(end.fault.unwrap().code, FaultCode::UpstreamTimedOut);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(2500) && took < Duration::from_secs(9), "{took:?}");
}

const MESSAGE: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\
    \"role\":\"assistant\",\"content\":[],\"model\":\"c\"}}\n\nevent: content_block_start\ndata: {\
    \"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const WORDS: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
    \"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n";
const RESPONSE: &str = "event: response.output_text.delta\ndata: {\
    \"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";

/// How a provider of `vendor` begins a stream, and what it keeps its connection open with.
struct Idler {
    client: Dialect,
    vendor: &'static str,
    begins: [&'static str; 2],
    keeps: &'static str,
}

const fn idler(
    client: Dialect,
    vendor: &'static str,
    begins: [&'static str; 2],
    keeps: &'static str,
) -> Idler {
    Idler { client, vendor, begins, keeps }
}

impl Idler {
    /// What becomes of a stream that is kept open so for `count` times 50 ms, with `every` in
    /// between, where that may be all for 1.5 s.
    async fn answers(&self, count: usize, every: &str) -> (String, weir_rpc::End) {
        let pause = Act::Pause(Duration::from_millis(50));
        let kept = (0..count).flat_map(|at| {
            let more = if at % 10 == 9 { every } else { "" };
            [Act::Send(chunk(&format!("{}{more}", self.keeps))), pause.clone()]
        });
        let script = then(events(&self.begins), &kept.collect::<Vec<_>>());
        let fake = Fake::start(vec![then(script, &[Act::Close])]).await;
        let mut settings = settings(self.vendor, &fake.url);
        settings.timeouts.stream_comments = Duration::from_millis(1500);
        let worker = worker(settings);
        let operation = match self.client {
            Dialect::OpenAiResponses => Operation::Responses,
            _ => Operation::Chat,
        };
        let mut request = request(&worker, true);
        (request.dialect, request.operation) = (self.client, operation);
        let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
        drain(send_body(&worker, request, body).await.unwrap()).await
    }
}

const IDLERS: [Idler; 8] = [
    idler(
        Dialect::AnthropicMessages,
        "anthropic",
        [MESSAGE, WORDS],
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    ),
    idler(
        Dialect::AnthropicMessages,
        "anthropic",
        [MESSAGE, WORDS],
        "data: {\"type\":\"ping\"}\n\n",
    ),
    // For a client that has no such event.
    idler(
        Dialect::OpenAiChat,
        "anthropic",
        [MESSAGE, WORDS],
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    ),
    idler(
        Dialect::OpenAiResponses,
        "openai",
        [RESPONSE, RESPONSE],
        "event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":3}\n\n",
    ),
    idler(
        Dialect::OpenAiChat,
        "openai",
        [ROLE, TEXT],
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    ),
    idler(Dialect::OpenAiChat, "openai", [ROLE, TEXT], "data: {\"choices\":[]}\n\n"),
    idler(Dialect::OpenAiChat, "openai", [ROLE, TEXT], "data:\n\n"),
    idler(Dialect::AnthropicMessages, "openai", [ROLE, TEXT], "event: ping\ndata: \n\n"),
];

#[tokio::test]
async fn events_that_say_nothing_are_no_more_than_comments() {
    let stuck = IDLERS.iter().map(async |idler| {
        let begun = std::time::Instant::now();
        let (_, end) = idler.answers(150, "").await;
        let fault = end.fault.expect(idler.keeps);
        assert_eq!(fault.code, FaultCode::UpstreamTimedOut, "{}: {fault}", idler.keeps);
        assert!(fault.detail.message.contains("stream_comment_timeout_in_seconds"), "{fault}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(1500) && took < Duration::from_secs(6), "{took:?}");
    });
    futures_util::future::join_all(stuck).await;
}

#[tokio::test]
async fn events_with_empty_data_are_not_passed_on() {
    let script = [ROLE, "data:\n\n", TEXT, "event: ping\ndata:\n\n", TEXT, STOP, DONE];
    for joined in [false, true] {
        let whole = script.concat();
        let sent = if joined { events(&[&whole]) } else { events(&script) };
        let fake = Fake::start(vec![then(sent, &[last()])]).await;
        let reply = chat(&worker(settings("openai", &fake.url)), true).await.unwrap();
        let (text, end) = drain(reply).await;
        assert_eq!((text, end.fault), (format!("{ROLE}{TEXT}{TEXT}{STOP}{DONE}"), None));
    }
}

#[tokio::test]
async fn between_pieces_of_an_answer_they_harm_nobody() {
    let alive = IDLERS.iter().map(async |idler| {
        // All of it is longer than the limit; it ends without a finish reason.
        let (text, end) = idler.answers(60, idler.begins[1]).await;
        let fault = end.fault.expect(idler.keeps);
        assert_eq!(fault.code, FaultCode::UpstreamBroken, "{}: {fault}", idler.keeps);
        let pieces = text.matches("\"a\"").count();
        assert!(pieces >= 7, "{}: {text}", idler.keeps);
    });
    futures_util::future::join_all(alive).await;
}

#[tokio::test]
async fn the_end_is_told_before_the_connection_is_read_to_its_end() {
    // The provider keeps its connection open after the last event.
    let held = then(events(&[TEXT, STOP, USAGE, DONE]), &[Act::Hold]);
    let fake = Fake::start(vec![held]).await;
    let worker = worker(settings("openai", &fake.url));
    let reply = chat(&worker, true).await.unwrap();
    let begun = std::time::Instant::now();
    let (_, end) = drain(reply).await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert_eq!((end.usage.output_tokens, end.fault), (5, None));
}

#[tokio::test]
async fn only_streams_have_a_first_token() {
    let answer = json(200, "", "{\"choices\":[]}");
    let stream = then(events(&[TEXT, STOP, DONE]), &[last()]);
    let fake = Fake::start(vec![vec![Act::Send(answer)], stream]).await;
    let shared = shared(settings("openai", &fake.url));
    let worker = Worker::new(std::sync::Arc::clone(&shared));
    let counted = || {
        let text = shared.telemetry.metrics.render();
        let line =
            text.lines().find(|line| line.contains("first_token") && line.contains("_count"));
        line.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().unwrap())
    };
    drain(chat(&worker, false).await.unwrap()).await;
    assert_eq!(counted(), 0);
    drain(chat(&worker, true).await.unwrap()).await;
    assert_eq!(counted(), 1);
}

/// A worker whose streams have to bring so many characters within a second.
fn paced(vendor: &str, url: &str, characters_per_second: u32) -> Worker {
    let mut settings = settings(vendor, url);
    let window = Duration::from_secs(1);
    settings.timeouts.pace = Some(crate::Pace { characters_per_second, window });
    worker(settings)
}

#[tokio::test]
async fn a_stream_that_begins_too_slowly_is_given_up() {
    let mut fake = Fake::start(vec![then(events(&[ROLE, TEXT]), &[Act::Hold])]).await;
    let fault = chat(&paced("groq", &fake.url, 50), true).await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Silent));
    assert!(fault.detail.message.contains("less than 50 characters"), "{fault:?}");
    fake.closed.recv().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_begins_fast_enough_passes_as_it_came() {
    let many: Vec<&str> = std::iter::repeat_n(TEXT, 50).collect();
    let script = then(events(&many), &[Act::Hold]);
    let fake = Fake::start(vec![script, then(events(&[TEXT, STOP, DONE]), &[last()])]).await;
    let worker = paced("groq", &fake.url, 50);
    // It has what is wanted, and needs no end.
    let mut reply = chat(&worker, true).await.unwrap();
    let mut length = 0;
    while length < 50 * TEXT.len() {
        let Some(weir_rpc::Frame::Chunk(chunk)) =
            futures_util::StreamExt::next(&mut reply.frames).await
        else {
            panic!("{length} bytes");
        };
        length += chunk.len();
    }
    drop(reply);
    let (text, end) = drain(chat(&worker, true).await.unwrap()).await;
    assert_eq!((text, end.fault), (format!("{TEXT}{STOP}{DONE}"), None));
}

#[tokio::test]
async fn a_translated_stream_has_a_pace_too() {
    let of =
        |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    let message =
        r#","message":{"id":"1","model":"m","usage":{"input_tokens":1,"output_tokens":0}}"#;
    let begin = of("message_start", message)
        + &of("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#);
    let text = of("content_block_delta", r#","index":0,"delta":{"type":"text_delta","text":"ab"}"#);
    let end = of("content_block_stop", r#","index":0"#)
        + &of(
            "message_delta",
            r#","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}"#,
        )
        + &of("message_stop", "");
    let slow = then(events(&[&begin, &text]), &[Act::Hold]);
    let short = then(events(&[&begin, &text, &end]), &[last()]);
    let fake = Fake::start(vec![slow, short]).await;
    let worker = paced("anthropic", &fake.url, 50);
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let ask = async || send_body(&worker, request(&worker, true), body).await;
    let fault = ask().await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Silent), "{fault:?}");
    let (text, end) = drain(ask().await.unwrap()).await;
    assert!(text.contains("\"ab\"") && text.ends_with(DONE), "{text}");
    assert_eq!(end.fault, None);
}

//! What is sealed and refused is taken out, and the request sent once more with the same key.

use bytes::Bytes;
use weir_rpc::{Body, WorkerService};
use weir_types::{Dialect, FailureClass};

use super::fake::{LAST, STREAM, chunk, json};
use super::*;

const ANSWER: &str = r#"{"id":"m","type":"message","role":"assistant","model":"c","content":
    [{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,
    "output_tokens":1}}"#;
const REFUSED: &str = r#"{"type":"error","error":{"type":"invalid_request_error","message":
    "messages.1.content.0: Invalid `signature` in `thinking` block"}}"#;
const SIGNED: &str = r#"{"model":"gpt-x",  "max_tokens":9,"messages":[{"role":"user","content":"a"},
    {"role":"assistant","content":[{"type":"thinking","thinking":"b","signature":"s3al"},
    {"type":"text","text":"c"}]},{"role":"user","content":"d"}]}"#;
const UNSIGNED: &str = r#"{"model":"gpt-x",  "max_tokens":9,"messages":[{"role":"user","content":"a"},
    {"role":"assistant","content":[{"type":"text","text":"c"}]},{"role":"user","content":"d"}]}"#;

async fn ask(
    fake: &Fake,
    vendor: &str,
    stream: bool,
    is_fallback: bool,
    body: &'static str,
) -> Result<weir_rpc::Reply, weir_types::Fault> {
    let worker = worker(settings(vendor, &fake.url));
    let dialect = Dialect::AnthropicMessages;
    let request = weir_rpc::WorkerRequest { dialect, is_fallback, ..request(&worker, stream) };
    worker.call(context(), request, Body::Full(Bytes::from_static(body.as_bytes()))).await
}

async fn answering(answers: &[(u16, &str)]) -> Fake {
    let script = |(status, body): &(u16, &str)| vec![Act::Send(json(*status, "", body))];
    Fake::start(answers.iter().map(script).collect()).await
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

fn losses(reply: &weir_rpc::Reply) -> Option<&str> {
    let mut headers = reply.head.headers.iter();
    headers.find(|(name, _)| name == "x-weir-losses").map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_refused_signature_is_taken_out_and_the_rest_sent_as_it_was() {
    let fake = answering(&[(400, REFUSED), (200, ANSWER)]).await;
    let reply = ask(&fake, "anthropic", false, false, SIGNED).await.unwrap();
    assert_eq!(losses(&reply), Some("thinking.signature"));
    let tries: Vec<_> = reply.head.attempts.iter().map(|one| (one.status, one.class)).collect();
    assert_eq!(tries, [(400, Some(FailureClass::Caller))]);
    assert_eq!(
        (&*reply.head.attempts[0].provider, &*reply.head.attempts[0].key),
        ("anthropic", "main")
    );
    assert_eq!(drain(reply).await.0, ANSWER);
    let sent = fake.requests();
    assert_eq!(sent.iter().map(|one| body(one)).collect::<Vec<_>>(), [SIGNED, UNSIGNED]);
}

#[tokio::test]
async fn one_more_try_and_no_second_one() {
    let fake = answering(&[(400, REFUSED), (400, REFUSED), (200, ANSWER)]).await;
    let fault = ask(&fake, "anthropic", false, false, SIGNED).await.unwrap_err();
    assert_eq!((fault.http_status(), fault.detail.class), (400, Some(FailureClass::Caller)));
    assert_eq!((fault.detail.attempts.len(), fake.requests().len()), (1, 2));

    let fake = answering(&[(400, REFUSED), (429, "{}")]).await;
    let fault = ask(&fake, "anthropic", false, false, SIGNED).await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::RateLimited), "the last word counts");
}

#[tokio::test]
async fn what_holds_nothing_sealed_is_not_sent_again() {
    for (status, refusal, body) in [
        (400, REFUSED, UNSIGNED),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#,
            SIGNED,
        ),
        (500, "{}", SIGNED),
    ] {
        let fake = answering(&[(status, refusal), (200, ANSWER)]).await;
        let fault = ask(&fake, "anthropic", false, false, body).await.unwrap_err();
        assert_eq!((fault.http_status(), fake.requests().len()), (status, 1));
        assert!(fault.detail.attempts.is_empty());
    }
}

#[tokio::test]
async fn another_provider_is_sent_nothing_sealed() {
    let fake = answering(&[(200, ANSWER)]).await;
    let reply = ask(&fake, "anthropic", false, true, SIGNED).await.unwrap();
    assert_eq!(losses(&reply), Some("thinking.signature"));
    assert!(reply.head.attempts.is_empty());
    assert_eq!(body(&fake.requests()[0]), UNSIGNED);
}

#[tokio::test]
async fn a_refusal_that_begins_a_stream_counts_as_well() {
    let start = r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}}"#;
    let event = |name: &str, data: &str| {
        chunk(&format!("event: {name}\ndata: {}\n\n", data.replace('\n', " ")))
    };
    let text = [
        event("message_start", start),
        event(
            "content_block_start",
            r#"{"type":"content_block_start","index":0,
            "content_block":{"type":"text","text":""}}"#,
        ),
        event(
            "content_block_delta",
            r#"{"type":"content_block_delta","index":0,
            "delta":{"type":"text_delta","text":"hi"}}"#,
        ),
        event(
            "message_delta",
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},
            "usage":{"output_tokens":1}}"#,
        ),
        event("message_stop", r#"{"type":"message_stop"}"#),
    ];
    let refused = format!("{STREAM}{}{}{LAST}", text[0], event("error", REFUSED));
    let answered = format!("{STREAM}{}{LAST}", text.concat());
    let scripts = vec![vec![Act::Send(refused)], vec![Act::Send(answered)]];
    let fake = Fake::start(scripts).await;
    let reply = ask(&fake, "anthropic", true, false, SIGNED).await.unwrap();
    assert_eq!(reply.head.attempts.len(), 1);
    assert!(drain(reply).await.0.contains("hi"));
    assert_eq!(body(&fake.requests()[1]), UNSIGNED);
}

/// Of a request that passes as it is, too: no provider of OpenAI's format reads what Claude has signed.
#[tokio::test]
async fn what_another_format_sealed_does_not_pass_to_a_provider_of_the_clients_own() {
    let chat = r#"{"model":"gpt-x",  "messages":[{"role":"user","content":"a"},{"role":"assistant",
        "content":"c","reasoning_content":"b","reasoning_details":[{"type":"reasoning.text","text":"b",
        "signature":"s3al","format":"anthropic_messages"}]},{"role":"user","content":"d"}]}"#;
    let left = r#"{"model":"gpt-x",  "messages":[{"role":"user","content":"a"},{"role":"assistant",
        "content":"c","reasoning_content":"b"},{"role":"user","content":"d"}]}"#;
    let answer = r#"{"id":"a","object":"chat.completion","choices":[{"index":0,"message":
        {"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;
    for is_fallback in [false, true] {
        let fake = answering(&[(200, answer)]).await;
        let worker = worker(settings("openai", &fake.url));
        let request = weir_rpc::WorkerRequest { is_fallback, ..request(&worker, false) };
        let chat = Body::Full(Bytes::from_static(chat.as_bytes()));
        let reply = worker.call(context(), request, chat).await.unwrap();
        assert!(reply.head.attempts.is_empty());
        assert_eq!(losses(&reply), Some("thinking.signature"), "fallback: {is_fallback}");
        let sent = fake.requests();
        if is_fallback {
            assert!(!body(&sent[0]).contains("s3al"));
        } else {
            assert_eq!(body(&sent[0]), left);
        }
    }
}

/// A client of OpenAI's format hands Claude's own thought back in a detail.
#[tokio::test]
async fn a_translated_request_is_written_anew_without_what_is_sealed() {
    let chat = r#"{"model":"gpt-x","messages":[{"role":"user","content":"a"},{"role":"assistant",
        "content":"c","reasoning_details":[{"type":"reasoning.text","text":"b","signature":"s3al",
        "format":"anthropic_messages"}]},{"role":"user","content":"d"}]}"#;
    for (is_fallback, answers, sealed) in [
        (false, &[(400, REFUSED), (200, ANSWER)][..], &[true, false][..]),
        (true, &[(200, ANSWER)], &[false]),
    ] {
        let fake = answering(answers).await;
        let worker = worker(settings("anthropic", &fake.url));
        let request = weir_rpc::WorkerRequest { is_fallback, ..request(&worker, false) };
        let chat = Body::Full(Bytes::from_static(chat.as_bytes()));
        let reply = worker.call(context(), request, chat).await.unwrap();
        assert!(losses(&reply).unwrap().contains("thinking.signature"));
        let sent = fake.requests();
        let found: Vec<bool> = sent.iter().map(|one| one.contains("s3al")).collect();
        assert_eq!(found, sealed);
    }
}

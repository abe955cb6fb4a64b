//! Faults, keys and the log, in every format.

use super::*;

/// A call of one format: where, with which headers, with which body. `M` stands for the model.
struct Format {
    name: &'static str,
    whole: &'static str,
    streamed: &'static str,
    headers: &'static str,
    body: &'static str,
    /// What says who speaks, a content piece, and the end of a stream.
    marks: [&'static str; 3],
    /// Events before the first content: all that `reset=0` lets through.
    opening: usize,
    /// Where an error's word for 429 stands, and that word.
    limited: (&'static str, &'static str),
    /// What an error in a stream holds.
    broken: &'static str,
}

const ANTHROPIC_BODY: &str =
    r#"{"model":"M","max_tokens":99,S"messages":[{"role":"user","content":"hi"}]}"#;
const GEMINI_BODY: &str = r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#;

const FORMATS: &[Format] = &[
    Format {
        name: "openai",
        whole: "/v1/chat/completions",
        streamed: "/v1/chat/completions",
        headers: "authorization: Bearer k9",
        body: r#"{"model":"M",S"messages":[{"role":"user","content":"hi"}]}"#,
        marks: ["\"role\":\"assistant\"", "\"delta\":{\"content\"", "[DONE]"],
        opening: 1,
        limited: ("/error/code", "rate_limit_exceeded"),
        broken: "data: {\"error\":",
    },
    Format {
        name: "azure",
        whole: "/openai/deployments/M/chat/completions?api-version=1",
        streamed: "/openai/deployments/M/chat/completions?api-version=1",
        headers: "api-key: k9",
        body: r#"{S"messages":[{"role":"user","content":"hi"}]}"#,
        marks: ["\"role\":\"assistant\"", "\"delta\":{\"content\"", "[DONE]"],
        opening: 1,
        limited: ("/error/code", "429"),
        broken: "data: {\"error\":",
    },
    Format {
        name: "responses",
        whole: "/v1/responses",
        streamed: "/v1/responses",
        headers: "authorization: Bearer k9",
        body: r#"{"model":"M",S"input":"hi"}"#,
        marks: ["event: response.created", "output_text.delta\ndata", "event: response.completed"],
        opening: 4,
        limited: ("/error/code", "rate_limit_exceeded"),
        broken: "event: error\ndata: {\"type\":\"error\",\"code\":",
    },
    Format {
        name: "anthropic",
        whole: "/v1/messages",
        streamed: "/v1/messages",
        headers: "x-api-key: k9\r\nanthropic-version: 2023-06-01",
        body: ANTHROPIC_BODY,
        marks: ["event: message_start", "event: content_block_delta", "event: message_stop"],
        opening: 3,
        limited: ("/error/type", "rate_limit_error"),
        broken: "event: error\ndata: {\"type\":\"error\",\"error\":",
    },
    Format {
        name: "gemini",
        whole: "/v1beta/models/M:generateContent",
        streamed: "/v1beta/models/M:streamGenerateContent?alt=sse",
        headers: "x-goog-api-key: k9",
        body: GEMINI_BODY,
        marks: ["\"role\":\"model\"", "data: {\"candidates\"", "finishReason"],
        opening: 0,
        limited: ("/error/status", "RESOURCE_EXHAUSTED"),
        broken: "data: {\"error\":",
    },
    Format {
        name: "gemini array",
        whole: "/v1beta/models/M:generateContent?key=k9",
        streamed: "/v1beta/models/M:streamGenerateContent?key=k9",
        headers: "x-other: 1",
        body: GEMINI_BODY,
        marks: ["\"role\":\"model\"", "{\"candidates\"", "finishReason"],
        opening: 0,
        limited: ("/error/status", "RESOURCE_EXHAUSTED"),
        broken: "[{\"error\":",
    },
    Format {
        name: "bedrock",
        whole: "/model/M/converse",
        streamed: "/model/M/converse-stream",
        headers: "x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
                  Credential=k9/20260101/us-east-1/bedrock/aws4_request, \
                  SignedHeaders=host;x-amz-date, Signature=\
                  0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        body: r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#,
        marks: ["messageStart", "contentBlockDelta", "messageStop"],
        opening: 1,
        limited: ("/message", "Too many requests, please wait before trying again."),
        broken: "internalServerException",
    },
    Format {
        name: "cohere",
        whole: "/v2/chat",
        streamed: "/v2/chat",
        headers: "authorization: Bearer k9",
        body: r#"{"model":"M",S"messages":[{"role":"user","content":"hi"}]}"#,
        marks: ["event: message-start", "event: content-delta", "event: message-end"],
        opening: 2,
        limited: (
            "/message",
            "You are past the per minute request limit, please wait and try \
                               again later.",
        ),
        broken: "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"error\":",
    },
];

impl Format {
    async fn ask(&self, running: &Running, model: &str, stream: bool) -> Heard {
        let target = if stream { self.streamed } else { self.whole };
        // A comma is fine in a path, and an equals sign as well.
        let target = target.replace('M', model);
        let flag = if stream { "\"stream\":true," } else { "" };
        let body = self.body.replace("\"M\"", &format!("\"{model}\"")).replace('S', flag);
        let head = format!(
            "POST {target} HTTP/1.1\r\nhost: sim\r\n{}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            self.headers,
            body.len()
        );
        let mut socket = TcpStream::connect(running.address).await.unwrap();
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let ended = socket.read_to_end(&mut bytes).await.map(drop);
        Heard { text: String::from_utf8_lossy(&bytes).into_owned(), ended }
    }
}

#[tokio::test]
async fn every_format_answers_whole_and_streamed() {
    let running = start(Settings::default()).await;
    for format in FORMATS {
        let name = format.name;
        let whole = format.ask(&running, "sim:tag=x", false).await;
        assert_eq!(whole.status(), 200, "{name}: {}", whole.text);
        assert!(whole.text.contains("You said: hi"), "{name}: {}", whole.text);
        let stream = format.ask(&running, "sim:chunks=3", true).await;
        assert_eq!(stream.status(), 200, "{name}: {}", stream.text);
        for mark in format.marks {
            assert!(stream.text.contains(mark), "{name}: {mark} in {}", stream.text);
        }
        let seen = running.sim.requests(0);
        let last = seen.last().unwrap();
        assert_eq!((last.key.as_str(), last.model.as_str()), ("k9", "sim:chunks=3"), "{name}");
        assert!(last.stream, "{name}");
        let logged = format!("{:?}", last.headers);
        assert!(!logged.contains("k9"), "{name}: {logged}");
    }
}

#[tokio::test]
async fn every_format_words_an_error_its_own_way() {
    let running = start(Settings::default()).await;
    for format in FORMATS {
        let name = format.name;
        let heard = format.ask(&running, "sim:status=429,retry-after=7", false).await;
        assert_eq!(heard.status(), 429, "{name}: {}", heard.text);
        assert!(heard.text.contains("retry-after: 7\r\n"), "{name}: {}", heard.text);
        let (pointer, word) = format.limited;
        assert_eq!(heard.json().pointer(pointer), Some(&json!(word)), "{name}: {}", heard.text);
        let named = format.ask(&running, "sim:status=500,code=OwnWord", false).await;
        assert!(named.text.contains("OwnWord"), "{name}: {}", named.text);
        let unknown = format.ask(&running, "sim:nonsense", false).await;
        assert_eq!(unknown.status(), 400, "{name}");
        assert!(unknown.text.contains("unknown word 'nonsense'"), "{name}: {}", unknown.text);
    }
    let limited = "sim:status=429,reset-tokens=2026-01-01T00:00:00Z";
    let heard = FORMATS[3].ask(&running, limited, false).await;
    let header = "anthropic-ratelimit-tokens-reset: 2026-01-01T00:00:00Z";
    assert!(heard.text.contains(header), "{}", heard.text);
    let heard = FORMATS[4].ask(&running, "sim:status=429,retry-after=7", false).await;
    assert!(heard.text.contains("\"retryDelay\":\"7s\""), "{}", heard.text);
}

#[tokio::test]
async fn every_format_breaks_where_it_is_told_to() {
    let running = start(Settings::default()).await;
    for format in FORMATS {
        let name = format.name;
        let [opens, piece, ends] = format.marks;
        let pieces = |heard: &Heard| heard.text.matches(piece).count();
        let plain = format.ask(&running, "sim:chunks=4", true).await;
        let all = pieces(&plain);
        let begun = format.ask(&running, "sim:reset=0,chunks=4", true).await;
        assert!(begun.ended.is_err(), "{name}");
        assert_eq!(begun.text.contains(opens), format.opening > 0, "{name}: {}", begun.text);
        assert_eq!(pieces(&begun), 0, "{name}: {}", begun.text);
        let cut = format.ask(&running, "sim:cut=2,chunks=4", true).await;
        assert_eq!((pieces(&cut), cut.ended.is_ok()), (2, true), "{name}: {}", cut.text);
        let first = format.ask(&running, "sim:error", true).await;
        assert!(first.text.contains(format.broken), "{name}: {}", first.text);
        assert!(!first.text.contains(opens) && first.status() == 200, "{name}: {}", first.text);
        let late = format.ask(&running, "sim:error=1,code=OwnWord", true).await;
        assert!(!late.text.contains("finish_reason\":\"stop"), "{name}: {}", late.text);
        let bare = format.ask(&running, "sim:no-finish,chunks=4", true).await;
        assert!(!bare.text.contains(ends), "{name}: {}", bare.text);
        let garbage = format.ask(&running, "sim:garbage=1,chunks=4", true).await;
        assert!(garbage.text.len() > plain.text.len(), "{name}: {}", garbage.text);
        assert!(garbage.text.contains(ends) && pieces(&garbage) >= all, "{name}");
        let half = format.ask(&running, "sim:cut=first", false).await;
        assert_eq!(half.status(), 200, "{name}");
        let (_, body) = half.text.split_once("\r\n\r\n").unwrap();
        assert!(serde_json::from_str::<Value>(body).is_err() && !body.is_empty(), "{name}");
        let broken = format.ask(&running, "sim:garbage", false).await;
        let (_, body) = broken.text.split_once("\r\n\r\n").unwrap();
        assert!(serde_json::from_str::<Value>(body).is_err(), "{name}: {body}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_told_so_in_every_format() {
    let keys = vec!["other".to_owned()];
    let running = start(Settings { keys, ..Settings::default() }).await;
    for format in FORMATS {
        let heard = format.ask(&running, "m", false).await;
        let expected = match format.name {
            "gemini" | "gemini array" => (400, "API_KEY_INVALID"),
            "bedrock" => (403, "UnrecognizedClientException"),
            "anthropic" => (401, "authentication_error"),
            "cohere" => (401, "invalid api token"),
            "azure" => (401, "\"code\":\"401\""),
            _ => (401, "invalid_api_key"),
        };
        assert_eq!(heard.status(), expected.0, "{}: {}", format.name, heard.text);
        assert!(heard.text.contains(expected.1), "{}: {}", format.name, heard.text);
    }
}

#[tokio::test]
async fn a_lenient_rule_lets_unknown_members_through() {
    let running = start(Settings::default()).await;
    let body = r#"{"model": "m", "vendor": 1, "messages": []}"#;
    let path = "/v1/chat/completions";
    let heard = ask(&running, "POST", path, "k", body).await;
    assert_eq!(
        (heard.status(), &heard.json()["error"]["code"]),
        (400, &json!("unknown_parameter"))
    );
    assert_eq!(running.sim.requests(0)[0].model, "m", "the log names the model all the same");
    running.sim.add_rule(Rule { act: "lenient".into(), ..Rule::default() }).unwrap();
    assert_eq!(ask(&running, "POST", path, "k", body).await.status(), 200);
    let wish = r#"{"model": "sim:status=503", "vendor": 1}"#;
    assert_eq!(ask(&running, "POST", path, "k", wish).await.status(), 503, "faults come first");
}

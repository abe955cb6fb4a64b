//! Whole answers: what is sent, what comes back, and what each failure is called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir_rpc::{WorkerRequest, WorkerService};
use weir_types::{
    Deadline, Dialect, FailureClass, FaultCode, KeyRules, ModelList, Operation, Secret, TraceParent,
};

use super::fake::json;
use super::*;
use crate::{Credential, Custom, Shared};

const ANSWER: &str = "{ \"choices\":[{\"finish_reason\":\"stop\"}],\
     \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5} }";

#[tokio::test]
async fn an_answer_passes_as_it_came() {
    let headers = "x-request-id: up-1\r\nset-cookie: a=b\r\nserver: s\r\ndate: d\r\n\
                   openai-processing-ms: 7\r\nx-ratelimit-remaining-requests: 9\r\n";
    let fake = Fake::once(json(200, headers, ANSWER)).await;
    let mut settings = settings("openai", &fake.url);
    settings.header_allowlist = vec!["X-Listed".into(), "authorization".into()];
    let worker = worker(settings);
    let mut request = request(&worker, false);
    request.headers = vec![
        ("x-listed".into(), "mine".into()),
        ("x-unlisted".into(), "unlisted".into()),
        ("authorization".into(), "Bearer stolen".into()),
        ("x_api_key".into(), "stolen".into()),
        ("host".into(), "elsewhere".into()),
        ("OpenAI_Beta".into(), "assistants=v2".into()),
        ("x-grok-conv-id".into(), "elsewhere".into()),
    ];
    let reply = send(&worker, request).await.unwrap();
    assert_eq!((reply.head.status, &*reply.head.key), (200, "main"));
    let mut names: Vec<_> = reply.head.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected =
        ["openai-processing-ms", "x-ratelimit-remaining-requests", "x-upstream-request-id"];
    let losses = names.iter().position(|name| *name == "x-weir-losses").map(|at| names.remove(at));
    assert_eq!((names, losses), (expected.to_vec(), Some("x-weir-losses")));
    let lost = reply.head.headers.iter().find(|(name, _)| name == "x-weir-losses");
    assert_eq!(lost.map(|(_, names)| names.as_str()), Some("x-grok-conv-id"));
    assert!(reply.head.timings.upstream_us > 0);
    let (text, end) = drain(reply).await;
    assert_eq!(text, ANSWER);
    assert_eq!((end.usage.input_tokens, end.usage.output_tokens), (3, 5));
    assert_eq!((end.finish.as_deref(), end.fault), (Some("stop"), None));

    let sent = &fake.requests()[0];
    assert!(sent.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{sent}");
    assert!(sent.contains("accept-encoding: identity\r\n"), "{sent}");
    assert!(sent.contains("user-agent: weir/"), "{sent}");
    assert!(sent.contains("x-listed: mine\r\n"), "{sent}");
    assert!(sent.contains("openai-beta: assistants=v2\r\n"), "{sent}");
    assert!(!sent.contains("stolen") && !sent.contains("elsewhere"), "{sent}");
    assert!(!sent.contains("unlisted"), "{sent}");
    assert!(sent.ends_with(r#"{"model":"gpt-x", "messages":[]}"#), "{sent}");
}

#[tokio::test]
async fn the_clients_trace_reaches_the_provider() {
    let fake = Fake::once(json(200, "", ANSWER)).await;
    let worker = worker(settings("openai", &fake.url));
    let mut context = context();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    context.trace.parent = TraceParent::parse(parent);
    context.trace.state = Some("vendor=1".into());
    let mut request = request(&worker, false);
    request.headers = vec![("traceparent".into(), "00-forged".into())];
    worker.call(context, request, BODY.as_bytes().to_vec().into_body()).await.unwrap();
    let sent = &fake.requests()[0];
    assert!(sent.contains(&format!("traceparent: {parent}\r\n")), "{sent}");
    assert!(sent.contains("tracestate: vendor=1\r\n") && !sent.contains("forged"), "{sent}");
}

#[tokio::test]
async fn aliases_and_quirks_reach_the_wire() {
    let fake = Fake::once(json(200, "", ANSWER)).await;
    let mut settings = settings("huggingface", &fake.url);
    settings.keys[0].rules.aliases = vec![("gpt-x".into(), "groq/org/name".into())];
    chat(&worker(settings), false).await.unwrap();
    assert!(fake.requests()[0].contains(r#""model":"org/name:groq""#));
}

/// A client that chooses a header, or has the provider repeat its words, has no say in what is
/// learned of a key.
#[tokio::test]
async fn what_a_client_may_have_caused_is_not_the_keys() {
    let header = |name: &str| vec![(name.to_owned(), "bogus".to_owned())];
    let refused = r#"{"error":{"code":"invalid_api_key"}}"#;
    let spent = r#"{"error":{"code":"insufficient_quota"}}"#;
    for (headers, status, body, class) in [
        (header("openai-organization"), 401, refused, FailureClass::Refused),
        (header("openai-project"), 403, refused, FailureClass::Refused),
        (header("x-account"), 429, spent, FailureClass::Refused),
        (header("x-account"), 402, "{}", FailureClass::Refused),
        (header("x-account"), 429, "{}", FailureClass::RateLimited),
        // It stays here, so it has caused nothing.
        (header("cookie"), 401, refused, FailureClass::Credential),
        (header("x-unlisted"), 401, refused, FailureClass::Credential),
        (header("anthropic-beta"), 402, "{}", FailureClass::QuotaExhausted),
        (Vec::new(), 401, refused, FailureClass::Credential),
    ] {
        let fake = Fake::once(json(status, "", body)).await;
        let mut settings = settings("openai", &fake.url);
        settings.header_allowlist = vec!["openai-*".into(), "x-account".into()];
        let worker = worker(settings);
        let request = WorkerRequest { headers: headers.clone(), ..request(&worker, false) };
        let fault = send(&worker, request).await.unwrap_err();
        assert_eq!(fault.detail.class, Some(class), "{headers:?} {status} {body}");
    }
    for (role, class) in [
        ("no money", FailureClass::QuotaExhausted),
        ("Insufficient  balance", FailureClass::Refused),
        ("\\u0069nsufficient\\u0020balance", FailureClass::Refused),
    ] {
        let said = r#"{"error":{"message":"insufficient balance"}}"#;
        let fake = Fake::once(json(403, "", said)).await;
        let worker = worker(settings("openai", &fake.url));
        let body = format!(r#"{{"model":"gpt-x","messages":[{{"role":"{role}"}}]}}"#);
        let request = request(&worker, false);
        let sent = worker.call(context(), request, body.into_bytes().into_body()).await;
        assert_eq!(sent.unwrap_err().detail.class, Some(class), "{role}");
    }
}

#[tokio::test]
async fn failures_are_classified_and_keep_the_answer() {
    for (status, headers, body, class, seconds) in [
        (500, "", "{}", FailureClass::Transient, None),
        (503, "retry-after: 2\r\n", "busy", FailureClass::Transient, Some(2)),
        (429, "retry-after: 3\r\n", "{}", FailureClass::RateLimited, Some(3)),
        (429, "", r#"{"error":{"code":"insufficient_quota"}}"#, FailureClass::QuotaExhausted, None),
        (401, "", "{}", FailureClass::Credential, None),
        (403, "", "{}", FailureClass::Refused, None),
        (404, "", r#"{"error":{"message":"no model gpt-x"}}"#, FailureClass::ModelMissing, None),
        (400, "", r#"{"error":{"message":"bad","param":"n"}}"#, FailureClass::Caller, None),
        (
            400,
            "",
            r#"{"error":{"code":"context_length_exceeded","message":"m"}}"#,
            FailureClass::ContextLength,
            None,
        ),
    ] {
        let fake = Fake::once(json(status, headers, body)).await;
        let fault = chat(&worker(settings("groq", &fake.url)), false).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::UpstreamRejected);
        assert_eq!(fault.detail.class, Some(class), "{status} {body}");
        assert_eq!(fault.detail.retry_after, seconds.map(Duration::from_secs));
        assert_eq!(fault.http_status(), status);
        assert_eq!(&fault.detail.upstream.unwrap().body[..], body.as_bytes());
    }
}

#[tokio::test]
async fn an_error_inside_a_success_is_an_error() {
    let body = r#"{"error":{"message":"Provider returned error","code":429}}"#;
    let fake = Fake::once(json(200, "", body)).await;
    let fault = chat(&worker(settings("openrouter", &fake.url)), false).await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::RateLimited));
    assert_eq!(fault.http_status(), 429);
}

#[tokio::test]
async fn answers_that_make_no_sense_are_not_asked_for_again() {
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: /x?key=SECRET\r\ncontent-length: 0\r\n\r\n".to_owned();
    for (answer, class) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>".to_owned(), FailureClass::Unusable),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\noops".to_owned(), FailureClass::Unusable),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned(), FailureClass::Unusable),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), FailureClass::Unusable),
        (redirect, FailureClass::Unusable),
        (json(200, "content-encoding: rot13\r\n", "{}"), FailureClass::Unusable),
        // What broke off may be whole another time.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"choices\":[".to_owned(),
            FailureClass::Transient,
        ),
    ] {
        let fake = Fake::once(answer.clone()).await;
        let fault = chat(&worker(settings("openai", &fake.url)), false).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::UpstreamBroken, "{answer}: {fault}");
        assert_eq!(fault.detail.class, Some(class), "{answer}");
        assert!(!fault.detail.message.contains("SECRET"), "{fault}");
        assert!(!fault.invites_retry(), "{fault}");
        assert_eq!(answer.contains("302"), fault.detail.message.contains("a redirect to /x;"));
    }
}

#[tokio::test]
async fn a_connection_that_fails_may_work_again() {
    let reset = Fake::start(vec![vec![Act::Reset]]).await;
    let closed = Fake::start(vec![vec![Act::Close]]).await;
    let refused = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let broken = FailureClass::Transient;
    let cases =
        [(&reset.url, broken), (&closed.url, broken), (&refused, FailureClass::Unreachable)];
    for (url, class) in cases {
        let fault = chat(&worker(settings("openai", url)), false).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::UpstreamUnreachable, "{fault}");
        assert_eq!(fault.detail.class, Some(class));
    }
}

#[tokio::test]
async fn silence_ends_at_the_attempts_limit_or_the_requests() {
    let started = Instant::now();
    for script in [vec![Act::Hold], vec![Act::Send(json(200, "", "{}") + "x"), Act::Hold]] {
        // The second one announces more than it sends.
        let script = script.into_iter().map(|act| match act {
            Act::Send(text) => Act::Send(text.replace("length: 2", "length: 9")),
            other => other,
        });
        let fake = Fake::start(vec![script.collect()]).await;
        let mut settings = settings("openai", &fake.url);
        settings.timeouts.attempt = Duration::from_millis(100);
        let fault = chat(&worker(settings), false).await.unwrap_err();
        assert_eq!(fault.code, FaultCode::UpstreamTimedOut);
        assert_eq!(fault.detail.class, Some(FailureClass::Silent));
    }
    let fake = Fake::start(vec![vec![Act::Hold]]).await;
    let worker = worker(settings("openai", &fake.url));
    let mut context = context();
    context.deadline = Deadline::after(Instant::now(), Duration::from_millis(100));
    let call = worker.call(context, request(&worker, false), BODY.as_bytes().to_vec().into_body());
    let fault = call.await.unwrap_err();
    assert_eq!((fault.code, fault.detail.class), (FaultCode::DeadlineExceeded, None));
    assert!(started.elapsed() < Duration::from_secs(5));
}

trait IntoBody {
    fn into_body(self) -> weir_rpc::Body;
}

impl IntoBody for Vec<u8> {
    fn into_body(self) -> weir_rpc::Body {
        weir_rpc::Body::Full(self.into())
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let fake = Fake::once(json(200, "", &"x".repeat(2000))).await;
    let mut settings = settings("openai", &fake.url);
    settings.answer_bytes_max = 1000;
    let fault = chat(&worker(settings), false).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UpstreamBroken);
    assert!(fault.detail.message.contains("over 1000 bytes"), "{fault}");
}

#[tokio::test]
async fn requests_that_cannot_be_made_are_refused_before_any_call() {
    let fake = Fake::start(Vec::new()).await;
    let mut settings = settings("groq", &fake.url);
    let mut missing = key("empty");
    missing.credential = Credential::None;
    settings.keys.push(missing);
    let mut broken = key("broken");
    broken.unusable = Some("env.GROQ is not set".to_owned());
    settings.keys.push(broken);
    let worker = worker(settings);
    let described = worker.describe_now();
    assert_eq!(described.keys.len(), 1);
    assert_eq!(described.unusable.len(), 2);

    let base = request(&worker, false);
    for (name, said) in [("empty", "no value"), ("broken", "env.GROQ"), ("other", "no key")] {
        let fault = send(&worker, WorkerRequest { key: name.into(), ..base.clone() });
        let fault = fault.await.unwrap_err();
        assert_eq!(fault.detail.class, Some(FailureClass::Credential));
        assert!(fault.detail.message.contains(said), "{fault}");
    }
    let fault = send(&worker, WorkerRequest { provider: "x".into(), ..base.clone() });
    assert_eq!(fault.await.unwrap_err().code, FaultCode::Internal);
    let embedding = WorkerRequest { operation: Operation::Embedding, ..base.clone() };
    let fault = send(&worker, embedding).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UnsupportedOperation);
    let call = worker.call(context(), base, b"{\"model\":".to_vec().into_body());
    assert_eq!(call.await.unwrap_err().code, FaultCode::InvalidRequest);
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn a_custom_provider_goes_where_and_does_what_it_is_told() {
    let answers = || vec![Act::Send(json(200, "", ANSWER))];
    let fake = Fake::start(vec![answers(), answers()]).await;
    let mut settings = settings("openai", &format!("{}/base/", fake.url));
    settings.provider = "acme".into();
    settings.keys[0].credential = Credential::None;
    settings.extra_headers = vec![
        ("X-Team".into(), Secret::new("blue".into())),
        ("x-own".into(), Secret::new("a".into())),
    ];
    settings.custom = Some(Custom {
        allowed_requests: Some(vec!["chat_completion".into(), "embedding".into()]),
        path_overrides: vec![("chat_completion".into(), "/chat".into())],
        is_key_less: true,
        does_not_send_done_marker: false,
        wait_for_usage: false,
    });
    settings.header_allowlist = vec!["x-*".into()];
    let worker = worker(settings);
    let mut request = request(&worker, false);
    let callers = ["x-own", "X_Own", "x_team", "x-TEAM"];
    request.headers = callers.map(|name| (name.to_owned(), "callers".to_owned())).to_vec();
    send(&worker, request.clone()).await.unwrap();
    request.operation = Operation::Embedding;
    send(&worker, request.clone()).await.unwrap();
    let sent = fake.requests();
    assert!(sent[0].starts_with("POST /base/chat HTTP/1.1"), "{}", sent[0]);
    assert!(sent[1].starts_with("POST /base/v1/embeddings HTTP/1.1"), "{}", sent[1]);
    // What the operator says stays, whoever calls.
    assert!(sent[0].contains("x-team: blue\r\n") && sent[0].contains("x-own: a\r\n"));
    assert!(!sent[0].to_lowercase().contains("authorization"));
    assert!(!sent[0].contains("callers"), "{}", sent[0]);
    request.operation = Operation::Chat;
    request.stream = true;
    let fault = send(&worker, request).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::UnsupportedOperation);
}

#[tokio::test]
async fn features_in_trial_pass_as_vendor_and_settings_say() {
    for (overrides, expected, lost) in [
        (vec![], "context-1m-1,files-2", None),
        (vec![("files-".to_owned(), false)], "context-1m-1", Some("anthropic-beta.files-2")),
    ] {
        let body = r#"{"type":"message","content":[],"usage":{}}"#;
        let fake = Fake::once(json(200, "", body)).await;
        let mut settings = settings("anthropic", &fake.url);
        settings.beta_overrides = overrides;
        let worker = worker(settings);
        let mut request = request(&worker, false);
        request.dialect = Dialect::AnthropicMessages;
        request.headers = ["context-1m-1", "files-2"]
            .map(|name| ("anthropic-beta".to_owned(), name.to_owned()))
            .to_vec();
        let answer = send(&worker, request).await.unwrap();
        let sent = fake.requests().remove(0);
        assert!(sent.contains(&format!("anthropic-beta: {expected}\r\n")), "{sent}");
        let named = answer.head.headers.iter().find(|(name, _)| name == "x-weir-losses");
        assert_eq!(named.map(|(_, value)| &**value), lost);
    }
}

#[tokio::test]
async fn headers_of_the_operator_win_over_all_that_would_be_sent() {
    let body = r#"{"type":"message","content":[],"usage":{}}"#;
    for (vendor, dialect, answer) in
        [("openai", Dialect::OpenAiChat, ANSWER), ("anthropic", Dialect::AnthropicMessages, body)]
    {
        let fake = Fake::once(json(200, "", answer)).await;
        let mut settings = settings(vendor, &fake.url);
        let set = [
            ("Authorization", "Basic dXNlcjpwYXNz"),
            ("x-api-key", "gateway's"),
            ("Accept", "text/event-stream"),
            ("user-agent", "mine"),
            ("anthropic-version", "2099-01-01"),
            ("anthropic-beta", "operators-1"),
            ("x-umlaut", "gr\u{fc}n"),
        ];
        settings.extra_headers =
            set.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned()))).to_vec();
        let worker = worker(settings);
        let mut request = request(&worker, false);
        request.dialect = dialect;
        request.headers = [("anthropic-beta", "callers-1"), ("x-umlaut", "other")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        send(&worker, request).await.unwrap();
        let sent = fake.requests().remove(0).to_lowercase();
        for (name, value) in set {
            let value = match (name, vendor) {
                // A list of both.
                ("anthropic-beta", "anthropic") => "operators-1,callers-1",
                _ => value,
            };
            let line = format!("{name}: {value}\r\n").to_lowercase();
            assert_eq!(sent.matches(&line).count(), 1, "{vendor}: {line} in {sent}");
            let names = sent.matches(&format!("\n{}: ", name.to_lowercase())).count();
            assert_eq!(names, 1, "{vendor}: {name} in {sent}");
        }
        assert!(!sent.contains(&SECRET.to_lowercase()), "{sent}");
    }
}

#[test]
fn settings_that_cannot_work_cost_their_keys_and_show_no_secret() {
    let telemetry = weir_telemetry::Telemetry::default;
    let refused = |change: &dyn Fn(&mut crate::Settings)| {
        let mut settings = settings("openai", "https://api.example.com");
        change(&mut settings);
        let keys = settings.keys.len();
        let described = Shared::new(settings, telemetry()).description();
        assert_eq!((described.keys.len(), described.unusable.len()), (0, keys));
        let text = described.unusable[0].1.clone();
        assert!(!text.contains(SECRET), "{text}");
        text
    };
    let header = |name: &str, value: &str| (name.to_owned(), Secret::new(value.to_owned()));
    assert!(refused(&|s| s.extra_headers.push(header("a b", SECRET))).contains("header name"));
    assert!(refused(&|s| s.extra_headers.push(header("a", "x\ny"))).contains("cannot be sent"));
    assert!(refused(&|s| s.extra_headers.push(header("te", "x"))).contains("cannot be set"));
    assert!(refused(&|s| s.base_url = Some("ftp://x".into())).contains("http"));
    assert!(refused(&|s| s.base_url = Some("http://u:p@x".into())).contains("credentials"));
    assert!(refused(&|s| s.upstream.ca_pem.push(Secret::new("no".into()))).contains("ca_cert_pem"));
    let no_url = |s: &mut crate::Settings| {
        s.vendor = weir_provider::vendor("vllm").unwrap();
        s.base_url = None;
    };
    assert!(refused(&no_url).contains("no URL"));
}

#[test]
fn a_secret_that_cannot_be_sent_costs_its_key_alone() {
    let mut settings = settings("openai", "https://api.example.com");
    let good = settings.keys[0].clone();
    settings.keys[0].name = "bad".into();
    settings.keys[0].credential = Credential::Secret(Secret::new(format!("{SECRET}\n")));
    settings.keys.push(good.clone());
    let shared = Shared::new(settings, weir_telemetry::Telemetry::default());
    let described = shared.description();
    assert_eq!(described.keys, [weir_rpc::UsableKey { name: good.name, places: Arc::default() }]);
    let (name, why) = &described.unusable[0];
    assert!(&**name == "bad" && why.contains("cannot be sent") && !why.contains(SECRET), "{why}");
}

#[tokio::test]
async fn the_secret_is_nowhere_to_be_seen() {
    let body = format!("{{\"error\":{{\"message\":\"Incorrect API key: {SECRET}.\"}}}}");
    let fake = Fake::once(json(401, "", &body)).await;
    let settings = settings("openai", &fake.url);
    let seen = format!("{settings:?}");
    let worker = worker(settings);
    let fault = chat(&worker, false).await.unwrap_err();
    let answer = fault.detail.upstream.clone().unwrap();
    let seen = format!("{seen} {worker:?} {fault:?} {fault} {:?} {answer:?}", fault.detail);
    assert!(seen.contains("[redacted]"));
    assert!(!seen.contains(SECRET), "{seen}");
}

#[tokio::test]
async fn models_are_listed_as_the_keys_allow() {
    let list = r#"{"data":[{"id":"b"},{"id":"a"},{"id":"c"}]}"#;
    let first = Fake::once(json(200, "", list)).await;
    let second = Fake::once(json(500, "", "{}")).await;
    let mut settings = settings("ollama", &first.url);
    settings.base_url = None;
    settings.keys[0].base_url = Some(first.url.clone());
    settings.keys[0].rules = KeyRules {
        models: ModelList::Names(vec!["a".into(), "fast".into()]),
        aliases: vec![("fast".into(), "c".into())],
        ..KeyRules::default()
    };
    let mut other = key("other");
    other.base_url = Some(second.url.clone());
    other.rules.models = ModelList::Names(vec!["own".into()]);
    settings.keys.push(other);
    let worker = worker(settings);
    let mut request = request(&worker, false);
    request.operation = Operation::ListModels;
    let (text, _) = drain(send(&worker, request.clone()).await.unwrap()).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<_> =
        document["data"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ollama/a", "ollama/fast", "ollama/own"]);
    assert!(first.requests()[0].starts_with("GET /v1/models HTTP/1.1"));
    assert_eq!(second.requests().len(), 1);

    drop((first, second));
    let fake = Fake::once(json(401, "", "{}")).await;
    let worker = super::worker(super::settings("openai", &fake.url));
    request.provider = "openai".into();
    let fault = send(&worker, request).await.unwrap_err();
    assert_eq!(fault.detail.class, Some(FailureClass::Credential));
}

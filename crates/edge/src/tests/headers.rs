//! What passes in, what passes out.

use super::*;
use std::time::Instant;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn with(pairs: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = chat();
    for (name, value) in pairs {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn credentials_and_cookies_of_the_client_stop_here() {
    let edge = Edge::fine();
    edge.send(with(&[
        ("authorization", "Bearer sk-client"),
        ("cookie", "session=secret"),
        ("x-api-key", "sk-client"),
        ("api-key", "sk-client"),
        ("x-goog-api-key", "sk-client"),
        ("openai-organization", "org"),
        ("user-agent", "test"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-bf-vk", "sk-bf-1"),
        ("x-bf-eh-openai-beta", "assistants=v2"),
    ]))
    .await;
    edge.last(|seen| {
        let expected = [("openai-beta".to_owned(), "assistants=v2".to_owned())];
        assert_eq!(seen.request.headers, expected);
        let everything = format!("{:?} {:?}", seen.request, seen.context);
        assert!(!everything.contains("sk-") && !everything.contains("secret"), "{everything}");
    });
}

#[tokio::test]
async fn lists_of_the_configuration_decide_what_passes() {
    let settings = Settings {
        header_allowlist: vec!["x-custom-*".into()],
        header_denylist: vec!["x-custom-b".into()],
        ..Settings::default()
    };
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    edge.send(with(&[("x-custom-a", "1"), ("x-custom-b", "2"), ("other", "3")])).await;
    let passed = edge.last(|seen| seen.request.headers.clone());
    assert_eq!(passed, [("x-custom-a".to_owned(), "1".to_owned())]);
    for name in ["x-bf-eh-other", "x-bf-eh-x-custom-b"] {
        let response = edge.send(with(&[(name, "4")])).await;
        assert_eq!(response.status(), 400);
        assert_eq!(json(response).await["error"]["param"], name);
    }
    assert_eq!(edge.calls(), 1);
}

#[tokio::test]
async fn pins_deadlines_and_traces_reach_the_router() {
    let edge = Edge::fine();
    let before = Instant::now();
    edge.send(with(&[
        ("x-bf-api-key", "key-b"),
        ("x-request-timeout-ms", "1500"),
        ("x-request-id", "my-id-1"),
        ("traceparent", PARENT),
        ("tracestate", "vendor=1"),
    ]))
    .await;
    edge.last(|seen| {
        assert_eq!(seen.request.target.pin(), Some("key-b"));
        assert_eq!(seen.context.request_id.as_str(), "my-id-1");
        assert_eq!(seen.context.trace.parent.unwrap().to_string(), PARENT);
        assert_eq!(seen.context.trace.state.as_deref(), Some("vendor=1"));
        let wait = seen.context.deadline.remaining(before).as_millis();
        assert!((1500..3000).contains(&wait), "{wait}");
    });
    edge.send(chat()).await;
    edge.last(|seen| {
        assert!(seen.context.trace.parent.is_none() && seen.request.target.pin().is_none());
        let wait = seen.context.deadline.remaining(before).as_secs();
        assert!((600..660).contains(&wait), "{wait}");
    });
}

#[tokio::test]
async fn unfit_wishes_are_refused_before_the_body_is_read() {
    let settings = Settings { required_headers: vec!["X-Team".into()], ..Settings::default() };
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    for (sent, says) in [
        (with(&[]), "\"X-Team\""),
        (with(&[("x-team", "a"), ("x-request-timeout-ms", "soon")]), "x-request-timeout-ms"),
        (with(&[("x-team", "a"), ("x-bf-api-key-id", "1")]), "x-bf-api-key"),
        (with(&[("x-team", "a"), ("x-bf-direct-key", "true")]), "x-bf-direct-key"),
        (with(&[("x-team", "a"), ("x-bf-eh-authorization", "Bearer sk-client")]), "credential"),
        (with(&[("x-team", "a"), ("x-bf-eh-api_key", "sk-client")]), "\"api-key\""),
        (with(&[("x-team", "a"), ("x-bf-eh-x-forwarded-for", "10.1.2.3")]), "x-forwarded-for"),
    ] {
        let response = edge.send(sent).await;
        assert_eq!(response.status(), 400);
        let error = json(response).await;
        assert!(error["error"]["message"].as_str().unwrap().contains(says), "{error}");
    }
    assert_eq!(edge.calls(), 0);
    assert_eq!(edge.send(get("/health")).await.status(), 200);
    assert_eq!(edge.send(with(&[("x-team", "")])).await.status(), 200);
}

#[tokio::test]
async fn the_request_id_is_the_clients_own_or_a_new_one() {
    let edge = Edge::fine();
    let id = async |sent: &[(&'static str, &str)]| {
        let response = edge.send(with(sent)).await;
        let id = header(&response, "x-request-id").unwrap().to_owned();
        assert_eq!(edge.last(|seen| seen.context.request_id.to_string()), id);
        id
    };
    assert_eq!(id(&[("x-request-id", "trace/1:2")]).await, "trace/1:2");
    let (first, second) = (id(&[]).await, id(&[]).await);
    assert_eq!((first.len(), first != second), (36, true));
    let long = "x".repeat(200);
    for bad in ["has blank", "<script>", long.as_str()] {
        assert_eq!(id(&[("x-request-id", bad)]).await.len(), 36, "{bad}");
    }
}

fn told() -> Reply {
    let mut reply = json_reply(b"{}");
    reply.head.headers = vec![
        ("x-ratelimit-remaining-requests".into(), "9".into()),
        ("openai-processing-ms".into(), "12".into()),
        ("x-request-id".into(), "req_of_provider".into()),
        ("content-length".into(), "999".into()),
        ("transfer-encoding".into(), "chunked".into()),
        ("set-cookie".into(), "a=b".into()),
        ("x-weir-provider".into(), "forged".into()),
        ("not a name".into(), "x".into()),
        ("x-bad-value".into(), "a\nb".into()),
    ];
    reply.head.key = "schlüssel 1, neu".into();
    reply.head.attempts = vec![
        attempt("key-a", 429, Some(FailureClass::RateLimited)),
        attempt("schlüssel 1, neu", 200, None),
    ];
    reply.head.timings = Timings {
        queue_us: 12_345,
        router_us: 250,
        worker_us: 1_001,
        upstream_us: 700_000,
        earlier_us: 0,
    };
    reply
}

#[tokio::test]
async fn the_head_of_an_answer_says_who_when_and_with_what() {
    let response = Edge::replying(|| Ok(told())).send(chat()).await;
    assert_eq!(header(&response, "x-weir-provider"), Some("openai"));
    assert_eq!(header(&response, "x-weir-key"), Some("schl%C3%BCssel 1%2C neu"));
    assert_eq!(
        header(&response, "x-weir-attempts"),
        Some("openai/key-a:429;ms=1, openai/schl%C3%BCssel 1%2C neu:200;ms=1")
    );
    assert_eq!(header(&response, "x-weir-queue-ms"), Some("12"));
    assert_eq!(header(&response, "x-ratelimit-remaining-requests"), Some("9"));
    assert_eq!(header(&response, "openai-processing-ms"), Some("12"));
    assert_eq!(header(&response, "x-upstream-request-id"), Some("req_of_provider"));
    assert_eq!(header(&response, "x-request-id").unwrap().len(), 36);
    assert_eq!(length(&response), Some(2));
    for name in ["content-length", "set-cookie", "transfer-encoding", "x-bad-value"] {
        assert_eq!(header(&response, name), None, "{name}");
    }
    assert_eq!(response.headers().get_all("x-weir-provider").iter().count(), 1);
}

/// In milliseconds, by part.
fn timing(response: &Response) -> Vec<(String, f64)> {
    let text = header(response, "server-timing").unwrap();
    let parts = text.split(", ").map(|part| part.split_once(";dur=").unwrap());
    parts.map(|(name, dur)| (name.to_owned(), dur.parse().unwrap())).collect()
}

#[tokio::test]
async fn server_timing_adds_up_to_the_time_to_the_first_byte() {
    let script = |_: &RouterRequest| -> CallFuture {
        Box::pin(async {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(20) {
                tokio::task::yield_now().await;
            }
            let mut reply = json_reply(b"{}");
            reply.head.timings = Timings {
                queue_us: 4_000,
                router_us: 1_007,
                worker_us: 500,
                upstream_us: 7_000,
                earlier_us: 2_000,
            };
            Ok(reply)
        })
    };
    let edge = Edge::scripted(Settings::default(), Box::new(script));
    let begun = Instant::now();
    let response = edge.send(chat()).await;
    let seen_ms = begun.elapsed().as_secs_f64() * 1000.0;
    let parts = timing(&response);
    let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["earlier", "queue", "router", "worker", "upstream", "edge"]);
    assert!((parts[2].1 - 1.007).abs() < 1e-9);
    let sum: f64 = parts.iter().map(|(_, ms)| ms).sum();
    assert!((20.0..=seen_ms).contains(&sum), "{sum} of {seen_ms}");
}

#[tokio::test]
async fn parts_that_claim_too_much_leave_nothing_for_the_edge() {
    let response = Edge::replying(|| Ok(told())).send(chat()).await;
    let parts = timing(&response);
    assert_eq!(parts.last().unwrap(), &("edge".to_owned(), 0.0));
}

#[tokio::test]
async fn a_long_list_of_attempts_is_cut_readably() {
    let edge = Edge::replying(|| {
        let mut reply = json_reply(b"{}");
        reply.head.attempts =
            (0..500).map(|n| attempt(&format!("key-{n:03}"), 429, None)).collect();
        Ok(reply)
    });
    let response = edge.send(chat()).await;
    let attempts = header(&response, "x-weir-attempts").unwrap();
    assert!(attempts.len() < 4200 && attempts.starts_with("openai/key-000:429;ms=1, "));
    let listed = attempts.matches(":429").count();
    assert!(attempts.ends_with(&format!(", and {} more", 500 - listed)), "{attempts}");
}

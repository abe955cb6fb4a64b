//! Every fault as a client sees it.

use super::*;
use weir_types::{FaultCode, UpstreamAnswer};

async fn failing(fault: Fault) -> Response {
    Edge::replying(move || Err(fault.clone())).send(chat()).await
}

#[tokio::test]
async fn every_fault_has_its_status_and_the_native_shape() {
    for &code in FaultCode::ALL {
        let mut fault = Fault::new(code, "what went wrong").with_param("messages");
        fault.detail.code = Some("finer".into());
        fault.detail.attempts = vec![attempt("key-a", 0, Some(FailureClass::Silent))];
        let response = failing(fault).await;
        assert_eq!(response.status(), code.http_status(), "{code:?}");
        assert_eq!(header(&response, "content-type"), Some("application/json"));
        let id = header(&response, "x-request-id").unwrap().to_owned();
        let body = json(response).await;
        let expected = serde_json::json!({
            "event_id": id,
            "type": code.kind(),
            "is_bifrost_error": code != FaultCode::UpstreamRejected,
            "status_code": code.http_status(),
            "error": {
                "message": "what went wrong", "type": code.kind(),
                "param": "messages", "code": "finer",
            },
            "extra_fields": {
                "provider": "openai", "model_requested": "openai/gpt-4o",
                "request_type": "chat_completion",
                "attempts": [{"provider": "openai", "key": "key-a", "outcome": "silent", "ms": 1}],
            },
        });
        assert_eq!(body, expected, "{code:?}");
    }
}

#[tokio::test]
async fn an_error_without_a_message_still_says_something() {
    let body = json(failing(Fault::new(FaultCode::Internal, "")).await).await;
    assert_eq!(body["error"]["message"], "internal_error");
    assert_eq!(body["error"]["code"], Value::Null);
    assert_eq!(body["extra_fields"]["provider"], Value::Null);
}

#[tokio::test]
async fn errors_carry_every_attempt_and_blame_the_first_provider() {
    let mut fault = Fault::new(FaultCode::RequestDropped, "full");
    fault.detail.attempts = vec![
        attempt("key-a", 429, Some(FailureClass::RateLimited)),
        attempt("key-b", 0, Some(FailureClass::Transient)),
        Attempt { provider: "groq".into(), ..attempt("key-c", 500, Some(FailureClass::Transient)) },
    ];
    let response = failing(fault).await;
    assert_eq!(
        header(&response, "x-weir-attempts"),
        Some("openai/key-a:429;ms=1, openai/key-b:transient;ms=1, groq/key-c:500;ms=1")
    );
    assert_eq!(header(&response, "x-weir-provider"), Some("openai"));
    assert_eq!(header(&response, "x-weir-key"), Some("key-b"));
}

#[tokio::test]
async fn retry_after_is_rounded_up_and_given_in_milliseconds_too() {
    for (after, seconds, ms) in [
        (Duration::from_millis(1), "1", "1"),
        (Duration::from_millis(1000), "1", "1000"),
        (Duration::from_millis(1001), "2", "1001"),
        (Duration::from_micros(2_000_001), "3", "2001"),
        (Duration::ZERO, "0", "0"),
    ] {
        let fault = Fault::new(FaultCode::RequestDropped, "full").with_retry_after(Some(after));
        let response = failing(fault).await;
        assert_eq!(response.status(), 429);
        assert_eq!(header(&response, "retry-after"), Some(seconds), "{after:?}");
        assert_eq!(header(&response, "retry-after-ms"), Some(ms), "{after:?}");
    }
    let without = failing(Fault::new(FaultCode::RequestDropped, "full")).await;
    assert_eq!(header(&without, "retry-after"), None);
}

fn rejected(status: u16, content_type: &str, body: &'static str) -> Fault {
    let mut fault = Fault::new(FaultCode::UpstreamRejected, "the provider refused");
    fault.detail.upstream = Some(UpstreamAnswer {
        status,
        content_type: content_type.to_owned(),
        body: Bytes::from_static(body.as_bytes()),
    });
    fault
}

#[tokio::test]
async fn a_providers_json_error_is_passed_on_as_it_came() {
    const BODY: &str =
        r#"{"error" : {"message":"bad", "n": 1.50, "type":"invalid_request_error"}}"#;
    for form in ["application/json", "application/json; charset=utf-8", "application/problem+json"]
    {
        let response = failing(rejected(422, form, BODY)).await;
        assert_eq!(response.status(), 422);
        assert_eq!(header(&response, "content-type"), Some(form));
        assert_eq!(length(&response), Some(BODY.len() as u64));
        assert_eq!(text(response).await, BODY);
    }
}

#[tokio::test]
async fn a_providers_error_is_json_whatever_it_is_called() {
    const BODY: &str = r#"{"error":{"message":"bad"}}"#;
    for form in ["text/plain", "text/html; charset=utf-8", "", "application/octet-stream"] {
        let response = failing(rejected(422, form, BODY)).await;
        assert_eq!(response.status(), 422);
        assert_eq!(header(&response, "content-type"), Some("application/json"), "{form}");
        assert_eq!(text(response).await, BODY);
    }
}

#[tokio::test]
async fn every_error_says_whether_to_try_again() {
    let after = Some(Duration::from_secs(3));
    let of = |code, class| {
        let fault = Fault::new(code, "x").with_retry_after(after);
        fault.with_class(class)
    };
    for (fault, word, seconds) in [
        (of(FaultCode::RateLimited, FailureClass::RateLimited), "true", Some("3")),
        (of(FaultCode::UpstreamRejected, FailureClass::Transient), "true", Some("3")),
        (of(FaultCode::CredentialsExhausted, FailureClass::Credential), "false", None),
        (of(FaultCode::QuotaExhausted, FailureClass::QuotaExhausted), "false", None),
        (of(FaultCode::UnknownModel, FailureClass::ModelMissing), "false", None),
        (Fault::new(FaultCode::UpstreamUnreachable, "x"), "false", None),
        (Fault::new(FaultCode::InvalidRequest, "x"), "false", None),
        (Fault::new(FaultCode::Unavailable, "x"), "true", None),
    ] {
        let response = failing(fault.clone()).await;
        assert_eq!(header(&response, "x-should-retry"), Some(word), "{fault}");
        assert_eq!(header(&response, "retry-after"), seconds, "{fault}");
        assert_eq!(header(&response, "retry-after-ms").is_some(), seconds.is_some(), "{fault}");
    }
}

#[tokio::test]
async fn what_an_sdk_could_not_read_is_replaced() {
    for (status, form, body, expected) in [
        (503, "text/html", "<html>busy</html>", 503),
        (500, "application/json", "{\"error\":{\"mess", 500),
        (500, "application/json", "", 500),
        (400, "", "no", 400),
        (404, "application/json", "404", 404),
        (404, "text/plain", "\"not found\"", 404),
        (200, "text/plain", "what", 502),
        (0, "text/plain", "what", 502),
    ] {
        let response = failing(rejected(status, form, body)).await;
        assert_eq!(response.status(), expected, "{status} {form}");
        let error = json(response).await;
        assert_eq!(error["error"]["message"], "the provider refused");
        assert_eq!(error["is_bifrost_error"], false);
        assert_eq!(error["status_code"], expected);
    }
}

#[tokio::test]
async fn an_upstream_answer_behind_another_code_is_not_passed_on() {
    let mut fault = rejected(401, "application/json", "{\"error\":{\"message\":\"sk-...\"}}");
    fault.code = FaultCode::CredentialsExhausted;
    let response = failing(fault).await;
    assert_eq!(response.status(), 502);
    assert_eq!(json(response).await["error"]["type"], "upstream_credentials_exhausted");
}

#[tokio::test]
async fn an_answer_that_breaks_before_anything_was_sent_is_an_error() {
    let fault = || Fault::new(FaultCode::UpstreamBroken, "reset");
    for frames in [
        vec![broken(fault())],
        vec![chunk("{\"half\":"), broken(fault())],
        vec![chunk(""), chunk("{\"half\":"), broken(fault())],
    ] {
        let frames = Mutex::new(Some(frames));
        let edge = Edge::replying(move || {
            Ok(reply_of("application/json", frames.lock().unwrap().take().unwrap()))
        });
        let response = edge.send(chat()).await;
        assert_eq!(response.status(), 502);
        assert_eq!(header(&response, "x-weir-attempts"), Some("openai/key-a:200;ms=1"));
        assert_eq!(json(response).await["error"]["type"], "upstream_answer_broken");
        assert_eq!(edge.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    let mut calls = 0;
    let script = move |_: &RouterRequest| -> CallFuture {
        calls += 1;
        let first = calls == 1;
        Box::pin(async move {
            assert!(!first, "the inner reason");
            Ok(json_reply(b"{}"))
        })
    };
    let edge = Edge::scripted(Settings::default(), Box::new(script));
    let response = edge.send(chat()).await;
    assert_eq!(response.status(), 500);
    let error = json(response).await;
    assert_eq!(error["error"]["type"], "internal_error");
    assert!(!error.to_string().contains("inner reason"), "panics are not for clients: {error}");
    assert_eq!(edge.send(chat()).await.status(), 200);
}

#[tokio::test]
async fn a_long_method_or_path_is_told_in_part() {
    let (lines, _guard) = records::Lines::capture();
    let (method, path) = ("M".repeat(60_000), "p".repeat(60_000));
    for (method, path) in
        [(method.as_str(), "/nowhere"), (method.as_str(), "/v1/models"), ("GET", &*path)]
    {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/v1/chat/{path}") };
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let response = Edge::fine().send(request.body(Body::empty()).unwrap()).await;
        assert!(response.status().is_client_error());
        let told = text(response).await;
        assert!(
            told.len() < 2000 && (told.contains("MMM") || told.contains("ppp")),
            "{}",
            told.len()
        );
    }
    for line in lines.taken() {
        assert!(line.values().all(|value| value.len() < 2000), "{line:?}");
    }
}

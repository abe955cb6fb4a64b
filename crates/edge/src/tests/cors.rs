//! Which pages may read answers.

use super::*;

fn settings(origins: &[&str], headers: &[&str]) -> Settings {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    Settings {
        allowed_origins: owned(origins),
        allowed_headers: owned(headers),
        ..Settings::default()
    }
}

async fn allowed(settings: Settings, origin: &str) -> Option<String> {
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    let mut request = chat();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let response = edge.send(request).await;
    assert_eq!(response.status(), 200, "CORS is told, the request itself is served");
    header(&response, "access-control-allow-origin").map(str::to_owned)
}

#[tokio::test]
async fn origins_are_matched_exactly_or_by_subdomain() {
    const LIST: &[&str] = &["https://app.example.com", "https://*.example.org"];
    for (origin, passes) in [
        ("https://app.example.com", true),
        ("https://APP.example.com", true),
        ("http://app.example.com", false),
        ("https://app.example.com:8443", false),
        ("https://app.example.com.evil.net", false),
        ("https://a.example.org", true),
        ("https://a.b.example.org", true),
        ("https://example.org", false),
        ("https://evil.net/.example.org", false),
        ("https://evil.net:80@x.example.org", false),
        ("https://evilexample.org", false),
        ("null", false),
        ("http://localhost", true),
        ("http://localhost:5173", true),
        ("https://127.0.0.1:3000", true),
        ("http://[::1]:3000", true),
        ("http://localhost.evil.net", false),
        ("http://localhost:x@evil.net", false),
    ] {
        let answer = allowed(settings(LIST, &[]), origin).await;
        assert_eq!(answer.as_deref(), passes.then_some(origin), "{origin}");
    }
    assert_eq!(allowed(settings(&["*"], &[]), "https://any.example").await.as_deref(), Some("*"));
    assert_eq!(allowed(settings(&[], &[]), "https://any.example").await, None);
}

#[tokio::test]
async fn requests_without_an_origin_get_no_cors_headers() {
    let response = Edge::fine().send(chat()).await;
    let cors = response.headers().keys().filter(|name| name.as_str().starts_with("access-control"));
    assert_eq!(cors.count(), 0);
}

async fn preflight(settings: Settings, path: &str, ask: &str) -> Response {
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    let request = Request::options(path)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", ask)
        .body(Body::empty())
        .unwrap();
    let response = edge.send(request).await;
    assert_eq!(edge.calls(), 0);
    response
}

#[tokio::test]
async fn a_preflight_is_answered_and_may_be_remembered() {
    let response =
        preflight(Settings::default(), "/v1/chat/completions", "authorization,x-any").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&response, "access-control-allow-headers"), Some("authorization,x-any"));
    assert_eq!(header(&response, "access-control-allow-methods"), Some("GET,POST"));
    assert_eq!(header(&response, "access-control-max-age"), Some("86400"));
}

#[tokio::test]
async fn listed_headers_come_on_top_of_the_usual_ones() {
    let listed = settings(&["*"], &["X-Team"]);
    let response = preflight(listed, "/v1/chat/completions", "authorization,x-team").await;
    let names = header(&response, "access-control-allow-headers").unwrap();
    let names: Vec<_> = names.split(',').collect();
    for name in ["authorization", "content-type", "x-bf-api-key", "x-stainless-os", "x-team"] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(!names.contains(&"x-any"));
}

#[tokio::test]
async fn pages_may_read_our_headers_of_answers_and_of_errors() {
    for edge in [
        Edge::fine(),
        Edge::replying(|| Err(Fault::new(weir_types::FaultCode::UnknownModel, "no such model"))),
    ] {
        let mut request = chat();
        request.headers_mut().insert("origin", "https://app.example".parse().unwrap());
        let response = edge.send(request).await;
        assert_eq!(header(&response, "access-control-allow-origin"), Some("*"));
        let exposed = header(&response, "access-control-expose-headers").unwrap();
        for name in ["x-request-id", "x-weir-attempts", "server-timing", "retry-after"] {
            assert!(exposed.split(',').any(|exposed| exposed == name), "{name}");
        }
    }
}

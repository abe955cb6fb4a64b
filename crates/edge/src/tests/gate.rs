//! Which pages may call, and under which names the gateway is asked for.

use super::*;

fn settings(origins: &[&str], headers: &[&str]) -> Settings {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    Settings {
        allowed_origins: owned(origins),
        allowed_headers: owned(headers),
        ..Settings::default()
    }
}

/// Whether a page of `origin` is served, and what it is told of itself.
async fn allowed(settings: Settings, origin: &str) -> Option<String> {
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    let mut request = chat();
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let response = edge.send(request).await;
    let told = header(&response, "access-control-allow-origin").map(str::to_owned);
    if told.is_none() {
        assert_eq!((response.status().as_u16(), edge.calls()), (403, 0), "{origin}");
    } else {
        assert_eq!((response.status().as_u16(), edge.calls()), (200, 1), "{origin}");
    }
    told
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
    assert_eq!(allowed(settings(&["*"], &[]), "null").await.as_deref(), Some("*"));
    for origin in ["https://any.example", "http://localhost:3000", "null", ""] {
        assert_eq!(allowed(Settings::default(), origin).await, None, "{origin}");
    }
}

/// A request of every kind that a page could send without asking anybody.
fn simple_requests() -> Vec<Request<Body>> {
    let mut requests: Vec<_> = crate::ROUTES
        .iter()
        .map(|route| {
            let (method, path) = route.name.split_once(' ').unwrap();
            let body = if method == "POST" { Body::from(CHAT) } else { Body::empty() };
            let path = path.replace("{model}", "m").replace("{deployment}", "m");
            let request = Request::builder().method(method).uri(path);
            request.header("content-type", "text/plain").body(body).unwrap()
        })
        .collect();
    requests.extend(["/", "/health", "/nowhere", "/v1/chat/completions"].map(get));
    requests
}

#[tokio::test]
async fn what_a_foreign_page_asks_runs_on_no_route() {
    let listed = || settings(&["https://app.example.com"], &[]);
    for lines in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")],
        &[("origin", "https://app.example.com"), ("origin", "https://evil.example")],
        &[("host", "localhost:8080"), ("origin", "http://evil.example:8080")],
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "image")],
        &[("sec-fetch-site", "same-site"), ("sec-fetch-dest", "iframe")],
        &[("sec-fetch-site", "cross-site")],
        &[("host", "evil.example")],
        &[("host", "evil.example"), ("origin", "http://evil.example")],
        &[("host", "localhost"), ("host", "evil.example")],
    ] {
        for settings in [Settings::default(), listed()] {
            let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
            for mut request in simple_requests() {
                for (name, value) in lines {
                    request.headers_mut().append(*name, value.parse().unwrap());
                }
                let asked = format!("{} {} {lines:?}", request.method(), request.uri());
                let response = edge.send(request).await;
                assert_eq!(response.status(), 403, "{asked}");
                assert!(header(&response, "access-control-allow-origin").is_none(), "{asked}");
                assert!(header(&response, "x-request-id").is_some(), "{asked}");
            }
            assert_eq!(edge.calls(), 0, "{lines:?}");
            assert_eq!(edge.in_flight(), 0, "{lines:?}");
        }
    }
}

#[tokio::test]
async fn who_is_turned_away_reads_why_in_its_own_format() {
    let edge = Edge::fine();
    for (path, place) in [
        ("/v1/chat/completions", "/error/message"),
        ("/anthropic/v1/messages", "/error/message"),
        ("/genai/v1beta/models/m:generateContent", "/error/message"),
        ("/bedrock/model/m/converse", "/message"),
        ("/cohere/v2/chat", "/message"),
    ] {
        for (name, value, says) in [
            ("origin", "https://evil.example", "client.allowed_origins"),
            ("host", "evil.example", "client.allowed_hosts"),
        ] {
            let mut request = post(path, CHAT);
            request.headers_mut().insert(name, value.parse().unwrap());
            let response = edge.send(request).await;
            assert_eq!(response.status(), 403);
            let error = json(response).await;
            let text = error.pointer(place).and_then(Value::as_str).unwrap_or_default();
            assert!(text.contains(says) && text.contains(value), "{path}: {error}");
        }
    }
    let mut request = chat();
    request.headers_mut().insert("host", "evil.example".parse().unwrap());
    let error = json(edge.send(request).await).await;
    assert_eq!(
        (&error["type"], &error["error"]["code"]),
        (&"forbidden".into(), &"host_not_allowed".into())
    );
    assert_eq!(edge.calls(), 0);
}

#[tokio::test]
async fn own_pages_people_and_programs_come_in() {
    let settings = Settings {
        hosts: weir_runtime::Hosts::new([0, 0, 0, 0].into(), &["gw.example".to_owned()]),
        ..Settings::default()
    };
    for lines in [
        &[][..],
        &[("host", "127.0.0.1:8080")],
        &[("host", "10.1.2.3:8080")],
        &[("host", "gw.example"), ("origin", "https://gw.example")],
        &[("host", "localhost:8080"), ("origin", "http://localhost:8080")],
        &[("host", "localhost:8080"), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "none")],
        // A link somewhere.
        &[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")],
    ] {
        let edge = Edge::with(settings.clone(), || Ok(json_reply(b"{}")));
        let mut request = chat();
        for (name, value) in lines {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let response = edge.send(request).await;
        assert_eq!(response.status(), 200, "{lines:?}");
        let told =
            response.headers().keys().any(|name| name.as_str().starts_with("access-control"));
        assert!(!told, "{lines:?}");
    }
    let of_http2 = Request::post("http://evil.example/v1/chat/completions");
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    assert_eq!(edge.send(of_http2.body(CHAT.into()).unwrap()).await.status(), 403);
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
        preflight(settings(&["*"], &[]), "/v1/chat/completions", "authorization,x-any").await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "access-control-allow-origin"), Some("*"));
    assert_eq!(header(&response, "access-control-allow-headers"), Some("authorization,x-any"));
    assert_eq!(header(&response, "access-control-allow-methods"), Some("GET,POST"));
    assert_eq!(header(&response, "access-control-max-age"), Some("86400"));
}

#[tokio::test]
async fn a_preflight_of_a_foreign_page_is_refused() {
    for origins in [&[][..], &["https://other.example"]] {
        let response =
            preflight(settings(origins, &[]), "/v1/chat/completions", "authorization").await;
        assert_eq!(response.status(), 403);
        let names = response.headers().keys().map(|name| name.as_str());
        assert_eq!(names.filter(|name| name.starts_with("access-control")).count(), 0);
    }
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
    let unknown = || Err(Fault::new(weir_types::FaultCode::UnknownModel, "no such model"));
    for edge in [
        Edge::with(settings(&["*"], &[]), || Ok(json_reply(b"{}"))),
        Edge::with(settings(&["*"], &[]), unknown),
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

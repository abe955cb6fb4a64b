//! What is refused of a body, and how it is said.

use super::*;
use bytes::BytesMut;

/// Name, body, what the message says, and the member at fault.
type Case = (&'static str, Vec<u8>, &'static str, Option<&'static str>);

/// `name ~ body ~ part of the message ~ member`, the last one where a member is at fault.
const MALFORMED: &str = r#"
plain text ~ hello ~ line 1 column 1
a form ~ model=a&stream=true ~ line 1 column 1
an array ~ [1,2] ~ object
a string ~ "model" ~ object
a number ~ 42 ~ object
null ~ null ~ object
cut ~ {"model":"a" ~ line 1 column
cut in a string ~ {"model":"a ~ line 1 column
single quotes ~ {'model':'a'} ~ line 1 column 2
unquoted name ~ {model:"a"} ~ line 1 column 2
two documents ~ {"model":"a"}{"model":"b"} ~ line 1 column 14
not a number ~ {"model":"a","n":NaN} ~ line 1 column 18
bad number ~ {"model":"a","n":01} ~ line 1 column
bad escape ~ {"model":"a","n":"\x"} ~ line 1 column
half a surrogate ~ {"model":"\ud800"} ~ "model" must be ~ model
no model ~ {"messages":[]} ~ "model" is missing ~ model
model null ~ {"model":null} ~ must be a string, found null ~ model
model number ~ {"model":4} ~ must be a string, found a number ~ model
model object ~ {"model":{}} ~ must be a string, found an object ~ model
model empty ~ {"model":""} ~ "model" is empty ~ model
model blank ~ {"model":"  "} ~ "model" is empty ~ model
model with a line feed ~ {"model":"a\nb"} ~ control character ~ model
model twice ~ {"model":"a","model":"b"} ~ twice ~ model
stream text ~ {"model":"a","stream":"yes"} ~ true or false, found a string ~ stream
stream number ~ {"model":"a","stream":1} ~ true or false, found a number ~ stream
stream twice ~ {"model":"a","stream":true,"stream":false} ~ twice ~ stream
fallbacks text ~ {"model":"a","fallbacks":"b"} ~ must be an array ~ fallbacks
fallbacks objects ~ {"model":"a","fallbacks":["b",{"model":"c"}]} ~ entry 1 ~ fallbacks
fallbacks blank ~ {"model":"a","fallbacks":[""]} ~ entry 0 ~ fallbacks
fallbacks twice ~ {"model":"a","fallbacks":[],"fallbacks":["b"]} ~ twice ~ fallbacks
"#;

fn malformed() -> Vec<Case> {
    let mut cases: Vec<Case> = MALFORMED
        .trim()
        .lines()
        .map(|line| {
            let cells: Vec<_> = line.split(" ~ ").collect();
            (cells[0], cells[1].into(), cells[2], cells.get(3).copied())
        })
        .collect();
    let deep = format!(r#"{{"model":"a","x":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let long = format!(r#"{{"model":"{}"}}"#, "m".repeat(600));
    let many = format!(r#"{{"model":"a","fallbacks":[{}"b"]}}"#, "\"b\",".repeat(40));
    let far = format!(r#"{{"model":"a","fallbacks":["{}"]}}"#, "b".repeat(600));
    let control = b"{\"model\":\"a\",\"n\":\"\x01\"}".to_vec();
    cases.extend([
        ("empty", Vec::new(), "the request body is empty", None),
        ("blank", b" \r\n\t".to_vec(), "the request body is empty", None),
        ("byte order mark", b"\xef\xbb\xbf{\"model\":\"a\"}".to_vec(), "byte order mark", None),
        ("trailing comma", b"{\"model\":\"a\",\n}".to_vec(), "line 2 column 1", None),
        ("a comment", b"{\"model\":\"a\" // no\n}".to_vec(), "line 1 column 14", None),
        ("control character", control, "line 1 column", None),
        ("bad UTF-8", b"{\"model\":\"\xff\"}".to_vec(), "UTF-8 at line 1 column 11", None),
        ("deep nesting", deep.into(), "nest", None),
        ("model too long", long.into(), "over 512 bytes", Some("model")),
        ("too many fallbacks", many.into(), "more than 16", Some("fallbacks")),
        ("a fallback too long", far.into(), "over 512 bytes", Some("fallbacks")),
    ]);
    cases
}

#[tokio::test]
async fn malformed_bodies_get_a_400_that_says_what_and_where() {
    let edge = Edge::fine();
    for (name, body, says, param) in malformed() {
        let response = edge.send(post("/v1/chat/completions", body)).await;
        assert_eq!(response.status(), 400, "{name}");
        let error = json(response).await;
        assert_eq!(error["error"]["type"], "invalid_request_error", "{name}");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{name}: {message:?} lacks {says:?}");
        assert_eq!(error["error"]["param"].as_str(), param, "{name}: {message}");
    }
    assert_eq!(edge.calls(), 0);
    assert_eq!(edge.in_flight(), 0);
}

#[tokio::test]
async fn json_is_taken_whatever_it_is_called() {
    let edge = Edge::fine();
    for form in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let mut request = Request::post("/v1/chat/completions");
        if let Some(form) = form {
            request = request.header("content-type", form);
        }
        let response = edge.send(request.body(Body::from(CHAT)).unwrap()).await;
        assert_eq!(response.status(), 200, "{form:?}");
    }
    assert_eq!(edge.last(|seen| seen.body.clone()), CHAT);
}

#[tokio::test]
async fn forms_that_are_not_read_are_named() {
    let edge = Edge::fine();
    for (name, value, says) in [
        ("content-type", "multipart/form-data; boundary=x", "multipart"),
        ("content-type", "Multipart/Form-Data; boundary=x", "multipart"),
        ("content-encoding", "gzip", "compressed"),
        ("content-encoding", "br", "compressed"),
    ] {
        let request = Request::post("/v1/chat/completions").header(name, value);
        let response = edge.send(request.body(Body::from(CHAT)).unwrap()).await;
        assert_eq!(response.status(), 415, "{value}");
        let error = json(response).await;
        assert_eq!(error["error"]["type"], "unsupported_media_type");
        assert!(error["error"]["message"].as_str().unwrap().contains(says), "{error}");
    }
    let plain = Request::post("/v1/chat/completions").header("content-encoding", "identity");
    assert_eq!(edge.send(plain.body(Body::from(CHAT)).unwrap()).await.status(), 200);
    assert_eq!(edge.calls(), 1);
}

#[tokio::test]
async fn the_body_limit_holds_by_announcement_and_while_reading() {
    let settings = Settings { body_bytes_max: CHAT.len(), ..Settings::default() };
    let edge = Edge::with(settings, || Ok(json_reply(b"{}")));
    assert_eq!(edge.send(chat()).await.status(), 200);

    let announced = Request::post("/v1/chat/completions")
        .header("content-length", (CHAT.len() + 1).to_string())
        .body(Body::from_stream(futures_util::stream::pending::<Result<Bytes, Fault>>()))
        .unwrap();
    let response = edge.send(announced).await;
    assert_eq!(response.status(), 413);
    let error = json(response).await;
    assert_eq!(error["error"]["type"], "request_too_large");
    assert!(error["error"]["message"].as_str().unwrap().contains("max_request_body_size_mb"));

    let pieces = [CHAT, " "].map(|piece| Ok::<_, Fault>(Bytes::from_static(piece.as_bytes())));
    let chunked =
        post("/v1/chat/completions", Body::from_stream(futures_util::stream::iter(pieces)));
    assert_eq!(edge.send(chunked).await.status(), 413);
    assert_eq!(edge.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_gets_a_408() {
    let edge = Edge::fine();
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Fault>>());
    let response = edge.send(post("/v1/chat/completions", never)).await;
    assert_eq!(response.status(), 408);
    assert_eq!(json(response).await["error"]["type"], "request_incomplete");
}

#[tokio::test]
async fn the_body_reaches_the_router_uncopied_and_without_fallbacks() {
    let edge = Edge::fine();
    let body = Bytes::from_static(CHAT.as_bytes());
    edge.send(post("/v1/chat/completions", body.clone())).await;
    edge.last(|seen| assert_eq!(seen.body.as_ptr(), body.as_ptr()));

    let with = r#"{"model":"a","fallbacks":["groq/b","openai/c"],"temperature":0.10}"#;
    edge.send(post("/v1/chat/completions", with)).await;
    edge.last(|seen| {
        assert_eq!(seen.request.fallbacks, ["groq/b", "openai/c"]);
        assert_eq!(seen.body, r#"{"model":"a","temperature":0.10}"#);
        assert_eq!((seen.request.target.model(), seen.request.stream), ("a", false));
    });
}

/// Whatever a client sends, it gets an answer, and the surface goes on working.
#[tokio::test]
async fn random_bytes_never_break_the_surface() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let edge = Edge::fine();
    for _ in 0..2000 {
        let mut body = BytesMut::from(CHAT);
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..body.len());
            match random.u8(..3) {
                0 => body[at] = random.u8(..),
                1 => body.truncate(at.max(1)),
                _ => {
                    let tail = body.split_off(at);
                    body.extend_from_slice(&tail);
                    body.extend_from_slice(&tail);
                }
            }
        }
        let response = edge.send(post("/v1/chat/completions", body.freeze())).await;
        assert!(matches!(response.status().as_u16(), 200 | 400), "seed {seed}");
        json(response).await;
    }
    assert_eq!(edge.in_flight(), 0);
}

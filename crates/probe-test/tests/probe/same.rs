//! Client and provider both speak the probe's format: not a byte changes but the model's name.

use crate::bench::{Bench, Links, SECRET};
use crate::over_both;

over_both!(whole, stream, stream_in_odd_pieces, error_is_passed_on);

const BODY: &str = r#"{ "live" : false, "m" : "probe/a", "say": [["u","h\u00e9"]], "odd":1.50 }"#;

async fn whole(links: Links) {
    let mut bench = Bench::new(links).await;
    let said = "{\"why\":\"end\" , \"said\":\"\\u00e9\", \"in\":3,\"out\":5, \"odd\": 1.50 }\n";
    bench.provider.answers(200, "application/json", said.as_bytes());
    let answer = bench.post("/probe/talk", BODY).await;
    assert_eq!((answer.head.status(), answer.text()), (200, said));
    assert_eq!(answer.head.header("x-weir-provider"), Some("probe"));
    assert_eq!(answer.head.header("x-weir-losses"), None);
    let (head, body) = bench.provider.request().await;
    assert_eq!(head.first, "POST /talk HTTP/1.1");
    assert_eq!(head.header("x-probe-key"), Some(SECRET));
    assert_eq!(String::from_utf8(body).unwrap(), BODY.replace("probe/a", "a"));
}

const STREAM: &str = r#"{"m":"probe/a","live":true,"say":[]}"#;
const LINES: &str =
    "{ \"+\":\"h\\u00e9\"}\r\n\n{\"hm\":1}\n{\"+\":\"!\"}\n{\"end\":\"full\",\"in\":3 }\n";

async fn stream(links: Links) {
    let mut bench = Bench::new(links).await;
    bench.provider.streams("application/x-ndjson", &[LINES]);
    let answer = bench.post("/probe/talk", STREAM).await;
    assert_eq!(answer.head.status(), 200);
    assert_eq!(answer.head.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.text(), LINES);
    let (head, _) = bench.provider.request().await;
    assert_eq!(head.header("accept"), Some("application/x-ndjson"));
}

async fn stream_in_odd_pieces(links: Links) {
    let bench = Bench::new(links).await;
    let (first, rest) = LINES.split_at(5);
    let (second, third) = rest.split_at(20);
    bench.provider.streams("application/x-ndjson", &[first, second, third]);
    assert_eq!(bench.post("/probe/talk", STREAM).await.text(), LINES);
}

async fn error_is_passed_on(links: Links) {
    let bench = Bench::new(links).await;
    let said = r#"{"oops": "no such thing", "n": 422, "see": ["x"] }"#;
    for body in [BODY, STREAM] {
        bench.provider.answers(422, "application/json", said.as_bytes());
        let answer = bench.post("/probe/talk", body).await;
        assert_eq!((answer.head.status(), answer.text()), (422, said));
    }
}

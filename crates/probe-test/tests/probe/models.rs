//! Lists of models, of one provider and of all, in the client's format.

use serde_json::Value;

use crate::bench::{Bench, Links};
use crate::over_both;

over_both!(of_one_provider, of_all_providers);

const PROBES: &[u8] = br#"{"have":["a","b"]}"#;
const TALKERS: &[u8] = br#"{"object":"list","data":[{"id":"c","object":"model"}]}"#;

async fn of_one_provider(links: Links) {
    let mut bench = Bench::new(links).await;
    for (path, list, address, expected) in [
        ("/probe/have?provider=probe", PROBES, "GET /have", r#"{"have":["probe/a","probe/b"]}"#),
        ("/probe/have?provider=talker", TALKERS, "GET /v1/models", r#"{"have":["talker/c"]}"#),
    ] {
        bench.provider.answers(200, "application/json", list);
        let answer = bench.get(path).await;
        assert_eq!((answer.head.status(), answer.text()), (200, expected));
        let (head, _) = bench.provider.request().await;
        assert_eq!(head.first, format!("{address} HTTP/1.1"));
    }
    bench.provider.answers(200, "application/json", PROBES);
    let answer = bench.get("/v1/models?provider=probe").await;
    let list: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(list["data"][1]["id"], "probe/b", "{list}");
    assert_eq!(list["data"][1]["object"], "model", "{list}");
}

async fn of_all_providers(links: Links) {
    let bench = Bench::new(links).await;
    bench.provider.answers_at("/have", PROBES);
    bench.provider.answers_at("/v1/models", TALKERS);
    let expected = r#"{"have":["probe/a","probe/b","talker/c"]}"#;
    assert_eq!(bench.get("/probe/have").await.text(), expected);
}

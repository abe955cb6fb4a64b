//! Files and batches: what is asked of the router, and what clients read.

use weir_rpc::{Cursor, Part};
use weir_types::{Dialect, Operation, Secret, Target};

use super::*;
use crate::{ClientKey, ClientKeys, IdSecrets, key_hash};

const BATCH: &str = r#"{"id":"batch_1","input_file_id":"file-1","object":"batch"}"#;

fn settings() -> Settings {
    let secret = Secret::new("a-secret-of-some-length".to_owned());
    Settings { ids: IdSecrets::parse(&secret).unwrap(), ..Settings::default() }
}

fn edge(body: &'static str, parts: &'static [(&'static str, u64)]) -> Edge {
    Edge::with(settings(), move || {
        let mut reply = json_reply(body.as_bytes());
        let part = |(key, bytes): &(&str, u64)| Part {
            provider: "openai".into(),
            key: (*key).into(),
            bytes: *bytes,
        };
        reply.head.parts = parts.iter().map(part).collect();
        Ok(reply)
    })
}

async fn id_of(edge: &Edge) -> String {
    let batch = json(edge.send(get("/v1/batches/batch_1")).await).await;
    batch["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_id_leads_to_the_key_that_it_came_from() {
    let edge = edge(BATCH, &[]);
    let id = id_of(&edge).await;
    assert!(id.starts_with("batch_weir"), "{id}");
    // A provider's own says nothing.
    edge.last(|seen| {
        let own = Target::Resource { provider: None, key: None, id: "batch_1".to_owned() };
        assert_eq!(
            (&seen.request.target, seen.request.operation),
            (&own, Operation::BatchRetrieve)
        );
    });
    edge.send(post(&format!("/openai/batches/{id}/cancel?x=y"), "")).await;
    let head = json_reply(b"").head;
    edge.last(|seen| {
        let target = Target::Resource {
            provider: Some(head.provider.clone()),
            key: Some(head.key.clone()),
            id: "batch_1".to_owned(),
        };
        assert_eq!(
            (&seen.request.target, seen.request.operation),
            (&target, Operation::BatchCancel)
        );
        assert!(seen.request.query.is_empty());
    });
    let damaged = edge.send(get(&format!("/v1/batches/{id}x"))).await;
    assert_eq!(damaged.status(), 404);
    assert_eq!(json(damaged).await["error"]["code"], "unknown_id");
    let claudes = edge.send(get("/anthropic/v1/messages/batches/msgbatch_weirAAAA")).await;
    assert_eq!(json(claudes).await["error"]["type"], "not_found_error");
    assert_eq!(edge.calls(), 2);
}

/// An answer that its provider keeps.
fn keeping(body: &'static str) -> Edge {
    Edge::with(settings(), move || {
        let mut reply = json_reply(body.as_bytes());
        reply.head.kept = Some("resp_1".to_owned());
        Ok(reply)
    })
}

const RESPONSE: &str = r#"{"id":"resp_1","previous_response_id":"resp_0","text":"\"resp_1"}"#;

#[tokio::test]
async fn a_kept_response_says_whose_it_is_and_what_goes_on_from_it_does() {
    let edge = keeping(RESPONSE);
    let first = json(edge.send(post("/v1/responses", r#"{"model":"m","input":"x"}"#)).await).await;
    let id = first["id"].as_str().unwrap();
    assert!(id.starts_with("resp_weir") && first["text"] == "\"resp_1", "{first}");
    let body = format!(r#"{{"model":"m", "previous_response_id": "{id}"}}"#);
    let next = edge.send(post("/v1/responses", body)).await;
    assert_eq!(next.status(), 200);
    let head = json_reply(b"").head;
    edge.last(|seen| {
        assert_eq!(seen.body, r#"{"model":"m", "previous_response_id": "resp_1"}"#);
        let owner = seen.request.owner.clone().unwrap();
        assert_eq!((owner.provider, owner.key), (head.provider.clone(), head.key.clone()));
    });
    // It is asked for by itself, in any form that it has.
    for (line, query) in
        [("", ""), ("?stream=true&starting_after=3&x=y", "stream=true&starting_after=3")]
    {
        let found = edge.send(get(&format!("/openai/v1/responses/{id}{line}"))).await;
        assert_eq!(found.status(), 200);
        edge.last(|seen| {
            assert_eq!(seen.request.query, query);
            assert_eq!(seen.request.stream, !query.is_empty());
            assert!(matches!(&seen.request.target, Target::Resource { id, .. } if id == "resp_1"));
        });
    }
    let forged = format!(r#"{{"model":"m","previous_response_id":"{id}x"}}"#);
    let refused = json(edge.send(post("/v1/responses", forged)).await).await;
    assert_eq!(refused["error"]["code"], "previous_response_not_found");
    let unkept = json(edge.send(get("/v1/responses/resp_unkept_req-1")).await).await;
    assert!(unkept["error"]["message"].as_str().unwrap().contains("nobody keeps it"), "{unkept}");
}

#[tokio::test]
async fn a_response_that_is_not_to_be_kept_passes_as_it_came() {
    let edge = keeping(RESPONSE);
    let body = r#"{"model":"m","input":"x","store":false}"#;
    assert_eq!(text(edge.send(post("/v1/responses", body)).await).await, RESPONSE);
}

#[tokio::test]
async fn an_upload_in_steps_goes_on_at_an_address_of_ours() {
    const URL: &str = "x-goog-upload-url";
    let edge = Edge::with(settings(), || {
        let mut reply = json_reply(b"{}");
        let own = "https://g/upload/v1beta/files?upload_id=AB-1&upload_protocol=resumable";
        reply.head.headers = vec![
            (URL.to_owned(), own.to_owned()),
            ("x-goog-upload-control-url".to_owned(), own.to_owned()),
        ];
        Ok(reply)
    });
    let begun = edge.send(post("/genai/upload/v1beta/files", "{}")).await;
    assert!(header(&begun, "x-goog-upload-control-url").is_none());
    let address = header(&begun, URL).unwrap().to_owned();
    assert!(address.contains("/genai/upload/v1beta/files?upload_id=upload_weir"), "{address}");
    let (_, path) = address.split_once("/genai").unwrap();
    edge.send(post(&format!("/genai{path}"), "bytes")).await;
    edge.last(|seen| {
        assert_eq!(seen.request.query, "upload_id=AB-1&upload_protocol=resumable");
        assert!(matches!(&seen.request.target, Target::Resource { key: Some(_), .. }));
    });
    let forged = edge.send(post("/genai/upload/v1beta/files?upload_id=AB-1", "bytes")).await;
    assert_eq!(forged.status(), 404);
}

#[tokio::test]
async fn a_batch_is_made_by_who_has_its_file() {
    let edge = edge(BATCH, &[]);
    let batch = json(edge.send(get("/v1/batches/batch_1")).await).await;
    let file = batch["input_file_id"].as_str().unwrap();
    let body = format!(r#"{{"input_file_id":"{file}","provider":"groq","endpoint":"/v1/x"}}"#);
    assert_eq!(edge.send(post("/v1/batches", body)).await.status(), 200);
    edge.last(|seen| {
        assert!(
            matches!(&seen.request.target, Target::Resource { key: Some(_), id, .. } if id == "file-1")
        );
        assert_eq!(seen.body, r#"{"input_file_id":"file-1","endpoint":"/v1/x"}"#);
    });
    let refused = edge.send(post("/v1/batches", r#"{"input_file_id":"file-weirAAAA"}"#)).await;
    assert_eq!(refused.status(), 404);
    assert_eq!(json(refused).await["error"]["param"], "input_file_id");
    // Nothing says where: the provider that is named, or any.
    let named = edge.send(post("/v1/messages/batches?provider=p", r#"{"requests":[]}"#)).await;
    assert_eq!(named.status(), 200);
    edge.last(|seen| {
        let target = Target::Provider { name: Some("p".to_owned()), pin: None };
        assert_eq!(
            (&seen.request.target, seen.request.dialect),
            (&target, Dialect::AnthropicMessages)
        );
    });
}

#[tokio::test]
async fn lists_are_joined_and_go_on_where_they_ended() {
    const LISTS: &str = concat!(
        r#"{"data":[{"id":"file-1"},{"id":"file-2"}],"has_more":false,"last_id":"x"}"#,
        r#"{"data":[{"id":"file-1"}],"has_more":false,"last_id":"x"}"#
    );
    let edge = edge(LISTS, &[("a", 73), ("b", 57)]);
    let list = json(edge.send(get("/v1/files?limit=2&purpose=batch&provider=openai")).await).await;
    edge.last(|seen| assert_eq!(seen.request.query, "limit=2&purpose=batch"));
    let ids: Vec<_> = list["data"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!((ids.len(), &list["has_more"], &list["last_id"]), (2, &Value::Bool(true), ids[1]));
    let all = json(edge.send(get("/v1/files")).await).await;
    // The same id of two keys is two.
    assert_ne!(all["data"][0]["id"], all["data"][2]["id"]);
    let last = all["data"][2]["id"].as_str().unwrap();
    edge.send(get(&format!("/v1/files?after={last}&limit=1"))).await;
    edge.last(|seen| {
        let query = "after=file-1".to_owned();
        let cursor = Cursor { provider: "openai".into(), key: "b".into(), query };
        assert_eq!((&seen.request.cursor, &*seen.request.query), (&Some(cursor), "limit=1"));
    });
    for foreign in ["file-1", "file-weirAAAA"] {
        let refused = edge.send(get(&format!("/v1/files?after={foreign}"))).await;
        assert_eq!(refused.status(), 404, "{foreign}");
    }
}

#[tokio::test]
async fn an_upload_passes_without_the_field_that_is_ours() {
    let edge = edge(r#"{"id":"file-9"}"#, &[]);
    let form = "--b\r\nContent-Disposition: form-data; name=\"provider\"\r\n\r\ngroq\r\n--b--\r\n";
    let upload = |kind: &str| {
        Request::post("/v1/files").header("content-type", kind).body(Body::from(form)).unwrap()
    };
    let kind = "multipart/form-data; boundary=b";
    let file = json(edge.send(upload(kind)).await).await;
    assert!(file["id"].as_str().unwrap().starts_with("file-weir"));
    edge.last(|seen| {
        let target = Target::Provider { name: Some("groq".to_owned()), pin: None };
        assert_eq!((&seen.request.target, &*seen.request.content_type), (&target, kind));
    });
    assert_eq!(edge.send(upload("application/json")).await.status(), 415);
}

#[tokio::test]
async fn with_clients_keys_an_id_is_of_use_to_one_alone() {
    let key = |name: &str| ClientKey { name: Arc::from(name), is_active: true, expires_at: None };
    let keys = [("sk-weir-one-0123", key("one")), ("sk-weir-two-0123", key("two"))];
    let keys = keys.map(|(value, key)| (key_hash(value), key));
    let client_keys = ClientKeys::new(keys, false);
    let edge = Edge::with(Settings { client_keys, ..settings() }, || {
        Ok(json_reply(br#"{"id":"file-1"}"#))
    });
    let with = |path: &str, key: &str| {
        Request::get(path).header("authorization", key).body(Body::empty()).unwrap()
    };
    let form = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b--\r\n";
    let upload = Request::post("/v1/files")
        .header("authorization", "Bearer sk-weir-one-0123")
        .header("content-type", "multipart/form-data; boundary=b");
    let file = json(edge.send(upload.body(Body::from(form)).unwrap()).await).await;
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    let status = async |path: &str, key: &str| edge.send(with(path, key)).await.status();
    assert_eq!(status(&path, "Bearer sk-weir-one-0123").await, 200);
    assert_eq!(status(&path, "Bearer sk-weir-two-0123").await, 404);
    assert_eq!(status(&path, "Bearer nobody").await, 404);
    // A provider's own could be anybody's.
    assert_eq!(status("/v1/files/file-1", "Bearer sk-weir-one-0123").await, 404);
}

#[tokio::test]
async fn every_path_has_its_methods() {
    let edge = edge(BATCH, &[]);
    for (path, allowed) in [
        ("/v1/files", "GET, HEAD, POST"),
        ("/openai/batches", "GET, HEAD, POST"),
        ("/v1/messages/batches", "GET, HEAD, POST"),
    ] {
        let response = edge.send(Request::put(path).body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(header(&response, "allow"), Some(allowed), "{path}");
    }
}

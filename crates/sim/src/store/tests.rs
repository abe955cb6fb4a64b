//! A full life of files and batches, and what is refused; calls without sockets.

use http::{HeaderName, HeaderValue, Version};

use super::*;

const PACE: Duration = Duration::from_secs(3600);

fn ask(
    store: &Store,
    key: &str,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
    pace: Duration,
) -> Result<String, Refusal> {
    let given = given(store, key, line, headers, body, pace)?;
    Ok(String::from_utf8(given.body.to_vec()).unwrap())
}

fn given(
    store: &Store,
    key: &str,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
    pace: Duration,
) -> Result<Given, Refusal> {
    let (method, target) = line.split_once(' ').unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    });
    let headers: HeaderMap = pairs.collect();
    let version = Version::HTTP_11;
    let call =
        Call { version, method: &method, path, query, headers: &headers, key, lenient: false };
    assert!(of(&call).is_some());
    store.answer(&call, &Bytes::copy_from_slice(body.as_bytes()), pace)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const FORM: [(&str, &str); 1] = [("content-type", "multipart/form-data; boundary=b")];

fn form(purpose: &str, name: &str, text: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/jsonl\r\n\r\n{text}\r\n--b--\r\n"
    )
}

fn request(id: &str, url: &str, body: &Value) -> String {
    json!({"custom_id": id, "method": "POST", "url": url, "body": body}).to_string()
}

#[test]
fn a_file_and_a_batch_are_their_keys_and_of_nobody_else() {
    let store = Store::default();
    let chat = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    let url = "/v1/chat/completions";
    let text =
        [request("a", url, &chat), request("b", url, &json!({"model": "gpt-4o"}))].join("\n");
    let file = ask(&store, "k1", "POST /v1/files", &FORM, &form("batch", "a.jsonl", &text), PACE);
    let id = json(&file.unwrap())["id"].as_str().unwrap().to_owned();
    let path = format!("GET /v1/files/{id}/content");
    assert_eq!(ask(&store, "k1", &path, &[], "", PACE).unwrap(), text);
    assert_eq!(ask(&store, "k2", &path, &[], "", PACE).unwrap_err().status, 404);
    let body = json!({"input_file_id": id, "endpoint": url, "completion_window": "24h"});
    let create = |key| ask(&store, key, "POST /v1/batches", &[], &body.to_string(), PACE);
    assert_eq!(create("k2").unwrap_err().status, 404);
    let batch = json(&create("k1").unwrap());
    assert_eq!((&batch["status"], &batch["output_file_id"]), (&json!("validating"), &Value::Null));
    let path = format!("GET /v1/batches/{}", batch["id"].as_str().unwrap());
    let done = json(&ask(&store, "k1", &path, &[], "", Duration::ZERO).unwrap());
    assert_eq!(done["status"], "completed");
    assert_eq!(done["request_counts"], json!({"total": 2, "completed": 1, "failed": 1}));
    // Its files are made once.
    assert_eq!(json(&ask(&store, "k1", &path, &[], "", Duration::ZERO).unwrap()), done);
    for (member, status) in [("output_file_id", 200), ("error_file_id", 400)] {
        let path = format!("GET /v1/files/{}/content", done[member].as_str().unwrap());
        let line = json(&ask(&store, "k1", &path, &[], "", PACE).unwrap());
        assert_eq!(line["response"]["status_code"], status, "{line}");
    }
    let list = json(&ask(&store, "k1", "GET /v1/files?limit=2", &[], "", PACE).unwrap());
    assert_eq!((list["data"].as_array().unwrap().len(), &list["has_more"]), (2, &json!(true)));
    let after = format!("GET /v1/files?after={}", list["last_id"].as_str().unwrap());
    let rest = json(&ask(&store, "k1", &after, &[], "", PACE).unwrap());
    assert_eq!((&rest["data"][0]["id"], &rest["has_more"]), (&json!(id), &json!(false)));
    let none = json(&ask(&store, "k2", "GET /v1/files", &[], "", PACE).unwrap());
    assert_eq!(none["data"], json!([]));
}

#[test]
fn what_the_service_would_refuse_is_refused() {
    let store = Store::default();
    let refused = |line: &str, headers: &[(&str, &str)], body: &str| {
        ask(&store, "k", line, headers, body, PACE).unwrap_err().status
    };
    for (purpose, name) in [("sing", "a.jsonl"), ("batch", "a.txt")] {
        assert_eq!(refused("POST /v1/files", &FORM, &form(purpose, name, "{}")), 400);
    }
    let ours = form("batch", "a.jsonl", "{}").replace("\"purpose\"", "\"provider\"");
    assert_eq!(refused("POST /v1/files", &FORM, &ours), 400);
    assert_eq!(refused("POST /v1/files", &[], "{}"), 400);
    assert_eq!(refused("GET /v1/files?limit=0", &[], ""), 400);
    assert_eq!(refused("GET /v1/files?provider=x", &[], ""), 400);
    assert_eq!(refused("GET /v1/files?after=file-x", &[], ""), 400);
    assert_eq!(refused("DELETE /v1/files/file-x", &[], ""), 404);
    assert_eq!(refused("POST /v1/batches/batch_x/cancel", &[], ""), 404);
    let extra =
        r#"{"input_file_id":"f","endpoint":"/v1/embeddings","completion_window":"24h","x":1}"#;
    assert_eq!(refused("POST /v1/batches", &[], extra), 400);
    // A file that makes no sense fails its batch, not the call.
    let file = ask(&store, "k", "POST /v1/files", &FORM, &form("batch", "a.jsonl", "no"), PACE);
    let id = json(&file.unwrap())["id"].clone();
    let body =
        json!({"input_file_id": id, "endpoint": "/v1/embeddings", "completion_window": "24h"});
    let zero = Duration::ZERO;
    let batch = ask(&store, "k", "POST /v1/batches", &[], &body.to_string(), zero).unwrap();
    assert_eq!(json(&batch)["status"], "failed");
    assert_eq!(json(&batch)["errors"]["data"][0]["code"], "invalid_json_line");
}

#[test]
fn message_batches_end_and_have_results() {
    let store = Store::default();
    let version = [("anthropic-version", "2023-06-01"), ("host", "sim")];
    let params = json!({"model": "claude-sonnet-4-5", "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}]});
    let body = json!({"requests": [{"custom_id": "a", "params": params},
        {"custom_id": "b", "params": {"model": "claude-sonnet-4-5"}}]});
    let at = "POST /v1/messages/batches";
    let batch = json(&ask(&store, "k", at, &version, &body.to_string(), PACE).unwrap());
    assert_eq!(batch["processing_status"], "in_progress");
    let id = batch["id"].as_str().unwrap();
    let (one, results) = (format!("/v1/messages/batches/{id}"), "/results");
    let get = |path: &str, pace| ask(&store, "k", &format!("GET {path}"), &version, "", pace);
    assert_eq!(get(&format!("{one}{results}"), PACE).unwrap_err().status, 404);
    let delete = |pace| ask(&store, "k", &format!("DELETE {one}"), &version, "", pace);
    assert_eq!(delete(PACE).unwrap_err().status, 400);
    let ended = json(&get(&one, Duration::ZERO).unwrap());
    assert_eq!(ended["request_counts"]["succeeded"], 1);
    assert_eq!(ended["results_url"], format!("http://sim{one}{results}"));
    let lines = get(&format!("{one}{results}"), Duration::ZERO).unwrap();
    let kinds: Vec<_> = lines.lines().map(|line| json(line)["result"]["type"].clone()).collect();
    assert_eq!(kinds, ["succeeded", "errored"]);
    assert_eq!(json(&delete(Duration::ZERO).unwrap())["type"], "message_batch_deleted");
    assert_eq!(get(&one, PACE).unwrap_err().status, 404);
    let files = json(&get("/v1/files", PACE).unwrap());
    assert_eq!(files, json!({"data": [], "next_page": null}));
    assert_eq!(get("/v1/files?page=page_x", PACE).unwrap_err().status, 400);
}

/// What Amazon's signature is like; nobody can say whether it is right.
fn signed(service: &str) -> [(&'static str, String); 3] {
    let scope = format!("AKID/20260101/us-east-1/{service}/aws4_request");
    let names = "host;x-amz-content-sha256;x-amz-date";
    let hex = "a".repeat(64);
    let header =
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={hex}");
    [
        ("authorization", header),
        ("x-amz-date", "20260101T000000Z".to_owned()),
        ("x-amz-content-sha256", hex),
    ]
}

fn at_amazon(store: &Store, service: &str, line: &str, body: &str) -> Result<String, Refusal> {
    let signed = signed(service);
    let headers = [0, 1, 2].map(|at: usize| (signed[at].0, signed[at].1.as_str()));
    ask(store, "AKID", line, &headers, body, Duration::ZERO)
}

#[test]
fn jobs_read_and_write_objects() {
    let store = Store::default();
    let record = json!({"recordId": "1", "modelInput":
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}});
    let lines = format!("{record}\n{}\n", json!({"recordId": "2", "modelInput": {}}));
    at_amazon(&store, "s3", "PUT /bucket/in/x.jsonl", &lines).unwrap();
    let job = json!({"jobName": "a-job", "roleArn": "arn:aws:iam::123456789012:role/r",
        "modelId": "amazon.nova-pro-v1:0", "modelInvocationType": "Converse",
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://bucket/in/x.jsonl"}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/out/"}}});
    let made = at_amazon(&store, "bedrock", "POST /model-invocation-job", &job.to_string());
    let arn = json(&made.unwrap())["jobArn"].as_str().unwrap().to_owned();
    let look = format!("GET /model-invocation-job/{}", arn.replace('/', "%2F"));
    let done = json(&at_amazon(&store, "bedrock", &look, "").unwrap());
    assert_eq!((&done["status"], &done["errorRecordCount"]), (&json!("Completed"), &json!(1)));
    let id = arn.rsplit('/').next().unwrap();
    let read = format!("GET /bucket/out/{id}/x.jsonl.out");
    let results = at_amazon(&store, "s3", &read, "").unwrap();
    let (well, failed) = results.trim_end().split_once('\n').unwrap();
    assert_eq!(json(well)["modelOutput"]["output"]["message"]["role"], "assistant");
    assert_eq!(json(failed)["error"]["errorCode"], 400);
    let list = at_amazon(&store, "s3", "GET /bucket?list-type=2&prefix=out%2F", "").unwrap();
    assert!(list.contains("<KeyCount>2</KeyCount>") && list.contains("manifest.json.out"));
    for (member, value) in [
        ("jobName", json!("not a name")),
        ("roleArn", json!("role")),
        ("roleArn", Value::Null),
        ("timeoutDurationInHours", json!(1)),
        ("more", json!(1)),
        ("inputDataConfig", json!({"s3InputDataConfig": {"s3Uri": "s3://bucket/a b"}})),
    ] {
        let mut job = job.clone();
        job[member] = value;
        let refused = at_amazon(&store, "bedrock", "POST /model-invocation-job", &job.to_string());
        assert_eq!(refused.unwrap_err().status, 400, "{job}");
    }
    for (service, line, status) in [
        ("s3", "GET /bucket/nothing", 404),
        ("s3", "GET /missing-bucket/x", 404),
        ("s3", "GET /B/x", 400),
        ("s3", "POST /model-invocation-job", 403),
        ("bedrock", "GET /model-invocation-job/unknown", 404),
    ] {
        let refused = at_amazon(&store, service, line, "").unwrap_err();
        assert_eq!(refused.status, status, "{line}");
    }
}

const TOKEN: (&str, &str) = ("authorization", "Bearer t");

fn at_google(
    store: &Store,
    line: &str,
    range: &str,
    body: &str,
    pace: Duration,
) -> Result<Given, Refusal> {
    let headers = [TOKEN, ("host", "localhost"), ("content-range", range)];
    let count = if range.is_empty() { 2 } else { 3 };
    given(store, "t", line, &headers[..count], body, pace)
}

/// The place of the upload that begins so.
fn begun(store: &Store, name: &str) -> String {
    let line = format!("POST /upload/storage/v1/b/bucket/o?uploadType=resumable&name={name}");
    let begun = at_google(store, &line, "", "{}", PACE).unwrap();
    let place = begun.headers.into_iter().find(|(name, _)| name == "location").unwrap().1;
    place.strip_prefix("https://localhost").unwrap().to_owned()
}

#[test]
fn objects_of_cloud_storage_are_uploaded_in_sessions() {
    let store = Store::default();
    let place = begun(&store, "dir%2Fa%20b");
    let put =
        |range: &str, body: &str| at_google(&store, &format!("PUT {place}"), range, body, PACE);
    let chunk = "x".repeat(256 * 1024);
    let more = put("bytes 0-262143/*", &chunk).unwrap();
    assert_eq!((more.status, &*more.headers[0].1), (308, "bytes=0-262143"));
    for (range, body) in [
        ("", "ab"),
        ("bytes 0-1/2", "ab"),
        ("bytes 262144-262145/*", "ab"),
        ("bytes 262144-262145/9", "ab"),
        ("bytes 262144-262146/262147", "ab"),
        ("bytes */7", ""),
    ] {
        assert_eq!(put(range, body).unwrap_err().status, 400, "{range}");
    }
    let ask = |line: &str| at_google(&store, line, "", "", PACE);
    let listed = |query: &str| {
        let page = ask(&format!("GET /storage/v1/b/bucket/o{query}")).unwrap();
        let page = json(std::str::from_utf8(&page.body).unwrap());
        let items = page["items"].as_array().into_iter().flatten();
        let names = items.map(|item| item["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), page["nextPageToken"].as_str().map(str::to_owned))
    };
    assert_eq!(listed(""), (vec![], None), "what is not all there is not there");
    let done = put("bytes 262144-262145/262146", "ab").unwrap();
    let done = json(std::str::from_utf8(&done.body).unwrap());
    assert_eq!((&done["name"], &done["size"]), (&json!("dir/a b"), &json!("262146")));
    assert_eq!(put("bytes 0-1/2", "ab").unwrap_err().status, 404, "the session is over");
    let object = "/storage/v1/b/bucket/o/dir%2Fa%20b";
    assert!(ask(&format!("GET {object}?alt=media")).unwrap().body.ends_with(b"xab"));
    let empty = begun(&store, "empty");
    at_google(&store, &format!("PUT {empty}"), "bytes */0", "", PACE).unwrap();
    assert_eq!(listed("?maxResults=1"), (vec!["dir/a b".to_owned()], Some("dir/a b".to_owned())));
    assert_eq!(listed("?pageToken=dir%2Fa%20b"), (vec!["empty".to_owned()], None));
    assert_eq!(listed("?prefix=dir%2F").0, ["dir/a b"]);
    assert_eq!(listed("?startOffset=e").0, ["empty"]);
    assert_eq!(ask(&format!("DELETE {object}")).unwrap().status, 204);
    for (line, status) in [
        (format!("GET {object}"), 404),
        (format!("DELETE {object}"), 404),
        ("GET /storage/v1/b/missing-b/o".to_owned(), 404),
        ("GET /storage/v1/b/bucket/o?maxResults=0".to_owned(), 400),
        ("POST /upload/storage/v1/b/bucket/o?uploadType=resumable".to_owned(), 400),
        ("POST /upload/storage/v1/b/bucket/o?uploadType=media&name=x".to_owned(), 400),
    ] {
        assert_eq!(ask(&line).unwrap_err().status, status, "{line}");
    }
    let line = "GET /storage/v1/b/bucket/o";
    assert_eq!(given(&store, "", line, &[], "", PACE).unwrap_err().status, 401);
}

#[test]
fn an_upload_that_is_given_up_is_gone() {
    let store = Store::default();
    let place = begun(&store, "x");
    let ask =
        |method: &str| at_google(&store, &format!("{method} {place}"), "bytes 0-0/1", "x", PACE);
    assert_eq!(ask("DELETE").unwrap().status, 499);
    assert_eq!(ask("DELETE").unwrap_err().status, 404);
    assert_eq!(ask("PUT").unwrap_err().status, 404);
}

#[test]
fn prediction_jobs_read_and_write_objects_of_cloud_storage() {
    const JOBS: &str = "/v1/projects/p/locations/r/batchPredictionJobs";
    let store = Store::default();
    let record = |text: &str, label: &str| {
        let contents = json!([{"role": "user", "parts": [{"text": text}]}]);
        json!({"request": {"contents": contents, "labels": {"weir_id": label}}})
    };
    let put = |name: &str, lines: &str| {
        let (place, last) = (begun(&store, name), lines.len() - 1);
        let range = format!("bytes 0-{last}/{}", lines.len());
        at_google(&store, &format!("PUT {place}"), &range, lines, PACE).unwrap();
    };
    put("in.jsonl", &format!("{}\n{}\n", record("one", "a"), json!({"request": {"labels": {}}})));
    put("bad.jsonl", &record("one", "No Label").to_string());
    let job = |name: &str| {
        json!({"displayName": "a job", "model": "publishers/google/models/gemini-2.5-flash",
            "inputConfig": {"instancesFormat": "jsonl",
                "gcsSource": {"uris": [format!("gs://bucket/{name}")]}},
            "outputConfig": {"predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": "gs://bucket/out/"}}})
    };
    let ask = |line: &str, body: &Value, pace| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let given = at_google(&store, line, "", &body, pace)?;
        Ok::<_, Refusal>(json(std::str::from_utf8(&given.body).unwrap()))
    };
    let create = format!("POST {JOBS}");
    let made = ask(&create, &job("in.jsonl"), PACE).unwrap();
    assert_eq!(made["state"], "JOB_STATE_PENDING");
    let look = format!("GET /v1/{}", made["name"].as_str().unwrap());
    let done = ask(&look, &Value::Null, Duration::ZERO).unwrap();
    assert_eq!((&done["state"], &done["model"]), (&json!("JOB_STATE_SUCCEEDED"), &made["model"]));
    assert_eq!(done["completionStats"], json!({"successfulCount": "1", "failedCount": "1"}));
    let folder = done["outputInfo"]["gcsOutputDirectory"].as_str().unwrap();
    let name = folder.strip_prefix("gs://bucket/").unwrap().replace('/', "%2F");
    let line = format!("GET /storage/v1/b/bucket/o/{name}%2Fpredictions.jsonl?alt=media");
    let results = at_google(&store, &line, "", "", PACE).unwrap();
    let results = String::from_utf8(results.body.to_vec()).unwrap();
    let (failed, well) = results.trim_end().split_once('\n').unwrap();
    assert_eq!(json(well)["response"]["candidates"][0]["content"]["role"], "model");
    assert_eq!(json(well)["request"]["labels"]["weir_id"], "a");
    assert!(json(failed)["status"].as_str().unwrap().starts_with("Bad Request"), "{failed}");
    for (name, why) in [("bad.jsonl", "label"), ("none.jsonl", "not found")] {
        let made = ask(&create, &job(name), Duration::ZERO).unwrap();
        let look = format!("GET /v1/{}", made["name"].as_str().unwrap());
        let failed = ask(&look, &Value::Null, Duration::ZERO).unwrap();
        assert_eq!(failed["state"], "JOB_STATE_FAILED");
        assert!(failed["error"]["message"].as_str().unwrap().contains(why), "{failed}");
    }
    let listed = |query: &str| ask(&format!("GET {JOBS}{query}"), &Value::Null, PACE).unwrap();
    let first = listed("?pageSize=2");
    assert_eq!(first["batchPredictionJobs"].as_array().unwrap().len(), 2);
    let rest = listed(&format!("?pageToken={}", first["nextPageToken"].as_str().unwrap()));
    assert_eq!(rest["batchPredictionJobs"][0]["name"], made["name"], "the newest come first");
    ask(&format!("{}:cancel", look.replace("GET", "POST")), &Value::Null, PACE).unwrap();
    for (member, value) in [
        ("model", json!("gemini-2.5-flash")),
        ("inputConfig", json!({"instancesFormat": "jsonl", "gcsSource": {"uris": ["x"]}})),
        ("outputConfig", Value::Null),
        ("more", json!(1)),
    ] {
        let mut job = job("in.jsonl");
        job[member] = value;
        assert_eq!(ask(&create, &job, PACE).unwrap_err().status, 400, "{job}");
    }
    let other = format!("GET {JOBS}/1");
    assert_eq!(ask(&other, &Value::Null, PACE).unwrap_err().status, 404);
    assert_eq!(given(&store, "", &other, &[], "", PACE).unwrap_err().status, 401);
    assert_eq!(given(&store, "u", &look, &[TOKEN], "", PACE).unwrap_err().status, 404);
}

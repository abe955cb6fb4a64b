//! Objects, jobs and records.

use serde_json::json;

use super::*;
use crate::batches::Interface;
use crate::buckets::Place;

fn buckets() -> [Bucket; 1] {
    [Bucket::new("b", "p", false)]
}

#[test]
fn lists_are_asked_for_and_read() {
    let asked = |after, next| {
        Google
            .list(ListAsked { prefix: "p/", after, next, most: 7 })
            .into_iter()
            .collect::<Vec<_>>()
    };
    let has = |pairs: &Pairs, name, value: &str| pairs.contains(&(name, value.to_owned()));
    assert!(has(&asked(None, None), "maxResults", "7"));
    let behind = asked(Some("p/a"), None);
    assert!(has(&behind, "maxResults", "8") && has(&behind, "startOffset", "p/a"));
    let on = asked(Some("p/a"), Some("t"));
    assert!(has(&on, "pageToken", "t") && !has(&on, "startOffset", "p/a"));
    let page = json!({"kind": "storage#objects", "nextPageToken": "t", "items": [
        {"name": "p/a", "size": "12", "updated": "2026-01-01T00:00:01.000Z"}]});
    let list = Google.listing(page.to_string().as_bytes()).unwrap();
    let first = Entry { key: "p/a".to_owned(), bytes: 12, modified: 1_767_225_601 };
    assert_eq!((list.entries, list.next.as_deref()), (vec![first], Some("t")));
    assert!(Google.listing(b"{}").unwrap().entries.is_empty());
    assert!(Google.listing(br#"{"items":[{}]}"#).is_err());
}

#[test]
fn sessions_say_how_far_they_are() {
    let range = |bytes: &'static [u8], offset, is_last| {
        Google.step(Bytes::from_static(bytes), offset, is_last).headers[0].1.clone()
    };
    assert_eq!(range(b"abc", 0, false), "bytes 0-2/*");
    assert_eq!(range(b"de", 3, true), "bytes 3-4/5");
    assert_eq!(range(b"", 0, true), "bytes */0");
    assert_eq!((Google.come("bytes=0-2"), Google.come(""), Google.come("bytes=1-2")), (3, 0, 0));
}

#[test]
fn a_job_is_told_as_a_batch() {
    let job = |more: &Value| {
        let mut job = json!({"name": "projects/1/locations/us-central1/batchPredictionJobs/42",
            "model": "publishers/google/models/m", "state": "JOB_STATE_PENDING",
            "createTime": "2026-01-01T00:00:00Z",
            "inputConfig": {"gcsSource": {"uris": ["gs://b/p/batch/u/in.jsonl"]}}});
        job.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        Google.batch(&job, &buckets()).unwrap()
    };
    let begun = job(&json!({})).unwrap();
    assert_eq!((begun.status, begun.output), ("validating", None));
    assert_eq!(Google.job_of(&begun.id).as_deref(), Some("42"));
    let done = job(&json!({"state": "JOB_STATE_SUCCEEDED", "endTime": "2026-01-01T00:01:40Z",
        "completionStats": {"successfulCount": "2", "failedCount": "1"},
        "outputInfo": {"gcsOutputDirectory": "gs://b/p/batch_output/v/prediction-model-x"}}))
    .unwrap();
    assert_eq!(
        (done.status, done.counts, done.ended),
        ("completed", [3, 2, 1], Some(1_767_225_700))
    );
    let output = Place::of_id(jobs::GS, &done.output.unwrap()).unwrap();
    assert_eq!(
        output.uri(jobs::GS),
        "gs://b/p/batch_output/v/prediction-model-x/predictions.jsonl"
    );
    let failed = job(&json!({"state": "JOB_STATE_FAILED", "error": {"code": 3, "message": "no"}}));
    assert_eq!(failed.unwrap().message.as_deref(), Some("no"));
    let elsewhere = json!({"inputConfig": {"gcsSource": {"uris": ["gs://other/x"]}}});
    assert_eq!(job(&elsewhere), None);
    assert!(Google.batch(&json!({}), &buckets()).is_err());
    for (id, own) in [("projects/p/locations/r/batchPredictionJobs/7", Some("7")), ("x", None)] {
        assert_eq!(Google.job_of(id).as_deref(), own);
    }
}

#[test]
fn a_records_name_comes_back_from_its_labels() {
    let records = Google.records();
    for id in ["one-1", "ä 1", "A", &"x".repeat(64), &"ü".repeat(256)] {
        for input in [r#"{"contents":[]}"#, r#"{"contents":[],"labels":{"a":"b"}}"#, "{}"] {
            let input = Bytes::copy_from_slice(input.as_bytes());
            let made = records.record(id, Interface::Chat, vec![input.clone()]).unwrap().concat();
            let made: Value = serde_json::from_slice(&made).unwrap();
            for value in made["request"]["labels"].as_object().unwrap().values() {
                assert!(value.as_str().unwrap().len() <= 63);
            }
            let line = json!({"request": made["request"], "status": "",
                "response": {"candidates": []}, "processed_time": "2026"});
            let found = records.outcome(line.to_string().as_bytes()).unwrap();
            let [asked, repeated]: [Value; 2] =
                [input, found.input.unwrap()].map(|text| serde_json::from_slice(&text).unwrap());
            assert_eq!((&*found.id, asked), (id, repeated));
            assert_eq!(found.answer.unwrap(), r#"{"candidates":[]}"#);
        }
    }
    let fault = records.record(&"x".repeat(513), Interface::Chat, vec!["{}".into()]).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("custom_id"));
}

#[test]
fn a_result_without_an_answer_says_why() {
    let bad = r#"Bad Request: {"error": {"code": 400, "message": "no role", "status": "INVALID_ARGUMENT"}}"#;
    for (status, response, code, message) in [
        (bad, json!({}), 400, "no role"),
        ("Internal", json!(null), 500, "Internal"),
        ("", json!({}), 500, "no reason is given"),
        ("odd {", json!({"a": 1}), 500, "odd {"),
    ] {
        let line = json!({"request": {"labels": {"weir_id": "x"}}, "status": status,
            "response": response});
        let found = Google.records().outcome(line.to_string().as_bytes()).unwrap();
        let error = found.answer.unwrap_err().error;
        assert_eq!((&*found.id, error.status), ("x", code), "{status}");
        assert!(error.message.contains(message), "{}", error.message);
    }
}

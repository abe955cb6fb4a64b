//! What services have, as OpenAI writes it.

use serde_json::json;

use super::side::{Side, files};
use super::*;

fn service(dialect: Dialect) -> &'static dyn Service {
    of(dialect).unwrap()
}

fn record(service: &dyn Service, id: &str, interface: Interface) -> Result<String, RequestFault> {
    let input = vec![Bytes::from_static(b"{\n\"a\":"), Bytes::from_static(b"1}")];
    let parts = service.record(id, interface, input)?;
    Ok(String::from_utf8(parts.concat()).unwrap())
}

#[test]
fn records_are_one_line_each_and_say_what_they_are_for() {
    let messages = service(Dialect::AnthropicMessages);
    assert_eq!(
        record(messages, "a-1", Interface::Chat).unwrap(),
        r#"{"custom_id":"a-1","params":{ "a":1}}"#
    );
    assert_eq!(
        record(messages, "a-1", Interface::Responses).unwrap(),
        r#"{"custom_id":"weir-r-a-1","params":{ "a":1}}"#
    );
    let fault = record(messages, &"ä".repeat(40), Interface::Chat).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("custom_id"));
    let google = service(Dialect::GeminiGenerate);
    assert_eq!(
        record(google, "ä 1", Interface::Chat).unwrap(),
        r#"{"key":"ä 1","request":{ "a":1}}"#
    );
    assert_eq!(
        record(google, "x", Interface::Responses).unwrap(),
        r#"{"key":"weir-r-x","request":{ "a":1}}"#
    );
}

#[test]
fn results_are_answers_or_say_why_not() {
    let messages = service(Dialect::AnthropicMessages);
    let read = |result: Value| {
        let line = json!({"custom_id": "weir-r-a", "result": result}).to_string();
        messages.outcome(line.as_bytes()).unwrap()
    };
    let well = read(json!({"type": "succeeded", "message": {"b": 2}}));
    assert_eq!((&*well.id, well.interface), ("a", Some(Interface::Responses)));
    assert_eq!(well.answer, Ok(Bytes::from_static(b"{\"b\":2}")));
    let error = json!({"type": "error", "error": {"type": "overloaded_error", "message": "no"}});
    let failed = read(json!({"type": "errored", "error": error})).answer.unwrap_err();
    assert_eq!((failed.error.status, &*failed.error.message), (529, "no"));
    assert!(!read(json!({"type": "errored"})).answer.unwrap_err().error.message.is_empty());
    for (kind, code) in [("canceled", "batch_cancelled"), ("expired", "batch_expired")] {
        assert_eq!(read(json!({"type": kind})).answer.unwrap_err().unasked, Some(code));
    }
    let google = service(Dialect::GeminiGenerate);
    let read = |line: Value| google.outcome(line.to_string().as_bytes()).unwrap();
    let well = read(json!({"key": "a", "response": {"b": 2}}));
    assert_eq!((&*well.id, well.interface), ("a", None));
    assert_eq!(well.answer, Ok(Bytes::from_static(b"{\"b\":2}")));
    for (error, status) in [
        (json!({"code": 3, "message": "no"}), 400),
        (json!({"code": 8, "message": "no"}), 429),
        (json!({"code": 503, "message": "no", "status": "UNAVAILABLE"}), 503),
        (json!({"code": 0}), 500),
    ] {
        let failed = read(json!({"key": "a", "error": error})).answer.unwrap_err();
        assert_eq!(failed.error.status, status, "{error}");
    }
    for service in [messages, google] {
        assert!(service.outcome(b"x").is_err());
    }
}

#[test]
fn a_message_batch_is_a_batch_and_its_files() {
    let service = service(Dialect::AnthropicMessages);
    let told = |more: Value| {
        let mut batch = json!({"id": "msgbatch_1", "processing_status": "in_progress",
            "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z",
            "request_counts": {"processing": 3, "succeeded": 0, "errored": 0, "canceled": 0,
                "expired": 0}});
        batch.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        service.batch(&batch).unwrap()
    };
    let begun = told(json!({}));
    assert_eq!(
        (begun.status, begun.created, begun.counts),
        ("in_progress", 1_767_225_600, [3, 0, 0])
    );
    assert_eq!(id::of_batch(&begun.id).as_deref(), Some("msgbatch_1"));
    assert_eq!(Side::Output.of(&begun), None);
    let counts = |succeeded: u64, canceled: u64, expired: u64| {
        json!({"processing_status": "ended", "results_url": "https://x/results",
            "ended_at": "2026-01-01T00:01:00Z",
            "request_counts": {"processing": 0, "succeeded": succeeded, "errored": 1,
                "canceled": canceled, "expired": expired}})
    };
    let done = told(counts(1, 0, 1));
    assert_eq!((done.status, done.counts), ("completed", [3, 1, 2]));
    assert_eq!(done.document()["completed_at"], 1_767_225_660);
    let output = Side::Output.of(&done).unwrap();
    assert_eq!(Side::of_id(&output.id), Some((Side::Output, "msgbatch_1".to_owned())));
    assert_eq!(
        (&*output.purpose, &*output.filename),
        ("batch_output", "msgbatch_1_batch_output.jsonl")
    );
    for (purpose, expected) in [(None, 2), (Some("batch"), 1), (Some("user_data"), 0)] {
        let page = FilePage { purpose: purpose.map(str::to_owned), ..FilePage::default() };
        assert_eq!(files(&done, &page).count(), expected);
    }
    let mut canceled = counts(0, 2, 0);
    canceled["cancel_initiated_at"] = json!("2026-01-01T00:00:30Z");
    assert_eq!(told(canceled).status, "cancelled");
    assert_eq!(told(json!({"processing_status": "canceling"})).status, "cancelling");
    let mut expired = counts(0, 0, 3);
    expired["request_counts"]["errored"] = json!(0);
    assert_eq!(told(expired).status, "expired");
    assert!(service.batch(&json!({})).is_err());
    for foreign in ["file-?", "x", &id::file("in/"), &id::file("x/y")] {
        assert_eq!(Side::of_id(foreign), None, "{foreign}");
    }
}

#[test]
fn an_operation_is_a_batch_and_its_names_say_of_what() {
    let service = service(Dialect::GeminiGenerate);
    let tag = Tag { interface: Interface::Responses, model: "gemini/gemini-2.5-flash".to_owned() };
    let named = |filename: &str| service.files().unwrap().named(&tag, filename);
    let name = named("in ä.jsonl");
    let told = |state: &str, more: Value| {
        let mut batch = json!({"name": "batches/b1", "metadata": {"state": state,
            "displayName": name, "model": "models/m", "inputConfig": {"fileName": "files/f1"},
            "createTime": "2026-01-01T00:00:00Z", "updateTime": "2026-01-01T00:01:00Z",
            "batchStats": {"requestCount": "3", "successfulRequestCount": "2",
                "failedRequestCount": "1"}}});
        batch.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        service.batch(&batch).unwrap()
    };
    let done =
        told("BATCH_STATE_SUCCEEDED", json!({"response": {"responsesFile": "files/batch-b1"}}));
    assert_eq!((done.status, done.counts), ("completed", [3, 2, 1]));
    assert_eq!((&*done.endpoint, done.ended), ("/v1/responses", Some(1_767_225_660)));
    assert_eq!(done.input, Some(id::file("f1")));
    assert_eq!(done.output, Some(id::file("batch-b1")));
    for (state, expected) in [
        ("BATCH_STATE_PENDING", "validating"),
        ("BATCH_STATE_RUNNING", "in_progress"),
        ("JOB_STATE_CANCELLED", "cancelled"),
        ("BATCH_STATE_EXPIRED", "expired"),
    ] {
        assert_eq!(told(state, json!({})).status, expected);
    }
    let failed = told("BATCH_STATE_FAILED", json!({"error": {"code": 3, "message": "why"}}));
    assert_eq!(failed.document()["errors"]["data"][0]["message"], "why");
    let files = service.files().unwrap();
    let file = files.uploaded(&json!({"file": {"name": "files/f1", "displayName": name,
        "sizeBytes": "12", "createTime": "2026-01-01T00:00:00Z"}}));
    let file = file.unwrap();
    assert_eq!((&*file.filename, &*file.purpose, file.bytes), ("in ä.jsonl", "batch", 12));
    assert_eq!((file.id, file.tag), (id::file("f1"), Some(tag.clone())));
    let made = json!({"name": "files/batch-b1", "source": "GENERATED", "displayName": ""});
    assert_eq!(files.file(&made).unwrap().purpose, "batch_output");
    assert!(files.uploaded(&json!({})).is_err() && service.batch(&json!({})).is_err());
    assert!(named(&"ä".repeat(600)).chars().count() < 512);
}

proptest::proptest! {
    /// Whatever comes, it is read or refused.
    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>, name in ".{0,40}") {
        for dialect in Dialect::ALL.iter().copied() {
            let Some(service) = of(dialect) else { continue };
            _ = service.outcome(&bytes);
            let documents = [
                serde_json::from_slice(&bytes).unwrap_or_default(),
                json!({"name": name, "id": name, "displayName": format!("weir.{name}")}),
            ];
            for document in &documents {
                _ = service.batch(document);
                _ = service.files().map(|files| files.file(document).is_ok());
                _ = service.paging().read(document.clone(), service.batches());
            }
            _ = (Side::of_id(&name), Side::of_id(&id::file(&name)), id::of_batch(&name));
        }
    }
}

//! Batches and jobs.

use super::super::amazon::Amazon;
use super::*;
use crate::batches::Page;

fn buckets() -> [Bucket; 1] {
    [Bucket::new("b", "p", false)]
}

fn input() -> Place {
    Place { bucket: "b".to_owned(), key: "p/batch/u/in.jsonl".to_owned() }
}

fn asked(more: &Value) -> Vec<u8> {
    let mut body = json!({"input_file_id": input().id(), "endpoint": "/v1/chat/completions",
        "completion_window": "24h"});
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().unwrap().extend(more);
    body.to_string().into_bytes()
}

#[test]
fn a_request_is_read_and_what_is_lost_is_named() {
    let mut losses = Losses::default();
    let more = json!({"role_arn": "arn:r", "model": "m", "metadata": {"a": "b"},
        "output_expires_after": {"seconds": 1}, "model_invocation_type": "Converse"});
    let wanted = Wanted::read(&asked(&more), &TERMS, &mut losses).unwrap();
    assert_eq!((wanted.input, wanted.hours), (input(), 24));
    assert_eq!(wanted.role.as_deref(), Some("arn:r"));
    let lost: Vec<_> = losses.iter().map(|loss| &*loss.member).collect();
    assert_eq!(lost, ["metadata", "output_expires_after"]);
    for (more, param) in [
        (json!({"input_file_id": "x"}), "input_file_id"),
        (json!({"input_file_id": null}), "input_file_id"),
        (json!({"endpoint": ""}), "endpoint"),
        (json!({"completion_window": "1h"}), "completion_window"),
        (json!({"completion_window": "9999h"}), "completion_window"),
        (json!({"role_arn": 7}), "role_arn"),
    ] {
        let fault = Wanted::read(&asked(&more), &TERMS, &mut Losses::default()).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(param), "{more}");
    }
    assert!(Wanted::read(b"[]", &TERMS, &mut Losses::default()).is_err());
}

#[test]
fn a_job_is_asked_for_as_bedrock_wants_it() {
    let output = Place { bucket: "b".to_owned(), key: "p/batch_output/u/".to_owned() };
    let job = Job {
        token: "abc",
        role: Some("arn:r"),
        model: "m",
        input: &input(),
        output: &output,
        hours: 24,
        invocation: Some(CONVERSE),
    };
    let document: Value = serde_json::from_slice(&job.document()).unwrap();
    assert_eq!(
        document,
        json!({"jobName": "weir-abc", "clientRequestToken": "abc", "roleArn": "arn:r",
            "modelId": "m", "timeoutDurationInHours": 24, "modelInvocationType": "Converse",
            "inputDataConfig": {"s3InputDataConfig":
                {"s3Uri": "s3://b/p/batch/u/in.jsonl", "s3InputFormat": "JSONL"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://b/p/batch_output/u/"}}})
    );
}

fn job(id: &str, more: &Value) -> Value {
    let mut job = json!({"jobArn": format!("arn:aws:bedrock:r:1:model-invocation-job/{id}"),
        "modelId": "m", "status": "Submitted", "submitTime": "2026-01-01T00:00:00.5Z",
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": input().uri(S3)}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://b/p/batch_output/v/"}}});
    job.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    job
}

#[test]
fn a_job_is_told_as_a_batch() {
    let told = |more: &Value| -> Value {
        let job = job("j1", more).to_string();
        serde_json::from_slice(&batch(&Amazon, job.as_bytes(), &buckets()).unwrap().unwrap())
            .unwrap()
    };
    let begun = told(&json!({}));
    assert_eq!((&begun["status"], &begun["output_file_id"]), (&json!("validating"), &Value::Null));
    assert_eq!(begun["created_at"], 1_767_225_600);
    assert_eq!(begun["endpoint"], "/model/m/invoke");
    let id = begun["id"].as_str().unwrap();
    assert_eq!(job_of(id).unwrap(), "arn:aws:bedrock:r:1:model-invocation-job/j1");
    let done = told(&json!({"status": "Completed", "endTime": 1_767_225_700.5,
        "totalRecordCount": 3, "successRecordCount": 2, "errorRecordCount": 1}));
    assert_eq!(
        (&done["status"], &done["completed_at"]),
        (&json!("completed"), &json!(1_767_225_700))
    );
    let output = Place::of_id(S3, done["output_file_id"].as_str().unwrap()).unwrap();
    assert_eq!(output.uri(S3), "s3://b/p/batch_output/v/j1/in.jsonl.out");
    assert_eq!(done["request_counts"], json!({"total": 3, "completed": 2, "failed": 1}));
    let failed = told(&json!({"status": "Failed", "message": "no role"}));
    assert_eq!(failed["errors"]["data"][0]["message"], "no role");
    for (status, expected) in [
        ("InProgress", "in_progress"),
        ("Stopping", "cancelling"),
        ("Stopped", "cancelled"),
        ("Expired", "expired"),
        ("Scheduled", "validating"),
    ] {
        assert_eq!(told(&json!({"status": status}))["status"], expected);
    }
    let elsewhere = job(
        "j1",
        &json!({"inputDataConfig": {"s3InputDataConfig":
        {"s3Uri": "s3://other/x"}}}),
    );
    assert_eq!(batch(&Amazon, elsewhere.to_string().as_bytes(), &buckets()).unwrap(), None);
}

#[test]
fn a_list_goes_on_behind_the_last_that_was_seen() {
    let page = |ids: &[&str], next: Option<&str>| {
        let jobs: Vec<_> = ids.iter().map(|id| job(id, &json!({}))).collect();
        json!({"invocationJobSummaries": jobs, "nextToken": next}).to_string()
    };
    let told = |after: Option<&str>, limit, pages: &[String]| {
        let after = after.map(|id| format!("arn:aws:bedrock:r:1:model-invocation-job/{id}"));
        let page = Page { after, limit };
        let mut list = List::new(&page);
        let mut next = None;
        for page in pages {
            next = list.add(&Amazon, page.as_bytes(), &buckets()).unwrap();
        }
        let list: Value = serde_json::from_slice(&list.document()).unwrap();
        let ids: Vec<String> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| job_of(one["id"].as_str().unwrap()).unwrap())
            .map(|arn| arn.rsplit('/').next().unwrap().to_owned())
            .collect();
        (ids.join(","), list["has_more"].clone(), next)
    };
    let all = [page(&["1", "2"], Some("t")), page(&["3"], None)];
    assert_eq!(told(None, 9, &all), ("1,2,3".to_owned(), json!(false), None));
    assert_eq!(told(None, 2, &all), ("1,2".to_owned(), json!(true), None));
    assert_eq!(told(Some("1"), 9, &all), ("2,3".to_owned(), json!(false), None));
    assert_eq!(told(Some("2"), 1, &all[..1]), (String::new(), json!(false), Some("t".to_owned())));
    let read = |query: &[(&'static str, &'static str)]| {
        page_of(&Amazon, query.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    };
    assert_eq!(read(&[("limit", "3")]).unwrap(), Page { after: None, limit: 3 });
    assert!(read(&[("after", "batch_?")]).is_err() && read(&[("limit", "101")]).is_err());
}

#[test]
fn jobs_in_bedrocks_own_words_are_told_by_their_files() {
    let mine = job("1", &json!({}));
    let other = job("2", &json!({"inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://x/y"}}}));
    let [input_place, output] = places(mine.to_string().as_bytes()).unwrap();
    assert_eq!((input_place, output.key), (input(), "p/batch_output/v/*".to_owned()));
    let fault = places(b"{}").unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("inputDataConfig.s3InputDataConfig.s3Uri"));
    let text: Bytes = mine.to_string().into();
    assert_eq!(own(&text, &buckets()).unwrap(), Some(text));
    assert_eq!(own(&other.to_string().into(), &buckets()).unwrap(), None);
    let list = json!({"invocationJobSummaries": [mine, other], "nextToken": "t"}).to_string();
    let list: Value =
        serde_json::from_slice(&only_within(list.as_bytes(), &buckets()).unwrap()).unwrap();
    assert_eq!(
        (list["invocationJobSummaries"].as_array().unwrap().len(), &list["nextToken"]),
        (1, &json!("t"))
    );
    assert!(only_within(b"{}", &buckets()).is_err());
}

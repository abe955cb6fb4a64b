//! Files and batches that a vendor has by an interface of its own.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::time::sleep;
use weir_rpc::{Body, Reply, WorkerRequest, WorkerService};
use weir_types::{Fault, FaultCode, Operation};

use super::fake::json;
use super::*;
use crate::Worker;

const LINE: &str = r#"{"custom_id":"one","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[{"role":"user","content":"hi"}]}}"#;
const HEAD: &str = "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n";
const END: &str = "\r\n--b--\r\n";

fn asking(worker: &Worker) -> WorkerRequest {
    let operation = Operation::FileUpload;
    let content_type = "multipart/form-data; boundary=b".to_owned();
    WorkerRequest { operation, content_type, model: "".into(), ..request(worker, false) }
}

async fn upload(worker: &Worker, lines: &str) -> Result<Reply, Fault> {
    let form = Bytes::from(format!("{HEAD}{lines}{END}"));
    worker.call(context(), asking(worker), Body::Full(form)).await
}

#[tokio::test]
async fn a_file_goes_where_the_operator_says_whatever_address_the_vendor_names() {
    let begun = "HTTP/1.1 200 OK\r\nx-goog-upload-url: https://elsewhere.invalid/take?upload_id=u1\r\n\
                 content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let file = r#"{"file":{"name":"files/f1","sizeBytes":"9"}}"#;
    let scripts = [begun.to_owned(), json(200, "", file)];
    let scripts = scripts.map(|said| vec![Act::Send(said), Act::Close]);
    let fake = Fake::start(scripts.to_vec()).await;
    let worker = worker(settings("gemini", &fake.url));
    let (document, _) = drain(upload(&worker, LINE).await.unwrap()).await;
    assert!(document.contains("\"bytes\":9"), "{document}");
    let [begin, step] = fake.requests().try_into().unwrap();
    assert!(begin.starts_with("POST /upload/v1beta/files HTTP"), "{begin}");
    assert!(step.starts_with("POST /upload/v1beta/files?upload_id=u1 HTTP"), "{step}");
    assert!(step.to_lowercase().contains("x-goog-upload-command: upload, finalize"), "{step}");
    assert!(step.contains(SECRET) && step.contains("{\"key\":\"one\",\"request\":"), "{step}");
}

#[tokio::test]
async fn an_upload_that_is_refused_at_once_is_not_waited_for() {
    let refused = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let fake = Fake::start(vec![vec![Act::Send(refused.to_owned()), Act::Close]]).await;
    let worker = worker(settings("anthropic", &fake.url));
    // Lines go on and on.
    let head = stream::iter([Ok(Bytes::from_static(HEAD.as_bytes()))]);
    let lines = stream::unfold((), |()| async {
        sleep(Duration::from_millis(5)).await;
        Some((Ok(Bytes::from(format!("{LINE}\n"))), ()))
    });
    let body = Body::Stream(Box::pin(futures_util::StreamExt::chain(head, lines)));
    let sent = worker.call(context(), asking(&worker), body);
    let sent = tokio::time::timeout(Duration::from_secs(20), sent).await.unwrap();
    assert!(sent.is_err());
}

#[tokio::test]
async fn a_line_that_is_refused_closes_the_vendors_side() {
    let mut fake = Fake::start(vec![vec![Act::Hold]]).await;
    let worker = worker(settings("anthropic", &fake.url));
    let text = "x".repeat(64 * 1024);
    let long = LINE.replace("hi", &text);
    let lines = format!("{}no json", format!("{long}\n").repeat(64));
    let fault = upload(&worker, &lines).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::InvalidRequest);
    assert!(fault.detail.message.contains("line 65 of the file"), "{fault}");
    assert!(fake.closed.recv().await.is_some());
}

//! Files for batches on their way up, however they arrive.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use weir_rpc::Body;
use weir_types::{Fault, FaultCode};

use super::*;
use crate::lines;

const TYPE: &str = "multipart/form-data; boundary=b";

fn form(purpose: &str, file: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{file}\r\n--b--\r\n"
    )
}

/// What is sent of `body`, which comes so many bytes at a time.
async fn sent(body: &str, step: usize, content_type: &str) -> Result<String, Fault> {
    let mut settings = settings("openai", "http://127.0.0.1:1");
    settings.keys[0].rules.aliases = vec![("fast".into(), "gpt-mini".into())];
    let shared = shared(settings);
    let pieces: Vec<_> =
        body.as_bytes().chunks(step).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let body = Body::Stream(Box::pin(stream::iter(pieces)));
    let Body::Stream(mut pieces) = lines::sent(body, &shared, 0, content_type) else {
        unreachable!("what arrives is not held");
    };
    let mut out = Vec::new();
    while let Some(piece) = pieces.next().await {
        out.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8(out).unwrap())
}

const ASKED: &str = "{\"body\":{\"model\":\"OpenAI/m\"}}\r\n\n{\"body\":{\"model\":\"fast\"}}\nodd\n\
                     {\"body\":{\"model\":\"meta/m\"}}\r\n--c\r\n{\"body\":{\"model\":\"openai/fast\"}}";
const NAMED: &str = "{\"body\":{\"model\":\"m\"}}\n\n{\"body\":{\"model\":\"gpt-mini\"}}\nodd\n\
                     {\"body\":{\"model\":\"meta/m\"}}\r\n--c\r\n{\"body\":{\"model\":\"gpt-mini\"}}";

#[tokio::test]
async fn models_are_named_as_the_provider_does_however_a_file_arrives() {
    for step in [1, 2, 3, 7, 50, 10_000] {
        let named = sent(&form("batch", ASKED), step, TYPE).await.unwrap();
        assert_eq!(named, form("batch", NAMED), "{step}");
        for (purpose, kind) in
            [("user_data", TYPE), ("batches", TYPE), ("", TYPE), ("batch", "application/json")]
        {
            let other = form(purpose, ASKED);
            assert_eq!(sent(&other, step, kind).await.unwrap(), other, "{purpose} {step}");
        }
    }
}

#[tokio::test]
async fn what_is_cut_stays_cut_and_a_line_has_a_bound() {
    let whole = form("batch", NAMED);
    let cut = whole.get(..whole.len() - 12).unwrap();
    let sent_of_cut = sent(cut, 9, TYPE).await.unwrap();
    assert!(whole.starts_with(&sent_of_cut) && !sent_of_cut.ends_with("--\r\n"), "{sent_of_cut}");
    let long = form("batch", &"x".repeat((1 << 20) + 1));
    let fault = sent(&long, 1 << 16, TYPE).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::BodyTooLarge);
}

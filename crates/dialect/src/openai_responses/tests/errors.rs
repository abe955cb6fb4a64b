//! Errors and lists of models.

use serde_json::json;
use weir_framing::{Framing, Writer};

use super::*;
use crate::ir::{self, ErrorKind};

#[test]
fn every_error_is_read_and_written() {
    for (name, body) in fixtures("errors") {
        let read = FORMAT.read_error(&body);
        assert!(!read.message.is_empty() && !read.kind.is_empty(), "{name}");
        let error = ir::Error {
            label: read.kind.clone(),
            code: Some(read.code.clone()).filter(|code| !code.is_empty()),
            param: Some(read.param.clone()).filter(|param| !param.is_empty()),
            ..ir::Error::new(400, read.message.clone())
        };
        let written = FORMAT.write_error(&error);
        assert_eq!(FORMAT.read_error(&written), read, "{name}");
        assert_eq!(value(&written)["error"], value(&body)["error"], "{name}");
        assert_eq!(value(&written)["status_code"], 400);
    }
    assert_eq!(FORMAT.read_error(b"<html>"), crate::format::ErrorBody::default());
}

#[test]
fn an_error_ends_a_stream_flat() {
    let mut out = Writer::new(Framing::Sse);
    let mut error = ir::Error::new(429, "too many");
    FORMAT.error_event(&error, &mut out);
    let written = out.take();
    let text = std::str::from_utf8(&written).unwrap();
    let data = text.strip_prefix("event: error\ndata: ").unwrap().trim_end();
    let event = value(data.as_bytes());
    let expected = json!({
        "type": "error", "code": "rate_limit_error", "message": "too many", "param": null,
        "sequence_number": i32::MAX,
    });
    assert_eq!(event, expected);
    error.code = Some("rate_limit_exceeded".to_owned());
    FORMAT.error_event(&error, &mut out);
    assert!(std::str::from_utf8(&out.take()).unwrap().contains("\"rate_limit_exceeded\""));
}

#[test]
fn failures_within_a_stream_have_a_kind() {
    let kind = |said| super::super::error::of_event(&said).kind;
    assert_eq!(kind(json!({"code": "rate_limit_exceeded"})), ErrorKind::RateLimited);
    assert_eq!(kind(json!({"error": {"code": "server_error"}})), ErrorKind::Internal);
    assert_eq!(kind(json!({"error": {"code": "invalid_prompt"}})), ErrorKind::InvalidRequest);
    assert_eq!(kind(json!({"code": 503})), ErrorKind::Overloaded);
    assert_eq!(kind(json!({})), ErrorKind::Internal);
}

#[test]
fn models_are_listed_as_in_chat() {
    let body = br#"{"object":"list","data":[
        {"id":"gpt-5.1","object":"model","created":1,"owned_by":"openai"}]}"#;
    let models = FORMAT.read_models(body).unwrap();
    assert_eq!(value(&FORMAT.write_models(&models)), value(body));
}

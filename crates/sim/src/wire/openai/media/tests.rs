//! What is answered, and what is refused.

use http::Method;
use serde_json::{Value, json};

use crate::wire::testing::{Said, post, send};

const SPEECH: &str = "/v1/audio/speech";

fn form(path: &str, parts: &[(&str, Option<&str>, &str)]) -> Said {
    let mut body = String::new();
    for (name, file, content) in parts {
        let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
        body.push_str("--x\r\nContent-Disposition: form-data; name=\"");
        body.push_str(&format!("{name}\"{file}\r\n\r\n{content}\r\n"));
    }
    body.push_str("--x--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=x")];
    send(&Method::POST, path, &headers, body.as_bytes(), false)
}

fn said(said: &Said) -> String {
    String::from_utf8(said.body.clone()).unwrap()
}

#[test]
fn speech_is_its_text_and_strict() {
    let fine = json!({"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "hi"});
    assert_eq!(post(SPEECH, &[], &fine).body, b"hi");
    for (member, value) in [
        ("speed", json!(9)),
        ("stream_format", json!("text")),
        ("response_format", json!("m4a")),
        ("input", json!("")),
        ("input", json!("x".repeat(4097))),
        ("seed", json!(1)),
    ] {
        let mut body = fine.clone();
        body[member] = value;
        assert_eq!(post(SPEECH, &[], &body).status, 400, "{member}");
    }
    let older = json!({"model": "tts-1", "voice": "alloy", "input": "hi", "stream_format": "sse"});
    assert_eq!(post(SPEECH, &[], &older).status, 400);
    // Mistral's own door has other members.
    assert_eq!(post("/mistral/v1/audio/speech", &[], &fine).status, 400);
    let own = json!({"model": "v", "input": "hi", "voice_id": "a"});
    assert_eq!(post("/mistral/v1/audio/speech", &[], &own).json()["audio_data"], "aGk=");
}

#[test]
fn transcripts_are_strict_and_say_what_came() {
    let path = "/v1/audio/transcriptions";
    let file = ("file", Some("a.mp3"), "ID3");
    let answer = form(path, &[("model", None, "whisper-1"), file]);
    assert!(answer.json()["text"].as_str().unwrap().starts_with("3 bytes of sound, "));
    assert_eq!(answer.json()["usage"]["type"], "duration");
    let text = form(path, &[("model", None, "w"), ("response_format", None, "text"), file]);
    assert!(said(&text).ends_with(".\n"));
    for parts in [
        vec![("model", None, "w")],
        vec![file],
        vec![("model", None, "w"), ("file", Some("a.txt"), "x")],
        vec![("model", None, "w"), ("file", Some("a.mp3"), "")],
        vec![("model", None, "w"), file, file],
        vec![("model", None, "w"), ("stream", None, "yes"), file],
        vec![("model", None, "w"), ("fallbacks", None, "a/b"), file],
        vec![("model", None, "w"), ("temperature", None, "2"), file],
        vec![("model", None, "gpt-4o-transcribe"), ("response_format", None, "srt"), file],
    ] {
        assert_eq!(form(path, &parts).status, 400, "{parts:?}");
    }
    assert_eq!(post(path, &[], &json!({"model": "w"})).status, 400);
}

#[test]
fn images_and_judgements_follow_from_the_request() {
    let path = "/v1/images/generations";
    let ask = |patch: Value| {
        let mut body = json!({"model": "gpt-image-1", "prompt": "x"});
        for (name, value) in patch.as_object().unwrap() {
            body[name] = value.clone();
        }
        post(path, &[], &body)
    };
    assert_eq!(ask(json!({"n": 2})).json()["data"].as_array().unwrap().len(), 2);
    assert_eq!(ask(json!({})).body, ask(json!({})).body);
    for patch in [
        json!({"n": 11}),
        json!({"partial_images": 4}),
        json!({"response_format": "url"}),
        json!({"model": "dall-e-3", "stream": true}),
        json!({"mask": "x"}),
    ] {
        assert_eq!(ask(patch.clone()).status, 400, "{patch}");
    }
    let edit = form("/v1/images/edits", &[("model", None, "gpt-image-1"), ("prompt", None, "x")]);
    assert_eq!(edit.json()["error"]["param"], "image");
    let judged = post("/v1/moderations", &[], &json!({"input": ["mild", "violent"]})).json();
    let flagged: Vec<_> = [0, 1].map(|nth| judged["results"][nth]["flagged"] == true).into();
    assert_eq!(flagged, [false, true]);
    assert_eq!(post("/v1/ocr", &[], &json!({})).status, 404, "only at Mistral");
    let page = json!({"model": "m", "document": {"type": "document_url", "document_url": "u"}});
    let read = post("/mistral/v1/ocr", &[], &page).json();
    assert_eq!(read["pages"][0]["markdown"], "# The text of u");
    let imagen = json!({"instances": [{"prompt": "x"}], "parameters": {"sampleCount": 3}});
    let drawn = post("/v1beta/models/imagen-4:predict", &[], &imagen).json();
    assert_eq!(drawn["predictions"].as_array().unwrap().len(), 3);
}

//! What requests become, what predictions and their streams say.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_framing::{Decoder, Framing, Writer};
use weir_types::{Dialect, Operation};

use super::ReplicatePredictions;
use super::inputs::is_version;
use crate::format::{Format, Target};
use crate::ir::{Answer, Event, Losses, PartBody, Request};
use crate::receipt::{Next, Receipt};
use crate::tests::fixture::{every, fit, fixtures, frames};
use crate::{AnswerFault, Depth, Kind, PathFacts, format};

fn of_kind(kind: &'static str) -> Vec<(String, Bytes)> {
    let all = fixtures(Dialect::ReplicatePredictions, kind).into_iter();
    all.map(|fixture| (fixture.name, fixture.bytes)).collect()
}

fn fixture(kind: &'static str, name: &str) -> Bytes {
    of_kind(kind).into_iter().find(|(known, _)| known == name).unwrap().1
}

fn target<'a>(model: &'a str, known_as: &'a str) -> Target<'a> {
    Target { operation: Operation::Chat, model, known_as, vendor: "replicate" }
}

#[test]
fn requests_become_what_their_models_take() {
    let client = format(Dialect::OpenAiChat);
    let all = of_kind("written");
    assert!(all.len() > 30);
    for (name, bytes) in all {
        let case: Value = serde_json::from_slice(&bytes).unwrap();
        let mut asked = case["asked"].clone();
        asked["model"] = json!("m");
        let path = PathFacts::of(Operation::Chat);
        let mut request = client.read_request(&Bytes::from(asked.to_string()), &path).unwrap();
        let model = case["model"].as_str().unwrap();
        let known_as = case["known_as"].as_str().unwrap_or(model);
        let (own, target) = (format(Dialect::ReplicatePredictions), target(model, known_as));
        let mut losses = Losses::default();
        let written = fit(own, &mut request, &target, &mut losses)
            .and_then(|_| own.write_request(&request, &target));
        match written {
            Ok(written) => {
                let body: Value = serde_json::from_slice(&written.body).unwrap();
                assert_eq!(body, case["body"], "{name}");
                losses.extend(written.losses);
                let lost: Vec<_> = losses.iter().map(|loss| &*loss.member).collect();
                assert_eq!(json!(lost), case["losses"], "{name}");
            }
            Err(fault) => {
                assert!(fault.is_targets && !fault.message.is_empty(), "{name}: {fault:?}");
                assert_eq!(json!(fault.param), case["refused"], "{name}: {fault:?}");
            }
        }
    }
}

/// Whatever a client says is a prompt in the end, or is refused as one that others may serve.
#[test]
fn requests_of_every_format_become_predictions_or_are_refused() {
    let mut written = 0;
    for (from, fixture) in every("requests") {
        let Ok(request) = from.read_request(&fixture.bytes, &fixture.path()) else { continue };
        let Request::Chat(chat) = &request else { continue };
        let said = chat.messages.iter().flat_map(|message| &message.parts);
        let texts = said.filter_map(|part| match &part.body {
            PartBody::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        for model in ["meta/meta-llama-3-70b-instruct", "openai/gpt-5", "google/gemini-2.5-pro"] {
            match ReplicatePredictions.write_request(&request, &target(model, model)) {
                Ok(body) => {
                    let body: Value = serde_json::from_slice(&body.body).unwrap();
                    let mut members: Vec<_> = body.as_object().unwrap().keys().collect();
                    assert_eq!(members.remove(0), "input", "{}", fixture.label());
                    assert_eq!(body.get("stream").is_some(), chat.stream, "{}", fixture.label());
                    assert_eq!(members.len(), usize::from(chat.stream), "{}", fixture.label());
                    let input = body["input"].to_string();
                    for text in texts.clone() {
                        let quoted = Value::from(text).to_string();
                        let inner = quoted.trim_matches('"');
                        assert!(input.contains(inner), "{}: {text} in {input}", fixture.label());
                    }
                    written += 1;
                }
                Err(fault) => assert!(fault.is_targets, "{}: {fault:?}", fixture.label()),
            }
        }
    }
    assert!(written > 150, "{written}");
}

#[test]
fn answers_say_what_they_say() {
    for (name, text, tokens) in [
        ("list-of-pieces", "Once upon a time.", (14, 5, 0)),
        ("one-text", "Once upon a time.", (14, 5, 0)),
        ("object-with-text", "Once upon a time.", (14, 5, 0)),
        ("empty-output", "", (14, 0, 0)),
        ("no-output", "", (14, 5, 0)),
        ("no-metrics", "Once.", (0, 0, 0)),
        ("tokens-in-the-log", "There are 7.", (644, 757, 742)),
        ("newlines-and-quotes", "\n\n\"Once\"\n \u{1F600}", (14, 5, 0)),
    ] {
        let body = fixture("answers", name);
        let Answer::Chat(answer) =
            ReplicatePredictions.read_answer(Operation::Chat, &body).unwrap()
        else {
            panic!("{name}");
        };
        let parts = &answer.choices[0].parts;
        let said: String = parts
            .iter()
            .map(|part| match &part.body {
                PartBody::Text { text, .. } => text.as_str(),
                other => panic!("{name}: {other:?}"),
            })
            .collect();
        assert_eq!((said.as_str(), parts.len()), (text, usize::from(!text.is_empty())), "{name}");
        let usage = answer.usage;
        let found = (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens);
        assert_eq!(found, tokens, "{name}");
        let facts = ReplicatePredictions.observe_answer(&body).unwrap();
        assert_eq!((facts.usage, facts.is_error), (usage, false), "{name}");
        assert_eq!(facts.finish.as_deref(), Some("succeeded"), "{name}");
    }
}

#[test]
fn predictions_that_came_to_nothing_are_errors() {
    for (name, message, code) in [
        ("failed", "CUDA out of memory. Tried to allocate 2 GiB (E1001)", "E1001"),
        ("failed-with-pieces", "Prediction interrupted; please retry (code: PA)", ""),
        ("prediction-canceled", "the prediction is canceled", ""),
    ] {
        let kind = if name.starts_with("prediction-") { "errors" } else { "answers" };
        let body = fixture(kind, name);
        assert!(ReplicatePredictions.observe_answer(&body).unwrap().is_error, "{name}");
        let read = ReplicatePredictions.read_answer(Operation::Chat, &body);
        assert_eq!(read, Err(AnswerFault::Broken(message.to_owned())), "{name}");
        let error = ReplicatePredictions.read_error(&body);
        assert_eq!((error.message.as_str(), error.code.as_str()), (message, code), "{name}");
    }
}

#[test]
fn errors_are_read() {
    for (name, message, status, param) in [
        ("404-nothing", "The requested resource could not be found.", Some(404), ""),
        ("401-token", "You did not pass a valid authentication token", Some(401), ""),
        ("422-input", "- input: prompt is required", Some(422), "input"),
        ("422-list", "ensure this value is less than or equal to 1", None, ""),
        ("prediction-aborted", "the prediction is aborted", None, ""),
    ] {
        let error = ReplicatePredictions.read_error(&fixture("errors", name));
        assert_eq!((error.message.as_str(), error.status), (message, status), "{name}");
        assert_eq!(error.param, param, "{name}");
    }
    let error = ReplicatePredictions.read_error(&fixture("errors", "prediction-failed"));
    assert_eq!(error.code, "E005");
    let error = ReplicatePredictions.read_error(&fixture("errors", "404-nothing"));
    assert_eq!(error.code, "model_not_found");
    assert_eq!(ReplicatePredictions.read_error(b"<html>"), Default::default());
}

#[test]
fn a_prediction_says_where_its_answer_is() {
    let get = "https://api.replicate.com/v1/predictions/gm3qorzdhgbfurvjtvhg6dckhu";
    let cancel = Some(format!("{get}/cancel"));
    let mut prediction: Value =
        serde_json::from_slice(&fixture("answers", "list-of-pieces")).unwrap();
    let receipt = |prediction: &Value, stream| {
        ReplicatePredictions.receipt(prediction.to_string().as_bytes(), stream).unwrap()
    };
    for status in ["succeeded", "failed", "canceled", "aborted"] {
        prediction["status"] = json!(status);
        assert_eq!(receipt(&prediction, true), Receipt::default(), "{status}");
    }
    for status in ["starting", "processing", "queued"] {
        prediction["status"] = json!(status);
        let later = Next::Later(get.to_owned());
        let expected = Receipt { next: later, cancel: cancel.clone(), document: None };
        assert_eq!(receipt(&prediction, false), expected, "{status}");
        let events = Next::Events("https://stream.replicate.com/v1/files/bcwr-gvuc2rok".to_owned());
        let document = Some(get.to_owned());
        let expected = Receipt { next: events, cancel: cancel.clone(), document };
        assert_eq!(receipt(&prediction, true), expected, "{status}");
    }
    prediction["urls"] = json!({"get": get});
    let expected = Receipt { next: Next::Later(get.to_owned()), ..Receipt::default() };
    assert_eq!(receipt(&prediction, true), expected);
    for broken in [&b"{}"[..], b"<html>", br#"{"status":"starting"}"#, br#"{"status":7}"#] {
        assert!(ReplicatePredictions.receipt(broken, false).is_err(), "{broken:?}");
    }
}

fn heard(stream: &Bytes) -> (Vec<Event>, Vec<Kind>) {
    let decoder = Decoder::new(Framing::Sse);
    let mut reader = ReplicatePredictions.stream_reader().unwrap();
    let (mut events, mut kinds) = (Vec::new(), Vec::new());
    for raw in frames(Framing::Sse, stream, &[]) {
        let frame = decoder.parse(&raw).unwrap();
        kinds.push(ReplicatePredictions.observe(&frame, Depth::Full).unwrap().kind);
        reader.read(&frame, &mut events).unwrap();
    }
    (events, kinds)
}

#[test]
fn pieces_keep_their_line_ends() {
    let (events, _) = heard(&fixture("streams", "newlines"));
    let text: String = events
        .iter()
        .filter_map(|event| match event {
            Event::Delta { delta: crate::ir::Delta::Text(text), .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "Once\n\n\nupon\n a time\n");
}

#[test]
fn failures_in_streams_are_told_in_their_words() {
    for (name, message) in [
        ("failed", "The prediction failed. (E1001)"),
        ("failed-in-words", "the GPU is gone"),
        ("canceled", "the prediction is canceled"),
        ("failed-prediction", "out of memory (E1001)"),
    ] {
        let (events, _) = heard(&fixture("streams", name));
        let error = events.iter().find_map(|event| match event {
            Event::Error(error) => Some(error.message.as_str()),
            _ => None,
        });
        assert_eq!(error, Some(message), "{name}");
    }
}

#[test]
fn a_prediction_becomes_an_event_without_its_input() {
    let mut out = Writer::new(Framing::Sse);
    let body = fixture("answers", "tokens-in-the-log");
    ReplicatePredictions.write_document(&body, &mut out).unwrap();
    let event = out.take();
    assert!(event.starts_with(b"event: prediction\ndata: {\"id\":") && event.len() < 400);
    let (events, kinds) = heard(&event);
    assert_eq!(kinds, [Kind::Done]);
    assert!(matches!(&events[0], Event::Start { id, model, .. }
        if id == "gm3qorzdhgbfurvjtvhg6dckhu" && model == "openai/gpt-5.1"));
    let usage = events.iter().find_map(|event| match event {
        Event::Usage(usage) => Some((usage.input_tokens, usage.reasoning_tokens)),
        _ => None,
    });
    assert_eq!(usage, Some((644, 742)));
    assert_eq!(events.last(), Some(&Event::End));
    assert!(ReplicatePredictions.write_document(b"<html>", &mut out).is_err());
}

#[test]
fn deployments_are_listed() {
    let body = br#"{"next":null,"results":[{"owner":"acme","name":"mine","current_release":{}},
        {"owner":"acme"},7]}"#;
    let models = ReplicatePredictions.read_models(body).unwrap();
    assert_eq!(models.iter().map(|(id, _)| id).collect::<Vec<_>>(), ["acme/mine"]);
    let written = ReplicatePredictions.write_models(&models);
    assert_eq!(ReplicatePredictions.read_models(&written).unwrap().iter().count(), 1);
    assert_eq!(ReplicatePredictions.read_models(b"{}"), Err(AnswerFault::NotAList));
}

#[test]
fn versions_are_told_from_models() {
    let hex = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa";
    assert!(is_version(hex) && is_version(&format!("acme/x:{hex}")));
    for model in ["meta/llama", "sim:status=400", "", &hex[1..]] {
        assert!(!is_version(model), "{model}");
    }
}

//! A request between a client and a provider of the same format: not a byte changes but the model's
//! name.

use bytes::Bytes;
use serde_json::Value;

use super::Problems;
use super::fixture::{Fixture, answer_operation, every};
use crate::json::Members;
use crate::{Format, Patch, Quirks};

const OTHER: &str = "an-other/model \"x\" \u{e9}";

/// `fixture` with the model called `model`, by hand.
fn expected(fixture: &Fixture, model: &str) -> Option<Vec<u8>> {
    let members = Members::scan(&fixture.bytes).unwrap();
    let value = members.find("model").unwrap()?.value.clone();
    let quoted = Value::from(model).to_string();
    let (before, after) = (&fixture.bytes[..value.start], &fixture.bytes[value.end..]);
    Some([before, quoted.as_bytes(), after].concat())
}

fn patched(format: &dyn Format, fixture: &Fixture, model: &str, omits_model: bool) -> Vec<Bytes> {
    let quirks = Quirks { omits_model, ..Quirks::NONE };
    format
        .patch(&fixture.bytes, &Patch { model, quirks: &quirks, features: &[], outline: None })
        .unwrap()
        .parts
}

#[test]
fn the_same_model_is_the_same_bytes() {
    for (format, fixture) in every("requests") {
        let body = fixture.json();
        let named = body.get("model").map(|model| model.as_str().unwrap());
        let model = named.unwrap_or("in-the-path");
        let parts = patched(format, &fixture, model, named.is_none());
        assert_eq!(parts.len(), 1, "{}", fixture.label());
        assert_eq!(parts[0].as_ptr(), fixture.bytes.as_ptr(), "{}", fixture.label());
        assert_eq!(parts[0], fixture.bytes, "{}", fixture.label());
    }
}

#[test]
fn another_model_changes_nothing_else() {
    for (format, fixture) in every("requests") {
        let label = fixture.label();
        let written = patched(format, &fixture, OTHER, false).concat();
        if let Some(expected) = expected(&fixture, OTHER) {
            assert_eq!(Bytes::from(written), Bytes::from(expected), "{label}");
        } else {
            let mut body: Value = serde_json::from_slice(&written).unwrap();
            // Formats that name the model in the path may leave it there.
            let model = body.as_object_mut().unwrap().shift_remove("model");
            assert!(model.is_none_or(|model| model == OTHER), "{label}");
            assert_eq!(body, fixture.json(), "{label}");
        }
        let without = patched(format, &fixture, OTHER, true).concat();
        let mut body = fixture.json();
        body.as_object_mut().unwrap().shift_remove("model");
        assert_eq!(serde_json::from_slice::<Value>(&without).unwrap(), body, "{label}");
    }
}

#[test]
fn what_the_edge_needs_is_found_and_the_body_stays() {
    let mut problems = Problems::default();
    for (format, fixture) in every("requests") {
        let body = fixture.json();
        let path = fixture.path();
        let peeked = match format.peek(fixture.bytes.clone(), &path) {
            Ok(peeked) => peeked,
            Err(fault) => {
                problems.extend(&fixture.label(), [fault.message]);
                continue;
            }
        };
        let model = path.model.or_else(|| body["model"].as_str());
        let stream = path.stream.or_else(|| body["stream"].as_bool()).unwrap_or(false);
        let stream = stream && path.operation.streams();
        let is_found = Some(peeked.model.as_str()) == model && peeked.stream == stream;
        problems.check(is_found, || format!("{}: {peeked:?}", fixture.label()));
        if peeked.fallbacks.is_empty() {
            let is_same = peeked.body.as_ptr() == fixture.bytes.as_ptr();
            problems.check(is_same, || format!("{}: the body was copied", fixture.label()));
        }
    }
    problems.report();
}

fn says_error(body: &Value) -> bool {
    body.get("error").is_some_and(|error| !error.is_null())
}

#[test]
fn answers_are_looked_at_without_a_fault() {
    let mut problems = Problems::default();
    for (format, fixture) in every("answers") {
        let observed = format.observe_answer(&fixture.bytes);
        let body = fixture.json();
        let is_answer = answer_operation(fixture.dialect, &body).is_some() && !says_error(&body);
        let is_fine = observed.as_ref().is_ok_and(|facts| !(is_answer && facts.is_error));
        problems.check(is_fine, || format!("{}: {observed:?}", fixture.label()));
    }
    for (format, fixture) in every("errors") {
        let observed = format.observe_answer(&fixture.bytes);
        // Some hosts' errors look like nothing in particular.
        let is_error = says_error(&fixture.json());
        let is_fine = observed.as_ref().is_ok_and(|facts| facts.is_error || !is_error);
        problems.check(is_fine, || format!("{}: {observed:?}", fixture.label()));
    }
    problems.report();
}

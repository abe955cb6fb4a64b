//! Bytes from anywhere: nothing that a client or a provider sends may stop the gateway.

use std::borrow::Cow;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Map, json};
use weir_framing::Frame;

use super::*;
use crate::format::Depth;

type Fixtures = LazyLock<Vec<(String, Value)>>;
static REQUESTS: Fixtures = LazyLock::new(|| fixtures::all("requests"));
static ANSWERS: Fixtures = LazyLock::new(|| fixtures::all("answers"));
static STREAMS: Fixtures = LazyLock::new(|| fixtures::all("streams"));

/// Names that mean something, so that values get to where they are looked at.
const NAMES: [&str; 34] = [
    "messages",
    "role",
    "content",
    "system",
    "text",
    "image",
    "document",
    "source",
    "bytes",
    "format",
    "name",
    "toolUse",
    "toolUseId",
    "input",
    "toolResult",
    "reasoningContent",
    "reasoningText",
    "redactedContent",
    "citationsContent",
    "guardContent",
    "cachePoint",
    "toolConfig",
    "tools",
    "toolSpec",
    "toolChoice",
    "additionalModelRequestFields",
    "thinking",
    "outputConfig",
    "output",
    "message",
    "stopReason",
    "usage",
    "delta",
    "start",
];

fn value() -> impl Strategy<Value = Value> {
    let name = || proptest::sample::select(NAMES.as_slice());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| json!(number)),
        proptest::sample::select(["", "user", "assistant", "system", "png", "{}", "é…"].as_slice())
            .prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(6, 60, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((name(), inner), 0..4).prop_map(|members| {
                let members = members.into_iter().map(|(name, value)| (name.to_owned(), value));
                Value::Object(members.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// `value` with `new` put where `path` leads.
fn put(value: &mut Value, mut path: Vec<usize>, new: Value) {
    let Some(step) = path.pop() else {
        *value = new;
        return;
    };
    let inner = match value {
        Value::Array(list) if !list.is_empty() => {
            let at = step % list.len();
            list.get_mut(at)
        }
        Value::Object(members) if !members.is_empty() => {
            let at = step % members.len();
            members.values_mut().nth(at)
        }
        _ => None,
    };
    match inner {
        Some(inner) => put(inner, path, new),
        None => *value = new,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn odd_requests_are_refused_or_written(
        at in 0_usize..1000,
        path in proptest::collection::vec(0_usize..8, 0..8),
        new in value(),
    ) {
        let (name, mut body) = REQUESTS[at % REQUESTS.len()].clone();
        put(&mut body, path, new);
        let body = Bytes::from(body.to_string());
        let read = BedrockConverse.read_request(&body, &PathFacts::of(Operation::Chat));
        if let Ok(read) = read
            && let Ok(written) = BedrockConverse.write_request(&read, &target(model_of(&name)))
        {
            // What is written can be read, and is then written alike.
            let path = PathFacts::of(Operation::Chat);
            let again = BedrockConverse.read_request(&written.body, &path).unwrap();
            let twice = BedrockConverse.write_request(&again, &target(model_of(&name))).unwrap();
            prop_assert_eq!(json(&twice), json(&written));
        }
    }

    #[test]
    fn odd_answers_and_events_are_told(
        at in 0_usize..1000,
        path in proptest::collection::vec(0_usize..8, 0..8),
        new in value(),
        stray in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut body = ANSWERS[at % ANSWERS.len()].1.clone();
        put(&mut body, path.clone(), new.clone());
        for body in [body.to_string().as_bytes(), &stray] {
            let _ = BedrockConverse.observe_answer(body);
            let _ = BedrockConverse.read_error(body);
            let _ = BedrockConverse.read_models(body);
            if let Ok(read) = BedrockConverse.read_answer(Operation::Chat, body) {
                let request = Request::Chat(Box::new(Chat::new(OWN)));
                BedrockConverse.write_answer(&read, &asked(&request)).unwrap();
            }
        }
        let mut stream = STREAMS[at % STREAMS.len()].1.clone();
        put(&mut stream, path, new);
        let mut reader = BedrockConverse.stream_reader().unwrap();
        let mut events = Vec::new();
        for event in stream.as_array().into_iter().flatten() {
            let name = event["name"].as_str().unwrap_or_default().to_owned();
            let data = event["data"].to_string();
            let data = Some(Cow::Borrowed(data.as_bytes()));
            let frame = Frame { raw: b"", name: name.as_bytes(), data, is_exception: false };
            let _ = BedrockConverse.observe(&frame, Depth::Full);
            let _ = BedrockConverse.observe(&frame, Depth::Skim);
            if reader.read(&frame, &mut events).is_err() {
                break;
            }
        }
    }
}

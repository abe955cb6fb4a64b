//! Cases in which gateways are known to go wrong: every number of our list has a fixture, and what
//! each asks for that the other tests over fixtures do not look at is looked at here.

use std::collections::BTreeSet;

use serde_json::Value;
use weir_framing::{Framing, Writer};
use weir_types::{Dialect, Operation};

use super::fixture::{
    Fixture, asked, every, fit, fixtures, formats, frames, plain_request, target,
};
use crate::ir::{Chat, Event, Losses, Request};
use crate::names::Renames;
use crate::{Target, format};

/// The last number of the list.
const LAST: u32 = 30;

fn number(fixture: &Fixture) -> Option<u32> {
    fixture.name.strip_prefix("trap-")?.split('-').next()?.parse().ok()
}

fn trap(dialect: Dialect, kind: &'static str, wanted: u32) -> Fixture {
    let found = fixtures(dialect, kind).into_iter().find(|one| number(one) == Some(wanted));
    found.unwrap_or_else(|| panic!("{dialect:?} has no {kind} of trap {wanted}"))
}

fn chat(dialect: Dialect, wanted: u32) -> Chat {
    let fixture = trap(dialect, "requests", wanted);
    match format(dialect).read_request(&fixture.bytes, &fixture.path()).unwrap() {
        Request::Chat(chat) => *chat,
        other => panic!("{other:?}"),
    }
}

fn write(chat: &Chat, dialect: Dialect, model: &str, vendor: &str) -> (Value, Losses) {
    let operation = target(dialect, Operation::Chat).operation;
    let target = Target { operation, model, known_as: model, vendor };
    let request = Request::Chat(Box::new(chat.clone()));
    let written = format(dialect).write_request(&request, &target).unwrap();
    (serde_json::from_slice(&written.body).unwrap(), written.losses)
}

/// The events of a trap's stream as data of the stream that `to` makes of them.
fn rewritten(from: Dialect, wanted: u32, to: Dialect) -> Vec<Value> {
    let (framing, stream) = trap(from, "streams", wanted).stream();
    let mut reader = format(from).stream_reader().unwrap();
    let mut events: Vec<Event> = Vec::new();
    let decoder = weir_framing::Decoder::new(framing);
    for raw in frames(framing, &stream, &[]) {
        let frame = decoder.parse(&raw).unwrap();
        if frame.data.is_some() {
            reader.read(&frame, &mut events).unwrap();
        }
    }
    reader.finish(&mut events).unwrap();
    let request = plain_request(to);
    let mut writer = format(to).stream_writer(&asked(to, Operation::Chat, &request)).unwrap();
    let mut out = Writer::new(Framing::Sse);
    for event in events {
        writer.write(event, &mut out);
    }
    let decoder = weir_framing::Decoder::new(Framing::Sse);
    let written = frames(Framing::Sse, &out.take(), &[]);
    let data = |raw: &bytes::Bytes| decoder.parse(raw).unwrap().data.map(|data| data.to_vec());
    let data: Vec<_> = written.iter().filter_map(data).collect();
    data.iter().filter_map(|data| serde_json::from_slice(data).ok()).collect()
}

#[test]
fn every_trap_is_a_fixture() {
    let kinds = ["requests", "answers", "streams", "errors", "counts"];
    let found: BTreeSet<u32> =
        kinds.into_iter().flat_map(every).filter_map(|(_, fixture)| number(&fixture)).collect();
    assert_eq!(found, (1..=LAST).collect());
}

#[test]
fn trap_10_the_first_call_of_the_turn_says_that_it_has_no_signature() {
    let chat = chat(Dialect::GeminiGenerate, 10);
    let (body, _) = write(&chat, Dialect::GeminiGenerate, "gemini-3-pro-preview", "gemini");
    assert_eq!(body.to_string().matches("skip_thought_signature_validator").count(), 1);
    let first = &body["contents"][5]["parts"][0];
    assert_eq!(first["thoughtSignature"], "skip_thought_signature_validator");
    let (older, _) = write(&chat, Dialect::GeminiGenerate, "gemini-2.5-pro", "gemini");
    assert!(!older.to_string().contains("skip_thought"));
}

#[test]
fn traps_20_and_21_names_and_ids_fit_everywhere_and_stay_apart() {
    for (wanted, distinct) in [(20, 3), (21, 2)] {
        let before = chat(Dialect::OpenAiChat, wanted);
        for to in formats() {
            let mut chat = before.clone();
            let rules = to.name_rules();
            let renames = Renames::fit(&mut chat, &rules);
            let parts = chat.messages.iter().flat_map(|message| &message.parts);
            let mut names = BTreeSet::new();
            let mut ids = BTreeSet::new();
            let mut results = BTreeSet::new();
            for part in parts {
                match &part.body {
                    crate::ir::PartBody::ToolCall(call) => {
                        assert!(rules.tool.takes(&call.name) && rules.call_id.takes(&call.id));
                        names.insert(call.name.clone());
                        ids.insert(call.id.clone());
                    }
                    crate::ir::PartBody::ToolResult(result) => {
                        results.insert(result.call_id.clone());
                    }
                    _ => {}
                }
            }
            assert_eq!(ids, results, "{:?}", to.dialect());
            assert_eq!(if wanted == 20 { names.len() } else { ids.len() }, distinct);
            renames.restore_tools(&mut chat.tools);
            assert_eq!(chat.tools, before.tools);
        }
    }
}

#[test]
fn trap_23_items_are_added_before_they_are_told_and_never_overlap() {
    let events = rewritten(Dialect::AnthropicMessages, 23, Dialect::OpenAiResponses);
    let mut open: Option<u64> = None;
    let mut done = 0;
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "{event}");
        let place = event["output_index"].as_u64();
        match event["type"].as_str().unwrap() {
            "response.output_item.added" => {
                assert_eq!((open, place), (None, Some(done)), "{event}");
                open = place;
            }
            "response.output_item.done" => {
                assert_eq!(open.take(), place, "{event}");
                done += 1;
            }
            _ if place.is_some() => assert_eq!(open, place, "{event}"),
            _ => {}
        }
        if event["type"].as_str().unwrap().starts_with("response.reasoning_summary") {
            assert!(event["summary_index"].is_u64(), "{event}");
        }
    }
    assert_eq!((open, done), (None, 4), "a thought, a text and two calls");
}

#[test]
fn trap_24_a_message_starts_once_and_its_tokens_are_told_when_they_are_known() {
    for from in [Dialect::AnthropicMessages, Dialect::OpenAiChat] {
        let events = rewritten(from, 24, Dialect::AnthropicMessages);
        let of = |kind: &str| events.iter().filter(|one| one["type"] == kind).collect::<Vec<_>>();
        assert_eq!((of("message_start").len(), of("message_delta").len()), (1, 1), "{from:?}");
        let usage = &of("message_delta")[0]["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&25.into(), &3.into()));
        let chunks = rewritten(from, 24, Dialect::OpenAiChat);
        let told: Vec<_> = chunks.iter().filter(|one| one["usage"].is_object()).collect();
        assert_eq!(told.len(), 1, "{from:?}");
        assert_eq!(told[0]["usage"]["prompt_tokens"], 25);
    }
}

#[test]
fn trap_27_a_chat_template_gets_one_system_message_and_first() {
    let chat = chat(Dialect::OpenAiChat, 27);
    let (body, losses) = write(&chat, Dialect::OpenAiChat, "llama", "vllm");
    let roles: Vec<_> =
        body["messages"].as_array().unwrap().iter().map(|one| &one["role"]).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    assert!(body["messages"][0].to_string().contains("in French"));
    assert!(!losses.is_empty(), "that it stands elsewhere is told");
    let (body, losses) = write(&chat, Dialect::OpenAiChat, "llama", "groq");
    assert_eq!((&body["messages"][3]["role"], losses.is_empty()), (&"system".into(), true));
}

/// That nothing else is lost is seen by the tests over all fixtures.
#[test]
fn trap_29_an_address_is_no_file_and_several_answers_are_not_one() {
    let mut chat = chat(Dialect::OpenAiChat, 29);
    let refused = |chat: &Chat, dialect| {
        let (mut request, target) =
            (Request::Chat(Box::new(chat.clone())), target(dialect, Operation::Chat));
        let fitted = fit(format(dialect), &mut request, &target, &mut Losses::default());
        let written = fitted.and_then(|_| format(dialect).write_request(&request, &target));
        let fault = written.expect_err("it cannot be said");
        assert!(fault.is_targets && !fault.message.is_empty(), "{dialect:?}: {fault:?}");
        fault.param.unwrap_or_default()
    };
    assert_eq!(refused(&chat, Dialect::GeminiGenerate), "messages");
    for dialect in [
        Dialect::AnthropicMessages,
        Dialect::OpenAiResponses,
        Dialect::BedrockConverse,
        Dialect::CohereChat,
    ] {
        assert_eq!(refused(&chat, dialect), "n", "{dialect:?}");
    }
    let wanted = chat.sampling.n.take();
    for (dialect, model) in
        [(Dialect::AnthropicMessages, "claude-opus-4-5"), (Dialect::OpenAiResponses, "gpt-5")]
    {
        let (body, _) = write(&chat, dialect, model, "x");
        assert!(body.to_string().contains("https://example.com/cat.png"), "{body}");
    }
    assert_eq!(refused(&chat, Dialect::BedrockConverse), "messages.image");
    chat.sampling.n = wanted;
    chat.messages[0].parts.pop();
    let (body, _) = write(&chat, Dialect::GeminiGenerate, "gemini-2.5-pro", "gemini");
    let config = &body["generationConfig"];
    assert_eq!(config["responseMimeType"], "application/json");
    assert_eq!((&config["candidateCount"], &config["topP"]), (&2.into(), &0.5.into()));
}

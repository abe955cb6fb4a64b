//! The helpers themselves: each finds what it is there to find.

use serde_json::json;
use weir_types::{Dialect, Usage};

use super::fixture::{fixtures, formats, reader, route};
use super::meaning::{Said, chat_differs};
use super::order::{check, collected};
use crate::ir::{
    Chat, Delta, Event, Finish, FinishReason, Message, Part, PartBody, PartStart, Role, Tool,
    ToolBody, ToolCall, ToolResult,
};

fn start() -> Event {
    let (id, model) = ("id".to_owned(), "m".to_owned());
    Event::Start { id, model, created: None, usage: Usage::default() }
}

fn part(part: u32, start: PartStart) -> Event {
    Event::PartStart { choice: 0, part, start }
}

fn delta(part: u32, delta: Delta) -> Event {
    Event::Delta { choice: 0, part, delta, logprobs: None }
}

const fn end(part: u32) -> Event {
    Event::PartEnd { choice: 0, part }
}

const fn finish(reason: FinishReason) -> Event {
    Event::Finish { choice: 0, finish: Finish::new(reason) }
}

fn call_start() -> PartStart {
    PartStart::ToolCall { id: "1".to_owned(), name: "f".to_owned(), is_custom: false }
}

fn stream() -> Vec<Event> {
    let usage = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
    vec![
        start(),
        part(0, PartStart::Text),
        delta(0, Delta::Text("a ".to_owned())),
        delta(0, Delta::Text("b".to_owned())),
        end(0),
        part(1, call_start()),
        end(1),
        finish(FinishReason::Stop),
        Event::Usage(usage),
        Event::End,
    ]
}

#[test]
fn disorder_is_found() {
    assert_eq!(check(&stream()), Ok(()));
    for gone in 0..stream().len() {
        let mut events = stream();
        let event = events.remove(gone);
        let may_go = matches!(event, Event::Delta { .. } | Event::Usage(_));
        assert_eq!(check(&events).is_ok(), may_go, "without {event:?}");
    }
    for twice in 0..stream().len() {
        let mut events = stream();
        let event = events[twice].clone();
        events.insert(twice, event.clone());
        assert_eq!(check(&events).is_ok(), matches!(event, Event::Delta { .. }), "{event:?}");
    }
    let mut mixed = stream();
    mixed.insert(3, delta(0, Delta::Arguments("{}".to_owned())));
    assert!(check(&mixed).is_err());
    assert!(check(&[]).is_err());
}

#[test]
fn a_collected_stream_says_what_the_answer_says() {
    let answer = collected(&stream());
    assert_eq!(answer.choices[0].parts[0], Part::text("a b"));
    assert_eq!(answer.choices[0].parts[1], call("1", "{}"));
    let said = Said::by(&answer);
    let mut other = stream();
    other[7] = finish(FinishReason::ToolCalls);
    assert_eq!(said.differs(&Said::by(&collected(&other)), false), Vec::<String>::new());
    other[7] = finish(FinishReason::Length);
    other[2] = delta(0, Delta::Text("c".to_owned()));
    other[8] = Event::Usage(Usage { input_tokens: 9, ..Usage::default() });
    assert_eq!(said.differs(&Said::by(&collected(&other)), true).len(), 3);
}

fn call(id: &str, arguments: &str) -> Part {
    Part::new(PartBody::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        is_custom: false,
        signature: None,
    }))
}

fn result(id: &str, part: Part) -> Part {
    let (call_id, parts) = (id.to_owned(), vec![part]);
    Part::new(PartBody::ToolResult(ToolResult { call_id, name: None, parts, is_error: None }))
}

fn chat(messages: Vec<(Role, Vec<Part>)>) -> Chat {
    let mut chat = Chat::new(Dialect::OpenAiChat);
    let message = |(role, parts)| Message { role, parts, name: None };
    chat.messages = messages.into_iter().map(message).collect();
    let parameters = Some(json!({"type": "object", "properties": {"a": {}}}));
    let name = "f".to_owned();
    let body = ToolBody::Function { name, description: None, parameters, strict: None };
    chat.tools.push(Tool { body, cache: None });
    chat
}

#[test]
fn the_same_conversation_is_recognised_and_another_is_not() {
    let one = chat(vec![
        (Role::System, vec![Part::text("Be brief.")]),
        (Role::User, vec![Part::text("Hi")]),
        (Role::Developer, vec![Part::text("Or not.")]),
        (Role::Assistant, vec![Part::text("Well"), call("1", "{\"a\": 1}"), call("2", "{}")]),
        (Role::Tool, vec![result("1", Part::text("{\"b\":\"x\\ny\"}"))]),
        (Role::Tool, vec![result("2", Part::text("fine"))]),
        (Role::User, vec![Part::text("Go on")]),
    ]);
    let json = Part::new(PartBody::Json(json!({"b": "x\ny"})));
    let wrapped = Part::new(PartBody::Json(json!({"result": "fine"})));
    let two = chat(vec![
        (Role::System, vec![Part::text("Be brief.\n\nOr not.")]),
        (Role::User, vec![Part::text("Hi")]),
        (Role::Assistant, vec![Part::text("Well")]),
        (Role::Assistant, vec![call("x", "{\"a\":1}"), call("y", "{}")]),
        (Role::User, vec![Part::text("Go on"), result("y", wrapped), result("x", json)]),
    ]);
    assert_eq!(chat_differs(&one, &two, false), Vec::<String>::new());
    for change in [
        |chat: &mut Chat| chat.messages[0].parts.clear(),
        |chat: &mut Chat| chat.messages[1].parts[0] = Part::text("Ho"),
        |chat: &mut Chat| drop(chat.messages[3].parts.remove(0)),
        |chat: &mut Chat| chat.messages[3].parts[0] = call("x", "{\"a\":2}"),
        |chat: &mut Chat| drop(chat.messages[4].parts.remove(1)),
        |chat: &mut Chat| chat.messages[4].parts[1] = result("y", Part::text("bad")),
        |chat: &mut Chat| chat.messages[1].role = Role::Assistant,
        |chat: &mut Chat| chat.tools.clear(),
        |chat: &mut Chat| chat.stream = true,
    ] {
        let mut changed = two.clone();
        change(&mut changed);
        assert_ne!(chat_differs(&one, &changed, true), Vec::<String>::new(), "{changed:?}");
    }
    let mut hot = one;
    hot.sampling.seed = Some(7);
    assert_eq!(chat_differs(&hot, &two, true), Vec::<String>::new());
    assert_eq!(chat_differs(&hot, &two, false).len(), 1);
}

#[test]
fn a_format_that_takes_part_is_translated() {
    for format in formats() {
        let dialect = format.dialect();
        let requests = fixtures(dialect, "requests");
        let read = |fixture: &&super::fixture::Fixture| {
            fixture.operation() == route(dialect, weir_types::Operation::Chat)
                && format.read_request(&fixture.bytes, &fixture.path()).is_ok()
        };
        assert!(requests.iter().filter(read).count() > 0, "{dialect:?} reads no request");
        let reader = reader(dialect, weir_types::Operation::Chat);
        assert!(reader.stream_reader().is_some(), "{dialect:?}: nobody reads its streams");
        let request = super::fixture::plain_request(dialect);
        let asked = super::fixture::asked(dialect, weir_types::Operation::Chat, &request);
        assert!(format.stream_writer(&asked).is_some(), "{dialect:?} writes no stream");
        for kind in ["answers", "streams", "errors"] {
            assert!(!fixtures(dialect, kind).is_empty(), "{dialect:?} has no {kind}");
        }
    }
}

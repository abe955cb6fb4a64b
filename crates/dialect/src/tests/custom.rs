//! Tools that take plain text: a function where there are no others, and back again.

use serde_json::{Value, json};
use weir_framing::{Decoder, Writer};
use weir_types::{Dialect, Operation};

use super::CONVERSING;
use super::fixture::{asked, frames, path, plain_request, served_by, target};
use super::order::collected;
use crate::format;
use crate::ir::{
    Answer, ChatAnswer, Choice, Delta, Event, Finish, FinishReason, Message, Part, PartBody,
    PartStart, Request, Role, Tool, ToolBody, ToolCall, ToolResult,
};

const TEXT: &str = "echo \"a\\b\"\n\u{1F600}";
const CLIENTS: [Dialect; 2] = [Dialect::OpenAiChat, Dialect::OpenAiResponses];

fn request(source: Dialect) -> Request {
    let mut request = plain_request(source);
    let Request::Chat(chat) = &mut request else { panic!() };
    let (name, description) = ("sh".to_owned(), Some("Runs it.".to_owned()));
    let body = ToolBody::Custom { name, description, format: None };
    chat.tools.push(Tool { body, cache: None });
    let message = |role, body| Message { role, parts: vec![Part::new(body)], name: None };
    let said = PartBody::Text { text: "Hi".to_owned(), annotations: Vec::new() };
    let result = PartBody::ToolResult(ToolResult {
        call_id: "c1".to_owned(),
        name: None,
        parts: vec![Part::text("a")],
        is_error: None,
    });
    let call = PartBody::ToolCall(call(true));
    chat.messages = vec![
        message(Role::User, said),
        message(Role::Assistant, call),
        message(Role::Tool, result),
    ];
    request
}

fn call(is_custom: bool) -> ToolCall {
    let wrapped = json!({"input": TEXT}).to_string();
    let arguments = if is_custom { TEXT.to_owned() } else { wrapped };
    let (id, name) = ("c1".to_owned(), "sh".to_owned());
    ToolCall { id, name, arguments, is_custom, signature: None }
}

/// The calls in `parts`.
fn calls<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Vec<ToolCall> {
    let calls = parts.into_iter().filter_map(|part| match &part.body {
        PartBody::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    calls.collect()
}

#[test]
fn a_tool_of_text_is_a_function_where_there_are_no_others() {
    for dialect in CONVERSING {
        let to = format(dialect);
        let target = target(dialect, Operation::Chat);
        let written = to.write_request(&request(Dialect::OpenAiChat), &target).unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        let path = path(dialect, target.operation, &body, true);
        let Request::Chat(back) = to.read_request(&written.body, &path).unwrap() else { panic!() };
        let called = calls(back.messages.iter().flat_map(|message| &message.parts));
        let is_native = CLIENTS.contains(&dialect);
        let is_told = written.losses.iter().any(|loss| loss.member == "tools.custom");
        assert_eq!(is_told, !is_native, "{dialect:?}");
        match &back.tools[0].body {
            ToolBody::Custom { name, .. } if is_native => {
                assert_eq!((name.as_str(), &called[0].arguments[..]), ("sh", TEXT));
            }
            ToolBody::Function { parameters, .. } if !is_native => {
                let properties = &parameters.as_ref().unwrap()["properties"];
                assert_eq!(properties["input"]["type"], "string", "{dialect:?}");
                let arguments: Value = serde_json::from_str(&called[0].arguments).unwrap();
                assert_eq!(arguments, json!({"input": TEXT}), "{dialect:?}");
            }
            other => panic!("{dialect:?}: {other:?}"),
        }
    }
}

#[test]
fn its_text_comes_back_in_answers() {
    for dialect in CLIENTS {
        let request = request(dialect);
        let parts = vec![Part::new(PartBody::ToolCall(call(false)))];
        let finish = Some(Finish::new(FinishReason::ToolCalls));
        let choices = vec![Choice { parts, finish, ..Choice::default() }];
        let answer = Answer::Chat(ChatAnswer { choices, ..ChatAnswer::default() });
        let asked = asked(dialect, Operation::Chat, &request);
        let written = format(dialect).write_answer(&answer, &asked).unwrap();
        let Answer::Chat(back) =
            format(dialect).read_answer(asked.operation, &written.body).unwrap()
        else {
            panic!()
        };
        assert_eq!(calls(&back.choices[0].parts), [call(true)], "{dialect:?}");
    }
}

#[test]
fn its_text_comes_back_in_streams() {
    for dialect in CLIENTS {
        let request = request(dialect);
        let to = format(dialect);
        let mut writer = to.stream_writer(&asked(dialect, Operation::Chat, &request)).unwrap();
        let (id, model) = ("x".to_owned(), served_by(dialect).0.to_owned());
        let start = Event::Start { id, model, created: None, usage: Default::default() };
        let ToolCall { id, name, arguments, .. } = call(false);
        let called = PartStart::ToolCall { id, name, is_custom: false };
        let mut events = vec![start, Event::PartStart { choice: 0, part: 0, start: called }];
        for char in arguments.chars() {
            let delta = Delta::Arguments(char.to_string());
            events.push(Event::Delta { choice: 0, part: 0, delta, logprobs: None });
        }
        events.push(Event::PartEnd { choice: 0, part: 0 });
        let finish = Finish::new(FinishReason::ToolCalls);
        events.extend([Event::Finish { choice: 0, finish }, Event::End]);
        let mut out = Writer::new(to.framing());
        for event in events {
            writer.write(event, &mut out);
        }
        let mut reader = to.stream_reader().unwrap();
        let (decoder, mut heard) = (Decoder::new(to.framing()), Vec::new());
        for raw in frames(to.framing(), &out.take(), &[]) {
            reader.read(&decoder.parse(&raw).unwrap(), &mut heard).unwrap();
        }
        reader.finish(&mut heard).unwrap();
        assert_eq!(calls(&collected(&heard).choices[0].parts), [call(true)], "{dialect:?}");
    }
}

//! What goes and what stays.

use super::*;
use crate::ir::{Message, Role, Thinking, ToolCall};

const OWN: Dialect = Dialect::AnthropicMessages;
const OTHER: Dialect = Dialect::GeminiGenerate;

fn sealed(origin: Dialect) -> Option<Sealed> {
    Some(Sealed { origin, data: "c2VhbGVk".to_owned() })
}

fn thinking(text: &str, signature: Option<Sealed>, redacted: Option<Sealed>) -> Part {
    let text = text.to_owned();
    Part::new(PartBody::Thinking(Thinking { text, signature, redacted, ..Thinking::default() }))
}

fn call(signature: Option<Sealed>) -> Part {
    Part::new(PartBody::ToolCall(ToolCall {
        id: "1".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        is_custom: false,
        signature,
    }))
}

fn chat(turns: Vec<Vec<Part>>) -> Chat {
    let mut chat = Chat::new(OWN);
    let message = |parts| Message { role: Role::Assistant, parts, name: None };
    chat.messages = turns.into_iter().map(message).collect();
    chat
}

fn stripped(turns: Vec<Vec<Part>>, keep: Option<Dialect>) -> (Vec<Vec<Part>>, Vec<String>) {
    let mut request = chat(turns);
    let before = request.clone();
    let mut losses = Losses::default();
    let changed = strip(&mut request, keep, &mut losses);
    assert_eq!(changed, request != before);
    assert_eq!(changed, !losses.is_empty());
    assert!(!strip(&mut request, keep, &mut losses), "nothing is left for a second time");
    let members = losses.iter().map(|loss| loss.member.clone().into_owned()).collect();
    (request.messages.into_iter().map(|message| message.parts).collect(), members)
}

#[test]
fn what_came_in_the_kept_format_stays() {
    let turns = vec![
        vec![thinking("", sealed(OWN), None), thinking("", None, sealed(OWN))],
        vec![thinking("unsigned", None, None), call(sealed(OWN)), Part::text("a")],
        vec![],
    ];
    assert_eq!(stripped(turns.clone(), Some(OWN)), (turns, vec![]));
}

#[test]
fn what_another_sealed_goes_and_what_is_said_stays() {
    let turns = vec![
        vec![
            thinking("words", sealed(OTHER), None),
            thinking("", sealed(OTHER), None),
            thinking("summary", None, sealed(OTHER)),
            thinking("own", sealed(OWN), None),
            call(sealed(OTHER)),
            call(sealed(OWN)),
        ],
        vec![thinking("", None, sealed(OTHER))],
    ];
    let kept = vec![vec![
        thinking("words", None, None),
        thinking("own", sealed(OWN), None),
        call(None),
        call(sealed(OWN)),
    ]];
    let losses = ["thinking.redacted", "thinking.signature", "tool_calls.signature"];
    assert_eq!(stripped(turns, Some(OWN)), (kept, losses.map(str::to_owned).to_vec()));
}

#[test]
fn another_account_gets_nothing_sealed() {
    let turns = vec![vec![
        thinking("a", sealed(OWN), None),
        thinking("", None, sealed(OWN)),
        call(sealed(OWN)),
        Part::text("b"),
    ]];
    let kept = vec![vec![thinking("a", None, None), call(None), Part::text("b")]];
    assert_eq!(stripped(turns, None).0, kept);
}

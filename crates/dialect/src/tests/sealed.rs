//! What is taken out of a request's bytes is what is taken out of what it means.

use super::Problems;
use super::fixture::every;
use super::meaning::chat_differs;
use crate::ir::{Chat, Losses, PartBody, Request};
use crate::sealed;

fn chat(request: Request) -> Option<Chat> {
    match request {
        Request::Chat(chat) | Request::CountTokens(chat) => Some(*chat),
        Request::Embedding(_) | Request::Rerank(_) => None,
    }
}

/// Without what is thought: formats differ in whether the words stay that a seal stood on.
fn unthinking(mut chat: Chat) -> Chat {
    chat.reasoning = None;
    for message in &mut chat.messages {
        message.parts.retain(|part| !matches!(part.body, PartBody::Thinking(_)));
    }
    chat.messages.retain(|message| !message.parts.is_empty());
    chat
}

/// Whether `left` is `whole` with something taken out, but for the word for no signature.
fn is_part_of(left: &[u8], whole: &[u8]) -> bool {
    const NONE: &str = "skip_thought_signature_validator";
    let left = String::from_utf8_lossy(left).replace(NONE, "");
    let mut whole = whole.iter();
    left.bytes().all(|byte| whole.any(|other| *other == byte))
}

#[test]
fn bytes_are_stripped_as_meanings_are() {
    let mut problems = Problems::default();
    let mut stripped = 0;
    for (format, fixture) in every("requests") {
        let label = fixture.label();
        let Ok(request) = format.read_request(&fixture.bytes, &fixture.path()) else { continue };
        let Some(mut chat_left) = chat(request) else { continue };
        let mut losses = Losses::default();
        let is_sealed = sealed::strip(&mut chat_left, None, &mut losses);
        let Some(written) = format.strip_sealed(&fixture.bytes).unwrap() else {
            problems.check(!is_sealed, || format!("{label}: its seals stay"));
            continue;
        };
        stripped += 1;
        problems.check(!written.losses.is_empty(), || format!("{label}: nothing is said of it"));
        problems.check(is_part_of(&written.body, &fixture.bytes), || {
            format!("{label}: more changed than was taken out")
        });
        let again = format.strip_sealed(&written.body).unwrap();
        problems.check(again.is_none(), || format!("{label}: a second time"));
        let back = format.read_request(&written.body, &fixture.path()).unwrap();
        let Some(back) = chat(back) else { continue };
        let found = chat_differs(&unthinking(chat_left), &unthinking(back), true);
        problems.extend(&label, found);
    }
    problems.report();
    assert!(stripped >= 10, "{stripped} fixtures hold something sealed");
}

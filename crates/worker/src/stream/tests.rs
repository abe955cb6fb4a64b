//! Streams that pass: what is held, what commits, what ends.

use super::*;

const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn asked_for(choices: u32) -> Events {
    events(choices, None)
}

fn events(choices: u32, pace: Option<Pace>) -> Events {
    let format = weir_dialect::format(weir_types::Dialect::OpenAiChat);
    let way = Way::Same { format, errors: None, choices };
    let framings =
        Framings { provider: Framing::Sse, client: Framing::Sse, event_bytes_max: 1 << 20 };
    Events::new(&way, Operation::Chat, framings, pace).unwrap()
}

/// Of a stream that has to bring so many characters within a second.
fn proving(characters: u32) -> Events {
    let window = std::time::Duration::from_secs(1);
    events(1, Some(Pace { characters_per_second: characters, window }))
}

fn feed(events: &mut Events, text: &str, out: &mut VecDeque<Bytes>) -> Step {
    events.take(Bytes::copy_from_slice(text.as_bytes()), out)
}

fn text(out: &VecDeque<Bytes>) -> String {
    out.iter().map(|piece| std::str::from_utf8(piece).unwrap()).collect()
}

#[test]
fn a_preamble_is_held_until_content_comes() {
    let (mut events, mut out) = (asked_for(1), VecDeque::new());
    assert_eq!(feed(&mut events, &format!(": hi\n\n{ROLE}"), &mut out), Step::More);
    assert!(out.is_empty() && !events.is_committed());
    assert_eq!(feed(&mut events, TEXT, &mut out), Step::More);
    assert!(events.is_committed());
    assert_eq!(text(&out), format!("{ROLE}{TEXT}"));
}

#[test]
fn any_split_passes_the_same_bytes_on() {
    let stream = format!("{ROLE}{TEXT}: c\n\n{TEXT}{STOP}{USAGE}{DONE}");
    for size in 1..stream.len() {
        let (mut events, mut out) = (asked_for(1), VecDeque::new());
        let mut step = Step::More;
        for chunk in stream.as_bytes().chunks(size) {
            step = events.take(Bytes::copy_from_slice(chunk), &mut out);
        }
        assert_eq!((step, text(&out)), (Step::Done, stream.clone()), "size {size}");
        assert_eq!(events.sum().1, Some("stop"));
        assert_eq!(events.sum().0.input_tokens, 3);
    }
}

#[test]
fn events_of_one_chunk_are_passed_on_as_one_piece() {
    let (mut events, mut out) = (asked_for(1), VecDeque::new());
    feed(&mut events, TEXT, &mut out);
    out.clear();
    let chunk = Bytes::from(TEXT.repeat(3) + "data: {");
    events.take(chunk.clone(), &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].as_ptr(), chunk.as_ptr());
    assert_eq!(out[0].len(), 3 * TEXT.len());
}

#[test]
fn what_follows_an_error_or_garbage_is_not_passed_on() {
    for bad in ["data: {\"error\":{\"message\":\"x\"}}\n\n", "data: {oops\n\n", "data: no\n\n"] {
        let (mut events, mut out) = (asked_for(1), VecDeque::new());
        let step = feed(&mut events, &format!("{TEXT}{TEXT}{bad}{TEXT}"), &mut out);
        assert!(matches!(step, Step::Broken(_)), "{bad}");
        assert_eq!(text(&out), format!("{TEXT}{TEXT}"));
    }
}

#[test]
fn a_long_preamble_is_committed() {
    let (mut events, mut out) = (asked_for(1), VecDeque::new());
    feed(&mut events, &ROLE.repeat(63), &mut out);
    assert!(!events.is_committed());
    feed(&mut events, ROLE, &mut out);
    assert!(events.is_committed());
    let (mut events, mut out) = (asked_for(1), VecDeque::new());
    let big = format!("data: {{\"x\":\"{}\"}}\n\n", "x".repeat(HELD_BYTES_MAX));
    feed(&mut events, &big, &mut out);
    assert!(events.is_committed());
}

#[test]
fn a_last_event_may_lack_its_empty_line() {
    let (mut events, mut out) = (asked_for(1), VecDeque::new());
    feed(&mut events, &format!("{TEXT}data: [DONE]"), &mut out);
    assert_eq!(events.finish(&mut out), Step::Done);
    assert_eq!(text(&out), format!("{TEXT}{DONE}"));
    let (mut events, mut out) = (asked_for(1), VecDeque::new());
    feed(&mut events, &format!("{TEXT}data: {{\"choi"), &mut out);
    assert_eq!(events.finish(&mut out), Step::Broken(Broken::Garbage(ENDS_WITHIN)));
}

#[test]
fn a_stream_of_several_answers_ends_with_the_last_of_them() {
    let of = |index: u32, rest: &str| {
        format!("data: {{\"choices\":[{{\"index\":{index},{rest}}}]}}\n\n")
    };
    let text = |index| of(index, "\"delta\":{\"content\":\"a\"},\"finish_reason\":null");
    let stop = |index| of(index, "\"delta\":{},\"finish_reason\":\"stop\"");
    let (mut events, mut out) = (asked_for(2), VecDeque::new());
    feed(&mut events, &[text(0), text(1), text(0), stop(0), text(1)].concat(), &mut out);
    assert!(!events.is_finished() && !events.may_end());
    feed(&mut events, &stop(1), &mut out);
    assert!(events.is_finished() && events.may_end());
}

#[test]
fn a_stream_that_is_proving_is_held_until_enough_has_come() {
    let (mut events, mut out) = (proving(3), VecDeque::new());
    feed(&mut events, ROLE, &mut out);
    assert!(!events.is_proving());
    feed(&mut events, TEXT, &mut out);
    assert!(events.is_proving());
    feed(&mut events, &TEXT.replace("\"a\"", "\"é\""), &mut out);
    assert!(out.is_empty() && !events.is_committed());
    feed(&mut events, TEXT, &mut out);
    assert!(events.is_committed() && !events.is_proving());
    assert_eq!(text(&out).matches("data:").count(), 4);
}

#[test]
fn thoughts_and_calls_are_characters_too() {
    for delta in [
        r#"{"reasoning_content":"abc"}"#,
        r#"{"tool_calls":[{"index":0,"id":"1","function":{"name":"ab","arguments":"{"}}]}"#,
    ] {
        let (mut events, mut out) = (proving(3), VecDeque::new());
        let event = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
        feed(&mut events, &event, &mut out);
        assert!(events.is_committed(), "{delta}");
    }
}

#[test]
fn a_short_answer_is_complete_whatever_is_wanted() {
    for end in [STOP, DONE] {
        let (mut events, mut out) = (proving(100), VecDeque::new());
        feed(&mut events, &format!("{TEXT}{end}"), &mut out);
        assert_eq!((events.is_committed(), text(&out)), (true, format!("{TEXT}{end}")));
    }
}

#[test]
fn what_cannot_be_counted_is_not_held() {
    let (mut events, mut out) = (proving(100), VecDeque::new());
    let audio = "data: {\"choices\":[{\"delta\":{\"audio\":{\"data\":\"AAAA\"}}}]}\n\n";
    feed(&mut events, audio, &mut out);
    assert!(events.is_committed());
    let (mut events, mut out) = (proving(100), VecDeque::new());
    feed(&mut events, &format!("{TEXT}{}", ROLE.repeat(PROVED_EVENTS_MAX)), &mut out);
    assert!(events.is_committed());
}

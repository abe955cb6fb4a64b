//! One rule for every target.

use serde_json::json;
use weir_types::{Dialect, FailureClass, Fault, Operation};

use super::{Fitted, Fitting};
use crate::fault::RequestFault;
use crate::ir::{
    CacheMark, Chat, Document, Image, Losses, Media, Message, Part, PartBody, Request, Role,
    Source, Tool, ToolBody, ToolResult,
};
use crate::tests::CONVERSING;
use crate::{Target, format};

/// A request of a format that is none of the targets.
fn chat(messages: Vec<(Role, Vec<Part>)>) -> Chat {
    let mut chat = Chat::new(Dialect::BedrockInvoke);
    let message = |(role, parts)| Message { role, parts, name: None };
    chat.messages = messages.into_iter().map(message).collect();
    chat
}

fn fit_for(
    to: Dialect,
    vendor: &str,
    chat: Chat,
) -> Result<(Chat, Vec<String>, Fitted), RequestFault> {
    let target = Target { operation: Operation::Chat, model: "m", known_as: "m", vendor };
    let fitting =
        Fitting { format: format(to), target: &target, call_ids: None, is_unsealed: false };
    let (mut request, mut losses) = (Request::Chat(Box::new(chat)), Losses::default());
    let fitted = fitting.apply(&mut request, &mut losses)?;
    let Request::Chat(chat) = request else { panic!("{request:?}") };
    let lost = losses.iter().map(|loss| loss.member.to_string()).collect();
    Ok((*chat, lost, fitted))
}

fn fit(to: Dialect, chat: Chat) -> Result<(Chat, Vec<String>), RequestFault> {
    fit_for(to, "openai", chat).map(|(chat, lost, _)| (chat, lost))
}

fn foreign() -> Part {
    let raw = json!({"type": "search_result", "source": "x"});
    Part::new(PartBody::Foreign { dialect: Dialect::BedrockInvoke, raw })
}

fn audio() -> Part {
    let source = Source::Base64 { media_type: "audio/wav".to_owned(), data: "AA==".to_owned() };
    Part::new(PartBody::Audio(Media { source, media_type: None }))
}

fn video() -> Part {
    let source = Source::Url("https://example.com/a.mp4".to_owned());
    Part::new(PartBody::Video(Media { source, media_type: None }))
}

fn image() -> Part {
    let source = Source::Url("https://example.com/a.png".to_owned());
    Part::new(PartBody::Image(Image { source, detail: None }))
}

fn document(source: Source) -> Part {
    let (title, context, citations) = (None, None, None);
    Part::new(PartBody::Document(Document { source, title, context, citations }))
}

fn result(parts: Vec<Part>) -> Part {
    let (call_id, name, is_error) = ("c".to_owned(), None, None);
    Part::new(PartBody::ToolResult(ToolResult { call_id, name, parts, is_error }))
}

fn is_refused(to: Dialect, messages: Vec<(Role, Vec<Part>)>) -> bool {
    fit(to, chat(messages)).is_err()
}

#[test]
fn what_is_shown_in_blocks_of_another_format_is_refused_with_its_type_and_place() {
    for to in CONVERSING {
        let said = || (Role::User, vec![Part::text("a")]);
        for (role, place) in [
            (Role::User, "user message 2, block 2"),
            (Role::System, "system message 1, block 2"),
            (Role::Developer, "system message 1, block 2"),
        ] {
            let asked = vec![said(), (role, vec![Part::text("b"), foreign(), foreign()])];
            let fault = fit(to, chat(asked)).unwrap_err();
            assert_eq!(fault.param.as_deref(), Some("messages.search_result"), "{to:?}");
            for part in [place, "`search_result`", "bedrock_invoke", to.label()] {
                assert!(fault.message.contains(part), "{to:?}: {fault}");
            }
            assert_eq!(Fault::from(fault).detail.class, Some(FailureClass::Elsewhere));
        }
    }
}

#[test]
fn of_another_formats_history_blocks_are_left_out_and_in_results_they_are_text() {
    for to in CONVERSING {
        let marked = Part { cache: Some(CacheMark::default()), ..foreign() };
        let asked = vec![
            (Role::User, vec![Part::text("a")]),
            (Role::Assistant, vec![foreign()]),
            (Role::Assistant, vec![Part::text("b"), foreign()]),
            (Role::Tool, vec![result(vec![marked])]),
            (Role::Assistant, vec![]),
        ];
        let (left, lost) = fit(to, chat(asked)).unwrap();
        let json = Part::text(r#"{"type":"search_result","source":"x"}"#);
        let marked = Part { cache: Some(CacheMark::default()), ..json };
        let expected = chat(vec![
            (Role::User, vec![Part::text("a")]),
            (Role::Assistant, vec![Part::text("b")]),
            (Role::Tool, vec![result(vec![marked])]),
            (Role::Assistant, vec![]),
        ]);
        assert_eq!(left.messages, expected.messages, "{to:?}");
        assert_eq!(lost, ["messages.search_result", "messages.tool_result.search_result"]);
        let raw = json!({"type": "x"});
        let own = Part::new(PartBody::Foreign { dialect: to, raw });
        let asked = vec![(Role::User, vec![own.clone()]), (Role::Tool, vec![result(vec![own])])];
        let (left, lost) = fit(to, chat(asked.clone())).unwrap();
        assert_eq!((left.messages, lost), (chat(asked).messages, Vec::new()), "{to:?}");
    }
}

#[test]
fn media_go_where_there_is_a_member_for_them() {
    use Dialect::{
        AnthropicMessages, BedrockConverse, CohereChat, GeminiGenerate, OpenAiChat,
        OpenAiResponses, ReplicatePredictions,
    };
    let rows = [
        // A user's sound and film, a tool's sound and film, the system's image.
        (OpenAiChat, [false, true, false, true, true]),
        (OpenAiResponses, [false, true, false, true, false]),
        (AnthropicMessages, [true, true, true, true, true]),
        (GeminiGenerate, [false, false, false, false, true]),
        (BedrockConverse, [false, false, true, false, true]),
        (CohereChat, [true, true, true, true, true]),
        (ReplicatePredictions, [true, true, true, true, false]),
    ];
    for (to, refused) in rows {
        let found = [
            is_refused(to, vec![(Role::User, vec![audio()])]),
            is_refused(to, vec![(Role::User, vec![video()])]),
            is_refused(to, vec![(Role::Tool, vec![result(vec![audio()])])]),
            is_refused(to, vec![(Role::Tool, vec![result(vec![video()])])]),
            is_refused(to, vec![(Role::System, vec![image()])]),
        ];
        assert_eq!(found, refused, "{to:?}");
        assert!(!is_refused(to, vec![(Role::User, vec![image()])]), "{to:?}");
    }
    assert!(fit_for(OpenAiChat, "vllm", chat(vec![(Role::User, vec![video()])])).is_ok());
    let fault = fit(AnthropicMessages, chat(vec![(Role::Tool, vec![result(vec![audio()])])]));
    let fault = fault.unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("messages.audio"));
    assert!(fault.message.starts_with("tool message 1, block 1, the tool's result:"), "{fault}");
}

#[test]
fn media_of_earlier_answers_stay_where_the_target_has_them() {
    for to in CONVERSING.into_iter().chain([Dialect::ReplicatePredictions]) {
        let kept = Source::File { dialect: Dialect::OpenAiChat, id: "audio_1".to_owned() };
        let kept = Part::new(PartBody::Audio(Media { source: kept, media_type: None }));
        let said = vec![Part::text("a"), image(), audio(), kept];
        let (left, lost) = fit(to, chat(vec![(Role::Assistant, said)])).unwrap();
        let count = left.messages[0].parts.len();
        let (expected, losses) = match to {
            Dialect::GeminiGenerate => (4, ""),
            Dialect::OpenAiChat => (2, "messages.audio messages.image"),
            Dialect::ReplicatePredictions => (2, "messages.audio"),
            _ => (1, "messages.audio messages.image"),
        };
        assert_eq!((count, lost.join(" ").as_str()), (expected, losses), "{to:?}");
    }
    let text = document(Source::Text("a".to_owned()));
    let pdf = document(Source::Url("https://example.com/a.pdf".to_owned()));
    assert!(!is_refused(Dialect::OpenAiChat, vec![(Role::System, vec![text])]));
    assert!(is_refused(Dialect::OpenAiChat, vec![(Role::System, vec![pdf])]));
}

#[test]
fn several_answers_are_had_where_there_can_be_several() {
    for to in CONVERSING {
        let asked = |n| {
            let mut chat = chat(vec![(Role::User, vec![Part::text("a")])]);
            chat.sampling.n = n;
            fit(to, chat)
        };
        assert!(asked(None).is_ok() && asked(Some(1)).is_ok(), "{to:?}");
        let has_several = [Dialect::OpenAiChat, Dialect::GeminiGenerate].contains(&to);
        match asked(Some(2)) {
            Ok(_) => assert!(has_several, "{to:?}"),
            Err(fault) => {
                assert!(!has_several && fault.message.contains(to.label()), "{fault}");
                assert_eq!((fault.param.as_deref(), fault.is_targets), (Some("n"), true));
            }
        }
        let mut counted = chat(Vec::new());
        counted.sampling.n = Some(2);
        let target =
            Target { operation: Operation::CountTokens, model: "m", known_as: "m", vendor: "x" };
        let fitting =
            Fitting { format: format(to), target: &target, call_ids: None, is_unsealed: false };
        let mut request = Request::CountTokens(Box::new(counted));
        assert!(fitting.apply(&mut request, &mut Losses::default()).is_ok(), "{to:?}");
    }
}

#[test]
fn what_another_provider_runs_or_keeps_is_refused() {
    for to in CONVERSING {
        let hosted = |dialect| {
            let mut chat = chat(Vec::new());
            let (name, raw) = ("web_search".to_owned(), json!({}));
            chat.tools.push(Tool { body: ToolBody::Hosted { dialect, name, raw }, cache: None });
            fit(to, chat)
        };
        let fault = hosted(Dialect::BedrockInvoke).unwrap_err();
        assert!(fault.is_targets && fault.message.contains("`web_search`"), "{fault}");
        assert!(hosted(to).is_ok(), "{to:?}");
        let bound = |source| {
            let mut chat = Chat { source, ..chat(Vec::new()) };
            chat.needs_state = Some("container");
            fit(to, chat)
        };
        assert_eq!(bound(Dialect::BedrockInvoke).unwrap_err().param.as_deref(), Some("container"));
        assert!(bound(to).is_ok(), "{to:?}");
    }
}

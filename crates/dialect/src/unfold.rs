//! The stream that somebody asked for, made of the whole answer that he got instead.

use bytes::{Bytes, BytesMut};
use weir_framing::{Framing, Writer};
use weir_types::{Form, Operation};

use crate::format::{Asked, Format};
use crate::ir::{Answer, Chat, Request};
use crate::lenient::without_nan;

/// The whole answer `body` as a stream of the same format, framed by `framing`; `None` if it is no
/// answer that a stream could give. `id` and `now` as in [`Asked`].
#[must_use]
pub fn unfold(
    format: &dyn Format,
    operation: Operation,
    framing: Framing,
    body: &[u8],
    (id, now): (&str, u64),
) -> Option<Bytes> {
    let body = without_nan(body);
    let mut out = Writer::new(framing);
    if let Some(event) = format.event_of_answer(&body) {
        out.event("", &event);
        out.end();
        let mut stream = BytesMut::from(&*out.take());
        stream.extend_from_slice(&format.terminator(operation).unwrap_or_default());
        return Some(stream.freeze());
    }
    let Ok(Answer::Chat(answer)) = format.read_answer(operation, &body) else { return None };
    let chat = Chat { stream: true, stream_usage: Some(true), ..Chat::new(format.dialect()) };
    let model = answer.model.clone();
    let request = Request::Chat(Box::new(chat));
    let form = Form::Usual;
    let asked = Asked { operation, form, model: &model, request: &request, now, id };
    let mut writer = format.stream_writer(&asked)?;
    for event in answer.into_events() {
        writer.write(event, &mut out);
    }
    out.end();
    Some(out.take())
}

#[cfg(test)]
mod tests {
    use weir_framing::Decoder;
    use weir_types::Dialect;

    use super::*;
    use crate::{Depth, Kind, format as named};

    const OPENAI: &str = r#"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":
        [{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop",
        "logprobs":{"content":[{"token":"hi","logprob":-Infinity}]}}]}"#;
    const RESPONSES: &str = r#"{"id":"r","object":"response","created_at":1,"model":"m","status":
        "completed","output":[{"type":"message","id":"x","role":"assistant","status":"completed",
        "content":[{"type":"output_text","text":"hi","annotations":[]}]}]}"#;
    const ANTHROPIC: &str = r#"{"id":"m","type":"message","role":"assistant","model":"m","content":
        [{"type":"thinking","thinking":"so","signature":"s"},{"type":"text","text":"hi"},
        {"type":"tool_use","id":"t","name":"f","input":{"a":1}}],"stop_reason":"tool_use",
        "usage":{"input_tokens":1,"output_tokens":2}}"#;
    const GEMINI: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},
        "finishReason":"STOP"}]}"#;
    const COHERE: &str = r#"{"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant",
        "content":[{"type":"text","text":"hi"}]}}"#;

    #[test]
    fn a_whole_answer_becomes_a_stream_that_its_own_reader_reads() {
        for (dialect, operation, body) in [
            (Dialect::OpenAiChat, Operation::Chat, OPENAI),
            (Dialect::OpenAiResponses, Operation::Responses, RESPONSES),
            (Dialect::AnthropicMessages, Operation::Chat, ANTHROPIC),
            (Dialect::GeminiGenerate, Operation::Chat, GEMINI),
            (Dialect::CohereChat, Operation::Chat, COHERE),
        ] {
            let format = named(dialect);
            let stream = unfold(format, operation, Framing::Sse, body.as_bytes(), ("id", 7));
            let stream = stream.unwrap_or_else(|| panic!("{dialect:?}"));
            let text = String::from_utf8_lossy(&stream).into_owned();
            let (mut decoder, mut reader) =
                (Decoder::new(Framing::Sse), format.stream_reader().unwrap());
            let (mut events, mut has_content) = (Vec::new(), false);
            decoder.push(stream);
            while let Some(raw) = decoder.next_frame().unwrap() {
                let frame = decoder.parse(&raw).unwrap();
                let seen = format.observe(&frame, Depth::Full).unwrap();
                has_content |= seen.kind == Kind::Content;
                assert_ne!(seen.kind, Kind::Error, "{text}");
                reader.read(&frame, &mut events).unwrap();
            }
            reader.finish(&mut events).unwrap();
            assert!(has_content && text.contains("hi"), "{dialect:?}: {text}");
            let finishes =
                |event: &&crate::ir::Event| matches!(event, crate::ir::Event::Finish { .. });
            assert_eq!(events.iter().filter(finishes).count(), 1, "{dialect:?}: {text}");
            if dialect == Dialect::AnthropicMessages {
                assert!(text.contains("signature_delta") && text.contains("input_json_delta"));
            }
            for none in ["<html>", "{}", "[]", ""] {
                let none = none.as_bytes();
                assert_eq!(unfold(format, operation, Framing::Sse, none, ("id", 7)), None);
            }
        }
    }
}

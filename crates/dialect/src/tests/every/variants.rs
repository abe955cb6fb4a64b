//! The variants of every type between formats, by name. Each list is a match without a rest: a new
//! variant does not compile until it is named here, and fails until it is made.

use std::collections::BTreeSet;

use crate::ir::{
    Answer, Delta, Effort, EmbeddingInput, Event, FinishReason, OutputFormat, PartBody, PartStart,
    Request, Role, Source, ToolBody, ToolChoice,
};

/// What has been seen of a type's variants.
#[derive(Default)]
pub(super) struct Seen(BTreeSet<&'static str>);

macro_rules! variants {
    ($($method:ident($type:ty): { $($pattern:pat => $name:literal),+ $(,)? })+) => {
        /// Every name.
        const ALL: &[&str] = &[$($(concat!(stringify!($type), " ", $name)),+),+];

        impl Seen {
            $(
                pub(super) fn $method(&mut self, value: &$type) {
                    self.0.insert(match value {
                        $($pattern => concat!(stringify!($type), " ", $name)),+
                    });
                }
            )+
        }
    };
}

variants! {
    request(Request): {
        Request::Chat(_) => "chat", Request::CountTokens(_) => "count",
        Request::Embedding(_) => "embedding", Request::Rerank(_) => "rerank",
    }
    role(Role): {
        Role::System => "system", Role::Developer => "developer", Role::User => "user",
        Role::Assistant => "assistant", Role::Tool => "tool",
    }
    part(PartBody): {
        PartBody::Text { .. } => "text", PartBody::Refusal(_) => "refusal",
        PartBody::Json(_) => "json", PartBody::Image(_) => "image",
        PartBody::Document(_) => "document", PartBody::Audio(_) => "audio",
        PartBody::Video(_) => "video", PartBody::ToolCall(_) => "call",
        PartBody::ToolResult(_) => "result", PartBody::Thinking(_) => "thinking",
        PartBody::Foreign { .. } => "foreign",
    }
    source(Source): {
        Source::Url(_) => "url", Source::Base64 { .. } => "base64", Source::Text(_) => "text",
        Source::File { .. } => "file",
    }
    tool(ToolBody): {
        ToolBody::Function { .. } => "function", ToolBody::Custom { .. } => "custom",
        ToolBody::Hosted { .. } => "hosted",
    }
    choice(ToolChoice): {
        ToolChoice::Auto => "auto", ToolChoice::None => "none", ToolChoice::Required => "required",
        ToolChoice::Function(_) => "function", ToolChoice::Allowed { .. } => "allowed",
    }
    output(OutputFormat): {
        OutputFormat::Text => "text", OutputFormat::JsonObject => "object",
        OutputFormat::JsonSchema { .. } => "schema",
    }
    effort(Effort): {
        Effort::None => "none", Effort::Minimal => "minimal", Effort::Low => "low",
        Effort::Medium => "medium", Effort::High => "high", Effort::XHigh => "xhigh",
        Effort::Max => "max",
    }
    input(EmbeddingInput): {
        EmbeddingInput::Text(_) => "text", EmbeddingInput::Tokens(_) => "tokens",
        EmbeddingInput::Image(_) => "image",
    }
    answer(Answer): {
        Answer::Chat(_) => "chat", Answer::Tokens(_) => "tokens",
        Answer::Embedding(_) => "embedding", Answer::Rerank(_) => "rerank",
    }
    finish(FinishReason): {
        FinishReason::Stop => "stop", FinishReason::StopSequence => "sequence",
        FinishReason::Length => "length", FinishReason::ToolCalls => "calls",
        FinishReason::ContentFilter => "filter", FinishReason::Refusal => "refusal",
        FinishReason::Pause => "pause", FinishReason::ContextWindow => "window",
        FinishReason::Error(_) => "error", FinishReason::Other(_) => "other",
    }
    event(Event): {
        Event::Start { .. } => "start", Event::PartStart { .. } => "part start",
        Event::Delta { .. } => "delta", Event::PartEnd { .. } => "part end",
        Event::Finish { .. } => "finish", Event::Usage(_) => "usage", Event::Error(_) => "error",
        Event::End => "end",
    }
    start(PartStart): {
        PartStart::Text => "text", PartStart::Refusal => "refusal",
        PartStart::Thinking { .. } => "thinking", PartStart::Redacted(_) => "redacted",
        PartStart::ToolCall { .. } => "call", PartStart::Audio { .. } => "audio",
        PartStart::Image(_) => "image", PartStart::Foreign { .. } => "foreign",
    }
    delta(Delta): {
        Delta::Text(_) => "text", Delta::Signature(_) => "signature",
        Delta::Arguments(_) => "arguments", Delta::Annotation(_) => "annotation",
        Delta::Audio(_) => "audio", Delta::Transcript(_) => "transcript",
    }
}

impl Seen {
    /// Those that have not been.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        ALL.iter().copied().filter(|name| !self.0.contains(name)).collect()
    }

    /// Notes all that a request is made of.
    pub(super) fn whole(&mut self, request: &Request) {
        self.request(request);
        if let Request::Embedding(embedding) = request {
            embedding.inputs.iter().for_each(|input| self.input(input));
        }
        let (Request::Chat(chat) | Request::CountTokens(chat)) = request else { return };
        for message in &chat.messages {
            self.role(&message.role);
            message.parts.iter().for_each(|part| self.nested(&part.body));
        }
        chat.tools.iter().for_each(|tool| self.tool(&tool.body));
        chat.tool_choice.iter().for_each(|choice| self.choice(choice));
        chat.output.iter().for_each(|output| self.output(output));
        let reasoning = chat.reasoning.iter();
        reasoning.filter_map(|it| it.effort.as_ref()).for_each(|effort| self.effort(effort));
    }

    /// Notes a block and what is in it.
    pub(super) fn nested(&mut self, body: &PartBody) {
        self.part(body);
        match body {
            PartBody::Image(image) => self.source(&image.source),
            PartBody::Document(document) => self.source(&document.source),
            PartBody::Audio(media) | PartBody::Video(media) => self.source(&media.source),
            PartBody::ToolResult(result) => {
                result.parts.iter().for_each(|part| self.nested(&part.body));
            }
            _ => {}
        }
    }
}

//! Request bodies of the OpenAI dialect, read as far as an answer depends on them.
//!
//! Messages, tools and inputs stay raw JSON until somebody needs a part of them. Pure.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::refusal::Refusal;

/// What is asked, told by the end of the path, so that every host's base path works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Chat,
    Completion,
    Embedding,
}

impl Asked {
    /// `/v1/chat/completions`, `/openai/v1/chat/completions`, `/chat/completions`, ...
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        if path.ends_with("/chat/completions") {
            return Some(Self::Chat);
        }
        if path.ends_with("/completions") {
            return Some(Self::Completion);
        }
        path.ends_with("/embeddings").then_some(Self::Embedding)
    }
}

/// The members of all three bodies.
#[derive(Debug, Deserialize)]
pub(crate) struct Request<'a> {
    #[serde(borrow)]
    pub(crate) model: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) messages: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) prompt: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) input: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default, borrow)]
    pub(crate) tools: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(crate) tool_choice: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) parallel_tool_calls: Option<bool>,
    #[serde(default)]
    n: Option<u32>,
    #[serde(default)]
    max_tokens: Option<usize>,
    #[serde(default)]
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    pub(crate) dimensions: Option<usize>,
    #[serde(default, borrow)]
    pub(crate) encoding_format: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

/// Choices of one answer.
const CHOICES_MAX: u32 = 16;

impl<'a> Request<'a> {
    /// Reads a body and checks that the members which `asked` cannot do without are there.
    ///
    /// # Errors
    /// The 400 that OpenAI would answer.
    pub(crate) fn parse(body: &'a [u8], asked: Asked) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body).map_err(|error| {
            Refusal::bad_request(format!(
                "We could not parse the JSON body of your request: {error}"
            ))
        })?;
        if request.model.as_deref().is_none_or(str::is_empty) {
            return Err(Refusal::missing("model"));
        }
        let (member, value) = match asked {
            Asked::Chat => ("messages", request.messages),
            Asked::Completion => ("prompt", request.prompt),
            Asked::Embedding => ("input", request.input),
        };
        let Some(value) = value else {
            return Err(Refusal::missing(member));
        };
        if asked == Asked::Chat && !value.get().starts_with('[') {
            return Err(Refusal::bad_member(member, "expected an array of messages"));
        }
        if !(1..=CHOICES_MAX).contains(&request.choices()) {
            return Err(Refusal::bad_member("n", "expected a number from 1 to 16"));
        }
        Ok(request)
    }

    pub(crate) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    pub(crate) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(crate) fn wants_usage(&self) -> bool {
        self.stream_options.and_then(|options| options.include_usage).unwrap_or(false)
    }

    pub(crate) fn choices(&self) -> u32 {
        self.n.unwrap_or(1)
    }

    pub(crate) fn tokens_max(&self) -> Option<usize> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// The text that stands for the whole question: what decides the answer and its price.
    pub(crate) fn question(&self) -> &'a str {
        self.messages.or(self.prompt).or(self.input).map_or("", RawValue::get)
    }
}

/// One chat message, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(default, borrow)]
    role: Cow<'a, str>,
    #[serde(default, borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Part<'a> {
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
}

/// Who spoke last, and the last thing the user said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// The role of the last message.
    pub(crate) role: String,
    /// The text of the last message whose role is `user`.
    pub(crate) user: String,
}

/// Reads the end of a conversation. Messages that make no sense count as empty: a simulated
/// provider need not be stricter than the ones it stands for.
pub(crate) fn last_words(messages: &str) -> LastWords {
    let messages: Vec<Message<'_>> = serde_json::from_str(messages).unwrap_or_default();
    let role = messages.last().map(|last| last.role.to_string()).unwrap_or_default();
    let last_user = messages.iter().rfind(|message| message.role == "user");
    let content = last_user.and_then(|message| message.content).map_or("", RawValue::get);
    LastWords { role, user: text_of(content) }
}

/// The text of a string, or of an array of strings or content parts, joined by blanks.
pub(crate) fn text_of(raw: &str) -> String {
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return text;
    }
    if let Ok(texts) = serde_json::from_str::<Vec<String>>(raw) {
        return texts.join(" ");
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(raw).unwrap_or_default();
    parts.into_iter().filter_map(|part| part.text).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_every_base_are_known() {
        for (path, asked) in [
            ("/v1/chat/completions", Some(Asked::Chat)),
            ("/chat/completions", Some(Asked::Chat)),
            ("/openai/v1/completions", Some(Asked::Completion)),
            ("/v1/embeddings", Some(Asked::Embedding)),
            ("/v1/images", None),
        ] {
            assert_eq!(Asked::of_path(path), asked, "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (body, says) in [
            ("not json", "could not parse the JSON body"),
            (r#"{"messages":[]}"#, "'model'"),
            (r#"{"model":"m"}"#, "'messages'"),
            (r#"{"model":"m","messages":"hi"}"#, "expected an array"),
            (r#"{"model":"m","messages":[],"n":99}"#, "from 1 to 16"),
        ] {
            let refusal = Request::parse(body.as_bytes(), Asked::Chat).unwrap_err();
            assert_eq!(refusal.status, 400, "{body}");
            assert!(refusal.message.contains(says), "{body}: {}", refusal.message);
        }
    }

    #[test]
    fn the_last_user_text_is_found_in_strings_and_parts() {
        let messages = r#"[{"role":"user","content":"first"},
            {"role":"user","content":[{"type":"text","text":"call"},{"type":"image_url"},
            {"type":"text","text":"\u0068im"}]},{"role":"tool","content":"42"}]"#;
        let expected = LastWords { role: "tool".into(), user: "call him".into() };
        assert_eq!(last_words(messages), expected);
        assert_eq!(last_words("[1,2]"), LastWords::default());
        assert_eq!(text_of(r#"["a","b"]"#), "a b");
    }
}

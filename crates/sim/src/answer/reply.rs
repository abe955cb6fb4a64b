//! What a model says: a text or calls, perhaps after a thought, and how many tokens that took.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{text, tokens_of};
use crate::ask::{Chat, LastWords};
use crate::refusal::Refusal;
use crate::sample;
use crate::tool::{self, ToolCall};

/// The thought that comes before an answer where thoughts are asked for.
const THOUGHT: &str = "The question is short, so the answer can be short as well.";

/// An answer, not yet written.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Ids are made from it.
    pub(crate) hash: u64,
    pub(crate) thought: Option<String>,
    pub(crate) content: Content,
    pub(crate) stop: Stop,
    pub(crate) tokens: Tokens,
}

#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    Calls(Vec<ToolCall>),
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    Length,
    Calls,
}

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) prompt: usize,
    /// Of them, read from a cache.
    pub(crate) cached: usize,
    /// Thoughts included.
    pub(crate) completion: usize,
    pub(crate) thought: usize,
}

impl Reply {
    /// The answer of `model`, its text `answer_bytes` long if that is set.
    ///
    /// # Errors
    /// The refusal of a conversation that is read only now.
    pub(crate) fn to(
        model: &str,
        chat: &Chat<'_>,
        salt: &str,
        answer_bytes: Option<usize>,
    ) -> Result<Self, Refusal> {
        let needs_words = answer_bytes.is_none() || !chat.tools.is_empty();
        let said = if needs_words { chat.words.read()? } else { LastWords::default() };
        let question = chat.question.as_bytes();
        let hash = text::hash(&[salt.as_bytes(), model.as_bytes(), question]);
        let words = if chat.hides_thoughts { "" } else { THOUGHT };
        let thought = chat.thinks.then(|| words.to_owned());
        let calls = tool::calls(chat, &said);
        let (content, stop, bytes) = if calls.is_empty() {
            let whole = match &chat.form {
                Some(schema) => formed(schema, &said),
                None => text::answer(hash, answer_bytes, || said.user.into()),
            };
            let most = chat.tokens_max.map(|max| max.saturating_mul(4));
            let (text, cut) = text::cut(whole, most);
            let bytes = text.len();
            (Content::Text(text), if cut { Stop::Length } else { Stop::End }, bytes)
        } else {
            let bytes = calls.iter().map(|call| call.name.len() + call.text.len()).sum();
            (Content::Calls(calls), Stop::Calls, bytes)
        };
        let prompt = tokens_of(question.len());
        let thoughts = if chat.thinks { tokens_of(THOUGHT.len()) } else { 0 };
        let tokens = Tokens {
            prompt,
            cached: if chat.cached { prompt / 2 } else { 0 },
            completion: (tokens_of(bytes) + thoughts) * chat.choices as usize,
            thought: thoughts,
        };
        Ok(Self { hash, thought, content, stop, tokens })
    }

    /// An id that follows from the answer and where in it a thing stands.
    pub(crate) fn id(&self, prefix: &str, choice: u32, nth: usize) -> String {
        let parts = [&self.hash.to_le_bytes()[..], &choice.to_le_bytes(), &nth.to_le_bytes()];
        text::id(prefix, text::hash(&parts))
    }
}

/// An answer that fits a schema, as JSON.
fn formed(schema: &Value, said: &LastWords) -> String {
    if schema.is_null() {
        return json!({"said": said.user}).to_string();
    }
    sample::value("answer", schema).to_string()
}

/// What is sent with a thought so that it can be told from a forged one.
pub(crate) fn seal(thought: &str) -> String {
    STANDARD.encode(text::id("weir-sim-seal-", text::hash(&[b"seal", thought.as_bytes()])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Words;

    fn chat(words: &str) -> Chat<'static> {
        let said = LastWords { user: words.to_owned(), after_tool: false };
        Chat::new("[question]".into(), Words::Known(said))
    }

    #[test]
    fn tokens_and_lengths_are_as_asked() {
        let plain = Reply::to("m", &chat("hi"), "s", None).unwrap();
        let Content::Text(text) = &plain.content else { panic!("no text") };
        assert!(text.ends_with("You said: hi"), "{text}");
        assert_eq!((plain.stop, plain.tokens.prompt, plain.tokens.cached), (Stop::End, 3, 0));
        let more = Chat { tokens_max: Some(2), thinks: true, cached: true, ..chat("hi") };
        let reply = Reply::to("m", &more, "s", None).unwrap();
        assert_eq!((reply.stop, reply.tokens.cached), (Stop::Length, 1));
        assert_eq!(reply.tokens.completion, 2 + reply.tokens.thought);
        assert_eq!(reply.hash, plain.hash);
        assert_ne!(reply.id("x", 0, 0), reply.id("x", 0, 1));
        assert_ne!(seal("a"), seal("b"));
    }

    #[test]
    fn an_answer_has_the_form_that_was_asked_for() {
        let said = |form| {
            let chat = Chat { form: Some(form), ..chat("hi") };
            let Content::Text(text) = Reply::to("m", &chat, "s", None).unwrap().content else {
                panic!("no text")
            };
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let schema = json!({"type": "object", "properties": {"days": {"type": "integer"}}});
        assert_eq!(said(schema), json!({"days": 7}));
        assert_eq!(said(Value::Null), json!({"said": "hi"}));
    }

    #[test]
    fn a_conversation_is_only_read_if_it_is_needed() {
        let words = Words::Unread("", |_| Err(Refusal::bad_request("read")));
        let unread = Chat::new("q".into(), words);
        assert!(Reply::to("m", &unread, "s", Some(10)).is_ok());
        assert_eq!(Reply::to("m", &unread, "s", None).unwrap_err().message, "read");
    }
}

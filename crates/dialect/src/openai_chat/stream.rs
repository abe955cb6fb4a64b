//! The way back, streams: what an event means for the commit point and for the end.
//!
//! Before the commit point every event is parsed. After it [`skim`] looks for three member names
//! in the bytes and parses only where one of them holds something.

mod choice;
mod deltas;
mod media;
mod part;
mod read;
mod whole;
mod write;

pub(super) use read::Reader;
pub(super) use whole::of_answer;
pub(super) use write::EventWriter;

use std::sync::LazyLock;

use super::usage;
use crate::fault::Garbage;
use crate::format::{Kind, Observed};
use aho_corasick::packed;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    images: Option<&'a RawValue>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

impl Chunk<'_> {
    /// Which answer this adds text to, and the text, if that is all it says: most chunks are so.
    fn plain_text(&self) -> Option<(u32, String)> {
        let is_error = says_something(self.error)
            || self.object.is_some_and(|object| object.get() == "\"error\"");
        let [choice] = self.choices.as_deref()? else { return None };
        let delta = choice.delta.as_ref()?;
        let others = [self.usage, choice.text, choice.finish_reason, choice.logprobs];
        if is_error || delta.has_more_than_text() || others.into_iter().any(says_something) {
            return None;
        }
        Some((choice.index.unwrap_or(0), usage::text(delta.content)?))
    }
}

impl Delta<'_> {
    fn has_content(&self) -> bool {
        says_something(self.content) || self.has_more_than_text()
    }

    fn has_more_than_text(&self) -> bool {
        [
            self.annotations,
            self.reasoning,
            self.reasoning_content,
            self.reasoning_details,
            self.tool_calls,
            self.function_call,
            self.audio,
            self.refusal,
            self.images,
        ]
        .into_iter()
        .any(says_something)
    }
}

fn says_something(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]" | "{}" | "false"))
}

/// Reads an event in full. `event` is its SSE name, `data` its data.
///
/// # Errors
/// It is not an event of this format.
pub(super) fn observe(event: &[u8], data: &[u8]) -> Result<Observed, Garbage> {
    let data = data.trim_ascii();
    if data == b"[DONE]" {
        return Ok(Observed::plain(Kind::Done));
    }
    let chunk: Chunk<'_> = match serde_json::from_slice(data) {
        Ok(chunk) => chunk,
        // An error in words, not in JSON.
        Err(_) if event == b"error" => return Ok(Observed::plain(Kind::Error)),
        Err(_) => return Err(Garbage::NOT_AN_OBJECT),
    };
    let is_error = says_something(chunk.error)
        || event == b"error"
        || [chunk.object, chunk.kind].into_iter().flatten().any(|kind| kind.get() == "\"error\"");
    if is_error {
        return Ok(Observed::plain(Kind::Error));
    }
    if let Some(seen) = media::observe(chunk.kind, chunk.usage) {
        return Ok(seen);
    }
    let choices = chunk.choices.unwrap_or_default();
    let has_content = choices.iter().any(|choice| {
        says_something(choice.text) || choice.delta.as_ref().is_some_and(Delta::has_content)
    });
    Ok(Observed {
        kind: if has_content { Kind::Content } else { Kind::Preamble },
        choices: choices
            .iter()
            .map(|choice| (choice.index.unwrap_or(0), usage::text(choice.finish_reason)))
            .collect(),
        usage: chunk.usage.and_then(|raw| usage::read(raw.get().as_bytes())),
        id: None,
    })
}

/// What is looked for in plain events. Names cannot match inside a string: quotes are escaped there.
const NAMES: [&str; 3] = ["\"finish_reason\"", "\"usage\"", "\"error\""];

/// Finds any of [`NAMES`] in one pass; `None` where the machine lacks the instructions.
static FIND: LazyLock<Option<packed::Searcher>> = LazyLock::new(|| packed::Searcher::new(NAMES));

/// Looks at an event after the commit point, as cheaply as an honest end allows: content stays
/// unread, finish reason, usage and errors are found. A plain event is [`Kind::Content`].
///
/// # Errors
/// It cannot be an event of this format.
pub(super) fn skim(event: &[u8], data: &[u8]) -> Result<Observed, Garbage> {
    let is_object = data.first() == Some(&b'{') && data.last() == Some(&b'}');
    if !is_object || event == b"error" {
        return observe(event, data);
    }
    if may_say_more(data) {
        return observe(event, data);
    }
    Ok(Observed::plain(Kind::Content))
}

/// A member with the shortest of [`NAMES`] and the end of its object take at least this.
const MEMBER_BYTES_MIN: usize = br#""usage":1}"#.len();

/// Whether one of [`NAMES`] stands in `data` and holds something.
fn may_say_more(data: &[u8]) -> bool {
    let is_set_at = |end: usize| is_set(data.get(end..));
    match &*FIND {
        Some(searcher) => {
            let mut from = 0;
            while data.len().saturating_sub(from) >= MEMBER_BYTES_MIN {
                let found = searcher.find_in(data, (from..data.len()).into());
                let Some(found) = found else { return false };
                if is_set_at(found.end()) {
                    return true;
                }
                from = found.end();
            }
            false
        }
        None => NAMES.iter().any(|name| {
            let mut found = memmem::find_iter(data, name);
            found.any(|at| is_set_at(at + name.len()))
        }),
    }
}

/// Whether what follows a name is a colon and something else than `null`; the value `"error"` of
/// another member counts too.
fn is_set(after: Option<&[u8]>) -> bool {
    let after = after.unwrap_or_default().trim_ascii_start();
    let Some(value) = after.strip_prefix(b":") else { return true };
    !value.trim_ascii_start().starts_with(b"null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(data: &str) -> Kind {
        observe(b"", data.as_bytes()).unwrap().kind
    }

    fn delta(delta: &str) -> String {
        format!(r#"{{"id":"c","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
    }

    #[test]
    fn preambles_and_content_are_told_apart() {
        for empty in [
            r#"{"role":"assistant"}"#,
            r#"{"role":"assistant","content":"","refusal":null}"#,
            r#"{"content":null,"tool_calls":[]}"#,
            "{}",
        ] {
            assert_eq!(kind(&delta(empty)), Kind::Preamble, "{empty}");
        }
        for content in [
            r#"{"content":"a"}"#,
            r#"{"content":[{"type":"text"}]}"#,
            r#"{"reasoning":"a"}"#,
            r#"{"reasoning_content":"a"}"#,
            r#"{"tool_calls":[{"index":0}]}"#,
            r#"{"function_call":{"name":"f"}}"#,
            r#"{"audio":{"data":"x"}}"#,
            r#"{"refusal":"no"}"#,
        ] {
            assert_eq!(kind(&delta(content)), Kind::Content, "{content}");
        }
        assert_eq!(kind(r#"{"choices":[{"text":"a","index":0}]}"#), Kind::Content);
        assert_eq!(kind(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#), Kind::Preamble);
        assert_eq!(kind(" [DONE] "), Kind::Done);
    }

    #[test]
    fn errors_are_seen_in_every_shape() {
        assert_eq!(kind(r#"{"error":{"message":"x"}}"#), Kind::Error);
        assert_eq!(kind(r#"{"error":"x","choices":[]}"#), Kind::Error);
        assert_eq!(kind(r#"{"object":"error","message":"x"}"#), Kind::Error);
        assert_eq!(kind(r#"{"error":null,"choices":[]}"#), Kind::Preamble);
        assert_eq!(observe(b"error", b"{}").unwrap().kind, Kind::Error);
        assert_eq!(observe(b"error", b"overloaded").unwrap().kind, Kind::Error);
        assert_eq!(observe(b"", b"overloaded"), Err(Garbage::NOT_AN_OBJECT));
    }

    #[test]
    fn skimming_finds_what_reading_finds() {
        let plain = delta(r#"{"content":"\"usage\":1 \"error\" \"finish_reason\":\"stop\""}"#);
        assert_eq!(skim(b"", plain.as_bytes()), Ok(Observed::plain(Kind::Content)));
        for data in [
            r#"{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}"#,
            r#"{"choices":[{"delta":{"content":"x"},"finish_reason" : "length"}]}"#,
            r#"{"choices":[],"usage": {"prompt_tokens":1,"completion_tokens":2}}"#,
            r#"{"error":{"message":"x"}}"#,
            r#"{"object":"error","message":"x"}"#,
            "[DONE]",
        ] {
            assert_eq!(skim(b"", data.as_bytes()), observe(b"", data.as_bytes()), "{data}");
        }
        let seen = skim(b"", br#"{"choices":[{"index":1,"finish_reason":"stop"}]}"#).unwrap();
        assert_eq!(seen.choices, [(1, Some("stop".to_owned()))]);
        for garbage in [r#"{"choices":[{"delta"#, "oops", "", "{]"] {
            assert_eq!(skim(b"", garbage.as_bytes()), Err(Garbage::NOT_AN_OBJECT), "{garbage}");
        }
    }
}

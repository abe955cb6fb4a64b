//! Watches a stream that is passed on. Before the commit point every event is parsed; after it
//! only those are that may end the stream or report an error.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;
use weir_framing::Frame;

use super::super::usage;
use super::{failure, kind, said};
use crate::fault::Garbage;
use crate::format::{Depth, Kind, Observed};
use crate::json;

static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"message-end\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));
static TYPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"type\""));

/// Looks at an event.
///
/// # Errors
/// It is not an event of this format.
pub(in super::super) fn observe(frame: &Frame<'_>, depth: Depth) -> Result<Observed, Garbage> {
    let Some(data) = frame.data.as_deref() else { return Ok(Observed::plain(Kind::Preamble)) };
    let data = data.trim_ascii();
    if depth == Depth::Skim && is_content(frame.name, data) {
        return Ok(Observed::plain(Kind::Content));
    }
    read(frame.name, data)
}

/// Whether the event cannot be an end or an error. The words cannot match inside a string: quotes
/// are escaped there.
fn is_content(name: &[u8], data: &[u8]) -> bool {
    let is_object = data.first() == Some(&b'{') && data.last() == Some(&b'}');
    let holds = |finder: &Finder<'_>| finder.find(data).is_some();
    is_object
        && !matches!(name, b"message-end" | b"error")
        && holds(&TYPE)
        && !holds(&END)
        && !holds(&ERROR)
}

fn read(name: &[u8], data: &[u8]) -> Result<Observed, Garbage> {
    if data == b"[DONE]" {
        return Ok(Observed::plain(Kind::Done));
    }
    let event: Value = match json::read(data) {
        Ok(event @ Value::Object(_)) => event,
        // An error in words, not in JSON.
        _ if name == b"error" => return Ok(Observed::plain(Kind::Error)),
        _ => return Err(Garbage::NOT_AN_OBJECT),
    };
    let kind = kind(name, &event);
    let usage = event.get("delta").and_then(|delta| delta.get("usage")).and_then(usage::read);
    if failure(kind, &event).is_some() {
        return Ok(Observed { usage, ..Observed::plain(Kind::Error) });
    }
    let says = |path: &[&str]| {
        let value = said(&event, path);
        value.is_some_and(|value| value.as_str().is_some_and(|text| !text.is_empty()))
    };
    let has_content = match kind {
        "message-end" => {
            let finish = event.get("delta").and_then(|delta| delta.get("finish_reason"));
            let finish = finish.and_then(Value::as_str).map(str::to_owned);
            return Ok(Observed {
                choices: vec![(0, finish)],
                usage,
                ..Observed::plain(Kind::Done)
            });
        }
        "content-start" | "content-delta" => {
            says(&["content", "text"]) || says(&["content", "thinking"])
        }
        "tool-plan-delta" => says(&["tool_plan"]),
        "tool-call-start" | "citation-start" => true,
        "tool-call-delta" => says(&["tool_calls", "function", "arguments"]),
        _ => false,
    };
    Ok(Observed::plain(if has_content { Kind::Content } else { Kind::Preamble }))
}

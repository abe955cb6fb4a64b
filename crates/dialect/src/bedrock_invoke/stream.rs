//! What an event means for a stream that is passed on, whatever its maker calls things.
//!
//! The last event of every maker's stream carries the host's counts
//! (`amazon-bedrock-invocationMetrics`), which is how the end is known.

use serde_json::Value;
use weir_framing::Frame;
use weir_types::Usage;

use super::answer;
use crate::fault::Garbage;
use crate::format::{Kind, Observed};

const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// Members in which makers wrap what an event says: Claude's deltas, Nova's events.
const WRAPPED: [&str; 3] = ["delta", "messageStop", "metadata"];

/// Looks at an event.
pub(super) fn observe(frame: &Frame<'_>) -> Result<Observed, Garbage> {
    if frame.is_exception {
        return Ok(Observed::plain(Kind::Error));
    }
    let Some(data) = frame.data.as_deref() else { return Ok(Observed::plain(Kind::Preamble)) };
    let event: Value = serde_json::from_slice(data).map_err(|_| Garbage::NOT_AN_OBJECT)?;
    if !event.is_object() {
        return Err(Garbage::NOT_AN_OBJECT);
    }
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "error" {
        return Ok(Observed::plain(Kind::Error));
    }
    let metrics = event.get(METRICS);
    let inner = || WRAPPED.iter().filter_map(|name| event.get(name));
    let finish = std::iter::once(&event).chain(inner()).find_map(answer::finish);
    let counted = std::iter::once(&event).chain(inner()).map(answer::usage);
    let counted = counted.chain(metrics.map(host_usage)).filter(|usage| !usage.is_empty());
    Ok(Observed {
        kind: match (metrics, kind) {
            (Some(_), _) | (_, "message_stop") => Kind::Done,
            _ if says_nothing(&event, kind) => Kind::Preamble,
            _ => Kind::Content,
        },
        choices: vec![(0, finish.map(std::borrow::Cow::into_owned))],
        usage: counted.reduce(|_, later| later),
    })
}

/// Events that open, or close, and hold no part of the answer.
fn says_nothing(event: &Value, kind: &str) -> bool {
    let is_claudes =
        matches!(kind, "message_start" | "ping" | "content_block_stop" | "message_delta");
    let is_novas = ["messageStart", "contentBlockStop", "messageStop", "metadata"];
    let is_empty = kind == "content_block_start"
        && event.pointer("/content_block/type").is_some_and(|kind| kind == "text");
    is_claudes || is_empty || is_novas.iter().any(|name| event.get(name).is_some())
}

fn host_usage(metrics: &Value) -> Usage {
    let count = |name: &str| metrics.get(name).and_then(Value::as_u64).unwrap_or(0);
    Usage {
        input_tokens: count("inputTokenCount"),
        output_tokens: count("outputTokenCount"),
        cached_input_tokens: count("cacheReadInputTokenCount"),
        cache_write_tokens: count("cacheWriteInputTokenCount"),
        reasoning_tokens: 0,
    }
}

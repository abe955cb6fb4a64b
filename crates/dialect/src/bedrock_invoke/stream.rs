//! What an event means for a stream that is passed on, whatever its maker calls things.
//!
//! The last event of every maker's stream carries the host's counts
//! (`amazon-bedrock-invocationMetrics`), which is how the end is known. Claude's events are the only
//! ones that say their `type`, and are looked at as Claude's format does.

use std::borrow::Cow;

use serde_json::Value;
use weir_framing::Frame;
use weir_types::Usage;

use super::answer;
use crate::fault::Garbage;
use crate::format::{Depth, Format, Kind, Observed};

const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// Members in which Nova wraps what an event says.
const WRAPPED: [&str; 2] = ["messageStop", "metadata"];

/// Looks at an event.
pub(super) fn observe(claude: &dyn Format, frame: &Frame<'_>) -> Result<Observed, Garbage> {
    // Framings that have no exceptions tell them by their names.
    if frame.is_exception || frame.name.ends_with(b"Exception") {
        return Ok(Observed::plain(Kind::Error));
    }
    let Some(data) = frame.data.as_deref() else { return Ok(Observed::plain(Kind::Preamble)) };
    let event: Value = serde_json::from_slice(data).map_err(|_| Garbage::NOT_AN_OBJECT)?;
    if !event.is_object() {
        return Err(Garbage::NOT_AN_OBJECT);
    }
    let is_claudes = event.get("type").is_some_and(Value::is_string);
    let seen = if is_claudes { claude.observe(frame, Depth::Full)? } else { of_others(&event) };
    let metrics = event.get(METRICS);
    // The host is the last to count.
    let counted = [seen.usage, Some(answer::usage(&event)), metrics.map(answer::metered)];
    let mut usage = Usage::default();
    counted.into_iter().flatten().for_each(|counted| usage.update(&counted));
    let kind = match (seen.kind, metrics) {
        (Kind::Error, _) | (_, None) => seen.kind,
        (_, Some(_)) => Kind::Done,
    };
    Ok(Observed { kind, usage: Some(usage).filter(|usage| !usage.is_empty()), ..seen })
}

/// An event of a maker who does not say what kind of event it is.
fn of_others(event: &Value) -> Observed {
    if event.get("error").is_some_and(|error| !error.is_null()) {
        return Observed::plain(Kind::Error);
    }
    let inner = || WRAPPED.iter().filter_map(|name| event.get(name));
    let finish = std::iter::once(event).chain(inner()).find_map(answer::finish);
    let counted = inner().map(answer::usage).filter(|usage| !usage.is_empty());
    Observed {
        kind: if says_nothing(event) { Kind::Preamble } else { Kind::Content },
        choices: vec![(0, finish.map(Cow::into_owned))],
        usage: counted.reduce(|_, later| later),
        id: None,
    }
}

/// Events that open, or close, and hold no part of the answer.
fn says_nothing(event: &Value) -> bool {
    let novas = ["messageStart", "contentBlockStop", "messageStop", "metadata"];
    novas.iter().any(|name| event.get(name).is_some())
}

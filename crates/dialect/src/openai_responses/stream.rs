//! Streams: what an event that is passed on means for the commit point and for the end; reading and
//! writing are below.
//! <https://platform.openai.com/docs/api-reference/responses-streaming>
//!
//! Before the commit point every event is parsed. After it [`skim`] looks for the few types that
//! end a stream and parses only what holds one of them.

mod read;
mod slots;
mod text;
mod write;

pub(super) use read::Reader;
pub(super) use write::EventWriter;

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::ended_by;
use super::usage;
use crate::fault::Garbage;
use crate::format::{Kind, Observed};

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<Item<'a>>,
    #[serde(borrow, default)]
    response: Option<Response<'a>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(default)]
    incomplete_details: Option<Value>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

/// Reads an event in full. `name` is what the framing calls it, `data` its data.
pub(super) fn observe(name: &[u8], data: &[u8]) -> Result<Observed, Garbage> {
    let data = data.trim_ascii();
    // Not of this format, but some hosts end every stream so.
    if data == b"[DONE]" {
        return Ok(Observed::plain(Kind::Done));
    }
    if data.is_empty() {
        return Ok(Observed::plain(Kind::Preamble));
    }
    let event: Event<'_> = match serde_json::from_slice(data) {
        Ok(event) => event,
        // An error in words, not in JSON.
        Err(_) if name == b"error" => return Ok(Observed::plain(Kind::Error)),
        Err(_) => return Err(Garbage::NOT_AN_OBJECT),
    };
    let named = String::from_utf8_lossy(name);
    let word = event.kind.as_deref().unwrap_or(&named);
    let kind = kind_of(word, &event);
    let mut observed = Observed::plain(kind);
    let Some(response) = event.response else { return Ok(observed) };
    observed.id = response.id.map(Cow::into_owned);
    if matches!(kind, Kind::Done | Kind::Error) {
        // The type of the event says more than a status that a host forgot to change.
        let status = word.strip_prefix("response.").or(response.status.as_deref());
        let finish = ended_by(status, response.incomplete_details.as_ref());
        observed.choices = vec![(0, finish)];
        observed.usage = response.usage.and_then(|raw| usage::read_raw(raw.get().as_bytes()));
    }
    Ok(observed)
}

fn kind_of(word: &str, event: &Event<'_>) -> Kind {
    let has_error = event.error.is_some_and(|error| error.get() != "null");
    match word {
        "error" | "response.failed" => Kind::Error,
        "response.completed" | "response.incomplete" | "response.cancelled" => Kind::Done,
        "response.created"
        | "response.queued"
        | "response.in_progress"
        | "response.content_part.added"
        | "response.reasoning_summary_part.added" => Kind::Preamble,
        "response.output_item.added" => {
            let kind = event.item.as_ref().and_then(|item| item.kind.as_deref());
            match kind {
                None | Some("message" | "reasoning") => Kind::Preamble,
                // A call: of the client's tool, or of one that the provider runs now.
                Some(_) => Kind::Content,
            }
        }
        delta if delta.ends_with(".delta") => match event.delta.map(RawValue::get) {
            None | Some("\"\"" | "null" | "{}") => Kind::Preamble,
            Some(_) => Kind::Content,
        },
        _ if has_error => Kind::Error,
        other if other.starts_with("response.") => Kind::Content,
        // Something that only keeps the connection open.
        _ => Kind::Preamble,
    }
}

/// As values of `type` they end a stream; `"error"` is a member's name, too.
static ENDS: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| {
    [
        Finder::new("\"response.completed\""),
        Finder::new("\"response.incomplete\""),
        Finder::new("\"response.failed\""),
        Finder::new("\"response.cancelled\""),
        Finder::new("\"error\""),
    ]
});

/// Looks at an event after the commit point, as cheaply as an honest end allows: content stays
/// unread, the end and errors are found. A plain event is [`Kind::Content`].
pub(super) fn skim(name: &[u8], data: &[u8]) -> Result<Observed, Garbage> {
    let is_object = data.first() == Some(&b'{') && data.last() == Some(&b'}');
    // Names as the framing gives them count where the data has no type.
    if !is_object || ends(name) {
        return observe(name, data);
    }
    // None of them can stand inside a string: quotes are escaped there.
    if ENDS.iter().any(|finder| finder.find(data).is_some()) {
        return observe(name, data);
    }
    Ok(Observed::plain(Kind::Content))
}

fn ends(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 5] = [
        b"error",
        b"response.completed",
        b"response.incomplete",
        b"response.failed",
        b"response.cancelled",
    ];
    NAMES.contains(&name)
}

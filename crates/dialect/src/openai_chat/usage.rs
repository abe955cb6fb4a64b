//! Token counts, in the spellings that hosts of this family use.

use serde_json::Value;
use serde_json::value::RawValue;
use weir_types::Usage;

use crate::json::Cursor;

/// The counts of a `usage` member; `None` if it holds none. What is not a number counts as absent,
/// so that an odd member does not cost the others.
pub(super) fn read(raw: &[u8]) -> Option<Usage> {
    let mut counts = Counts::default();
    match Cursor::read(raw, |cursor, name| counts.add(name, cursor)) {
        Some(()) => counts.usage(),
        None => of(&serde_json::from_slice(raw).ok()?),
    }
}

/// The counts of the `usage` member that follows.
pub(super) fn take(cursor: &mut Cursor<'_>) -> Option<Usage> {
    Counts::of(cursor)
}

/// The counts of a `usage` member that has been built.
pub(super) fn of(value: &Value) -> Option<Usage> {
    Counts::of(&mut Built(value))
}

/// A part of an answer.
trait Part {
    fn number(&mut self) -> Option<u64>;

    /// Hands `visit` every member; false if this is not an object.
    fn members(&mut self, visit: impl FnMut(&[u8], &mut Self)) -> bool;
}

impl Part for Cursor<'_> {
    fn number(&mut self) -> Option<u64> {
        Cursor::number(self)
    }

    fn members(&mut self, mut visit: impl FnMut(&[u8], &mut Self)) -> bool {
        Cursor::members(self, |cursor, name| visit(name, cursor))
    }
}

struct Built<'a>(&'a Value);

impl Part for Built<'_> {
    fn number(&mut self) -> Option<u64> {
        self.0.as_u64()
    }

    fn members(&mut self, mut visit: impl FnMut(&[u8], &mut Self)) -> bool {
        let members = self.0.as_object();
        let each = members.into_iter().flatten();
        each.for_each(|(name, value)| visit(name.as_bytes(), &mut Built(value)));
        members.is_some()
    }
}

/// What was found so far.
#[derive(Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    cache_write: u64,
    reasoning: u64,
}

impl Counts {
    fn of(usage: &mut impl Part) -> Option<Usage> {
        let mut counts = Self::default();
        usage.members(|name, part| counts.add(name, part));
        counts.usage()
    }

    fn usage(self) -> Option<Usage> {
        let usage = Usage {
            input_tokens: self.input.unwrap_or(0),
            output_tokens: self.output.unwrap_or(0),
            cached_input_tokens: self.cached.unwrap_or(0),
            cache_write_tokens: self.cache_write,
            reasoning_tokens: self.reasoning,
        };
        (!usage.is_empty()).then_some(usage)
    }

    /// Adds the member `name`.
    fn add(&mut self, name: &[u8], part: &mut impl Part) {
        match name {
            b"prompt_tokens" => self.input = part.number().or(self.input),
            b"input_tokens" => self.input = self.input.or_else(|| part.number()),
            b"completion_tokens" => self.output = part.number().or(self.output),
            b"output_tokens" => self.output = self.output.or_else(|| part.number()),
            b"prompt_cache_hit_tokens" => self.cached = self.cached.or_else(|| part.number()),
            b"prompt_tokens_details" | b"input_tokens_details" => self.add_input(part),
            b"completion_tokens_details" | b"output_tokens_details" => self.add_output(part),
            _ => {}
        }
    }

    // Details that are not an object say nothing.

    fn add_input(&mut self, details: &mut impl Part) {
        details.members(|name, part| match name {
            b"cached_tokens" => self.cached = part.number().or(self.cached),
            b"cache_write_tokens" => self.cache_write = part.number().unwrap_or(self.cache_write),
            _ => {}
        });
    }

    fn add_output(&mut self, details: &mut impl Part) {
        details.members(|name, part| {
            if name == b"reasoning_tokens" {
                self.reasoning = part.number().unwrap_or(self.reasoning);
            }
        });
    }
}

/// The text of a raw value, if it is a string that says something.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    let text: String = serde_json::from_str(raw?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}

/// Counts as this format writes them.
pub(super) fn write(usage: &Usage) -> Value {
    serde_json::json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens.saturating_add(usage.output_tokens),
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    })
}

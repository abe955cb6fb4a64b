//! Token counts, in the spellings that hosts of this family use.

use serde_json::Value;
use serde_json::value::RawValue;
use weir_types::Usage;

use crate::json;

/// The counts of a `usage` member; `None` if it holds none. What is not a number counts as absent,
/// so that an odd member does not cost the others.
pub(super) fn read(raw: &[u8]) -> Option<Usage> {
    Counts::of(Part::Raw(raw))
}

/// The counts of a `usage` member that has been built.
pub(super) fn of(value: &Value) -> Option<Usage> {
    Counts::of(Part::Built(value))
}

/// A part of an answer, as text or as a value.
#[derive(Clone, Copy)]
enum Part<'a> {
    Raw(&'a [u8]),
    Built(&'a Value),
}

impl<'a> Part<'a> {
    fn number(self) -> Option<u64> {
        match self {
            Self::Raw(raw) => std::str::from_utf8(raw).ok()?.parse().ok(),
            Self::Built(value) => value.as_u64(),
        }
    }

    /// Hands `visit` every member; `None` if this is not an object.
    fn members(self, mut visit: impl FnMut(&'a [u8], Self)) -> Option<()> {
        match self {
            Self::Raw(raw) => {
                json::each_member(raw, |name, value| visit(name, Self::Raw(value))).ok()
            }
            Self::Built(value) => {
                let members = value.as_object()?.iter();
                members.for_each(|(name, value)| visit(name.as_bytes(), Self::Built(value)));
                Some(())
            }
        }
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
    fn of(usage: Part<'_>) -> Option<Usage> {
        let mut counts = Self::default();
        usage.members(|name, part| match name {
            b"prompt_tokens" => counts.input = part.number().or(counts.input),
            b"input_tokens" => counts.input = counts.input.or_else(|| part.number()),
            b"completion_tokens" => counts.output = part.number().or(counts.output),
            b"output_tokens" => counts.output = counts.output.or_else(|| part.number()),
            b"prompt_cache_hit_tokens" => counts.cached = counts.cached.or_else(|| part.number()),
            b"prompt_tokens_details" | b"input_tokens_details" => counts.add_input(part),
            b"completion_tokens_details" | b"output_tokens_details" => counts.add_output(part),
            _ => {}
        })?;
        let usage = Usage {
            input_tokens: counts.input.unwrap_or(0),
            output_tokens: counts.output.unwrap_or(0),
            cached_input_tokens: counts.cached.unwrap_or(0),
            cache_write_tokens: counts.cache_write,
            reasoning_tokens: counts.reasoning,
        };
        (!usage.is_empty()).then_some(usage)
    }

    // Details that are not an object say nothing.

    fn add_input(&mut self, details: Part<'_>) {
        let _none = details.members(|name, part| match name {
            b"cached_tokens" => self.cached = part.number().or(self.cached),
            b"cache_write_tokens" => self.cache_write = part.number().unwrap_or(self.cache_write),
            _ => {}
        });
    }

    fn add_output(&mut self, details: Part<'_>) {
        let _none = details.members(|name, part| {
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

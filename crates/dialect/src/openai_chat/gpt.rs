//! OpenAI's own models: what each generation takes, as rows of data.
//!
//! Only consulted for requests of other formats: a client of this one knows what it asks for, and
//! hears its provider's own refusal. Source: OpenAI's pages "Models", "Reasoning" and "Using
//! GPT-5.2" (<https://platform.openai.com/docs/models>).

use crate::ir::Effort;

/// What one generation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gpt {
    /// How names begin; the first row wins.
    starts: &'static [&'static str],
    /// The values of `reasoning_effort`; empty: it does not think.
    efforts: &'static [Effort],
    /// The answer's most tokens.
    pub(super) output_tokens_max: u64,
    /// `prompt_cache_breakpoint` is taken.
    pub(super) breakpoints: bool,
}

use Effort::{High, Low, Max, Medium, Minimal, None as Off, XHigh};

const NEWEST: Gpt = Gpt {
    starts: &["gpt-"],
    efforts: &[Off, Low, Medium, High, XHigh, Max],
    output_tokens_max: 128_000,
    breakpoints: true,
};
const GPT_5: Gpt = Gpt { breakpoints: false, ..NEWEST };
/// Before there was thinking.
const PLAIN: Gpt = Gpt { efforts: &[], output_tokens_max: 16_384, ..GPT_5 };

const ROWS: &[Gpt] = &[
    Gpt { starts: &["gpt-3.5", "gpt-4-turbo"], output_tokens_max: 4096, ..PLAIN },
    Gpt { starts: &["gpt-4o", "gpt-4.5", "chatgpt-"], ..PLAIN },
    Gpt { starts: &["gpt-4.1"], output_tokens_max: 32_768, ..PLAIN },
    Gpt { starts: &["gpt-4"], output_tokens_max: 8192, ..PLAIN },
    Gpt {
        starts: &["o1", "o3", "o4"],
        efforts: &[Low, Medium, High],
        output_tokens_max: 100_000,
        ..GPT_5
    },
    Gpt { starts: &["gpt-5.1"], efforts: &[Off, Low, Medium, High], ..GPT_5 },
    Gpt {
        starts: &["gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5"],
        efforts: &[Off, Low, Medium, High, XHigh],
        ..GPT_5
    },
    Gpt { starts: &["gpt-5."], ..NEWEST },
    Gpt { starts: &["gpt-5"], efforts: &[Minimal, Low, Medium, High], ..GPT_5 },
    NEWEST,
];

/// What `model` takes; `None` if it is not called as OpenAI calls its models.
pub(super) fn of(model: &str) -> Option<&'static Gpt> {
    let model = model.strip_prefix("ft:").unwrap_or(model);
    if model.starts_with("gpt-5") && model.contains("-chat") {
        return Some(&PLAIN);
    }
    ROWS.iter().find(|row| row.starts.iter().any(|start| model.starts_with(start)))
}

impl Gpt {
    /// Whether it never thinks.
    pub(super) const fn never_thinks(&self) -> bool {
        self.efforts.is_empty()
    }

    /// Whether temperature and the like are refused: a model that thinks takes only the defaults,
    /// unless it is told not to think. `effort` is what it is told.
    pub(super) fn refuses_sampling(&self, effort: Option<Effort>) -> bool {
        !self.never_thinks() && effort != Some(Off)
    }

    /// The effort that it has and that is nearest to `wanted`: the lesser of two, but thinking is
    /// not turned off for one who wants a little of it.
    pub(super) fn effort(&self, wanted: Effort) -> Option<Effort> {
        let has = |effort: &&Effort| wanted == Off || **effort != Off;
        let mut under = self.efforts.iter().rev().filter(has);
        under.find(|effort| **effort <= wanted).or_else(|| self.efforts.iter().find(has)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_generation() {
        let most = |model| of(model).unwrap().output_tokens_max;
        assert_eq!(
            (most("gpt-4o-mini"), most("gpt-4.1"), most("o4-mini")),
            (16_384, 32_768, 100_000)
        );
        assert!(of("gpt-5.6-mini").unwrap().breakpoints && of("gpt-7").unwrap().breakpoints);
        assert!(!of("gpt-5.1").unwrap().breakpoints && !of("gpt-5-mini").unwrap().breakpoints);
        assert!(of("gpt-5-chat-latest").unwrap().never_thinks());
        assert!(of("ft:gpt-4o:me").unwrap().never_thinks());
        assert_eq!(of("my-deployment"), None);
    }

    #[test]
    fn efforts_are_those_that_the_model_has() {
        let effort = |model, wanted| of(model).unwrap().effort(wanted);
        assert_eq!(effort("o3", Off), Some(Low));
        assert_eq!(effort("gpt-5", Off), Some(Minimal));
        assert_eq!(effort("gpt-5.1", Minimal), Some(Low));
        assert_eq!(effort("gpt-5.1", Max), Some(High));
        assert_eq!(effort("gpt-5.6", Max), Some(Max));
        assert_eq!(effort("gpt-4o", High), None);
        assert!(of("gpt-5").unwrap().refuses_sampling(None));
        assert!(!of("gpt-5.2").unwrap().refuses_sampling(Some(Off)));
    }
}

//! Claude: how each generation thinks, and what it refuses.
//!
//! One row per generation and no formula, because the rules follow none. Sources: Anthropic's
//! pages "Extended thinking", "Adaptive thinking", "Effort" and "Models overview"
//! (<https://docs.claude.com/en/docs/about-claude/models/overview>).

use crate::ir::Effort;

/// What one generation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claude {
    /// Parts of the model's name, one of which it has; compared in lower case, first row wins.
    names: &'static [&'static str],
    /// `thinking: {type: enabled, budget_tokens}` is taken.
    pub budgets: bool,
    /// `thinking: {type: adaptive}` is taken.
    pub adaptive: bool,
    /// It thinks unless told otherwise.
    pub thinks_by_default: bool,
    /// The highest effort at which `thinking: {type: disabled}` is taken; `None`: never, or there is
    /// nothing to disable.
    pub may_disable_up_to: Option<Effort>,
    /// The efforts of `output_config.effort`; empty: it has none.
    pub efforts: &'static [Effort],
    /// `temperature`, `top_p` and `top_k` are taken.
    pub sampling: bool,
    /// The conversation may end with the beginning of the answer.
    pub prefill: bool,
    /// A tool may be forced (`any`, `tool`) although it always thinks.
    pub forced_tools: bool,
    /// `role: system` is taken within the conversation.
    pub system_turns: bool,
    /// The answer's most tokens: what is sent where the client sets no limit.
    pub output_tokens_max: u64,
}

/// The least thinking budget that Anthropic takes.
pub const BUDGET_TOKENS_MIN: u64 = 1024;

const UP_TO_HIGH: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High];
const UP_TO_MAX: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High, Effort::Max];
const ALL: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High, Effort::XHigh, Effort::Max];

/// Thinks with a budget if told to.
const BUDGET: Claude = Claude {
    names: &[],
    budgets: true,
    adaptive: false,
    thinks_by_default: false,
    may_disable_up_to: Some(Effort::Max),
    efforts: &[],
    sampling: true,
    prefill: true,
    forced_tools: true,
    system_turns: false,
    output_tokens_max: 64_000,
};

/// Decides itself how much it thinks.
const ADAPTIVE: Claude = Claude {
    budgets: false,
    adaptive: true,
    efforts: ALL,
    sampling: false,
    prefill: false,
    system_turns: true,
    output_tokens_max: 128_000,
    ..BUDGET
};

const ROWS: &[Claude] = &[
    Claude {
        names: &[
            "claude-3-opus",
            "claude-3-sonnet",
            "claude-3-haiku",
            "claude-2",
            "claude-instant",
        ],
        budgets: false,
        output_tokens_max: 4096,
        ..BUDGET
    },
    Claude {
        names: &["claude-3-5", "claude-3.5"],
        budgets: false,
        output_tokens_max: 8192,
        ..BUDGET
    },
    Claude { names: &["claude-3-7", "claude-3.7"], ..BUDGET },
    Claude { names: &["opus-4-5", "opus-4.5"], efforts: UP_TO_HIGH, ..BUDGET },
    Claude {
        names: &["opus-4-6", "opus-4.6", "sonnet-4-6", "sonnet-4.6"],
        adaptive: true,
        efforts: UP_TO_MAX,
        prefill: false,
        output_tokens_max: 128_000,
        ..BUDGET
    },
    Claude { names: &["opus-4-7", "opus-4.7"], system_turns: false, ..ADAPTIVE },
    Claude { names: &["opus-4-8", "opus-4.8", "opus-4-9", "opus-4.9"], ..ADAPTIVE },
    Claude { names: &["opus-4"], output_tokens_max: 32_000, ..BUDGET },
    Claude { names: &["sonnet-4", "haiku-4"], ..BUDGET },
    Claude {
        names: &["opus-5-5", "opus-5.5", "fable-5"],
        thinks_by_default: true,
        may_disable_up_to: None,
        forced_tools: false,
        ..ADAPTIVE
    },
    Claude {
        names: &["opus-5", "sonnet-5", "haiku-5"],
        thinks_by_default: true,
        may_disable_up_to: Some(Effort::High),
        ..ADAPTIVE
    },
];

/// What `model` takes, however its host writes the name; one that no row knows is taken for the
/// newest that still does as it is told.
#[must_use]
pub fn of(model: &str) -> &'static Claude {
    const NEWEST: Claude =
        Claude { forced_tools: true, may_disable_up_to: Some(Effort::High), ..ADAPTIVE };
    let model = model.to_ascii_lowercase();
    let row = ROWS.iter().find(|row| row.names.iter().any(|name| model.contains(name)));
    row.unwrap_or(&NEWEST)
}

/// Whether `model` is a Claude, however its host writes the name.
#[must_use]
pub fn is_claude(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    ["claude", "anthropic."].iter().any(|part| model.contains(part))
}

impl Claude {
    /// The effort that it has and that is nearest to `wanted`, the lesser of two; `None` if it has
    /// none.
    #[must_use]
    pub fn effort(&self, wanted: Effort) -> Option<Effort> {
        let under = self.efforts.iter().rev().find(|effort| **effort <= wanted);
        under.or_else(|| self.efforts.first()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_host_find_their_row() {
        assert!(!of("claude-3-5-haiku-20241022").budgets);
        assert!(of("us.anthropic.claude-3-7-sonnet-20250219-v1:0").budgets);
        assert_eq!(of("claude-opus-4-20250514").output_tokens_max, 32_000);
        assert_eq!(of("claude-opus-4-5@20251101").efforts, UP_TO_HIGH);
        assert!(of("claude-opus-4-6").budgets && of("claude-opus-4-6").adaptive);
        assert!(!of("anthropic.claude-opus-4-7-v1").budgets);
        assert!(!of("claude-opus-5-5").forced_tools && of("claude-opus-5").forced_tools);
        assert!(of("claude-next-9").adaptive);
        assert!(is_claude("us.anthropic.claude-x") && !is_claude("gpt-4o"));
    }

    #[test]
    fn efforts_are_bounded_by_what_the_model_has() {
        assert_eq!(of("claude-opus-4-5").effort(Effort::Max), Some(Effort::High));
        assert_eq!(of("claude-opus-4-6").effort(Effort::XHigh), Some(Effort::High));
        assert_eq!(of("claude-opus-5").effort(Effort::Minimal), Some(Effort::Low));
        assert_eq!(of("claude-3-opus").effort(Effort::High), None);
    }
}

//! Claude: how each generation thinks, and what it refuses.
//!
//! One row per generation and no formula, because the rules follow none. Sources: Anthropic's
//! pages "Troubleshooting thinking" (the table of rejected configurations), "Effort", "Structured
//! outputs", "Mid-conversation system messages", and the page and migration guide of each model
//! (<https://platform.claude.com/docs/en/about-claude/models/overview>). Knows no format.

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
    /// The highest effort at which `thinking: {type: disabled}` is taken; `None`: never.
    pub may_disable_up_to: Option<Effort>,
    /// `thinking: {type: between_tools}` is taken, up to high effort: no thinking but notes between
    /// calls of tools.
    pub between_tools: bool,
    /// What it thought is left out of the answer unless `display: summarized` asks for it.
    pub omits_thoughts: bool,
    /// The efforts of `output_config.effort`; empty: it has none.
    pub efforts: &'static [Effort],
    /// `temperature`, `top_p` and `top_k` are taken.
    pub sampling: bool,
    /// `temperature` and `top_p` are taken in one request.
    pub temperature_and_top_p: bool,
    /// The conversation may end with the beginning of the answer.
    pub prefill: bool,
    /// A tool may be forced (`any`, `tool`), although it may be thinking by default.
    pub forced_tools: bool,
    /// Answers and calls of tools can be bound to a schema (`output_config.format`, `strict`).
    pub schemas: bool,
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

/// Does not think and knows no schemas: before 3.7.
const PLAIN: Claude = Claude {
    names: &[],
    budgets: false,
    adaptive: false,
    thinks_by_default: false,
    may_disable_up_to: Some(Effort::Max),
    between_tools: false,
    omits_thoughts: false,
    efforts: &[],
    sampling: true,
    temperature_and_top_p: true,
    prefill: true,
    forced_tools: true,
    schemas: false,
    system_turns: false,
    output_tokens_max: 4096,
};

/// Thinks with a budget if told to.
const BUDGET: Claude = Claude {
    budgets: true,
    temperature_and_top_p: false,
    schemas: true,
    output_tokens_max: 64_000,
    ..PLAIN
};

/// The 4.6 models: either way of thinking.
const EITHER: Claude = Claude { adaptive: true, efforts: UP_TO_MAX, prefill: false, ..BUDGET };

/// Decides itself how much it thinks, if told to.
const ADAPTIVE: Claude = Claude {
    budgets: false,
    adaptive: true,
    omits_thoughts: true,
    efforts: ALL,
    sampling: false,
    prefill: false,
    output_tokens_max: 128_000,
    ..BUDGET
};

/// Thinks unless told otherwise, and can be told up to high effort.
const DEFAULT_ON: Claude = Claude {
    thinks_by_default: true,
    may_disable_up_to: Some(Effort::High),
    system_turns: true,
    ..ADAPTIVE
};

/// Always thinks.
const ALWAYS_ON: Claude = Claude { may_disable_up_to: None, ..DEFAULT_ON };

/// A model that only speaks Claude's format: what it takes is its host's business.
const OTHER: Claude =
    Claude { budgets: true, efforts: ALL, schemas: true, output_tokens_max: 8192, ..PLAIN };

const ROWS: &[Claude] = &[
    Claude { names: &["claude-3-5", "claude-3.5"], output_tokens_max: 8192, ..PLAIN },
    Claude {
        names: &["claude-3-7", "claude-3.7"],
        temperature_and_top_p: true,
        schemas: false,
        ..BUDGET
    },
    Claude {
        names: &["claude-3", "claude-2", "claude-v2", "claude-instant", "claude-v1"],
        ..PLAIN
    },
    Claude { names: &["opus-4-5", "opus-4.5"], efforts: UP_TO_HIGH, ..BUDGET },
    Claude { names: &["opus-4-6", "opus-4.6"], output_tokens_max: 128_000, ..EITHER },
    Claude { names: &["sonnet-4-6", "sonnet-4.6"], ..EITHER },
    Claude { names: &["opus-4-7", "opus-4.7"], ..ADAPTIVE },
    Claude { names: &["opus-4-8", "opus-4.8"], system_turns: true, ..ADAPTIVE },
    Claude { names: &["opus-4-1", "opus-4.1"], output_tokens_max: 32_000, ..BUDGET },
    Claude { names: &["sonnet-4-5", "sonnet-4.5", "haiku-4-5", "haiku-4.5"], ..BUDGET },
    Claude {
        names: &["opus-4", "4-opus"],
        temperature_and_top_p: true,
        schemas: false,
        output_tokens_max: 32_000,
        ..BUDGET
    },
    Claude {
        names: &["sonnet-4", "4-sonnet"],
        temperature_and_top_p: true,
        schemas: false,
        ..BUDGET
    },
    Claude {
        names: &["mythos-preview"],
        budgets: true,
        efforts: UP_TO_MAX,
        system_turns: false,
        ..ALWAYS_ON
    },
    Claude {
        names: &["sonnet-5-5", "sonnet-5.5"],
        between_tools: true,
        forced_tools: false,
        ..ALWAYS_ON
    },
    Claude {
        names: &["opus-5-5", "opus-5.5", "fable-5-", "fable-5.", "mythos-5-", "mythos-5."],
        forced_tools: false,
        ..ALWAYS_ON
    },
    Claude { names: &["fable-5", "mythos-5"], ..ALWAYS_ON },
    Claude {
        names: &["sonnet-5"],
        may_disable_up_to: Some(Effort::Max),
        system_turns: false,
        ..DEFAULT_ON
    },
    Claude { names: &["opus-5", "haiku-5"], ..DEFAULT_ON },
];

/// What `model` takes, however its host writes the name. A Claude that no row knows is taken for
/// one of the newest, as if it took only what all of those take; any other model for one that takes
/// everything.
#[must_use]
pub fn of(model: &str) -> &'static Claude {
    const NEWEST: Claude = Claude { forced_tools: false, system_turns: false, ..ALWAYS_ON };
    let lower = model.to_ascii_lowercase();
    let row = ROWS.iter().find(|row| row.names.iter().any(|name| lower.contains(name)));
    row.unwrap_or_else(|| if is_claude(model) { &NEWEST } else { &OTHER })
}

/// Whether `model` is a Claude, however its host writes the name.
#[must_use]
pub fn is_claude(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    let named = ["claude", "anthropic.", "fable-5", "mythos-"];
    named.iter().any(|part| model.contains(part))
}

impl Claude {
    /// `thinking.display` for a client that said whether it wants to see thoughts, or did not.
    /// `speaks_claude`: its format is one in which nothing said means what it means to Anthropic;
    /// clients of others that ask for thinking get to see it, as they do of every other model.
    #[must_use]
    pub fn display(&self, visible: Option<bool>, speaks_claude: bool) -> Option<&'static str> {
        match visible {
            Some(true) => Some("summarized"),
            Some(false) => Some("omitted"),
            None => (self.omits_thoughts && !speaks_claude).then_some("summarized"),
        }
    }

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
        assert!(!of("claude-3-haiku-20240307").schemas);
        assert_eq!(of("claude-opus-4-20250514").output_tokens_max, 32_000);
        assert_eq!(of("claude-4-opus-20250514").output_tokens_max, 32_000);
        assert_eq!(of("claude-opus-4-5@20251101").efforts, UP_TO_HIGH);
        assert!(of("claude-opus-4-6").budgets && of("claude-opus-4-6").adaptive);
        assert!(!of("anthropic.claude-opus-4-7-v1").budgets);
        assert!(!of("claude-opus-4-7").system_turns && of("claude-opus-4-8").system_turns);
        assert!(of("claude-haiku-5-5").forced_tools && of("claude-opus-5").forced_tools);
        assert!(is_claude("us.anthropic.claude-x") && !is_claude("gpt-4o"));
    }

    #[test]
    fn what_always_thinks_cannot_be_disabled() {
        for model in ["opus-5-5", "fable-5", "fable-5-1", "mythos-5-2", "mythos-preview"] {
            assert_eq!(of(&format!("claude-{model}")).may_disable_up_to, None, "{model}");
        }
        for model in ["opus-5", "haiku-5-5"] {
            let most = of(&format!("claude-{model}")).may_disable_up_to;
            assert_eq!(most, Some(Effort::High), "{model}");
        }
        assert_eq!(of("claude-sonnet-5").may_disable_up_to, Some(Effort::Max));
        assert!(of("claude-sonnet-5-5").between_tools);
        assert!(of("claude-fable-5").forced_tools);
        for model in ["opus-5-5", "sonnet-5-5", "fable-5-1", "mythos-5-1"] {
            assert!(!of(&format!("claude-{model}")).forced_tools, "{model}");
        }
    }

    #[test]
    fn what_is_not_known_takes_little_and_what_is_no_claude_takes_all() {
        let next = of("claude-next-9");
        assert!(next.adaptive && !next.sampling && next.may_disable_up_to.is_none());
        let other = of("deepseek-reasoner");
        assert!(other.sampling && other.prefill && other.budgets && other.forced_tools);
    }

    #[test]
    fn efforts_are_bounded_by_what_the_model_has() {
        assert_eq!(of("claude-opus-4-5").effort(Effort::Max), Some(Effort::High));
        assert_eq!(of("claude-opus-4-6").effort(Effort::XHigh), Some(Effort::High));
        assert_eq!(of("claude-opus-5").effort(Effort::Minimal), Some(Effort::Low));
        assert_eq!(of("claude-3-opus").effort(Effort::High), None);
    }
}

//! How much a model is to think: in words, in tokens, and the one made of the other.

/// How much a model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// As much as it can.
    Max,
}

/// Thinking before the answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasoning {
    /// Whether it is to happen; `None`: an effort or a budget says it, or the model decides.
    pub enabled: Option<bool>,
    /// The model decides how much (Anthropic's `adaptive`, Gemini's budget -1).
    pub adaptive: bool,
    /// How much, in words.
    pub effort: Option<Effort>,
    /// How much, in tokens.
    pub budget_tokens: Option<u64>,
    /// Whether the thoughts are to be shown (summaries, `includeThoughts`).
    pub visible: Option<bool>,
    /// OpenAI's `summary`: auto, concise, detailed.
    pub summary: Option<String>,
}

impl Effort {
    /// Every effort, from none to most.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// The word that most formats have for it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The inverse of [`Effort::label`], in any case.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.label().eq_ignore_ascii_case(label))
    }
}

impl Reasoning {
    /// How much is wanted in words, where only a budget is given; `None` if nothing says how much.
    #[must_use]
    pub fn effort(&self) -> Option<Effort> {
        if self.enabled == Some(false) {
            return Some(Effort::None);
        }
        self.effort.or_else(|| self.budget_tokens.map(Effort::of_budget))
    }

    /// How much is wanted in tokens, where only an effort is given; `None` if nothing says how much.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        if self.enabled == Some(false) {
            return Some(0);
        }
        self.budget_tokens.or_else(|| self.effort.map(Effort::budget))
    }
}

/// Budgets that stand for efforts, and the other way round: what formats that have only the one make
/// of the other. The numbers are those of Gemini's OpenAI-compatible endpoint, continued upwards.
/// <https://ai.google.dev/gemini-api/docs/openai#thinking>
const BUDGETS: [(Effort, u64); 7] = [
    (Effort::None, 0),
    (Effort::Minimal, 512),
    (Effort::Low, 1024),
    (Effort::Medium, 8192),
    (Effort::High, 24_576),
    (Effort::XHigh, 32_768),
    (Effort::Max, 63_999),
];

impl Effort {
    /// The budget that stands for it.
    #[must_use]
    pub fn budget(self) -> u64 {
        BUDGETS.iter().find(|(effort, _)| *effort == self).map_or(0, |(_, budget)| *budget)
    }

    /// The least effort whose budget is no smaller.
    #[must_use]
    pub fn of_budget(budget: u64) -> Self {
        let found = BUDGETS.iter().find(|(_, limit)| budget <= *limit);
        found.map_or(Self::Max, |(effort, _)| *effort)
    }
}

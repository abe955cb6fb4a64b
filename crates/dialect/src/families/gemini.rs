//! Gemini: how each generation thinks, and what it wants to see again.
//!
//! One row per group of models that are told alike. Sources: Google's pages "Gemini thinking",
//! "Thought signatures" and the model pages of Vertex AI
//! (<https://ai.google.dev/gemini-api/docs/thinking>).

use crate::ir::Effort;

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// It is not told: it does not think, or decides for itself.
    Fixed,
    /// In tokens.
    Budget {
        /// The least budget beside 0.
        min: u64,
        /// The largest budget.
        max: u64,
        /// A budget of 0 is taken.
        may_disable: bool,
    },
    /// In words, from the least to the most. Thinking cannot be switched off.
    Levels(&'static [Effort]),
}

/// What one group of models takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gemini {
    /// Parts of the model's name, one of which it has; compared in lower case, first row wins.
    names: &'static [&'static str],
    /// How it is told how much to think.
    pub thinking: Thinking,
    /// The first call of every step of the current turn must carry a thought signature.
    pub signs_calls: bool,
    /// The result of a function may hold images.
    pub media_in_results: bool,
    /// A single image may have a resolution of its own.
    pub part_resolution: bool,
    /// `frequencyPenalty` and `presencePenalty` are taken; elsewhere anything but 0 is refused
    /// ("Penalty is not enabled for this model").
    pub penalties: bool,
}

const FROM_MINIMAL: &[Effort] = &[Effort::Minimal, Effort::Low, Effort::Medium, Effort::High];
const FROM_LOW: &[Effort] = &[Effort::Low, Effort::Medium, Effort::High];
const LOW_HIGH: &[Effort] = &[Effort::Low, Effort::High];
const MINIMAL_HIGH: &[Effort] = &[Effort::Minimal, Effort::High];

/// Up to the second generation.
const SECOND: Gemini = Gemini {
    names: &[],
    thinking: Thinking::Fixed,
    signs_calls: false,
    media_in_results: false,
    part_resolution: false,
    penalties: true,
};

/// The 2.5 models.
const SECOND_AND_A_HALF: Gemini = Gemini { penalties: false, ..SECOND };

/// From the third generation on.
const THIRD: Gemini = Gemini {
    names: &[],
    thinking: Thinking::Levels(FROM_LOW),
    signs_calls: true,
    media_in_results: true,
    part_resolution: true,
    penalties: false,
};

const ROWS: &[Gemini] = &[
    Gemini {
        names: &["gemini-3-pro-image"],
        thinking: Thinking::Fixed,
        signs_calls: false,
        ..THIRD
    },
    Gemini {
        names: &["gemini-3.1-flash-image"],
        thinking: Thinking::Levels(MINIMAL_HIGH),
        signs_calls: false,
        ..THIRD
    },
    Gemini { names: &["gemini-3-pro"], thinking: Thinking::Levels(LOW_HIGH), ..THIRD },
    Gemini {
        names: &["gemini-3-flash", "gemini-3.1-flash", "gemini-3.5-flash", "gemini-3.6-flash"],
        thinking: Thinking::Levels(FROM_MINIMAL),
        ..THIRD
    },
    Gemini {
        names: &["gemini-2.5-pro"],
        thinking: Thinking::Budget { min: 128, max: 32_768, may_disable: false },
        ..SECOND_AND_A_HALF
    },
    Gemini { names: &["gemini-2.5-flash-image", "-tts", "native-audio"], ..SECOND_AND_A_HALF },
    Gemini {
        names: &["gemini-2.5-flash-lite"],
        thinking: Thinking::Budget { min: 512, max: 24_576, may_disable: true },
        ..SECOND_AND_A_HALF
    },
    Gemini {
        names: &["gemini-2.5", "gemini-robotics-er-1.5"],
        thinking: Thinking::Budget { min: 1, max: 24_576, may_disable: true },
        ..SECOND_AND_A_HALF
    },
    Gemini {
        names: &["gemini-2", "gemini-1", "gemini-pro-vision", "gemma", "learnlm", "embedding"],
        ..SECOND
    },
];

/// What `model` takes, however its host writes the name; one that no row knows is taken for the
/// newest.
#[must_use]
pub fn of(model: &str) -> &'static Gemini {
    const NEWEST: Gemini = THIRD;
    let model = model.to_ascii_lowercase();
    let row = ROWS.iter().find(|row| row.names.iter().any(|name| model.contains(name)));
    row.unwrap_or(&NEWEST)
}

/// The level nearest to `wanted`: the least that is no less, or else the highest there is.
#[must_use]
pub fn level(levels: &[Effort], wanted: Effort) -> Option<Effort> {
    levels.iter().find(|level| **level >= wanted).or_else(|| levels.last()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_host_find_their_row() {
        assert_eq!(of("models/gemini-3-pro-preview").thinking, Thinking::Levels(LOW_HIGH));
        assert_eq!(of("gemini-3.1-pro-preview").thinking, Thinking::Levels(FROM_LOW));
        assert_eq!(of("gemini-3.8-flash").thinking, Thinking::Levels(FROM_LOW));
        assert_eq!(of("gemini-3.5-flash-lite").thinking, Thinking::Levels(FROM_MINIMAL));
        assert!(!of("gemini-3-pro-image-preview").signs_calls);
        assert!(matches!(of("gemini-2.5-pro").thinking, Thinking::Budget { min: 128, .. }));
        assert!(matches!(
            of("google/gemini-2.5-flash-lite").thinking,
            Thinking::Budget { min: 512, .. }
        ));
        assert_eq!(of("gemini-2.0-flash").thinking, Thinking::Fixed);
        assert!(of("gemini-flash-latest").signs_calls && !of("gemini-2.5-flash").signs_calls);
    }

    #[test]
    fn levels_are_bounded_by_what_the_model_has() {
        assert_eq!(level(LOW_HIGH, Effort::Medium), Some(Effort::High));
        assert_eq!(level(LOW_HIGH, Effort::None), Some(Effort::Low));
        assert_eq!(level(FROM_MINIMAL, Effort::Max), Some(Effort::High));
        assert_eq!(level(&[], Effort::Max), None);
    }
}

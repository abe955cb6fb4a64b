//! What holds for every wire format, over the trait alone.
//!
//! A format takes part with its first fixture: files of wire bytes under
//! `crates/dialect/fixtures/<format>/`, in `requests`, `answers`, `streams` and `errors`. No
//! expectation is written down beside them: what is compared is what the formats say of each other.
//! [`fixture`], [`meaning`] and [`order`] are there for the formats' own tests, too.

mod arbitrary;
mod custom;
mod errors;
mod every;
pub(crate) mod fixture;
mod helpers;
mod identity;
pub(crate) mod meaning;
mod mutation;
pub(crate) mod order;
mod sealed;
mod state;
mod streams;
mod translation;
mod traps;

use weir_types::Dialect;

/// Formats in which conversations are asked for and answered.
pub(crate) const CONVERSING: [Dialect; 6] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
    Dialect::AnthropicMessages,
    Dialect::GeminiGenerate,
    Dialect::BedrockConverse,
    Dialect::CohereChat,
];

/// Problems of many fixtures, reported together.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Notes `text` unless `fine`.
    pub(crate) fn check(&mut self, fine: bool, text: impl FnOnce() -> String) {
        if !fine {
            self.0.push(text());
        }
    }

    /// Notes each of `found`, which all happened in `place`.
    pub(crate) fn extend(&mut self, place: &str, found: impl IntoIterator<Item = String>) {
        self.0.extend(found.into_iter().map(|text| format!("{place}: {text}")));
    }

    /// Fails if there are any.
    pub(crate) fn report(self) {
        let (count, text) = (self.0.len(), self.0.join("\n"));
        assert!(count == 0, "{count} problems:\n{text}");
    }
}

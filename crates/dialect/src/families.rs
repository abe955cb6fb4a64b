//! What is true of a family of models wherever it is hosted, as rows of data.
//!
//! Which members a model takes depends on the model more than on the format: the same Claude is
//! behind Anthropic's Messages, Bedrock's Converse and Vertex. Formats ask here; no format is known.

pub mod claude;
pub mod gemini;

/// Who made a model. A host may serve each maker's models in another format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Claude.
    Anthropic,
    /// GPT and the o series.
    OpenAi,
    /// Gemini.
    Gemini,
    /// Mistral's models.
    Mistral,
    /// Command, Embed, Rerank.
    Cohere,
    /// Llama.
    Llama,
    /// Gemma.
    Gemma,
    /// Google's images.
    Imagen,
    /// Google's videos.
    Veo,
    /// Amazon's Nova.
    Nova,
    /// Amazon's Titan.
    Titan,
    /// Any other.
    Other,
}

/// Parts of names that tell a family; the first that is found counts.
const FAMILIES: &[(&str, Family)] = &[
    ("claude", Family::Anthropic),
    ("anthropic.", Family::Anthropic),
    ("gemini", Family::Gemini),
    ("gemma", Family::Gemma),
    ("imagen", Family::Imagen),
    ("veo-", Family::Veo),
    ("mistral", Family::Mistral),
    ("mixtral", Family::Mistral),
    ("codestral", Family::Mistral),
    ("devstral", Family::Mistral),
    ("magistral", Family::Mistral),
    ("ministral", Family::Mistral),
    ("pixtral", Family::Mistral),
    ("cohere", Family::Cohere),
    ("command-", Family::Cohere),
    ("llama", Family::Llama),
    ("nova-", Family::Nova),
    ("titan", Family::Titan),
    ("gpt-", Family::OpenAi),
    ("openai", Family::OpenAi),
];

impl Family {
    /// The family of `model`, as far as its name tells.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let found = FAMILIES.iter().find(|(part, _)| model.contains(part));
        found.map_or(Self::Other, |(_, family)| *family)
    }

    /// A name that says no more of a model than its family, in the words that hosts of many families
    /// use; empty for [`Family::Other`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic.claude",
            Self::OpenAi => "openai.gpt-",
            Self::Gemini => "gemini",
            Self::Gemma => "gemma",
            Self::Imagen => "imagen",
            Self::Veo => "veo-",
            Self::Mistral => "mistral.mistral",
            Self::Cohere => "cohere.command",
            Self::Llama => "meta.llama",
            Self::Nova => "amazon.nova-",
            Self::Titan => "amazon.titan",
            Self::Other => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_family_tells_the_family() {
        for (_, family) in FAMILIES {
            assert_eq!(Family::of(family.name()), *family);
        }
        assert_eq!(Family::of(Family::Other.name()), Family::Other);
    }
}

//! Who makes vectors on Bedrock, as rows by parts of the models' names.
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>

/// How a model is asked for vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Embedder {
    /// Amazon's Titan: one text in a request.
    Titan {
        /// The length can be chosen.
        sized: bool,
    },
    /// Amazon's Titan for texts and images: one of both in a request.
    TitanImage,
    /// Cohere's: many texts in a request.
    Cohere {
        /// The length can be chosen.
        sized: bool,
    },
}

const ROWS: &[(&str, Embedder)] = &[
    ("titan-embed-image", Embedder::TitanImage),
    ("titan-embed-text-v1", Embedder::Titan { sized: false }),
    ("titan-embed-g1", Embedder::Titan { sized: false }),
    ("titan", Embedder::Titan { sized: true }),
    ("embed-english-v3", Embedder::Cohere { sized: false }),
    ("embed-multilingual-v3", Embedder::Cohere { sized: false }),
    ("cohere", Embedder::Cohere { sized: true }),
];

/// How `model` is asked; `None`: it is none of these.
pub(super) fn embedder(model: &str) -> Option<Embedder> {
    let model = model.to_ascii_lowercase();
    ROWS.iter().find(|(part, _)| model.contains(part)).map(|(_, embedder)| *embedder)
}

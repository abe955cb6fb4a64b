//! What is true of Mistral's own service, and of its models at other hosts.

use weir_dialect::Quirks;
use weir_dialect::names::NameRule;
use weir_types::{Form, Operation};

use crate::compatible::{PORTABLE, chat, embedding, models};
use crate::media::{MODERATION, SPEECH, TRANSCRIPTION, media};
use crate::route::Route;

/// Mistral takes what OpenAI's clients send, and what its own do.
pub(crate) const MISTRAL_FORMS: &[Form] = &[Form::Usual, Form::Mistral];

/// <https://docs.mistral.ai/api/>
pub(crate) const MISTRALS: &[Route] = &[
    chat("/v1/chat/completions").in_forms(MISTRAL_FORMS),
    embedding("/v1/embeddings").in_forms(MISTRAL_FORMS),
    models("/v1/models").in_forms(MISTRAL_FORMS),
    TRANSCRIPTION.in_forms(MISTRAL_FORMS),
    // Its answers are documents with sound in them, which OpenAI's clients do not expect.
    SPEECH.in_forms(&[Form::Mistral]),
    MODERATION.in_forms(MISTRAL_FORMS),
    media(Operation::Ocr, "/v1/ocr").in_forms(MISTRAL_FORMS),
];

/// Mistral refuses members that it does not know.
pub(crate) const MISTRAL: Quirks = Quirks {
    renames: &[
        ("max_completion_tokens", "max_tokens"),
        ("seed", "random_seed"),
        ("dimensions", "output_dimension"),
    ],
    drops: &[
        "prompt_cache_retention",
        "verbosity",
        "store",
        "web_search_options",
        "stream_options",
        "user",
        "logit_bias",
    ],
    call_ids: Some(NameRule { bytes_max: 9, beside: Some(""), is_exact: true }),
    ..PORTABLE
};

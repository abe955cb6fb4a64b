//! Why a request is not served. What the host itself says is written and read by its other format.

use crate::fault::RequestFault;

/// The body is not Claude's.
pub(super) fn not_claudes() -> RequestFault {
    let text = "only bodies in Claude's words (with `anthropic_version`) are translated; \
                this one needs a model of its own maker on Bedrock";
    RequestFault::unsupported("anthropic_version", text)
}

/// The model's maker has no vectors, or is not known to have.
pub(super) fn no_vectors(model: &str) -> RequestFault {
    let text = format!(
        "vectors are asked of Titan's and Cohere's models on Bedrock, and {model} is not known to be \
         one; an alias says it with `model_name` or `model_family`"
    );
    RequestFault::unsupported("model", text)
}

/// Vectors in another form would be other vectors.
pub(super) fn encoding(other: &str) -> RequestFault {
    let text = format!(
        "this model of Titan's does not give vectors as \"{other}\"; ask for another encoding, or \
         another model"
    );
    RequestFault::unsupported("encoding_format", text)
}

/// Something to be embedded that the maker's models do not take.
pub(super) fn input(why: &'static str) -> RequestFault {
    RequestFault::unsupported("input", why)
}

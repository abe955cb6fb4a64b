//! Words by which vendors say why they refuse. Lower case, compared with lower-cased texts.
//!
//! Codes and types come first everywhere; these help only where a vendor has none.

/// What a 400 begins with at vendors that have no better status for it: xAI, Google, and Anthropic
/// where it speaks of money. Nothing that a request says comes first in a reason.
pub(crate) const CREDENTIAL_OPENINGS: &[&str] = &["incorrect api key", "api key not valid"];

/// The same of an account without money.
pub(crate) const QUOTA_OPENINGS: &[&str] = &["your credit balance is too low"];

/// The same of too many requests.
pub(crate) const RATE_OPENINGS: &[&str] = &["too many requests", "rate limit"];

/// The account has no money or quota left: the key is of no use for a while.
pub(crate) const QUOTA: &[&str] = &[
    "credit balance",
    "insufficient balance",
    "insufficient credit",
    "spend limit",
    "spending limit",
    "spending cap",
    "billing hard limit",
    "doesn't have any credits",
];

/// Codes and types with the same meaning.
pub(crate) const QUOTA_CODES: &[&str] = &[
    "insufficient_quota",
    "blocked_api_access",
    "billing_hard_limit_reached",
    "billing_not_active",
    "insufficient_balance",
    "insufficient_credits",
];

/// Too many requests or tokens per unit of time.
pub(crate) const RATE: &[&str] = &[
    "rate limit",
    "rate_limit",
    "ratelimit",
    "too many requests",
    "quota exceeded",
    "quota_exceeded",
    "throttled",
    "throttling",
    "rate exceeded",
    "requests per",
    "rpm exceeded",
    "tpm exceeded",
    "tokens per minute",
    "concurrent requests limit",
    "burst_rate",
];

/// Codes and types of a refused credential.
pub(crate) const CREDENTIAL_CODES: &[&str] = &[
    "authentication_error",
    "unauthenticated",
    "unauthorized",
    "invalid_api_key",
    "invalid_authentication",
    "invalid_request_error.api_key",
    "organization_restricted",
    "account_deactivated",
    "access_terminated",
    "token_expired",
    "expired_api_key",
    "api_key_disabled",
    "api_key_invalid",
    "wrong_api_key",
];

/// A refused credential, in words.
pub(crate) const CREDENTIAL: &[&str] = &[
    "incorrect api key",
    "invalid api key",
    "invalid api-key",
    "api key not valid",
    "api key expired",
    "api key is invalid",
    "api key is disabled",
    "api key is blocked",
    "api key has been revoked",
    "api key not found",
    "invalid token",
    "expired token",
    "authentication failed",
    "authentication fails",
];

/// Codes and types of a model that this key cannot reach.
pub(crate) const MODEL_CODES: &[&str] = &[
    "model_not_found",
    "unknown_model",
    "invalid_model",
    "model_not_available",
    "model_decommissioned",
    "model_terms_required",
    "deploymentnotfound",
    "not_found_model",
];

/// The same, in words.
pub(crate) const MODEL: &[&str] = &[
    "model not exist",
    "model not found",
    "model does not exist",
    "unknown model",
    "invalid model",
    "no such model",
    "is not a valid model",
    "not a supported model",
    "specified version does not exist",
    // Another account may have agreed to more.
    "data policy",
];

/// Codes and types of a prompt that is too long.
pub(crate) const CONTEXT_CODES: &[&str] = &[
    "context_length_exceeded",
    "context_window_exceeded",
    "prompt_too_long",
    // llama.cpp's server (tools/server: `format_error_response`).
    "exceed_context_size_error",
    // LiteLLM's proxy, as the name of its exception.
    "contextwindowexceedederror",
];

/// The same, in words.
pub(crate) const CONTEXT: &[&str] = &[
    "maximum context length",
    "maximum model length",
    "context length",
    "context window",
    "context_length",
    "prompt is too long",
    "input is too long",
    "prompt contains too many tokens",
    "too large for model",
    "reduce the length of the messages",
    "exceeds the maximum number of tokens",
    "maximum prompt length",
    // vLLM, of a prompt alone.
    "max_model_len",
    // llama.cpp's server.
    "available context size",
    "too large to process",
    // LiteLLM's proxy, which quotes whatever stands behind it.
    "contextwindowexceedederror",
    // Text Generation Inference and Text Embeddings Inference.
    "`inputs` tokens + `max_new_tokens` must be",
    "`inputs` must have less than",
];

/// A prompt that is too long, in the words of servers that answer it with a 500 (llama.cpp's, to
/// embeddings that do not fit its batch).
pub(crate) const CONTEXT_AT_500: &[&str] =
    &["too large to process. increase the physical batch size"];

/// Content that the vendor will not process. Resending it anywhere is the caller's decision.
pub(crate) const CONTENT: &[&str] = &[
    "content_filter",
    "content_policy",
    "content policy",
    "flagged as sensitive",
    "moderation",
    "usage guidelines",
];

/// Codes and types of what no key of this vendor gets: our place on earth is refused, or a feature
/// is not there.
pub(crate) const ELSEWHERE_CODES: &[&str] = &[
    "unsupported_country_region_territory",
    "unsupported_location",
    "unsupported_parameter",
    "unsupported_value",
    "unsupported_feature",
    "unsupported_model_feature",
    "unsupported_operation",
    "not_supported",
    "not_implemented",
    "no_endpoints_found",
    "unimplemented",
];

/// The same, in words. Where we are comes first.
pub(crate) const ELSEWHERE: &[&str] = &[
    "country, region",
    "countries, regions",
    "location is not supported",
    "not available in your country",
    "not available in your region",
    "not available in your location",
    "unavailable in your",
    "no endpoints found",
    "no endpoints available",
    "no allowed providers",
    "does not support",
    "doesn't support",
    "do not support",
    "is not supported",
    "are not supported",
    "isn't supported",
    "not currently supported",
    "not yet supported",
    "not supported for",
    "not supported by",
    "not supported with",
    "not supported in",
    "unsupported",
    "not implemented",
];

/// Codes of a signature or of encrypted reasoning that does not belong where it was sent.
pub(crate) const SEALED_CODES: &[&str] = &["invalid_encrypted_content"];

/// The same, in words, without the quotes that some vendors put around names. Google's name two
/// wordings, Claude's are the same at every host.
pub(crate) const SEALED: &[&str] = &[
    "invalid signature in thinking block",
    "invalid data in redacted_thinking block",
    "thinking.signature: field required",
    "redacted_thinking blocks in the latest assistant message cannot be modified",
    "thought signature is not valid",
    "invalid thought signature",
    "corrupted thought signature",
];

/// Whether `text` contains one of `phrases`; `text` is lower case.
pub(crate) fn any_in(text: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// Whether `code` is one of `codes`, without regard to case.
pub(crate) fn is_one_of(code: &str, codes: &[&str]) -> bool {
    codes.iter().any(|known| code.eq_ignore_ascii_case(known))
}

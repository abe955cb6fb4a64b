//! Words by which vendors say why they refuse. Lower case, compared with lower-cased texts.
//!
//! Codes and types come first everywhere; these help only where a vendor has none.

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
    "no endpoints found",
    "not a supported model",
    "specified version does not exist",
];

/// Codes and types of a prompt that is too long.
pub(crate) const CONTEXT_CODES: &[&str] =
    &["context_length_exceeded", "context_window_exceeded", "prompt_too_long"];

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
];

/// Content that the vendor will not process. Resending it anywhere is the caller's decision.
pub(crate) const CONTENT: &[&str] = &[
    "content_filter",
    "content_policy",
    "content policy",
    "flagged as sensitive",
    "moderation",
    "usage guidelines",
];

/// The caller's or our place on earth is refused; no other key helps.
pub(crate) const REGION_CODES: &[&str] = &["unsupported_country_region_territory"];

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

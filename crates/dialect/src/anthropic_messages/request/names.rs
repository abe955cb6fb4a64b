//! What members are called in the format that a request came in, for reports of what was lost. A
//! format that is not named here has the plainest word of the others.

use weir_types::Dialect;

/// How much is thought.
pub(super) const fn reasoning(source: Dialect) -> &'static str {
    match source {
        Dialect::OpenAiChat => "reasoning_effort",
        Dialect::OpenAiResponses => "reasoning",
        Dialect::GeminiGenerate => "generationConfig.thinkingConfig",
        Dialect::BedrockConverse => "additionalModelRequestFields.thinking",
        _ => "thinking",
    }
}

/// How much effort is spent.
pub(super) const fn effort(source: Dialect) -> &'static str {
    match source {
        Dialect::AnthropicMessages => "output_config.effort",
        other => reasoning(other),
    }
}

/// The form of the answer.
pub(super) const fn output(source: Dialect) -> &'static str {
    match source {
        Dialect::OpenAiResponses => "text.format",
        Dialect::AnthropicMessages => "output_config.format",
        Dialect::GeminiGenerate => "generationConfig.responseJsonSchema",
        Dialect::BedrockConverse => "outputConfig.textFormat",
        _ => "response_format",
    }
}

/// The most tokens of the answer.
pub(super) const fn max_tokens(source: Dialect) -> &'static str {
    match source {
        Dialect::OpenAiChat => "max_completion_tokens",
        Dialect::OpenAiResponses => "max_output_tokens",
        Dialect::GeminiGenerate => "generationConfig.maxOutputTokens",
        Dialect::BedrockConverse => "inferenceConfig.maxTokens",
        _ => "max_tokens",
    }
}

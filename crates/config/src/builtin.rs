//! The providers that the format knows by name, and what their keys look like.
//!
//! All of them, served by this build or not: a name on this list is not a typo, and no custom
//! provider may take it. Where a provider's calls go is `weir_provider`'s business.

/// Every built-in provider's name.
pub const BUILTIN_PROVIDERS: [&str; 32] = [
    "anthropic",
    "azure",
    "bedrock",
    "bedrock_mantle",
    "cerebras",
    "cohere",
    "databricks",
    "deepseek",
    "elevenlabs",
    "fireworks",
    "gemini",
    "github-copilot",
    "groq",
    "huggingface",
    "mistral",
    "nebius",
    "ollama",
    "openai",
    "opencode-go",
    "opencode-zen",
    "openrouter",
    "parasail",
    "perplexity",
    "replicate",
    "runware",
    "runway",
    "sarvam",
    "sgl",
    "vertex",
    "vllm",
    "wafer",
    "xai",
];

/// Whether `name` is a built-in provider.
#[must_use]
pub fn is_builtin(name: &str) -> bool {
    BUILTIN_PROVIDERS.contains(&name)
}

/// Variables that hold a provider's key by common usage, the usual name first.
pub(crate) const KEY_VARIABLES: [(&str, &[&str]); 20] = [
    ("openai", &["OPENAI_API_KEY", "OPENAI_KEY"]),
    ("anthropic", &["ANTHROPIC_API_KEY", "ANTHROPIC_KEY"]),
    ("gemini", &["GEMINI_API_KEY"]),
    ("mistral", &["MISTRAL_API_KEY", "MISTRAL_KEY"]),
    ("groq", &["GROQ_API_KEY"]),
    ("cohere", &["COHERE_API_KEY"]),
    ("perplexity", &["PERPLEXITY_API_KEY"]),
    ("xai", &["XAI_API_KEY"]),
    ("cerebras", &["CEREBRAS_API_KEY"]),
    ("deepseek", &["DEEPSEEK_API_KEY"]),
    ("openrouter", &["OPENROUTER_API_KEY"]),
    ("nebius", &["NEBIUS_API_KEY"]),
    ("fireworks", &["FIREWORKS_API_KEY"]),
    ("parasail", &["PARASAIL_API_KEY"]),
    ("huggingface", &["HF_API_KEY", "HUGGINGFACE_API_KEY", "HF_TOKEN"]),
    ("replicate", &["REPLICATE_API_KEY", "REPLICATE_API_TOKEN"]),
    ("elevenlabs", &["ELEVENLABS_API_KEY"]),
    ("runway", &["RUNWAY_API_KEY"]),
    ("runware", &["RUNWARE_API_KEY"]),
    ("sarvam", &["SARVAM_API_KEY"]),
];

/// Providers whose keys may come without a `value`: they have other credentials, or need none.
pub(crate) fn value_is_optional(provider: &str) -> bool {
    matches!(
        provider,
        "azure"
            | "bedrock"
            | "bedrock_mantle"
            | "databricks"
            | "github-copilot"
            | "ollama"
            | "sgl"
            | "vertex"
            | "vllm"
    )
}

//! The format as a user meets it: whole files in, settings or reports out.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests")]

mod docs;
mod examples;
mod fixtures;
mod schema;
mod settings;

use weir_config::Options;

/// What this build serves, as the tests take it.
pub(crate) const SERVED: [&str; 15] = [
    "openai",
    "groq",
    "mistral",
    "cerebras",
    "fireworks",
    "openrouter",
    "perplexity",
    "xai",
    "nebius",
    "parasail",
    "deepseek",
    "huggingface",
    "ollama",
    "vllm",
    "sgl",
];

/// Variables are set, but for those called `UNSET...` and the proxy's.
fn variable(name: &str) -> Option<String> {
    let unset = name.starts_with("UNSET") || name.to_ascii_uppercase().ends_with("_PROXY");
    (!unset).then(|| "value-of-a-variable".to_owned())
}

/// Options that do not depend on where a test runs.
pub(crate) fn options() -> Options {
    Options { variable: Some(variable), ..Options::new(|name| SERVED.contains(&name)) }
}

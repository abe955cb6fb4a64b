//! The format as a user meets it: whole files in, settings or reports out.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests")]

mod anything;
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

/// Variables are set to what their names promise, but for those called `UNSET...` and the proxy's.
/// What those called `BAD_...` hold cannot be used anywhere, and `LOOSE_...` is to be put right.
pub(crate) fn variable(name: &str) -> Option<String> {
    let pem = include_str!("../../fixtures/ca.pem");
    let is = |part: &str| name.split('_').any(|word| word == part);
    Some(match name {
        _ if name.starts_with("UNSET") || name.to_ascii_uppercase().ends_with("_PROXY") => {
            return None;
        }
        _ if name.starts_with("BAD_") => "s3cr3t\none\u{1}".to_owned(),
        "LOOSE_URL" => " 127.0.0.1:11434\n".to_owned(),
        "LOOSE_CA" => pem.replace('\n', "\\n"),
        "LOOSE_KEY" => "\u{feff}sk-s3cr3t\r\n".to_owned(),
        _ if is("URL") || is("ENDPOINT") => "https://host.example.com".to_owned(),
        _ if is("CA") || is("PEM") => pem.to_owned(),
        _ if is("CREDENTIALS") => "{}".to_owned(),
        _ => "value-of-a-variable".to_owned(),
    })
}

/// Options that do not depend on where a test runs.
pub(crate) fn options() -> Options {
    Options { variable: Some(variable), ..Options::new(|name| SERVED.contains(&name)) }
}

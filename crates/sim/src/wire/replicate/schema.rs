//! What models take, as tables: their pages' "Input schema".

use crate::shape::{
    COUNT, FILLED, FLAG, OBJECT, POSITIVE, Shape, TEXT, TEXTS, UNIT, UP_TO_TWO, WHOLE, may, must,
};

pub(super) static OF_MODEL: Shape = Shape::Members(&[
    must("input", &OBJECT),
    may("stream", &FLAG),
    may("webhook", &TEXT),
    may("webhook_events_filter", &TEXTS),
]);
pub(super) static OF_VERSION: Shape = Shape::Members(&[
    must("version", &FILLED),
    must("input", &OBJECT),
    may("stream", &FLAG),
    may("webhook", &TEXT),
    may("webhook_events_filter", &TEXTS),
]);

static PENALTY: Shape = Shape::Number(-2.0, 2.0);
static URL: Shape = Shape::Like(
    |text| text.starts_with("https://") || text.starts_with("http://") || is_data(text),
    "an address",
);
static URLS: Shape = Shape::List(&URL);

fn is_data(text: &str) -> bool {
    text.starts_with("data:") && text.contains(";base64,")
}

/// Served with vLLM: most open models.
static OPEN: Shape = Shape::Members(&[
    must("prompt", &TEXT),
    may("system_prompt", &TEXT),
    may("max_tokens", &POSITIVE),
    may("min_tokens", &COUNT),
    may("temperature", &Shape::Number(0.0, 5.0)),
    may("top_p", &UNIT),
    may("top_k", &COUNT),
    may("presence_penalty", &PENALTY),
    may("frequency_penalty", &PENALTY),
    may("stop_sequences", &TEXT),
    may("prompt_template", &TEXT),
    may("seed", &WHOLE),
]);
/// Without instructions of their own.
static PLAIN: Shape = Shape::Members(&[
    must("prompt", &TEXT),
    may("max_tokens", &POSITIVE),
    may("temperature", &Shape::Number(0.0, 5.0)),
    may("top_p", &UNIT),
    may("presence_penalty", &PENALTY),
    may("frequency_penalty", &PENALTY),
]);
static GPT: Shape = Shape::Members(&[
    may("prompt", &TEXT),
    may("system_prompt", &TEXT),
    may("messages", &Shape::List(&MESSAGE)),
    may("image_input", &URLS),
    may("temperature", &UP_TO_TWO),
    may("max_completion_tokens", &POSITIVE),
    may("top_p", &UNIT),
    may("presence_penalty", &PENALTY),
    may("frequency_penalty", &PENALTY),
]);
static REASONING_GPT: Shape = Shape::Members(&[
    may("prompt", &TEXT),
    may("system_prompt", &TEXT),
    may("messages", &Shape::List(&MESSAGE)),
    may("image_input", &URLS),
    may("reasoning_effort", &Shape::Word(&["minimal", "low", "medium", "high"])),
    may("verbosity", &Shape::Word(&["low", "medium", "high"])),
    may("max_completion_tokens", &POSITIVE),
]);
static MESSAGE: Shape = Shape::Members(&[
    must("role", &Shape::Word(&["system", "user", "assistant"])),
    must("content", &TEXT),
]);
static CLAUDE: Shape = Shape::Members(&[
    must("prompt", &FILLED),
    may("system_prompt", &TEXT),
    may("image", &URL),
    may("max_tokens", &Shape::Whole(1024)),
    may("max_image_resolution", &UP_TO_TWO),
    may("extended_thinking", &FLAG),
    may("thinking_budget_tokens", &Shape::Whole(1024)),
]);
static GEMINI: Shape = Shape::Members(&[
    must("prompt", &FILLED),
    may("system_instruction", &TEXT),
    may("images", &URLS),
    may("videos", &URLS),
    may("temperature", &UP_TO_TWO),
    may("top_p", &UNIT),
    may("max_output_tokens", &POSITIVE),
    may("thinking_budget", &COUNT),
    may("dynamic_thinking", &FLAG),
]);

/// The maker's own models, whose output is one text.
pub(super) fn is_openais(model: &str) -> bool {
    model.starts_with("openai/") && !model.contains("gpt-oss")
}

/// What `model` takes.
pub(super) fn of(model: &str) -> &'static Shape {
    match model {
        _ if model.contains("gpt-oss") || model.contains("deepseek") || model.contains("grok") => {
            &PLAIN
        }
        _ if model.starts_with("openai/gpt-5") || model.starts_with("openai/o") => &REASONING_GPT,
        _ if model.starts_with("openai/") => &GPT,
        _ if model.contains("claude") => &CLAUDE,
        _ if model.contains("gemini") => &GEMINI,
        _ => &OPEN,
    }
}

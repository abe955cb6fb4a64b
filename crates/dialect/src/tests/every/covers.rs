//! What may be found elsewhere, and by which name a loss tells that something is gone.

use weir_types::Dialect;

use super::leaves::{Leaf, Leaves};
use crate::ir::Losses;

/// The leaves of `before` that `after` lacks and no loss names.
pub(super) fn missing(
    before: &Leaves,
    after: &Leaves,
    losses: &Losses,
    to: (Dialect, &str, &str),
) -> Vec<String> {
    let lost = |leaf: &Leaf| {
        let own = if leaf.what == "extra" { leaf.of.as_str() } else { leaf.what };
        losses.iter().any(|loss| {
            let tells = |name: &str| {
                let rest = loss.member.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            tells(own) || names(leaf).iter().any(|name| tells(name))
        })
    };
    let gone = before.0.iter().filter(|leaf| {
        let is_there = after.0.iter().any(|other| is_same(leaf, other));
        !is_there && !goes_without_saying(leaf, to) && !lost(leaf)
    });
    let told: Vec<_> = losses.iter().map(|loss| loss.member.as_ref()).collect();
    gone.map(|leaf| format!("{leaf:?} is gone; told: {told:?}")).collect()
}

fn is_same(leaf: &Leaf, other: &Leaf) -> bool {
    let is_its_place = leaf.what == other.what && leaf.of == other.of;
    if !is_its_place && !elsewhere(leaf).contains(&other.what) {
        return false;
    }
    let words: Vec<&str> = words(&leaf.value).collect();
    if !words.is_empty() {
        return words.iter().all(|word| other.value.contains(word));
    }
    let number = |text: &str| text.parse::<f64>().ok();
    let is_number = number(&leaf.value).is_some() && number(&leaf.value) == number(&other.value);
    leaf.value == other.value || is_number || is_alike(leaf, other)
}

/// The words that a maker has made, `w0001x`.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    const BYTES: usize = 6;
    (0..text.len()).filter_map(|at| text.get(at..at + BYTES)).filter(|word| {
        let digits = word.strip_prefix('w').and_then(|rest| rest.strip_suffix('x'));
        digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
    })
}

/// Where formats that have no member of its own for a thing say it all the same.
fn elsewhere(leaf: &Leaf) -> &'static [&'static str] {
    match leaf.what {
        "refusal" => &["text.model"],
        "media" | "document.title" | "document.context" => &["text.user", "text.tool"],
        "media.file" => &["media"],
        // What is said in a sound, where there are no sounds.
        "transcript" => &["text.model"],
        // Who asks, in the newer of two words.
        "extra" if leaf.of == "safety_identifier" => &["user"],
        _ => &[],
    }
}

/// Words that mean the same to some target.
fn is_alike(leaf: &Leaf, other: &Leaf) -> bool {
    match (leaf.what, leaf.value.as_str(), other.value.as_str()) {
        // Without a budget there is no end to it.
        ("reasoning", "max" | "xhigh", "on") => true,
        ("reasoning", "on", other) => other != "none",
        ("service_tier", "fast", other) => other == "priority",
        // What is thought at the least is a budget in tokens where there are no words.
        ("reasoning", "minimal", other) => other == "low",
        ("finish", one, two) => ends_alike(one, two),
        _ => false,
    }
}

/// An end for which a format has no word is the one that is nearest.
fn ends_alike(one: &str, two: &str) -> bool {
    match (one, two) {
        ("StopSequence" | "Pause", "Stop") | ("ContextWindow", "Length") => true,
        // An answer that declines is one that is said, or one that is withheld; and the words in
        // which a model declines end so in formats that tell them apart.
        ("Refusal", "Stop" | "ContentFilter") | ("ContentFilter", "Refusal") => true,
        ("Stop", "Refusal" | "ContentFilter") => true,
        (one, two) if one.starts_with("Other") => two == "Stop" || two.starts_with("Other"),
        _ => false,
    }
}

/// What is so where nothing is said.
fn goes_without_saying(leaf: &Leaf, (to, model, vendor): (Dialect, &str, &str)) -> bool {
    match (leaf.what, leaf.value.as_str()) {
        // The others keep answers, or may.
        ("store", "false") => match to {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => false,
            Dialect::GeminiGenerate => vendor == "vertex",
            _ => true,
        },
        ("temperature" | "top_p", "1.0") | ("service_tier", "default") => {
            !matches!(to, Dialect::OpenAiChat | Dialect::OpenAiResponses)
        }
        ("cache.ttl", "5m") => model.contains("nova"),
        ("reasoning", "none") => ["gpt-4o", "claude-3-haiku", "llama3", "command-a-03"]
            .iter()
            .any(|it| model.contains(it)),
        // As these do by themselves.
        ("reasoning", "on") => model.starts_with("gpt-5") || model.starts_with("gemini-3"),
        ("document.citations", _) => to == Dialect::CohereChat,
        ("cache.ttl", "30m") => model.starts_with("gpt-5.6"),
        // Of answers: what the client knows, and parts of counts that are told as a whole.
        ("model", _) => matches!(to, Dialect::BedrockConverse | Dialect::CohereChat),
        ("created", _) => !matches!(to, Dialect::OpenAiChat | Dialect::OpenAiResponses),
        ("usage", _) => match leaf.of.as_str() {
            "reasoning" => matches!(to, Dialect::BedrockConverse | Dialect::CohereChat),
            "written" => matches!(to, Dialect::GeminiGenerate | Dialect::CohereChat),
            _ => false,
        },
        ("reasoning.visible", _) => match to {
            Dialect::BedrockConverse => true,
            Dialect::OpenAiChat => vendor != "openai",
            _ => false,
        },
        _ => false,
    }
}

/// The names by which a loss may tell of it.
fn names(leaf: &Leaf) -> &'static [&'static str] {
    match leaf.what {
        "media" | "media.file" => match leaf.of.as_str() {
            "image" => &["messages.image"],
            "document" => &["messages.document"],
            "audio" => &["messages.audio"],
            "video" => &["messages.video"],
            "0 image" => &["image", "message.image", "content.image", "message.content"],
            "0 audio" => &["audio", "message.audio", "content.audio", "message.content"],
            _ => &["messages.image", "messages.document", "messages.audio", "messages.video"],
        },
        "annotations" => &["messages.annotations", "messages.citations", "message.annotations"],
        "cache" => &["cache_control", "tools.cache_control", "messages.cache_control"],
        "cache.ttl" => &["cache_control", "tools.cache_control"],
        "call.custom" => &["tools.custom"],
        "call.signature" => &["thinking.signature", "tool_calls.signature"],
        "encoding" => &["encoding_format", "embedding_types"],
        "document.title" | "document.context" | "document.citations" => {
            &["messages.document", "document"]
        }
        "foreign" => &[
            "messages.hologram",
            "messages.executableCode",
            "messages.tool_result",
            "hologram",
            "executableCode",
            "content",
            "message.hologram",
            "message.executableCode",
            "message.content",
            "message.block",
        ],
        "logprobs" => &["choices.logprobs"],
        "transcript" => &["audio", "message.audio", "content.audio"],
        "thinking.redacted" => &["thinking.signature"],
        "image.detail" => &["messages.image"],
        "max_tokens" => &[
            "max_completion_tokens",
            "max_output_tokens",
            "generationConfig.maxOutputTokens",
            "inferenceConfig.maxTokens",
        ],
        "output" => &[
            "response_format",
            "text.format",
            "output_config.format",
            "outputConfig.textFormat",
            "generationConfig.responseJsonSchema",
        ],
        "output.description" => &["response_format.description"],
        "reasoning" | "reasoning.visible" => &[
            "reasoning_effort",
            "reasoning",
            "thinking",
            "effort",
            "output_config.effort",
            "generationConfig.thinkingConfig",
            "additionalModelRequestFields.thinking",
        ],
        "result.is_error" => &["messages.is_error", "messages.tool_result.is_error"],
        "thinking" => &["messages.thinking", "thinking.redacted"],
        _ => &[],
    }
}

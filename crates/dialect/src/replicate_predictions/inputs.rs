//! What models call what they take in `input`, as rows: every model has a schema of its own.
//!
//! Source of each row: the "API" tab of the models' pages on Replicate. A model that no row knows is
//! taken for one of those that Replicate serves with vLLM, as most language models there are.

/// What a family of models takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inputs {
    /// One of these is part of the model's name,
    names: &'static [&'static str],
    /// and none of these.
    except: &'static [&'static str],
    /// The member for instructions; without one they stand in front of the prompt.
    pub(super) system: Option<&'static str>,
    /// Takes conversations as `messages`.
    pub(super) messages: bool,
    pub(super) images: Images,
    pub(super) max_tokens: &'static str,
    /// Less is refused.
    pub(super) max_tokens_min: u64,
    /// Of `temperature`, `top_p`, `top_k`, `frequency_penalty`, `presence_penalty`, `seed`,
    /// `verbosity` and `stop_sequences` those that it takes.
    takes: &'static [&'static str],
    pub(super) thinking: Thinking,
}

/// How images are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Images {
    /// Not at all.
    None,
    /// One, in this member.
    One(&'static str),
    /// As a list, in this member.
    Many(&'static str),
}

/// How a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Thinking {
    /// It is not.
    None,
    /// In a word, as one of these in this member.
    Effort(&'static str, &'static [&'static str]),
    /// By a switch, and a number of tokens of at least so many.
    Switch(&'static str, &'static str, u64),
    /// By a number of tokens, where 0 means not at all, and a switch for "as you like".
    Budget(&'static str, &'static str),
}

const SAMPLING: &[&str] = &["temperature", "top_p", "frequency_penalty", "presence_penalty"];

/// <https://replicate.com/replicate/vllm/api>
const VLLM: Inputs = Inputs {
    names: &[],
    except: &[],
    system: Some("system_prompt"),
    messages: false,
    images: Images::None,
    max_tokens: "max_tokens",
    max_tokens_min: 1,
    takes: &[
        "temperature",
        "top_p",
        "top_k",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "stop_sequences",
    ],
    thinking: Thinking::None,
};

/// <https://replicate.com/openai/gpt-4.1/api>
const GPT: Inputs = Inputs {
    names: &["openai/", "openai.", "gpt-"],
    messages: true,
    images: Images::Many("image_input"),
    max_tokens: "max_completion_tokens",
    takes: SAMPLING,
    ..VLLM
};

const EFFORTS: &[&str] = &["minimal", "low", "medium", "high"];

const ROWS: &[Inputs] = &[
    // <https://replicate.com/openai/gpt-oss-120b/api>
    Inputs { names: &["gpt-oss"], system: None, takes: SAMPLING, ..VLLM },
    // <https://replicate.com/openai/gpt-5/api>
    Inputs {
        names: &["gpt-5"],
        takes: &["verbosity"],
        thinking: Thinking::Effort("reasoning_effort", EFFORTS),
        ..GPT
    },
    // <https://replicate.com/openai/o4-mini/api>
    Inputs {
        names: &["openai/o"],
        takes: &[],
        thinking: Thinking::Effort("reasoning_effort", &["low", "medium", "high"]),
        ..GPT
    },
    GPT,
    // <https://replicate.com/anthropic/claude-3.5-sonnet/api>
    Inputs {
        names: &["claude-3.5"],
        images: Images::One("image"),
        max_tokens_min: 1024,
        takes: &[],
        ..VLLM
    },
    // <https://replicate.com/anthropic/claude-4-sonnet/api>
    Inputs {
        names: &["claude"],
        images: Images::One("image"),
        max_tokens_min: 1024,
        takes: &[],
        thinking: Thinking::Switch("extended_thinking", "thinking_budget_tokens", 1024),
        ..VLLM
    },
    // <https://replicate.com/google/gemini-3-pro/api>
    Inputs {
        names: &["gemini-3"],
        system: Some("system_instruction"),
        images: Images::Many("images"),
        max_tokens: "max_output_tokens",
        takes: &["temperature", "top_p"],
        thinking: Thinking::Effort("thinking_level", &["low", "high"]),
        ..VLLM
    },
    // <https://replicate.com/google/gemini-2.5-flash/api>
    Inputs {
        names: &["gemini"],
        system: Some("system_instruction"),
        images: Images::Many("images"),
        max_tokens: "max_output_tokens",
        takes: &["temperature", "top_p"],
        thinking: Thinking::Budget("thinking_budget", "dynamic_thinking"),
        ..VLLM
    },
    // <https://replicate.com/deepseek-ai/deepseek-v3/api>, <https://replicate.com/xai/grok-4/api>
    Inputs { names: &["deepseek", "grok"], system: None, takes: SAMPLING, ..VLLM },
    // Without training as assistants: instructions would be ignored.
    // <https://replicate.com/meta/meta-llama-3-70b/api>
    Inputs { names: &["llama"], except: &["instruct", "chat"], system: None, ..VLLM },
    // <https://replicate.com/meta/llama-2-70b-chat/api>
    Inputs {
        names: &["llama-2"],
        max_tokens: "max_new_tokens",
        takes: &["temperature", "top_p", "top_k", "seed", "stop_sequences"],
        ..VLLM
    },
    // <https://replicate.com/mistralai/mixtral-8x7b-instruct-v0.1/api>
    Inputs { names: &["mistral", "mixtral"], system: None, max_tokens: "max_new_tokens", ..VLLM },
];

/// What `model` takes.
pub(super) fn of(model: &str) -> &'static Inputs {
    let model = model.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| model.contains(part));
    ROWS.iter().find(|row| has(row.names) && !has(row.except)).unwrap_or(&VLLM)
}

impl Inputs {
    /// Whether the member is one that the model takes.
    pub(super) fn takes(&self, name: &str) -> bool {
        self.takes.contains(&name)
    }
}

/// Whether `model` is a version of a model, and not a model's name: `owner/name:version`, or the
/// version alone.
pub fn is_version(model: &str) -> bool {
    let is_hex = model.len() == 64 && model.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex || model.split_once(':').is_some_and(|(name, _)| name.contains('/'))
}

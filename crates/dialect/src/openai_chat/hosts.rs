//! What hosts of this format take beyond its common ground, as rows of data.
//!
//! Only what a translation must know to write a request; members that a host refuses in any request
//! are the business of the vendors' quirks, which are applied afterwards. A host that no row names
//! is taken for one that reads what inference servers read.

use super::gpt::{self, Gpt};

/// What a host takes of the thoughts in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replay {
    /// Nothing: an unknown member is refused, or ignored.
    Nothing,
    /// `reasoning_content`.
    Content,
    /// `reasoning`, and `reasoning_details` as it gave them.
    Details,
}

/// How a host is told where a prompt is worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Not at all: it keeps what it likes.
    Unknown,
    /// `cache_control`, in Anthropic's form.
    CacheControl,
    /// `prompt_cache_breakpoint`.
    Breakpoints,
}

/// One host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    names: &'static [&'static str],
    /// OpenAI's own models, by OpenAI's own rules.
    pub(super) is_openai: bool,
    /// The role `developer` is known.
    pub(super) developer: bool,
    /// Thoughts in a history.
    pub(super) replay: Replay,
    /// A call's `extra_content` is read, or ignored.
    pub(super) extra_content: bool,
    /// `tool_choice` of the type `allowed_tools`.
    pub(super) allowed_tools: bool,
    /// Content parts `video_url` and `audio_url`.
    pub(super) media_urls: bool,
    /// `file_data` may be a web address.
    pub(super) file_urls: bool,
    /// Documents stand in parts `document_url` and not in parts `file`.
    pub(super) document_urls: bool,
    /// A system message must be the first (chat templates refuse another).
    pub(super) system_first: bool,
    /// `reasoning: {effort, max_tokens, …}` in place of `reasoning_effort`.
    pub(super) reasoning_object: bool,
    /// Parts of the names of models that take `reasoning_effort`, where others refuse it.
    thinkers: Option<&'static [&'static str]>,
    /// `cache_control` on blocks.
    cache_control: bool,
}

const SERVER: Host = Host {
    names: &[],
    is_openai: false,
    developer: false,
    replay: Replay::Content,
    extra_content: true,
    allowed_tools: false,
    media_urls: true,
    file_urls: false,
    document_urls: false,
    system_first: false,
    reasoning_object: false,
    thinkers: None,
    cache_control: true,
};

/// Hosts that refuse members of messages that they do not know.
const STRICT: Host = Host {
    replay: Replay::Nothing,
    extra_content: false,
    media_urls: false,
    cache_control: false,
    ..SERVER
};

const ROWS: &[Host] = &[
    Host {
        names: &["openai", "azure"],
        is_openai: true,
        developer: true,
        allowed_tools: true,
        ..STRICT
    },
    Host {
        names: &["openrouter"],
        developer: true,
        replay: Replay::Details,
        allowed_tools: true,
        file_urls: true,
        reasoning_object: true,
        ..SERVER
    },
    Host {
        names: &["groq", "cerebras"],
        thinkers: Some(&["gpt-oss", "qwen", "glm", "zai"]),
        ..STRICT
    },
    Host { names: &["mistral"], document_urls: true, ..STRICT },
    Host { names: &["perplexity"], ..STRICT },
    Host { names: &["gemini", "vertex"], extra_content: true, ..STRICT },
    Host { names: &["vllm", "sgl", "ollama"], system_first: true, cache_control: false, ..SERVER },
    Host {
        names: &["deepseek", "fireworks", "xai", "nebius", "parasail", "huggingface"],
        media_urls: false,
        cache_control: false,
        ..SERVER
    },
];

/// The host that the configuration calls `vendor`.
pub(super) fn of(vendor: &str) -> &'static Host {
    ROWS.iter().find(|row| row.names.contains(&vendor)).unwrap_or(&SERVER)
}

impl Host {
    /// How `model` is told where a prompt is worth keeping.
    pub(super) fn marks(&self, model: &str) -> Marks {
        match self {
            Self { is_openai: true, .. } if gpt::of(model).is_some_and(|gpt| gpt.breakpoints) => {
                Marks::Breakpoints
            }
            Self { cache_control: true, .. } => Marks::CacheControl,
            _ => Marks::Unknown,
        }
    }

    /// Whether `model` is known to take no `reasoning_effort` here.
    pub(super) fn never_thinks(&self, model: &str) -> bool {
        if self.is_openai {
            return gpt::of(model).is_some_and(Gpt::never_thinks);
        }
        self.thinkers.is_some_and(|names| !names.iter().any(|name| model.contains(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_differ_by_their_hosts() {
        let openai = of("openai");
        assert_eq!(openai.marks("gpt-5.6-mini"), Marks::Breakpoints);
        assert_eq!(openai.marks("gpt-5.1"), Marks::Unknown);
        assert_eq!(of("openrouter").marks("anthropic/claude-opus-5"), Marks::CacheControl);
        assert!(openai.never_thinks("gpt-4o") && !openai.never_thinks("gpt-5"));
        assert!(of("groq").never_thinks("llama-3.3-70b-versatile"));
        assert!(!of("groq").never_thinks("openai/gpt-oss-120b"));
        assert_eq!(of("my-own-server").replay, Replay::Content);
        assert!(!of("my-own-server").never_thinks("llama"));
    }
}

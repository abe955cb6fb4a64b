//! What hosts of this format take beyond its common ground, as rows of data, and what OpenAI's own
//! models refuse.
//!
//! Only what a translation must know to write a request; members that a host refuses in any request
//! are the business of the vendors' quirks, which are applied afterwards. A host that no row names
//! is taken for one that reads what inference servers read.

use crate::ir::{Chat, Effort};

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
    /// A system message must be the first (chat templates refuse another).
    pub(super) system_first: bool,
    /// `reasoning: {effort, max_tokens, …}` in place of `reasoning_effort`.
    pub(super) reasoning_object: bool,
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
    system_first: false,
    reasoning_object: false,
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
    Host { names: &["groq", "cerebras", "mistral", "perplexity"], ..STRICT },
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
            Self { is_openai: true, .. } if version(model).is_some_and(|v| v >= (5, 6)) => {
                Marks::Breakpoints
            }
            Self { cache_control: true, .. } => Marks::CacheControl,
            _ => Marks::Unknown,
        }
    }

    /// Whether `model` is known not to think.
    pub(super) fn never_thinks(&self, model: &str) -> bool {
        let old = ["gpt-3", "gpt-4", "chatgpt-"];
        self.is_openai
            && (old.iter().any(|start| model.starts_with(start)) || model.contains("-chat"))
    }

    /// Whether temperature and the like are refused: OpenAI's thinking models take only the
    /// defaults, unless they are told not to think.
    /// <https://platform.openai.com/docs/guides/latest-model#gpt-5-2-parameter-compatibility>
    pub(super) fn refuses_sampling(&self, model: &str, chat: &Chat) -> bool {
        let is_numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        let thinks = model.strip_prefix('o').is_some_and(is_numbered)
            || (version(model).is_some_and(|v| v >= (5, 0)) && !model.contains("-chat"));
        let effort = chat.reasoning.as_ref().and_then(crate::ir::Reasoning::effort);
        self.is_openai && thinks && effort != Some(Effort::None)
    }
}

/// The number in `gpt-5.6-mini`.
fn version(model: &str) -> Option<(u32, u32)> {
    let number = model.strip_prefix("gpt-")?.split('-').next()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use weir_types::Dialect;

    use super::*;
    use crate::ir::Reasoning;

    #[test]
    fn models_are_told_apart_by_their_numbers() {
        let openai = of("openai");
        assert_eq!(openai.marks("gpt-5.6-mini"), Marks::Breakpoints);
        assert_eq!(openai.marks("gpt-5.1"), Marks::Unknown);
        assert_eq!(of("openrouter").marks("anthropic/claude-opus-5"), Marks::CacheControl);
        assert!(openai.never_thinks("gpt-4o") && openai.never_thinks("gpt-5-chat-latest"));
        assert!(!openai.never_thinks("gpt-5") && !of("groq").never_thinks("gpt-4"));
        let mut chat = Chat::new(Dialect::AnthropicMessages);
        assert!(openai.refuses_sampling("gpt-5-mini", &chat));
        assert!(openai.refuses_sampling("o4-mini", &chat));
        assert!(
            !openai.refuses_sampling("gpt-4o", &chat) && !openai.refuses_sampling("omni", &chat)
        );
        chat.reasoning = Some(Reasoning { enabled: Some(false), ..Reasoning::default() });
        assert!(!openai.refuses_sampling("gpt-5.2", &chat));
        assert_eq!(of("my-own-server").replay, Replay::Content);
    }
}

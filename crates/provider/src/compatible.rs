//! One row per host that speaks OpenAI's chat completions format.
//!
//! Sources: each vendor's public API reference. A row differs from [`BASE`] only in what the
//! vendor does differently.

use weir_dialect::{ModelDrops, Quirks};
use weir_types::{Dialect, Operation};

use crate::kept;
use crate::media::{IMAGES, MODERATION, SPEECH, TRANSCRIPTION, TRANSLATION, media};
use crate::mistral::{MISTRAL, MISTRALS};
use crate::native::ANTHROPIC_VERSION;
use crate::route::Route;
use crate::stored;
use crate::vendor::{Auth, Betas, ModelForm, StreamEnd, Vendor};
use crate::wanted::Choice;

/// What most hosts have in common.
pub(crate) const BASE: Vendor = Vendor {
    name: "",
    base_url: "",
    auth: Auth::Bearer,
    routes: CHAT,
    stored: &[],
    stream_end: StreamEnd::NeedsDone,
    betas: Betas::All,
    client_headers: &[],
    quirks: PORTABLE,
    model_form: ModelForm::Plain,
    env_var: None,
    base_url_from_key: false,
    keys_may_be_empty: false,
};

pub(crate) const fn chat(template: &'static str) -> Route {
    Route::post(Operation::Chat, template, Dialect::OpenAiChat)
}

const fn completion(template: &'static str) -> Route {
    Route::post(Operation::Completion, template, Dialect::OpenAiChat)
}

pub(crate) const fn embedding(template: &'static str) -> Route {
    Route::post(Operation::Embedding, template, Dialect::OpenAiChat)
}

pub(crate) const fn models(template: &'static str) -> Route {
    Route::get(Operation::ListModels, template, Dialect::OpenAiChat)
}

/// Chat and the model list.
const CHAT: &[Route] = &[chat("/v1/chat/completions"), models("/v1/models")];

/// These and text completions.
const TEXT: &[Route] =
    &[chat("/v1/chat/completions"), completion("/v1/completions"), models("/v1/models")];

/// All of what is text, and images: <https://docs.tokenfactory.nebius.com/api-reference>
const NEBIUS: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
    IMAGES.only(false),
];

/// OpenAI's Responses of a host's own. What chat needs is nothing to them: dropping `store` would
/// even change what the host keeps.
const fn responses(template: &'static str) -> Route {
    Route::post(Operation::Responses, template, Dialect::OpenAiResponses).needs(&Quirks::NONE)
}

/// Anthropic's Messages of a host that speaks OpenAI's chat as well.
const fn messages(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::AnthropicMessages)
        .with(ANTHROPIC_VERSION)
        .needs(&Quirks::NONE)
}

/// Of those, what conversations go through where the configuration chooses it.
const fn anthropic_style(route: Route) -> Route {
    route.chosen(Choice::AnthropicEndpoints, true)
}

/// And what they go through where it does not.
const fn openai_style(route: Route) -> Route {
    route.chosen(Choice::AnthropicEndpoints, false)
}

/// OpenAI's own.
pub(crate) const OPENAI: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
    responses("/v1/responses"),
    kept::counted("/v1/responses/input_tokens"),
    kept::compacted("/v1/responses/compact"),
    kept::retrieved("/v1/responses/{id}"),
    kept::deleted("/v1/responses/{id}"),
    kept::canceled("/v1/responses/{id}/cancel"),
    kept::input_items("/v1/responses/{id}/input_items"),
    SPEECH,
    TRANSCRIPTION,
    TRANSLATION,
    IMAGES,
    media(Operation::ImageEdit, "/v1/images/edits"),
    media(Operation::ImageVariation, "/v1/images/variations"),
    MODERATION,
];

/// <https://docs.x.ai/docs/api-reference>
const XAI: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    models("/v1/models"),
    responses("/v1/responses"),
    kept::retrieved("/v1/responses/{id}"),
    kept::deleted("/v1/responses/{id}"),
    IMAGES.only(false),
];

/// <https://openrouter.ai/docs/api-reference/overview>
const OPENROUTER: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    models("/v1/models"),
    responses("/v1/responses"),
    messages(Operation::Chat, "/v1/messages"),
];

/// What Groq says that its Responses do not take, as far as it changes no answer.
/// <https://console.groq.com/docs/responses-api>
const GROQ_RESPONSES: Quirks = Quirks {
    drops: &["prompt_cache_key", "prompt_cache_retention", "safety_identifier"],
    ..Quirks::NONE
};

const GROQ: &[Route] = &[
    chat("/v1/chat/completions"),
    models("/v1/models"),
    responses("/v1/responses").needs(&GROQ_RESPONSES),
    SPEECH.only(false),
    TRANSCRIPTION.only(false),
    TRANSLATION,
];

/// <https://api-docs.deepseek.com/guides/anthropic_api>
const DEEPSEEK: &[Route] = &[
    openai_style(chat("/chat/completions")),
    completion("/beta/completions"),
    models("/models"),
    anthropic_style(
        messages(Operation::Chat, "/anthropic/v1/messages").signed(Auth::Header("x-api-key")),
    ),
];

/// <https://docs.fireworks.ai/nexus/apis-and-sdks>
const FIREWORKS: &[Route] = &[
    openai_style(chat("/v1/chat/completions")),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
    openai_style(responses("/v1/responses")),
    kept::retrieved("/v1/responses/{id}"),
    kept::deleted("/v1/responses/{id}"),
    anthropic_style(messages(Operation::Chat, "/v1/messages")),
];

/// <https://docs.ollama.com/api/openai-compatibility>,
/// <https://docs.ollama.com/api/anthropic-compatibility>
const OLLAMA: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
    responses("/v1/responses"),
    messages(Operation::Chat, "/v1/messages"),
];

/// <https://docs.sglang.ai/basic_usage/openai_api.html>; its Responses are not complete.
const SGL: &[Route] = &[
    openai_style(chat("/v1/chat/completions")),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
    anthropic_style(messages(Operation::Chat, "/v1/messages")),
    anthropic_style(messages(Operation::CountTokens, "/v1/messages/count_tokens")),
];

/// <https://docs.vllm.ai/en/stable/serving/online_serving.html>
const VLLM: &[Route] = &[
    openai_style(chat("/v1/chat/completions")),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
    openai_style(responses("/v1/responses")),
    anthropic_style(messages(Operation::Chat, "/v1/messages")),
    anthropic_style(messages(Operation::CountTokens, "/v1/messages/count_tokens")),
    TRANSCRIPTION,
    TRANSLATION,
    media(Operation::Rerank, "/v1/rerank"),
];

/// Two interfaces, of which a key's variables say which there are: `auto` has both, and a model
/// with a dot in its name is the gateway's. <https://docs.databricks.com/api/workspace/servingendpoints>
const DATABRICKS: &[Route] = &[
    chat("/ai-gateway/mlflow/v1/chat/completions").containing(".").wanting("auto"),
    embedding("/ai-gateway/mlflow/v1/embeddings").containing(".").wanting("auto"),
    chat("/ai-gateway/mlflow/v1/chat/completions").wanting("ai_gateway"),
    embedding("/ai-gateway/mlflow/v1/embeddings").wanting("ai_gateway"),
    chat("/serving-endpoints/chat/completions").wanting("model_serving"),
    responses("/serving-endpoints/responses").wanting("model_serving"),
    embedding("/serving-endpoints/embeddings").wanting("model_serving"),
];

/// Members that only OpenAI itself understands and that other hosts may refuse.
const OPENAI_ONLY: &[&str] = &[
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "verbosity",
    "store",
    "web_search_options",
];

/// What every host but OpenAI needs.
pub(crate) const PORTABLE: Quirks = Quirks {
    drops: OPENAI_ONLY,
    values: &[("reasoning_effort", "\"minimal\"", "\"low\"")],
    block_drops: &["cache_control"],
    text_bytes_max: &[("user", 64)],
    ..Quirks::NONE
};

/// A server that the user runs: its URL is on the key, a secret is optional.
const SELF_HOSTED: Vendor = Vendor { base_url_from_key: true, keys_may_be_empty: true, ..BASE };

/// The table.
pub(crate) const VENDORS: &[Vendor] = &[
    Vendor {
        name: "mistral",
        base_url: "https://api.mistral.ai",
        routes: MISTRALS,
        stored: stored::MISTRAL,
        quirks: MISTRAL,
        env_var: Some("MISTRAL_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "groq",
        base_url: "https://api.groq.com/openai",
        routes: GROQ,
        stored: stored::OPENAI,
        client_headers: &["groq-model-version"],
        env_var: Some("GROQ_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "cerebras",
        base_url: "https://api.cerebras.ai",
        routes: TEXT,
        stream_end: StreamEnd::FinishReasonEnough,
        env_var: Some("CEREBRAS_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "fireworks",
        base_url: "https://api.fireworks.ai/inference",
        routes: FIREWORKS,
        client_headers: &["x-session-affinity"],
        quirks: Quirks { renames: &[("prompt_cache_key", "user")], ..PORTABLE },
        env_var: Some("FIREWORKS_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "openrouter",
        base_url: "https://openrouter.ai/api",
        routes: OPENROUTER,
        // Which application it was: <https://openrouter.ai/docs/app-attribution>
        client_headers: &["http-referer", "x-openrouter-title", "x-title"],
        // It relays to OpenAI and Anthropic too and passes on what those understand.
        quirks: Quirks {
            drops: &["prompt_cache_key", "prompt_cache_retention", "store"],
            block_drops: &[],
            values: &[],
            ..PORTABLE
        },
        env_var: Some("OPENROUTER_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "perplexity",
        base_url: "https://api.perplexity.ai",
        routes: &[chat("/chat/completions")],
        stream_end: StreamEnd::FinishReasonEnough,
        // Searching is what this vendor does: it reads `web_search_options`.
        quirks: Quirks {
            drops: &[
                "prediction",
                "prompt_cache_key",
                "prompt_cache_retention",
                "verbosity",
                "store",
            ],
            ..PORTABLE
        },
        env_var: Some("PERPLEXITY_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "xai",
        base_url: "https://api.x.ai",
        routes: XAI,
        client_headers: &["x-grok-conv-id"],
        quirks: Quirks {
            model_drops: &[
                ModelDrops {
                    prefixes: &["grok-3-mini"],
                    except: &[],
                    drops: &["presence_penalty", "frequency_penalty", "stop"],
                },
                ModelDrops {
                    prefixes: &["grok-3"],
                    except: &["mini"],
                    drops: &["presence_penalty", "reasoning_effort"],
                },
                ModelDrops {
                    prefixes: &["grok-4", "grok-code"],
                    except: &["non-reasoning"],
                    drops: &["presence_penalty", "frequency_penalty", "stop", "reasoning_effort"],
                },
            ],
            ..PORTABLE
        },
        env_var: Some("XAI_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "nebius",
        base_url: "https://api.tokenfactory.nebius.com",
        routes: NEBIUS,
        env_var: Some("NEBIUS_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "parasail",
        base_url: "https://api.parasail.io",
        env_var: Some("PARASAIL_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "deepseek",
        base_url: "https://api.deepseek.com",
        routes: DEEPSEEK,
        env_var: Some("DEEPSEEK_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "huggingface",
        base_url: "https://router.huggingface.co",
        stream_end: StreamEnd::FinishReasonEnough,
        model_form: ModelForm::SubProviderSuffix,
        env_var: Some("HF_TOKEN"),
        ..BASE
    },
    Vendor {
        name: "opencode-zen",
        base_url: "https://opencode.ai/zen",
        env_var: Some("OPENCODE_API_KEY"),
        ..BASE
    },
    Vendor { name: "opencode-go", base_url: "https://opencode.ai/zen/go", ..BASE },
    Vendor {
        name: "databricks",
        routes: DATABRICKS,
        client_headers: &["databricks-ai-gateway-request-tags"],
        base_url_from_key: true,
        ..BASE
    },
    Vendor { name: "ollama", routes: OLLAMA, ..SELF_HOSTED },
    Vendor { name: "sgl", routes: SGL, ..SELF_HOSTED },
    Vendor { name: "vllm", routes: VLLM, ..SELF_HOSTED },
];

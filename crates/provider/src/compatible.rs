//! One row per host that speaks OpenAI's chat completions format.
//!
//! Sources: each vendor's public API reference. A row differs from [`BASE`] only in what the
//! vendor does differently.

use weir_dialect::names::NameRule;
use weir_dialect::{ModelDrops, Quirks};
use weir_types::{Dialect, Operation};

use crate::route::Route;
use crate::vendor::{Auth, ModelForm, StreamEnd, Vendor};

/// What most hosts have in common.
pub(crate) const BASE: Vendor = Vendor {
    name: "",
    base_url: "",
    auth: Auth::Bearer,
    routes: CHAT,
    stream_end: StreamEnd::NeedsDone,
    quirks: PORTABLE,
    model_form: ModelForm::Plain,
    env_var: None,
    base_url_from_key: false,
    keys_may_be_empty: false,
};

const fn chat(template: &'static str) -> Route {
    Route::post(Operation::Chat, template, Dialect::OpenAiChat)
}

const fn completion(template: &'static str) -> Route {
    Route::post(Operation::Completion, template, Dialect::OpenAiChat)
}

const fn embedding(template: &'static str) -> Route {
    Route::post(Operation::Embedding, template, Dialect::OpenAiChat)
}

const fn models(template: &'static str) -> Route {
    Route::get(Operation::ListModels, template, Dialect::OpenAiChat)
}

/// Chat and the model list.
const CHAT: &[Route] = &[chat("/v1/chat/completions"), models("/v1/models")];

/// These and text completions.
const TEXT: &[Route] =
    &[chat("/v1/chat/completions"), completion("/v1/completions"), models("/v1/models")];

/// These and embeddings.
const VECTORS: &[Route] =
    &[chat("/v1/chat/completions"), embedding("/v1/embeddings"), models("/v1/models")];

/// All of them.
const ALL: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
];

const fn responses(template: &'static str) -> Route {
    Route::post(Operation::Responses, template, Dialect::OpenAiResponses)
}

/// OpenAI's own.
pub(crate) const OPENAI: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    embedding("/v1/embeddings"),
    models("/v1/models"),
    responses("/v1/responses"),
    Route::post(Operation::CountTokens, "/v1/responses/input_tokens", Dialect::OpenAiResponses),
];

/// Chat, text completions, the model list, and Responses of their own.
const TEXT_AND_RESPONSES: &[Route] = &[
    chat("/v1/chat/completions"),
    completion("/v1/completions"),
    models("/v1/models"),
    responses("/v1/responses"),
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
const PORTABLE: Quirks = Quirks {
    drops: OPENAI_ONLY,
    values: &[("reasoning_effort", "\"minimal\"", "\"low\"")],
    block_drops: &["cache_control"],
    text_bytes_max: &[("user", 64)],
    ..Quirks::NONE
};

/// A server that the user runs: its URL is on the key, a secret is optional.
const SELF_HOSTED: Vendor =
    Vendor { routes: ALL, base_url_from_key: true, keys_may_be_empty: true, ..BASE };

/// The table.
pub(crate) const VENDORS: &[Vendor] = &[
    Vendor {
        name: "mistral",
        base_url: "https://api.mistral.ai",
        routes: VECTORS,
        // It refuses members that it does not know.
        quirks: Quirks {
            renames: &[
                ("max_completion_tokens", "max_tokens"),
                ("seed", "random_seed"),
                ("dimensions", "output_dimension"),
            ],
            drops: &[
                "prompt_cache_retention",
                "verbosity",
                "store",
                "web_search_options",
                "stream_options",
                "user",
                "logit_bias",
            ],
            call_ids: Some(NameRule { bytes_max: 9, beside: Some(""), is_exact: true }),
            ..PORTABLE
        },
        env_var: Some("MISTRAL_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "groq",
        base_url: "https://api.groq.com/openai",
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
        routes: ALL,
        quirks: Quirks { renames: &[("prompt_cache_key", "user")], ..PORTABLE },
        env_var: Some("FIREWORKS_API_KEY"),
        ..BASE
    },
    Vendor {
        name: "openrouter",
        base_url: "https://openrouter.ai/api",
        routes: TEXT_AND_RESPONSES,
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
        routes: TEXT_AND_RESPONSES,
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
        routes: ALL,
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
        routes: &[chat("/chat/completions"), completion("/beta/completions"), models("/models")],
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
    Vendor { name: "ollama", ..SELF_HOSTED },
    Vendor { name: "sgl", ..SELF_HOSTED },
    Vendor { name: "vllm", ..SELF_HOSTED },
];

//! Vendors with a wire format of their own, and hosts that serve several formats.
//!
//! Sources: each vendor's public API reference.

use std::time::Duration;

use weir_dialect::Quirks;
use weir_dialect::families::Family;
use weir_types::{Dialect, Form, Operation};

use crate::amazon::{BEDROCK, BEDROCK_MANTLE};
use crate::compatible::{BASE, OPENAI};
use crate::kept;
use crate::later::Later;
use crate::mistral::{MISTRAL, MISTRAL_FORMS};
use crate::ranking;
use crate::route::Route;
use crate::stored;
use crate::vendor::{Auth, Betas, ModelForm, StreamEnd, Vendor};
use crate::wanted::Choice;

/// <https://docs.claude.com/en/api/versioning>
pub(crate) const ANTHROPIC_VERSION: &[(&str, &str)] = &[("anthropic-version", "2023-06-01")];

/// A key of Azure's may say which.
const AZURE_VERSION: &[(&str, &str)] =
    &[("anthropic-version", "2023-06-01"), ("anthropic-version", "{anthropic_version}")];

const fn anthropic(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::AnthropicMessages).with(ANTHROPIC_VERSION)
}

const fn gemini(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::GeminiGenerate)
}

const fn cohere(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::CohereChat)
}

const fn openai(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::OpenAiChat).except(&[Family::Anthropic])
}

/// Sound and images of Azure's: <https://learn.microsoft.com/azure/ai-foundry/openai/latest>
const fn deployed(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::OpenAiChat)
}

/// Images by a general form of prediction.
/// <https://ai.google.dev/api/imagen>, <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api>
const fn imagen(template: &'static str) -> Route {
    gemini(Operation::ImageGeneration, template).of(Family::Imagen).only(false)
}

const fn responses(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::OpenAiResponses).except(&[Family::Anthropic])
}

/// The model stands in the path.
pub(crate) const MODEL_IN_PATH: Quirks =
    Quirks { omits_model: true, drops: &["model"], ..Quirks::NONE };

/// In each request of a batch as well.
const MODEL_IN_EACH: Quirks =
    Quirks { models_within: Some(("requests", "models/")), ..MODEL_IN_PATH };

/// <https://docs.claude.com/en/api/claude-on-vertex-ai>: the version stands in the body.
const VERTEX_VERSION: &[(&str, &str)] = &[("anthropic_version", "\"vertex-2023-10-16\"")];
const VERTEX_CLAUDE: Quirks = Quirks { omits_model: true, adds: VERTEX_VERSION, ..Quirks::NONE };
const VERTEX_CLAUDE_COUNT: Quirks = Quirks { adds: VERTEX_VERSION, ..Quirks::NONE };

/// Claude in Microsoft Foundry: most of what Anthropic's own service has.
const AZURE_BETAS: Betas = Betas::Only(&[
    "advanced-tool-use-",
    "code-execution-",
    "computer-use-",
    "context-1m-",
    "context-management-",
    "dangerous-tool-use-",
    "effort-",
    "files-api-",
    "interleaved-thinking-",
    "mcp-client-",
    "per-turn-control-",
    "prompt-caching-scope-",
    "skills-",
    "structured-outputs-",
    "thinking-display-updates-",
    "web-fetch-",
    "web-search-",
]);

/// Claude on Vertex AI: no files, code or servers of tools there.
const VERTEX_BETAS: Betas = Betas::Only(&[
    "compact-",
    "computer-use-",
    "context-1m-",
    "context-management-",
    "dangerous-tool-use-",
    "interleaved-thinking-",
    "per-turn-control-",
    "thinking-binding-controls-",
    "thinking-display-updates-",
    "tool-search-tool-",
    "web-search-",
]);

/// What Google's SDK sends besides its credential.
const GOOGLE_HEADERS: &[&str] = &["x-server-timeout"];

/// A path of a project's at Vertex AI.
macro_rules! project {
    ($rest:literal) => {
        concat!("/v1/projects/{project}/locations/{region}/", $rest)
    };
}

/// A model of Google's there, in the version that Google's own SDK asks for: only this one has ids of
/// calls.
macro_rules! google {
    ($rest:literal) => {
        concat!("/v1beta1/projects/{project}/locations/{region}/publishers/google/models/", $rest)
    };
}

/// A model of Anthropic's there.
macro_rules! claude {
    ($rest:literal) => {
        concat!("/v1/projects/{project}/locations/{region}/publishers/anthropic/models/", $rest)
    };
}

/// A model of the customer's own, made from one of Google's, behind an endpoint with a number.
macro_rules! endpoint {
    ($rest:literal) => {
        concat!("/v1beta1/projects/{project_number}/locations/{region}/endpoints/", $rest)
    };
}

const fn tuned(operation: Operation, template: &'static str) -> Route {
    gemini(operation, template).numbered()
}

/// A model of Mistral's there.
macro_rules! mistralai {
    ($rest:literal) => {
        concat!("/v1/projects/{project}/locations/{region}/publishers/mistralai/models/", $rest)
    };
}

/// <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/mistral>
const fn vertex_mistral(template: &'static str) -> Route {
    Route::post(Operation::Chat, template, Dialect::OpenAiChat)
        .of(Family::Mistral)
        .in_forms(MISTRAL_FORMS)
        .needs(&MISTRAL)
}

const fn vertex_gemini(operation: Operation, template: &'static str) -> Route {
    gemini(operation, template).of(Family::Gemini).signed(Auth::GoogleOrKey)
}

const fn vertex_claude(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::AnthropicMessages).of(Family::Anthropic)
}

/// The pause is that of Replicate's own clients. Events have a host of their own, whose addresses are
/// secrets themselves. <https://replicate.com/docs/topics/predictions/streaming>
const PREDICTION: Later = Later {
    wait: Duration::from_secs(5),
    pause: Duration::from_millis(500),
    pause_max: Duration::from_secs(5),
    hosts: &["stream.replicate.com", "streaming.api.replicate.com"],
};

/// <https://replicate.com/docs/topics/predictions/create-a-prediction>
const fn prediction(template: &'static str) -> Route {
    Route::post(Operation::Chat, template, Dialect::ReplicatePredictions).answered(&PREDICTION)
}

/// A vendor whose streams end with an event of their format.
const OWN: Vendor = Vendor { quirks: Quirks::NONE, stream_end: StreamEnd::NeedsDone, ..BASE };

/// The table.
pub(crate) const VENDORS: &[Vendor] = &[
    Vendor {
        name: "openai",
        base_url: "https://api.openai.com",
        routes: OPENAI,
        stored: stored::OPENAI,
        // Not whose account it is: `openai-organization` and `openai-project` are the operator's.
        client_headers: &["idempotency-key", "openai-beta", "x-client-request-id"],
        env_var: Some("OPENAI_API_KEY"),
        ..OWN
    },
    Vendor {
        name: "anthropic",
        base_url: "https://api.anthropic.com",
        auth: Auth::Header("x-api-key"),
        routes: &[
            anthropic(Operation::Chat, "/v1/messages"),
            anthropic(Operation::CountTokens, "/v1/messages/count_tokens"),
            Route::get(Operation::ListModels, "/v1/models?limit=1000", Dialect::AnthropicMessages)
                .with(ANTHROPIC_VERSION),
        ],
        stored: stored::ANTHROPIC,
        env_var: Some("ANTHROPIC_API_KEY"),
        ..OWN
    },
    Vendor {
        name: "gemini",
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        auth: Auth::Header("x-goog-api-key"),
        routes: &[
            gemini(Operation::Chat, "/v1beta/models/{model}:generateContent").only(false),
            gemini(Operation::Chat, "/v1beta/models/{model}:streamGenerateContent?alt=sse")
                .only(true),
            gemini(Operation::CountTokens, "/v1beta/models/{model}:countTokens"),
            gemini(Operation::Embedding, "/v1beta/models/{model}:batchEmbedContents")
                .needs(&MODEL_IN_EACH),
            gemini(Operation::Embedding, "/v1beta/models/{model}:embedContent")
                .in_forms(&[Form::Single]),
            imagen("/v1beta/models/{model}:predict"),
            Route::get(
                Operation::ListModels,
                "/v1beta/models?pageSize=1000",
                Dialect::GeminiGenerate,
            ),
        ],
        stored: stored::GEMINI,
        client_headers: GOOGLE_HEADERS,
        quirks: MODEL_IN_PATH,
        // A stream of this format has no last event but the one with the finish reason.
        stream_end: StreamEnd::FinishReasonEnough,
        model_form: ModelForm::WithoutPrefix("models/"),
        env_var: Some("GEMINI_API_KEY"),
        ..OWN
    },
    Vendor {
        name: "cohere",
        base_url: "https://api.cohere.com",
        routes: &[
            cohere(Operation::Chat, "/v2/chat"),
            cohere(Operation::Embedding, "/v2/embed"),
            cohere(Operation::Rerank, "/v2/rerank"),
            Route::get(Operation::ListModels, "/v1/models?page_size=1000", Dialect::CohereChat),
        ],
        client_headers: &["x-client-name"],
        env_var: Some("COHERE_API_KEY"),
        ..OWN
    },
    BEDROCK,
    BEDROCK_MANTLE,
    Vendor {
        name: "azure",
        auth: Auth::Azure("api-key"),
        betas: AZURE_BETAS,
        client_headers: &["openai-beta", "x-ms-client-request-id"],
        routes: &[
            // The older interface, for keys that name its version.
            openai(
                Operation::Chat,
                "/openai/deployments/{model}/chat/completions?api-version={api_version}",
            ),
            openai(
                Operation::Completion,
                "/openai/deployments/{model}/completions?api-version={api_version}",
            ),
            openai(
                Operation::Embedding,
                "/openai/deployments/{model}/embeddings?api-version={api_version}",
            ),
            openai(Operation::Chat, "/openai/v1/chat/completions"),
            openai(Operation::Completion, "/openai/v1/completions"),
            openai(Operation::Embedding, "/openai/v1/embeddings"),
            responses(Operation::Responses, "/openai/v1/responses"),
            kept::compacted("/openai/v1/responses/compact").except(&[Family::Anthropic]),
            kept::retrieved("/openai/v1/responses/{id}"),
            kept::deleted("/openai/v1/responses/{id}"),
            kept::canceled("/openai/v1/responses/{id}/cancel"),
            kept::input_items("/openai/v1/responses/{id}/input_items"),
            deployed(
                Operation::Speech,
                "/openai/deployments/{model}/audio/speech?api-version={api_version}",
            ),
            deployed(
                Operation::Transcription,
                "/openai/deployments/{model}/audio/transcriptions?api-version={api_version}",
            ),
            deployed(
                Operation::Translation,
                "/openai/deployments/{model}/audio/translations?api-version={api_version}",
            ),
            deployed(
                Operation::ImageGeneration,
                "/openai/deployments/{model}/images/generations?api-version={api_version}",
            ),
            deployed(
                Operation::ImageEdit,
                "/openai/deployments/{model}/images/edits?api-version={api_version}",
            ),
            deployed(Operation::Speech, "/openai/v1/audio/speech"),
            deployed(Operation::Transcription, "/openai/v1/audio/transcriptions"),
            deployed(Operation::Translation, "/openai/v1/audio/translations"),
            deployed(Operation::ImageGeneration, "/openai/v1/images/generations"),
            deployed(Operation::ImageEdit, "/openai/v1/images/edits"),
            anthropic(Operation::Chat, "/anthropic/v1/messages")
                .of(Family::Anthropic)
                .with(AZURE_VERSION)
                .signed(Auth::Azure("x-api-key")),
            anthropic(Operation::CountTokens, "/anthropic/v1/messages/count_tokens")
                .of(Family::Anthropic)
                .with(AZURE_VERSION)
                .signed(Auth::Azure("x-api-key")),
            Route::get(Operation::ListModels, "/openai/v1/models", Dialect::OpenAiChat),
        ],
        stored: stored::AZURE,
        base_url_from_key: true,
        ..OWN
    },
    Vendor {
        name: "vertex",
        base_url: "https://{vertex_host}",
        auth: Auth::Google,
        betas: VERTEX_BETAS,
        routes: &[
            tuned(Operation::Chat, endpoint!("{model}:generateContent")).only(false),
            tuned(Operation::Chat, endpoint!("{model}:streamGenerateContent?alt=sse")).only(true),
            tuned(Operation::CountTokens, endpoint!("{model}:countTokens")),
            vertex_gemini(Operation::Chat, google!("{model}:generateContent")).only(false),
            vertex_gemini(Operation::Chat, google!("{model}:streamGenerateContent?alt=sse"))
                .only(true),
            vertex_gemini(Operation::CountTokens, google!("{model}:countTokens")),
            gemini(Operation::Embedding, project!("publishers/google/models/{model}:predict"))
                .except(&[Family::Anthropic, Family::Llama, Family::Mistral])
                .signed(Auth::GoogleOrKey)
                // Older than the forms of the Gemini API.
                .in_forms(&[]),
            imagen(project!("publishers/google/models/{model}:predict")).signed(Auth::GoogleOrKey),
            ranking::VERTEX,
            vertex_claude(Operation::Chat, claude!("{model}:rawPredict"))
                .only(false)
                .needs(&VERTEX_CLAUDE),
            vertex_claude(Operation::Chat, claude!("{model}:streamRawPredict"))
                .only(true)
                .needs(&VERTEX_CLAUDE),
            vertex_claude(Operation::CountTokens, claude!("count-tokens:rawPredict"))
                .needs(&VERTEX_CLAUDE_COUNT),
            vertex_mistral(mistralai!("{model}:rawPredict")).only(false),
            vertex_mistral(mistralai!("{model}:streamRawPredict")).only(true),
            Route::post(
                Operation::Chat,
                project!("endpoints/openapi/chat/completions"),
                Dialect::OpenAiChat,
            )
            .except(&[
                Family::Anthropic,
                Family::Gemini,
                Family::Imagen,
                Family::Mistral,
                Family::Veo,
            ])
            .needs(&Quirks::NONE),
            Route::get(
                Operation::ListModels,
                "/v1beta1/publishers/google/models?pageSize=300",
                Dialect::GeminiGenerate,
            )
            .signed(Auth::GoogleOrKey),
        ],
        stored: stored::VERTEX,
        client_headers: GOOGLE_HEADERS,
        quirks: MODEL_IN_PATH,
        // Gemini's streams have no last event but the one with the finish reason.
        stream_end: StreamEnd::FinishReasonEnough,
        model_form: ModelForm::WithoutPrefix("google/"),
        ..OWN
    },
    Vendor {
        name: "replicate",
        base_url: "https://api.replicate.com",
        routes: &[
            prediction("/v1/predictions").versions(),
            prediction("/v1/models/{model_path}/predictions").chosen(Choice::Deployments, false),
            prediction("/v1/deployments/{model_path}/predictions")
                .chosen(Choice::Deployments, true),
            // All models of everybody's are too many for a list.
            Route::get(Operation::ListModels, "/v1/deployments", Dialect::ReplicatePredictions)
                .chosen(Choice::Deployments, true),
        ],
        stream_end: StreamEnd::FinishReasonEnough,
        client_headers: &["cancel-after"],
        env_var: Some("REPLICATE_API_KEY"),
        ..OWN
    },
];

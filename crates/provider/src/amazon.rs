//! Amazon's two hosts of models: Bedrock's own runtime, and the one that speaks the makers' formats.
//!
//! Sources: the API references of Amazon Bedrock; OpenAI's and Anthropic's own clients for it.

use weir_dialect::Quirks;
use weir_dialect::families::Family;
use weir_types::{Dialect, Framing, Operation};

use crate::compatible::BASE;
use crate::native::MODEL_IN_PATH;
use crate::ranking;
use crate::route::Route;
use crate::stored;
use crate::vendor::{Auth, Betas, StreamEnd, Vendor};

const fn converse(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::BedrockConverse)
}

/// A body in the words of the model's maker, as a client of Bedrock's wrote it.
const fn invoke(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::BedrockInvoke)
}

/// What Claude on Bedrock is told in the body, or in the path, and what it refuses there. That an
/// answer is made in a certain part of the world is said by the region and the model's name.
/// <https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock>
const CLAUDE_HERE: Quirks = Quirks {
    omits_model: true,
    adds: &[("anthropic_version", "\"bedrock-2023-05-31\"")],
    features: Some("anthropic_beta"),
    refuses: &[("inference_geo", &[b"null", b"\"global\""])],
    drops: &["stream", "service_tier", "inference_geo", "speed", "diagnostics"],
    ..Quirks::NONE
};

/// The same bodies of clients that speak Anthropic's format: Converse would lose what it has no
/// words for.
const fn claude_here(template: &'static str) -> Route {
    Route::post(Operation::Chat, template, Dialect::AnthropicMessages)
        .of(Family::Anthropic)
        .needs(&CLAUDE_HERE)
        .failing_in(Dialect::BedrockConverse)
}

/// The project that a call is accounted to, where the key names one.
const PROJECT: &[(&str, &str)] = &[("openai-project", "{project}")];
const WORKSPACE: &[(&str, &str)] =
    &[("anthropic-version", "2023-06-01"), ("anthropic-workspace-id", "{project}")];

/// Models that the makers' host answers under another path than the rest of OpenAI's format.
const FRONTIER: &[&str] = &["openai.gpt-5", "openai.gpt-6", "google.gemma-4", "xai.grok"];
/// Those that are at home there. Names of inference profiles (`us.openai.…`) are not.
const OPENAIS: &[&str] = &["openai."];

const fn chat(template: &'static str) -> Route {
    Route::post(Operation::Chat, template, Dialect::OpenAiChat).with(PROJECT)
}

const fn responses(template: &'static str) -> Route {
    Route::post(Operation::Responses, template, Dialect::OpenAiResponses).with(PROJECT)
}

const fn claude(operation: Operation, template: &'static str) -> Route {
    Route::post(operation, template, Dialect::AnthropicMessages)
        .of(Family::Anthropic)
        .with(WORKSPACE)
}

/// The runtime has no projects, so a key's project leads OpenAI's models to the host that has.
const fn of_project(route: Route) -> Route {
    route.wanting("project").signed(Auth::Aws(MANTLE)).needs(&Quirks::NONE)
}

const MANTLE: &str = "bedrock-mantle";

/// What Claude takes at the runtime.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html>
const RUNTIME_BETAS: Betas = Betas::Only(&[
    "compact-",
    "computer-use-",
    "context-1m-",
    "context-management-",
    "dev-full-thinking-",
    "effort-",
    "fine-grained-tool-streaming-",
    "interleaved-thinking-",
    "output-128k-",
    "token-efficient-tools-",
    "tool-examples-",
    "tool-search-tool-",
]);

/// `{arn}` is what stands before the names of models, with a slash at its end.
pub(crate) const BEDROCK: Vendor = Vendor {
    name: "bedrock",
    base_url: "https://bedrock-runtime.{region}.amazonaws.com",
    // What Converse has members for, and InvokeModel headers.
    client_headers: &["x-amzn-bedrock-performanceconfig-latency", "x-amzn-bedrock-service-tier"],
    routes: &[
        converse(Operation::Chat, "/model/{arn}{model}/converse").only(false),
        converse(Operation::Chat, "/model/{arn}{model}/converse-stream")
            .only(true)
            .framed(Framing::EventStream),
        converse(Operation::CountTokens, "/model/{arn}{model}/count-tokens"),
        invoke(Operation::Chat, "/model/{arn}{model}/invoke").only(false),
        invoke(Operation::Chat, "/model/{arn}{model}/invoke-with-response-stream")
            .only(true)
            .framed(Framing::EventChunks),
        // Converse has no vectors.
        invoke(Operation::Embedding, "/model/{arn}{model}/invoke"),
        ranking::BEDROCK,
        // For keys that do not open that host.
        invoke(Operation::Rerank, "/model/{arn}{model}/invoke"),
        claude_here("/model/{arn}{model}/invoke").only(false),
        claude_here("/model/{arn}{model}/invoke-with-response-stream")
            .only(true)
            .framed(Framing::EventChunks),
        of_project(
            chat("https://bedrock-mantle.{region}.api.aws/openai/v1/chat/completions")
                .beginning(FRONTIER),
        ),
        of_project(
            responses("https://bedrock-mantle.{region}.api.aws/openai/v1/responses")
                .beginning(FRONTIER),
        ),
        of_project(
            chat("https://bedrock-mantle.{region}.api.aws/v1/chat/completions").beginning(OPENAIS),
        ),
        of_project(
            responses("https://bedrock-mantle.{region}.api.aws/v1/responses").beginning(OPENAIS),
        ),
        Route::get(
            Operation::ListModels,
            "https://bedrock.{region}.amazonaws.com/foundation-models",
            Dialect::BedrockConverse,
        ),
    ],
    stored: stored::BEDROCK,
    auth: Auth::Aws("bedrock"),
    betas: RUNTIME_BETAS,
    quirks: MODEL_IN_PATH,
    stream_end: StreamEnd::NeedsDone,
    ..BASE
};

/// What Claude takes there: no files, code or servers of tools.
const MANTLE_BETAS: Betas = Betas::Only(&[
    "claude-code-",
    "compact-",
    "computer-use-",
    "context-1m-",
    "context-management-",
    "dangerous-tool-use-",
    "effort-",
    "fine-grained-tool-streaming-",
    "interleaved-thinking-",
    "output-128k-",
    "per-turn-control-",
    "structured-outputs-",
    "thinking-binding-controls-",
    "thinking-display-updates-",
    "token-efficient-tools-",
    "tool-examples-",
    "tool-search-tool-",
    "web-search-",
]);

/// OpenAI's and Anthropic's formats as they are, with Amazon's credentials.
pub(crate) const BEDROCK_MANTLE: Vendor = Vendor {
    name: "bedrock_mantle",
    base_url: "https://bedrock-mantle.{region}.api.aws",
    routes: &[
        chat("/openai/v1/chat/completions").beginning(FRONTIER),
        responses("/openai/v1/responses").beginning(FRONTIER),
        chat("/v1/chat/completions").except(&[Family::Anthropic]),
        responses("/v1/responses").except(&[Family::Anthropic]),
        claude(Operation::Chat, "/anthropic/v1/messages"),
        claude(Operation::CountTokens, "/anthropic/v1/messages/count_tokens"),
        Route::get(Operation::ListModels, "/v1/models", Dialect::OpenAiChat).with(PROJECT),
    ],
    auth: Auth::Aws(MANTLE),
    betas: MANTLE_BETAS,
    quirks: Quirks::NONE,
    stream_end: StreamEnd::NeedsDone,
    ..BASE
};

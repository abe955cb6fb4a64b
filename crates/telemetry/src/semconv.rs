//! Attribute names, in one file because the GenAI conventions still move.
//!
//! `gen_ai.*` belongs on the span of the call to the model and on no other: a tool that adds up
//! tokens over a trace would count them twice. Everything that is ours starts with `weir.`.
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/>

/// What is asked of the model: `chat`, `embeddings`. See [`weir_types::Operation::label`].
pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
/// The provider as the configuration names it, or its well-known name.
pub const GEN_AI_PROVIDER_NAME: &str = "gen_ai.provider.name";
/// The model that the provider was asked for.
pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
/// The model that the provider says has answered.
pub const GEN_AI_RESPONSE_MODEL: &str = "gen_ai.response.model";
/// The provider's id of the answer.
pub const GEN_AI_RESPONSE_ID: &str = "gen_ai.response.id";
/// Why the model stopped, one per choice.
pub const GEN_AI_RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// Tokens of the prompt.
pub const GEN_AI_USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Tokens of the answer.
pub const GEN_AI_USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// The part of the input tokens that came from the provider's cache.
pub const GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";

/// A low-cardinality name of what went wrong.
pub const ERROR_TYPE: &str = "error.type";

/// `GET`, `POST`.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The status of the answer, a number.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// The route's pattern, not the path.
pub const HTTP_ROUTE: &str = "http.route";
/// How often this call was sent before; absent for the first time.
pub const HTTP_REQUEST_RESEND_COUNT: &str = "http.request.resend_count";
/// The path of the request.
pub const URL_PATH: &str = "url.path";
/// `http` or `https`.
pub const URL_SCHEME: &str = "url.scheme";
/// The host that is called, without port or credentials.
pub const SERVER_ADDRESS: &str = "server.address";
/// The port that is called.
pub const SERVER_PORT: &str = "server.port";
/// What the client calls itself.
pub const USER_AGENT_ORIGINAL: &str = "user_agent.original";

/// The id that headers, log lines and spans of one client request share.
pub const WEIR_REQUEST_ID: &str = "weir.request.id";
/// The provider that an attempt, a wait or an answer belongs to.
pub const WEIR_PROVIDER: &str = "weir.provider";
/// The name of the key, never its value.
pub const WEIR_KEY: &str = "weir.key";
/// The name of the client's key, never its value.
pub const WEIR_CLIENT_KEY: &str = "weir.client_key";
/// The model as the client wrote it.
pub const WEIR_MODEL: &str = "weir.model";
/// Whether the client asked for a stream.
pub const WEIR_STREAM: &str = "weir.stream";
/// 1 for the first upstream try of the client's request.
pub const WEIR_ATTEMPT: &str = "weir.attempt";
/// How many upstream tries the request needed.
pub const WEIR_ATTEMPTS: &str = "weir.attempts";
/// What a translation left out: a list of `member: why`.
pub const WEIR_LOSSES: &str = "weir.losses";
/// The event that tells what a translation left out.
pub const EVENT_LOSSES: &str = "weir.losses";
/// Why an attempt failed. See [`weir_types::FailureClass::label`].
pub const WEIR_FAILURE_CLASS: &str = "weir.failure.class";
/// Microseconds spent waiting for a slot.
pub const WEIR_QUEUE_WAIT_US: &str = "weir.queue.wait_us";
/// Microseconds from sending to the first content.
pub const WEIR_FIRST_TOKEN_US: &str = "weir.first_token_us";

//! Header names that HTTP's own list does not have, made once.

use http::HeaderName;

/// The request's id, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The provider's own id of the request.
pub(crate) const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// Who answered.
pub(crate) const PROVIDER: HeaderName = HeaderName::from_static("x-weir-provider");
/// With which key, by name.
pub(crate) const KEY: HeaderName = HeaderName::from_static("x-weir-key");
/// Every try.
pub(crate) const ATTEMPTS: HeaderName = HeaderName::from_static("x-weir-attempts");
/// When a stream is to begin for the client, and when it did.
pub(crate) const COMMIT: HeaderName = HeaderName::from_static(weir_types::headers::COMMIT);
/// How limits were kept, where not exactly.
pub(crate) const QUOTA_MODE: HeaderName = HeaderName::from_static("x-weir-quota-mode");
/// What a translation left out.
pub(crate) const LOSSES: HeaderName = HeaderName::from_static(weir_types::headers::LOSSES);
/// Whose models a list lacks.
pub(crate) const LEFT_OUT: HeaderName = HeaderName::from_static(weir_types::headers::LEFT_OUT);
/// Whose models a list has from earlier.
pub(crate) const OUTDATED: HeaderName = HeaderName::from_static(weir_types::headers::OUTDATED);
/// Time spent waiting for a slot.
pub(crate) const QUEUE_MS: HeaderName = HeaderName::from_static("x-weir-queue-ms");
/// Where the time to the first byte went.
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// `Retry-After`, but finer; read by OpenAI's SDKs.
pub(crate) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Whether to send the request again; obeyed by OpenAI's and Anthropic's SDKs before any status.
pub(crate) const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Tells proxies in front of us not to hold a stream back.
pub(crate) const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A browser's word on whose page asks: <https://www.w3.org/TR/fetch-metadata/>.
pub(crate) const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// A browser's word on what it asks for.
pub(crate) const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The client's own deadline.
pub(crate) const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
/// How long the client waits for the first content of a stream.
pub(crate) const FIRST_TOKEN_MS: HeaderName =
    HeaderName::from_static("x-weir-first-token-timeout-ms");
/// How long it waits between two parts of a stream.
pub(crate) const STREAM_IDLE_MS: HeaderName =
    HeaderName::from_static("x-weir-stream-idle-timeout-ms");
/// After how long a fallback is to be asked as well.
pub(crate) const HEDGE_MS: HeaderName = HeaderName::from_static("x-weir-hedge-ms");
/// The client's own key, in the configuration format's words.
pub(crate) const CLIENT_KEY: HeaderName = HeaderName::from_static("x-bf-vk");
/// Where vendors' SDKs put a credential, besides `authorization`.
pub(crate) static SDK_KEYS: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    HeaderName::from_static("api-key"),
];
/// Pins a provider's key by name.
pub(crate) const KEY_PIN: HeaderName = HeaderName::from_static("x-bf-api-key");
/// Pins a key by id; refused, because our keys have names only.
pub(crate) const KEY_PIN_ID: HeaderName = HeaderName::from_static("x-bf-api-key-id");
/// Asks to use the client's own provider key; refused.
pub(crate) const DIRECT_KEY: HeaderName = HeaderName::from_static("x-bf-direct-key");
/// Whose models a drop-in route lists.
pub(crate) const LIST_PROVIDER: HeaderName = HeaderName::from_static("x-bf-list-models-provider");
/// W3C trace context.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// W3C trace context.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What a page may read of an answer beyond the plain headers.
pub(crate) const EXPOSED: [HeaderName; 15] = [
    COMMIT,
    REQUEST_ID,
    UPSTREAM_REQUEST_ID,
    PROVIDER,
    KEY,
    ATTEMPTS,
    QUEUE_MS,
    LOSSES,
    LEFT_OUT,
    OUTDATED,
    QUOTA_MODE,
    SERVER_TIMING,
    RETRY_AFTER_MS,
    SHOULD_RETRY,
    http::header::RETRY_AFTER,
];

//! What Converse takes, as tables.

use crate::shape::{
    ANY, BASE64, FILLED, FLAG, OBJECT, POSITIVE, Shape, TEXT, TEXTS, UNIT, is_name, may, must,
};

pub(super) static CONVERSE: Shape = Shape::Members(&[
    may("messages", &MESSAGES),
    may("system", &SYSTEM),
    may("inferenceConfig", &INFERENCE),
    may("toolConfig", &TOOL_CONFIG),
    may("guardrailConfig", &GUARDRAIL),
    may("projectIdentifier", &FILLED),
    may("additionalModelRequestFields", &OBJECT),
    may("promptVariables", &OBJECT),
    may("additionalModelResponseFieldPaths", &TEXTS),
    may("requestMetadata", &Shape::MapOf(&TEXT)),
    may("performanceConfig", &PERFORMANCE),
    may("serviceTier", &TIER),
    may("outputConfig", &OUTPUT),
]);
pub(super) static COUNT_TOKENS: Shape = Shape::Members(&[must("input", &COUNTED)]);
static COUNTED: Shape = Shape::Union(&[may("invokeModel", &INVOKED), may("converse", &CONVERSED)]);
static INVOKED: Shape = Shape::Members(&[must("body", &BASE64)]);
static CONVERSED: Shape = Shape::Members(&[
    may("messages", &MESSAGES),
    may("system", &SYSTEM),
    may("toolConfig", &TOOL_CONFIG),
    may("additionalModelRequestFields", &OBJECT),
]);

static INFERENCE: Shape = Shape::Members(&[
    may("maxTokens", &POSITIVE),
    may("temperature", &UNIT),
    may("topP", &UNIT),
    may("stopSequences", &Shape::List(&FILLED)),
]);
static PERFORMANCE: Shape =
    Shape::Members(&[may("latency", &Shape::Word(&["standard", "optimized"]))]);
static TIER: Shape =
    Shape::Members(&[must("type", &Shape::Word(&["priority", "default", "flex", "reserved"]))]);
static GUARDRAIL: Shape = Shape::Members(&[
    may("guardrailIdentifier", &TEXT),
    may("guardrailVersion", &TEXT),
    may("trace", &Shape::Word(&["enabled", "disabled", "enabled_full"])),
    may("streamProcessingMode", &Shape::Word(&["sync", "async"])),
]);
static OUTPUT: Shape = Shape::Members(&[may("textFormat", &FORMAT), may("effort", &TEXT)]);
static FORMAT: Shape = Shape::Members(&[
    must("type", &Shape::Word(&["json_schema"])),
    must("structure", &Shape::Union(&[may("jsonSchema", &JSON_SCHEMA)])),
]);
static JSON_SCHEMA: Shape = Shape::Members(&[
    must("schema", &Shape::Like(is_json_object, "the JSON text of a schema")),
    may("name", &TEXT),
    may("description", &TEXT),
]);

fn is_json_object(text: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
}

static TOOL_CONFIG: Shape =
    Shape::Members(&[must("tools", &Shape::List(&TOOL)), may("toolChoice", &TOOL_CHOICE)]);
static TOOL: Shape = Shape::Union(&[
    may("toolSpec", &TOOL_SPEC),
    may("systemTool", &NAMED),
    may("cachePoint", &CACHE_POINT),
]);
static TOOL_SPEC: Shape = Shape::Members(&[
    must("name", &NAME),
    must("inputSchema", &Shape::Union(&[may("json", &INPUT_SCHEMA)])),
    may("description", &FILLED),
    may("strict", &FLAG),
]);
static INPUT_SCHEMA: Shape = Shape::Open(&[must("type", &Shape::Word(&["object"]))]);
static NAMED: Shape = Shape::Members(&[must("name", &NAME)]);
static TOOL_CHOICE: Shape =
    Shape::Union(&[may("auto", &EMPTY), may("any", &EMPTY), may("tool", &NAMED)]);
static EMPTY: Shape = Shape::Members(&[]);
static NAME: Shape =
    Shape::Like(|name| is_name(name, 64, "_-"), "of the pattern [a-zA-Z0-9_-]+, at most 64 long");
static USE_ID: Shape =
    Shape::Like(|id| is_name(id, 64, "_.:-"), "of the pattern [a-zA-Z0-9_.:-]+, at most 64 long");

static CACHE_POINT: Shape = Shape::Members(&[
    must("type", &Shape::Word(&["default"])),
    may("ttl", &Shape::Word(&["5m", "1h"])),
]);

static SYSTEM: Shape = Shape::List(&SYSTEM_BLOCK);
static SYSTEM_BLOCK: Shape = Shape::Union(&[
    may("text", &FILLED),
    may("guardContent", &OBJECT),
    may("cachePoint", &CACHE_POINT),
]);
static MESSAGES: Shape = Shape::List(&MESSAGE);
static MESSAGE: Shape = Shape::Members(&[
    must("role", &Shape::Word(&["user", "assistant", "system"])),
    must("content", &Shape::List(&BLOCK)),
]);
static BLOCK: Shape = Shape::Union(&[
    may("text", &TEXT),
    may("image", &IMAGE),
    may("document", &DOCUMENT),
    may("video", &VIDEO),
    may("audio", &AUDIO),
    may("toolUse", &TOOL_USE),
    may("toolResult", &TOOL_RESULT),
    may("guardContent", &OBJECT),
    may("cachePoint", &CACHE_POINT),
    may("reasoningContent", &REASONING),
    may("citationsContent", &CITATIONS),
    may("searchResult", &SEARCH_RESULT),
    may("toolAddition", &CHANGED_TOOL),
    may("toolRemoval", &CHANGED_TOOL),
]);
static IMAGE: Shape = Shape::Members(&[
    must("format", &Shape::Word(&["png", "jpeg", "gif", "webp"])),
    must("source", &SOURCE),
]);
static SOURCE: Shape = Shape::Union(&[may("bytes", &BASE64), may("s3Location", &S3)]);
static S3: Shape = Shape::Members(&[
    must("uri", &Shape::Like(|uri| uri.starts_with("s3://"), "a URI of the scheme s3")),
    may("bucketOwner", &TEXT),
]);
static DOCUMENT: Shape = Shape::Members(&[
    must("name", &Shape::Like(is_document_name, DOCUMENT_NAME)),
    must("source", &DOCUMENT_SOURCE),
    may("format", &Shape::Word(&["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"])),
    may("context", &TEXT),
    may("citations", &CITING),
]);
const DOCUMENT_NAME: &str = "a file name of at most 200 alphanumeric characters, single spaces, \
                             hyphens, parentheses and square brackets";

fn is_document_name(name: &str) -> bool {
    is_name(name, 200, " -()[]") && !name.contains("  ")
}

static DOCUMENT_SOURCE: Shape = Shape::Union(&[
    may("bytes", &BASE64),
    may("s3Location", &S3),
    may("text", &TEXT),
    may("content", &Shape::List(&TEXT_UNION)),
]);
static TEXT_UNION: Shape = Shape::Union(&[may("text", &TEXT)]);
static CITING: Shape = Shape::Members(&[must("enabled", &FLAG)]);
static VIDEO: Shape = Shape::Members(&[
    must(
        "format",
        &Shape::Word(&["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"]),
    ),
    must("source", &SOURCE),
]);
static AUDIO: Shape = Shape::Members(&[
    must(
        "format",
        &Shape::Word(&[
            "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a",
            "mpeg", "mpga", "pcm", "webm",
        ]),
    ),
    must("source", &SOURCE),
]);
static TOOL_USE: Shape = Shape::Members(&[
    must("toolUseId", &USE_ID),
    must("name", &NAME),
    must("input", &OBJECT),
    may("type", &Shape::Word(&["server_tool_use"])),
]);
static TOOL_RESULT: Shape = Shape::Members(&[
    must("toolUseId", &USE_ID),
    must("content", &Shape::List(&RESULT_BLOCK)),
    may("status", &Shape::Word(&["success", "error"])),
    may("type", &TEXT),
]);
static RESULT_BLOCK: Shape = Shape::Union(&[
    may("json", &OBJECT),
    may("text", &TEXT),
    may("image", &IMAGE),
    may("document", &DOCUMENT),
    may("video", &VIDEO),
    may("searchResult", &SEARCH_RESULT),
]);
static REASONING: Shape =
    Shape::Union(&[may("reasoningText", &REASONING_TEXT), may("redactedContent", &BASE64)]);
static REASONING_TEXT: Shape = Shape::Members(&[must("text", &TEXT), may("signature", &TEXT)]);
static CITATIONS: Shape =
    Shape::Members(&[may("content", &Shape::List(&TEXT_UNION)), may("citations", &ANY)]);
static SEARCH_RESULT: Shape = Shape::Members(&[
    must("source", &TEXT),
    must("title", &TEXT),
    must("content", &Shape::List(&Shape::Members(&[must("text", &TEXT)]))),
    may("citations", &CITING),
]);
static CHANGED_TOOL: Shape = Shape::Members(&[must("tool", &OBJECT)]);

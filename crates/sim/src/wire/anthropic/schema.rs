//! What Anthropic takes, as tables: the members of bodies, blocks, tools and choices.

use crate::shape::{
    ANY, BASE64, COUNT, FILLED, FLAG, OBJECT, Shape, TEXT, TEXTS, UNIT, WHOLE, is_name, may, must,
};

pub(super) static MESSAGES_BODY: Shape = Shape::Members(&[
    must("model", &FILLED),
    must("messages", &MESSAGES),
    must("max_tokens", &COUNT),
    may("cache_control", &CACHE),
    may("container", &ANY),
    may("context_management", &OBJECT),
    may("diagnostics", &OBJECT),
    may("fallbacks", &ANY),
    may("inference_geo", &TEXT),
    may("mcp_servers", &ANY),
    may("metadata", &METADATA),
    may("output_config", &OUTPUT),
    may("service_tier", &Shape::Word(&["auto", "standard_only"])),
    may("speed", &Shape::Word(&["standard", "fast"])),
    may("stop_sequences", &TEXTS),
    may("stream", &FLAG),
    may("system", &SYSTEM),
    may("temperature", &UNIT),
    may("thinking", &THINKING),
    may("tool_choice", &CHOICE),
    may("tools", &TOOLS),
    may("top_k", &COUNT),
    may("top_p", &UNIT),
]);

/// The same at Google's: the path names the model, the body the version.
pub(super) static VERTEX_BODY: Shape = Shape::Members(&[
    must("anthropic_version", &Shape::Word(&["vertex-2023-10-16"])),
    must("messages", &MESSAGES),
    must("max_tokens", &COUNT),
    may("anthropic_beta", &TEXTS),
    may("cache_control", &CACHE),
    may("context_management", &OBJECT),
    may("metadata", &METADATA),
    may("output_config", &OUTPUT),
    may("stop_sequences", &TEXTS),
    may("stream", &FLAG),
    may("system", &SYSTEM),
    may("temperature", &UNIT),
    may("thinking", &THINKING),
    may("tool_choice", &CHOICE),
    may("tools", &TOOLS),
    may("top_k", &COUNT),
    may("top_p", &UNIT),
]);

/// The same at Amazon's: the path names the model and whether it streams, the body the version.
pub(super) static AMAZON_BODY: Shape = Shape::Members(&[
    must("anthropic_version", &Shape::Word(&["bedrock-2023-05-31"])),
    must("messages", &MESSAGES),
    must("max_tokens", &COUNT),
    may("anthropic_beta", &TEXTS),
    may("context_management", &OBJECT),
    may("metadata", &METADATA),
    may("output_config", &OUTPUT),
    may("stop_sequences", &TEXTS),
    may("system", &SYSTEM),
    may("temperature", &UNIT),
    may("thinking", &THINKING),
    may("tool_choice", &CHOICE),
    may("tools", &TOOLS),
    may("top_k", &COUNT),
    may("top_p", &UNIT),
]);

pub(super) static COUNT_BODY: Shape = Shape::Members(&[
    must("model", &FILLED),
    must("messages", &MESSAGES),
    may("cache_control", &CACHE),
    may("context_management", &OBJECT),
    may("mcp_servers", &ANY),
    may("output_config", &OUTPUT),
    may("speed", &Shape::Word(&["standard", "fast"])),
    may("system", &SYSTEM),
    may("thinking", &THINKING),
    may("tool_choice", &CHOICE),
    may("tools", &TOOLS),
]);

static METADATA: Shape = Shape::Members(&[may("user_id", &TEXT)]);
static CACHE: Shape = Shape::Members(&[
    must("type", &Shape::Word(&["ephemeral"])),
    may("ttl", &Shape::Word(&["5m", "1h"])),
]);
static OUTPUT: Shape = Shape::Members(&[
    may("effort", &Shape::Word(&["low", "medium", "high", "xhigh", "max"])),
    may("format", &FORMAT),
    may("task_budget", &OBJECT),
]);
static FORMAT: Shape =
    Shape::Members(&[must("type", &Shape::Word(&["json_schema"])), must("schema", &OBJECT)]);

static THINKING: Shape = Shape::Tagged(
    "type",
    &[
        ("enabled", &THINKING_ENABLED),
        ("adaptive", &THINKING_ADAPTIVE),
        ("between_tools", &ONLY_TYPE),
        ("disabled", &ONLY_TYPE),
    ],
    None,
);
static THINKING_ENABLED: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("budget_tokens", &Shape::Whole(1024)),
    may("display", &DISPLAY),
]);
static THINKING_ADAPTIVE: Shape = Shape::Members(&[must("type", &TEXT), may("display", &DISPLAY)]);
static DISPLAY: Shape = Shape::Word(&["summarized", "omitted"]);
static ONLY_TYPE: Shape = Shape::Members(&[must("type", &TEXT)]);

static CHOICE: Shape = Shape::Tagged(
    "type",
    &[("auto", &ANY_CHOICE), ("any", &ANY_CHOICE), ("tool", &TOOL_CHOICE), ("none", &ONLY_TYPE)],
    None,
);
static ANY_CHOICE: Shape =
    Shape::Members(&[must("type", &TEXT), may("disable_parallel_tool_use", &FLAG)]);
static TOOL_CHOICE: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("name", &TEXT),
    may("disable_parallel_tool_use", &FLAG),
]);

static TOOLS: Shape = Shape::List(&TOOL);
static TOOL: Shape =
    Shape::Tagged("type", &[("", &CUSTOM_TOOL), ("custom", &CUSTOM_TOOL)], Some(&SERVER_TOOL));
static CUSTOM_TOOL: Shape = Shape::Members(&[
    must("name", &NAME),
    must("input_schema", &INPUT_SCHEMA),
    may("type", &TEXT),
    may("description", &TEXT),
    may("allowed_callers", &TEXTS),
    may("cache_control", &CACHE),
    may("defer_loading", &FLAG),
    may("eager_input_streaming", &FLAG),
    may("input_examples", &Shape::List(&OBJECT)),
    may("strict", &FLAG),
]);
static INPUT_SCHEMA: Shape = Shape::Open(&[
    must("type", &Shape::Word(&["object"])),
    may("properties", &OBJECT),
    may("required", &TEXTS),
]);
/// Tools of Anthropic's own have many shapes.
static SERVER_TOOL: Shape = Shape::Open(&[must("type", &TEXT), may("cache_control", &CACHE)]);
static NAME: Shape = Shape::Like(
    |name| is_name(name, 128, "_-"),
    "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
);
static ID: Shape = Shape::Like(
    |id| is_name(id, usize::MAX, "_-"),
    "String should match pattern '^[a-zA-Z0-9_-]+$'",
);

static SYSTEM: Shape = Shape::TextOr(&SYSTEM_BLOCKS);
static SYSTEM_BLOCKS: Shape = Shape::List(&SYSTEM_BLOCK);
static SYSTEM_BLOCK: Shape = Shape::Tagged("type", &[("text", &TEXT_BLOCK)], None);
static MESSAGES: Shape = Shape::List(&MESSAGE);
static MESSAGE: Shape = Shape::Members(&[
    must("role", &Shape::Word(&["user", "assistant", "system"])),
    must("content", &CONTENT),
]);
static CONTENT: Shape = Shape::TextOr(&BLOCKS);
static BLOCKS: Shape = Shape::List(&BLOCK);
static BLOCK: Shape = Shape::Tagged(
    "type",
    &[
        ("text", &TEXT_BLOCK),
        ("image", &IMAGE_BLOCK),
        ("document", &DOCUMENT_BLOCK),
        ("search_result", &SEARCH_BLOCK),
        ("thinking", &THINKING_BLOCK),
        ("redacted_thinking", &REDACTED_BLOCK),
        ("tool_use", &USE_BLOCK),
        ("tool_result", &RESULT_BLOCK),
        ("server_tool_use", &SERVER_BLOCK),
        ("web_search_tool_result", &SERVER_BLOCK),
        ("web_fetch_tool_result", &SERVER_BLOCK),
        ("code_execution_tool_result", &SERVER_BLOCK),
        ("bash_code_execution_tool_result", &SERVER_BLOCK),
        ("text_editor_code_execution_tool_result", &SERVER_BLOCK),
        ("tool_search_tool_result", &SERVER_BLOCK),
        ("container_upload", &SERVER_BLOCK),
        ("browser_state", &SERVER_BLOCK),
        ("mcp_tool_use", &SERVER_BLOCK),
        ("mcp_tool_result", &SERVER_BLOCK),
        ("compaction", &SERVER_BLOCK),
    ],
    None,
);
static TEXT_BLOCK: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("text", &TEXT),
    may("cache_control", &CACHE),
    may("citations", &ANY),
]);
static IMAGE_BLOCK: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("source", &IMAGE_SOURCE),
    may("cache_control", &CACHE),
    may("transformations", &ANY),
]);
static IMAGE_SOURCE: Shape = Shape::Tagged(
    "type",
    &[("base64", &IMAGE_BYTES), ("url", &URL_SOURCE), ("file", &FILE_SOURCE)],
    None,
);
static IMAGE_BYTES: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("media_type", &Shape::Word(&["image/jpeg", "image/png", "image/gif", "image/webp"])),
    must("data", &BASE64),
]);
static URL_SOURCE: Shape = Shape::Members(&[must("type", &TEXT), must("url", &URL)]);
static URL: Shape = Shape::Like(|url| url.starts_with("https://"), "a URL of the scheme https");
static FILE_SOURCE: Shape = Shape::Members(&[must("type", &TEXT), must("file_id", &FILLED)]);
static DOCUMENT_BLOCK: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("source", &DOCUMENT_SOURCE),
    may("cache_control", &CACHE),
    may("citations", &ANY),
    may("context", &TEXT),
    may("title", &TEXT),
]);
static DOCUMENT_SOURCE: Shape = Shape::Tagged(
    "type",
    &[
        ("base64", &PDF_BYTES),
        ("text", &PLAIN_SOURCE),
        ("content", &CONTENT_SOURCE),
        ("url", &URL_SOURCE),
        ("file", &FILE_SOURCE),
    ],
    None,
);
static PDF_BYTES: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("media_type", &Shape::Word(&["application/pdf"])),
    must("data", &BASE64),
]);
static PLAIN_SOURCE: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("media_type", &Shape::Word(&["text/plain"])),
    must("data", &FILLED),
]);
static CONTENT_SOURCE: Shape = Shape::Members(&[must("type", &TEXT), must("content", &ANY)]);
static SEARCH_BLOCK: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("source", &TEXT),
    must("title", &TEXT),
    must("content", &SYSTEM_BLOCKS),
    may("cache_control", &CACHE),
    may("citations", &ANY),
]);
static THINKING_BLOCK: Shape =
    Shape::Members(&[must("type", &TEXT), must("thinking", &TEXT), must("signature", &TEXT)]);
static REDACTED_BLOCK: Shape = Shape::Members(&[must("type", &TEXT), must("data", &FILLED)]);
static USE_BLOCK: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("id", &ID),
    must("name", &TEXT),
    must("input", &OBJECT),
    may("cache_control", &CACHE),
    may("caller", &OBJECT),
    may("toolset_name", &TEXT),
]);
static RESULT_BLOCK: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("tool_use_id", &ID),
    may("content", &RESULT_CONTENT),
    may("is_error", &FLAG),
    may("cache_control", &CACHE),
    may("toolset_name", &TEXT),
]);
static RESULT_CONTENT: Shape = Shape::TextOr(&RESULT_PARTS);
static RESULT_PARTS: Shape = Shape::List(&RESULT_PART);
static RESULT_PART: Shape = Shape::Tagged(
    "type",
    &[
        ("text", &TEXT_BLOCK),
        ("image", &IMAGE_BLOCK),
        ("document", &DOCUMENT_BLOCK),
        ("search_result", &SEARCH_BLOCK),
        ("tool_reference", &SERVER_BLOCK),
    ],
    None,
);
/// Blocks of Anthropic's own tools have many shapes.
static SERVER_BLOCK: Shape =
    Shape::Open(&[must("type", &TEXT), may("cache_control", &CACHE), may("index", &WHOLE)]);

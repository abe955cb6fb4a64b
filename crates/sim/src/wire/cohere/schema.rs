//! What Cohere takes, as tables that leave room for more.

use crate::shape::{
    ANY, COUNT, FILLED, FLAG, NUMBER, OBJECT, POSITIVE, Shape, TEXT, TEXTS, UNIT, may, must,
};

pub(super) static CHAT: Shape = Shape::Open(&[
    must("model", &FILLED),
    must("messages", &Shape::List(&MESSAGE)),
    may("stream", &FLAG),
    may("tools", &Shape::List(&TOOL)),
    may("tool_choice", &Shape::Word(&["REQUIRED", "NONE"])),
    may("strict_tools", &FLAG),
    may("documents", &Shape::List(&ANY)),
    may("citation_options", &OBJECT),
    may("response_format", &FORMAT),
    may("safety_mode", &Shape::Word(&["CONTEXTUAL", "STRICT", "OFF"])),
    may("max_tokens", &COUNT),
    may("stop_sequences", &TEXTS),
    may("temperature", &NUMBER),
    may("seed", &COUNT),
    may("frequency_penalty", &UNIT),
    may("presence_penalty", &UNIT),
    may("k", &Shape::Number(0.0, 500.0)),
    may("p", &Shape::Number(0.01, 0.99)),
    may("logprobs", &FLAG),
    may("thinking", &THINKING),
    may("priority", &COUNT),
]);
static THINKING: Shape = Shape::Open(&[
    must("type", &Shape::Word(&["enabled", "disabled"])),
    may("token_budget", &POSITIVE),
]);
static FORMAT: Shape = Shape::Open(&[
    must("type", &Shape::Word(&["text", "json_object"])),
    may("json_schema", &OBJECT),
]);
static TOOL: Shape =
    Shape::Open(&[must("type", &Shape::Word(&["function"])), must("function", &FUNCTION)]);
static FUNCTION: Shape =
    Shape::Open(&[must("name", &FILLED), must("parameters", &OBJECT), may("description", &TEXT)]);
static MESSAGE: Shape = Shape::Tagged(
    "role",
    &[("user", &SPOKEN), ("system", &SPOKEN), ("assistant", &ASSISTANT), ("tool", &RESULT)],
    None,
);
static SPOKEN: Shape = Shape::Open(&[must("content", &CONTENT)]);
static CONTENT: Shape = Shape::TextOr(&PARTS);
static PARTS: Shape = Shape::List(&PART);
static PART: Shape = Shape::Tagged(
    "type",
    &[
        ("text", &Shape::Open(&[must("text", &TEXT)])),
        ("image_url", &Shape::Open(&[must("image_url", &IMAGE)])),
        ("thinking", &Shape::Open(&[must("thinking", &TEXT)])),
        ("document", &Shape::Open(&[must("document", &OBJECT)])),
    ],
    None,
);
static IMAGE: Shape = Shape::Open(&[must("url", &FILLED)]);
static ASSISTANT: Shape = Shape::Open(&[
    may("content", &CONTENT),
    may("tool_calls", &Shape::List(&CALL)),
    may("tool_plan", &TEXT),
    may("citations", &ANY),
]);
static CALL: Shape = Shape::Open(&[
    must("id", &FILLED),
    must("type", &Shape::Word(&["function"])),
    must("function", &CALLED),
]);
static CALLED: Shape = Shape::Open(&[must("name", &FILLED), must("arguments", &TEXT)]);
static RESULT: Shape = Shape::Open(&[must("tool_call_id", &FILLED), must("content", &CONTENT)]);

pub(super) static EMBED: Shape = Shape::Open(&[
    must("model", &FILLED),
    must(
        "input_type",
        &Shape::Word(&["search_document", "search_query", "classification", "clustering", "image"]),
    ),
    may("texts", &TEXTS),
    may("images", &TEXTS),
    may("inputs", &Shape::List(&INPUT)),
    may("max_tokens", &COUNT),
    may("output_dimension", &POSITIVE),
    may(
        "embedding_types",
        &Shape::List(&Shape::Word(&["float", "int8", "uint8", "binary", "ubinary", "base64"])),
    ),
    may("truncate", &Shape::Word(&["NONE", "START", "END"])),
]);
static INPUT: Shape = Shape::Open(&[must("content", &PARTS)]);

pub(super) static RERANK: Shape = Shape::Open(&[
    must("model", &FILLED),
    must("query", &FILLED),
    must("documents", &TEXTS),
    may("top_n", &POSITIVE),
    may("max_tokens_per_doc", &COUNT),
    may("priority", &COUNT),
]);

//! What the service takes, as tables.

use crate::shape::{
    ANY, COUNT, FILLED, FLAG, OBJECT, Shape, TEXT, TEXTS, UNIT, UP_TO_TWO, may, must,
};

pub(super) static BODY: Shape = Shape::Members(&[
    may("model", &FILLED),
    may("input", &INPUT),
    may("access_programs", &OBJECT),
    may("background", &FLAG),
    may("background_options", &OBJECT),
    may("context_management", &ANY),
    may("conversation", &ANY),
    may("image", &OBJECT),
    may("include", &TEXTS),
    may("instructions", &TEXT),
    may("max_output_tokens", &Shape::Whole(16)),
    may("max_tool_calls", &COUNT),
    may("metadata", &Shape::MapOf(&TEXT)),
    may("moderation", &OBJECT),
    may("parallel_tool_calls", &FLAG),
    may("previous_response_id", &TEXT),
    may("prompt", &OBJECT),
    may("prompt_cache_key", &TEXT),
    may("prompt_cache_options", &OBJECT),
    may("prompt_cache_retention", &TEXT),
    may("reasoning", &REASONING),
    may("safety_identifier", &TEXT),
    may("service_tier", &TEXT),
    may("store", &FLAG),
    may("stream", &FLAG),
    may("stream_options", &STREAM_OPTIONS),
    may("temperature", &UP_TO_TWO),
    may("text", &TEXT_OPTIONS),
    may("tool_choice", &ANY),
    may("tools", &TOOLS),
    may("top_logprobs", &COUNT),
    may("top_p", &UNIT),
    may("truncation", &TRUNCATION),
    may("user", &TEXT),
]);

pub(super) static COUNT_BODY: Shape = Shape::Members(&[
    may("model", &FILLED),
    may("input", &INPUT),
    may("conversation", &ANY),
    may("instructions", &TEXT),
    may("parallel_tool_calls", &FLAG),
    may("personality", &TEXT),
    may("previous_response_id", &TEXT),
    may("reasoning", &REASONING),
    may("text", &TEXT_OPTIONS),
    may("tool_choice", &ANY),
    may("tools", &TOOLS),
    may("truncation", &TRUNCATION),
]);

pub(super) static COMPACT_BODY: Shape = Shape::Members(&[
    must("model", &FILLED),
    may("image", &OBJECT),
    may("input", &INPUT),
    may("instructions", &TEXT),
    may("previous_response_id", &TEXT),
    may("prompt_cache_key", &TEXT),
    may("prompt_cache_options", &OBJECT),
    may("prompt_cache_retention", &TEXT),
    may("service_tier", &TEXT),
]);

static TRUNCATION: Shape = Shape::Word(&["auto", "disabled"]);
static STREAM_OPTIONS: Shape = Shape::Members(&[may("include_obfuscation", &FLAG)]);
static REASONING: Shape = Shape::Members(&[
    may("context", &TEXT),
    may("effort", &Shape::Word(&["none", "minimal", "low", "medium", "high", "xhigh", "max"])),
    may("generate_summary", &SUMMARY_KIND),
    may("mode", &TEXT),
    may("summary", &SUMMARY_KIND),
]);
static SUMMARY_KIND: Shape = Shape::Word(&["auto", "concise", "detailed"]);
static TEXT_OPTIONS: Shape = Shape::Members(&[
    may("format", &FORMAT),
    may("verbosity", &Shape::Word(&["low", "medium", "high"])),
]);
static FORMAT: Shape = Shape::Tagged(
    "type",
    &[("text", &ONLY_TYPE), ("json_object", &ONLY_TYPE), ("json_schema", &JSON_SCHEMA)],
    None,
);
static ONLY_TYPE: Shape = Shape::Members(&[must("type", &TEXT)]);
static JSON_SCHEMA: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("name", &FILLED),
    must("schema", &OBJECT),
    may("description", &TEXT),
    may("strict", &FLAG),
]);

static TOOLS: Shape = Shape::List(&TOOL);
static TOOL: Shape = Shape::Tagged("type", &[("function", &FUNCTION)], Some(&HOSTED));
static FUNCTION: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("name", &TEXT),
    may("parameters", &OBJECT),
    may("strict", &FLAG),
    may("description", &TEXT),
    may("allowed_callers", &TEXTS),
    may("defer_loading", &FLAG),
    may("output_schema", &OBJECT),
]);
/// Tools that OpenAI runs have many shapes.
static HOSTED: Shape = Shape::Open(&[must("type", &TEXT)]);

static INPUT: Shape = Shape::TextOr(&ITEMS);
static ITEMS: Shape = Shape::List(&ITEM);
static ITEM: Shape = Shape::Tagged(
    "type",
    &[
        ("", &MESSAGE),
        ("message", &MESSAGE),
        ("function_call", &CALL),
        ("function_call_output", &OUTPUT),
        ("reasoning", &THOUGHT),
        ("item_reference", &OTHER),
        ("custom_tool_call", &OTHER),
        ("custom_tool_call_output", &OTHER),
        ("web_search_call", &OTHER),
        ("file_search_call", &OTHER),
        ("computer_call", &OTHER),
        ("computer_call_output", &OTHER),
        ("code_interpreter_call", &OTHER),
        ("image_generation_call", &OTHER),
        ("local_shell_call", &OTHER),
        ("local_shell_call_output", &OTHER),
        ("shell_call", &OTHER),
        ("shell_call_output", &OTHER),
        ("apply_patch_call", &OTHER),
        ("apply_patch_call_output", &OTHER),
        ("tool_search_call", &OTHER),
        ("tool_search_output", &OTHER),
        ("additional_tools", &OTHER),
        ("mcp_list_tools", &OTHER),
        ("mcp_approval_request", &OTHER),
        ("mcp_approval_response", &OTHER),
        ("mcp_call", &OTHER),
        ("compaction", &OTHER),
        ("compaction_trigger", &OTHER),
        ("program", &OTHER),
        ("program_output", &OTHER),
    ],
    None,
);
static OTHER: Shape = Shape::Open(&[must("type", &TEXT)]);
static STATUS: Shape = Shape::Word(&["in_progress", "completed", "incomplete"]);
static MESSAGE: Shape = Shape::Members(&[
    must("role", &Shape::Word(&["user", "assistant", "system", "developer"])),
    must("content", &CONTENT),
    may("type", &TEXT),
    may("id", &TEXT),
    may("status", &STATUS),
    may("phase", &Shape::Word(&["commentary", "final_answer"])),
]);
static CONTENT: Shape = Shape::TextOr(&PARTS);
static PARTS: Shape = Shape::List(&PART);
static PART: Shape = Shape::Tagged(
    "type",
    &[
        ("input_text", &INPUT_TEXT),
        ("input_image", &INPUT_IMAGE),
        ("input_file", &INPUT_FILE),
        ("input_audio", &OTHER),
        ("output_text", &OUTPUT_TEXT),
        ("refusal", &REFUSED),
    ],
    None,
);
static INPUT_TEXT: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("text", &TEXT),
    may("prompt_cache_breakpoint", &ANY),
]);
static INPUT_IMAGE: Shape = Shape::Members(&[
    must("type", &TEXT),
    may("detail", &Shape::Word(&["low", "high", "auto", "original"])),
    may("image_url", &TEXT),
    may("file_id", &TEXT),
    may("prompt_cache_breakpoint", &ANY),
]);
static INPUT_FILE: Shape = Shape::Members(&[
    must("type", &TEXT),
    may("detail", &TEXT),
    may("file_data", &TEXT),
    may("file_id", &TEXT),
    may("file_url", &TEXT),
    may("filename", &TEXT),
    may("prompt_cache_breakpoint", &ANY),
]);
static OUTPUT_TEXT: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("text", &TEXT),
    may("annotations", &Shape::List(&OBJECT)),
    may("logprobs", &ANY),
]);
static REFUSED: Shape = Shape::Members(&[must("type", &TEXT), must("refusal", &TEXT)]);
static CALL: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("call_id", &CALL_ID),
    must("name", &FILLED),
    must("arguments", &TEXT),
    may("id", &TEXT),
    may("async", &FLAG),
    may("caller", &OBJECT),
    may("namespace", &TEXT),
    may("status", &STATUS),
]);
static CALL_ID: Shape =
    Shape::Like(|id| (1..=64).contains(&id.chars().count()), "a string of 1 to 64 characters");
static OUTPUT: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("output", &CONTENT),
    must("call_id", &CALL_ID),
    may("id", &TEXT),
    may("caller", &OBJECT),
    may("name", &TEXT),
    may("namespace", &TEXT),
    may("status", &STATUS),
]);
static THOUGHT: Shape = Shape::Members(&[
    must("type", &TEXT),
    must("id", &FILLED),
    must("summary", &SUMMARIES),
    may("content", &Shape::List(&OBJECT)),
    may("encrypted_content", &TEXT),
    may("status", &STATUS),
]);
static SUMMARIES: Shape = Shape::List(&SUMMARY);
static SUMMARY: Shape = Shape::Members(&[must("type", &TEXT), must("text", &TEXT)]);

//! What Google takes, as tables.

use crate::shape::{
    ANY, BASE64, COUNT, FILLED, FLAG, NUMBER, OBJECT, POSITIVE, Shape, TEXT, TEXTS, UNIT,
    UP_TO_TWO, WHOLE, is_name, may, must,
};

pub(super) static GENERATE: Shape = Shape::Members(&[
    must("contents", &CONTENTS),
    may("model", &TEXT),
    may("systemInstruction", &CONTENT),
    may("tools", &TOOLS),
    may("toolConfig", &TOOL_CONFIG),
    may("safetySettings", &SAFETY),
    may("generationConfig", &GENERATION),
    may("cachedContent", &TEXT),
    may("serviceTier", &TEXT),
    may("store", &FLAG),
]);
pub(super) static VERTEX_GENERATE: Shape = Shape::Members(&[
    must("contents", &CONTENTS),
    may("systemInstruction", &CONTENT),
    may("tools", &TOOLS),
    may("toolConfig", &TOOL_CONFIG),
    may("safetySettings", &SAFETY),
    may("generationConfig", &GENERATION),
    may("cachedContent", &TEXT),
    may("labels", &Shape::MapOf(&TEXT)),
    may("modelArmorConfig", &OBJECT),
]);
/// Either contents or a whole request, which then has the rest.
pub(super) static COUNT_TOKENS: Shape =
    Shape::Members(&[may("contents", &CONTENTS), may("generateContentRequest", &COUNTED)]);
static COUNTED: Shape = Shape::Members(&[
    must("model", &FILLED),
    must("contents", &CONTENTS),
    may("systemInstruction", &CONTENT),
    may("tools", &TOOLS),
    may("toolConfig", &TOOL_CONFIG),
    may("safetySettings", &SAFETY),
    may("generationConfig", &GENERATION),
    may("cachedContent", &TEXT),
]);
pub(super) static VERTEX_COUNT_TOKENS: Shape = Shape::Members(&[
    must("contents", &CONTENTS),
    may("model", &TEXT),
    may("systemInstruction", &CONTENT),
    may("tools", &TOOLS),
    may("generationConfig", &GENERATION),
]);

pub(super) static EMBED: Shape = Shape::Members(&[
    must("content", &CONTENT),
    may("model", &TEXT),
    may("taskType", &TEXT),
    may("title", &TEXT),
    may("outputDimensionality", &POSITIVE),
    may("autoTruncate", &FLAG),
    may("embedContentConfig", &OBJECT),
]);
pub(super) static BATCH_EMBED: Shape = Shape::Members(&[must("requests", &Shape::List(&BATCHED))]);
static BATCHED: Shape = Shape::Members(&[
    must("model", &FILLED),
    must("content", &CONTENT),
    may("taskType", &TEXT),
    may("title", &TEXT),
    may("outputDimensionality", &POSITIVE),
    may("embedContentConfig", &OBJECT),
]);
pub(super) static PREDICT: Shape =
    Shape::Members(&[must("instances", &Shape::List(&INSTANCE)), may("parameters", &PARAMETERS)]);
static INSTANCE: Shape =
    Shape::Open(&[must("content", &TEXT), may("task_type", &TEXT), may("title", &TEXT)]);
static PARAMETERS: Shape =
    Shape::Open(&[may("outputDimensionality", &POSITIVE), may("autoTruncate", &FLAG)]);

static CONTENTS: Shape = Shape::List(&CONTENT);
static CONTENT: Shape = Shape::Members(&[may("role", &TEXT), may("parts", &Shape::List(&PART))]);
/// Of the first ten exactly one; `turns` sees to that.
static PART: Shape = Shape::Members(&[
    may("text", &TEXT),
    may("inlineData", &BLOB),
    may("functionCall", &CALL),
    may("functionResponse", &RESPONSE),
    may("fileData", &FILE),
    may("executableCode", &OBJECT),
    may("codeExecutionResult", &OBJECT),
    may("toolCall", &OBJECT),
    may("toolResponse", &OBJECT),
    may("audioTranscription", &OBJECT),
    may("thought", &FLAG),
    may("thoughtSignature", &BASE64),
    may("videoMetadata", &OBJECT),
    may("mediaResolution", &ANY),
    may("partMetadata", &OBJECT),
]);
static BLOB: Shape =
    Shape::Members(&[must("mimeType", &FILLED), must("data", &BASE64), may("displayName", &TEXT)]);
static FILE: Shape =
    Shape::Members(&[must("fileUri", &FILLED), may("mimeType", &TEXT), may("displayName", &TEXT)]);
static CALL: Shape = Shape::Members(&[
    must("name", &NAME),
    may("id", &TEXT),
    may("args", &OBJECT),
    may("partialArgs", &ANY),
    may("willContinue", &FLAG),
]);
static RESPONSE: Shape = Shape::Members(&[
    must("name", &NAME),
    must("response", &OBJECT),
    may("id", &TEXT),
    may("parts", &Shape::List(&OBJECT)),
    may("scheduling", &TEXT),
    may("willContinue", &FLAG),
]);
static NAME: Shape = Shape::Like(
    |name| {
        is_name(name, 64, "_.:-") && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    },
    "a function name: a letter or an underscore, then letters, digits, underscores, dots, colons \
     or dashes, at most 64 of them",
);

static TOOLS: Shape = Shape::List(&TOOL);
static TOOL: Shape = Shape::Members(&[
    may("functionDeclarations", &Shape::List(&DECLARATION)),
    may("googleSearch", &OBJECT),
    may("googleSearchRetrieval", &OBJECT),
    may("googleMaps", &OBJECT),
    may("codeExecution", &OBJECT),
    may("computerUse", &OBJECT),
    may("enterpriseWebSearch", &OBJECT),
    may("fileSearch", &OBJECT),
    may("mcpServers", &ANY),
    may("retrieval", &OBJECT),
    may("urlContext", &OBJECT),
]);
static DECLARATION: Shape = Shape::Members(&[
    must("name", &NAME),
    may("description", &TEXT),
    may("behavior", &TEXT),
    may("parameters", &SCHEMA),
    may("parametersJsonSchema", &ANY),
    may("response", &SCHEMA),
    may("responseJsonSchema", &ANY),
]);
/// The part of OpenAPI's schemas that Google takes; JSON Schema has members of its own.
static SCHEMA: Shape = Shape::Members(&[
    may("type", &KIND),
    may("anyOf", &Shape::List(&SCHEMA)),
    may("default", &ANY),
    may("description", &TEXT),
    may("enum", &TEXTS),
    may("example", &ANY),
    may("format", &TEXT),
    may("items", &SCHEMA),
    may("maxItems", &ANY),
    may("maxLength", &ANY),
    may("maxProperties", &ANY),
    may("maximum", &NUMBER),
    may("minItems", &ANY),
    may("minLength", &ANY),
    may("minProperties", &ANY),
    may("minimum", &NUMBER),
    may("nullable", &FLAG),
    may("pattern", &TEXT),
    may("properties", &Shape::MapOf(&SCHEMA)),
    may("propertyOrdering", &TEXTS),
    may("required", &TEXTS),
    may("title", &TEXT),
]);
static KIND: Shape = Shape::Word(&[
    "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "string", "number",
    "integer", "boolean", "array", "object", "null",
]);
static TOOL_CONFIG: Shape = Shape::Members(&[
    may("functionCallingConfig", &CALLING),
    may("retrievalConfig", &OBJECT),
    may("includeServerSideToolInvocations", &FLAG),
]);
static CALLING: Shape = Shape::Members(&[
    may("mode", &Shape::Word(&["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"])),
    may("allowedFunctionNames", &TEXTS),
    may("streamFunctionCallArguments", &FLAG),
]);
static SAFETY: Shape = Shape::List(&Shape::Members(&[
    must("category", &FILLED),
    must("threshold", &FILLED),
    may("method", &TEXT),
]));

static GENERATION: Shape = Shape::Members(&[
    may("audioTimestamp", &FLAG),
    may("candidateCount", &POSITIVE),
    may("enableAffectiveDialog", &FLAG),
    may("enableEnhancedCivicAnswers", &FLAG),
    may("frequencyPenalty", &NUMBER),
    may("imageConfig", &OBJECT),
    may("logprobs", &COUNT),
    may("maxOutputTokens", &POSITIVE),
    may("mediaResolution", &TEXT),
    may("presencePenalty", &NUMBER),
    may("responseFormat", &ANY),
    may("responseJsonSchema", &ANY),
    may("responseLogprobs", &FLAG),
    may("responseMimeType", &TEXT),
    may("responseModalities", &TEXTS),
    may("responseSchema", &SCHEMA),
    may("routingConfig", &OBJECT),
    may("seed", &WHOLE),
    may("speechConfig", &OBJECT),
    may("stopSequences", &TEXTS),
    may("temperature", &UP_TO_TWO),
    may("thinkingConfig", &THINKING),
    may("topK", &NUMBER),
    may("topP", &UNIT),
]);
static THINKING: Shape = Shape::Members(&[
    may("includeThoughts", &FLAG),
    may("thinkingBudget", &Shape::Whole(-1)),
    may("thinkingLevel", &LEVEL),
]);
static LEVEL: Shape = Shape::Word(&[
    "THINKING_LEVEL_UNSPECIFIED",
    "MINIMAL",
    "LOW",
    "MEDIUM",
    "HIGH",
    "XHIGH",
    "minimal",
    "low",
    "medium",
    "high",
    "xhigh",
]);

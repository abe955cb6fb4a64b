//! What each format says of stored things, as rows.

use weir_types::Form;

use super::{Names, Stored};

/// What most have in common.
pub(crate) const BASE: Stored = Stored {
    ids: &["id"],
    addresses: &[],
    nests: &[],
    names: None,
    input: None,
    address: None,
    items: &["data"],
    after: "after",
    before: None,
    token: None,
    total: None,
    limit: "limit",
    query: &[],
    refers: &["file_id"],
    unkept: None,
    objects: None,
    clients: None,
};

/// Files and batches as OpenAI's API has them.
pub(crate) const OPENAI: Stored = Stored {
    ids: &["id", "input_file_id", "output_file_id", "error_file_id"],
    input: Some("input_file_id"),
    query: &["limit", "order", "purpose", "page", "page_size", "sample_type", "search", "source"],
    clients: Some((Form::Mistral, &MISTRAL)),
    ..BASE
};

/// As Mistral's has them. <https://docs.mistral.ai/api/endpoint/batch>
const MISTRAL: Stored = Stored {
    ids: &["id", "input_files", "output_file", "error_file"],
    input: Some("input_files"),
    after: "",
    total: Some("total"),
    limit: "page_size",
    query: &[
        "agent_id",
        "created_after",
        "created_by_me",
        "include_total",
        "metadata",
        "mimetypes",
        "model",
        "order_by",
        "page",
        "page_size",
        "purpose",
        "sample_type",
        "search",
        "source",
        "status",
    ],
    ..BASE
};

/// Responses as OpenAI's API keeps them; what they were made from are items with ids of their own.
pub(crate) const RESPONSES: Stored = Stored {
    ids: &["id", "previous_response_id"],
    query: &[
        "after",
        "include",
        "include[]",
        "include_obfuscation",
        "limit",
        "order",
        "starting_after",
        "stream",
    ],
    refers: &["file_id", "previous_response_id"],
    unkept: Some(UNKEPT),
    ..BASE
};

/// How the ids of responses begin that are written here from another format's answers.
pub(crate) const UNKEPT: &str = "resp_unkept_";

/// As Anthropic's has them.
pub(crate) const ANTHROPIC: Stored = Stored {
    address: Some(("results_url", "/v1/messages/batches/{id}/results")),
    after: "after_id",
    before: Some("before_id"),
    token: Some(("page", "next_page")),
    query: &["limit", "beta"],
    ..BASE
};

/// As Google's Gemini API has them. What is asked within a batch, and what came of it, is not looked at.
/// <https://ai.google.dev/api/files>, <https://ai.google.dev/api/batch-api>
pub(crate) const GEMINI: Stored = Stored {
    ids: &["name", "fileName", "responsesFile"],
    addresses: &["uri", "downloadUri"],
    nests: &["file", "inputConfig", "metadata", "output", "response"],
    names: Some(Names { files: "files/", batches: "batches/" }),
    items: &["files", "operations"],
    after: "",
    token: Some(("pageToken", "nextPageToken")),
    limit: "pageSize",
    query: &["pageSize", "filter"],
    refers: &["fileUri", "file_uri", "fileName", "file_name"],
    ..BASE
};

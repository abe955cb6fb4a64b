//! What binds a request to its provider, in every format: its reader says so.

use bytes::Bytes;
use serde_json::{Value, json};
use weir_types::{Dialect, Operation};

use super::fixture::{path, route};
use crate::ir::Request;
use crate::{PathFacts, format};

/// [`crate::ir::Chat::needs_state`] of a request.
pub(super) const fn needs_state(request: &Request) -> Option<&'static str> {
    match request {
        Request::Chat(chat) | Request::CountTokens(chat) => chat.needs_state,
        Request::Embedding(_) | Request::Rerank(_) => None,
    }
}

/// A request of each format that says nothing but "Hi", with the members of `more`.
fn asks(dialect: Dialect, more: &Value) -> Option<&'static str> {
    let text = json!([{"role": "user", "content": "Hi"}]);
    let mut body = match dialect {
        Dialect::GeminiGenerate => json!({"contents": [{"parts": [{"text": "Hi"}]}]}),
        Dialect::BedrockConverse => {
            json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})
        }
        Dialect::OpenAiResponses => json!({"model": "m", "input": "Hi"}),
        _ => json!({"model": "m", "max_tokens": 9, "messages": text}),
    };
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let path = path(dialect, route(dialect, Operation::Chat), &body, false);
    let read = format(dialect).read_request(&Bytes::from(body.to_string()), &path);
    needs_state(&read.unwrap_or_else(|fault| panic!("{dialect:?} {more}: {fault:?}")))
}

#[test]
fn what_only_its_provider_keeps_or_guards_is_named() {
    use Dialect::{
        AnthropicMessages, BedrockConverse, CohereChat, GeminiGenerate, OpenAiChat, OpenAiResponses,
    };
    let upload =
        json!([{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]);
    let summary =
        json!([{"role": "assistant", "content": [{"type": "compaction", "content": "x"}]}]);
    for (dialect, more, expected) in [
        (OpenAiChat, json!({"web_search_options": {}}), Some("web_search_options")),
        (OpenAiChat, json!({"data_sources": [{"type": "azure_search"}]}), Some("data_sources")),
        (OpenAiChat, json!({"data_sources": [], "prediction": {}}), None),
        (OpenAiResponses, json!({"previous_response_id": "r"}), Some("previous_response_id")),
        (OpenAiResponses, json!({"background": false}), None),
        (AnthropicMessages, json!({"container": "c"}), Some("container")),
        (AnthropicMessages, json!({"container": null, "mcp_servers": []}), None),
        (AnthropicMessages, json!({"mcp_servers": [{"name": "x"}]}), Some("mcp_servers")),
        (AnthropicMessages, json!({"inference_geo": "us"}), Some("inference_geo")),
        (AnthropicMessages, json!({"inference_geo": "global"}), None),
        (AnthropicMessages, json!({"messages": upload}), Some("messages.container_upload")),
        (AnthropicMessages, json!({"messages": summary}), Some("messages.compaction")),
        (AnthropicMessages, json!({"context_management": {"edits": []}}), None),
        (AnthropicMessages, json!({"fallbacks": [{"model": "m"}]}), None),
        (GeminiGenerate, json!({"cachedContent": "cachedContents/x"}), Some("cachedContent")),
        (GeminiGenerate, json!({"cached_content": "cachedContents/x"}), Some("cachedContent")),
        (GeminiGenerate, json!({"modelArmorConfig": {}}), Some("modelArmorConfig")),
        (GeminiGenerate, json!({"safetySettings": [{}]}), None),
        (BedrockConverse, json!({"guardrailConfig": {}}), Some("guardrailConfig")),
        (BedrockConverse, json!({"promptVariables": {}}), Some("promptVariables")),
        (BedrockConverse, json!({"performanceConfig": {}}), None),
        (CohereChat, json!({"raw_prompting": true}), Some("raw_prompting")),
        (CohereChat, json!({"documents": ["x"], "raw_prompting": false}), None),
    ] {
        assert_eq!(asks(dialect, &more), expected, "{dialect:?} {more}");
    }
    let body = Bytes::from_static(b"{}");
    let model = Some("arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDE12345:1");
    let path = PathFacts { operation: Operation::Chat, model, stream: None };
    let prompt = format(BedrockConverse).read_request(&body, &path).unwrap();
    assert_eq!(needs_state(&prompt), Some("modelId"));
}

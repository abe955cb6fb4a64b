//! What whole answers and streams have alike: items of the output, and why it ended.

use serde_json::{Map, Value, json};

use crate::ir::{Finish, FinishReason, Losses, Media, Source};

/// Why a response ended; `response` holds `status` and `incomplete_details`.
pub(in crate::openai_responses) fn finish(
    response: &Value,
    has_calls: bool,
    has_refusal: bool,
) -> Finish {
    let text = |of: Option<&Value>| of.and_then(Value::as_str).unwrap_or_default().to_owned();
    let details = response.get("incomplete_details");
    let reason = text(details.and_then(|details| details.get("reason")));
    let reason = match (text(response.get("status")).as_str(), reason.as_str()) {
        (word @ ("failed" | "cancelled"), _) => FinishReason::Error(word.to_owned()),
        (_, "max_output_tokens") => FinishReason::Length,
        (_, "content_filter") => FinishReason::ContentFilter,
        ("incomplete", "") => FinishReason::Length,
        (_, "") if has_refusal && !has_calls => FinishReason::Refusal,
        (_, "") => FinishReason::Stop.with_calls(has_calls),
        (_, other) => FinishReason::Other(other.to_owned()),
    };
    Finish::new(reason)
}

/// A message of the model's.
pub(in crate::openai_responses) fn message_item(
    id: &str,
    status: &str,
    content: &[Value],
) -> Value {
    json!({
        "type": "message", "id": id, "status": status, "role": "assistant", "content": content,
    })
}

/// Text in a message.
pub(in crate::openai_responses) fn text_part(
    text: &str,
    annotations: &[Value],
    logprobs: &[Value],
) -> Value {
    json!({
        "type": "output_text", "annotations": annotations, "logprobs": logprobs, "text": text,
    })
}

/// A refusal in a message.
pub(in crate::openai_responses) fn refusal(text: &str) -> Value {
    json!({ "type": "refusal", "refusal": text })
}

/// An image that was made, read; `None` if there is none in `item`.
pub(in crate::openai_responses) fn image(item: &Value) -> Option<Media> {
    let data = item.get("result")?.as_str().filter(|data| !data.is_empty())?.to_owned();
    let format = item.get("output_format").and_then(Value::as_str).unwrap_or("png");
    let media_type = format!("image/{format}");
    let source = Source::Base64 { media_type: media_type.clone(), data };
    Some(Media { source, media_type: Some(media_type) })
}

/// An image that was made, written; `None` and a loss if its bytes are not here.
pub(in crate::openai_responses) fn image_item(
    id: &str,
    source: &Source,
    losses: &mut Losses,
) -> Option<Value> {
    let Source::Base64 { media_type, data } = source else {
        losses.add("image", "the client's format takes images as bytes only");
        return None;
    };
    let mut members = Map::new();
    members.insert("type".to_owned(), json!("image_generation_call"));
    members.insert("id".to_owned(), json!(id));
    members.insert("status".to_owned(), json!("completed"));
    members.insert("result".to_owned(), json!(data));
    if let Some(format) = media_type.strip_prefix("image/") {
        members.insert("output_format".to_owned(), json!(format));
    }
    Some(Value::Object(members))
}

/// Probabilities of tokens in the form of chat's `logprobs`.
pub(in crate::openai_responses) fn logprobs_in(list: Option<Value>) -> Option<Value> {
    let list = list.filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))?;
    Some(json!({ "content": list, "refusal": null }))
}

/// Probabilities of tokens in this format; chat may leave out the bytes, which are required here.
pub(in crate::openai_responses) fn logprobs_out(logprobs: Option<&Value>) -> Vec<Value> {
    let list = logprobs.and_then(|logprobs| logprobs.get("content")).and_then(Value::as_array);
    let entry = |entry: &Value| {
        let of = |name: &str| entry.get(name).filter(|value| !value.is_null()).cloned();
        json!({
            "token": of("token").unwrap_or_else(|| json!("")),
            "bytes": of("bytes").unwrap_or_else(|| json!([])),
            "logprob": of("logprob").unwrap_or_else(|| json!(0)),
        })
    };
    let with_top = |one: &Value| {
        let mut written = entry(one);
        let top = one.get("top_logprobs").and_then(Value::as_array);
        let top: Vec<_> = top.into_iter().flatten().map(entry).collect();
        if let Value::Object(members) = &mut written {
            members.insert("top_logprobs".to_owned(), Value::Array(top));
        }
        written
    };
    list.into_iter().flatten().map(with_top).collect()
}

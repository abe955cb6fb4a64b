//! A whole answer as a chunk: what is a message there is a delta here; or a whole transcript as the
//! event that ends one. Members that nobody here knows stay.

use bytes::Bytes;
use serde_json::{Map, Value, json};

/// `None`: it has no choices, and is no transcript.
pub(in crate::openai_chat) fn of_answer(body: &[u8]) -> Option<Bytes> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    // Some models cannot be streamed and answer as a whole.
    if !answer.contains_key("choices") && answer.get("text").is_some_and(Value::is_string) {
        answer.insert("type".to_owned(), json!("transcript.text.done"));
        return serde_json::to_vec(&answer).ok().map(Bytes::from);
    }
    let choices = answer.get_mut("choices")?.as_array_mut().filter(|list| !list.is_empty())?;
    for (at, choice) in choices.iter_mut().enumerate() {
        let choice = choice.as_object_mut()?;
        choice.entry("index").or_insert(json!(at));
        let finish = choice.entry("finish_reason").or_insert(Value::Null);
        if finish.is_null() {
            *finish = json!("stop");
        }
        // Text completions have the same form in both.
        if let Some(mut delta) = choice.remove("message") {
            let calls = delta.get_mut("tool_calls").and_then(Value::as_array_mut);
            for (at, call) in calls.into_iter().flatten().enumerate() {
                if let Some(call) = call.as_object_mut() {
                    call.entry("index").or_insert(json!(at));
                }
            }
            choice.insert("delta".to_owned(), delta);
        }
    }
    if answer.get("object").is_some_and(|object| object == "chat.completion") {
        answer.insert("object".to_owned(), json!("chat.completion.chunk"));
    }
    serde_json::to_vec(&answer).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_becomes_a_delta_and_the_rest_stays() {
        let body = json!({"id": "1", "object": "chat.completion", "x": 1, "choices": [
            {"message": {"role": "assistant", "content": "hi", "y": 2}, "finish_reason": "length"},
            {"index": 1, "message": {"content": null, "tool_calls": [{"id": "a"}, {"id": "b"}]}},
        ]});
        let event = of_answer(body.to_string().as_bytes()).unwrap();
        let event: Value = serde_json::from_slice(&event).unwrap();
        assert_eq!(
            event,
            json!({"id": "1", "object": "chat.completion.chunk", "x": 1, "choices": [
                {"index": 0, "finish_reason": "length",
                 "delta": {"role": "assistant", "content": "hi", "y": 2}},
                {"index": 1, "finish_reason": "stop", "delta": {"content": null, "tool_calls": [
                    {"id": "a", "index": 0}, {"id": "b", "index": 1}]}},
            ]})
        );
        let text = of_answer(br#"{"object":"text_completion","choices":[{"text":"a"}]}"#).unwrap();
        assert_eq!(
            text,
            r#"{"object":"text_completion","choices":[{"text":"a","index":0,"finish_reason":"stop"}]}"#
        );
        let transcript = of_answer(br#"{"text":"hi","usage":{"seconds":1}}"#).unwrap();
        assert_eq!(
            transcript,
            r#"{"text":"hi","usage":{"seconds":1},"type":"transcript.text.done"}"#
        );
        for none in ["{}", r#"{"choices":[]}"#, "<html>", r#"{"choices":[1]}"#] {
            assert_eq!(of_answer(none.as_bytes()), None, "{none}");
        }
    }
}

//! Thoughts as hosts of this format write them: `reasoning_content` or `reasoning` in words, and
//! `reasoning_details`, which keeps blocks apart and carries what only their maker can read.
//!
//! A seal of another format travels in a detail whose `format` is that format's name, and is given
//! back its origin when the client sends the detail again. A detail of some host's own (`format` is
//! that host's word) is kept whole in the seal, so that the host gets back what it gave.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::ir::{Sealed, Thinking};

/// The blocks of a message. Details say more than words and win over them.
pub(super) fn read(details: Option<Value>, words: [Option<Value>; 2]) -> Vec<Thinking> {
    let details = match details {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    let mut blocks: Vec<_> = details.into_iter().filter_map(block).collect();
    let words = words.into_iter().flatten().find_map(|words| match words {
        Value::String(text) if !text.is_empty() => Some(text),
        _ => None,
    });
    if let Some(text) = words
        && blocks.iter().all(|block| block.text.is_empty())
    {
        // The words of a detail that has only the signature stand beside it.
        match blocks.iter_mut().find(|block| block.redacted.is_none()) {
            Some(signed) => signed.text = text,
            None => blocks.insert(0, Thinking { text, ..Thinking::default() }),
        }
    }
    blocks
}

/// One detail; `None` if it says nothing.
pub(super) fn block(detail: Value) -> Option<Thinking> {
    let Value::Object(mut detail) = detail else { return None };
    let mut take = |name: &str| match detail.shift_remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let summary = take("summary");
    let text = take("text");
    let is_summary = summary.is_some() && text.is_none();
    let words = text.or(summary).unwrap_or_default();
    let string = |name: &str| detail.get(name).and_then(Value::as_str);
    let origin = string("format").and_then(Dialect::from_label);
    let id = string("id").map(str::to_owned);
    let seal = |sealed: &str| match origin {
        Some(origin) => Sealed { origin, data: sealed.to_owned() },
        None => {
            Sealed { origin: Dialect::OpenAiChat, data: Value::Object(detail.clone()).to_string() }
        }
    };
    let filled = |name: &str| string(name).filter(|text| !text.is_empty());
    let redacted = filled("data").map(seal);
    let signature = filled("signature").map(seal).filter(|_| redacted.is_none());
    if words.is_empty() && redacted.is_none() && signature.is_none() {
        return None;
    }
    Some(Thinking { text: words, signature, redacted, id, is_summary })
}

/// A block as a detail at place `index`.
pub(super) fn detail(block: &Thinking, index: usize) -> Value {
    let mut detail = match block.redacted.as_ref().or(block.signature.as_ref()) {
        Some(sealed) => sealed_detail(sealed, block.redacted.is_some()),
        None => Map::new(),
    };
    let kind = match block {
        Thinking { redacted: Some(_), .. } => "reasoning.encrypted",
        Thinking { is_summary: true, .. } => "reasoning.summary",
        _ => "reasoning.text",
    };
    detail.entry("type").or_insert_with(|| json!(kind));
    if block.redacted.is_none() {
        let words = if block.is_summary { "summary" } else { "text" };
        detail.insert(words.to_owned(), json!(block.text));
    }
    if let Some(id) = &block.id {
        detail.insert("id".to_owned(), json!(id));
    }
    detail.entry("index").or_insert_with(|| json!(index));
    Value::Object(detail)
}

/// What a detail says of a seal.
pub(super) fn sealed_detail(sealed: &Sealed, is_redacted: bool) -> Map<String, Value> {
    let member = if is_redacted { "data" } else { "signature" };
    if sealed.origin == Dialect::OpenAiChat {
        let kept = serde_json::from_str::<Map<String, Value>>(&sealed.data);
        return kept.unwrap_or_else(|_| Map::from_iter([(member.to_owned(), json!(sealed.data))]));
    }
    Map::from_iter([
        (member.to_owned(), json!(sealed.data)),
        ("format".to_owned(), json!(sealed.origin.label())),
    ])
}

/// All that blocks say in words; `None` if they say nothing.
pub(super) fn words<'a>(blocks: impl IntoIterator<Item = &'a Thinking>) -> Option<String> {
    let text: String = blocks.into_iter().map(|block| block.text.as_str()).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_of_other_formats_find_their_way_back() {
        let signed = Thinking {
            text: "hm".into(),
            signature: Some(Sealed { origin: Dialect::AnthropicMessages, data: "s1g".into() }),
            ..Thinking::default()
        };
        let written = detail(&signed, 2);
        assert_eq!(written["format"], "anthropic_messages");
        assert_eq!((&written["type"], &written["index"]), (&json!("reasoning.text"), &json!(2)));
        assert_eq!(block(written), Some(signed));
        let redacted = Thinking {
            redacted: Some(Sealed { origin: Dialect::OpenAiResponses, data: "gAAA".into() }),
            id: Some("rs_1".into()),
            ..Thinking::default()
        };
        assert_eq!(block(detail(&redacted, 0)), Some(redacted));
    }

    #[test]
    fn a_hosts_own_detail_is_given_back_as_it_came() {
        for own in [
            json!({"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1",
                "id": "call_1", "index": 3}),
            json!({"type": "reasoning.text", "signature": "x", "format": "anthropic-claude-v1",
                "index": 0, "text": "hm"}),
        ] {
            let read = block(own.clone()).unwrap();
            assert_eq!(detail(&read, 9), own);
        }
    }

    #[test]
    fn words_and_details_are_not_counted_twice() {
        let details = json!([{"type": "reasoning.text", "text": "a", "index": 0}]);
        let read_both = read(Some(details), [Some(json!("a")), None]);
        assert_eq!(read_both.len(), 1);
        let signed = json!([{"type": "reasoning.text", "signature": "s", "index": 0}]);
        let read_apart = read(Some(signed), [None, Some(json!("a"))]);
        assert_eq!((read_apart.len(), read_apart[0].text.as_str()), (1, "a"));
        assert!(read_apart[0].signature.is_some());
        assert_eq!(read(None, [Some(json!("")), None]), []);
    }
}

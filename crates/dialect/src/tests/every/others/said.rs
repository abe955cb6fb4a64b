//! What a request says, taken apart as that of a conversation is.

use serde_json::Value;

use super::super::leaves::{Leaf, Leaves};
use crate::ir::{Embedding, EmbeddingInput, Request, Rerank, Source};

/// The leaves of a request. In which order inputs stand is part of each.
pub(super) fn leaves(request: &Request) -> Leaves {
    let mut all = Vec::new();
    let mut put = |what: &'static str, of: &str, value: String| {
        all.push(Leaf { what, of: of.to_owned(), value });
    };
    match request {
        Request::Embedding(asked) => {
            let Embedding {
                source: _,
                model: _,
                inputs,
                dimensions,
                encodings,
                purpose,
                user,
                extra,
            } = asked;
            for (at, input) in inputs.iter().enumerate() {
                let at = at.to_string();
                match input {
                    EmbeddingInput::Text(text) => put("input.text", &at, text.clone()),
                    EmbeddingInput::Tokens(ids) => put("input.tokens", &at, format!("{ids:?}")),
                    EmbeddingInput::Image(Source::Base64 { media_type: _, data }) => {
                        put("input.image", &at, data.clone());
                    }
                    EmbeddingInput::Image(other) => put("input.image", &at, format!("{other:?}")),
                }
            }
            dimensions.iter().for_each(|length| put("dimensions", "", length.to_string()));
            encodings.iter().for_each(|name| put("encoding", "", name.clone()));
            purpose.iter().for_each(|word| put("input_type", "", word.clone()));
            user.iter().for_each(|user| put("user", "", user.clone()));
            extra.iter().for_each(|(name, value)| put("extra", name, value.to_string()));
        }
        Request::Rerank(asked) => {
            let Rerank { source: _, model: _, query, documents, top_n, return_documents, extra } =
                asked;
            put("query", "", query.clone());
            for (at, document) in documents.iter().enumerate() {
                put("ranked", &at.to_string(), shown(document));
            }
            top_n.iter().for_each(|most| put("top_n", "", most.to_string()));
            // `false` is what is so anyway.
            let repeats = return_documents.iter().filter(|wanted| **wanted);
            repeats.for_each(|_| put("return_documents", "", "true".to_owned()));
            extra.iter().for_each(|(name, value)| put("extra", name, value.to_string()));
        }
        Request::CountTokens(chat) => {
            all = Leaves::of_chat(chat).0;
            all.retain(is_counted);
        }
        Request::Chat(chat) => all = Leaves::of_chat(chat).0,
    }
    Leaves(all)
}

/// A document as a text: one that is no more than a text, as that.
fn shown(document: &Value) -> String {
    match document {
        Value::String(text) => text.clone(),
        Value::Object(members) if members.len() == 1 => match members.get("text") {
            Some(Value::String(text)) => text.clone(),
            _ => document.to_string(),
        },
        other => other.to_string(),
    }
}

/// What is part of the prompt.
fn is_counted(leaf: &Leaf) -> bool {
    let kinds = ["text.", "media", "document", "refusal", "call", "result", "thinking", "tools"];
    kinds.iter().any(|kind| leaf.what.starts_with(kind)) || leaf.what == "foreign"
}

//! Who is asked, and requests in which everything occurs that can be asked for.

use serde_json::{Value, json};
use weir_types::Dialect;

use crate::ir::{Embedding, EmbeddingInput, Extra, Rerank, Source};

pub(super) type To = (Dialect, &'static str, &'static str);

/// Who gives vectors: format, model, vendor.
pub(super) const EMBEDDERS: &[To] = &[
    (Dialect::OpenAiChat, "text-embedding-3-small", "openai"),
    (Dialect::OpenAiChat, "bge-m3", "vllm"),
    (Dialect::OpenAiChat, "mistral-embed", "mistral"),
    (Dialect::GeminiGenerate, "gemini-embedding-001", "gemini"),
    (Dialect::GeminiGenerate, "text-embedding-005", "vertex"),
    (Dialect::CohereChat, "embed-v4.0", "cohere"),
    (Dialect::BedrockInvoke, "amazon.titan-embed-text-v2:0", "bedrock"),
    (Dialect::BedrockInvoke, "amazon.titan-embed-text-v1", "bedrock"),
    (Dialect::BedrockInvoke, "amazon.titan-embed-image-v1", "bedrock"),
    (Dialect::BedrockInvoke, "cohere.embed-english-v3", "bedrock"),
    (Dialect::BedrockInvoke, "cohere.embed-v4:0", "bedrock"),
];

/// Who orders documents.
pub(super) const RANKERS: &[To] = &[
    (Dialect::OpenAiChat, "bge-reranker-v2-m3", "vllm"),
    (Dialect::CohereChat, "rerank-v3.5", "cohere"),
    (Dialect::GeminiGenerate, "semantic-ranker-512@latest", "vertex"),
    (Dialect::BedrockConverse, "cohere.rerank-v3-5:0", "bedrock"),
    (Dialect::BedrockConverse, "amazon.rerank-v1:0", "bedrock"),
    (Dialect::BedrockInvoke, "cohere.rerank-v3-5:0", "bedrock"),
    (Dialect::BedrockInvoke, "amazon.rerank-v1:0", "bedrock"),
];

/// Who counts.
pub(super) const COUNTERS: &[To] = &[
    (Dialect::OpenAiResponses, "gpt-5", "openai"),
    (Dialect::AnthropicMessages, "claude-sonnet-4-5", "anthropic"),
    (Dialect::AnthropicMessages, "claude-opus-5-5", "anthropic"),
    (Dialect::GeminiGenerate, "gemini-2.5-pro", "gemini"),
    (Dialect::GeminiGenerate, "gemini-3.1-pro-preview", "vertex"),
    (Dialect::BedrockConverse, "anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
    (Dialect::BedrockConverse, "amazon.nova-2-lite-v1:0", "bedrock"),
    (Dialect::CohereChat, "command-a-03-2025", "cohere"),
];

/// Formats in which each is asked for.
pub(super) const EMBEDDED_BY: [Dialect; 3] =
    [Dialect::OpenAiChat, Dialect::GeminiGenerate, Dialect::CohereChat];
pub(super) const RANKED_BY: [Dialect; 2] = [Dialect::OpenAiChat, Dialect::CohereChat];

/// No two are the same, and none is the beginning of another.
fn word(number: usize) -> String {
    format!("w{number:04}x")
}

pub(super) type Made<T> = (&'static str, fn(&mut T, usize));

/// What a request for vectors can ask for.
pub(super) const OF_VECTORS: &[Made<Embedding>] = &[
    ("text", |_, _| {}),
    ("texts", |it, _| it.inputs.push(EmbeddingInput::Text(word(2)))),
    ("tokens", |it, way| {
        let lists = [vec![vec![5, 6, 7]], vec![vec![5, 6], vec![8]], vec![vec![u64::MAX]]];
        let lists = lists[way % lists.len()].iter().cloned();
        it.inputs = lists.map(EmbeddingInput::Tokens).collect();
    }),
    ("tokens and a text", |it, _| it.inputs.push(EmbeddingInput::Tokens(vec![5]))),
    ("image", |it, way| it.inputs = vec![image(way, 2)]),
    ("images", |it, way| it.inputs = vec![image(way, 2), image(way, 3)]),
    ("image and a text", |it, way| it.inputs.push(image(way, 2))),
    ("dimensions", |it, way| it.dimensions = Some([256, 1024][way % 2])),
    ("encodings", |it, way| {
        let all: [&[&str]; 8] = [
            &["float"],
            &["base64"],
            &["int8"],
            &["binary"],
            &["float", "binary"],
            &["float", "int8"],
            &["uint8", "ubinary"],
            &["base64", "float"],
        ];
        it.encodings = all[way % all.len()].iter().map(|name| (*name).to_owned()).collect();
    }),
    ("purpose", |it, way| {
        let all = ["search_document", "search_query", "classification", "clustering", "image"];
        it.purpose = Some(all[way % all.len()].to_owned());
    }),
    ("user", |it, _| it.user = Some(word(4))),
    ("extra", |it, way| {
        let name = ["x_new", "truncate", "title"][way % 3];
        it.extra.insert(name.to_owned(), Value::from(word(5)));
    }),
];

/// What a request for documents by relevance can ask for.
pub(super) const OF_RANKS: &[Made<Rerank>] = &[
    ("texts", |it, _| it.documents.push(Value::from(word(3)))),
    ("object of a text", |it, _| it.documents.push(json!({"text": word(3)}))),
    ("object", |it, _| it.documents.push(json!({"title": word(3), "text": word(4)}))),
    ("object of something else", |it, way| {
        let others = [json!({"text": 7}), json!({"text": [word(3)]}), json!({"t": word(3)})];
        it.documents.push(others[way % others.len()].clone());
    }),
    ("no text", |it, way| {
        let others = [json!(7), json!([word(3)]), Value::Null];
        it.documents.push(others[way % others.len()].clone());
    }),
    ("top_n", |it, _| {
        // No more than there are.
        it.documents.extend([word(6), word(7), word(8)].map(Value::from));
        it.top_n = Some(3);
    }),
    ("return_documents", |it, way| it.return_documents = Some(way % 2 == 0)),
    ("extra", |it, way| {
        let name = ["x_new", "max_tokens_per_doc", "truncation"][way % 3];
        it.extra.insert(name.to_owned(), json!(77));
    }),
];

fn image(way: usize, number: usize) -> EmbeddingInput {
    let data = format!("AAAA{}AA", word(number));
    let url = format!("https://example.com/{}.png", word(number));
    EmbeddingInput::Image(match way % 2 {
        0 => Source::Base64 { media_type: "image/png".to_owned(), data },
        _ => Source::Url(url),
    })
}

pub(super) fn embedding(source: Dialect) -> Embedding {
    Embedding {
        source,
        model: "m".to_owned(),
        inputs: vec![EmbeddingInput::Text(word(1))],
        dimensions: None,
        encodings: Vec::new(),
        purpose: None,
        user: None,
        extra: Extra::new(),
    }
}

pub(super) fn rerank(source: Dialect) -> Rerank {
    Rerank {
        source,
        model: "m".to_owned(),
        query: word(1),
        documents: vec![Value::from(word(2))],
        top_n: None,
        return_documents: None,
        extra: Extra::new(),
    }
}

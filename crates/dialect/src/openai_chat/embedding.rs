//! Embeddings: `/v1/embeddings`, request and answer.
//!
//! A client that asks for base64 gets it whatever the provider gave: 32-bit floats, the least
//! significant byte first, which is what OpenAI's SDKs ask for unless they are told otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use weir_types::{Dialect, Usage};

use super::clients::Client;
use super::usage;
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::format::{Asked, Target, Written};
use crate::ir::{Embedding, EmbeddingAnswer, EmbeddingInput, Losses, Request, Source, Vector};
use crate::json::{self, Taken};

const NO_MEMBER: &str = "the target has no such member";

/// Reads a request.
pub(super) fn read_request(mut fields: Fields, model: String) -> Result<Request, RequestFault> {
    let inputs = inputs(&mut fields)?;
    let encodings: Vec<_> = fields.text("encoding_format")?.into_iter().collect();
    if let Some(other) = encodings.iter().find(|word| !["float", "base64"].contains(&word.as_str()))
    {
        let why = format!("must be float or base64, found \"{other}\"");
        return Err(fields.wrong("encoding_format", why));
    }
    // The second is Mistral's word for it.
    let dimensions = fields.count("dimensions")?.or(fields.count("output_dimension")?);
    Ok(Request::Embedding(Embedding {
        source: Dialect::OpenAiChat,
        model,
        inputs,
        dimensions,
        encodings,
        purpose: None,
        user: fields.text("user")?,
        extra: fields.rest(),
    }))
}

/// A text, texts, token ids, or lists of token ids.
fn inputs(fields: &mut Fields) -> Result<Vec<EmbeddingInput>, RequestFault> {
    let wrong = |fields: &Fields| {
        fields.wrong("input", "must be a string, token ids, or an array of either")
    };
    match fields.any("input") {
        None => Err(fields.missing("input", "a string or an array")),
        Some(Value::String(text)) => Ok(vec![EmbeddingInput::Text(text)]),
        Some(Value::Array(list)) if list.is_empty() => {
            Err(fields.wrong("input", "must not be empty"))
        }
        Some(Value::Array(list)) if list.iter().all(Value::is_number) => {
            tokens(&list).map(|ids| vec![ids]).ok_or_else(|| wrong(fields))
        }
        Some(Value::Array(list)) => {
            let read = list.into_iter().map(|entry| match entry {
                Value::String(text) => Some(EmbeddingInput::Text(text)),
                Value::Array(ids) => tokens(&ids),
                Value::Object(block) => {
                    let url = block.get("image_url")?;
                    let url = url.get("url").unwrap_or(url).as_str()?;
                    Some(EmbeddingInput::Image(Source::from_url(url)))
                }
                _ => None,
            });
            read.collect::<Option<_>>().ok_or_else(|| wrong(fields))
        }
        Some(_) => Err(wrong(fields)),
    }
}

fn tokens(list: &[Value]) -> Option<EmbeddingInput> {
    list.iter().map(Value::as_u64).collect::<Option<_>>().map(EmbeddingInput::Tokens)
}

/// Writes a request.
pub(super) fn write_request(
    embedding: &Embedding,
    target: &Target<'_>,
) -> Result<Written, RequestFault> {
    let mut losses = Losses::default();
    let mut out = Map::from_iter([("model".to_owned(), json!(target.model))]);
    let inputs: Result<Vec<_>, _> = embedding.inputs.iter().map(input).collect();
    let mut inputs = inputs?;
    let are_alike = inputs.iter().all(Value::is_string) || inputs.iter().all(Value::is_array);
    if !are_alike {
        let text = "texts and token ids cannot be embedded in one request";
        return Err(RequestFault::unsupported("input", text));
    }
    let input = if inputs.len() == 1 { inputs.pop() } else { None };
    out.insert("input".to_owned(), input.unwrap_or(Value::Array(inputs)));
    let mut put = |name: &str, value: Option<Value>| {
        value.map(|value| out.insert(name.to_owned(), value));
    };
    put("dimensions", embedding.dimensions.map(|length| json!(length)));
    match embedding.encodings.as_slice() {
        [] => {}
        [one] if ["float", "base64"].contains(&one.as_str()) => {
            put("encoding_format", Some(json!(one)));
        }
        _ => {
            let text = "the target gives each vector once, as numbers or as base64";
            return Err(RequestFault::unsupported("encoding_format", text));
        }
    }
    put("user", embedding.user.as_ref().map(|user| json!(user)));
    losses.add_if(embedding.purpose.is_some(), "input_type", NO_MEMBER);
    for (name, value) in &embedding.extra {
        match embedding.source {
            Dialect::OpenAiChat => {
                out.entry(name.clone()).or_insert_with(|| value.clone());
            }
            _ => losses.add(name.clone(), NO_MEMBER),
        }
    }
    Ok(Written { body: json::object(&out), losses })
}

fn input(input: &EmbeddingInput) -> Result<Value, RequestFault> {
    match input {
        EmbeddingInput::Text(text) => Ok(json!(text)),
        EmbeddingInput::Tokens(ids) => Ok(json!(ids)),
        EmbeddingInput::Image(_) => {
            Err(RequestFault::unsupported("input", "the target embeds text alone"))
        }
    }
}

/// Reads an answer.
pub(super) fn read_answer(mut document: Taken) -> Result<EmbeddingAnswer, AnswerFault> {
    let shape = |what: &str| AnswerFault::Shape(what.to_owned());
    let Some(Value::Array(data)) = document.take("data") else {
        return Err(shape("`data` is not a list"));
    };
    let vectors = data.into_iter().enumerate().map(|(at, mut entry)| {
        let index = entry.get("index").and_then(Value::as_u64);
        let index = index.and_then(|index| usize::try_from(index).ok()).unwrap_or(at);
        let value = entry.get_mut("embedding").map(Value::take).unwrap_or_default();
        let encoding = match &value {
            Value::Array(_) => "float",
            Value::String(_) => "base64",
            _ => return Err(shape("an `embedding` is neither numbers nor text")),
        };
        Ok(Vector { index, encoding: encoding.to_owned(), value })
    });
    let mut vectors: Vec<_> = vectors.collect::<Result<_, _>>()?;
    vectors.sort_by_key(|vector| vector.index);
    let text =
        |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let usage = document.get("usage").map(counts).unwrap_or_default();
    Ok(EmbeddingAnswer { id: text("id"), model: text("model"), vectors, usage })
}

/// Tokens of an answer that has none but those of the prompt.
pub(super) fn counts(raw: &Value) -> Usage {
    usage::of(raw).unwrap_or_else(|| {
        let total = raw.get("total_tokens").and_then(Value::as_u64).unwrap_or(0);
        Usage { input_tokens: total, ..Usage::default() }
    })
}

/// Writes an answer.
pub(super) fn write_answer(answer: &EmbeddingAnswer, asked: &Asked<'_>) -> Written {
    let wants_text = match asked.request {
        Request::Embedding(request) => request.encodings.iter().any(|word| word == "base64"),
        _ => false,
    };
    let mut losses = Losses::default();
    let mut data: Vec<(usize, Value)> = Vec::with_capacity(answer.vectors.len());
    for vector in &answer.vectors {
        let is_second = data.last().is_some_and(|(index, _)| *index == vector.index);
        match encoded(vector, wants_text).filter(|_| !is_second) {
            Some(value) => data.push((vector.index, value)),
            None => losses.add("embeddings", "a vector in an encoding that was not asked for"),
        }
    }
    let entries = data.into_iter().map(
        |(index, embedding)| json!({"object": "embedding", "index": index, "embedding": embedding}),
    );
    let model = if answer.model.is_empty() { asked.model } else { &answer.model };
    let mut document = json!({
        "object": "list",
        "data": entries.collect::<Vec<_>>(),
        "model": model,
        "usage": {
            "prompt_tokens": answer.usage.input_tokens,
            "total_tokens": answer.usage.input_tokens.saturating_add(answer.usage.output_tokens),
        },
    });
    if Client::of(asked.form).named_vectors {
        let id = if answer.id.is_empty() { asked.id } else { &answer.id };
        document["id"] = json!(id);
    }
    Written { body: Bytes::from(document.to_string()), losses }
}

/// A vector as it was asked for; `None` if it is not one of floats.
fn encoded(vector: &Vector, wants_text: bool) -> Option<Value> {
    if !["float", "base64"].contains(&vector.encoding.as_str()) {
        return None;
    }
    match &vector.value {
        Value::Array(numbers) if wants_text => {
            let mut bytes = Vec::with_capacity(numbers.len() * 4);
            for number in numbers {
                // The format has no more than 32 bits.
                bytes.extend_from_slice(&(number.as_f64()? as f32).to_le_bytes());
            }
            Some(json!(STANDARD.encode(bytes)))
        }
        Value::String(text) if !wants_text => {
            let bytes = STANDARD.decode(text).ok()?;
            let numbers = bytes.chunks_exact(4).map(|chunk| {
                let bytes = <[u8; 4]>::try_from(chunk).unwrap_or_default();
                json!(f32::from_le_bytes(bytes))
            });
            Some(Value::Array(numbers.collect()))
        }
        value => Some(value.clone()),
    }
}

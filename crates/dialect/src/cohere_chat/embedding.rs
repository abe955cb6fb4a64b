//! Embeddings: `/v2/embed`. <https://docs.cohere.com/reference/embed>
//!
//! Texts, images and mixed inputs have a member each. What the vectors are for must be said
//! (`input_type`); formats that do not say it mean documents, which is what is stored.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::usage;
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::format::{Asked, Target, Written};
use crate::ir::{self, Embedding, EmbeddingAnswer, EmbeddingInput, Losses, Source, Vector};
use crate::json;
use crate::peek::PathFacts;

/// Reads a request.
pub(super) fn read_request(
    mut fields: Fields,
    path: &PathFacts<'_>,
) -> Result<Embedding, RequestFault> {
    let model = fields.text("model")?.or_else(|| path.model.map(str::to_owned));
    let model = model.ok_or_else(|| fields.missing("model", "a string"))?;
    let mut inputs: Vec<_> = fields.texts("texts")?.into_iter().map(EmbeddingInput::Text).collect();
    let images = fields.texts("images")?.into_iter();
    inputs.extend(images.map(|url| EmbeddingInput::Image(Source::from_url(&url))));
    for input in fields.objects("inputs")? {
        inputs.push(read_input(input)?);
    }
    if inputs.is_empty() {
        return Err(fields.missing("texts", "`texts`, `images` or `inputs` with something in it"));
    }
    Ok(Embedding {
        source: Dialect::CohereChat,
        model,
        inputs,
        dimensions: fields.count("output_dimension")?,
        encodings: fields.texts("embedding_types")?,
        purpose: fields.text("input_type")?,
        user: None,
        extra: fields.rest(),
    })
}

fn read_input(mut input: Fields) -> Result<EmbeddingInput, RequestFault> {
    let mut blocks = input.objects("content")?.into_iter();
    let (Some(mut block), None) = (blocks.next(), blocks.next()) else {
        let at = input.at("content");
        let why = format!("`{at}`: one vector of several blocks is something only Cohere has");
        return Err(RequestFault::unsupported(at, why));
    };
    match block.required_text("type")?.as_str() {
        "text" => Ok(EmbeddingInput::Text(block.required_text("text")?)),
        "image_url" => {
            let Some(mut image) = block.object("image_url")? else {
                return Err(block.missing("image_url", "an object with `url`"));
            };
            Ok(EmbeddingInput::Image(Source::from_url(&image.required_text("url")?)))
        }
        _ => Err(block.wrong("type", "must be \"text\" or \"image_url\"")),
    }
}

/// Writes a request.
pub(super) fn write_request(
    embedding: &Embedding,
    target: &Target<'_>,
) -> Result<Written, RequestFault> {
    let mut losses = Losses::default();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(target.model));
    let is_image = |input: &EmbeddingInput| matches!(input, EmbeddingInput::Image(_));
    let images = embedding.inputs.iter().filter(|input| is_image(input)).count();
    let is_images = images == embedding.inputs.len();
    let purpose = embedding.purpose.as_deref();
    let purpose = purpose.unwrap_or(if is_images { "image" } else { "search_document" });
    body.insert("input_type".to_owned(), json!(purpose));
    let inputs: Vec<Value> =
        embedding.inputs.iter().map(write_input).collect::<Result<_, RequestFault>>()?;
    if images == 0 {
        body.insert("texts".to_owned(), Value::Array(inputs));
    } else if is_images {
        body.insert("images".to_owned(), Value::Array(inputs));
    } else {
        let wrapped = embedding.inputs.iter().zip(inputs).map(|(input, value)| {
            let block = if is_image(input) {
                json!({ "type": "image_url", "image_url": { "url": value } })
            } else {
                json!({ "type": "text", "text": value })
            };
            json!({ "content": [block] })
        });
        body.insert("inputs".to_owned(), wrapped.collect());
    }
    let encodings =
        if embedding.encodings.is_empty() { json!(["float"]) } else { json!(embedding.encodings) };
    body.insert("embedding_types".to_owned(), encodings);
    if let Some(dimensions) = embedding.dimensions {
        body.insert("output_dimension".to_owned(), json!(dimensions));
    }
    losses.add_if(embedding.user.is_some(), "user", "Cohere has no such member");
    for (name, value) in &embedding.extra {
        if embedding.source == Dialect::CohereChat {
            body.insert(name.clone(), value.clone());
        } else {
            losses.add(name.clone(), "Cohere has no such member");
        }
    }
    Ok(Written { body: json::object(&body), losses })
}

/// A text, or the `data:` URL of an image.
fn write_input(input: &EmbeddingInput) -> Result<Value, RequestFault> {
    match input {
        EmbeddingInput::Text(text) => Ok(json!(text)),
        EmbeddingInput::Image(source @ Source::Base64 { .. }) => Ok(json!(source.to_url())),
        EmbeddingInput::Image(_) => {
            let why = "Cohere takes images to embed within the request only";
            Err(RequestFault::unsupported("input", why))
        }
        EmbeddingInput::Tokens(_) => {
            let why = "Cohere takes text to embed, not tokens of another model";
            Err(RequestFault::unsupported("input", why))
        }
    }
}

/// Reads an answer: vectors by encoding, or the bare list of an older version.
pub(super) fn read_answer(document: &Value) -> Result<EmbeddingAnswer, AnswerFault> {
    let shape = || AnswerFault::Shape("`embeddings` is not there".to_owned());
    let mut vectors = Vec::new();
    match document.get("embeddings").ok_or_else(shape)? {
        Value::Array(list) => push(&mut vectors, "float", list),
        Value::Object(by_encoding) => {
            for (encoding, list) in by_encoding {
                push(&mut vectors, encoding, list.as_array().map_or(&[][..], Vec::as_slice));
            }
        }
        _ => return Err(shape()),
    }
    // By input first: the sort is stable, so encodings stay in their order.
    vectors.sort_by_key(|vector| vector.index);
    Ok(EmbeddingAnswer {
        id: text(document, "id"),
        model: String::new(),
        vectors,
        usage: document.get("meta").and_then(usage::read).unwrap_or_default(),
    })
}

fn push(vectors: &mut Vec<Vector>, encoding: &str, list: &[Value]) {
    let one = |(index, value): (usize, &Value)| Vector {
        index,
        encoding: encoding.to_owned(),
        value: value.clone(),
    };
    vectors.extend(list.iter().enumerate().map(one));
}

/// Writes an answer.
pub(super) fn write_answer(answer: &EmbeddingAnswer, asked: &Asked<'_>) -> Value {
    let mut by_encoding: Map<String, Value> = Map::new();
    let mut ordered: Vec<&Vector> = answer.vectors.iter().collect();
    ordered.sort_by_key(|vector| vector.index);
    for vector in ordered {
        let encoding = if vector.encoding.is_empty() { "float" } else { &vector.encoding };
        let list = by_encoding.entry(encoding).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(vector.value.clone());
        }
    }
    let inputs = match asked.request {
        ir::Request::Embedding(embedding) => embedding.inputs.as_slice(),
        _ => &[],
    };
    let texts: Vec<&str> = inputs
        .iter()
        .filter_map(|input| match input {
            EmbeddingInput::Text(text) => Some(text.as_str()),
            EmbeddingInput::Tokens(_) | EmbeddingInput::Image(_) => None,
        })
        .collect();
    json!({
        "id": if answer.id.is_empty() { asked.id } else { &answer.id },
        "embeddings": by_encoding,
        "texts": texts,
        "meta": usage::write_meta(&answer.usage),
        "response_type": "embeddings_by_type",
    })
}

fn text(document: &Value, name: &str) -> String {
    document.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

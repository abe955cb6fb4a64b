//! Requests: Claude's without what only Bedrock needs, and those for vectors.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::error;
use super::models::{Embedder, embedder};
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{Embedding, EmbeddingInput, Losses, Source};
use crate::json::{Members, Splices};

/// Members that say to Bedrock what other hosts are told in headers.
const VERSION: &str = "anthropic_version";
const FEATURES: &str = "anthropic_beta";

/// Claude's body as other hosts know it, and the features in trial that it asks for.
pub(super) fn plain(body: &Bytes) -> Result<(Bytes, Vec<String>), RequestFault> {
    let members = Members::scan(body)?;
    if members.find(VERSION)?.is_none() {
        return Err(error::not_claudes());
    }
    let features = match members.raw(FEATURES)?.map(serde_json::from_slice) {
        None => Vec::new(),
        Some(Ok(features)) => Option::<Vec<String>>::unwrap_or_default(features),
        Some(Err(_)) => {
            let text = format!("`{FEATURES}` must be an array of strings");
            return Err(RequestFault::invalid(FEATURES, text));
        }
    };
    let mut splices = Splices::default();
    for name in [VERSION, FEATURES] {
        splices.remove_member(name);
    }
    Ok((splices.apply(body, &members), features))
}

/// Writes a request for vectors.
pub(super) fn embedding(
    embedding: &Embedding,
    target: &Target<'_>,
) -> Result<Written, RequestFault> {
    let embedder = embedder(target.known_as).ok_or_else(|| error::no_vectors(target.model))?;
    let mut losses = Losses::default();
    let body = match embedder {
        Embedder::Titan { sized } => titan(embedding, sized, &mut losses)?,
        Embedder::TitanImage => titan_image(embedding, &mut losses)?,
        Embedder::Cohere { sized } => cohere(embedding, sized, &mut losses)?,
    };
    losses.add_if(embedding.user.is_some(), "user", NO_MEMBER);
    for name in embedding.extra.keys() {
        losses.add(name.clone(), NO_MEMBER);
    }
    Ok(Written { body: Bytes::from(Value::Object(body).to_string()), losses })
}

const NO_MEMBER: &str = "the model's maker has no such member";

/// The one thing that Titan embeds in a request.
fn only(embedding: &Embedding) -> Result<&EmbeddingInput, RequestFault> {
    match embedding.inputs.as_slice() {
        [one] => Ok(one),
        _ => Err(error::input("Titan embeds one input in a request, so send one request for each")),
    }
}

fn titan(
    embedding: &Embedding,
    sized: bool,
    losses: &mut Losses,
) -> Result<Map<String, Value>, RequestFault> {
    let EmbeddingInput::Text(text) = only(embedding)? else {
        return Err(error::input("this model of Titan's takes text to embed"));
    };
    let mut body = Map::from_iter([("inputText".to_owned(), json!(text))]);
    losses.add_if(embedding.purpose.is_some(), "input_type", NO_MEMBER);
    losses.add_if(embedding.dimensions.is_some() && !sized, "dimensions", NO_MEMBER);
    if let Some(dimensions) = embedding.dimensions.filter(|_| sized) {
        body.insert("dimensions".to_owned(), json!(dimensions));
    }
    let encodings = encodings(embedding, sized)?;
    if encodings.contains(&"binary") {
        body.insert("embeddingTypes".to_owned(), json!(encodings));
    }
    Ok(body)
}

/// What Titan calls the encodings that are wanted. Base64 is a manner of writing numbers; whoever asked
/// for it writes it.
fn encodings(embedding: &Embedding, has_bits: bool) -> Result<Vec<&'static str>, RequestFault> {
    let all = embedding.encodings.iter().map(|wanted| match wanted.as_str() {
        "float" | "base64" => Ok("float"),
        "binary" if has_bits => Ok("binary"),
        other => Err(error::encoding(other)),
    });
    all.collect()
}

fn titan_image(
    embedding: &Embedding,
    losses: &mut Losses,
) -> Result<Map<String, Value>, RequestFault> {
    let mut body = match only(embedding)? {
        EmbeddingInput::Text(text) => Map::from_iter([("inputText".to_owned(), json!(text))]),
        EmbeddingInput::Image(Source::Base64 { data, .. }) => {
            Map::from_iter([("inputImage".to_owned(), json!(data))])
        }
        EmbeddingInput::Image(_) => {
            return Err(error::input("Titan takes images to embed within the request only"));
        }
        EmbeddingInput::Tokens(_) => return Err(error::input(NO_TOKENS)),
    };
    encodings(embedding, false)?;
    if let Some(dimensions) = embedding.dimensions {
        let config = json!({ "outputEmbeddingLength": dimensions });
        body.insert("embeddingConfig".to_owned(), config);
    }
    losses.add_if(embedding.purpose.is_some(), "input_type", NO_MEMBER);
    Ok(body)
}

const NO_TOKENS: &str = "text is embedded here, not tokens of another model";

fn cohere(
    embedding: &Embedding,
    sized: bool,
    losses: &mut Losses,
) -> Result<Map<String, Value>, RequestFault> {
    let (mut texts, mut images) = (Vec::new(), Vec::new());
    for input in &embedding.inputs {
        match input {
            EmbeddingInput::Text(text) => texts.push(text.as_str()),
            EmbeddingInput::Image(source @ Source::Base64 { .. }) => images.push(source.to_url()),
            EmbeddingInput::Image(_) => {
                return Err(error::input("Cohere takes images to embed within the request only"));
            }
            EmbeddingInput::Tokens(_) => return Err(error::input(NO_TOKENS)),
        }
    }
    let (name, inputs, usual) = match (texts.is_empty(), images.is_empty()) {
        (_, true) => ("texts", json!(texts), "search_document"),
        (true, false) => ("images", json!(images), "image"),
        (false, false) => {
            return Err(error::input("one request embeds texts or images here, not both"));
        }
    };
    let purpose = embedding.purpose.as_deref().unwrap_or(usual);
    let mut body =
        Map::from_iter([(name.to_owned(), inputs), ("input_type".to_owned(), json!(purpose))]);
    // Base64 is a manner of writing that no model has; whoever asked for it writes it.
    let own = embedding.encodings.iter().filter(|name| *name != "base64");
    let own: Vec<&str> = own.map(String::as_str).collect();
    if !own.is_empty() {
        body.insert("embedding_types".to_owned(), json!(own));
    }
    losses.add_if(embedding.dimensions.is_some() && !sized, "dimensions", NO_MEMBER);
    if let Some(dimensions) = embedding.dimensions.filter(|_| sized) {
        body.insert("output_dimension".to_owned(), json!(dimensions));
    }
    Ok(body)
}

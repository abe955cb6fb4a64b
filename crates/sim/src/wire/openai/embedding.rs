//! Embeddings: vectors as numbers or as base64.

use serde_json::value::RawValue;

use super::request::Request;
use crate::answer::{push, push_number, push_string, tokens_of, vector};
use crate::ask::{Embed, Encoding};
use crate::refusal::Refusal;

/// Longest vector and most inputs of a request, as at OpenAI's largest.
const DIMENSIONS_MAX: usize = 8192;
const INPUTS_MAX: usize = 2048;

/// # Errors
/// The 400 for inputs, dimensions or an encoding that make no sense.
pub(super) fn read<'a>(request: &Request<'a>) -> Result<Embed<'a>, Refusal> {
    if !request.dimensions.is_none_or(|dimensions| (1..=DIMENSIONS_MAX).contains(&dimensions)) {
        return Err(Refusal::bad_member("dimensions", "expected a number from 1 to 8192"));
    }
    let encoding = match request.encoding_format.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(_) => {
            return Err(Refusal::bad_member("encoding_format", "expected 'float' or 'base64'"));
        }
    };
    let inputs = inputs(request.question())?.into_iter().map(Into::into).collect();
    Ok(Embed { inputs, dimensions: request.dimensions, encodings: vec![encoding] })
}

/// The body of the answer.
pub(super) fn whole(model: &str, embed: &Embed<'_>, vectors: &[Vec<f32>]) -> Vec<u8> {
    let base64 = embed.encodings == [Encoding::Base64];
    let numbers: usize = vectors.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(256 + numbers * 11);
    push(&mut out, "{\"object\":\"list\",\"data\":[");
    for (index, vector) in vectors.iter().enumerate() {
        push(&mut out, if index == 0 { "" } else { "," });
        push(&mut out, "{\"object\":\"embedding\",\"index\":");
        push_number(&mut out, index);
        push(&mut out, ",\"embedding\":");
        if base64 {
            push_string(&mut out, &vector::base64(vector));
        } else {
            // Finite numbers into memory: serialising cannot fail.
            push(&mut out, &serde_json::to_string(vector).unwrap_or_default());
        }
        push(&mut out, "}");
    }
    push(&mut out, "],\"model\":");
    push_string(&mut out, model);
    let prompt = embed.inputs.iter().map(|input| tokens_of(input.len())).sum();
    push(&mut out, ",\"usage\":{\"prompt_tokens\":");
    push_number(&mut out, prompt);
    push(&mut out, ",\"total_tokens\":");
    push_number(&mut out, prompt);
    push(&mut out, "}}");
    out
}

/// A text, texts, a token list or token lists: the raw JSON of each input.
fn inputs(raw: &str) -> Result<Vec<&str>, Refusal> {
    let wrong = |why: &str| Refusal::bad_member("input", why);
    if raw.starts_with('"') {
        return Ok(vec![raw]);
    }
    let items: Vec<&RawValue> =
        serde_json::from_str(raw).map_err(|_| wrong("expected a text, texts or tokens"))?;
    let items: Vec<&str> = items.into_iter().map(RawValue::get).collect();
    match items.first() {
        None => Err(wrong("expected at least one")),
        Some(_) if items.len() > INPUTS_MAX => Err(wrong("expected at most 2048")),
        Some(first) if first.starts_with(['"', '[']) => Ok(items),
        Some(_) => Ok(vec![raw]),
    }
}

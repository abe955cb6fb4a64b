//! Embeddings: unit vectors that follow from model and input, as numbers or as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::{Tokens, push, push_number, push_string, text, tokens_of};
use crate::refusal::Refusal;
use crate::request::Request;

/// Longest vector and most inputs of a request, as at OpenAI's largest.
const DIMENSIONS_MAX: usize = 8192;
const INPUTS_MAX: usize = 2048;

/// The body of the answer.
///
/// # Errors
/// The 400 for inputs, dimensions or an encoding that make no sense.
pub(crate) fn answer(request: &Request<'_>, dimensions: usize) -> Result<Vec<u8>, Refusal> {
    let dimensions = request.dimensions.unwrap_or(dimensions);
    if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
        return Err(Refusal::bad_member("dimensions", "expected a number from 1 to 8192"));
    }
    let base64 = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(Refusal::bad_member("encoding_format", "expected 'float' or 'base64'"));
        }
    };
    let inputs = inputs(request.question())?;
    let mut out = Vec::with_capacity(256 + inputs.len() * dimensions * 11);
    push(&mut out, "{\"object\":\"list\",\"data\":[");
    for (index, input) in inputs.iter().enumerate() {
        push(&mut out, if index == 0 { "" } else { "," });
        push(&mut out, "{\"object\":\"embedding\",\"index\":");
        push_number(&mut out, index);
        push(&mut out, ",\"embedding\":");
        let model = request.model().as_bytes();
        let vector = vector(text::hash(&[model, input.as_bytes()]), dimensions);
        push_vector(&mut out, &vector, base64);
        push(&mut out, "}");
    }
    push(&mut out, "],\"model\":");
    push_string(&mut out, request.model());
    let prompt = inputs.iter().map(|input| tokens_of(input.len())).sum();
    let tokens = Tokens { prompt, completion: 0 };
    push(&mut out, ",\"usage\":{\"prompt_tokens\":");
    push_number(&mut out, tokens.prompt);
    push(&mut out, ",\"total_tokens\":");
    push_number(&mut out, tokens.prompt);
    push(&mut out, "}}");
    Ok(out)
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

/// A unit vector from a xorshift sequence.
fn vector(seed: u64, dimensions: usize) -> Vec<f32> {
    let mut state = seed | 1;
    let mut vector: Vec<f32> = (0..dimensions)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // The upper 16 bits as a number between -1 and 1.
            f32::from(u16::try_from(state >> 48).unwrap_or(0)) / 32_767.5 - 1.0
        })
        .collect();
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|x| *x /= norm);
    vector
}

fn push_vector(out: &mut Vec<u8>, vector: &[f32], base64: bool) {
    if base64 {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        push(out, "\"");
        push(out, &STANDARD.encode(bytes));
        push(out, "\"");
        return;
    }
    // Finite numbers into memory: serialising cannot fail.
    push(out, &serde_json::to_string(vector).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::request::Asked;

    fn data(body: &str) -> Result<Value, Refusal> {
        let request = Request::parse(body.as_bytes(), Asked::Embedding)?;
        Ok(serde_json::from_slice(&answer(&request, 16)?).unwrap())
    }

    #[test]
    fn floats_and_base64_hold_the_same_unit_vector() {
        let floats = data(r#"{"model":"e","input":"x","dimensions":8}"#).unwrap();
        let text =
            data(r#"{"model":"e","input":["x","y"],"dimensions":8,"encoding_format":"base64"}"#)
                .unwrap();
        let floats: Vec<f32> =
            serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
        let bytes = STANDARD.decode(text["data"][0]["embedding"].as_str().unwrap()).unwrap();
        let decoded: Vec<f32> =
            bytes.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(floats, decoded);
        assert!((floats.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert_ne!(text["data"][0]["embedding"], text["data"][1]["embedding"]);
        assert_eq!(text["data"][1]["index"], 1);
    }

    #[test]
    fn every_form_of_input_is_read() {
        for (input, count) in
            [(r#""a""#, 1), (r#"["a","b"]"#, 2), ("[1,2,3]", 1), ("[[1,2],[3]]", 2)]
        {
            let answer = data(&format!(r#"{{"model":"e","input":{input}}}"#)).unwrap();
            let list = answer["data"].as_array().unwrap();
            assert_eq!(list.len(), count, "{input}");
            assert_eq!(list[0]["embedding"].as_array().unwrap().len(), 16);
        }
        for rest in [
            r#""input":[]"#,
            r#""input":{}"#,
            r#""input":"x","dimensions":0"#,
            r#""input":"x","encoding_format":"hex""#,
        ] {
            let refusal = data(&format!(r#"{{"model":"e",{rest}}}"#)).unwrap_err();
            assert_eq!(refusal.status, 400, "{rest}");
        }
    }
}

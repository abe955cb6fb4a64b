//! Judgements of texts and images, and the text of documents.

use serde_json::{Value, json};

use super::{Asked, House, Made};
use crate::answer::text::{hash, id};
use crate::ask::Ready;
use crate::refusal::Refusal;
use crate::shape::{ANY, COUNT, FILLED, FLAG, OBJECT, Shape, TEXTS, may, must};
use crate::wire::text;

static MODERATION: Shape =
    Shape::Members(&[may("model", &FILLED), must("input", &ANY), may("metadata", &OBJECT)]);

/// What the service judges by.
const KINDS: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];

pub(super) fn moderation(asked: &Asked<'_>, body: &Value) -> Made {
    asked.check(body, &MODERATION)?;
    let model = match (text(body, "model"), asked.house) {
        ("", House::OpenAi) => "omni-moderation-latest".to_owned(),
        _ => asked.model_of(body)?,
    };
    let inputs: Vec<String> = match &body["input"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) if !many.is_empty() => many
            .iter()
            .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
            .collect(),
        _ => return Err(Refusal::bad_member("input", "expected a text or a list")),
    };
    let result = |input: &String| {
        let is_flagged = input.contains("violent");
        let of = |value: &dyn Fn(&str) -> Value| -> Value {
            KINDS
                .iter()
                .map(|kind| ((*kind).to_owned(), value(kind)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let hits = |kind: &str| is_flagged && kind == "violence";
        json!({
            "flagged": is_flagged,
            "categories": of(&|kind| json!(hits(kind))),
            "category_scores": of(&|kind| json!(if hits(kind) { 0.9 } else { 0.01 })),
            "category_applied_input_types": of(&|_| json!(["text"])),
        })
    };
    let results: Vec<Value> = inputs.iter().map(result).collect();
    let seed = hash(&[model.as_bytes(), inputs.join("\n").as_bytes()]);
    let document = json!({"id": id("modr-", seed), "model": model, "results": results});
    Ok((model, false, Ready::document(&document)))
}

static DOCUMENT: Shape = Shape::Tagged(
    "type",
    &[
        (
            "document_url",
            &Shape::Members(&[
                must("type", &FILLED),
                must("document_url", &FILLED),
                may("document_name", &FILLED),
            ]),
        ),
        ("image_url", &Shape::Members(&[must("type", &FILLED), must("image_url", &ANY)])),
        ("file", &Shape::Members(&[must("type", &FILLED), must("file_id", &FILLED)])),
    ],
    None,
);

static OCR: Shape = Shape::Members(&[
    must("model", &FILLED),
    must("document", &DOCUMENT),
    may("id", &FILLED),
    may("pages", &ANY),
    may("include_image_base64", &FLAG),
    may("image_limit", &COUNT),
    may("image_min_size", &COUNT),
    may("bbox_annotation_format", &OBJECT),
    may("document_annotation_format", &OBJECT),
    may("document_annotation_prompt", &FILLED),
    may("confidence_scores_granularity", &FILLED),
    may("table_format", &FILLED),
    may("extract_header", &FLAG),
    may("extract_footer", &FLAG),
    may("include_blocks", &FLAG),
    may("languages", &TEXTS),
]);

pub(super) fn ocr(asked: &Asked<'_>, body: &Value) -> Made {
    asked.check(body, &OCR)?;
    let model = asked.model_of(body)?;
    let document = &body["document"];
    let named = ["document_url", "file_id"].map(|name| text(document, name));
    let place = named.into_iter().find(|place| !place.is_empty()).unwrap_or("an image");
    let page = json!({"index": 0, "markdown": format!("# The text of {place}"), "images": [],
        "dimensions": {"dpi": 200, "height": 2200, "width": 1700}});
    let answer = json!({"pages": [page], "model": model,
        "usage_info": {"pages_processed": 1, "doc_size_bytes": place.len()}});
    Ok((model, false, Ready::document(&answer)))
}

//! Embedding vectors: one text (`embedContent`), several (`batchEmbedContents`), and the prediction
//! form of Vertex AI. The batch form is written; the form that was asked is answered.

use serde_json::{Map, Value, json};
use weir_types::{Dialect, Form, Usage};

use super::calls::Calls;
use super::media::{self, Place};
use super::request::{is_vertex, model, resource};
use super::{camel, parts};
use crate::fault::{AnswerFault, RequestFault};
use crate::fields::Fields;
use crate::format::{Asked, Target};
use crate::ir::{
    Embedding, EmbeddingAnswer, EmbeddingInput, Extra, Image, Losses, Part, PartBody, Vector,
};
use crate::peek::PathFacts;

/// Google's words for what the vectors are for, and Cohere's.
const PURPOSES: [(&str, &str); 4] = [
    ("RETRIEVAL_DOCUMENT", "search_document"),
    ("RETRIEVAL_QUERY", "search_query"),
    ("CLASSIFICATION", "classification"),
    ("CLUSTERING", "clustering"),
];

/// Reads a request of either form.
pub(super) fn read(mut fields: Fields, path: &PathFacts<'_>) -> Result<Embedding, RequestFault> {
    let mut first: Option<Embedding> = None;
    if fields.has("requests") {
        for (at, value) in camel::many(&mut fields, "requests") {
            let one = single(camel::fields(value, at)?, path)?;
            let Some(all) = &mut first else {
                first = Some(one);
                continue;
            };
            let agrees = (&all.purpose, all.dimensions, &all.extra)
                == (&one.purpose, one.dimensions, &one.extra);
            if !agrees {
                let text = "requests of one batch that differ in more than their content \
                            are not translated";
                return Err(RequestFault::unsupported("requests", text));
            }
            all.inputs.extend(one.inputs);
        }
        return first.ok_or_else(|| fields.missing("requests", "an array of requests"));
    }
    single(fields, path)
}

fn single(mut fields: Fields, path: &PathFacts<'_>) -> Result<Embedding, RequestFault> {
    let stated = fields.text("model")?;
    let Some(mut content) = camel::object(&mut fields, "content")? else {
        return Err(fields.missing("content", "a content with parts"));
    };
    let mut parts = Vec::new();
    for (at, value) in camel::many(&mut content, "parts") {
        parts::read(value, at, &mut Calls::default(), &mut parts)?;
    }
    let dimensions = fields.count("outputDimensionality")?;
    let task = fields.text("taskType")?;
    let known = task.as_deref().and_then(|task| PURPOSES.iter().find(|(word, _)| task == *word));
    let purpose = known.map(|(_, purpose)| (*purpose).to_owned());
    let mut extra = Extra::new();
    if let (None, Some(task)) = (known, task) {
        extra.insert("taskType".to_owned(), json!(task));
    }
    extra.extend(fields.rest());
    Ok(Embedding {
        source: Dialect::GeminiGenerate,
        model: model(path, stated),
        inputs: vec![input(parts)?],
        dimensions,
        encodings: vec!["float".to_owned()],
        purpose,
        user: None,
        extra,
    })
}

/// One content is one vector: several texts are one, and an image stands alone.
fn input(mut parts: Vec<Part>) -> Result<EmbeddingInput, RequestFault> {
    let texts: Option<Vec<_>> = parts
        .iter()
        .map(|part| match &part.body {
            PartBody::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if let Some(texts) = texts {
        return Ok(EmbeddingInput::Text(texts.join("\n")));
    }
    match (parts.pop().map(|part| part.body), parts.is_empty()) {
        (Some(PartBody::Image(Image { source, .. })), true) => Ok(EmbeddingInput::Image(source)),
        _ => {
            let text = "only texts, or one image, are translated";
            Err(RequestFault::unsupported("content.parts", text))
        }
    }
}

/// Writes a request.
pub(super) fn write(
    asked: &Embedding,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Value, RequestFault> {
    let is_own = asked.source == Dialect::GeminiGenerate;
    // Vectors of numbers can be packed by whoever answers; anything else would be other vectors.
    let packable = |encoding: &String| matches!(encoding.as_str(), "float" | "base64");
    if let Some(other) = asked.encodings.iter().find(|encoding| !packable(encoding)) {
        let text = format!("vectors of Gemini are numbers and cannot be had as \"{other}\"");
        return Err(RequestFault::unsupported("encoding_format", text));
    }
    losses.add_if(asked.user.is_some(), "user", "Gemini has no such member");
    let mut shared = Map::new();
    if let Some(purpose) = &asked.purpose {
        match PURPOSES.iter().find(|(_, known)| purpose == known) {
            Some((task, _)) => {
                shared.insert("taskType".to_owned(), json!(task));
            }
            None => losses.add("input_type", "Gemini has no such purpose"),
        }
    }
    if let Some(dimensions) = asked.dimensions {
        shared.insert("outputDimensionality".to_owned(), json!(dimensions));
    }
    for (name, value) in &asked.extra {
        if is_own {
            shared.insert(name.clone(), value.clone());
        } else {
            losses.add(name.clone(), "Gemini has no such member");
        }
    }
    if is_vertex(target) {
        return prediction(asked, shared);
    }
    let place = Place { is_vertex: false, is_own };
    let requests: Result<Vec<_>, _> = asked
        .inputs
        .iter()
        .map(|input| {
            let part = match input {
                EmbeddingInput::Text(text) => json!({ "text": text }),
                EmbeddingInput::Image(source) => media::part(source, None, "image/jpeg", place)?,
                EmbeddingInput::Tokens(_) => return Err(no_tokens()),
            };
            let mut request = Map::new();
            request.insert("model".to_owned(), json!(resource(target.model)));
            request.insert("content".to_owned(), json!({ "parts": [part] }));
            request.extend(shared.clone());
            Ok(request)
        })
        .collect();
    Ok(json!({ "requests": requests? }))
}

fn no_tokens() -> RequestFault {
    let text = "Gemini embeds texts; token ids are of another model's alphabet";
    RequestFault::unsupported("input", text)
}

/// The older form of Vertex AI, whose members have other names.
fn prediction(asked: &Embedding, mut shared: Map<String, Value>) -> Result<Value, RequestFault> {
    let task = shared.shift_remove("taskType");
    let title = shared.shift_remove("title");
    let instances: Result<Vec<_>, _> = asked
        .inputs
        .iter()
        .map(|input| {
            let EmbeddingInput::Text(text) = input else {
                return Err(match input {
                    EmbeddingInput::Tokens(_) => no_tokens(),
                    _ => RequestFault::unsupported("input", "only texts are embedded here"),
                });
            };
            let mut instance = Map::new();
            instance.insert("content".to_owned(), json!(text));
            instance.extend(task.clone().map(|task| ("task_type".to_owned(), task)));
            instance.extend(title.clone().map(|title| ("title".to_owned(), title)));
            Ok(instance)
        })
        .collect();
    let instances = instances?;
    Ok(if shared.is_empty() {
        json!({ "instances": instances })
    } else {
        json!({ "instances": instances, "parameters": shared })
    })
}

/// Reads an answer of any form.
pub(super) fn read_answer(document: &Value) -> Result<EmbeddingAnswer, AnswerFault> {
    let list = |name: &str| document.get(name).and_then(Value::as_array);
    let values: Vec<&Value> = match (list("embeddings"), list("predictions")) {
        (Some(list), _) => list.iter().filter_map(|one| one.get("values")).collect(),
        (None, Some(list)) => {
            list.iter().filter_map(|one| one.pointer("/embeddings/values")).collect()
        }
        (None, None) => document.pointer("/embedding/values").into_iter().collect(),
    };
    if values.is_empty() {
        return Err(AnswerFault::Shape("no embeddings in it".to_owned()));
    }
    let vectors = values.into_iter().enumerate().map(|(index, value)| Vector {
        index,
        encoding: "float".to_owned(),
        value: value.clone(),
    });
    let tokens = |one: &Value| {
        let counted = one.pointer("/embeddings/statistics/token_count");
        counted
            .and_then(|count| count.as_u64().or_else(|| count.as_f64().map(|float| float as u64)))
    };
    let predicted = list("predictions").into_iter().flatten().filter_map(tokens);
    let stated = document.pointer("/usageMetadata/promptTokenCount").and_then(Value::as_u64);
    let input_tokens = stated.unwrap_or_else(|| predicted.fold(0, u64::saturating_add));
    let usage = Usage { input_tokens, ..Usage::default() };
    Ok(EmbeddingAnswer { vectors: vectors.collect(), usage, ..EmbeddingAnswer::default() })
}

/// Writes an answer in the form that was asked. There is one vector per input, of floats: one in
/// another encoding would be taken for the next input's.
pub(super) fn write_answer(
    answer: &EmbeddingAnswer,
    asked: &Asked<'_>,
    losses: &mut Losses,
) -> Result<Value, AnswerFault> {
    let is_float = |vector: &&Vector| vector.encoding == "float" && vector.value.is_array();
    let mut vectors: Vec<_> = answer.vectors.iter().filter(is_float).collect();
    vectors.sort_by_key(|vector| vector.index);
    vectors.dedup_by_key(|vector| vector.index);
    let is_lost = vectors.len() < answer.vectors.len();
    losses.add_if(is_lost, "embeddings", "Gemini's clients know one vector of floats per input");
    if vectors.is_empty() && !answer.vectors.is_empty() {
        let text = "its vectors are not floats, which is all that Gemini's clients know";
        return Err(AnswerFault::Shape(text.to_owned()));
    }
    let mut values = vectors.into_iter().map(|vector| json!({ "values": vector.value }));
    let mut document = Map::new();
    if asked.form == Form::Single {
        let first = values.next().unwrap_or_else(|| json!({ "values": [] }));
        document.insert("embedding".to_owned(), first);
    } else {
        document.insert("embeddings".to_owned(), values.collect());
    }
    if answer.usage.input_tokens > 0 {
        let usage = json!({ "promptTokenCount": answer.usage.input_tokens });
        document.insert("usageMetadata".to_owned(), usage);
    }
    Ok(Value::Object(document))
}

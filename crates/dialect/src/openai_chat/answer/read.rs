//! Reads whole chat answers.

use serde_json::{Map, Value};
use weir_types::{Dialect, Operation};

use crate::fault::AnswerFault;
use crate::ir::{
    Answer, ChatAnswer, Choice, Extra, FinishReason, Image, Media, Part, PartBody, Source, Thinking,
};
use crate::json::{self, Taken};
use crate::openai_chat::{call, embedding, finish, reasoning, rerank, usage};
use crate::whole;

/// Reads an answer.
pub(in crate::openai_chat) fn read(
    operation: Operation,
    body: &[u8],
) -> Result<Answer, AnswerFault> {
    match operation {
        Operation::Chat => chat(members(body)?)?.unless_broken().map(Answer::Chat),
        Operation::Embedding => embedding::read_answer(members(body)?).map(Answer::Embedding),
        Operation::Rerank => rerank::read_answer(members(body)?).map(Answer::Rerank),
        other => Err(AnswerFault::untranslatable(Dialect::OpenAiChat, other)),
    }
}

fn members(body: &[u8]) -> Result<Taken, AnswerFault> {
    json::read(body).map_err(|_| match whole::document(body) {
        Ok(_) => AnswerFault::Shape("it is not an object".to_owned()),
        Err(fault) => fault,
    })
}

fn chat(mut document: Taken) -> Result<ChatAnswer, AnswerFault> {
    let choices = match document.take("choices") {
        Some(Value::Array(list)) if !list.is_empty() => list,
        _ => return Err(AnswerFault::Shape("`choices` is not a list of answers".to_owned())),
    };
    let choices = choices.into_iter().zip(0u32..).map(|(entry, at)| match entry {
        Value::Object(entry) => Ok(choice(entry.into(), at)),
        _ => Err(AnswerFault::Shape("a choice is not an object".to_owned())),
    });
    let mut choices: Vec<_> = choices.collect::<Result<_, _>>()?;
    choices.sort_by_key(|choice| choice.index);
    document.take("object");
    Ok(ChatAnswer {
        id: document.text("id").unwrap_or_default(),
        model: document.text("model").unwrap_or_default(),
        created: document.take("created").and_then(|created| created.as_u64()),
        choices,
        usage: document.take("usage").and_then(|raw| usage::of(&raw)).unwrap_or_default(),
        service_tier: document.text("service_tier"),
        extra: document.rest().collect::<Extra>(),
    })
}

fn choice(mut entry: Taken, at: u32) -> Choice {
    let index = entry.get("index").and_then(Value::as_u64);
    let parts = match entry.take("message") {
        Some(Value::Object(message)) => parts(message.into()),
        _ => Vec::new(),
    };
    // vLLM says which stop text it was.
    let stop_text = entry.text("stop_reason");
    let word = entry.text("finish_reason");
    let mut finish = word.map(|word| finish::read(&word, stop_text.as_deref()));
    let has = |is: fn(&PartBody) -> bool| parts.iter().any(|part| is(&part.body));
    if let Some(finish) = &mut finish {
        let reason = finish.reason.clone();
        finish.reason = reason.with_calls(has(|body| matches!(body, PartBody::ToolCall(_))));
        if finish.reason == FinishReason::Stop && has(|body| matches!(body, PartBody::Refusal(_))) {
            finish.reason = FinishReason::Refusal;
        }
    }
    Choice {
        index: index.and_then(|index| u32::try_from(index).ok()).unwrap_or(at),
        finish,
        logprobs: entry.take("logprobs").filter(|found| !found.is_null()),
        parts,
    }
}

/// What a message says: thoughts first, calls last.
fn parts(mut message: Taken) -> Vec<Part> {
    let words = ["reasoning_content", "reasoning"].map(|name| message.take(name));
    let thoughts = reasoning::read(message.take("reasoning_details"), words);
    let mut bodies: Vec<_> = thoughts.into_iter().map(PartBody::Thinking).collect();
    let annotations = match message.take("annotations") {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    content(message.take("content"), annotations, &mut bodies);
    bodies.extend(message.text("refusal").map(PartBody::Refusal));
    if let Some(Value::Object(audio)) = message.take("audio") {
        sound(audio.into(), &mut bodies);
    }
    for image in list(message.take("images")) {
        bodies.extend(picture(&image).map(PartBody::Image));
    }
    for called in list(message.take("tool_calls")) {
        bodies.extend(call::read(&called).map(PartBody::ToolCall));
    }
    if let Some(function @ Value::Object(_)) = message.take("function_call") {
        let older = Value::Object(Map::from_iter([("function".to_owned(), function)]));
        bodies.extend(call::read(&older).map(PartBody::ToolCall));
    }
    bodies.into_iter().map(Part::new).collect()
}

fn list(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// Content in one string, or in Mistral's chunks.
fn content(content: Option<Value>, annotations: Vec<Value>, bodies: &mut Vec<PartBody>) {
    let chunks = match content {
        Some(Value::String(text)) if !text.is_empty() => {
            bodies.push(PartBody::Text { text, annotations });
            return;
        }
        other => list(other),
    };
    let mut annotations = annotations;
    for chunk in chunks {
        match self::chunk(&chunk) {
            Some(Chunk::Text(text)) => {
                let annotations = std::mem::take(&mut annotations);
                bodies.push(PartBody::Text { text, annotations });
            }
            Some(Chunk::Thinking(text)) => {
                bodies.push(PartBody::Thinking(Thinking { text, ..Thinking::default() }));
            }
            None => {}
        }
    }
}

/// A chunk of content.
pub(in crate::openai_chat) enum Chunk {
    /// Text.
    Text(String),
    /// Thoughts.
    Thinking(String),
}

/// Reads a chunk; `None` if it says nothing in words.
pub(in crate::openai_chat) fn chunk(chunk: &Value) -> Option<Chunk> {
    let said = match chunk.get("thinking") {
        Some(Value::String(text)) => Chunk::Thinking(text.clone()),
        Some(Value::Array(inner)) => {
            Chunk::Thinking(inner.iter().filter_map(|chunk| chunk.get("text")?.as_str()).collect())
        }
        _ => Chunk::Text(chunk.get("text")?.as_str()?.to_owned()),
    };
    let (Chunk::Text(text) | Chunk::Thinking(text)) = &said;
    (!text.is_empty()).then_some(said)
}

/// Sound, and what is said in it as text.
fn sound(mut audio: Taken, bodies: &mut Vec<PartBody>) {
    let transcript = audio.text("transcript");
    if let Some(data) = audio.text("data") {
        let source = Source::Base64 { media_type: String::new(), data };
        bodies.push(PartBody::Audio(Media { source, media_type: None }));
    }
    let is_said = bodies.iter().any(|body| matches!(body, PartBody::Text { .. }));
    if let Some(text) = transcript.filter(|_| !is_said) {
        bodies.push(PartBody::Text { text, annotations: Vec::new() });
    }
}

/// An image that the model made, as OpenRouter gives it.
pub(in crate::openai_chat) fn picture(image: &Value) -> Option<Image> {
    let url = image.get("image_url")?;
    let url = url.get("url").unwrap_or(url).as_str()?;
    Some(Image { source: Source::from_url(url), detail: None })
}

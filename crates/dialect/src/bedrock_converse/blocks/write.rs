//! Writes blocks: of requests, which may be refused, and of answers, which may lose something but
//! must reach the client.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::citations::{citation, guard};
use super::media::{self, DOCUMENTS, IMAGES, Medium, SOUNDS, VIDEOS};
use super::titles::Titles;
use crate::custom;
use crate::fault::RequestFault;
use crate::ir::{
    Document, Losses, Media, Part, PartBody, Source, Thinking, ToolCall, ToolResult, block_name,
};

const OWN: Dialect = Dialect::BedrockConverse;
const NOT_OURS: &str = "only the provider that signed it can read it";
const IMAGE: Medium = Medium { formats: IMAGES, param: "messages.image", noun: "image" };
const DOCUMENT: Medium =
    Medium { formats: DOCUMENTS, param: "messages.document", noun: "document" };
const VIDEO: Medium = Medium { formats: VIDEOS, param: "messages.video", noun: "video" };
const SOUND: Medium = Medium { formats: SOUNDS, param: "messages.audio", noun: "audio" };

/// What a call's arguments are as a JSON object. Plain text, JSON of another kind, and what a model
/// wrote that is not JSON, are its member `input`.
fn input(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments) {
        Ok(object @ Value::Object(_)) if !call.is_custom => object,
        Ok(other) if !call.is_custom => json!({ "input": other }),
        _ => custom::wrapped(&call.arguments),
    }
}

/// The id of the `number`th call that has none.
pub(in crate::bedrock_converse) fn made_id(seed: &str, number: usize) -> String {
    let is_legal = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let seed: String = seed.chars().filter(is_legal).take(40).collect();
    if seed.is_empty() { format!("tooluse_{number}") } else { format!("tooluse_{seed}_{number}") }
}

fn tool_use(id: &str, call: &ToolCall) -> Value {
    json!({ "toolUse": { "toolUseId": id, "name": call.name, "input": input(call) } })
}

/// A text with what it refers to. Citations that cannot be said are a loss.
fn cited(text: &str, annotations: &[Value], losses: &mut Losses) -> Value {
    if let Some(block) = guard(text, annotations) {
        return block;
    }
    let citations: Vec<_> = annotations.iter().filter_map(citation).collect();
    let lost = citations.len() < annotations.len();
    losses.add_if(lost, "messages.annotations", "the target knows no such citation");
    if citations.is_empty() {
        return json!({ "text": text });
    }
    json!({ "citationsContent": { "content": [{ "text": text }], "citations": citations } })
}

/// Writes the blocks of a request.
#[derive(Debug)]
pub(in crate::bedrock_converse) struct Asking<'a> {
    /// The format that the request was read from.
    pub source: Dialect,
    /// The model takes thoughts back that nothing proves to be its own.
    pub unsigned_thoughts: bool,
    /// The model is told whether a tool failed.
    pub tool_status: bool,
    /// What could not be said.
    pub losses: &'a mut Losses,
    titles: Titles,
    calls_without_id: usize,
    results_without_id: usize,
}

impl<'a> Asking<'a> {
    /// At the start of a conversation.
    pub(in crate::bedrock_converse) fn new(source: Dialect, losses: &'a mut Losses) -> Self {
        Self {
            source,
            unsigned_thoughts: false,
            tool_status: true,
            losses,
            titles: Titles::default(),
            calls_without_id: 0,
            results_without_id: 0,
        }
    }

    /// A block of a turn of the user's, of a tool's, or of instructions; `None` if there is nothing
    /// to be said.
    ///
    /// # Errors
    /// The model would not see what the user shows it.
    pub(in crate::bedrock_converse) fn user(
        &mut self,
        part: &Part,
    ) -> Result<Option<Value>, RequestFault> {
        Ok(match &part.body {
            PartBody::ToolResult(result) => Some(self.tool_result(result)?),
            PartBody::Audio(audio) => Some(json!({ "audio": medium(audio, SOUND)? })),
            PartBody::ToolCall(_) | PartBody::Thinking(_) => None,
            other => self.shown(other)?,
        })
    }

    /// A block of a turn of the model's; `None` if there is nothing to be said.
    ///
    /// # Errors
    /// The block is of a kind without which the conversation means something else.
    pub(in crate::bedrock_converse) fn assistant(
        &mut self,
        part: &Part,
    ) -> Result<Option<Value>, RequestFault> {
        match &part.body {
            PartBody::ToolCall(call) => Ok(Some(self.tool_call(call))),
            PartBody::Thinking(thinking) => Ok(self.thinking(thinking)),
            other => self.shown(other),
        }
    }

    fn tool_call(&mut self, call: &ToolCall) -> Value {
        self.losses.add_if(call.signature.is_some(), "thinking.signature", NOT_OURS);
        if !call.id.is_empty() {
            return tool_use(&call.id, call);
        }
        self.calls_without_id += 1;
        tool_use(&made_id("", self.calls_without_id), call)
    }

    /// What any turn, and the result of a tool, may show.
    fn shown(&mut self, body: &PartBody) -> Result<Option<Value>, RequestFault> {
        Ok(match body {
            // Texts without anything in them are refused.
            PartBody::Text { text, .. } | PartBody::Refusal(text) if text.trim().is_empty() => None,
            PartBody::Text { text, annotations } => Some(cited(text, annotations, self.losses)),
            PartBody::Refusal(text) => Some(json!({ "text": text })),
            PartBody::Json(value) => Some(json!({ "text": value.to_string() })),
            PartBody::Image(image) => {
                let (format, source) = media::written(&image.source, None, IMAGE)?;
                let has_detail = image.detail.as_deref().is_some_and(|detail| detail != "auto");
                let why = "the target has no such member";
                self.losses.add_if(has_detail, "messages.image.detail", why);
                Some(json!({ "image": { "format": format, "source": source } }))
            }
            PartBody::Document(document) => Some(self.document(document)?),
            PartBody::Video(video) => Some(json!({ "video": medium(video, VIDEO)? })),
            PartBody::Foreign { raw, .. } => Some(raw.clone()),
            PartBody::Audio(_)
            | PartBody::ToolCall(_)
            | PartBody::ToolResult(_)
            | PartBody::Thinking(_) => None,
        })
    }

    fn document(&mut self, document: &Document) -> Result<Value, RequestFault> {
        let title = document.title.as_deref();
        let (format, source) = match &document.source {
            Source::Text(text) => ("txt", json!({ "text": text })),
            Source::Base64 { media_type, data }
                if media::format_of(DOCUMENTS, media_type).is_none() =>
            {
                // A type that nobody names may still be seen from the file's name.
                let known = title.and_then(|title| media::format_of_name(DOCUMENTS, title));
                let text = media_type.starts_with("text/").then_some("txt");
                match known.or(text) {
                    Some(format) => (format, json!({ "bytes": data })),
                    None => media::written(&document.source, None, DOCUMENT)?,
                }
            }
            source => media::written(source, None, DOCUMENT)?,
        };
        let mut block = Map::new();
        block.insert("format".to_owned(), json!(format));
        block.insert("name".to_owned(), json!(self.titles.take(title)));
        block.insert("source".to_owned(), source);
        if let Some(context) = document.context.as_deref().filter(|text| !text.is_empty()) {
            block.insert("context".to_owned(), json!(context));
        }
        if let Some(enabled) = document.citations {
            block.insert("citations".to_owned(), json!({ "enabled": enabled }));
        }
        Ok(json!({ "document": block }))
    }

    fn thinking(&mut self, thinking: &Thinking) -> Option<Value> {
        if let Some(redacted) = &thinking.redacted {
            let is_own = redacted.origin == OWN;
            self.losses.add_if(!is_own, "thinking.signature", NOT_OURS);
            return is_own
                .then(|| json!({ "reasoningContent": { "redactedContent": redacted.data } }));
        }
        match &thinking.signature {
            Some(signature) if signature.origin == OWN => {
                // Empty text, too: the signature is what counts.
                let words = json!({ "text": thinking.text, "signature": signature.data });
                return Some(json!({ "reasoningContent": { "reasoningText": words } }));
            }
            Some(_) => self.losses.add("thinking.signature", NOT_OURS),
            None => {}
        }
        if thinking.text.trim().is_empty() {
            return None;
        }
        if self.source == OWN && self.unsigned_thoughts && thinking.signature.is_none() {
            let words = json!({ "text": thinking.text });
            return Some(json!({ "reasoningContent": { "reasoningText": words } }));
        }
        let why = "the target takes no thoughts back that it has not signed";
        self.losses.add("messages.thinking", why);
        None
    }

    fn tool_result(&mut self, result: &ToolResult) -> Result<Value, RequestFault> {
        let mut content = Vec::with_capacity(result.parts.len());
        for part in &result.parts {
            match &part.body {
                PartBody::Json(value @ Value::Object(_)) => content.push(json!({ "json": value })),
                PartBody::Text { text, .. } => {
                    let object = (self.source != OWN).then(|| exact_object(text)).flatten();
                    match object {
                        Some(object) => content.push(json!({ "json": object })),
                        None if text.trim().is_empty() => {}
                        None => content.push(json!({ "text": text })),
                    }
                }
                other => content.extend(self.shown(other)?),
            }
        }
        let id = if result.call_id.is_empty() {
            self.results_without_id += 1;
            made_id("", self.results_without_id)
        } else {
            result.call_id.clone()
        };
        let mut block = Map::new();
        block.insert("toolUseId".to_owned(), json!(id));
        block.insert("content".to_owned(), Value::Array(content));
        if let Some(failed) = result.is_error {
            if self.tool_status {
                let status = if failed { "error" } else { "success" };
                block.insert("status".to_owned(), json!(status));
            } else {
                let why = "this model is not told whether a tool failed";
                self.losses.add_if(failed, "messages.is_error", why);
            }
        }
        Ok(json!({ "toolResult": block }))
    }
}

fn medium(media: &Media, medium: Medium) -> Result<Value, RequestFault> {
    let (format, source) = media::written(&media.source, media.media_type.as_deref(), medium)?;
    Ok(json!({ "format": format, "source": source }))
}

/// `text` as a JSON object, if it is one and nothing of it would change: neither digits of numbers
/// nor members that occur twice.
fn exact_object(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with('{') {
        return None;
    }
    let object: Value = serde_json::from_str(text).ok()?;
    let mut in_string = false;
    let mut is_escaped = false;
    let is_kept = |char: &char| {
        if in_string {
            match char {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            return true;
        }
        in_string = *char == '"';
        !char.is_ascii_whitespace()
    };
    let dense: String = text.chars().filter(is_kept).collect();
    let written = object.to_string();
    (object.is_object() && dense == written).then_some(object)
}

/// Writes the blocks of an answer.
#[derive(Debug)]
pub(in crate::bedrock_converse) struct Answered<'a> {
    /// What ids are made from where there are none.
    pub seed: &'a str,
    /// What could not be said.
    pub losses: Losses,
    calls_without_id: usize,
}

impl<'a> Answered<'a> {
    /// At the start of an answer.
    pub(in crate::bedrock_converse) fn new(seed: &'a str) -> Self {
        Self { seed, losses: Losses::default(), calls_without_id: 0 }
    }

    /// A block of an answer; `None` if there is nothing to be said.
    pub(in crate::bedrock_converse) fn block(&mut self, body: &PartBody) -> Option<Value> {
        const NO_SUCH: &str = "answers of this format have no such block";
        let lost = match body {
            PartBody::Text { text, .. } if text.is_empty() => return None,
            PartBody::Text { text, annotations } => {
                return Some(cited(text, annotations, &mut self.losses));
            }
            PartBody::Refusal(text) => return Some(json!({ "text": text })),
            PartBody::Json(value) => return Some(json!({ "text": value.to_string() })),
            PartBody::ToolCall(call) => {
                self.losses.add_if(call.signature.is_some(), "thinking.signature", NOT_OURS);
                if !call.id.is_empty() {
                    return Some(tool_use(&call.id, call));
                }
                self.calls_without_id += 1;
                return Some(tool_use(&made_id(self.seed, self.calls_without_id), call));
            }
            PartBody::Thinking(thinking) => return self.thinking(thinking),
            PartBody::Image(image) => match media::written(&image.source, None, IMAGE) {
                Ok((format, source)) => {
                    return Some(json!({ "image": { "format": format, "source": source } }));
                }
                Err(_) => "message.image",
            },
            PartBody::Audio(audio) => match medium(audio, SOUND) {
                Ok(block) => return Some(json!({ "audio": block })),
                Err(_) => "message.audio",
            },
            PartBody::Foreign { dialect, raw } if *dialect == OWN => return Some(raw.clone()),
            PartBody::Foreign { raw, .. } => {
                self.losses.add(format!("message.{}", block_name(raw)), NO_SUCH);
                return None;
            }
            PartBody::Document(_) => "message.document",
            PartBody::Video(_) => "message.video",
            PartBody::ToolResult(_) => "message.tool_result",
        };
        self.losses.add(lost, NO_SUCH);
        None
    }

    fn thinking(&mut self, thinking: &Thinking) -> Option<Value> {
        let sealed = thinking.redacted.as_ref().or(thinking.signature.as_ref());
        let own = sealed.filter(|sealed| sealed.origin == OWN);
        self.losses.add_if(sealed.is_some() && own.is_none(), "thinking.signature", NOT_OURS);
        if thinking.redacted.is_some() {
            return own.map(|own| json!({ "reasoningContent": { "redactedContent": own.data } }));
        }
        let mut words = Map::new();
        words.insert("text".to_owned(), json!(thinking.text));
        if let Some(own) = own {
            words.insert("signature".to_owned(), json!(own.data));
        } else if thinking.text.is_empty() {
            return None;
        }
        Some(json!({ "reasoningContent": { "reasoningText": words } }))
    }
}

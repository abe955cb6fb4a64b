//! Parts, written.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::super::media::{self, Place};
use crate::custom;
use crate::fault::RequestFault;
use crate::ir::{Document, Image, Losses, Part, PartBody, Sealed, Thinking, ToolCall};

/// Collects the parts of one turn.
#[derive(Debug)]
pub(in super::super) struct Parts<'a> {
    place: Place,
    /// Images may have a resolution of their own.
    has_resolution: bool,
    losses: &'a mut Losses,
    out: Vec<Value>,
    /// A signature that waits for the text that it belongs to.
    waiting: Option<String>,
}

impl<'a> Parts<'a> {
    /// None yet.
    pub(in super::super) const fn new(
        place: Place,
        has_resolution: bool,
        losses: &'a mut Losses,
    ) -> Self {
        Self { place, has_resolution, losses, out: Vec::new(), waiting: None }
    }

    /// Notes what is lost beside the parts themselves.
    pub(in super::super) fn lose(&mut self, lost: bool, member: &'static str, why: &'static str) {
        self.losses.add_if(lost, member, why);
    }

    /// All of them.
    pub(in super::super) fn finish(mut self) -> Vec<Value> {
        self.release();
        self.out
    }

    /// Writes `part`, unless it is a result of a tool.
    ///
    /// # Errors
    /// It is something that Google cannot have.
    pub(in super::super) fn push(&mut self, part: &Part) -> Result<(), RequestFault> {
        self.losses.add_if(part.cache.is_some(), "cache_control", "Gemini caches by itself");
        let written = match &part.body {
            PartBody::Text { text, .. } | PartBody::Refusal(text) => {
                (!text.is_empty()).then(|| json!({ "text": text }))
            }
            PartBody::Json(value) => Some(json!({ "text": value.to_string() })),
            PartBody::Image(image) => Some(self.image(image)?),
            PartBody::Document(document) => Some(self.document(document)?),
            PartBody::Audio(media) => {
                let known = media.media_type.as_deref();
                Some(media::part(&media.source, known, "audio/wav", self.place)?)
            }
            PartBody::Video(media) => {
                let known = media.media_type.as_deref();
                Some(media::part(&media.source, known, "video/mp4", self.place)?)
            }
            PartBody::ToolCall(call) => Some(self.call(call)),
            PartBody::Thinking(thinking) => self.thinking(thinking),
            PartBody::ToolResult(_) => None,
            PartBody::Foreign { dialect: Dialect::GeminiGenerate, raw } => Some(raw.clone()),
            // Of an answer: no such request comes this far.
            PartBody::Foreign { .. } => {
                self.losses.add("message.content", "a block that only its own format has");
                None
            }
        };
        if let Some(written) = written {
            self.add(written);
        }
        Ok(())
    }

    /// Adds a written part; a signature that waits goes onto a text, and stands alone before
    /// anything else.
    fn add(&mut self, mut part: Value) {
        if can_carry(&part)
            && part.get("text").is_some()
            && let Some(signature) = self.waiting.take()
        {
            set(&mut part, "thoughtSignature", json!(signature));
        }
        self.release();
        self.out.push(part);
    }

    fn release(&mut self) {
        if let Some(signature) = self.waiting.take() {
            self.out.push(json!({ "text": "", "thoughtSignature": signature }));
        }
    }

    fn image(&mut self, image: &Image) -> Result<Value, RequestFault> {
        let mut part = media::part(&image.source, None, "image/jpeg", self.place)?;
        if let Some(resolution) = image.detail.as_deref().and_then(media::resolution) {
            if self.has_resolution {
                set(&mut part, "mediaResolution", resolution);
            } else {
                let why = "this model has one resolution for all images";
                self.losses.add("messages.image.detail", why);
            }
        }
        Ok(part)
    }

    fn document(&mut self, document: &Document) -> Result<Value, RequestFault> {
        let Document { source, title, context, citations } = document;
        let mut part = media::part(source, None, "application/pdf", self.place)?;
        let takes_title = self.place.is_own || self.place.is_vertex;
        let holder = ["inlineData", "fileData"].into_iter().find(|name| part.get(name).is_some());
        match (title, holder) {
            (Some(title), Some(holder)) if takes_title => {
                if let Some(data) = part.get_mut(holder) {
                    set(data, "displayName", json!(title));
                }
            }
            (title, _) => {
                let why = "documents of Gemini have no title";
                self.losses.add_if(title.is_some(), "messages.document.title", why);
            }
        }
        let why = "documents of Gemini have no such member";
        self.losses.add_if(context.is_some(), "messages.document.context", why);
        self.losses.add_if(*citations == Some(true), "messages.document.citations", why);
        Ok(part)
    }

    fn call(&mut self, call: &ToolCall) -> Value {
        let mut function = Map::new();
        if !call.id.is_empty() {
            function.insert("id".to_owned(), json!(call.id));
        }
        function.insert("name".to_owned(), json!(call.name));
        let (args, is_wrapped) = arguments(call);
        if is_wrapped {
            let why = "they are not an object, and are wrapped in one";
            self.losses.add("messages.tool_calls.arguments", why);
        }
        function.insert("args".to_owned(), args);
        let mut part = json!({ "functionCall": function });
        if let Some(signature) = self.unseal(call.signature.as_ref()) {
            set(&mut part, "thoughtSignature", json!(signature));
        }
        part
    }

    fn thinking(&mut self, thinking: &Thinking) -> Option<Value> {
        let signature = self.unseal(thinking.signature.as_ref());
        if thinking.redacted.is_some() {
            let why = "reasoning that only its maker can read";
            self.losses.add("thinking.signature", why);
        }
        match signature {
            Some(signature) if thinking.text.is_empty() => {
                match self.out.last_mut() {
                    Some(last) if self.waiting.is_none() && can_carry(last) => {
                        set(last, "thoughtSignature", json!(signature));
                    }
                    _ => {
                        self.release();
                        self.waiting = Some(signature);
                    }
                }
                None
            }
            Some(signature) => Some(json!({
                "text": thinking.text, "thought": true, "thoughtSignature": signature
            })),
            None if thinking.text.is_empty() => None,
            None if self.place.is_own => Some(json!({ "text": thinking.text, "thought": true })),
            None => {
                let why = "thoughts that Gemini has not signed are not sent to it";
                self.losses.add("messages.thinking", why);
                None
            }
        }
    }

    fn unseal(&mut self, sealed: Option<&Sealed>) -> Option<String> {
        let sealed = sealed?;
        if sealed.origin == Dialect::GeminiGenerate {
            return Some(sealed.data.clone());
        }
        self.losses.add("thinking.signature", "it is of use to its maker only");
        None
    }
}

/// Whether a signature that came alone belongs onto `part`.
fn can_carry(part: &Value) -> bool {
    ["text", "inlineData", "fileData"].iter().any(|name| part.get(name).is_some())
        && part.get("thoughtSignature").is_none()
        && part.get("thought").is_none()
}

fn set(part: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = part {
        members.insert(name.to_owned(), value);
    }
}

/// The arguments of `call` as an object, and whether they had to be wrapped in one.
pub(in super::super) fn arguments(call: &ToolCall) -> (Value, bool) {
    if call.is_custom {
        return (custom::wrapped(&call.arguments), false);
    }
    match serde_json::from_str(&call.arguments) {
        Ok(args @ Value::Object(_)) => (args, false),
        Ok(args) => (json!({ "arguments": args }), true),
        Err(_) if call.arguments.trim().is_empty() => (json!({}), false),
        Err(_) => (json!({ "arguments": call.arguments }), true),
    }
}

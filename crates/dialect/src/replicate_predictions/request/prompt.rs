//! Writes a conversation as the texts that a model takes: instructions, and one prompt.
//!
//! A single question is the prompt as it is. A conversation becomes messages where the model takes
//! them, else a record of who said what, which ends where the model is to go on.

use serde_json::{Map, Value, json};

use super::super::inputs::{Images, Inputs};
use crate::fault::RequestFault;
use crate::ir::{Chat, Document, Image, Losses, Message, Part, PartBody, Role, Source, block_name};
use crate::media;

/// What was said, by whom, as text.
struct Turn {
    is_models: bool,
    text: String,
}

/// A conversation on its way.
struct Draft<'a> {
    losses: &'a mut Losses,
    /// By their addresses, `data:` among them.
    images: Vec<String>,
}

/// Writes the conversation of `chat` into `input`.
pub(super) fn write(
    chat: &Chat,
    inputs: &Inputs,
    input: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), RequestFault> {
    let mut draft = Draft { losses, images: Vec::new() };
    let (mut system, mut turns) = (Vec::new(), Vec::new());
    for message in &chat.messages {
        let text = draft.text(message)?;
        match message.role {
            Role::System | Role::Developer => system.push(text),
            role => turns.push(Turn { is_models: role == Role::Assistant, text }),
        }
    }
    images(&draft.images, inputs.images, input)?;
    system.retain(|text| !text.is_empty());
    let system = system.join("\n\n");
    let is_question = matches!(turns.as_slice(), [Turn { is_models: false, .. }]);
    if inputs.messages && !is_question {
        input.insert("messages".to_owned(), messages(&system, &turns));
        return Ok(());
    }
    let mut prompt = if is_question { turns.remove(0).text } else { record(&turns) };
    match inputs.system.filter(|_| !system.is_empty()) {
        Some(name) => {
            input.insert(name.to_owned(), json!(system));
        }
        None if !system.is_empty() => prompt = format!("{system}\n\n{prompt}"),
        None => {}
    }
    input.insert("prompt".to_owned(), json!(prompt));
    Ok(())
}

fn messages(system: &str, turns: &[Turn]) -> Value {
    let message = |role: &str, text: &str| json!({ "role": role, "content": text });
    let system = (!system.is_empty()).then(|| message("system", system));
    let turns = turns
        .iter()
        .map(|turn| message(if turn.is_models { "assistant" } else { "user" }, &turn.text));
    system.into_iter().chain(turns).collect()
}

/// Who said what. What the model has begun to say last, it goes on with.
fn record(turns: &[Turn]) -> String {
    let name = |turn: &Turn| if turn.is_models { "Assistant" } else { "User" };
    let mut lines: Vec<String> =
        turns.iter().map(|turn| format!("{}: {}", name(turn), turn.text)).collect();
    if turns.last().is_some_and(|turn| !turn.is_models) {
        lines.push("Assistant:".to_owned());
    }
    lines.join("\n\n")
}

fn images(
    urls: &[String],
    takes: Images,
    input: &mut Map<String, Value>,
) -> Result<(), RequestFault> {
    let refused = |why| Err(RequestFault::unsupported("messages.image", why));
    match (takes, urls) {
        (_, []) => Ok(()),
        (Images::None, _) => refused("this model on Replicate takes text only"),
        (Images::One(name), [url]) => {
            input.insert(name.to_owned(), json!(url));
            Ok(())
        }
        (Images::One(_), _) => refused("this model on Replicate takes one image in a request"),
        (Images::Many(name), urls) => {
            input.insert(name.to_owned(), json!(urls));
            Ok(())
        }
    }
}

impl Draft<'_> {
    fn text(&mut self, message: &Message) -> Result<String, RequestFault> {
        let has_name = message.name.is_some();
        self.losses.add_if(has_name, "messages.name", "predictions have no names of participants");
        let mut texts = Vec::new();
        for part in &message.parts {
            texts.extend(self.part(part)?);
        }
        Ok(texts.join("\n\n"))
    }

    /// What a part says in words, if anything.
    fn part(&mut self, part: &Part) -> Result<Option<String>, RequestFault> {
        self.losses.add_if(part.cache.is_some(), "cache_control", super::NO_MEMBER);
        Ok(match &part.body {
            PartBody::Text { text, annotations } => {
                let has_notes = !annotations.is_empty();
                self.losses.add_if(has_notes, "messages.annotations", "a prompt is plain text");
                Some(text.clone())
            }
            PartBody::Refusal(text) => Some(text.clone()),
            PartBody::Json(value) => Some(value.to_string()),
            PartBody::Image(image) => {
                self.image(image)?;
                None
            }
            PartBody::Document(document) => {
                let cites = document.citations == Some(true);
                self.losses.add_if(cites, "citations", "a prompt is plain text");
                Some(document_text(document)?)
            }
            // There are no such members, so none comes this far.
            PartBody::Audio(_) | PartBody::Video(_) => None,
            PartBody::ToolCall(_) | PartBody::ToolResult(_) => {
                let why = "models on Replicate know no tools, nor calls of them";
                return Err(RequestFault::unsupported("messages.tool_calls", why));
            }
            PartBody::Thinking(thinking) => {
                let is_lost = !thinking.text.is_empty();
                self.losses.add_if(is_lost, "messages.thinking", "a prompt has no place for it");
                None
            }
            PartBody::Foreign { raw, .. } => {
                let name = format!("messages.{}", block_name(raw));
                self.losses.add(name, "a prompt has no place for it");
                None
            }
        })
    }

    fn image(&mut self, image: &Image) -> Result<(), RequestFault> {
        let url = match &image.source {
            Source::Url(url) if !url.starts_with("http") => None,
            source => source.to_url(),
        };
        let Some(url) = url else {
            let why = "Replicate takes images by web address or in the request, not kept elsewhere";
            return Err(RequestFault::unsupported("messages.image", why));
        };
        self.losses.add_if(image.detail.is_some(), "messages.image.detail", super::NO_MEMBER);
        self.images.push(url);
        Ok(())
    }
}

/// A document that is text stands in the prompt under its title.
fn document_text(document: &Document) -> Result<String, RequestFault> {
    let text = match &document.source {
        Source::Text(text) => Some(text.clone()),
        Source::Base64 { media_type, data } if media_type.starts_with("text/") => {
            media::text_of(data)
        }
        _ => None,
    };
    let Some(text) = text else {
        let why = "models on Replicate take documents as text only";
        return Err(RequestFault::unsupported("messages.document", why));
    };
    let above = [document.title.as_deref(), document.context.as_deref()];
    let above = above.into_iter().flatten().map(str::to_owned);
    Ok(above.chain([text]).collect::<Vec<_>>().join("\n"))
}

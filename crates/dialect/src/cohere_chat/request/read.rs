//! Reads the top of a chat request.
//!
//! `documents` become parts of the last user turn, which is what they are to be used for; all that
//! only Cohere has (`safety_mode`, `citation_options`, `priority`, …) goes to `extra` by its name.

use serde_json::Value;
use weir_types::Dialect;

use super::super::document;
use super::{messages_in, tools};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Message, OutputFormat, Part, PartBody, Reasoning, Role, Sampling, ToolBody};
use crate::peek::PathFacts;
use crate::state;

/// A prompt that the client has put into a model's own marks is no conversation to another.
const STATE: [&str; 1] = ["raw_prompting"];

/// Reads a chat request.
pub(super) fn chat(mut fields: Fields, path: &PathFacts<'_>) -> Result<Chat, RequestFault> {
    let mut chat = Chat::new(Dialect::CohereChat);
    let model = fields.text("model")?.or_else(|| path.model.map(str::to_owned));
    chat.model = model.ok_or_else(|| fields.missing("model", "a string"))?;
    chat.stream = fields.flag("stream")?.unwrap_or(false);
    chat.stream = path.stream.unwrap_or(chat.stream);
    if !fields.has("messages") {
        return Err(fields.missing("messages", "an array of messages"));
    }
    chat.messages = messages_in::read(&mut fields, &mut chat.extra)?;
    if chat.messages.is_empty() {
        return Err(fields.wrong("messages", "must not be empty"));
    }
    documents(&mut fields, &mut chat.messages)?;
    chat.tools = tools::read(&mut fields, &mut chat.extra)?;
    chat.tool_choice = tools::read_choice(&mut fields)?;
    let strict = fields.flag("strict_tools")?;
    for tool in &mut chat.tools {
        if let ToolBody::Function { strict: of_tool, .. } = &mut tool.body {
            *of_tool = strict;
        }
    }
    chat.sampling = sampling(&mut fields)?;
    chat.reasoning = reasoning(&mut fields)?;
    chat.output = output(&mut fields)?;
    chat.extra.extend(fields.rest());
    state::note(&mut chat, &STATE, &[]);
    Ok(chat)
}

fn documents(fields: &mut Fields, messages: &mut Vec<Message>) -> Result<(), RequestFault> {
    let list = fields.list("documents")?;
    if list.is_empty() {
        return Ok(());
    }
    let mode = fields.peek("citation_options").and_then(|options| options.get("mode"));
    let mode = mode.and_then(Value::as_str).unwrap_or("ENABLED");
    // Citations are on unless they are switched off.
    let cited = !["OFF", "DISABLED"].iter().any(|off| mode.eq_ignore_ascii_case(off));
    let parts = list
        .into_iter()
        .map(|value| Part::new(PartBody::Document(document::read(value, Some(cited)))));
    match messages.iter_mut().rev().find(|message| message.role == Role::User) {
        Some(last) => {
            last.parts.splice(0..0, parts);
        }
        None => messages.push(Message { role: Role::User, parts: parts.collect(), name: None }),
    }
    Ok(())
}

fn sampling(fields: &mut Fields) -> Result<Sampling, RequestFault> {
    // Seeds go up to 2^64 here; one that the form between has no room for stays in `extra`.
    let is_signed = fields.peek("seed").is_none_or(|seed| seed.as_u64().is_none() || seed.is_i64());
    Ok(Sampling {
        max_output_tokens: fields.count("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("p")?,
        top_k: fields.count("k")?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        seed: if is_signed { fields.integer("seed")? } else { None },
        stop: fields.texts("stop_sequences")?,
        logprobs: fields.flag("logprobs")?,
        ..Sampling::default()
    })
}

fn reasoning(fields: &mut Fields) -> Result<Option<Reasoning>, RequestFault> {
    let Some(mut thinking) = fields.object("thinking")? else { return Ok(None) };
    let enabled = match thinking.required_text("type")?.as_str() {
        "enabled" => true,
        "disabled" => false,
        _ => return Err(thinking.wrong("type", "must be \"enabled\" or \"disabled\"")),
    };
    Ok(Some(Reasoning {
        enabled: Some(enabled),
        budget_tokens: thinking.count("token_budget")?,
        ..Reasoning::default()
    }))
}

fn output(fields: &mut Fields) -> Result<Option<OutputFormat>, RequestFault> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(None) };
    match format.required_text("type")?.as_str() {
        "text" => Ok(Some(OutputFormat::Text)),
        "json_object" => {
            // `schema` is the older name, still found in the vendor's guides.
            let schema = format.any("json_schema").or_else(|| format.any("schema"));
            Ok(Some(schema.map_or(OutputFormat::JsonObject, |schema| OutputFormat::JsonSchema {
                name: None,
                description: None,
                schema,
                strict: None,
            })))
        }
        _ => Err(format.wrong("type", "must be \"text\" or \"json_object\"")),
    }
}

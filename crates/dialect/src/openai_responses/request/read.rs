//! Reads a request: its members, one by one. Items are read by [`super::turns`].

use bytes::Bytes;
use serde_json::Value;
use weir_types::{Dialect, Operation};

use super::turns::Turns;
use super::{INCLUDE_LOGPROBS, STATE};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Effort, Message, OutputFormat, Part, Reasoning, Request, Role};
use crate::openai_responses::tools;
use crate::peek::PathFacts;

/// Reads a request.
pub(in crate::openai_responses) fn read(
    body: &Bytes,
    path: &PathFacts<'_>,
) -> Result<Request, RequestFault> {
    let counts = match path.operation {
        Operation::Responses | Operation::Chat => false,
        Operation::CountTokens => true,
        other => return Err(RequestFault::untranslatable(Dialect::OpenAiResponses, other)),
    };
    let mut fields = Fields::document(body)?;
    let mut chat = Chat::new(Dialect::OpenAiResponses);
    let model = fields.text("model")?;
    chat.model = path.model.map(str::to_owned).or(model).unwrap_or_default();
    conversation(&mut fields, &mut chat)?;
    let tools = fields.objects("tools")?;
    chat.tools = tools::read(tools, &mut chat.extra)?;
    chat.tool_choice = tools::read_choice(&mut fields, &mut chat.extra)?;
    chat.parallel_tool_calls = fields.flag("parallel_tool_calls")?;
    sampling(&mut fields, &mut chat)?;
    chat.reasoning = reasoning(&mut fields, &mut chat)?;
    text(&mut fields, &mut chat)?;
    let stream = fields.flag("stream")?;
    chat.stream = path.stream.or(stream).unwrap_or(false);
    chat.user = user(&mut fields)?;
    chat.metadata = fields.object("metadata")?.map(Fields::rest).unwrap_or_default();
    chat.service_tier = fields.text("service_tier")?;
    chat.store = fields.flag("store")?;
    for (name, value) in fields.rest() {
        chat.extra.entry(name).or_insert(value);
    }
    let chat = Box::new(chat);
    Ok(if counts { Request::CountTokens(chat) } else { Request::Chat(chat) })
}

fn conversation(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let state = STATE.into_iter().find(|name| match fields.peek(name) {
        Some(Value::Bool(is_so)) => *is_so,
        other => other.is_some(),
    });
    if let Some(text) = fields.text("instructions")? {
        chat.messages.push(Message {
            role: Role::System,
            parts: vec![Part::text(text)],
            name: None,
        });
    }
    let mut turns = Turns::new(&mut chat.messages);
    match fields.any("input") {
        Some(Value::String(text)) => turns.user(Part::text(text)),
        Some(Value::Array(list)) => {
            for (at, item) in list.into_iter().enumerate() {
                turns.item(Fields::new(item, format!("input[{at}]"))?)?;
            }
        }
        Some(_) => return Err(fields.wrong("input", "must be a string or an array of items")),
        None if state.is_some_and(|name| name != "background") => {}
        None => return Err(fields.missing("input", "a string or an array of items")),
    }
    chat.needs_state = state.or(turns.needs_state);
    Ok(())
}

fn sampling(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let mut include = fields.texts("include")?;
    let all = include.len();
    include.retain(|entry| entry != INCLUDE_LOGPROBS);
    let sampling = &mut chat.sampling;
    sampling.logprobs = (include.len() < all).then_some(true);
    if !include.is_empty() {
        chat.extra.insert("include".to_owned(), include.into());
    }
    sampling.max_output_tokens = fields.count("max_output_tokens")?;
    sampling.temperature = fields.number("temperature")?;
    sampling.top_p = fields.number("top_p")?;
    let wanted = fields.count("top_logprobs")?.filter(|count| *count > 0);
    if let Some(count) = wanted {
        let count = u32::try_from(count).map_err(|_| fields.wrong("top_logprobs", "is too high"));
        sampling.top_logprobs = Some(count?);
        sampling.logprobs = Some(true);
    }
    Ok(())
}

fn reasoning(fields: &mut Fields, chat: &mut Chat) -> Result<Option<Reasoning>, RequestFault> {
    let Some(mut object) = fields.object("reasoning")? else { return Ok(None) };
    let effort = match object.text("effort")? {
        None => None,
        Some(word) => Some(Effort::from_label(&word).ok_or_else(|| {
            let known = Effort::ALL.map(Effort::label).join(", ");
            object.wrong("effort", format_args!("must be one of {known}, found {word:?}"))
        })?),
    };
    let older = object.text("generate_summary")?;
    let summary = object.text("summary")?.or(older);
    let rest = object.rest();
    if !rest.is_empty() {
        chat.extra.insert("reasoning".to_owned(), Value::Object(rest));
    }
    let visible = summary.is_some().then_some(true);
    Ok(Some(Reasoning { effort, summary, visible, ..Reasoning::default() }))
}

fn text(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let Some(mut object) = fields.object("text")? else { return Ok(()) };
    chat.verbosity = object.text("verbosity")?;
    if let Some(format) = object.object("format")? {
        chat.output = Some(output(format)?);
    }
    let rest = object.rest();
    if !rest.is_empty() {
        chat.extra.insert("text".to_owned(), Value::Object(rest));
    }
    Ok(())
}

fn output(mut format: Fields) -> Result<OutputFormat, RequestFault> {
    match format.required_text("type")?.as_str() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let Some(schema) = format.any("schema").filter(Value::is_object) else {
                return Err(format.missing("schema", "a JSON Schema object"));
            };
            Ok(OutputFormat::JsonSchema {
                name: format.text("name")?,
                description: format.text("description")?,
                schema,
                strict: format.flag("strict")?,
            })
        }
        _ => Err(format.wrong("type", "must be \"text\", \"json_schema\" or \"json_object\"")),
    }
}

/// Who the end user is: `user`, or `safety_identifier`, which is to replace it. Where both stand,
/// the newer stays for its own format.
fn user(fields: &mut Fields) -> Result<Option<String>, RequestFault> {
    match fields.text("user")? {
        Some(user) => Ok(Some(user)),
        None => fields.text("safety_identifier"),
    }
}

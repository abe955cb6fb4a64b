//! Reads a request.

use bytes::Bytes;
use serde_json::{Map, Value};
use weir_types::{Dialect, Operation};

use super::super::{blocks, rerank, words};
use super::{model, tools};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Message, OutputFormat, Reasoning, Request, Role};
use crate::ir::{Effort, Part};
use crate::peek::PathFacts;
use crate::state;

/// What AWS keeps for its customer: guardrails, and what is put into prompts of its library.
const STATE: [&str; 2] = ["guardrailConfig", "promptVariables"];

/// In the ARN of a prompt, which stands where a model's name does and brings its own.
const PROMPT: &str = ":prompt/";

pub(in crate::bedrock_converse) fn read(
    body: &Bytes,
    path: &PathFacts<'_>,
) -> Result<Request, RequestFault> {
    let mut fields = Fields::document(body)?;
    match path.operation {
        Operation::Chat => Ok(Request::Chat(Box::new(chat(fields, path)?))),
        Operation::CountTokens => {
            let mut input =
                fields.object("input")?.ok_or_else(|| fields.missing("input", "an object"))?;
            if input.has("invokeModel") {
                let text = "only the form `input.converse` is translated";
                return Err(RequestFault::unsupported("input.invokeModel", text));
            }
            let converse = input.object("converse")?;
            let converse = converse.ok_or_else(|| input.missing("converse", "an object"))?;
            Ok(Request::CountTokens(Box::new(chat(converse, path)?)))
        }
        Operation::Rerank => rerank::read(fields, path).map(Request::Rerank),
        other => Err(RequestFault::untranslatable(Dialect::BedrockConverse, other)),
    }
}

fn chat(mut fields: Fields, path: &PathFacts<'_>) -> Result<Chat, RequestFault> {
    let mut chat = Chat::new(Dialect::BedrockConverse);
    // Some clients repeat the path's model in the body.
    let named = [fields.text("modelId")?, fields.text("model")?];
    chat.model = match path.model {
        Some(model) => model.to_owned(),
        None => named.into_iter().flatten().next().unwrap_or_default(),
    };
    chat.stream = path.stream.unwrap_or(false);
    messages(&mut fields, &mut chat)?;
    inference(&mut fields, &mut chat)?;
    if let Some(config) = fields.object("toolConfig")? {
        tools::read(config, &mut chat)?;
    }
    if let Some(output) = fields.object("outputConfig")? {
        output_config(output, &mut chat)?;
    }
    if let Some(additional) = fields.any("additionalModelRequestFields") {
        model::read(additional, &mut chat)?;
    }
    if let Some(metadata) = fields.object("requestMetadata")? {
        chat.metadata = metadata.rest();
    }
    if let Some(mut tier) = fields.object("serviceTier")? {
        let word = tier.text("type")?.unwrap_or_default();
        match words::tier_read(&word) {
            Some(known) => chat.service_tier = Some(known.to_owned()),
            None => put_extra(&mut chat, "serviceTier", serde_json::json!({ "type": word })),
        }
    }
    chat.extra.extend(fields.rest());
    if chat.model.contains(PROMPT) {
        chat.needs_state = Some("modelId");
    }
    state::note(&mut chat, &STATE, &[]);
    Ok(chat)
}

fn messages(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let at = fields.at("system");
    let system = blocks::parts(fields.list("system")?, &at)?;
    if !system.is_empty() {
        chat.messages.push(message(Role::System, system));
    }
    for mut turn in fields.objects("messages")? {
        let role = match turn.required_text("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            other => {
                let why = format!("must be user, assistant or system, found {other:?}");
                return Err(turn.wrong("role", why));
            }
        };
        let at = turn.at("content");
        chat.messages.push(message(role, blocks::parts(turn.list("content")?, &at)?));
    }
    Ok(())
}

const fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, name: None }
}

fn inference(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    let Some(mut config) = fields.object("inferenceConfig")? else { return Ok(()) };
    chat.sampling.max_output_tokens = config.count("maxTokens")?;
    chat.sampling.temperature = config.number("temperature")?;
    chat.sampling.top_p = config.number("topP")?;
    chat.sampling.stop = config.texts("stopSequences")?;
    keep(chat, "inferenceConfig", config.rest());
    Ok(())
}

fn output_config(mut output: Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    if let Some(mut format) = output.object("textFormat")? {
        format.text("type")?;
        let mut structure =
            format.object("structure")?.ok_or_else(|| format.missing("structure", "an object"))?;
        let mut definition = structure
            .object("jsonSchema")?
            .ok_or_else(|| structure.missing("jsonSchema", "an object"))?;
        let schema = definition.required_text("schema")?;
        let schema = serde_json::from_str(&schema)
            .map_err(|fault| definition.wrong("schema", format!("is not JSON: {fault}")))?;
        chat.output = Some(OutputFormat::JsonSchema {
            name: definition.text("name")?,
            description: definition.text("description")?,
            schema,
            strict: None,
        });
    }
    if let Some(effort) = output.text("effort")? {
        match Effort::from_label(&effort) {
            Some(effort) => reasoning(chat).effort = Some(effort),
            None => return Err(output.wrong("effort", format!("is not known: {effort:?}"))),
        }
    }
    keep(chat, "outputConfig", output.rest());
    Ok(())
}

/// What the request says of thinking, to be added to.
pub(super) fn reasoning(chat: &mut Chat) -> &mut Reasoning {
    chat.reasoning.get_or_insert_default()
}

/// Keeps what is left of a member for writers of this format.
pub(super) fn keep(chat: &mut Chat, name: &str, rest: Map<String, Value>) {
    if !rest.is_empty() {
        put_extra(chat, name, Value::Object(rest));
    }
}

fn put_extra(chat: &mut Chat, name: &str, value: Value) {
    chat.extra.insert(name.to_owned(), value);
}

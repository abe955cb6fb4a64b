//! Reads everything of a chat request beside messages and tools.

use serde_json::Value;

use super::parts;
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Chat, Effort, OutputFormat, Reasoning, Sampling};

/// Takes the members that have a place of their own in `chat`.
pub(super) fn read(fields: &mut Fields, chat: &mut Chat) -> Result<(), RequestFault> {
    chat.sampling = sampling(fields)?;
    chat.reasoning = reasoning(fields)?;
    chat.output = output(fields)?;
    chat.verbosity = fields.text("verbosity")?;
    chat.stream = fields.flag("stream")?.unwrap_or(false);
    if let Some(mut options) = fields.object("stream_options")? {
        chat.stream_usage = options.flag("include_usage")?;
        let rest = options.rest();
        if !rest.is_empty() {
            chat.extra.insert("stream_options".to_owned(), Value::Object(rest));
        }
    }
    chat.user = fields.text("user")?;
    if chat.user.is_none() {
        chat.user = fields.text("safety_identifier")?;
    }
    if let Some(metadata) = fields.object("metadata")? {
        chat.metadata = metadata.rest();
    }
    chat.service_tier = fields.text("service_tier")?;
    chat.store = fields.flag("store")?;
    chat.modalities = fields.texts("modalities")?;
    chat.cache = parts::mark(fields)?;
    Ok(())
}

fn sampling(fields: &mut Fields) -> Result<Sampling, RequestFault> {
    let max_tokens = fields.count("max_tokens")?;
    Ok(Sampling {
        max_output_tokens: fields.count("max_completion_tokens")?.or(max_tokens),
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        top_k: top_k(fields)?,
        frequency_penalty: fields.number("frequency_penalty")?,
        presence_penalty: fields.number("presence_penalty")?,
        // The second is Mistral's word for it.
        seed: fields.integer("seed")?.or(fields.integer("random_seed")?),
        stop: fields.texts("stop")?,
        n: small(fields, "n")?,
        logprobs: fields.flag("logprobs")?,
        top_logprobs: small(fields, "top_logprobs")?,
        logit_bias: fields.any("logit_bias"),
    })
}

/// Inference servers take -1 for "all of them", which is what leaving it out says.
fn top_k(fields: &mut Fields) -> Result<Option<u64>, RequestFault> {
    if fields.peek("top_k").and_then(Value::as_i64) == Some(-1) {
        fields.any("top_k");
    }
    fields.count("top_k")
}

fn small(fields: &mut Fields, name: &str) -> Result<Option<u32>, RequestFault> {
    let Some(count) = fields.count(name)? else { return Ok(None) };
    let small = u32::try_from(count);
    small.map(Some).map_err(|_| fields.wrong(name, "is larger than any host takes"))
}

/// `reasoning_effort` is OpenAI's; `reasoning` is OpenRouter's and says more; `thinking` is
/// Anthropic's, which several hosts of this format take as well.
fn reasoning(fields: &mut Fields) -> Result<Option<Reasoning>, RequestFault> {
    let mut reasoning = Reasoning::default();
    if let Some(mut object) = fields.object("thinking")? {
        match object.text("type")?.as_deref() {
            Some("disabled") => reasoning.enabled = Some(false),
            Some("adaptive") => reasoning.adaptive = true,
            _ => reasoning.enabled = Some(true),
        }
        reasoning.budget_tokens = object.count("budget_tokens")?;
    }
    if let Some(mut object) = fields.object("reasoning")? {
        reasoning.enabled = object.flag("enabled")?.or(reasoning.enabled);
        reasoning.effort = effort(&mut object, "effort")?;
        reasoning.summary = object.text("summary")?;
        reasoning.visible = object.flag("exclude")?.map(|hidden| !hidden);
        match object.peek("max_tokens").and_then(Value::as_i64) {
            // "As much as you like."
            Some(-1) => reasoning.adaptive = true,
            _ => reasoning.budget_tokens = object.count("max_tokens")?.or(reasoning.budget_tokens),
        }
    }
    if let Some(effort) = effort(fields, "reasoning_effort")? {
        reasoning.effort = Some(effort);
    }
    Ok((reasoning != Reasoning::default()).then_some(reasoning))
}

fn effort(fields: &mut Fields, name: &str) -> Result<Option<Effort>, RequestFault> {
    let Some(word) = fields.text(name)? else { return Ok(None) };
    let known = "must be none, minimal, low, medium, high, xhigh or max";
    Effort::from_label(&word).map(Some).ok_or_else(|| fields.wrong(name, known))
}

fn output(fields: &mut Fields) -> Result<Option<OutputFormat>, RequestFault> {
    let Some(mut format) = fields.object("response_format")? else { return Ok(None) };
    match format.required_text("type")?.as_str() {
        "text" => Ok(Some(OutputFormat::Text)),
        "json_object" => Ok(Some(OutputFormat::JsonObject)),
        "json_schema" => {
            let Some(mut schema) = format.object("json_schema")? else {
                return Err(format.missing("json_schema", "an object"));
            };
            Ok(Some(OutputFormat::JsonSchema {
                name: schema.text("name")?,
                description: schema.text("description")?,
                schema: schema.any("schema").unwrap_or_else(|| Value::Object(Default::default())),
                strict: schema.flag("strict")?,
            }))
        }
        _ => Err(format.wrong("type", "must be text, json_object or json_schema")),
    }
}

//! Writes the top of a chat request. <https://docs.cohere.com/reference/chat#request>

use serde_json::{Map, Number, Value, json};
use weir_types::Dialect;

use super::messages_out::Conversation;
use super::tools;
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{Chat, Effort, Losses, OutputFormat, Reasoning, Sampling};
use crate::json;

/// Writes a chat request.
pub(super) fn chat(chat: &Chat, target: &Target<'_>) -> Result<Written, RequestFault> {
    let mut losses = Losses::default();
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(target.model));
    let mut conversation = Conversation::new(chat, &mut losses);
    conversation.write()?;
    let Conversation { messages, documents, cited, .. } = conversation;
    body.insert("messages".to_owned(), Value::Array(messages));
    tools::write(chat, &mut body, &mut losses)?;
    if !documents.is_empty() {
        body.insert("documents".to_owned(), Value::Array(documents));
        // Citations are on unless they are switched off.
        if cited == Some(false) {
            body.insert("citation_options".to_owned(), json!({ "mode": "OFF" }));
        }
    }
    if let Some(format) = &chat.output {
        body.insert("response_format".to_owned(), output(format, &mut losses));
    }
    sampling(chat, &mut body, &mut losses);
    let asked = chat.reasoning.as_ref().filter(|asked| may_think(chat, asked, target, &mut losses));
    if let Some(thinking) = asked.and_then(|asked| thinking(asked, &mut losses)) {
        body.insert("thinking".to_owned(), thinking);
    }
    if chat.stream {
        body.insert("stream".to_owned(), json!(true));
    }
    extra(chat, &mut body, &mut losses);
    leave_out(chat, &mut losses)?;
    Ok(Written { body: json::object(&body), losses })
}

fn output(format: &OutputFormat, losses: &mut Losses) -> Value {
    match format {
        OutputFormat::Text => json!({ "type": "text" }),
        OutputFormat::JsonObject => json!({ "type": "json_object" }),
        OutputFormat::JsonSchema { description, schema, .. } => {
            let is_described = description.is_some();
            losses.add_if(
                is_described,
                "response_format.description",
                "Cohere takes the schema only",
            );
            json!({ "type": "json_object", "json_schema": schema })
        }
    }
}

fn sampling(chat: &Chat, body: &mut Map<String, Value>, losses: &mut Losses) {
    let Sampling { top_logprobs, logit_bias, .. } = &chat.sampling;
    losses.add_if(top_logprobs.is_some_and(|n| n > 0), "top_logprobs", "Cohere has no such member");
    losses.add_if(logit_bias.is_some(), "logit_bias", "Cohere has no such member");
    let sampling = &chat.sampling;
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("max_tokens", sampling.max_output_tokens.map(Value::from));
    put("stop_sequences", (!sampling.stop.is_empty()).then(|| json!(sampling.stop)));
    put("temperature", sampling.temperature.clone().map(Value::Number));
    put("k", sampling.top_k.map(Value::from));
    put("logprobs", sampling.logprobs.filter(|wanted| *wanted).map(Value::from));
    let seed = sampling.seed.filter(|seed| *seed >= 0);
    losses.add_if(seed != sampling.seed, "seed", "Cohere's seeds are not negative");
    put("seed", seed.map(Value::from));
    // A Cohere client's own numbers are Cohere's to judge.
    let is_own = chat.source == Dialect::CohereChat;
    let mut bounded = |name: &'static str, number: &Option<Number>, (min, max): (f64, f64)| {
        let number = number.as_ref()?;
        let float = number.as_f64().filter(|float| !is_own && !(min..=max).contains(float));
        let Some(float) = float else { return Some(Value::Number(number.clone())) };
        losses.add(name, format!("Cohere takes {min} to {max}; the nearest is sent"));
        Some(json!(float.clamp(min, max)))
    };
    put("p", bounded("top_p", &sampling.top_p, (0.01, 0.99)));
    let (frequency, presence) = (&sampling.frequency_penalty, &sampling.presence_penalty);
    put("frequency_penalty", bounded("frequency_penalty", frequency, (0.0, 1.0)));
    put("presence_penalty", bounded("presence_penalty", presence, (0.0, 1.0)));
}

/// Parts of the names of models that do not think; the member is for those that can.
/// <https://docs.cohere.com/docs/reasoning>
const THOUGHTLESS: [&str; 6] = [
    "command-r",
    "command-a-03",
    "command-a-vision",
    "command-a-translate",
    "command-light",
    "aya",
];

/// Whether the model can be told how to think. A client of this very format knows its model.
fn may_think(chat: &Chat, asked: &Reasoning, target: &Target<'_>, losses: &mut Losses) -> bool {
    let is_own = chat.source == Dialect::CohereChat;
    if is_own || !THOUGHTLESS.iter().any(|part| target.known_as.contains(part)) {
        return true;
    }
    let is_off = asked.effort() == Some(Effort::None);
    losses.add_if(!is_off, "reasoning", "this model does not think");
    false
}

/// Thinking is on by default in models that can, and has no limit then: the highest efforts are
/// said by no budget at all.
fn thinking(asked: &Reasoning, losses: &mut Losses) -> Option<Value> {
    let shown = asked.visible.is_some() || asked.summary.is_some();
    losses.add_if(shown, "reasoning.summary", "Cohere always shows the thinking");
    let effort = asked.effort();
    if effort == Some(Effort::None) {
        return Some(json!({ "type": "disabled" }));
    }
    let is_boundless = asked.budget_tokens.is_none() && effort >= Some(Effort::XHigh);
    match asked.budget().filter(|budget| *budget > 0 && !is_boundless) {
        Some(budget) => Some(json!({ "type": "enabled", "token_budget": budget })),
        None if effort.is_some() || asked.adaptive || asked.enabled == Some(true) => {
            Some(json!({ "type": "enabled" }))
        }
        None => None,
    }
}

fn extra(chat: &Chat, body: &mut Map<String, Value>, losses: &mut Losses) {
    let is_own = chat.source == Dialect::CohereChat;
    for (name, value) in &chat.extra {
        if is_own && !name.contains('.') {
            body.insert(name.clone(), value.clone());
            continue;
        }
        losses.add(name.clone(), "Cohere has no such member");
    }
}

/// What Cohere has nothing for.
fn leave_out(chat: &Chat, losses: &mut Losses) -> Result<(), RequestFault> {
    if let Some(other) = chat.modalities.iter().find(|wanted| *wanted != "text") {
        let why = format!("Cohere's models answer in text, not in {other}");
        return Err(RequestFault::unsupported("modalities", why));
    }
    let tier = chat.service_tier.as_deref();
    let has_tier = tier.is_some_and(|tier| !matches!(tier, "auto" | "default"));
    for (is_lost, name) in [
        (chat.parallel_tool_calls == Some(false), "parallel_tool_calls"),
        (chat.verbosity.is_some(), "verbosity"),
        (chat.user.is_some(), "user"),
        (!chat.metadata.is_empty(), "metadata"),
        (has_tier, "service_tier"),
        (chat.store == Some(true), "store"),
        (chat.cache.is_some(), "cache_control"),
    ] {
        losses.add_if(is_lost, name, "Cohere has no such member");
    }
    Ok(())
}

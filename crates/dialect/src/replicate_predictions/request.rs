//! Writes a request: what the model takes of it, under the names that it has for it.

mod prompt;

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::inputs::{self, Inputs, Thinking};
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{Chat, Effort, Losses, OutputFormat, Reasoning, ToolChoice};
use crate::json;

const NO_MEMBER: &str = "this model on Replicate has no such input";

/// Members of OpenAI's that mean something to OpenAI alone. Others that its readers do not know are
/// inputs of the model: its own page names them, and no format has a place for them.
const OPENAIS: [&str; 8] = [
    "audio",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "stream_options",
    "web_search_options",
];

/// Writes a chat request.
///
/// # Errors
/// It asks for something that the model cannot be told and without which it would mean something
/// else.
pub(super) fn write(chat: &Chat, target: &Target<'_>) -> Result<Written, RequestFault> {
    let inputs = inputs::of(target.known_as);
    let mut losses = Losses::default();
    let mut input = Map::new();
    tools(chat, &mut losses)?;
    prompt::write(chat, inputs, &mut input, &mut losses)?;
    sampling(chat, inputs, &mut input, &mut losses)?;
    if let Some(reasoning) = &chat.reasoning {
        thinking(reasoning, inputs.thinking, &mut input, &mut losses);
    }
    output(chat, &mut losses)?;
    extra(chat, &mut input, &mut losses);
    leave_out(chat, inputs, &mut input, &mut losses)?;
    let mut body = Map::new();
    if inputs::is_version(target.model) {
        body.insert("version".to_owned(), json!(target.model));
    }
    body.insert("input".to_owned(), Value::Object(input));
    if chat.stream {
        // Hosts that are older than `urls.stream` in every prediction want to be asked for it.
        body.insert("stream".to_owned(), json!(true));
    }
    Ok(Written { body: json::object(&body), losses })
}

fn tools(chat: &Chat, losses: &mut Losses) -> Result<(), RequestFault> {
    if chat.tools.is_empty() {
        return Ok(());
    }
    if chat.tool_choice == Some(ToolChoice::None) {
        losses.add("tools", "models on Replicate are given no tools; none was to be called");
        return Ok(());
    }
    let why = "models on Replicate are given no tools; send the request to another provider";
    Err(RequestFault::unsupported("tools", why))
}

fn sampling(
    chat: &Chat,
    inputs: &Inputs,
    input: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), RequestFault> {
    let sampling = &chat.sampling;
    if let Some(wanted) = sampling.max_output_tokens {
        let least = inputs.max_tokens_min;
        losses.add_if(wanted < least, "max_tokens", "raised to the least that this model takes");
        input.insert(inputs.max_tokens.to_owned(), json!(wanted.max(least)));
    }
    let number = |number: &Option<serde_json::Number>| number.clone().map(Value::Number);
    for (name, value) in [
        ("temperature", number(&sampling.temperature)),
        ("top_p", number(&sampling.top_p)),
        ("top_k", sampling.top_k.map(Value::from)),
        ("frequency_penalty", number(&sampling.frequency_penalty)),
        ("presence_penalty", number(&sampling.presence_penalty)),
        ("seed", sampling.seed.map(Value::from)),
    ] {
        let Some(value) = value else { continue };
        if inputs.takes(name) {
            input.insert(name.to_owned(), value);
        } else {
            losses.add(name, NO_MEMBER);
        }
    }
    // They are given as one text with commas between them.
    let (said, unsaid): (Vec<_>, Vec<_>) = sampling
        .stop
        .iter()
        .partition(|text| inputs.takes("stop_sequences") && !text.contains(','));
    losses.add_if(!unsaid.is_empty(), "stop", NO_MEMBER);
    if !said.is_empty() {
        let said: Vec<&str> = said.into_iter().map(String::as_str).collect();
        input.insert("stop_sequences".to_owned(), json!(said.join(",")));
    }
    for (name, is_lost) in [
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some_and(|top| top > 0)),
        ("logit_bias", sampling.logit_bias.is_some()),
    ] {
        losses.add_if(is_lost, name, NO_MEMBER);
    }
    Ok(())
}

fn thinking(
    asked: &Reasoning,
    thinking: Thinking,
    input: &mut Map<String, Value>,
    losses: &mut Losses,
) {
    let shown = asked.visible == Some(true) || asked.summary.is_some();
    losses.add_if(shown, "reasoning.summary", "predictions do not show the thinking");
    let effort = asked.effort();
    let is_on = asked.enabled == Some(true) || asked.adaptive;
    match thinking {
        Thinking::None => {
            let wants = is_on || effort.is_some_and(|effort| effort != Effort::None);
            losses.add_if(wants, "reasoning", "this model cannot be told how much to think");
        }
        Thinking::Effort(name, words) => {
            let Some(effort) = effort else { return };
            let (word, is_exact) = nearest(effort, words);
            losses.add_if(!is_exact, "reasoning", "the nearest that this model takes is sent");
            input.insert(name.to_owned(), json!(word));
        }
        Thinking::Switch(switch, budget, least) => {
            let is_on = is_on || effort.is_some_and(|effort| effort != Effort::None);
            if is_on {
                input.insert(switch.to_owned(), json!(true));
                let tokens = asked.budget().filter(|tokens| *tokens > 0);
                input.extend(tokens.map(|n| (budget.to_owned(), json!(n.max(least)))));
            }
        }
        Thinking::Budget(budget, dynamic) => {
            if asked.adaptive {
                input.insert(dynamic.to_owned(), json!(true));
            } else if let Some(tokens) = asked.budget() {
                input.insert(budget.to_owned(), json!(tokens));
            }
        }
    }
}

/// The word of `words`, least effort first, that is nearest to `effort`, and whether it is the very
/// same.
fn nearest(effort: Effort, words: &[&'static str]) -> (&'static str, bool) {
    let efforts = words.iter().filter_map(|word| Some((*word, Effort::from_label(word)?)));
    let mut found = ("", false);
    for (word, known) in efforts {
        if found.0.is_empty() || known <= effort {
            found = (word, known == effort);
        }
    }
    found
}

fn output(chat: &Chat, losses: &mut Losses) -> Result<(), RequestFault> {
    match &chat.output {
        None | Some(OutputFormat::Text) => Ok(()),
        Some(OutputFormat::JsonObject) => {
            let why = "predictions are bound to no format; ask for JSON in the prompt";
            losses.add("response_format", why);
            Ok(())
        }
        Some(OutputFormat::JsonSchema { .. }) => {
            let why = "models on Replicate cannot be bound to a schema";
            Err(RequestFault::unsupported("response_format", why))
        }
    }
}

fn extra(chat: &Chat, input: &mut Map<String, Value>, losses: &mut Losses) {
    for (name, value) in &chat.extra {
        let is_models = chat.source == Dialect::OpenAiChat && !OPENAIS.contains(&name.as_str());
        // A name with a dot tells where in the request it stood.
        if is_models && !name.contains('.') && !input.contains_key(name) {
            input.insert(name.clone(), value.clone());
        } else {
            losses.add(name.clone(), NO_MEMBER);
        }
    }
}

/// What predictions have nothing for.
fn leave_out(
    chat: &Chat,
    inputs: &Inputs,
    input: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), RequestFault> {
    if let Some(other) = chat.modalities.iter().find(|wanted| *wanted != "text") {
        let why = format!("models on Replicate are asked for text here, not for {other}");
        return Err(RequestFault::unsupported("modalities", why));
    }
    if let (Some(verbosity), true) = (&chat.verbosity, inputs.takes("verbosity")) {
        input.insert("verbosity".to_owned(), json!(verbosity));
    }
    let tier = chat.service_tier.as_deref();
    for (name, is_lost) in [
        ("parallel_tool_calls", chat.parallel_tool_calls == Some(false) && !chat.tools.is_empty()),
        ("verbosity", chat.verbosity.is_some() && !inputs.takes("verbosity")),
        ("user", chat.user.is_some()),
        ("metadata", !chat.metadata.is_empty()),
        ("service_tier", tier.is_some_and(|tier| !matches!(tier, "auto" | "default"))),
        ("store", chat.store == Some(true)),
        ("cache_control", chat.cache.is_some()),
    ] {
        losses.add_if(is_lost, name, NO_MEMBER);
    }
    Ok(())
}

//! Writes everything of a chat request beside messages and tools.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::write::{Draft, NO_MEMBER};
use crate::ir::{Effort, OutputFormat, Reasoning};

/// Adds the members.
pub(super) fn write(draft: &mut Draft<'_>) {
    limits(draft);
    sampling(draft);
    reasoning(draft);
    draft.put_some("response_format", draft.chat.output.as_ref().map(format));
    draft.put_some("verbosity", draft.chat.verbosity.clone());
    if !draft.chat.modalities.is_empty() {
        draft.put("modalities", draft.chat.modalities.clone());
    }
    if draft.chat.stream {
        draft.put("stream", true);
        // Whether the client hears of it or not, the gateway counts.
        draft.put("stream_options", json!({"include_usage": true}));
    }
    user(draft);
    records(draft);
    draft.put_some("service_tier", draft.chat.service_tier.clone());
}

fn limits(draft: &mut Draft<'_>) {
    let sampling = &draft.chat.sampling;
    // Anthropic's 0 warms a cache and wants no answer; one token is as little as there is here.
    let is_none = sampling.max_output_tokens == Some(0);
    draft.losses.add_if(is_none, "max_tokens", "raised to the least that the target takes");
    let wanted = sampling.max_output_tokens.map(|most| most.max(1));
    let bound = draft.gpt().map_or(u64::MAX, |gpt| gpt.output_tokens_max);
    let is_over = wanted.is_some_and(|wanted| wanted > bound);
    draft.losses.add_if(is_over, "max_tokens", "the model's answers are no longer");
    draft.put_some("max_completion_tokens", wanted.map(|wanted| wanted.min(bound)));
    if !sampling.stop.is_empty() {
        draft.put("stop", sampling.stop.clone());
    }
    draft.put_some("n", sampling.n);
    draft.put_some("seed", sampling.seed);
}

fn sampling(draft: &mut Draft<'_>) {
    let sampling = &draft.chat.sampling;
    let numbers = [
        ("temperature", &sampling.temperature),
        ("top_p", &sampling.top_p),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("presence_penalty", &sampling.presence_penalty),
    ];
    let effort = draft.chat.reasoning.as_ref().and_then(Reasoning::effort);
    let effort = effort.and_then(|wanted| draft.gpt()?.effort(wanted));
    let is_refused = draft.gpt().is_some_and(|gpt| gpt.refuses_sampling(effort));
    for (name, number) in numbers {
        if is_refused {
            draft.losses.add_if(number.is_some(), name, "the model takes only its default");
        } else {
            draft.put_some(name, number.clone().map(Value::Number));
        }
    }
    if draft.host.is_openai {
        draft.losses.add_if(sampling.top_k.is_some(), "top_k", NO_MEMBER);
    } else {
        draft.put_some("top_k", sampling.top_k);
    }
    draft.put_some("logprobs", sampling.logprobs);
    draft.put_some("top_logprobs", sampling.top_logprobs);
    draft.put_some("logit_bias", sampling.logit_bias.clone());
}

fn reasoning(draft: &mut Draft<'_>) {
    let Some(reasoning) = &draft.chat.reasoning else { return };
    if draft.host.reasoning_object {
        let mut object = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            value.map(|value| object.insert(name.to_owned(), value))
        };
        // It takes the one or the other.
        match reasoning.budget_tokens {
            Some(budget) => put("max_tokens", Some(json!(budget))),
            None => put("effort", reasoning.effort.map(|effort| json!(effort.label()))),
        };
        let is_left_open = reasoning.adaptive && reasoning.effort().is_none();
        let enabled = reasoning.enabled.or_else(|| is_left_open.then_some(true));
        put("enabled", enabled.map(|enabled| json!(enabled)));
        put("exclude", reasoning.visible.map(|visible| json!(!visible)));
        put("summary", reasoning.summary.as_ref().map(|summary| json!(summary)));
        if !object.is_empty() {
            draft.put("reasoning", object);
        }
        return;
    }
    if draft.host.is_openai {
        let is_lost = reasoning.visible == Some(true) || reasoning.summary.is_some();
        let why = "the target's answers do not show what was thought";
        draft.losses.add_if(is_lost, "reasoning.summary", why);
    }
    let Some(wanted) = reasoning.effort() else {
        let thinks = draft.gpt().is_some_and(|gpt| !gpt.never_thinks());
        let why = "whether it thinks is for the target's model to decide";
        let is_asked = reasoning.adaptive || reasoning.enabled == Some(true);
        draft.losses.add_if(is_asked && !thinks, "reasoning_effort", why);
        return;
    };
    if draft.chat.source == Dialect::OpenAiChat {
        draft.put("reasoning_effort", wanted.label());
        return;
    }
    let is_off = wanted == Effort::None;
    if draft.host.never_thinks(draft.model) {
        draft.losses.add_if(!is_off, "reasoning_effort", "the model does not think");
        return;
    }
    let given = match draft.gpt() {
        Some(gpt) => gpt.effort(wanted),
        None if draft.host.is_openai => Some(wanted),
        // Hosts differ in how thinking is turned off, and a wrong word is an error.
        None if is_off => None,
        None => Some(wanted.min(Effort::High)),
    };
    let why = "the model has no such effort; the nearest is asked for";
    draft.losses.add_if(given != Some(wanted), "reasoning_effort", why);
    draft.put_some("reasoning_effort", given.map(Effort::label));
}

fn format(format: &OutputFormat) -> Value {
    match format {
        OutputFormat::Text => json!({"type": "text"}),
        OutputFormat::JsonObject => json!({"type": "json_object"}),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            let name = name.as_deref().unwrap_or("response");
            let mut body = Map::from_iter([("name".to_owned(), json!(name))]);
            if let Some(description) = description {
                body.insert("description".to_owned(), json!(description));
            }
            body.insert("schema".to_owned(), schema.clone());
            if let Some(strict) = strict {
                body.insert("strict".to_owned(), json!(strict));
            }
            json!({"type": "json_schema", "json_schema": body})
        }
    }
}

/// Anthropic's clients name users at greater length than OpenAI takes; half a name is none.
fn user(draft: &mut Draft<'_>) {
    const USER_BYTES_MAX: usize = 64;
    let Some(user) = &draft.chat.user else { return };
    if draft.chat.source != Dialect::OpenAiChat && user.len() > USER_BYTES_MAX {
        draft.losses.add("user", "the target takes no more than 64 bytes");
    } else {
        draft.put("user", user.clone());
    }
}

/// What the provider keeps.
fn records(draft: &mut Draft<'_>) {
    let chat = draft.chat;
    draft.put_some("store", chat.store);
    if chat.metadata.is_empty() {
        return;
    }
    let is_own = chat.source == Dialect::OpenAiChat;
    if is_own || !draft.host.is_openai || chat.store == Some(true) {
        draft.put("metadata", chat.metadata.clone());
    } else {
        let why = "the target takes it only for answers that it stores";
        draft.losses.add("metadata", why);
    }
}

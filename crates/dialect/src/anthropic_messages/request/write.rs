//! Writes a request, obeying the model's rules; what is bent or left out is reported.

use serde_json::{Map, Value, json};

use super::thinking::{Plan, Rest};
use super::turns::Turns;
use super::{names, thinking, tools, turns};
use crate::anthropic_messages::OWN;
use crate::families::claude::{self, Claude};
use crate::fault::RequestFault;
use crate::format::{Target, Written};
use crate::ir::{CacheMark, Chat, Losses, OutputFormat};
use crate::json;
use crate::schema::closed;

/// More marks in one request are refused.
const MARKS_MAX: usize = 4;

/// A request on its way.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) chat: &'a Chat,
    pub(super) claude: &'static Claude,
    pub(super) losses: Losses,
}

impl Draft<'_> {
    /// Whether the request came in this format.
    pub(super) fn is_own(&self) -> bool {
        self.chat.source == OWN
    }

    /// Members of the object `name` that only this format has.
    pub(super) fn own_extra(&self, name: &str) -> Option<&Map<String, Value>> {
        self.chat.extra.get(name).filter(|_| self.is_own())?.as_object()
    }
}

/// Writes a request for chat or, if `is_count`, for a count of its tokens.
///
/// # Errors
/// It asks for something that Claude cannot do and without which it would mean something else.
pub(in super::super) fn write(
    chat: &Chat,
    target: &Target<'_>,
    is_count: bool,
) -> Result<Written, RequestFault> {
    let claude = claude::of(target.known_as);
    let mut draft = Draft { chat, claude, losses: Losses::default() };
    let mut body = Map::new();
    body.insert("model".into(), json!(target.model));
    let max_tokens = max_tokens(&mut draft, target.known_as);
    if !is_count {
        body.insert("max_tokens".into(), json!(max_tokens));
        if chat.stream {
            body.insert("stream".into(), json!(true));
        }
    }
    let tools = tools::write(&mut draft);
    let turns = turns::write(&mut draft)?;
    let rest = Rest {
        max_tokens: (!is_count).then_some(max_tokens),
        is_forced: tools.is_forced,
        is_thoughtless_turn: turns.is_thoughtless(),
    };
    let plan = thinking::plan(&mut draft, rest);
    write_turns(&mut body, turns);
    if !tools.list.is_empty() {
        body.insert("tools".into(), tools.list.into());
    }
    if let Some(choice) = tools.choice {
        body.insert("tool_choice".into(), choice);
    }
    if !is_count {
        write_sampling(&mut draft, &mut body, plan.is_on());
        write_records(&mut draft, &mut body);
    }
    write_output(&mut draft, &mut body, plan)?;
    write_cache_and_extra(&mut draft, &mut body);
    note_losses(&mut draft);
    limit_marks(&mut body, &mut draft.losses);
    // Maps with names that are strings: there is nothing in it that could fail to be written.
    let body = json::object(&body);
    Ok(Written { body, losses: draft.losses })
}

/// Anthropic demands a limit; without one of the client's it is the model's own.
fn max_tokens(draft: &mut Draft<'_>, model: &str) -> u64 {
    let most = draft.claude.output_tokens_max;
    let Some(wanted) = draft.chat.sampling.max_output_tokens else { return most };
    if wanted > most && claude::is_claude(model) {
        let why = "lowered to the most tokens that this model answers with";
        draft.losses.add(names::max_tokens(draft.chat.source), why);
        return most;
    }
    wanted
}

fn write_turns(body: &mut Map<String, Value>, mut turns: Turns) {
    let system = std::mem::take(&mut turns.system);
    if !system.is_empty() {
        body.insert("system".into(), super::block::or_text(system));
    }
    body.insert("messages".into(), turns.messages().into());
}

fn write_sampling(draft: &mut Draft<'_>, body: &mut Map<String, Value>, is_thinking: bool) {
    let (sampling, claude) = (&draft.chat.sampling, draft.claude);
    let losses = &mut draft.losses;
    let is_default = |name: &str, value: f64| match name {
        "temperature" | "top_p" => (value - 1.0).abs() < f64::EPSILON,
        _ => false,
    };
    let mut temperature = sampling.temperature.clone();
    if claude.sampling
        && temperature.as_ref().and_then(serde_json::Number::as_f64).is_some_and(|it| it > 1.0)
    {
        losses.add("temperature", "lowered to 1, the most that Anthropic takes");
        temperature = Some(1.into());
    }
    let top_k = sampling.top_k.map(Into::into);
    let asked = [("temperature", temperature), ("top_p", sampling.top_p.clone()), ("top_k", top_k)];
    for (name, number) in asked {
        let Some(number) = number else { continue };
        let value = number.as_f64().unwrap_or(0.0);
        let is_free = name == "top_p" && value >= 0.95;
        let obstacle = if !claude.sampling {
            Some("this model takes none")
        } else if is_thinking && !is_free && !is_default(name, value) {
            Some("not taken together with thinking")
        } else if name == "top_p"
            && body.contains_key("temperature")
            && !claude.temperature_and_top_p
        {
            Some("not taken together with a temperature")
        } else {
            None
        };
        match obstacle {
            None => {
                body.insert(name.into(), Value::Number(number));
            }
            // What is said without it is the same.
            Some(_) if is_default(name, value) => {}
            Some(why) => losses.add(name, why),
        }
    }
    let (blank, stop): (Vec<_>, Vec<_>) =
        sampling.stop.iter().partition(|text| text.trim().is_empty());
    losses.add_if(!blank.is_empty(), "stop", "texts of blanks alone are refused");
    if !stop.is_empty() {
        body.insert("stop_sequences".into(), json!(stop));
    }
}

/// Who asks, and how urgent it is.
fn write_records(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let chat = draft.chat;
    let mut metadata = Map::new();
    if let Some(user) = &chat.user {
        metadata.insert("user_id".into(), json!(user));
    }
    if draft.is_own() {
        metadata.extend(chat.metadata.clone());
    } else {
        let why = "Anthropic keeps nothing but the user's id";
        draft.losses.add_if(!chat.metadata.is_empty(), "metadata", why);
    }
    if !metadata.is_empty() {
        body.insert("metadata".into(), metadata.into());
    }
    match chat.service_tier.as_deref() {
        None => {}
        Some("auto") if draft.is_own() => {
            body.insert("service_tier".into(), json!("auto"));
        }
        // Both leave it to what was agreed on.
        Some("auto") => {}
        Some("default") => {
            body.insert("service_tier".into(), json!("standard_only"));
        }
        Some(_) => draft.losses.add("service_tier", "Anthropic has no such tier to ask for"),
    }
}

fn write_output(
    draft: &mut Draft<'_>,
    body: &mut Map<String, Value>,
    plan: Plan,
) -> Result<(), RequestFault> {
    if let Some(thinking) = plan.thinking {
        body.insert("thinking".into(), thinking.into());
    }
    let mut config = draft.own_extra("output_config").cloned().unwrap_or_default();
    if let Some(effort) = plan.effort {
        config.insert("effort".into(), json!(effort.label()));
    }
    let member = names::output(draft.chat.source);
    match &draft.chat.output {
        None | Some(OutputFormat::Text) => {}
        Some(OutputFormat::JsonObject) => {
            let why = "Claude is bound to a schema or to nothing; ask for JSON in the prompt";
            draft.losses.add(member, why);
        }
        Some(OutputFormat::JsonSchema { .. }) if !draft.claude.schemas => {
            let text = "this model cannot be bound to a schema; newer ones can";
            return Err(RequestFault::unsupported(member, text));
        }
        Some(OutputFormat::JsonSchema { description, schema, .. }) => {
            let why = "Anthropic takes the schema only";
            draft.losses.add_if(description.is_some(), "response_format.description", why);
            let mut schema = schema.clone();
            if closed::close(&mut schema) {
                draft.losses.add(member, "the schema was narrowed to what can be enforced");
            }
            config.insert("format".into(), json!({ "type": "json_schema", "schema": schema }));
        }
    }
    if !config.is_empty() {
        body.insert("output_config".into(), config.into());
    }
    Ok(())
}

fn write_cache_and_extra(draft: &mut Draft<'_>, body: &mut Map<String, Value>) {
    let chat = draft.chat;
    if let Some(cache) = &chat.cache {
        body.insert("cache_control".into(), mark(cache, &mut draft.losses));
    }
    for (name, value) in &chat.extra {
        if !draft.is_own() {
            draft.losses.add(name.clone(), "Anthropic has no such member");
        } else if name.starts_with("messages.") {
            draft.losses.add(name.clone(), "it is not known which message it was in");
        } else if !matches!(name.as_str(), "thinking" | "output_config")
            && !name.starts_with("tools.")
        {
            body.entry(name.as_str()).or_insert_with(|| value.clone());
        }
    }
}

/// What Anthropic has no member for.
fn note_losses(draft: &mut Draft<'_>) {
    const WHY: &str = "Anthropic has no such member";
    let (chat, sampling) = (draft.chat, &draft.chat.sampling);
    let says_something = |list: &[String]| list.iter().any(|entry| entry != "text");
    let lost = [
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some_and(|top| top > 0)),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("verbosity", chat.verbosity.is_some()),
        ("store", chat.store == Some(true)),
        ("modalities", says_something(&chat.modalities)),
    ];
    for (member, is_lost) in lost {
        draft.losses.add_if(is_lost, member, WHY);
    }
}

/// A mark of the cache.
pub(super) fn mark(cache: &CacheMark, losses: &mut Losses) -> Value {
    match cache.ttl.as_deref() {
        None => json!({ "type": "ephemeral" }),
        Some(ttl @ ("5m" | "1h")) => json!({ "type": "ephemeral", "ttl": ttl }),
        Some(_) => {
            losses.add("cache_control.ttl", "Anthropic keeps prompts for 5m or 1h");
            json!({ "type": "ephemeral" })
        }
    }
}

/// The last marks stay: what is kept up to a later one is kept up to an earlier one, too.
fn limit_marks(body: &mut Map<String, Value>, losses: &mut Losses) {
    let is_whole = body.contains_key("cache_control");
    let mut seen = usize::from(is_whole);
    each_block(body, &mut |block| seen += usize::from(block.contains_key("cache_control")));
    let mut surplus = seen.saturating_sub(MARKS_MAX);
    losses.add_if(surplus > 0, "cache_control", "Anthropic takes 4 marks; the last ones stay");
    each_block(body, &mut |block| {
        if surplus > 0 && block.shift_remove("cache_control").is_some() {
            surplus -= 1;
        }
    });
}

/// Everything that may bear a mark, in the order of the prompt.
fn each_block(body: &mut Map<String, Value>, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    for list in ["tools", "system", "messages"] {
        for entry in body.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(entry) = entry else { continue };
            for block in
                entry.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten()
            {
                let Value::Object(block) = block else { continue };
                let inner = block.get_mut("content").and_then(Value::as_array_mut);
                for inner in inner.into_iter().flatten() {
                    inner.as_object_mut().map(&mut *visit);
                }
                visit(block);
            }
            visit(entry);
        }
    }
}

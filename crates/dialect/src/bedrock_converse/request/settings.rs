//! How the model is to answer: sampling, thinking and the form of the answer, in the words of the
//! model's maker where the format has none of its own.

use serde_json::{Map, Number, Value, json};
use weir_types::Dialect;

use super::model::{Family, takes_schemas};
use super::tools::Tools;
use crate::families::claude::{BUDGET_TOKENS_MIN, Claude};
use crate::fault::RequestFault;
use crate::ir::{Chat, Effort, Losses, OutputFormat, Reasoning};
use crate::schema::closed;

const NO_MEMBER: &str = "the target has no such member";
const NOT_THINKING: &str = "the model takes no such member while it thinks";

/// What a request says of the answer.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// `inferenceConfig`.
    pub inference: Map<String, Value>,
    /// `additionalModelRequestFields`.
    pub additional: Map<String, Value>,
    /// `outputConfig`.
    pub output: Map<String, Value>,
}

/// How the model is made to think.
#[derive(Debug, Default)]
struct Thinking {
    /// It does.
    is_on: bool,
    /// Its limits leave no room for members that set limits (Nova at its highest effort).
    is_unbounded: bool,
    /// The budget, where it has one.
    budget: Option<u64>,
}

/// Works out what is said of the answer.
///
/// # Errors
/// The form of the answer cannot be had.
pub(super) fn written(
    chat: &Chat,
    family: Family,
    model: &str,
    tools: &Tools,
    losses: &mut Losses,
) -> Result<Settings, RequestFault> {
    let mut settings = Settings::default();
    let thinking = match &chat.reasoning {
        Some(reasoning) => thinking(chat, reasoning, family, tools, &mut settings, losses),
        None => quiet(family, tools, &mut settings),
    };
    sampling(chat, family, &thinking, &mut settings, losses);
    format(chat, model, &mut settings, losses)?;
    unsaid(chat, losses)?;
    Ok(settings)
}

fn put(into: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    into.insert(name.to_owned(), value.into());
}

/// Nothing is said of thinking; a model that thinks by itself must not be made to call a tool.
fn quiet(family: Family, tools: &Tools, settings: &mut Settings) -> Thinking {
    let Family::Claude(row) = family else { return Thinking::default() };
    if tools.is_forced() && row.thinks_by_default && row.may_disable_up_to.is_some() {
        put(&mut settings.additional, "thinking", json!({ "type": "disabled" }));
        return Thinking::default();
    }
    Thinking { is_on: row.thinks_by_default, ..Thinking::default() }
}

fn thinking(
    chat: &Chat,
    reasoning: &Reasoning,
    family: Family,
    tools: &Tools,
    settings: &mut Settings,
    losses: &mut Losses,
) -> Thinking {
    let is_off = reasoning.effort() == Some(Effort::None) || reasoning.budget_tokens == Some(0);
    match family {
        Family::Claude(row) => claude(chat, reasoning, row, tools, settings, losses),
        Family::Nova { reasons: true } => {
            let config = if is_off {
                json!({ "type": "disabled" })
            } else {
                let effort = low_to_high(reasoning, losses);
                json!({ "type": "enabled", "maxReasoningEffort": effort.label() })
            };
            let is_unbounded = config.get("maxReasoningEffort") == Some(&json!("high"));
            put(&mut settings.additional, "reasoningConfig", config);
            Thinking { is_on: !is_off, is_unbounded, budget: None }
        }
        Family::OpenAi => {
            // It always thinks; low is the least.
            losses.add_if(is_off, "reasoning", "this model always thinks");
            let effort = low_to_high(reasoning, losses);
            put(&mut settings.additional, "reasoning_effort", effort.label());
            Thinking::default()
        }
        Family::Unknown if reasoning.adaptive || is_effort_alone(chat, reasoning) => {
            // Nothing but a Claude is asked in these words.
            if reasoning.adaptive {
                put(&mut settings.additional, "thinking", json!({ "type": "adaptive" }));
            }
            if let Some(effort) = reasoning.effort {
                put(&mut settings.output, "effort", effort.label());
            }
            Thinking::default()
        }
        Family::Unknown if !is_off => {
            let budget = reasoning.budget().unwrap_or_else(|| Effort::Medium.budget());
            let budget = budget.max(BUDGET_TOKENS_MIN);
            let config = json!({ "type": "enabled", "budget_tokens": budget });
            put(&mut settings.additional, "reasoning_config", config);
            Thinking { budget: Some(budget), ..Thinking::default() }
        }
        Family::Nova { reasons: false } | Family::Plain => {
            losses.add_if(!is_off, "reasoning", "this model does not think");
            Thinking::default()
        }
        Family::Unknown => Thinking::default(),
    }
}

/// The effort for models that know three.
fn low_to_high(reasoning: &Reasoning, losses: &mut Losses) -> Effort {
    let wanted = reasoning.effort().unwrap_or(Effort::Medium);
    let given = wanted.clamp(Effort::Low, Effort::High);
    losses.add_if(given != wanted, "reasoning.effort", "this model knows low, medium and high");
    given
}

/// In the formats of Anthropic and Bedrock an effort alone does not make a model think.
fn is_effort_alone(chat: &Chat, reasoning: &Reasoning) -> bool {
    [Dialect::BedrockConverse, Dialect::AnthropicMessages].contains(&chat.source)
        && reasoning.enabled.is_none()
        && reasoning.budget_tokens.is_none()
        && !reasoning.adaptive
}

fn claude(
    chat: &Chat,
    reasoning: &Reasoning,
    row: &Claude,
    tools: &Tools,
    settings: &mut Settings,
    losses: &mut Losses,
) -> Thinking {
    let can_think = row.budgets || row.adaptive;
    let is_off = reasoning.effort() == Some(Effort::None) || reasoning.budget_tokens == Some(0);
    if !can_think {
        losses.add_if(!is_off, "reasoning", "this model does not think");
        return Thinking::default();
    }
    if is_off || tools.is_forced() {
        let why = "a model that thinks cannot be made to call a tool";
        losses.add_if(!is_off, "reasoning", why);
        if row.may_disable_up_to.is_some() {
            put(&mut settings.additional, "thinking", json!({ "type": "disabled" }));
            return Thinking::default();
        }
        losses.add("reasoning", "this model always thinks");
        put_effort(row, Effort::Low, settings);
        return Thinking { is_on: true, ..Thinking::default() };
    }
    if is_effort_alone(chat, reasoning) {
        if let Some(effort) = reasoning.effort {
            losses.add_if(row.efforts.is_empty(), "effort", "this model has none");
            put_effort(row, effort, settings);
        }
        return Thinking { is_on: row.thinks_by_default, ..Thinking::default() };
    }
    if row.budgets && (!row.adaptive || reasoning.budget_tokens.is_some()) {
        return claude_budget(chat, reasoning, row, settings, losses);
    }
    let why = "this model decides itself how much it thinks; an effort stands for the budget";
    losses.add_if(reasoning.budget_tokens.is_some(), "thinking.budget_tokens", why);
    let mut adaptive = json!({ "type": "adaptive" });
    let speaks_claude =
        [Dialect::BedrockConverse, Dialect::AnthropicMessages].contains(&chat.source);
    let display = row.display(reasoning.visible, speaks_claude);
    if let (Some(display), Value::Object(members)) = (display, &mut adaptive) {
        put(members, "display", display);
    }
    put(&mut settings.additional, "thinking", adaptive);
    if let Some(effort) = reasoning.effort() {
        put_effort(row, effort, settings);
    }
    Thinking { is_on: true, ..Thinking::default() }
}

fn put_effort(row: &Claude, wanted: Effort, settings: &mut Settings) {
    if let Some(effort) = row.effort(wanted) {
        put(&mut settings.output, "effort", effort.label());
    }
}

/// Thinking with a budget, which must be less than what the whole answer may have.
fn claude_budget(
    chat: &Chat,
    reasoning: &Reasoning,
    row: &Claude,
    settings: &mut Settings,
    losses: &mut Losses,
) -> Thinking {
    let limit = chat.sampling.max_output_tokens.unwrap_or(row.output_tokens_max);
    let wanted = match reasoning.budget_tokens {
        Some(budget) => budget,
        // Where only words are given, a part of the answer is left for what is to be said.
        None => {
            let budget = reasoning.budget().unwrap_or_else(|| Effort::Medium.budget());
            budget.min(limit / 5 * 4)
        }
    };
    let budget = wanted.max(BUDGET_TOKENS_MIN).min(limit.saturating_sub(1));
    if budget < BUDGET_TOKENS_MIN {
        losses.add("reasoning", "the answer's token limit leaves no room for thinking");
        return Thinking::default();
    }
    let is_changed = reasoning.budget_tokens.is_some_and(|wanted| wanted != budget);
    let why = "it must be at least 1024 and less than the answer's token limit";
    losses.add_if(is_changed, "thinking.budget_tokens", why);
    // Where there are no efforts, the budget says it: a range for each.
    let is_less = row.efforts.is_empty()
        && reasoning.effort.is_some_and(|wanted| Effort::of_budget(budget) < wanted);
    losses.add_if(is_less, "reasoning.effort", "the budget was lowered to fit under the limit");
    let thinking = json!({ "type": "enabled", "budget_tokens": budget });
    put(&mut settings.additional, "thinking", thinking);
    if let Some(effort) = reasoning.effort {
        put_effort(row, effort, settings);
    }
    Thinking { is_on: true, is_unbounded: false, budget: Some(budget) }
}

fn sampling(
    chat: &Chat,
    family: Family,
    thinking: &Thinking,
    settings: &mut Settings,
    losses: &mut Losses,
) {
    let sampling = &chat.sampling;
    let row = match family {
        Family::Claude(row) => Some(row),
        _ => None,
    };
    let inference = &mut settings.inference;
    match sampling.max_output_tokens {
        Some(_) if thinking.is_unbounded => losses.add("max_tokens", NOT_THINKING),
        Some(max) => {
            losses.add_if(max == 0, "max_tokens", "it must be at least 1");
            put(inference, "maxTokens", max.max(1));
        }
        // The default may be less than the budget.
        None if thinking.budget.is_some() => {
            if let Some(row) = row {
                put(inference, "maxTokens", row.output_tokens_max);
            }
        }
        None => {}
    }
    let is_claude_thinking = row.is_some() && thinking.is_on;
    let refuses_all = row.is_some_and(|row| !row.sampling);
    let closed = thinking.is_unbounded || refuses_all;
    let why = if refuses_all { "this model takes no such member" } else { NOT_THINKING };
    if let Some(temperature) = &sampling.temperature {
        let is_one = temperature.as_f64() == Some(1.0);
        if closed || (is_claude_thinking && !is_one) {
            losses.add("temperature", why);
        } else {
            put(inference, "temperature", at_most_one(temperature, losses));
        }
    }
    if let Some(top_p) = &sampling.top_p {
        let is_high = top_p.as_f64().is_some_and(|top_p| top_p >= 0.95);
        let is_one = top_p.as_f64() == Some(1.0);
        let is_second = row.is_some_and(|row| !row.temperature_and_top_p)
            && inference.contains_key("temperature");
        if is_second {
            // What is said without it is the same.
            losses.add_if(!is_one, "top_p", "this model does not take it beside a temperature");
        } else if closed || (is_claude_thinking && !is_high) {
            losses.add("top_p", why);
        } else {
            put(inference, "topP", top_p.clone());
        }
    }
    // Claude refuses blanks alone, everywhere.
    let is_kept = |text: &&String| !text.is_empty() && (row.is_none() || !text.trim().is_empty());
    let (stop, blank): (Vec<_>, Vec<_>) = sampling.stop.iter().partition(is_kept);
    losses.add_if(!blank.is_empty(), "stop", "texts of blanks alone are refused");
    if !stop.is_empty() {
        put(inference, "stopSequences", json!(stop));
    }
    if let Some(top_k) = sampling.top_k {
        match family {
            Family::Claude(_) if closed || is_claude_thinking => losses.add("top_k", why),
            Family::Claude(_) | Family::Unknown => put(&mut settings.additional, "top_k", top_k),
            Family::Nova { .. } => {
                put(&mut settings.additional, "inferenceConfig", json!({ "topK": top_k }));
            }
            Family::OpenAi | Family::Plain => losses.add("top_k", NO_MEMBER),
        }
    }
}

/// Temperatures end at 1 here and at 2 elsewhere.
fn at_most_one(temperature: &Number, losses: &mut Losses) -> Value {
    if temperature.as_f64().is_some_and(|temperature| temperature > 1.0) {
        losses.add("temperature", "Bedrock takes 1 at most");
        return json!(1);
    }
    Value::Number(temperature.clone())
}

fn format(
    chat: &Chat,
    model: &str,
    settings: &mut Settings,
    losses: &mut Losses,
) -> Result<(), RequestFault> {
    match &chat.output {
        None | Some(OutputFormat::Text) => {}
        Some(OutputFormat::JsonObject) => {
            let why = "Bedrock has JSON by a schema only";
            losses.add("response_format", why);
        }
        Some(OutputFormat::JsonSchema { .. }) if !takes_schemas(model) => {
            let text = format!("Bedrock cannot hold {model:?} to a JSON schema");
            return Err(RequestFault::unsupported("response_format", text));
        }
        Some(OutputFormat::JsonSchema { name, description, schema, .. }) => {
            let mut schema = schema.clone();
            // A client of this very format gets Bedrock's own answer.
            if chat.source != Dialect::BedrockConverse && closed::close(&mut schema) {
                losses.add("response_format", "the schema was narrowed to what can be enforced");
            }
            let mut definition = Map::new();
            put(&mut definition, "schema", schema.to_string());
            if let Some(name) = name {
                put(&mut definition, "name", name.as_str());
            }
            if let Some(description) = description {
                put(&mut definition, "description", description.as_str());
            }
            let structure = json!({ "jsonSchema": definition });
            let format = json!({ "type": "json_schema", "structure": structure });
            put(&mut settings.output, "textFormat", format);
        }
    }
    Ok(())
}

/// What the format has no words for.
fn unsaid(chat: &Chat, losses: &mut Losses) -> Result<(), RequestFault> {
    let sampling = &chat.sampling;
    if let Some(other) = chat.modalities.iter().find(|word| !word.eq_ignore_ascii_case("text")) {
        let text = format!("Bedrock's Converse answers in text, not in {other:?}");
        return Err(RequestFault::unsupported("modalities", text));
    }
    let lost = [
        (sampling.frequency_penalty.is_some(), "frequency_penalty"),
        (sampling.presence_penalty.is_some(), "presence_penalty"),
        (sampling.seed.is_some(), "seed"),
        (sampling.logprobs == Some(true), "logprobs"),
        (sampling.top_logprobs.is_some(), "top_logprobs"),
        (sampling.logit_bias.is_some(), "logit_bias"),
        (chat.verbosity.is_some(), "verbosity"),
        (chat.user.is_some(), "user"),
        (chat.store == Some(true), "store"),
    ];
    for (is_lost, member) in lost {
        losses.add_if(is_lost, member, NO_MEMBER);
    }
    Ok(())
}

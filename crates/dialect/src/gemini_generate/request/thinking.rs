//! `thinkingConfig`, both ways: a budget for models up to 2.5, a level from 3 on.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use crate::families::gemini::{Gemini, Thinking, level};
use crate::fault::RequestFault;
use crate::fields::Fields;
use crate::ir::{Effort, Losses, Reasoning};

/// Reads it.
pub(super) fn read(mut config: Fields) -> Result<Reasoning, RequestFault> {
    let mut reasoning =
        Reasoning { visible: config.flag("includeThoughts")?, ..Reasoning::default() };
    match config.integer("thinkingBudget")? {
        None => {}
        Some(0) => reasoning.enabled = Some(false),
        Some(-1) => reasoning.adaptive = true,
        Some(budget) => match u64::try_from(budget) {
            Ok(budget) => reasoning.budget_tokens = Some(budget),
            Err(_) => return Err(config.wrong("thinkingBudget", "must be -1, 0 or more")),
        },
    }
    if let Some(word) = config.text("thinkingLevel")? {
        reasoning.effort = Effort::from_label(&word);
        if reasoning.effort.is_none() && word != "THINKING_LEVEL_UNSPECIFIED" {
            return Err(config.wrong("thinkingLevel", format!("has no level \"{word}\"")));
        }
    }
    Ok(reasoning)
}

/// Writes it; `None` if there is nothing to say.
pub(super) fn write(
    reasoning: &Reasoning,
    source: Dialect,
    family: &Gemini,
    losses: &mut Losses,
) -> Option<Value> {
    let is_own = source == Dialect::GeminiGenerate;
    let mut config = Map::new();
    let wanted = match family.thinking {
        // The client names members of this very format: it knows its model.
        _ if is_own => own(reasoning),
        Thinking::Fixed => {
            let says = reasoning.effort().is_some() || reasoning.adaptive;
            losses.add_if(says, "reasoning", "this model is not told how much to think");
            return None;
        }
        Thinking::Budget { min, max, may_disable } => {
            budget(reasoning, min..=max, may_disable, losses)
        }
        Thinking::Levels(levels) => in_words(reasoning, levels, losses),
    };
    let is_off = reasoning.effort() == Some(Effort::None);
    let says_much = reasoning.effort().is_some() || reasoning.adaptive;
    let asked = (!is_own && says_much && !is_off).then_some(true);
    if let Some(visible) = reasoning.visible.or(asked) {
        config.insert("includeThoughts".to_owned(), json!(visible && !is_off));
    }
    config.extend(wanted);
    (!config.is_empty()).then_some(Value::Object(config))
}

fn member(name: &str, value: Value) -> Option<(String, Value)> {
    Some((name.to_owned(), value))
}

fn own(reasoning: &Reasoning) -> Option<(String, Value)> {
    if let Some(effort) = reasoning.effort {
        return member("thinkingLevel", json!(effort.label().to_ascii_uppercase()));
    }
    if reasoning.adaptive {
        return member("thinkingBudget", json!(-1));
    }
    reasoning.budget().and_then(|budget| member("thinkingBudget", json!(budget)))
}

fn budget(
    reasoning: &Reasoning,
    range: std::ops::RangeInclusive<u64>,
    may_disable: bool,
    losses: &mut Losses,
) -> Option<(String, Value)> {
    if reasoning.adaptive && reasoning.enabled != Some(false) && reasoning.effort.is_none() {
        return member("thinkingBudget", json!(-1));
    }
    let wanted = reasoning.budget()?;
    if wanted == 0 && may_disable {
        return member("thinkingBudget", json!(0));
    }
    let given = wanted.clamp(*range.start(), *range.end());
    let says_tokens = reasoning.budget_tokens == Some(wanted) || wanted == 0;
    losses.add_if(
        given != wanted && says_tokens,
        "reasoning.budget_tokens",
        "brought into the range of this model",
    );
    let is_less = given < wanted && !says_tokens;
    losses.add_if(is_less, "reasoning.effort", "this model thinks no longer");
    member("thinkingBudget", json!(given))
}

fn in_words(
    reasoning: &Reasoning,
    levels: &[Effort],
    losses: &mut Losses,
) -> Option<(String, Value)> {
    let wanted = reasoning.effort()?;
    losses.add_if(
        reasoning.effort.is_none() && reasoning.budget_tokens.is_some(),
        "reasoning.budget_tokens",
        "this model is told in levels; the nearest is taken",
    );
    losses.add_if(wanted == Effort::None, "reasoning", "this model always thinks");
    let given = level(levels, wanted)?;
    let is_bent = given != wanted && wanted != Effort::None;
    losses.add_if(
        is_bent,
        "reasoning.effort",
        "this model has no such level; the nearest is taken",
    );
    member("thinkingLevel", json!(given.label().to_ascii_uppercase()))
}

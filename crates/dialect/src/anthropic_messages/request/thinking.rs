//! Writes how much is thought, within what the model takes; whatever is bent on the way is a loss.

use serde_json::{Map, Value, json};
use weir_types::Dialect;

use super::names;
use super::write::Draft;
use crate::families::claude::BUDGET_TOKENS_MIN;
use crate::ir::{Effort, Reasoning};

/// What was written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The member `thinking`.
    pub(super) thinking: Option<Map<String, Value>>,
    /// `output_config.effort`.
    pub(super) effort: Option<Effort>,
}

/// What the rest of the request says about thinking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// The most tokens of the answer; `None` if there is no such limit.
    pub(super) max_tokens: Option<u64>,
    /// A tool must be called.
    pub(super) is_forced: bool,
    /// A turn of calls is going on that did not begin with a thought.
    pub(super) is_thoughtless_turn: bool,
}

impl Plan {
    /// Whether the model is told to think.
    pub(super) fn is_on(&self) -> bool {
        let kind = self.thinking.as_ref().and_then(|thinking| thinking.get("type"));
        kind.is_some_and(|kind| kind == "enabled" || kind == "adaptive")
    }
}

/// Plans how the answer to `draft`'s request is thought over.
pub(super) fn plan(draft: &mut Draft<'_>, rest: Rest) -> Plan {
    let Some(reasoning) = &draft.chat.reasoning else { return Plan::default() };
    let plan = if is_off(reasoning) {
        off(draft, reasoning)
    } else if !wants_thinking(draft, reasoning) {
        Plan { thinking: None, effort: effort(draft, reasoning.effort) }
    } else if let Some(why) = obstacle(draft, reasoning, rest) {
        draft.losses.add(names::reasoning(draft.chat.source), why);
        // Effort is not about thinking alone.
        let wanted = reasoning.effort.filter(|_| !draft.claude.efforts.is_empty());
        Plan { thinking: None, effort: effort(draft, wanted) }
    } else if is_manual(draft, reasoning) {
        manual(draft, reasoning, rest)
    } else {
        adaptive(draft, reasoning)
    };
    with_own_members(draft, plan)
}

fn is_off(reasoning: &Reasoning) -> bool {
    let says_none = reasoning.effort == Some(Effort::None) && reasoning.budget_tokens.is_none();
    match reasoning.enabled {
        Some(enabled) => !enabled,
        None => says_none || reasoning.budget_tokens == Some(0),
    }
}

/// Elsewhere an effort is one of thinking. Anthropic's own is one of the whole answer, and turns
/// nothing on.
fn wants_thinking(draft: &Draft<'_>, reasoning: &Reasoning) -> bool {
    reasoning.enabled == Some(true)
        || reasoning.adaptive
        || reasoning.budget_tokens.is_some()
        || (!draft.is_own() && reasoning.effort.is_some())
        || (draft.claude.thinks_by_default && is_shown(reasoning).is_some())
}

/// With a budget of tokens and not as the model likes.
fn is_manual(draft: &Draft<'_>, reasoning: &Reasoning) -> bool {
    let has_budget = reasoning.budget_tokens.is_some() && !reasoning.adaptive;
    draft.claude.budgets && (!draft.claude.adaptive || has_budget)
}

/// Why the model cannot be told to think here.
fn obstacle(draft: &Draft<'_>, reasoning: &Reasoning, rest: Rest) -> Option<&'static str> {
    let claude = draft.claude;
    if !claude.budgets && !claude.adaptive {
        return Some("this model does not think");
    }
    if rest.is_forced {
        return Some("a tool is forced, which thinking is not taken together with");
    }
    if !is_manual(draft, reasoning) {
        return None;
    }
    if rest.is_thoughtless_turn {
        return Some("the turn that goes on did not begin with a thought of this provider");
    }
    let has_room = rest.max_tokens.is_none_or(|most| most > BUDGET_TOKENS_MIN);
    (!has_room).then_some("the limit of tokens leaves no room to think")
}

fn off(draft: &mut Draft<'_>, reasoning: &Reasoning) -> Plan {
    let claude = draft.claude;
    if !claude.budgets && !claude.adaptive {
        return Plan::default();
    }
    let member = names::reasoning(draft.chat.source);
    let wanted = reasoning.effort.filter(|effort| *effort != Effort::None);
    let asks_between = draft.own_extra("thinking").is_some_and(|own| own.contains_key("type"));
    let (kind, most) = match claude.may_disable_up_to {
        Some(most) => ("disabled", most),
        None if claude.between_tools => ("between_tools", Effort::High),
        None => {
            draft.losses.add(member, "this model always thinks; it is told to spend little effort");
            let least = claude.efforts.first().copied();
            return Plan { thinking: None, effort: effort(draft, wanted.or(least)) };
        }
    };
    let is_same = (kind == "between_tools") == asks_between;
    draft.losses.add_if(!is_same, member, "this model has another way to think less");
    let mut effort = effort(draft, wanted);
    if effort.is_some_and(|effort| effort > most) {
        let why = "without thinking this model spends no more effort than this";
        draft.losses.add(names::effort(draft.chat.source), why);
        effort = Some(most);
    }
    let mut thinking = Map::new();
    thinking.insert("type".into(), json!(kind));
    Plan { thinking: Some(thinking), effort }
}

fn manual(draft: &mut Draft<'_>, reasoning: &Reasoning, rest: Rest) -> Plan {
    let member = names::reasoning(draft.chat.source);
    let is_said = reasoning.budget_tokens.is_some();
    // An answer needs room beside what is thought: a fifth of it where the client did not say.
    let share = rest.max_tokens.map(|most| (most / 5).saturating_mul(4).max(BUDGET_TOKENS_MIN));
    let limit = rest.max_tokens.map(|most| most.saturating_sub(1));
    let mut budget = reasoning.budget().unwrap_or_else(|| Effort::Medium.budget());
    let is_too_much = limit.is_some_and(|limit| budget > limit);
    if is_too_much || !is_said {
        budget = share.map_or(budget, |share| budget.min(share));
    }
    let lifted = budget.max(BUDGET_TOKENS_MIN);
    let losses = &mut draft.losses;
    // Where there are no efforts, the budget says it: a range for each.
    let has_efforts = !draft.claude.efforts.is_empty();
    let is_less =
        !has_efforts && reasoning.effort.is_some_and(|wanted| Effort::of_budget(lifted) < wanted);
    let bent = (is_said && is_too_much) || is_less;
    losses.add_if(bent, member, "the budget was lowered to fit under the limit of tokens");
    losses.add_if(is_said && lifted > budget, member, "the budget was raised to the least taken");
    let why = "this model does not decide itself how much it thinks; it was given a budget";
    losses.add_if(reasoning.adaptive, member, why);
    let mut thinking = Map::new();
    thinking.insert("type".into(), json!("enabled"));
    thinking.insert("budget_tokens".into(), json!(lifted));
    show(&mut thinking, draft, reasoning);
    let wanted = reasoning.effort.filter(|_| has_efforts || (is_said && draft.is_own()));
    Plan { thinking: Some(thinking), effort: effort(draft, wanted) }
}

fn adaptive(draft: &mut Draft<'_>, reasoning: &Reasoning) -> Plan {
    let budget = reasoning.budget_tokens.filter(|_| !reasoning.adaptive);
    let why = "this model takes no budget; it was told an effort";
    draft.losses.add_if(budget.is_some(), names::reasoning(draft.chat.source), why);
    let wanted = reasoning.effort.or_else(|| budget.map(Effort::of_budget));
    let effort = if budget.is_some() && reasoning.effort.is_none() {
        wanted.and_then(|wanted| draft.claude.effort(wanted))
    } else {
        effort(draft, wanted)
    };
    let mut thinking = Map::new();
    thinking.insert("type".into(), json!("adaptive"));
    show(&mut thinking, draft, reasoning);
    Plan { thinking: Some(thinking), effort }
}

/// The effort that the model has for the one that is wanted.
fn effort(draft: &mut Draft<'_>, wanted: Option<Effort>) -> Option<Effort> {
    let wanted = wanted?;
    let found = draft.claude.effort(wanted);
    let why = "this model has no such effort; the nearest was taken, if any";
    draft.losses.add_if(found != Some(wanted), names::effort(draft.chat.source), why);
    found
}

fn is_shown(reasoning: &Reasoning) -> Option<bool> {
    reasoning.visible.or_else(|| reasoning.summary.as_ref().map(|_| true))
}

fn show(thinking: &mut Map<String, Value>, draft: &Draft<'_>, reasoning: &Reasoning) {
    let speaks_claude = draft.is_own() || draft.chat.source == Dialect::BedrockConverse;
    if let Some(display) = draft.claude.display(is_shown(reasoning), speaks_claude) {
        thinking.insert("display".into(), json!(display));
    }
}

/// Puts members back that only Anthropic has.
fn with_own_members(draft: &Draft<'_>, mut plan: Plan) -> Plan {
    if let (Some(thinking), Some(own)) = (&mut plan.thinking, draft.own_extra("thinking")) {
        for (name, value) in own {
            thinking.entry(name.as_str()).or_insert_with(|| value.clone());
        }
    }
    plan
}

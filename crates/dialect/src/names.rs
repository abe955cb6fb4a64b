//! Names of tools and ids of calls that a format cannot take: written in a form that it can, and
//! given back in the answer.
//!
//! Without state between requests: the form is worked out from the name alone, so the same name
//! gets the same form in definitions, histories and choices, now and in the next turn. Only where
//! two forms would be the same do the other names of the request matter.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::ir::{
    Chat, ChatAnswer, Event, Part, PartBody, PartStart, Tool, ToolBody, ToolCall, ToolChoice,
    ToolResult,
};

/// How many characters of a form tell it from others: 26 · 36⁹ possibilities.
const HASH_CHARS: usize = 10;

/// What names of tools and ids of calls may look like in a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameRules {
    /// Names of tools.
    pub tool: NameRule,
    /// Ids of calls.
    pub call_id: NameRule,
}

/// What one kind of name may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameRule {
    /// No longer than this.
    pub bytes_max: usize,
    /// Characters that may stand in it beside ASCII letters and digits; `None`: any.
    pub beside: Option<&'static str>,
    /// Exactly so long.
    pub is_exact: bool,
}

/// Which tools of a request have other names at the provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renames {
    /// The client's names by the provider's.
    tools: BTreeMap<String, String>,
}

impl NameRules {
    /// Anything goes.
    pub const ANY: Self = Self { tool: NameRule::ANY, call_id: NameRule::ANY };
}

impl Renames {
    /// Gives every tool and every call of `request` that `rules` refuse a name that they take, the
    /// same wherever it stands. Names that are fine stay, and so do empty ones: there is nothing
    /// that could be found again.
    #[must_use]
    pub fn fit(request: &mut Chat, rules: &NameRules) -> Self {
        let tools = forms(request, Kind::Tool, &rules.tool);
        let calls = forms(request, Kind::CallId, &rules.call_id);
        if tools.is_empty() && calls.is_empty() {
            return Self::default();
        }
        each_name(request, &mut |kind, name| {
            let forms = match kind {
                Kind::Tool => &tools,
                Kind::CallId => &calls,
            };
            if let Some(form) = forms.get(name) {
                name.clone_from(form);
            }
        });
        Self { tools: tools.into_iter().map(|(name, form)| (form, name)).collect() }
    }

    /// Whether every tool has the client's name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Gives tools that the answer calls the client's names back.
    pub fn restore_answer(&self, answer: &mut ChatAnswer) {
        if self.is_empty() {
            return;
        }
        for part in answer.choices.iter_mut().flat_map(|choice| &mut choice.parts) {
            each_name_of(part, &mut |kind, name| self.restore(kind, name));
        }
    }

    /// Gives the tool that a stream calls the client's name back.
    pub fn restore_event(&self, event: &mut Event) {
        if let Event::PartStart { start: PartStart::ToolCall { name, .. }, .. } = event {
            self.restore(Kind::Tool, name);
        }
    }

    /// Gives a request's tools the client's names back.
    pub fn restore_tools(&self, tools: &mut [Tool]) {
        for name in tools.iter_mut().filter_map(name_of) {
            self.restore(Kind::Tool, name);
        }
    }

    fn restore(&self, kind: Kind, name: &mut String) {
        if kind == Kind::Tool
            && let Some(original) = self.tools.get(name)
        {
            name.clone_from(original);
        }
    }
}

impl NameRule {
    /// Anything goes.
    pub const ANY: Self = Self { bytes_max: usize::MAX, beside: None, is_exact: false };

    /// Whether `name` may stand as it is.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let has_length = match self.is_exact {
            true => name.len() == self.bytes_max,
            false => name.len() <= self.bytes_max,
        };
        has_length && name.chars().all(|c| self.takes_char(c))
    }

    fn takes_char(&self, c: char) -> bool {
        self.beside.is_none_or(|beside| c.is_ascii_alphanumeric() || beside.contains(c))
    }

    /// What stands for a character that may not, and between a name and its hash.
    fn filler(&self) -> Option<char> {
        ['_', '-'].into_iter().find(|c| self.takes_char(*c))
    }

    /// A form of `name` that this rule takes: as much of its beginning as there is room for, and a
    /// hash of all of it. `round` gives another form, should the first be taken.
    fn form(&self, name: &str, round: u64) -> String {
        if self.is_exact {
            return digits(name, round, self.bytes_max);
        }
        let hash = digits(name, round, HASH_CHARS.min(self.bytes_max));
        let filler = self.filler();
        let room = self.bytes_max.saturating_sub(hash.len() + filler.map_or(0, char::len_utf8));
        let legal = |c| if self.takes_char(c) { Some(c) } else { filler };
        let mut form: String = name.chars().take(room).filter_map(legal).collect();
        form.truncate(form.floor_char_boundary(room));
        if !form.is_empty() {
            form.extend(filler);
        }
        form + &hash
    }
}

/// `count` lower-case letters and digits, a letter first, that stand for `name`.
fn digits(name: &str, round: u64, count: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    // FNV-1a, whose values are the same in every build for ever.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ round;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut text = String::new();
    let mut left = 0;
    for at in 0..count {
        if at % HASH_CHARS == 0 {
            hash = mixed(hash);
            left = hash;
        }
        let base = if at == 0 { 26 } else { 36 };
        text.extend(ALPHABET.get((left % base) as usize).map(|digit| char::from(*digit)));
        left /= base;
    }
    text
}

/// Spreads what little the last bytes of a name change over all bits (the finisher of `SplitMix64`).
const fn mixed(hash: u64) -> u64 {
    let hash = hash.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// What a name is a name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tool,
    CallId,
}

/// Forms of the names of one kind that `rule` refuses, no two the same and none a name that stays.
fn forms(request: &mut Chat, kind: Kind, rule: &NameRule) -> BTreeMap<String, String> {
    let mut refused = BTreeSet::new();
    each_name(request, &mut |found, name| {
        if found == kind && !name.is_empty() && !rule.takes(name) {
            refused.insert(name.clone());
        }
    });
    if refused.is_empty() {
        return BTreeMap::new();
    }
    let mut taken = BTreeSet::new();
    each_name(request, &mut |found, name| {
        if found == kind && !refused.contains(name) {
            taken.insert(name.clone());
        }
    });
    apart(refused, taken, rule)
}

/// Forms of those of `ids` that `rule` refuses, as [`Renames::fit`] gives them to ids of calls.
pub(crate) fn forms_of_ids(ids: BTreeSet<String>, rule: &NameRule) -> BTreeMap<String, String> {
    let named = ids.into_iter().filter(|id| !id.is_empty());
    let (taken, refused) = named.partition(|id| rule.takes(id));
    apart(refused, taken, rule)
}

/// Forms of `refused`, no two the same and none of them `taken`.
fn apart(
    refused: BTreeSet<String>,
    mut taken: BTreeSet<String>,
    rule: &NameRule,
) -> BTreeMap<String, String> {
    let mut forms = BTreeMap::new();
    for name in refused {
        // A rule that allows fewer names than there are takes what it gets.
        let rounds = 0..=taken.len() as u64;
        let mut all = rounds.map(|round| rule.form(&name, round));
        let form = all.find(|form| !taken.contains(form)).unwrap_or_else(|| rule.form(&name, 0));
        taken.insert(form.clone());
        forms.insert(name, form);
    }
    forms
}

/// A tool's name, unless it is its provider's own word.
fn name_of(tool: &mut Tool) -> Option<&mut String> {
    match &mut tool.body {
        ToolBody::Function { name, .. } | ToolBody::Custom { name, .. } => Some(name),
        ToolBody::Hosted { .. } => None,
    }
}

/// Calls `visit` with every name of a tool and every id of a call.
fn each_name(request: &mut Chat, visit: &mut dyn FnMut(Kind, &mut String)) {
    request.tools.iter_mut().filter_map(name_of).for_each(|name| visit(Kind::Tool, name));
    match &mut request.tool_choice {
        Some(ToolChoice::Function(name)) => visit(Kind::Tool, name),
        Some(ToolChoice::Allowed { names, .. }) => {
            names.iter_mut().for_each(|name| visit(Kind::Tool, name));
        }
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Required) | None => {}
    }
    for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
        each_name_of(part, visit);
    }
}

fn each_name_of(part: &mut Part, visit: &mut dyn FnMut(Kind, &mut String)) {
    match &mut part.body {
        PartBody::ToolCall(ToolCall { id, name, .. }) => {
            visit(Kind::CallId, id);
            visit(Kind::Tool, name);
        }
        PartBody::ToolResult(ToolResult { call_id, name, .. }) => {
            visit(Kind::CallId, call_id);
            name.iter_mut().for_each(|name| visit(Kind::Tool, name));
        }
        _ => {}
    }
}

//! Names of tools and ids of calls that a format cannot take: written in a form that it can, and
//! given back in the answer.
//!
//! Without state between requests: the form is worked out from the name alone, so the same name
//! gets the same form in definitions, histories and choices, now and in the next turn.

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

impl NameRules {
    /// Anything goes.
    pub const ANY: Self = Self { tool: NameRule::ANY, call_id: NameRule::ANY };
}

impl NameRule {
    /// Anything goes.
    pub const ANY: Self = Self { bytes_max: usize::MAX, beside: None, is_exact: false };
}

/// Stub until merged.
#[derive(Debug, Clone, Default)]
pub struct Renames;

impl Renames {
    /// Stub.
    pub fn fit(_: &mut crate::ir::Chat, _: &NameRules) -> Self {
        Self
    }
    /// Stub.
    pub fn restore_answer(&self, _: &mut crate::ir::ChatAnswer) {}
    /// Stub.
    pub fn restore_event(&self, _: &mut crate::ir::Event) {}
}

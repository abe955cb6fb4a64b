//! What a translation had to leave out.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// One thing that the target format cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Loss {
    /// The member, as the source format names it: `seed`, `messages.image`, `thinking.signature`.
    /// Without indices, so that a long conversation has no long list.
    pub member: Cow<'static, str>,
    /// What became of it, for people: "the target has no such member".
    pub why: Cow<'static, str>,
}

/// What was left out, each thing once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses(BTreeSet<Loss>);

impl Losses {
    /// Notes a loss.
    pub fn add(&mut self, member: impl Into<Cow<'static, str>>, why: impl Into<Cow<'static, str>>) {
        self.0.insert(Loss { member: member.into(), why: why.into() });
    }

    /// Notes `member` if there is something to lose.
    pub fn add_if(&mut self, lost: bool, member: &'static str, why: &'static str) {
        if lost {
            self.add(member, why);
        }
    }

    /// Notes that marks of a prompt to keep went with tools that may not be called.
    pub(crate) fn add_marks_of_tools_if(&mut self, lost: bool) {
        let why = "a tool that may not be called is not sent, nor what was to be kept with it";
        self.add_if(lost, "tools.cache_control", why);
    }

    /// Takes over the losses of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Each, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.0.iter()
    }

    /// Whether nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

//! How a request of a format must change for one vendor, as data.

use crate::names::NameRule;

/// Members to drop for certain models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelDrops {
    /// The model's name starts with one of these.
    pub prefixes: &'static [&'static str],
    /// But contains none of these.
    pub except: &'static [&'static str],
    /// Top-level members that these models refuse.
    pub drops: &'static [&'static str],
}

/// How a request of the wire format must change for a vendor. Applied in the order of the fields;
/// names are top-level members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quirks {
    /// Old name, new name. A member that already has the new name wins.
    pub renames: &'static [(&'static str, &'static str)],
    /// Without which a request would mean something else, although the vendor does not take them:
    /// member, JSON texts that say nothing.
    pub refuses: &'static [(&'static str, &'static [&'static [u8]])],
    /// Removed.
    pub drops: &'static [&'static str],
    /// Removed for some models.
    pub model_drops: &'static [ModelDrops],
    /// Member, JSON text to replace, JSON text to put in its place.
    pub values: &'static [(&'static str, &'static str, &'static str)],
    /// Member, JSON text that replaces its value if that is an object.
    pub objects: &'static [(&'static str, &'static str)],
    /// What ids of calls look like, where that is narrower than the format says. Those in the messages
    /// of a request of the same format are made to fit as those of a translated one are.
    pub call_ids: Option<NameRule>,
    /// Removed from messages, from the blocks of their content, and from tools.
    pub block_drops: &'static [&'static str],
    /// String members that are dropped when longer than so many bytes.
    pub text_bytes_max: &'static [(&'static str, usize)],
    /// Member, JSON text: added where the request has no such member.
    pub adds: &'static [(&'static str, &'static str)],
    /// The member, a list, in which features in trial are named that other hosts of the format are
    /// told of in a header.
    pub features: Option<&'static str>,
    /// A list whose objects name the model too, and what stands before it there.
    pub models_within: Option<(&'static str, &'static str)>,
    /// The model stands in the path and must not stand in the body.
    pub omits_model: bool,
}

impl Quirks {
    /// None at all: requests pass as they are.
    pub const NONE: Self = Self {
        renames: &[],
        refuses: &[],
        drops: &[],
        model_drops: &[],
        values: &[],
        objects: &[],
        call_ids: None,
        block_drops: &[],
        text_bytes_max: &[],
        adds: &[],
        features: None,
        models_within: None,
        omits_model: false,
    };

    /// Whether a member that a request has may have to change.
    #[must_use]
    pub const fn change_members(&self) -> bool {
        !(self.renames.is_empty()
            && self.drops.is_empty()
            && self.model_drops.is_empty()
            && self.values.is_empty()
            && self.objects.is_empty()
            && self.text_bytes_max.is_empty())
    }

    /// The drops that depend on `model`, the vendor's name of it.
    pub fn drops_for(&self, model: &str) -> impl Iterator<Item = &'static str> {
        let applies = move |rule: &&ModelDrops| {
            rule.prefixes.iter().any(|prefix| model.starts_with(prefix))
                && !rule.except.iter().any(|part| model.contains(part))
        };
        self.model_drops.iter().filter(applies).flat_map(|rule| rule.drops.iter().copied())
    }
}

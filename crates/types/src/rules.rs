//! Which models a key serves, and what they are called at the provider.
//!
//! Shared because the router filters keys by it and the worker writes the wire name.

use std::sync::Arc;

/// An allow or deny list of model names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ModelList {
    /// Nothing.
    #[default]
    None,
    /// Every model (`["*"]`).
    All,
    /// These, compared without regard to ASCII case.
    Names(Vec<Arc<str>>),
}

impl ModelList {
    /// Whether `model` is on the list.
    #[must_use]
    pub fn contains(&self, model: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Names(names) => names.iter().any(|name| name.eq_ignore_ascii_case(model)),
        }
    }
}

/// What a key says about models.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRules {
    /// Models as callers name them, before aliases.
    pub models: ModelList,
    /// Wins over `models`.
    pub blacklisted_models: ModelList,
    /// Caller's name → provider's name. Aliases do not chain.
    pub aliases: Vec<(Arc<str>, Arc<str>)>,
    /// Set where a key serves exactly one model (vLLM): the provider's name of it.
    pub only_model: Option<Arc<str>>,
}

impl KeyRules {
    /// Whether a request for `model` may use this key.
    #[must_use]
    pub fn serves(&self, model: &str) -> bool {
        self.models.contains(model)
            && !self.blacklisted_models.contains(model)
            && self.only_model.as_deref().is_none_or(|only| only == self.resolve(model))
    }

    /// The provider's name of `model`: that of its alias, else the name itself.
    #[must_use]
    pub fn resolve<'a>(&'a self, model: &'a str) -> &'a str {
        self.alias_at(model).and_then(|at| self.aliases.get(at)).map_or(model, |(_, target)| target)
    }

    /// Which of [`KeyRules::aliases`] `model` is: the same name, else one that differs in ASCII case
    /// only.
    #[must_use]
    pub fn alias_at(&self, model: &str) -> Option<usize> {
        let exact = self.aliases.iter().position(|(alias, _)| &**alias == model);
        exact.or_else(|| {
            self.aliases.iter().position(|(alias, _)| alias.eq_ignore_ascii_case(model))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> ModelList {
        ModelList::Names(names.iter().map(|&n| n.into()).collect())
    }

    #[test]
    fn aliases_are_matched_exactly_first_and_filters_see_the_callers_name() {
        let rules = KeyRules {
            models: names(&["Fast", "slow"]),
            blacklisted_models: names(&["slow"]),
            aliases: vec![("fast".into(), "m-1".into()), ("FAST".into(), "m-2".into())],
            only_model: None,
        };
        assert_eq!(rules.resolve("FAST"), "m-2");
        assert_eq!(rules.resolve("Fast"), "m-1");
        assert!(rules.serves("fast"));
        assert!(!rules.serves("slow"));
        assert!(!rules.serves("m-1"));
    }

    #[test]
    fn a_single_model_key_serves_what_resolves_to_it() {
        let rules = KeyRules {
            models: ModelList::All,
            aliases: vec![("llama".into(), "meta/llama".into())],
            only_model: Some("meta/llama".into()),
            ..KeyRules::default()
        };
        assert!(rules.serves("llama") && rules.serves("meta/llama"));
        assert!(!rules.serves("other"));
    }
}

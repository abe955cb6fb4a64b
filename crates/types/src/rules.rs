//! Which models a key serves, and what they are called at the provider.
//!
//! Shared because the router filters keys by it and the worker writes the wire name.

use std::sync::Arc;

use crate::ProviderName;

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

    /// What is on both lists.
    fn within(self, other: &Self) -> Self {
        match (self, other) {
            (all, Self::All) => all,
            (Self::All, other) => other.clone(),
            (Self::Names(names), other) => {
                Self::Names(names.into_iter().filter(|name| other.contains(name)).collect())
            }
            (Self::None, _) => Self::None,
        }
    }
}

/// Which models of one provider somebody may see in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenModels {
    /// The provider.
    pub provider: ProviderName,
    /// Of each key that may be used: what it serves. One that serves a model is enough.
    pub keys: Vec<Served>,
}

/// Models, as callers name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// These,
    pub models: ModelList,
    /// but not these.
    pub except: Vec<Arc<str>>,
}

impl SeenModels {
    /// Whether the model of this name may be seen.
    #[must_use]
    pub fn show(&self, model: &str) -> bool {
        let is = |name: &Arc<str>| name.eq_ignore_ascii_case(model);
        self.keys.iter().any(|key| key.models.contains(model) && !key.except.iter().any(is))
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

    /// What it serves of the models on `allowed` that are not on `denied`.
    #[must_use]
    pub fn narrowed(&self, allowed: &ModelList, denied: &ModelList) -> Served {
        let models = match &self.only_model {
            None => self.models.clone(),
            Some(only) => {
                let names = self.aliases.iter().map(|(alias, _)| alias).chain([only]);
                ModelList::Names(names.filter(|name| self.serves(name)).cloned().collect())
            }
        };
        let mut except = Vec::new();
        for list in [denied, &self.blacklisted_models] {
            match list {
                ModelList::None => {}
                ModelList::All => return Served::default(),
                ModelList::Names(names) => except.extend(names.iter().cloned()),
            }
        }
        Served { models: models.within(allowed), except }
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
    fn a_list_shows_what_one_of_the_keys_serves_and_the_caller_may_ask_for() {
        let all = || ModelList::All;
        let shown = |rules: &KeyRules, allowed, denied| {
            let keys = vec![rules.narrowed(&allowed, &denied)];
            let seen = SeenModels { provider: "p".into(), keys };
            ["a", "B", "c", "alias"].into_iter().filter(|name| seen.show(name)).collect::<String>()
        };
        let every = KeyRules { models: all(), ..KeyRules::default() };
        assert_eq!(shown(&every, all(), ModelList::None), "aBcalias");
        assert_eq!(shown(&every, names(&["A", "b"]), names(&["a"])), "B");
        assert_eq!(shown(&every, all(), all()), "");
        assert_eq!(shown(&every, ModelList::None, ModelList::None), "");
        let some = KeyRules {
            models: names(&["a", "b"]),
            blacklisted_models: names(&["B"]),
            ..KeyRules::default()
        };
        assert_eq!(shown(&some, all(), ModelList::None), "a");
        assert_eq!(shown(&some, names(&["b", "c"]), ModelList::None), "");
        assert_eq!(shown(&KeyRules::default(), all(), ModelList::None), "");
        let only = KeyRules {
            only_model: Some("c".into()),
            aliases: vec![("alias".into(), "c".into()), ("a".into(), "other".into())],
            ..every
        };
        assert_eq!(shown(&only, all(), ModelList::None), "calias");
        assert_eq!(shown(&only, names(&["a", "alias"]), ModelList::None), "alias");
        let several = SeenModels {
            provider: "p".into(),
            keys: vec![
                some.narrowed(&all(), &ModelList::None),
                only.narrowed(&all(), &ModelList::None),
            ],
        };
        assert!(several.show("A") && several.show("c") && !several.show("b"));
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

//! One provider of the catalog: which of its keys serve a model now.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use weir_quota::Class;
use weir_types::{Fault, KeyName, KeyRules, ModelList, ModelName, Operation, SeenModels};

use super::clients::Access;
use super::{KeyPlaces, Query, Target, fault};
use crate::settings::{KeySettings, ProviderSettings};

/// Models are named by clients, so what is remembered of them has a bound; over it, the memory
/// starts anew.
pub(super) const REMEMBERED_MAX: usize = 1024;

/// The operations' labels as the pool takes them.
static LABELS: LazyLock<Vec<Arc<str>>> =
    LazyLock::new(|| Operation::ALL.iter().map(|operation| Arc::from(operation.label())).collect());

/// Targets by model.
type Remembered = RwLock<HashMap<Arc<str>, Arc<Target>>>;

/// One provider and what was worked out for it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) provider: Arc<ProviderSettings>,
    usable: Option<Arc<KeyPlaces>>,
    pub(super) access: Access,
    /// By operation; without a pin.
    targets: Vec<Remembered>,
}

impl Entry {
    pub(super) fn new(
        provider: Arc<ProviderSettings>,
        usable: Option<Arc<KeyPlaces>>,
        access: Access,
    ) -> Self {
        let targets = Operation::ALL.iter().map(|_| Remembered::default()).collect();
        Self { provider, usable, access, targets }
    }

    /// The keys that serve `model`.
    ///
    /// # Errors
    /// None does, or none of them can be used; the message says which and why.
    pub(super) fn target(&self, model: &str, ask: Query<'_>) -> Result<Arc<Target>, Fault> {
        if !self.provider.operations.contains(ask.operation, ask.stream) {
            let what = ask.operation.config_name(ask.stream);
            return Err(fault::unsupported(&self.provider, what));
        }
        if self.speaks_another(ask) {
            return Err(fault::other_format(&self.provider, ask.operation));
        }
        if ask.operation.has_model() && model.is_empty() {
            return Err(fault::missing_model_part(&self.provider));
        }
        if let Some(pin) = ask.pin {
            let key = self.pinned(model, ask, pin)?;
            return Ok(self.build(model, ask.operation, &[key]));
        }
        if ask.named_only {
            // Fewer keys than for the same model behind the provider's name, which is what the
            // memory here is about; the bare models have their own.
            let keys = self.eligible(model, ask)?;
            return Ok(self.build(model, ask.operation, &keys));
        }
        let remembered = &self.targets[ask.operation.index()];
        if let Some(target) = read(remembered).get(model) {
            return Ok(target.clone());
        }
        let keys = self.eligible(model, ask)?;
        let target = self.build(model, ask.operation, &keys);
        let mut targets = remembered.write().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= REMEMBERED_MAX {
            targets.clear();
        }
        targets.insert(Arc::from(model), target.clone());
        Ok(target)
    }

    /// Whether what is asked passes within one format only, and this provider speaks another.
    fn speaks_another(&self, ask: Query<'_>) -> bool {
        let Some(dialect) = ask.dialect else { return false };
        let formats = self.provider.formats.iter();
        let mut formats = formats.filter(|(operation, _)| *operation == ask.operation).peekable();
        formats.peek().is_some() && formats.all(|(_, format)| *format != dialect)
    }

    /// The enabled keys that serve `model`.
    pub(super) fn serving<'a, 'm>(
        &'a self,
        model: &'m str,
        ask: Query<'m>,
    ) -> impl Iterator<Item = &'a KeySettings> + use<'a, 'm> {
        let keys = self.provider.keys.iter();
        keys.filter(move |key| {
            key.enabled && serves(key, model, ask) && self.admits(key, model, ask)
        })
    }

    /// Whether whoever asks may use `key` for `model`.
    fn admits(&self, key: &KeySettings, model: &str, ask: Query<'_>) -> bool {
        self.access.admits(&key.name, ask.operation.has_model().then_some(model))
    }

    /// How many models are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.targets.iter().map(|targets| read(targets).len()).max().unwrap_or(0)
    }

    fn eligible(&self, model: &str, ask: Query<'_>) -> Result<Vec<&KeySettings>, Fault> {
        let serving: Vec<&KeySettings> = self.serving(model, ask).collect();
        if serving.is_empty() && !ask.operation.has_model() {
            let may_batch = !ask.operation.facts().batch_keys_only;
            return Err(match may_batch || self.provider.keys.is_empty() {
                true => fault::no_keys(&self.provider),
                false => fault::no_batch_keys(&self.provider, ask.operation),
            });
        }
        if serving.is_empty() {
            let disabled = self.provider.keys.iter().filter(|key| serves(key, model, ask));
            return Err(fault::no_key_supports(&self.provider, model, disabled.count()));
        }
        let names: Vec<KeyName> = serving.iter().map(|key| key.name.clone()).collect();
        let usable: Vec<&KeySettings> =
            serving.into_iter().filter(|key| self.can_use(&key.name)).collect();
        if usable.is_empty() {
            return Err(fault::unusable(&self.provider, &names));
        }
        Ok(usable)
    }

    fn pinned(&self, model: &str, ask: Query<'_>, pin: &str) -> Result<&KeySettings, Fault> {
        let provider = &self.provider;
        let Some(key) = provider.keys.iter().find(|key| &*key.name == pin) else {
            let keys = provider.keys.iter().map(|key| &*key.name);
            return Err(fault::unknown_pin(pin, Some(&provider.name), keys));
        };
        if !key.enabled {
            return Err(fault::disabled_pin(provider, pin));
        }
        if !serves(key, model, ask) || !self.admits(key, model, ask) {
            return Err(fault::pin_does_not_serve(provider, pin, model));
        }
        if !self.can_use(&key.name) {
            return Err(fault::unusable(provider, std::slice::from_ref(&key.name)));
        }
        Ok(key)
    }

    /// Which models whoever asks may see in a list; `None`: all that are listed.
    pub(super) fn seen(&self) -> Option<SeenModels> {
        let Access::Only(access) = &self.access else { return None };
        let enabled = self.provider.keys.iter().filter(|key| key.enabled);
        let admitted = enabled.filter(|key| access.keys.contains(&key.name));
        let (allowed, denied) = (&access.allowed_models, &access.blacklisted_models);
        let keys = admitted.map(|key| key.rules.narrowed(allowed, denied)).collect();
        Some(SeenModels { provider: self.provider.name.clone(), keys })
    }

    /// The same, of those of its keys alone that reach `place`; `may_see`: what is there may be shown to
    /// whoever asks.
    ///
    /// # Errors
    /// As [`Entry::target`]; none does.
    pub(super) fn at_place(
        &self,
        place: &str,
        ask: Query<'_>,
        may_see: impl Fn(&KeyName) -> bool,
    ) -> Result<Arc<Target>, Fault> {
        let target = self.target("", ask)?;
        let Some(known) = &self.usable else { return Ok(target) };
        let places = |key: &KeyName| known.get(key).map(|places| &**places).unwrap_or_default();
        let reaches = |key: &KeyName| places(key).iter().any(|begin| place.starts_with(begin));
        let keys = || self.provider.keys.iter().filter(|key| target.class.keys.contains(&key.name));
        let near: Vec<&KeySettings> = keys().filter(|key| reaches(&key.name)).collect();
        let seen: Vec<&KeySettings> =
            near.iter().copied().filter(|key| may_see(&key.name)).collect();
        match (near.is_empty(), seen.is_empty()) {
            (_, false) => Ok(self.build("", ask.operation, &seen)),
            (false, true) => Err(fault::shared_place()),
            (true, true) => {
                let all: Vec<&String> = keys().flat_map(|key| places(&key.name)).collect();
                Err(fault::no_place(&self.provider, place, &all))
            }
        }
    }

    pub(super) fn can_use(&self, key: &KeyName) -> bool {
        self.usable.as_ref().is_none_or(|usable| usable.contains_key(key))
    }

    fn build(&self, model: &str, operation: Operation, keys: &[&KeySettings]) -> Arc<Target> {
        let class = Class {
            model: Arc::from(model),
            operation: LABELS[operation.index()].clone(),
            keys: keys.iter().map(|key| key.name.clone()).collect(),
        };
        Arc::new(Target {
            provider: self.provider.clone(),
            model: ModelName::from(model),
            class,
            weight: keys.iter().map(|key| key.weight).sum(),
        })
    }
}

/// What the providers are called.
pub(super) fn names_of(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| &*entry.provider.name).collect()
}

pub(super) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn serves(key: &KeySettings, model: &str, ask: Query<'_>) -> bool {
    if ask.operation.facts().batch_keys_only && !key.use_for_batch_api {
        return false;
    }
    !ask.operation.has_model()
        || (key.rules.serves(model) && (!ask.named_only || names(&key.rules, model)))
}

/// Of rules that serve `model`: whether they name it, in the list, as an alias or as the only model.
pub(super) fn names(rules: &KeyRules, model: &str) -> bool {
    matches!(rules.models, ModelList::Names(_))
        || rules.only_model.is_some()
        || rules.aliases.iter().any(|(alias, _)| alias.eq_ignore_ascii_case(model))
}

//! Who may serve a model by configuration alone, key by key, with what keeps the others from it: for people
//! who ask why. The rules are those that requests are routed by; nothing is remembered and no lag moves.

use std::sync::Arc;

use weir_rpc::ExplainRequest;
use weir_types::{Fault, ModelList, Operation};

use super::entry::{Entry, names, names_of};
use super::{Catalog, Named, Query, fault};
use crate::settings::{KeySettings, ProviderSettings};

/// What keeps a key from a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bar {
    Disabled,
    Blacklisted,
    /// Whether it lists any.
    NotListed {
        lists_any: bool,
    },
    /// It serves this one only.
    OtherModel(Arc<str>),
    /// A name that could be meant for a provider that is not there goes only to keys that name it.
    NotNamed,
    /// The request is for another one.
    NotPinned,
    /// Its worker cannot use it.
    Unusable,
}

/// A provider that may be meant.
#[derive(Debug)]
pub(crate) struct Meant {
    pub(crate) provider: Arc<ProviderSettings>,
    /// Without the provider's name before it.
    pub(crate) model: Arc<str>,
    /// For each of its keys what keeps it from serving; `None`: nothing does.
    pub(crate) bars: Vec<Option<Bar>>,
}

impl Meant {
    /// Keys, and what keeps each from serving.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&KeySettings, Option<&Bar>)> {
        self.provider.keys.iter().zip(self.bars.iter().map(Option::as_ref))
    }
}

impl Catalog {
    /// The providers that a model's name may mean, and which of their keys can serve it.
    ///
    /// # Errors
    /// No model, or a provider or key that is not there.
    pub(crate) fn explained(&self, request: &ExplainRequest) -> Result<Vec<Meant>, Fault> {
        if request.model.trim().is_empty() {
            return Err(fault::missing_model());
        }
        let (entries, model, named_only) = self.meant(request)?;
        let pin = (!request.key.is_empty()).then_some(&*request.key);
        if let Some(pin) = pin {
            let mut keys = entries.iter().flat_map(|entry| &entry.provider.keys);
            if !keys.any(|key| &*key.name == pin) {
                let only = entries.first().filter(|_| entries.len() == 1);
                let of = only.map(|entry| &*entry.provider.name);
                let keys = entries.iter().flat_map(|entry| &entry.provider.keys);
                return Err(fault::unknown_pin(pin, of, keys.map(|key| &*key.name)));
            }
        }
        let meant = |entry: &&Entry| {
            let bar = |key| entry.bar(key, model, pin, named_only);
            Meant {
                provider: entry.provider.clone(),
                model: model.into(),
                bars: entry.provider.keys.iter().map(bar).collect(),
            }
        };
        Ok(entries.iter().map(meant).collect())
    }

    /// The provider that would be asked next for a chat that is not streamed.
    pub(crate) fn next_provider(&self, request: &ExplainRequest) -> Option<Arc<ProviderSettings>> {
        let (entries, model, named_only) = self.meant(request).ok()?;
        let pin = (!request.key.is_empty()).then_some(&*request.key);
        let ask =
            Query { operation: Operation::Chat, stream: false, pin, named_only, dialect: None };
        if entries.len() == 1 {
            return Some(entries.first()?.target(model, ask).ok()?.provider.clone());
        }
        self.bare.next(&self.entries, model, ask)
    }

    fn meant<'a>(
        &'a self,
        request: &'a ExplainRequest,
    ) -> Result<(Vec<&'a Entry>, &'a str, bool), Fault> {
        let named = self.named(&request.model);
        if !request.provider.is_empty() {
            let entry = self.known(&request.provider)?;
            return Ok(match named {
                Named::At(of, model) if std::ptr::eq(of, entry) => (vec![entry], model, false),
                _ => (vec![entry], &request.model, false),
            });
        }
        Ok(match named {
            Named::At(entry, model) => (vec![entry], model, false),
            Named::Bare(_) if self.entries.is_empty() => {
                return Err(fault::unknown_model(&request.model, &names_of(&self.entries)));
            }
            Named::Bare(model) => (self.entries.iter().collect(), model, model.contains('/')),
        })
    }
}

impl Entry {
    fn bar(
        &self,
        key: &KeySettings,
        model: &str,
        pin: Option<&str>,
        named_only: bool,
    ) -> Option<Bar> {
        let rules = &key.rules;
        if !key.enabled {
            return Some(Bar::Disabled);
        }
        if rules.blacklisted_models.contains(model) {
            return Some(Bar::Blacklisted);
        }
        if !rules.models.contains(model) {
            return Some(Bar::NotListed { lists_any: rules.models != ModelList::None });
        }
        if let (false, Some(only)) = (rules.serves(model), &rules.only_model) {
            return Some(Bar::OtherModel(only.clone()));
        }
        if named_only && !names(rules, model) {
            return Some(Bar::NotNamed);
        }
        if pin.is_some_and(|pin| pin != &*key.name) {
            return Some(Bar::NotPinned);
        }
        (!self.can_use(&key.name)).then_some(Bar::Unusable)
    }
}

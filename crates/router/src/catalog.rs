//! Which providers, models and keys can a request mean?
//!
//! Pure: built from the settings and from what the workers said of their keys, replaced when
//! either changes. Knows no limits, cooldowns or attempts; the pool filters by cooldown, the plan
//! by what was tried. What was worked out for a model is remembered, because clients repeat it.

mod bare;
mod clients;
mod entry;
mod explained;
mod fault;
mod stored;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use weir_quota::Class;
use weir_rpc::RouterRequest;
use weir_types::{Dialect, Fault, FaultCode, KeyName, ModelName, Operation, ProviderName};

use crate::breaker::Place;
use crate::settings::{KeySettings, ProviderSettings};
use bare::BareModels;
use clients::Access;
pub(crate) use clients::Catalogs;
use entry::{Entry, names_of};
pub(crate) use explained::{Bar, Meant};
pub(crate) use stored::StoredAt;

/// Fallbacks that one request may name.
const FALLBACKS_MAX: usize = 16;

/// Keys that the workers can use, by provider. A provider that is absent has not said anything
/// yet: all its keys count.
pub(crate) type UsableKeys = HashMap<ProviderName, Arc<KeyPlaces>>;

/// Keys, and how the places begin at which they keep files.
pub(crate) type KeyPlaces = HashMap<KeyName, Arc<[String]>>;

/// One provider, one model, and the keys that serve it there.
#[derive(Debug)]
pub(crate) struct Target {
    /// The provider.
    pub provider: Arc<ProviderSettings>,
    /// The caller's name of the model, without provider prefix.
    pub model: ModelName,
    /// What the pool is asked for.
    pub class: Class,
    /// The sum of the weights of the keys of `class`.
    pub weight: f64,
}

impl Target {
    /// Where a call with `key` goes.
    pub(crate) fn place(&self, key: &KeyName) -> Place {
        Place {
            provider: self.provider.name.clone(),
            server: self.provider.server_of(key).unwrap_or_default(),
            model: self.model.clone(),
        }
    }
}

/// Where a request goes, in order.
#[derive(Debug)]
pub(crate) struct Route {
    /// The first choice, or why there is none.
    pub primary: Result<Arc<Target>, Fault>,
    /// Where it goes when the first choice fails.
    pub fallbacks: Vec<Arc<Target>>,
}

/// Everything that can be asked for.
#[derive(Debug)]
pub(crate) struct Catalog {
    entries: Vec<Entry>,
    bare: BareModels,
}

/// A model as a caller wrote it, taken apart.
enum Named<'a> {
    /// `provider/model`.
    At(&'a Entry, &'a str),
    /// A bare model. One with a `/` in it goes only to keys that name it: else a mistyped provider
    /// would send its request to whoever serves everything.
    Bare(&'a str),
}

/// What is asked, whatever the model.
#[derive(Debug, Clone, Copy)]
struct Query<'a> {
    operation: Operation,
    stream: bool,
    pin: Option<&'a str>,
    /// Only keys whose configuration names the model count, not those that serve every model.
    named_only: bool,
    /// In which format, where that matters.
    dialect: Option<Dialect>,
}

impl<'a> Query<'a> {
    fn of(request: &'a RouterRequest) -> Self {
        Self {
            operation: request.operation,
            stream: request.stream,
            pin: request.target.pin(),
            named_only: false,
            dialect: Some(request.dialect),
        }
    }
}

// === impl Catalog ===

impl Catalog {
    pub(crate) fn new(providers: &[Arc<ProviderSettings>], usable: &UsableKeys) -> Self {
        Self::limited(providers, usable, |_| Access::All)
    }

    /// The same for someone who may reach as much as `access` says of each provider.
    fn limited(
        providers: &[Arc<ProviderSettings>],
        usable: &UsableKeys,
        access: impl Fn(&str) -> Access,
    ) -> Self {
        let entry = |provider: &Arc<ProviderSettings>| {
            let usable = usable.get(&provider.name).cloned();
            Entry::new(provider.clone(), usable, access(&provider.name))
        };
        Self { entries: providers.iter().map(entry).collect(), bare: BareModels::default() }
    }

    /// Where a request goes.
    ///
    /// # Errors
    /// What no fallback could mend: no model, an unknown key pin, too many fallbacks.
    pub(crate) fn route(&self, request: &RouterRequest) -> Result<Route, Fault> {
        match &request.target {
            weir_types::Target::Model { name, .. } => match &request.owner {
                Some(owner) => self.of_owner(request, name, owner),
                None => self.route_of_model(request, name),
            },
            weir_types::Target::Provider { name: Some(name), .. } => self.only(request, name),
            weir_types::Target::Resource { provider, key, .. } => {
                self.of_stored(request, provider.as_deref(), key.as_deref())
            }
            weir_types::Target::Place { provider, place, .. } => {
                self.at_place(request, provider.as_deref(), place, |_, _| true)
            }
            weir_types::Target::Provider { name: None, .. }
                if request.operation.facts().batch_keys_only =>
            {
                self.first_able(request)
            }
            weir_types::Target::Provider { name: None, .. } => {
                Err(fault::missing_provider(request.operation))
            }
        }
    }

    /// A request for one provider as a whole: nobody else can serve it.
    fn only(&self, request: &RouterRequest, name: &str) -> Result<Route, Fault> {
        let entry = self.known(name)?;
        let ask = Query::of(request);
        Ok(Route { primary: Ok(entry.target("", ask)?), fallbacks: Vec::new() })
    }

    fn route_of_model(&self, request: &RouterRequest, model: &str) -> Result<Route, Fault> {
        if model.trim().is_empty() {
            return Err(fault::missing_model());
        }
        if request.fallbacks.len() > FALLBACKS_MAX {
            return Err(fault::too_many_fallbacks(request.fallbacks.len(), FALLBACKS_MAX));
        }
        let ask = Query::of(request);
        let (primary, implied) = match self.named(model) {
            Named::At(entry, model) => (entry.target(model, ask), Vec::new()),
            Named::Bare(model) => {
                let preferred = request.preferred_provider.as_deref();
                match self.bare.pick(&self.entries, model, ask, preferred) {
                    Ok((primary, others)) => (Ok(primary), others),
                    Err(fault) => (Err(fault), Vec::new()),
                }
            }
        };
        if let Err(fault) = &primary
            && fault.code == FaultCode::InvalidRequest
        {
            return primary.map(|target| Route { primary: Ok(target), fallbacks: Vec::new() });
        }
        let fallbacks = if request.fallbacks.is_empty() {
            implied
        } else {
            self.explicit_fallbacks(request, ask, primary.as_ref().ok())
        };
        Ok(Route { primary, fallbacks })
    }

    /// Every provider that can list its models, or only the one that is named.
    ///
    /// # Errors
    /// The named one is unknown or cannot list; nobody can.
    pub(crate) fn listing(
        &self,
        only: Option<&str>,
        pin: Option<&str>,
    ) -> Result<Vec<Arc<Target>>, Fault> {
        let operation = Operation::ListModels;
        let ask = Query { operation, stream: false, pin, named_only: false, dialect: None };
        if let Some(name) = only {
            let entry = self.known(name)?;
            return entry.target("", ask).map(|target| vec![target]);
        }
        let mut first = None;
        let mut targets = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            match entry.target("", ask) {
                Ok(target) => targets.push(target),
                Err(fault) => first = first.or(Some(fault)),
            }
        }
        if targets.is_empty() {
            return Err(first.unwrap_or_else(fault::no_providers));
        }
        Ok(targets)
    }

    /// Whether `model` could be served as a fallback of `request`.
    fn can_serve(&self, request: &RouterRequest, model: &str) -> bool {
        let ask = Query { pin: None, ..Query::of(request) };
        match self.named(model) {
            Named::At(entry, model) => entry.target(model, ask).is_ok(),
            Named::Bare(model) => self.bare.can_serve(&self.entries, model, ask),
        }
    }

    /// A key that has stored something, as it is configured now.
    fn owned(&self, provider: &str, key: &str) -> Result<(&Entry, &KeySettings), Fault> {
        let entry = self.entry(provider).ok_or_else(|| fault::provider_removed(provider))?;
        let found = entry.provider.keys.iter().find(|one| &*one.name == key);
        let found = found.ok_or_else(|| fault::key_removed(provider, key))?;
        if !found.enabled {
            return Err(fault::key_disabled(provider, key));
        }
        Ok((entry, found))
    }

    fn known(&self, provider: &str) -> Result<&Entry, Fault> {
        let found = self.entry(provider);
        found.ok_or_else(|| fault::no_provider(provider, &names_of(&self.entries)))
    }

    fn entry(&self, provider: &str) -> Option<&Entry> {
        // As in the configuration, letters' case does not matter.
        self.entries.iter().find(|entry| entry.provider.name.eq_ignore_ascii_case(provider))
    }

    /// The first `/` splits, if what stands before it is a provider.
    fn named<'a>(&'a self, model: &'a str) -> Named<'a> {
        let split = model.split_once('/');
        let known = split.and_then(|(provider, rest)| Some((self.entry(provider)?, rest)));
        known.map_or(Named::Bare(model), |(entry, rest)| Named::At(entry, rest))
    }

    /// The fallbacks that the request names. Key pins do not apply to them. One that nobody can
    /// serve is passed over, as is one that repeats an earlier target.
    fn explicit_fallbacks(
        &self,
        request: &RouterRequest,
        ask: Query<'_>,
        primary: Option<&Arc<Target>>,
    ) -> Vec<Arc<Target>> {
        let ask = Query { pin: None, ..ask };
        let mut targets: Vec<Arc<Target>> = Vec::with_capacity(request.fallbacks.len());
        for name in &request.fallbacks {
            let target = match self.named(name) {
                Named::At(entry, model) => entry.target(model, ask),
                Named::Bare(model) => {
                    self.bare.pick(&self.entries, model, ask, None).map(|(target, _)| target)
                }
            };
            let Ok(target) = target else {
                continue;
            };
            let repeats = primary.into_iter().chain(&targets).any(|earlier| {
                earlier.provider.name == target.provider.name && earlier.model == target.model
            });
            if !repeats {
                targets.push(target);
            }
        }
        targets
    }
}

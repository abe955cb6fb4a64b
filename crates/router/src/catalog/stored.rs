//! Which key has what is stored: that of an id, or of several that may be meant the only one. Knows
//! neither how an id says it nor what is stored.

use std::sync::Arc;

use weir_rpc::{Cursor, Owner, RouterRequest};
use weir_types::{Fault, FaultCode, KeyName, ProviderName};

use super::{Catalog, Named, Query, Route, Target, fault};

/// A key that may have stored something.
#[derive(Debug, Clone)]
pub(crate) struct StoredAt {
    pub(crate) target: Arc<Target>,
    pub(crate) key: KeyName,
}

impl StoredAt {
    pub(crate) fn provider(&self) -> &ProviderName {
        &self.target.provider.name
    }
}

impl Catalog {
    /// Where a request for something stored goes: nobody else has it.
    pub(super) fn of_stored(
        &self,
        request: &RouterRequest,
        provider: Option<&str>,
        key: Option<&str>,
    ) -> Result<Route, Fault> {
        let ask = Query::of(request);
        let (Some(provider), Some(key)) = (provider, key) else {
            let target = self.only_owner(provider, ask)?;
            return Ok(Route { primary: Ok(target), fallbacks: Vec::new() });
        };
        let (entry, found) = self.owned(provider, key)?;
        if ask.operation.facts().batch_keys_only && !found.use_for_batch_api {
            return Err(fault::key_not_for_batches(provider, key));
        }
        Ok(Route { primary: Ok(entry.target("", ask)?), fallbacks: Vec::new() })
    }

    /// Where a request for a model goes that refers to what a key has stored: nobody else has it, so there
    /// is nothing to fall back to.
    pub(super) fn of_owner(
        &self,
        request: &RouterRequest,
        model: &str,
        owner: &Owner,
    ) -> Result<Route, Fault> {
        if model.trim().is_empty() {
            return Err(fault::missing_model());
        }
        let Owner { provider, key } = owner;
        let (entry, _) = self.owned(provider, key)?;
        let model = match self.named(model) {
            Named::At(named, _) if named.provider.name != entry.provider.name => {
                return Err(fault::owner_elsewhere(&named.provider, provider, key));
            }
            Named::At(_, model) | Named::Bare(model) => model,
        };
        let ask = Query::of(request);
        if ask.pin.is_some_and(|pin| *pin != **key) {
            return Err(fault::owner_not_pinned(provider, key));
        }
        let target = entry.target(model, Query { pin: Some(key), ..ask })?;
        Ok(Route { primary: Ok(target), fallbacks: Vec::new() })
    }

    /// Where a request goes for what stands at `place`: to the keys that reach it.
    pub(super) fn at_place(
        &self,
        request: &RouterRequest,
        provider: Option<&str>,
        place: &str,
        may_see: impl Fn(&str, &str) -> bool,
    ) -> Result<Route, Fault> {
        let ask = Query::of(request);
        let first;
        let name = match provider {
            Some(name) => name,
            None => {
                first = self.able(None, ask)?.swap_remove(0);
                &*first.provider.name
            }
        };
        let entry = self.known(name)?;
        let sees = |key: &KeyName| may_see(&entry.provider.name, key);
        let primary = entry.at_place(place, ask, sees)?;
        Ok(Route { primary: Ok(primary), fallbacks: Vec::new() })
    }

    /// The only key that can be meant by an id that does not say whose it is.
    fn only_owner(&self, provider: Option<&str>, ask: Query<'_>) -> Result<Arc<Target>, Fault> {
        let targets = at_home(self.able(provider, ask)?, ask);
        let keys = targets.iter().map(|target| target.class.keys.len()).sum();
        match (keys, targets.first()) {
            (1, Some(target)) => Ok(target.clone()),
            _ => Err(fault::owner_unknown(keys)),
        }
    }

    /// The provider for something new to be stored, where none is named: the one that the path
    /// implies, else the first that has a key for it, of those whose own format it is, if any are.
    pub(super) fn first_able(&self, request: &RouterRequest) -> Result<Route, Fault> {
        let ask = Query::of(request);
        let mut able = at_home(self.able(request.preferred_provider.as_deref(), ask)?, ask);
        Ok(Route { primary: Ok(able.swap_remove(0)), fallbacks: Vec::new() })
    }

    /// Every provider that does what is asked, or the one that is named; at least one.
    fn able(&self, only: Option<&str>, ask: Query<'_>) -> Result<Vec<Arc<Target>>, Fault> {
        if let Some(name) = only {
            return Ok(vec![self.known(name)?.target("", ask)?]);
        }
        let mut why: Option<Fault> = None;
        let mut able = Vec::new();
        for entry in &self.entries {
            match entry.target("", ask) {
                Ok(target) => able.push(target),
                // That a key is missing says more than that somebody else has no such thing.
                Err(fault) if why.as_ref().is_none_or(is_of_provider) => why = Some(fault),
                Err(_) => {}
            }
        }
        match able.is_empty() {
            true => Err(why.unwrap_or_else(fault::no_providers)),
            false => Ok(able),
        }
    }

    /// The keys of which a list is made, in the order of the configuration, from `request`'s cursor
    /// on; `may_see`: whose list may be shown to whoever asks.
    ///
    /// # Errors
    /// There is none, or none that may be shown.
    pub(super) fn stores(
        &self,
        request: &RouterRequest,
        only: Option<&str>,
        may_see: impl Fn(&str, &str) -> bool,
    ) -> Result<Vec<StoredAt>, Fault> {
        let able = self.able(only, Query::of(request))?;
        let mut all = Vec::new();
        for target in &able {
            let keys = target.class.keys.iter();
            let seen = keys.filter(|key| may_see(&target.provider.name, key));
            all.extend(seen.map(|key| StoredAt { target: target.clone(), key: key.clone() }));
        }
        if all.is_empty() {
            return Err(fault::shared_lists());
        }
        if let Some(Cursor { provider, key, .. }) = &request.cursor {
            let is_there = |at: &StoredAt| at.provider() == provider && at.key == *key;
            let at = all.iter().position(is_there);
            let at = at.ok_or_else(|| fault::key_removed(provider, key))?;
            all.drain(..at);
        }
        Ok(all)
    }
}

/// Those of `able` in whose own format is asked; all, if there are none.
fn at_home(able: Vec<Arc<Target>>, ask: Query<'_>) -> Vec<Arc<Target>> {
    let is_own = |target: &Arc<Target>| {
        let mut formats = target.provider.formats.iter();
        let first = formats.find(|(operation, _)| *operation == ask.operation);
        first.is_none_or(|(_, dialect)| Some(*dialect) == ask.dialect)
    };
    let (own, others): (Vec<_>, Vec<_>) = able.into_iter().partition(is_own);
    if own.is_empty() { others } else { own }
}

/// What is said of a provider as a whole.
fn is_of_provider(fault: &Fault) -> bool {
    fault.code == FaultCode::UnsupportedOperation && fault.detail.code.is_none()
}

//! Which keys the workers can use, as far as that is known. Pure.
//!
//! A worker says it of the configuration that it has read. Routers and workers read a new one a moment
//! apart. So a key that is new here is hoped for until its worker has said what it makes of it, or has
//! had time enough to say so; and one that a worker speaks of no longer, which goes on with it for a
//! while, until the router has had the time to read why.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use weir_rpc::Description;
use weir_types::{KeyName, ProviderName};

use crate::catalog::{KeyPlaces, UsableKeys};
use crate::settings::ProviderSettings;

/// By then every worker has read a configuration that its router has read.
pub(crate) const SETTLES_AFTER: Duration = Duration::from_secs(10);

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Usable {
    said: UsableKeys,
    /// Why keys cannot be used, in the words of their workers.
    unusable: HashMap<ProviderName, Unusable>,
    hoped: Vec<Hope>,
}

/// Keys that a worker cannot use, and why.
pub(crate) type Unusable = Vec<(KeyName, String)>;

#[derive(Debug)]
struct Hope {
    provider: ProviderName,
    key: KeyName,
    since: Instant,
}

// === impl Usable ===

impl Usable {
    /// The keys that count. A provider that is absent has not said anything yet: all its keys do.
    pub(crate) fn keys(&self) -> UsableKeys {
        let mut keys = self.said.clone();
        for hope in &self.hoped {
            if let Some(known) = keys.get_mut(&hope.provider) {
                Arc::make_mut(known).entry(hope.key.clone()).or_default();
            }
        }
        keys
    }

    /// The keys that a provider's worker last said it cannot use; `None`: it said nothing yet.
    pub(crate) fn said_of(&self, provider: &ProviderName) -> Option<Unusable> {
        self.unusable.get(provider).cloned()
    }

    /// Takes in what a worker says; whether anything is different from before.
    pub(crate) fn described(&mut self, description: &Description, now: Instant) -> bool {
        let provider = &description.provider;
        let before = self.keys().remove(provider);
        let names: KeyPlaces =
            description.keys.iter().map(|key| (key.name.clone(), key.places.clone())).collect();
        let is_named = |key: &KeyName| {
            names.contains_key(key) || description.unusable.iter().any(|(name, _)| name == key)
        };
        self.hoped.retain(|hope| hope.provider != *provider || !is_named(&hope.key));
        let silent = before.iter().flat_map(|keys| keys.keys()).filter(|key| !is_named(key));
        silent.for_each(|key| self.hope(provider, key, now));
        self.said.insert(provider.clone(), Arc::new(names));
        self.unusable.insert(provider.clone(), description.unusable.clone());
        before.as_ref() != self.keys().get(provider)
    }

    /// Whether there is anything to hope for.
    pub(crate) fn hopes(&self) -> bool {
        !self.hoped.is_empty()
    }

    /// `after` is in force in place of `before`.
    pub(crate) fn reloaded(
        &mut self,
        before: &[Arc<ProviderSettings>],
        after: &[Arc<ProviderSettings>],
        now: Instant,
    ) {
        let stays = |name: &ProviderName| after.iter().any(|provider| provider.name == *name);
        self.said.retain(|name, _| stays(name));
        self.unusable.retain(|name, _| stays(name));
        self.hoped.retain(|hope| stays(&hope.provider));
        for provider in after {
            let known = before.iter().find(|known| known.name == provider.name);
            let is_new =
                |name: &KeyName| known.is_none_or(|known| !enabled(known).any(|key| key == name));
            let new = enabled(provider).filter(|name| is_new(name));
            new.for_each(|key| self.hope(&provider.name, key, now));
        }
    }

    /// Gives up what was hoped for long enough; whether there was anything of the kind. Others may have
    /// begun to hope a moment ago.
    pub(crate) fn settle(&mut self, now: Instant) -> bool {
        let before = self.hoped.len();
        self.hoped.retain(|hope| now.saturating_duration_since(hope.since) < SETTLES_AFTER);
        self.hoped.len() < before
    }

    fn hope(&mut self, provider: &ProviderName, key: &KeyName, now: Instant) {
        if !self.hoped.iter().any(|hope| hope.provider == *provider && hope.key == *key) {
            self.hoped.push(Hope { provider: provider.clone(), key: key.clone(), since: now });
        }
    }
}

fn enabled(provider: &ProviderSettings) -> impl Iterator<Item = &KeyName> {
    provider.keys.iter().filter(|key| key.enabled).map(|key| &key.name)
}

#[cfg(test)]
mod tests {
    use weir_rpc::UsableKey;

    use super::*;
    use crate::settings::KeySettings;

    fn providers(keys: &[&str]) -> Vec<Arc<ProviderSettings>> {
        let key = |name: &&str| KeySettings {
            name: (*name).into(),
            weight: 1.0,
            rules: weir_types::KeyRules::default(),
            enabled: true,
            use_for_batch_api: false,
            server: 0,
        };
        let keys = keys.iter().map(key).collect();
        vec![Arc::new(ProviderSettings { keys, ..ProviderSettings::new("p".into()) })]
    }

    fn description(keys: &[&str], unusable: &[&str]) -> Description {
        let keys =
            keys.iter().map(|name| UsableKey { name: (*name).into(), places: Arc::default() });
        let keys = keys.collect();
        let unusable = unusable.iter().map(|name| ((*name).into(), "why".to_owned())).collect();
        Description { provider: "p".into(), keys, unusable, checked: Vec::new() }
    }

    fn names(usable: &Usable) -> Vec<String> {
        let keys = usable.keys();
        let mut names: Vec<_> = keys["p"].keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_key_is_hoped_for_until_its_worker_has_spoken_of_it() {
        let mut usable = Usable::default();
        let start = Instant::now();
        assert!(usable.described(&description(&["a"], &["b"]), start));
        assert!(!usable.described(&description(&["a"], &["b"]), start));
        usable.reloaded(&providers(&["a", "b"]), &providers(&["b", "c", "d"]), start);
        // What was known stays, the catalog leaves out what is not configured.
        assert_eq!(names(&usable), ["a", "c", "d"]);
        // The worker has not read it yet.
        usable.described(&description(&["a"], &["b"]), start);
        assert_eq!(names(&usable), ["a", "c", "d"]);
        assert!(!usable.described(&description(&["c"], &["b"]), start));
        // It has read it before us, and goes on with what it had.
        assert_eq!(names(&usable), ["a", "c", "d"]);
        let end = start + SETTLES_AFTER;
        assert!(usable.settle(end) && !usable.settle(end));
        assert_eq!(names(&usable), ["c"]);
        // What a worker says it cannot use is not hoped for.
        assert!(usable.described(&description(&["d"], &["c"]), end));
        assert_eq!((names(&usable), usable.hopes()), (vec!["d".to_owned()], false));
        usable.reloaded(&providers(&["c"]), &[], end);
        assert!(usable.keys().is_empty());
    }

    #[test]
    fn each_hope_has_its_own_time() {
        let mut usable = Usable::default();
        let start = Instant::now();
        usable.described(&description(&["a"], &[]), start);
        usable.reloaded(&providers(&["a"]), &providers(&["a", "b"]), start);
        let end = start + SETTLES_AFTER;
        // That the worker says the same again does not lengthen it.
        usable.described(&description(&["a"], &[]), end);
        usable.reloaded(&providers(&["a", "b"]), &providers(&["a", "b", "c"]), end);
        assert!(usable.settle(end));
        assert_eq!((names(&usable), usable.hopes()), (vec!["a".to_owned(), "c".to_owned()], true));
        assert!(usable.settle(end + SETTLES_AFTER) && !usable.hopes());
    }
}

//! Which keys the workers can use, as far as that is known. Pure.
//!
//! A worker says it of the configuration that it has read. Routers and workers read a new one a moment
//! apart. So a key that is new here is hoped for until its worker has said what it makes of it, or has
//! had time enough to say so; and one that a worker speaks of no longer, which goes on with it for a
//! while, until the router has had the time to read why.

use std::collections::HashSet;
use std::sync::Arc;

use weir_rpc::Description;
use weir_types::{KeyName, ProviderName};

use crate::catalog::UsableKeys;
use crate::settings::ProviderSettings;

/// What is known.
#[derive(Debug, Default)]
pub(crate) struct Usable {
    said: UsableKeys,
    hoped: Vec<(ProviderName, KeyName)>,
}

// === impl Usable ===

impl Usable {
    /// The keys that count. A provider that is absent has not said anything yet: all its keys do.
    pub(crate) fn keys(&self) -> UsableKeys {
        let mut keys = self.said.clone();
        for (provider, key) in &self.hoped {
            if let Some(known) = keys.get_mut(provider) {
                Arc::make_mut(known).insert(key.clone());
            }
        }
        keys
    }

    /// Takes in what a worker says; whether anything is different from before.
    pub(crate) fn described(&mut self, description: &Description) -> bool {
        let provider = &description.provider;
        let before = self.keys().remove(provider);
        let names: HashSet<KeyName> = description.keys.iter().map(|key| key.name.clone()).collect();
        let is_named = |key: &KeyName| {
            names.contains(key) || description.unusable.iter().any(|(name, _)| name == key)
        };
        self.hoped.retain(|(of, _)| of != provider);
        let silent = before.iter().flat_map(|keys| keys.iter()).filter(|key| !is_named(key));
        self.hoped.extend(silent.map(|key| (provider.clone(), key.clone())));
        self.said.insert(provider.clone(), Arc::new(names));
        before.as_ref() != self.keys().get(provider)
    }

    /// Whether there is anything to hope for.
    pub(crate) fn hopes(&self) -> bool {
        !self.hoped.is_empty()
    }

    /// Another configuration is in force.
    pub(crate) fn reloaded(
        &mut self,
        before: &[Arc<ProviderSettings>],
        now: &[Arc<ProviderSettings>],
    ) {
        self.said.retain(|name, _| now.iter().any(|provider| provider.name == *name));
        self.hoped.retain(|(name, _)| now.iter().any(|provider| provider.name == *name));
        for provider in now {
            let known = before.iter().find(|known| known.name == provider.name);
            let is_new =
                |name: &KeyName| known.is_none_or(|known| !enabled(known).any(|key| key == name));
            let new = enabled(provider).filter(|name| is_new(name));
            self.hoped.extend(new.map(|key| (provider.name.clone(), key.clone())));
        }
    }

    /// Hopes no longer; whether there was anything to hope for.
    pub(crate) fn settle(&mut self) -> bool {
        !std::mem::take(&mut self.hoped).is_empty()
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
        };
        let keys = keys.iter().map(key).collect();
        vec![Arc::new(ProviderSettings { keys, ..ProviderSettings::new("p".into()) })]
    }

    fn description(keys: &[&str], unusable: &[&str]) -> Description {
        let keys = keys.iter().map(|name| UsableKey { name: (*name).into() }).collect();
        let unusable = unusable.iter().map(|name| ((*name).into(), "why".to_owned())).collect();
        Description { provider: "p".into(), keys, unusable }
    }

    fn names(usable: &Usable) -> Vec<String> {
        let keys = usable.keys();
        let mut names: Vec<_> = keys["p"].iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_key_is_hoped_for_until_its_worker_has_spoken_of_it() {
        let mut usable = Usable::default();
        assert!(usable.described(&description(&["a"], &["b"])));
        assert!(!usable.described(&description(&["a"], &["b"])));
        usable.reloaded(&providers(&["a", "b"]), &providers(&["b", "c", "d"]));
        // What was known stays, the catalog leaves out what is not configured.
        assert_eq!(names(&usable), ["a", "c", "d"]);
        // The worker has not read it yet.
        usable.described(&description(&["a"], &["b"]));
        assert_eq!(names(&usable), ["a", "c", "d"]);
        assert!(!usable.described(&description(&["c"], &["b"])));
        // It has read it before us, and goes on with what it had.
        assert_eq!(names(&usable), ["a", "c", "d"]);
        assert!(usable.settle() && !usable.settle());
        assert_eq!(names(&usable), ["c"]);
        // What a worker says it cannot use is not hoped for.
        assert!(usable.described(&description(&["d"], &["c"])));
        assert_eq!((names(&usable), usable.hopes()), (vec!["d".to_owned()], false));
        usable.reloaded(&providers(&["c"]), &[]);
        assert!(usable.keys().is_empty());
    }
}

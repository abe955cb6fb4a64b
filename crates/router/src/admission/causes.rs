//! Why keys cool, as far as this router saw it. A pool says that and until when, not why.

use std::collections::HashMap;
use std::sync::Arc;

use weir_quota::Class;
use weir_types::{FailureClass, KeyName};

/// Causes kept; over it, the memory starts anew, because models are named by clients.
const REMEMBERED_MAX: usize = 1024;

/// The last failure of each key and model that made one cool.
#[derive(Debug, Default)]
pub(super) struct Causes {
    by_key: HashMap<KeyName, FailureClass>,
    by_model: HashMap<(KeyName, Arc<str>), FailureClass>,
}

impl Causes {
    /// Remembers why `key` was told to cool. Only a refused credential concerns every model.
    pub(super) fn remember(&mut self, key: &KeyName, model: &Arc<str>, class: FailureClass) {
        if class == FailureClass::Credential {
            self.by_key.insert(key.clone(), class);
            return;
        }
        if self.by_model.len() >= REMEMBERED_MAX {
            self.by_model.clear();
        }
        self.by_model.insert((key.clone(), model.clone()), class);
    }

    /// Forgets what was known of a key that works.
    pub(super) fn forget(&mut self, key: &KeyName, model: &Arc<str>) {
        self.by_key.remove(key);
        self.by_model.remove(&(key.clone(), model.clone()));
    }

    /// The cause that all keys of a class share.
    pub(super) fn common(&self, class: &Class) -> Option<FailureClass> {
        let cause = |key: &KeyName| {
            let of_model = || self.by_model.get(&(key.clone(), class.model.clone()));
            self.by_key.get(key).or_else(of_model).copied()
        };
        let first = cause(class.keys.first()?)?;
        class.keys.iter().all(|key| cause(key) == Some(first)).then_some(first)
    }
}

//! Why keys cool, as far as this router saw it. A pool says that and until when, not why.

use std::collections::HashMap;
use std::sync::Arc;

use weir_quota::Class;
use weir_types::{FailureClass, KeyName};

use crate::plan::Cause;

/// Causes kept; over it, the memory starts anew, because models are named by clients.
const REMEMBERED_MAX: usize = 1024;

/// The last failure of each key and model that made one cool.
#[derive(Debug, Default)]
pub(super) struct Causes {
    by_key: HashMap<KeyName, Cause>,
    by_model: HashMap<(KeyName, Arc<str>), Cause>,
}

impl Causes {
    /// Remembers why `key` was told to cool. Only a refused key concerns every model.
    pub(super) fn remember(&mut self, key: &KeyName, model: &Arc<str>, cause: Cause) {
        if cause.class.refuses_key() {
            self.by_key.insert(key.clone(), cause);
            return;
        }
        if self.by_model.len() >= REMEMBERED_MAX {
            self.by_model.clear();
        }
        self.by_model.insert((key.clone(), model.clone()), cause);
    }

    /// Forgets what was known of a key that works.
    pub(super) fn forget(&mut self, key: &KeyName, model: &Arc<str>) {
        self.by_key.remove(key);
        self.by_model.remove(&(key.clone(), model.clone()));
    }

    /// The cause that all keys of a class share.
    pub(super) fn common(&self, class: &Class) -> Option<Cause> {
        let cause = |key: &KeyName| {
            let of_model = || self.by_model.get(&(key.clone(), class.model.clone()));
            self.by_key.get(key).or_else(of_model)
        };
        let causes: Vec<&Cause> = class.keys.iter().map(cause).collect::<Option<_>>()?;
        let first = *causes.first()?;
        if causes.iter().all(|cause| cause.class == first.class) {
            return Some(first.clone());
        }
        // Some are refused, the others out of quota.
        let refused = causes.iter().find(|cause| cause.class == FailureClass::Credential)?;
        causes.iter().all(|cause| cause.class.refuses_key()).then(|| (*refused).clone())
    }
}

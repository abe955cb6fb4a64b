//! What providers last said of their models: so that a list costs each of them a request a minute, and
//! one that is silent does not take its models away, or hold up everybody's list.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use foldhash::HashMap;
use tokio::time::Instant;
use weir_types::{Fault, KeyName, ProviderName};

/// A list is asked for again after this long.
pub(crate) const FRESH: Duration = Duration::from_secs(60);
/// A provider that gave none is not asked again for this long.
pub(crate) const SPARED: Duration = Duration::from_secs(10);

/// One provider's list, as its worker gave it.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) body: Bytes,
    pub(crate) key: KeyName,
}

/// What is known of one provider.
#[derive(Debug, Default)]
struct Known {
    list: Option<(Instant, List)>,
    failure: Option<(Instant, Fault)>,
}

/// What there is without asking.
#[derive(Debug)]
pub(crate) enum Recent {
    /// A list that is good enough.
    Fresh(List),
    /// It failed a moment ago; what it said before, if anything.
    Failed(Fault, Option<List>),
    /// It is to be asked.
    Nothing,
}

/// The last lists of all providers; as many as are configured, each bounded by whoever collects it.
#[derive(Debug, Default)]
pub(crate) struct Lists(Mutex<HashMap<ProviderName, Known>>);

impl Lists {
    pub(crate) fn recent(&self, provider: &ProviderName, now: Instant) -> Recent {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = lists.get(provider) else { return Recent::Nothing };
        let last = known.list.as_ref();
        if let Some((_, list)) = last.filter(|(at, _)| now.duration_since(*at) < FRESH) {
            return Recent::Fresh(list.clone());
        }
        match &known.failure {
            Some((at, fault)) if now.duration_since(*at) < SPARED => {
                Recent::Failed(fault.clone(), last.map(|(_, list)| list.clone()))
            }
            _ => Recent::Nothing,
        }
    }

    pub(crate) fn gave(&self, provider: &ProviderName, list: List, now: Instant) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.insert(provider.clone(), Known { list: Some((now, list)), failure: None });
    }

    /// It gave none; what it said before, if anything.
    pub(crate) fn failed(
        &self,
        provider: &ProviderName,
        fault: Fault,
        now: Instant,
    ) -> Option<List> {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lists.entry(provider.clone()).or_default();
        known.failure = Some((now, fault));
        known.list.as_ref().map(|(_, list)| list.clone())
    }

    /// Another configuration is in force.
    pub(crate) fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The worker of `provider` can use other keys now.
    pub(crate) fn forget(&self, provider: &ProviderName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(provider);
    }
}

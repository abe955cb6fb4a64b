//! How many requests may be hedged: a share of those that could be, so that a provider that is slow for
//! everybody does not double what its fallback has to do.
//!
//! Each router counts what it sees. Pure but for its lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;
use weir_types::ProviderName;

/// What one hedge costs, in hundredths.
const PRICE: u32 = 100;
/// What is saved up at most: ten hedges.
const CREDIT_MAX: u32 = 10 * PRICE;

/// What each provider's requests may still spend; as many as are configured.
#[derive(Debug, Default)]
pub(crate) struct Hedges(Mutex<HashMap<ProviderName, u32>>);

impl Hedges {
    /// A request that may be hedged has come; of a hundred such requests `percent` are.
    pub(crate) fn came(&self, provider: &ProviderName, percent: u32) {
        let mut credits = self.lock();
        // The first slow request need not wait for nine others.
        let credit = credits.entry(provider.clone()).or_insert(PRICE);
        *credit = credit.saturating_add(percent).min(CREDIT_MAX);
    }

    /// Whether one more may be hedged now; if so, it is counted.
    pub(crate) fn takes(&self, provider: &ProviderName) -> bool {
        let mut credits = self.lock();
        let Some(credit) = credits.get_mut(provider) else {
            return false;
        };
        let rest = credit.checked_sub(PRICE);
        *credit = rest.unwrap_or(*credit);
        rest.is_some()
    }

    /// A hedge that was counted did not come about.
    pub(crate) fn returns(&self, provider: &ProviderName) {
        if let Some(credit) = self.lock().get_mut(provider) {
            *credit = credit.saturating_add(PRICE).min(CREDIT_MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProviderName, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many requests, all of them slow, are hedged.
    fn hedged(requests: u32, percent: u32) -> u32 {
        let hedges = Hedges::default();
        let one = ProviderName::from("one");
        let takes = |_: &u32| {
            hedges.came(&one, percent);
            hedges.takes(&one)
        };
        u32::try_from((0..requests).filter(takes).count()).unwrap()
    }

    #[test]
    fn no_more_than_a_share_of_the_requests_is_hedged() {
        assert_eq!([hedged(1, 10), hedged(9, 10), hedged(10, 10)], [1, 1, 2]);
        assert_eq!(hedged(1000, 10), 101);
        assert_eq!(hedged(1000, 1), 11);
        assert_eq!(hedged(50, 100), 50);
    }

    #[test]
    fn what_is_saved_up_has_a_bound_and_what_did_not_come_about_is_given_back() {
        let (hedges, one) = (Hedges::default(), ProviderName::from("one"));
        assert!(!hedges.takes(&one), "nobody came");
        (0..10_000).for_each(|_| hedges.came(&one, 10));
        assert_eq!((0..100).filter(|_| hedges.takes(&one)).count(), 10);
        hedges.returns(&one);
        assert!(hedges.takes(&one) && !hedges.takes(&one));
        assert!(!hedges.takes(&ProviderName::from("two")));
    }
}

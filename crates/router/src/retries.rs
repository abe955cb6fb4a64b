//! How many retries a pool may have: a share of its requests, so that a few clients whose requests fail
//! cannot take most of its calls by having them tried again and again.
//!
//! A balance, as in Finagle and gRPC: each first attempt pays in a part of a retry, each retry takes one out.
//! What is saved up, and a little that comes by itself, lets a quiet pool retry as it is told to. Each router
//! counts its own. Pure but for its lock; knows no failures and no clock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What one retry costs, in hundredths.
const PRICE: u64 = 100;
/// What is saved up at most, and there from the beginning: a hundred retries.
const BALANCE_MAX: u64 = 100 * PRICE;
/// What comes by itself in a second: one retry.
const PER_SECOND: u64 = PRICE;
/// From so many of a hundred on nothing is counted.
const UNLIMITED: u32 = 100;

/// What one pool's retries may still take.
#[derive(Debug)]
pub(crate) struct Retries(Mutex<Balance>);

#[derive(Debug)]
struct Balance {
    hundredths: u64,
    /// What comes by itself has come up to then; `None`: from the first look on.
    as_of: Option<Instant>,
}

impl Retries {
    /// All that can be saved up.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Balance { hundredths: BALANCE_MAX, as_of: None }))
    }

    /// A first attempt is made; of a hundred such `percent` may be tried again.
    pub(crate) fn came(&self, percent: u32) {
        if percent < UNLIMITED {
            let mut balance = self.lock();
            balance.hundredths = (balance.hundredths + u64::from(percent)).min(BALANCE_MAX);
        }
    }

    /// Whether one more retry may be made.
    pub(crate) fn has_any(&self, percent: u32, now: Instant) -> bool {
        if percent >= UNLIMITED {
            return true;
        }
        let mut balance = self.lock();
        let since = balance.as_of.map_or(0, |at| now.saturating_duration_since(at).as_millis());
        let more = u64::try_from(since).unwrap_or(u64::MAX).saturating_mul(PER_SECOND) / 1000;
        balance.hundredths = balance.hundredths.saturating_add(more).min(BALANCE_MAX);
        // Up to what has come, so that no part of a hundredth is lost.
        let come = Duration::from_millis(more.saturating_mul(1000 / PER_SECOND));
        balance.as_of = Some(balance.as_of.map_or(now, |at| at.checked_add(come).unwrap_or(now)));
        balance.hundredths >= PRICE
    }

    /// So many retries are made. Those that were allowed at once on several cores may take what is there
    /// twice: then nothing is left.
    pub(crate) fn take(&self, retries: u32, percent: u32) {
        if percent < UNLIMITED {
            let mut balance = self.lock();
            let price = u64::from(retries).saturating_mul(PRICE);
            balance.hundredths = balance.hundredths.saturating_sub(price);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Balance> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many retries so many failing requests have that ask for `each`, at one moment.
    fn retried(retries: &Retries, requests: u32, each: u32, percent: u32, now: Instant) -> u32 {
        let mut made = 0;
        for _ in 0..requests {
            retries.came(percent);
            for _ in 0..each {
                if !retries.has_any(percent, now) {
                    break;
                }
                retries.take(1, percent);
                made += 1;
            }
        }
        made
    }

    #[test]
    fn a_few_failing_requests_are_tried_again_as_they_ask() {
        let (retries, now) = (Retries::new(), Instant::now());
        assert_eq!(retried(&retries, 12, 8, 20, now), 96);
    }

    #[test]
    fn in_the_long_run_retries_are_a_share_of_the_requests() {
        let (retries, now) = (Retries::new(), Instant::now());
        retried(&retries, 100, 8, 20, now);
        assert_eq!(retried(&retries, 10_000, 8, 20, now), 2_000);
        assert_eq!(retried(&retries, 10_000, 8, 1, now), 100);
        assert_eq!(retried(&retries, 1_000, 8, 100, now), 8_000, "without a bound");
    }

    #[test]
    fn a_quiet_pool_has_one_a_second_and_saves_a_hundred() {
        let (retries, now) = (Retries::new(), Instant::now());
        assert_eq!(retried(&retries, 1, 1_000, 1, now), 100);
        assert!(!retries.has_any(1, now + Duration::from_millis(900)));
        let later = now + Duration::from_secs(10);
        assert_eq!(retried(&retries, 1, 1_000, 1, later), 10);
        let much_later = later + Duration::from_hours(1);
        assert_eq!(retried(&retries, 1, 1_000, 1, much_later), 100);
    }

    #[test]
    fn looks_in_quick_succession_lose_no_time() {
        let (retries, mut now) = (Retries::new(), Instant::now());
        retried(&retries, 1, 1_000, 1, now);
        for _ in 0..20_000 {
            now += Duration::from_micros(100);
            retries.has_any(1, now);
        }
        assert!(retries.has_any(1, now), "two seconds");
    }
}

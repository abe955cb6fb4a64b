//! What one body takes of the budget, given back when it is dropped.

use std::time::Duration;

use tokio::time::timeout;

use crate::pools::UNIT_BYTES;
use crate::room::Ask;
use crate::waiter::Waiter;
use crate::{Budget, NoRoom};

/// How long a body waits for room.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits for the end of others before it asks who of those that wait is in the way.
const GRACE: Duration = Duration::from_millis(250);
/// The beginning of every body is counted where nobody waits.
pub(crate) const SMALL_BYTES: usize = 64 * 1024;
/// So is all of a body that says that it is no longer than this.
const SMALL_ANNOUNCED_MAX: usize = 1024 * 1024;
/// A large body takes room in steps, so that it seldom asks.
const STEP_MAX: usize = 1024 * 1024;

/// A part of the budget.
#[derive(Debug)]
pub struct Hold {
    budget: Budget,
    announced: Option<usize>,
    longest: usize,
    beside: usize,
    is_complete: bool,
    small: usize,
    /// In units, as all that follows.
    large: usize,
    /// What others were told that it leaves to them.
    leaves: usize,
}

impl Hold {
    pub(crate) const fn new(budget: Budget, announced: Option<usize>) -> Self {
        let longest = budget.most();
        let (small, large, leaves) = (0, 0, 0);
        Self { budget, announced, longest, beside: 0, is_complete: false, small, large, leaves }
    }

    /// The same for something that is never longer than `bytes`, which is what it counts with among
    /// those who wait until it has said how long it is.
    #[must_use]
    pub const fn within(mut self, bytes: usize) -> Self {
        if bytes < self.longest {
            self.longest = bytes;
        }
        self
    }

    /// The same for something that is made of what takes `bytes` already, and is let go with it.
    #[must_use]
    pub const fn made_of(mut self, bytes: usize) -> Self {
        self.beside = bytes;
        self
    }

    /// Nothing more will come.
    pub(crate) const fn complete(&mut self) {
        self.is_complete = true;
    }

    /// What it takes, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.small + self.large * UNIT_BYTES
    }

    /// Takes `bytes` or more from now on; waits for a moment if there is no room.
    ///
    /// # Errors
    /// There was none; it takes what it took.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        match self.try_grow_to(bytes) {
            // In a box: bodies that find room are no larger for it.
            Err(NoRoom::Now { .. }) => Box::pin(self.wait_to_grow(bytes)).await,
            done => done,
        }
    }

    async fn wait_to_grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let ask = self.ask(bytes, 0);
        let mut waiter = Waiter::new(self.budget, ask);
        let mut is_served = timeout(GRACE, waiter.called()).await;
        if is_served.is_err() {
            waiter.press();
            is_served = timeout(PATIENCE - GRACE, waiter.called()).await;
        }
        match is_served.ok().or_else(|| waiter.give_up()) {
            Some(true) => {
                self.add(ask.more);
                Ok(())
            }
            Some(false) => {
                self.leaves += ask.holds();
                Err(self.none_now())
            }
            None => Err(self.none_now()),
        }
    }

    /// As [`Hold::grow_to`], but nobody waits.
    ///
    /// # Errors
    /// There is no room now; it takes what it took.
    pub fn try_grow_to(&mut self, bytes: usize) -> Result<(), NoRoom> {
        if bytes <= self.bytes() {
            return Ok(());
        }
        let pools = self.budget.pools();
        if self.large == 0
            && self.is_small(bytes)
            && pools.take_small(bytes - self.small, self.is_complete)
        {
            self.small = bytes;
            return Ok(());
        }
        let (most, announced) = (self.budget.most(), self.announced.unwrap_or_default());
        let needed = if self.is_complete { bytes } else { bytes.max(announced) };
        if needed > most {
            return Err(NoRoom::Ever { needed, most });
        }
        let step = (bytes / 8).clamp(SMALL_BYTES, STEP_MAX);
        let asks = [self.ask(bytes, step), self.ask(bytes, 0)];
        let mut room = pools.large();
        let taken = asks.into_iter().find(|ask| room.take(*ask));
        drop(room);
        self.add(taken.ok_or_else(|| self.none_now())?.more);
        Ok(())
    }

    /// Takes `bytes` from now on, more or less than before; nobody waits.
    ///
    /// # Errors
    /// As [`Hold::try_grow_to`].
    pub fn resize(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let spare = self.large.saturating_sub(bytes.div_ceil(UNIT_BYTES));
        if spare > 0 {
            self.large -= spare;
            self.budget.pools().give_large(spare);
        } else if bytes < self.small {
            self.budget.pools().give_small(self.small - bytes);
            self.small = bytes;
        }
        self.try_grow_to(bytes)
    }

    fn is_small(&self, bytes: usize) -> bool {
        let says_so = self
            .announced
            .is_some_and(|announced| bytes <= announced && announced <= SMALL_ANNOUNCED_MAX);
        says_so || bytes <= SMALL_BYTES
    }

    /// What is to be taken for `bytes` and a step of what comes then.
    fn ask(&self, bytes: usize, step: usize) -> Ask {
        let end = match self.announced {
            _ if self.is_complete => bytes,
            Some(announced) if announced >= bytes => announced,
            _ => self.longest.max(bytes),
        };
        let units = |bytes: usize| bytes.div_ceil(UNIT_BYTES).saturating_sub(self.large);
        let more = units((bytes + step).min(end).max(bytes));
        let (lack, beside) = (units(end).max(more), self.beside.div_ceil(UNIT_BYTES));
        Ask { more, lack, taken: self.large, beside }
    }

    fn add(&mut self, units: usize) {
        self.large += units;
        self.budget.pools().give_small(std::mem::take(&mut self.small));
    }

    const fn none_now(&self) -> NoRoom {
        NoRoom::Now { budget: self.budget.bytes() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let pools = self.budget.pools();
        if self.small > 0 {
            pools.give_small(self.small);
        }
        if self.leaves > 0 {
            pools.large().gone(self.leaves);
        }
        if self.large > 0 {
            pools.give_large(self.large);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    /// 8 MiB, 7 of them for large bodies.
    fn budget() -> Budget {
        Budget::new(8 * MIB)
    }

    #[tokio::test]
    async fn what_is_taken_is_counted_and_given_back() {
        let budget = budget();
        let (mut small, mut large) = (budget.hold(Some(3000)), budget.hold(None));
        small.grow_to(3000).await.unwrap();
        assert_eq!(budget.used(), 3000);
        large.grow_to(64 * KIB).await.unwrap();
        assert_eq!(budget.used(), 3000 + 64 * KIB);
        large.grow_to(2 * MIB).await.unwrap();
        assert_eq!(large.bytes(), 2 * MIB + 256 * KIB);
        assert_eq!(budget.used(), 3000 + large.bytes());
        large.resize(MIB).unwrap();
        assert_eq!(budget.used(), 3000 + MIB);
        drop((small, large));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_fit_waits_for_a_moment() {
        let budget = budget();
        let mut first = budget.hold(Some(6 * MIB));
        first.grow_to(6 * MIB).await.unwrap();
        let begun = Instant::now();
        let refused = budget.hold(Some(2 * MIB)).grow_to(2 * MIB).await;
        assert_eq!(refused, Err(NoRoom::Now { budget: 8 * MIB }));
        assert_eq!(begun.elapsed(), PATIENCE);
        let waiting = async {
            let mut second = budget.hold(Some(2 * MIB));
            second.grow_to(2 * MIB).await.map(|()| second.bytes())
        };
        let leaving = async {
            tokio::time::sleep(PATIENCE / 2).await;
            drop(first);
        };
        assert_eq!(tokio::join!(waiting, leaving).0, Ok(2 * MIB));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn of_those_who_wait_the_shortest_is_served_first() {
        let budget = budget();
        let mut first = budget.hold(Some(7 * MIB));
        first.grow_to(7 * MIB).await.unwrap();
        let order = std::sync::Mutex::new(Vec::new());
        let wait = async |name: u32, bytes: usize| {
            let mut hold = budget.hold(Some(bytes));
            hold.grow_to(bytes).await.unwrap();
            order.lock().unwrap().push(name);
        };
        let leave = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        tokio::join!(biased; wait(1, 6 * MIB), wait(2, 5 * MIB), wait(3, 4 * MIB), leave);
        assert_eq!(*order.lock().unwrap(), [3, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn large_ones_keep_no_small_one_out_and_those_that_stall_none_that_is_complete() {
        let budget = budget();
        let mut large = budget.hold(Some(7 * MIB));
        large.grow_to(7 * MIB).await.unwrap();
        let begun = Instant::now();
        // 512 KiB of them, all that incomplete ones may take.
        let mut stalling: Vec<_> = (0..8).map(|_| budget.hold(None)).collect();
        for hold in &mut stalling {
            hold.grow_to(64 * KIB).await.unwrap();
        }
        let mut complete = budget.hold(Some(4 * KIB));
        complete.complete();
        complete.grow_to(4 * KIB).await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(budget.hold(None).grow_to(KIB).await.is_err());
        assert!(budget.used() <= budget.bytes());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fits_never_is_told_at_once() {
        let budget = budget();
        let begun = Instant::now();
        let refused = budget.hold(None).grow_to(7 * MIB + 1).await.unwrap_err();
        assert_eq!(refused, NoRoom::Ever { needed: 7 * MIB + 1, most: 7 * MIB });
        assert!(refused.to_string().contains("--memory-budget"));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        // Whoever says so is told before it has sent all.
        let refused = budget.hold(Some(8 * MIB)).grow_to(MIB).await.unwrap_err();
        assert_eq!(refused, NoRoom::Ever { needed: 8 * MIB, most: 7 * MIB });
        // What is ahead of it is no reason to refuse what fits.
        budget.hold(None).grow_to(7 * MIB).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_still_wait_for_is_given_up_by_those_who_leave() {
        let budget = budget();
        let mut holds: Vec<_> = (0..7).map(|_| budget.hold(Some(7 * MIB))).collect();
        for hold in &mut holds {
            hold.grow_to(900 * KIB).await.unwrap();
        }
        let grow = |mut hold: Hold| async move { hold.grow_to(2 * MIB).await.is_ok() };
        let tries = holds.into_iter().map(|hold| tokio::spawn(grow(hold)));
        let mut grown = 0;
        for tried in tries.collect::<Vec<_>>() {
            grown += u32::from(tried.await.unwrap());
        }
        assert!(grown >= 3, "{grown} of 7 went on");
        assert_eq!(budget.used(), 0);
    }
}

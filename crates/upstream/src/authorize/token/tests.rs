//! Tokens that come, end and fail to come, on a clock that the tests move.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, sleep};

use super::*;
use crate::{Settings, Transport};

/// Gives numbers for tokens, each after a second.
#[derive(Debug, Default)]
struct Numbers {
    lifetime: Duration,
    fetched: Arc<AtomicUsize>,
    /// From this one on it fails.
    fails_from: Arc<AtomicUsize>,
}

impl Exchange<usize> for Numbers {
    fn step(&self) -> String {
        "counting".to_owned()
    }

    fn fetch<'a>(&'a self, _: &'a Client, _: Instant) -> Fetching<'a, usize> {
        Box::pin(async {
            let token = self.fetched.fetch_add(1, Ordering::SeqCst) + 1;
            sleep(Duration::from_secs(1)).await;
            if token >= self.fails_from.load(Ordering::SeqCst) {
                let (step, why) = (self.step(), format!("no number {token}"));
                return Err(AuthFault { step, why, is_refused: true });
            }
            Ok(Fetched { token, lifetime: self.lifetime })
        })
    }
}

struct Fixture {
    cache: Cache<usize>,
    client: Client,
    fetched: Arc<AtomicUsize>,
    fails_from: Arc<AtomicUsize>,
}

impl Fixture {
    fn new(lifetime_secs: u64) -> Self {
        let fails_from = Arc::new(AtomicUsize::new(usize::MAX));
        let lifetime = Duration::from_secs(lifetime_secs);
        let numbers =
            Numbers { lifetime, fails_from: Arc::clone(&fails_from), ..Numbers::default() };
        let fetched = Arc::clone(&numbers.fetched);
        let client = Client::new(Arc::new(Transport::new(Settings::default()).unwrap()));
        Self { cache: Cache::new(numbers), client, fetched, fails_from }
    }

    async fn get(&self) -> Result<usize, String> {
        self.within(Duration::from_secs(60)).await
    }

    async fn within(&self, limit: Duration) -> Result<usize, String> {
        let deadline = Instant::now() + limit;
        self.cache.get(&self.client, deadline).await.map_err(|fault| fault.to_string())
    }

    /// What there is without waiting.
    fn now(&self) -> Option<Result<usize, String>> {
        match self.cache.take(&self.client) {
            Taken::Now(found) => Some(found.map_err(|fault| fault.to_string())),
            Taken::Later(_) => None,
        }
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    fn fail_from(&self, token: usize) {
        self.fails_from.store(token, Ordering::SeqCst);
    }
}

async fn pass(secs: u64) {
    // Tasks that are due run before and after.
    sleep(Duration::from_millis(1)).await;
    advance(Duration::from_secs(secs)).await;
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn many_requests_make_one_fetch() {
    let fixture = Arc::new(Fixture::new(3600));
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.get().await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(1));
    }
    assert_eq!(fixture.fetched(), 1);
    assert_eq!(fixture.now(), Some(Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_early_and_nobody_waits_for_it() {
    let fixture = Fixture::new(3600);
    assert_eq!(fixture.get().await, Ok(1));
    pass(3600 - 300 - 10).await;
    assert_eq!((fixture.now(), fixture.fetched()), (Some(Ok(1)), 1));
    pass(10).await;
    // The first request after that begins the renewal, with the old token in its hand.
    assert_eq!(fixture.now(), Some(Ok(1)));
    sleep(Duration::from_millis(500)).await;
    assert_eq!((fixture.now(), fixture.fetched()), (Some(Ok(1)), 2));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((fixture.now(), fixture.fetched()), (Some(Ok(2)), 2));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_does_no_harm_while_the_old_token_lives() {
    let fixture = Fixture::new(3600);
    assert_eq!(fixture.get().await, Ok(1));
    fixture.fail_from(2);
    pass(3600 - 300).await;
    for _ in 0..280 {
        assert_eq!(fixture.now(), Some(Ok(1)));
        pass(1).await;
    }
    // The pauses between the tries grow: 1, 2, 4, 8, 16, 30, 30, ...
    let tries = fixture.fetched() - 1;
    assert!((8..=16).contains(&tries), "{tries}");
    pass(30).await;
    assert_eq!(fixture.get().await, Err(format!("counting: no number {}", tries + 2)));
    // Now nothing is left, and the pause is short again.
    fixture.fail_from(usize::MAX);
    pass(1).await;
    assert_eq!(fixture.get().await, Ok(tries + 3));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_failed_is_not_repeated_for_a_second() {
    let fixture = Fixture::new(3600);
    fixture.fail_from(0);
    let failed = Err("counting: no number 1".to_owned());
    assert_eq!(fixture.get().await, failed);
    for _ in 0..100 {
        assert_eq!(fixture.now(), Some(failed.clone()));
    }
    assert_eq!(fixture.fetched(), 1);
    pass(1).await;
    assert_eq!((fixture.now(), fixture.fetched()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_no_longer_than_he_wants_and_takes_nothing_with_him() {
    let fixture = Fixture::new(3600);
    let in_time = fixture.within(Duration::from_millis(100)).await;
    assert_eq!(in_time, Err("counting: not in time".to_owned()));
    // One that is dropped does not stop the fetch either.
    drop(tokio::time::timeout(Duration::from_millis(100), fixture.get()).await);
    assert_eq!(fixture.get().await, Ok(1));
    assert_eq!(fixture.fetched(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_had_ended_when_it_came_is_a_fault() {
    let fixture = Fixture::new(1);
    let ended = "counting: the token had ended when it came".to_owned();
    assert_eq!(fixture.get().await, Err(ended));
}

#[test]
fn a_fetch_whose_core_ended_is_begun_anew() {
    let fixture = Fixture::new(3600);
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime().unwrap().block_on(async { assert_eq!(fixture.now(), None) });
    let found = runtime().unwrap().block_on(async { fixture.get().await });
    assert!(found.is_ok(), "{found:?}");
}

#[test]
fn a_token_ends_while_the_machine_sleeps_and_a_clock_that_is_set_back_does_no_harm() {
    let asked = Moment::now();
    let lifetime = Duration::from_secs(3600);
    let held = || Held::new(Fetched { token: 1, lifetime }, asked);
    let later = |steady: u64, wall: i64| {
        let hours = Duration::from_secs(3600);
        let moved = hours * u32::try_from(wall.abs()).unwrap();
        let wall = if wall < 0 { asked.wall - moved } else { asked.wall + moved };
        Moment { steady: asked.steady + hours * u32::try_from(steady).unwrap(), wall }
    };
    assert!(held().is_usable(asked) && !held().is_due(asked));
    assert!(held().is_usable(later(0, -9)) && !held().is_due(later(0, -9)));
    for ended in [later(0, 1), later(1, 0), later(1, -9)] {
        assert!(!held().is_usable(ended) && held().is_due(ended));
        let mut state = State { held: Some(held()), flight: None, failure: None, replaced: None };
        assert!(matches!(state.next(ended), Step::Fetch(..)));
    }
}

impl Fixture {
    async fn replace(&self, refused: usize) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.cache.replace(|token| *token == refused, &self.client, deadline).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once_for_all_who_were_refused_with_it() {
    let fixture = Arc::new(Fixture::new(3600));
    assert_eq!(fixture.get().await, Ok(1));
    let refused: Vec<_> = (0..200)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.replace(1).await })
        })
        .collect();
    for call in refused {
        assert!(call.await.unwrap());
    }
    assert_eq!((fixture.now(), fixture.fetched()), (Some(Ok(2)), 2));
    // Who was refused with the old one after that has the new one already.
    assert!(fixture.replace(1).await);
    // Who refuses this one too may have other reasons.
    assert!(!fixture.replace(2).await);
    assert_eq!(fixture.fetched(), 2);
    pass(60).await;
    assert!(fixture.replace(2).await);
    assert_eq!(fixture.fetched(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_stays_where_there_is_no_other() {
    let fixture = Fixture::new(3600);
    assert_eq!(fixture.get().await, Ok(1));
    fixture.fail_from(2);
    assert!(!fixture.replace(1).await);
    assert_eq!((fixture.now(), fixture.fetched()), (Some(Ok(1)), 2));
}

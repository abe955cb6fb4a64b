//! One credential's token, shared by all cores of a process.
//!
//! A request never waits while a token is valid: it is renewed early and beside the requests, and a
//! renewal that fails does no harm until the old token ends. Without a token all requests wait for
//! the one fetch that is under way. A fetch belongs to nobody's request, so a caller who leaves
//! takes nothing with him. What is fetched, and from where, is not known here.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::Client;
use crate::authorize::AuthFault;

/// A fetch takes no longer, whoever waits for it.
const FETCH_MAX: Duration = Duration::from_secs(20);
/// A token is renewed this long before it ends, but not in the first three quarters of its life.
const EARLY: Duration = Duration::from_secs(300);
/// A token is not sent any more this long before it ends, or in the last tenth of its life.
const LATE: Duration = Duration::from_secs(10);
/// After a fetch that failed the next one waits this long.
const PAUSE: Duration = Duration::from_secs(1);
/// Of tokens that the provider refuses before their end, one is replaced in so long: it may refuse
/// for other reasons.
const REPLACED_EVERY: Duration = Duration::from_secs(60);
/// While there is a token, the pause grows up to this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How a token is fetched.
pub(super) trait Exchange<T>: Send + Sync + fmt::Debug {
    /// What is done, for messages.
    fn step(&self) -> String;

    /// Fetches a token; no call of it takes longer than to `deadline`.
    fn fetch<'a>(&'a self, client: &'a Client, deadline: Instant) -> Fetching<'a, T>;
}

/// A fetch under way.
pub(super) type Fetching<'a, T> =
    Pin<Box<dyn Future<Output = Result<Fetched<T>, AuthFault>> + Send + 'a>>;

/// A token, and how long it is good from the moment at which it was asked for.
#[derive(Debug)]
pub(super) struct Fetched<T> {
    pub(super) token: T,
    pub(super) lifetime: Duration,
}

/// A token that is fetched when it is needed.
#[derive(Debug, Clone)]
pub(super) struct Cache<T>(Arc<Inner<T>>);

struct Inner<T> {
    exchange: Box<dyn Exchange<T>>,
    state: Mutex<State<T>>,
}

impl<T> fmt::Debug for Inner<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

/// What there is for a request.
pub(super) enum Taken<T> {
    /// A token, or why there is none.
    Now(Result<T, AuthFault>),
    /// A fetch is under way; it ends when the sender of this is dropped.
    Later(watch::Receiver<()>),
}

impl<T: Clone + Send + 'static> Cache<T> {
    pub(super) fn new(exchange: impl Exchange<T> + 'static) -> Self {
        let state = Mutex::new(State { held: None, flight: None, failure: None, replaced: None });
        Self(Arc::new(Inner { exchange: Box::new(exchange), state }))
    }

    /// The token if it is there; starts a fetch where one is due.
    pub(super) fn take(&self, client: &Client) -> Taken<T> {
        let step = self.state().next(Moment::now());
        match step {
            Step::Use(token) => Taken::Now(Ok(token)),
            Step::Fail(fault) => Taken::Now(Err(fault)),
            Step::Wait(flight) => Taken::Later(flight),
            Step::Renew(token, lands) => {
                self.start(client, lands);
                Taken::Now(Ok(token))
            }
            Step::Fetch(lands, flight) => {
                self.start(client, lands);
                Taken::Later(flight)
            }
        }
    }

    /// Waits for the fetch under way, and for no longer than to `deadline`.
    pub(super) async fn wait(
        &self,
        mut flight: watch::Receiver<()>,
        client: &Client,
        deadline: Instant,
    ) -> Result<T, AuthFault> {
        loop {
            // Nothing is ever sent: the end of the sender is the news.
            if timeout_at(deadline, flight.changed()).await.is_err() {
                let (step, why) = (self.0.exchange.step(), "not in time".to_owned());
                return Err(AuthFault { step, why, is_refused: false });
            }
            match self.take(client) {
                Taken::Now(done) => return done,
                Taken::Later(next) => flight = next,
            }
        }
    }

    /// The token, waited for if it has to be.
    pub(super) async fn get(&self, client: &Client, deadline: Instant) -> Result<T, AuthFault> {
        match self.take(client) {
            Taken::Now(done) => done,
            Taken::Later(flight) => self.wait(flight, client, deadline).await,
        }
    }

    /// Gets another token than the one that `is_refused`, which stays in use until then. Whether
    /// there is one now.
    pub(super) async fn replace(
        &self,
        is_refused: impl Fn(&T) -> bool,
        client: &Client,
        deadline: Instant,
    ) -> bool {
        let is_other = || self.held().is_some_and(|token| !is_refused(&token));
        if is_other() {
            return true;
        }
        let (lands, mut flight) = match self.state().replacing(Instant::now()) {
            Replacing::Rests => return false,
            Replacing::UnderWay(flight) => (None, flight),
            Replacing::Fetch(lands, flight) => (Some(lands), flight),
        };
        if let Some(lands) = lands {
            self.start(client, lands);
        }
        timeout_at(deadline, flight.changed()).await.is_ok() && is_other()
    }

    /// The token that was fetched last, if there is one.
    pub(super) fn held(&self) -> Option<T> {
        self.state().held.as_ref().map(|held| held.token.clone())
    }

    fn start(&self, client: &Client, lands: watch::Sender<()>) {
        let (inner, client) = (Arc::clone(&self.0), client.clone());
        tokio::spawn(async move {
            let started = Moment::now();
            let deadline = started.steady + FETCH_MAX;
            let fetched = timeout_at(deadline, inner.exchange.fetch(&client, deadline)).await;
            let fault = |why: &str| {
                let (step, why) = (inner.exchange.step(), why.to_owned());
                AuthFault { step, why, is_refused: false }
            };
            let fetched = fetched.unwrap_or_else(|_| Err(fault("not in time")));
            let held = fetched.map(|fetched| Held::new(fetched, started));
            let held = held.and_then(|held| match held.is_usable(Moment::now()) {
                true => Ok(held),
                false => Err(fault("the token had ended when it came")),
            });
            if let Err(fault) = &held {
                tracing::warn!(%fault, "no new credential");
            }
            let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.landed(held, Instant::now());
            drop(state);
            drop(lands);
        });
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known at a moment. Pure: the moment is an argument.
struct State<T> {
    held: Option<Held<T>>,
    /// The fetch under way; without a sender it has been given up.
    flight: Option<watch::Receiver<()>>,
    failure: Option<Failure>,
    /// When a token was last fetched because the one before was refused.
    replaced: Option<Instant>,
}

/// What is done about a refused token.
enum Replacing {
    Fetch(watch::Sender<()>, watch::Receiver<()>),
    UnderWay(watch::Receiver<()>),
    /// Nothing: one was replaced a moment ago.
    Rests,
}

struct Held<T> {
    token: T,
    asked: Moment,
    renew_after: Duration,
    usable_for: Duration,
}

/// On both clocks: the one stands still while the machine sleeps, the other can be set back.
#[derive(Debug, Clone, Copy)]
struct Moment {
    steady: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago `earlier` was, by the clock that says more.
    fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        self.steady.duration_since(earlier.steady).max(wall)
    }
}

struct Failure {
    fault: AuthFault,
    at: Instant,
    /// Failures in a row before it.
    before: u32,
}

impl Failure {
    /// Whether nothing is fetched yet. A token that is there gives time.
    fn rests(&self, now: Instant, has_token: bool) -> bool {
        let growth = if has_token { 1 << self.before.min(5) } else { 1 };
        now < self.at + (PAUSE * growth).min(PAUSE_MAX)
    }
}

enum Step<T> {
    Use(T),
    /// Use it, and fetch another.
    Renew(T, watch::Sender<()>),
    Fetch(watch::Sender<()>, watch::Receiver<()>),
    Wait(watch::Receiver<()>),
    Fail(AuthFault),
}

impl<T> Held<T> {
    fn new(fetched: Fetched<T>, asked: Moment) -> Self {
        let Fetched { token, lifetime } = fetched;
        let renew_after = lifetime - EARLY.min(lifetime / 4);
        let usable_for = lifetime - LATE.min(lifetime / 10);
        Self { token, asked, renew_after, usable_for }
    }

    fn is_usable(&self, now: Moment) -> bool {
        now.since(self.asked) < self.usable_for
    }

    fn is_due(&self, now: Moment) -> bool {
        now.since(self.asked) >= self.renew_after
    }
}

impl<T: Clone> State<T> {
    fn flight(&self) -> Option<watch::Receiver<()>> {
        self.flight.as_ref().filter(|flight| flight.has_changed().is_ok()).cloned()
    }

    fn replacing(&mut self, now: Instant) -> Replacing {
        if let Some(flight) = self.flight() {
            return Replacing::UnderWay(flight);
        }
        if self.replaced.is_some_and(|at| now < at + REPLACED_EVERY) {
            return Replacing::Rests;
        }
        self.replaced = Some(now);
        let (lands, flight) = self.take_off();
        Replacing::Fetch(lands, flight)
    }

    fn next(&mut self, now: Moment) -> Step<T> {
        let flight = self.flight();
        let held = self.held.as_ref().filter(|held| held.is_usable(now));
        let failure =
            self.failure.as_ref().filter(|failure| failure.rests(now.steady, held.is_some()));
        if let Some(held) = held {
            let token = held.token.clone();
            if !held.is_due(now) || flight.is_some() || failure.is_some() {
                return Step::Use(token);
            }
            return Step::Renew(token, self.take_off().0);
        }
        if let Some(flight) = flight {
            return Step::Wait(flight);
        }
        if let Some(failure) = failure {
            return Step::Fail(failure.fault.clone());
        }
        let (lands, flight) = self.take_off();
        Step::Fetch(lands, flight)
    }

    fn take_off(&mut self) -> (watch::Sender<()>, watch::Receiver<()>) {
        let (lands, flight) = watch::channel(());
        self.flight = Some(flight.clone());
        (lands, flight)
    }

    fn landed(&mut self, fetched: Result<Held<T>, AuthFault>, now: Instant) {
        self.flight = None;
        match fetched {
            Ok(held) => {
                self.held = Some(held);
                self.failure = None;
            }
            Err(fault) => {
                let failed = self.failure.as_ref().map(|failure| failure.before);
                let before = failed.map_or(0, |before| before.saturating_add(1));
                self.failure = Some(Failure { fault, at: now, before });
            }
        }
    }
}

#[cfg(test)]
mod tests;

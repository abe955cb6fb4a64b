//! What the provider saw: counts per key, high-water marks, and the last requests.
//!
//! The only state that every connection shares; one short lock. A [`Ticket`] is one request in
//! flight. It is counted down before the last byte of its answer is handed over, so that whoever
//! has read that byte can rely on the count.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::rule::RuleBook;

/// Keys that are counted apart; requests with further ones are counted under this name.
const KEYS_MAX: usize = 10_000;
const OTHER_KEYS: &str = "(other keys)";

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole answer was handed over, an error answer included.
    Completed,
    /// The connection went away while the answer was due.
    ClientClosed,
    /// The simulator closed the connection on purpose.
    Cut,
    /// The simulator reset the connection on purpose.
    Reset,
}

/// One request as the log holds it.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its number, from 1, in order of arrival.
    pub seq: u64,
    /// When its head arrived, in microseconds since 1970.
    pub started_us: u64,
    /// When it ended.
    pub ended_us: Option<u64>,
    /// The version of HTTP: `HTTP/1.1`, `HTTP/2.0`.
    pub version: String,
    /// HTTP method.
    pub method: String,
    /// Path, without query.
    pub path: String,
    /// The key it carried, in clear: this is the provider's side.
    pub key: String,
    /// The model it named.
    pub model: String,
    /// Length of its body.
    pub body_bytes: usize,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// The status that was decided; 0 if the connection was broken before a head.
    pub status: u16,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// Its headers, without the one that carries the key.
    pub headers: Vec<(String, String)>,
    /// The beginning of its body, if the log holds bodies.
    pub body: Option<String>,
}

/// Requests under way, seen and at most at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    /// Now.
    pub in_flight: u64,
    /// The most at one time.
    pub high_water: u64,
    /// Requests so far.
    pub requests: u64,
    /// Of them, handed over whole with a status below 400.
    pub succeeded: u64,
    /// Of them, left by the client.
    pub client_closed: u64,
}

/// All counts.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Over all keys.
    pub total: Load,
    /// By key value.
    pub keys: BTreeMap<String, Load>,
    /// The number of the last request.
    pub last_seq: u64,
}

#[derive(Debug, Default)]
struct State {
    last_seq: u64,
    total: Load,
    keys: HashMap<Arc<str>, Load>,
    log: VecDeque<Entry>,
    /// Raised by a reset: a ticket from before must not count down what it never counted up.
    era: u64,
    rules: RuleBook,
}

/// Shared by every connection.
#[derive(Debug)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    log_requests: usize,
}

/// A request in flight.
#[derive(Debug)]
pub(crate) struct Ticket {
    ledger: Arc<Ledger>,
    key: Arc<str>,
    seq: u64,
    era: u64,
    status: u16,
    ended: bool,
}

impl Ledger {
    pub(crate) fn new(log_requests: usize) -> Self {
        Self { state: Mutex::default(), log_requests }
    }

    pub(crate) fn logs(&self) -> bool {
        self.log_requests > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request in.
    pub(crate) fn begin(self: &Arc<Self>, key: &str) -> Ticket {
        let mut state = self.state();
        state.last_seq += 1;
        raise(&mut state.total);
        let key: Arc<str> = match state.keys.get_key_value(key) {
            Some((known, _)) => Arc::clone(known),
            None if state.keys.len() >= KEYS_MAX => Arc::from(OTHER_KEYS),
            None => Arc::from(key),
        };
        raise(state.keys.entry(Arc::clone(&key)).or_default());
        let (seq, era) = (state.last_seq, state.era);
        drop(state);
        Ticket { ledger: Arc::clone(self), key, seq, era, status: 0, ended: false }
    }

    /// Works on the rules under the same lock.
    pub(crate) fn with_rules<T>(&self, work: impl FnOnce(&mut RuleBook) -> T) -> T {
        work(&mut self.state().rules)
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.state();
        let keys = state.keys.iter().map(|(key, load)| (key.to_string(), *load)).collect();
        Stats { total: state.total, keys, last_seq: state.last_seq }
    }

    /// Entries with a number above `after`, oldest first.
    pub(crate) fn entries(&self, after: u64, limit: usize) -> Vec<Entry> {
        let state = self.state();
        let start = state.log.partition_point(|entry| entry.seq <= after);
        state.log.range(start..).take(limit).cloned().collect()
    }

    /// Forgets counts, log and rules. Requests under way run on uncounted.
    pub(crate) fn reset(&self) {
        let mut state = self.state();
        let (era, last_seq) = (state.era + 1, state.last_seq);
        *state = State { era, last_seq, ..State::default() };
    }
}

fn raise(load: &mut Load) {
    load.requests += 1;
    load.in_flight += 1;
    load.high_water = load.high_water.max(load.in_flight);
}

fn lower(load: &mut Load, status: u16, outcome: Outcome) {
    load.in_flight = load.in_flight.saturating_sub(1);
    match outcome {
        Outcome::Completed if status < 400 => load.succeeded += 1,
        Outcome::ClientClosed => load.client_closed += 1,
        Outcome::Completed | Outcome::Cut | Outcome::Reset => {}
    }
}

impl Ticket {
    /// Puts the request into the log. `fill` gets the number and is only called if one is kept.
    pub(crate) fn record(&self, fill: impl FnOnce(u64) -> Entry) {
        if !self.ledger.logs() {
            return;
        }
        let entry = fill(self.seq);
        let mut state = self.ledger.state();
        if state.era != self.era {
            return;
        }
        if state.log.len() >= self.ledger.log_requests {
            state.log.pop_front();
        }
        // Bodies arrive in another order than heads; the log stays sorted by number.
        let at = state.log.partition_point(|other| other.seq < entry.seq);
        state.log.insert(at, entry);
    }

    /// Notes the status that was decided.
    pub(crate) fn set_status(&mut self, status: u16) {
        self.status = status;
    }

    /// Counts the request out, once.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut state = self.ledger.state();
        if state.era != self.era {
            return;
        }
        lower(&mut state.total, self.status, outcome);
        if let Some(load) = state.keys.get_mut(&self.key) {
            lower(load, self.status, outcome);
        }
        let Ok(at) = state.log.binary_search_by_key(&self.seq, |entry| entry.seq) else {
            return;
        };
        if let Some(entry) = state.log.get_mut(at) {
            entry.ended_us = Some(now_us());
            entry.status = self.status;
            entry.outcome = Some(outcome);
        }
    }
}

impl Drop for Ticket {
    /// Whoever drops a request that has not ended was left by its client.
    fn drop(&mut self) {
        self.end(Outcome::ClientClosed);
    }
}

/// Microseconds since 1970.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64) -> Entry {
        Entry {
            seq,
            started_us: 0,
            ended_us: None,
            version: "HTTP/1.1".into(),
            method: "POST".into(),
            path: "/".into(),
            key: "k".into(),
            model: String::new(),
            body_bytes: 0,
            stream: false,
            status: 0,
            outcome: None,
            headers: Vec::new(),
            body: None,
        }
    }

    #[test]
    fn marks_rise_and_each_ticket_counts_down_once() {
        let ledger = Arc::new(Ledger::new(10));
        let mut first = ledger.begin("a");
        let second = ledger.begin("b");
        let third = ledger.begin("a");
        first.set_status(200);
        first.end(Outcome::Completed);
        first.end(Outcome::Cut);
        drop((first, second));
        let stats = ledger.stats();
        assert_eq!((stats.total.in_flight, stats.total.high_water), (1, 3));
        assert_eq!((stats.total.succeeded, stats.total.client_closed), (1, 1));
        assert_eq!((stats.keys["a"].high_water, stats.keys["b"].high_water), (2, 1));
        ledger.reset();
        drop(third);
        assert_eq!(ledger.stats().total, Load::default());
    }

    #[test]
    fn the_log_is_bounded_sorted_and_completed() {
        let ledger = Arc::new(Ledger::new(2));
        let mut tickets: Vec<_> = (0..3).map(|_| ledger.begin("k")).collect();
        for at in [0, 2, 1] {
            tickets[at].record(entry);
        }
        tickets[2].set_status(429);
        tickets[2].end(Outcome::Completed);
        let seen = ledger.entries(0, 10);
        assert_eq!(seen.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((seen[1].status, seen[1].outcome), (429, Some(Outcome::Completed)));
        assert_eq!(seen[0].outcome, None);
        assert_eq!(ledger.entries(2, 10).len(), 1);
        assert_eq!(ledger.entries(0, 1).len(), 1);
    }

    #[test]
    fn without_a_log_nothing_is_built() {
        let ledger = Arc::new(Ledger::new(0));
        ledger.begin("k").record(|_| panic!("built an entry for nobody"));
        assert_eq!(ledger.stats().total.requests, 1);
    }
}

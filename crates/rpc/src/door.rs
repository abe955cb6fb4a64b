//! Who may call a service, and what the log says of those who may not.
//!
//! Knows no method: a caller is in or out for all of them, the health service included.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;

use crate::token::LinkTokens;

/// Strangers who knock again and again must not fill the log.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The door of one service on one connection. Clones share what was said.
#[derive(Clone)]
pub(crate) struct Door {
    tokens: LinkTokens,
    peer: Option<SocketAddr>,
    turned_away: Crowd,
}

/// What happens again and again, and is told now and then. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<Mutex<TurnedAway>>);

/// Calls that were turned away since the log last said so.
#[derive(Default)]
struct TurnedAway {
    calls: u64,
    said: Option<Instant>,
}

impl Door {
    pub(crate) fn new(tokens: LinkTokens) -> Self {
        Self { tokens, peer: None, turned_away: Crowd::default() }
    }

    /// The same door, for the calls of one connection.
    pub(crate) fn of(&self, peer: io::Result<SocketAddr>) -> Self {
        Self { peer: peer.ok(), ..self.clone() }
    }

    /// Whether a call with these headers may come in.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let is_in = self.tokens.admit(headers);
        if !is_in {
            self.note();
        }
        is_in
    }

    /// A caller could not show that it is a service of this gateway.
    pub(crate) fn note_disbelief(&self, error: &io::Error) {
        let Some(links) = self.turned_away.count() else { return };
        let peer = self.peer.map(tracing::field::display);
        tracing::warn!(
            peer,
            links,
            %error,
            "refused links without a certificate of this gateway: have all services one of the \
             authority in --link-tls-ca?"
        );
    }

    fn note(&self) {
        let Some(calls) = self.turned_away.count() else { return };
        let peer = self.peer.map(tracing::field::display);
        tracing::warn!(
            peer,
            calls,
            "refused calls without this gateway's link token: is it the same --link-token-file for \
             all services?"
        );
    }
}

impl Crowd {
    /// Counts one more; how many there were if it is time to say so.
    pub(crate) fn count(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now())
    }
}

impl TurnedAway {
    /// Counts one more; how many there were if it is time to say so.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.calls += 1;
        let is_soon = |said| now.saturating_duration_since(said) < SAY_EVERY;
        if self.said.is_some_and(is_soon) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_strangers_is_one_line() {
        let (mut away, start) = (TurnedAway::default(), Instant::now());
        assert_eq!(away.count(start), Some(1));
        for second in 1..10 {
            assert_eq!(away.count(start + Duration::from_secs(second)), None);
        }
        assert_eq!(away.count(start + SAY_EVERY), Some(10));
        assert_eq!(away.count(start + SAY_EVERY), None);
    }
}

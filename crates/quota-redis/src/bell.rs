//! The bell: pools that have news for a router of this process.
//!
//! A batch of one router can hand a slot to a ticket of another. If that one speaks through the
//! same store it is rung at once; those of other processes learn from a message that names them.
//! Only ever shortens a wait. A lost message costs one poll interval, so what fails here is tried
//! again after a while and noted quietly. While tickets wait the connection is checked every second;
//! routers poll more often while it is not known to be sound.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use weir_quota::{Bell, Incarnation};
use weir_types::ProviderName;

use crate::link::{Failure, Links};

/// After so long a silence the server is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(10);
/// The same, while tickets wait.
const SILENCE_WANTED: Duration = Duration::from_secs(1);
/// Tickets wait for as long after somebody last asked whether the bell is heard.
const WANTED: Duration = Duration::from_secs(2);
/// Between two tries to subscribe.
const PAUSE: Duration = Duration::from_secs(1);

/// Who is told, and of whom.
#[derive(Default)]
pub(crate) struct Bells {
    ringers: RwLock<Vec<Bell>>,
    /// Routers that speak through this store.
    local: RwLock<HashSet<Incarnation>>,
    /// When somebody last asked whether the bell is heard.
    wanted: Mutex<Option<Instant>>,
    /// That has begun, after a pause.
    asked: Notify,
    /// The server answered when it was last asked.
    is_sound: AtomicBool,
}

/// How long the server may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// To take a subscription.
    pub(crate) open: Duration,
    /// To say that it is still there.
    pub(crate) pong: Duration,
}

/// What is published: count of routers, who rings, the routers, the pool's name.
struct Message<'a> {
    from: Incarnation,
    to: Vec<Incarnation>,
    pool: &'a str,
}

// === impl Bells ===

impl Bells {
    /// Adds a bell to ring.
    pub(crate) fn add(&self, bell: Bell) {
        self.ringers.write().unwrap_or_else(PoisonError::into_inner).push(bell);
    }

    /// Notes that a router speaks through this store.
    pub(crate) fn know(&self, router: Incarnation) {
        self.local.write().unwrap_or_else(PoisonError::into_inner).insert(router);
    }

    /// Rings if one of these routers speaks through this store.
    pub(crate) fn ring(&self, pool: &ProviderName, routers: &[Incarnation]) {
        if routers.iter().any(|&router| self.knows(router)) {
            let ringers = self.ringers.read().unwrap_or_else(PoisonError::into_inner).clone();
            ringers.iter().for_each(|ring| ring(pool));
        }
    }

    /// Whether the bell would be heard. From now on that is looked at often, for a while.
    pub(crate) fn is_heard(&self) -> bool {
        let before = {
            let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.replace(Instant::now())
        };
        if before.is_none_or(|at| at.elapsed() >= WANTED) {
            self.asked.notify_one();
        }
        self.is_sound.load(Ordering::Relaxed)
    }

    /// The silence after which the server is asked.
    fn silence(&self) -> Duration {
        let wanted = *self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.is_some_and(|at| at.elapsed() < WANTED) { SILENCE_WANTED } else { SILENCE }
    }

    fn knows(&self, router: Incarnation) -> bool {
        self.local.read().unwrap_or_else(PoisonError::into_inner).contains(&router)
    }

    fn hear(&self, payload: &[u8]) {
        let Some(message) = Message::read(payload) else { return };
        // What our own batches caused was rung when they were answered.
        if !self.knows(message.from) {
            self.ring(&message.pool.into(), &message.to);
        }
    }
}

// === impl Message ===

impl<'a> Message<'a> {
    fn read(payload: &'a [u8]) -> Option<Self> {
        let (count, rest) = payload.split_first_chunk::<2>()?;
        let (from, mut rest) = rest.split_first_chunk::<8>()?;
        let mut to = Vec::new();
        for _ in 0..u16::from_be_bytes(*count) {
            let (one, after) = rest.split_first_chunk::<8>()?;
            to.push(Incarnation(u64::from_be_bytes(*one)));
            rest = after;
        }
        let from = Incarnation(u64::from_be_bytes(*from));
        Some(Self { from, to, pool: std::str::from_utf8(rest).ok()? })
    }
}

/// Listens forever.
pub(crate) async fn listen(links: Arc<Links>, channel: String, bells: Arc<Bells>, limits: Limits) {
    loop {
        let ended = until_it_fails(&links, &channel, &bells, limits).await;
        bells.is_sound.store(false, Ordering::Relaxed);
        match ended {
            Ok(()) => tracing::debug!("the quota bell's connection ended"),
            Err(failure) => tracing::debug!(%failure, "no quota bell"),
        }
        sleep(PAUSE).await;
    }
}

async fn until_it_fails(
    links: &Links,
    channel: &str,
    bells: &Bells,
    limits: Limits,
) -> Result<(), Failure> {
    let late = Failure::Other("no connection in time");
    let subscribing = async {
        let client = links.client().await?;
        let mut connection = client.get_async_pubsub().await.map_err(Failure::Redis)?;
        connection.subscribe(channel).await.map_err(Failure::Redis)?;
        Ok(connection)
    };
    let connection = timeout(limits.open, subscribing).await.unwrap_or(Err(late))?;
    let (mut sink, mut stream) = connection.split();
    bells.is_sound.store(true, Ordering::Relaxed);
    let mut heard_at = Instant::now();
    loop {
        tokio::select! {
            message = stream.next() => {
                let Some(message) = message else { return Ok(()) };
                heard_at = Instant::now();
                bells.hear(message.get_payload_bytes());
            }
            () = sleep_until(heard_at + bells.silence()) => {
                let ping = timeout(limits.pong, sink.ping::<redis::Value>()).await;
                ping.map_err(|_late| Failure::Other("no pong in time"))?.map_err(Failure::Redis)?;
                heard_at = Instant::now();
            }
            // The silence is a shorter one now.
            () = bells.asked.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn message(from: u64, to: &[u64], pool: &str) -> Vec<u8> {
        let count = u16::try_from(to.len()).unwrap().to_be_bytes();
        let ids = std::iter::once(&from).chain(to).flat_map(|id| id.to_be_bytes());
        count.into_iter().chain(ids).chain(pool.bytes()).collect()
    }

    #[test]
    fn only_news_from_elsewhere_for_our_own_ring() {
        let (bells, heard) = (Bells::default(), Arc::new(Mutex::new(Vec::new())));
        let sink = Arc::clone(&heard);
        bells.add(Arc::new(move |pool| sink.lock().unwrap().push(pool.to_string())));
        bells.know(Incarnation(1));
        bells.hear(&message(2, &[1], "ours"));
        bells.hear(&message(2, &[3, 1], "also"));
        bells.hear(&message(2, &[3], "theirs"));
        bells.hear(&message(1, &[1], "own"));
        for bad in [&b""[..], b"\0\x01short", b"\0\0\0\0\0\0\0\0\0\x02\xff"] {
            bells.hear(bad);
        }
        assert_eq!(*heard.lock().unwrap(), ["ours", "also"]);
    }
}

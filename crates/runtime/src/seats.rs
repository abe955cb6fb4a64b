//! Who sits on a listener: which connections run a request, which are idle and since when, and how
//! many come from one address.
//!
//! A full listener gives the seat of whoever has been idle for longest to whoever comes. Knows no
//! protocol: whoever serves a connection says when something runs on it.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id};

/// A connection's place on its listener. Idle until something runs.
#[derive(Debug, Clone)]
pub struct Seat(Arc<State>);

#[derive(Debug)]
struct State {
    running: AtomicUsize,
    /// The turn in which it became idle; the smallest has been so for longest.
    idle_since: AtomicU64,
    row: Arc<Row>,
    _guest: Option<Guest>,
}

/// What the seats of a listener share. Mostly one core touches it.
#[derive(Debug, Default)]
struct Row {
    turn: AtomicU64,
    is_full: AtomicBool,
    freed: Notify,
}

/// Something runs on a connection until this is dropped.
#[derive(Debug)]
pub struct Running(Arc<State>);

/// The seats of a listener.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    row: Arc<Row>,
    taken: HashMap<Id, (Arc<State>, AbortHandle)>,
}

/// A bound for the connections of each client's address, over all listeners that share it. A copy is
/// the same bound; it lives as long as the process.
#[derive(Clone, Copy)]
pub struct Addresses(&'static Guests);

struct Guests {
    max: usize,
    present: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection of an address.
#[derive(Debug)]
pub(crate) struct Guest {
    addresses: Addresses,
    address: IpAddr,
}

/// The body of an answer, during which its connection is not idle.
pub(crate) struct Busy {
    pub(crate) body: Body,
    pub(crate) _running: Running,
}

impl HttpBody for Busy {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Seat ===

impl Seat {
    /// Something runs, and until it has ended the connection is not idle.
    #[must_use]
    pub fn run(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(&self.0))
    }

    /// Changes whenever something has ended and nothing runs.
    pub(crate) fn turn(&self) -> u64 {
        self.0.idle_since.load(Ordering::Relaxed)
    }

    /// Whether nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_idle()
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        let row = &self.0.row;
        self.0.idle_since.store(row.turn.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        if row.is_full.load(Ordering::Relaxed) {
            row.freed.notify_one();
        }
    }
}

// === impl Seats ===

impl Seats {
    /// A seat for a new connection.
    pub(crate) fn seat(&self, guest: Option<Guest>) -> Seat {
        let idle_since = self.row.turn.fetch_add(1, Ordering::Relaxed).into();
        let (running, row) = (AtomicUsize::new(0), Arc::clone(&self.row));
        Seat(Arc::new(State { running, idle_since, row, _guest: guest }))
    }

    pub(crate) fn sit(&mut self, seat: &Seat, task: AbortHandle) {
        self.taken.insert(task.id(), (Arc::clone(&seat.0), task));
    }

    pub(crate) fn leave(&mut self, task: Id) {
        self.taken.remove(&task);
    }

    /// Whether there is a seat, free or of somebody idle, where there are `max`.
    pub(crate) fn has_room(&self, max: usize) -> bool {
        let is_full = self.taken.len() >= max;
        self.row.is_full.store(is_full, Ordering::Relaxed);
        !is_full || self.taken.values().any(|(state, _)| state.is_idle())
    }

    /// Frees a seat, unless there is one; false if everybody is busy.
    pub(crate) fn free_one(&mut self, max: usize) -> bool {
        if self.taken.len() < max {
            return true;
        }
        let idle = self.taken.iter().filter(|(_, (state, _))| state.is_idle());
        let since = |state: &State| state.idle_since.load(Ordering::Relaxed);
        let oldest = idle.min_by_key(|(_, (state, _))| since(state)).map(|(id, _)| *id);
        let Some((_, task)) = oldest.and_then(|id| self.taken.remove(&id)) else { return false };
        task.abort();
        true
    }

    /// Resolves when somebody has become idle on a full listener.
    pub(crate) fn freed(&self) -> impl Future<Output = ()> + use<> {
        let row = Arc::clone(&self.row);
        async move { row.freed.notified().await }
    }
}

// === impl Addresses ===

impl Addresses {
    /// At most `max` connections of each address at a time.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self(Box::leak(Box::new(Guests { max, present: Mutex::default() })))
    }

    /// One more of `address`, if it may have one.
    pub(crate) fn admit(self, address: IpAddr) -> Option<Guest> {
        let address = whose(address);
        let mut present = self.0.present.lock().unwrap_or_else(PoisonError::into_inner);
        let count = present.entry(address).or_default();
        if *count >= self.0.max {
            return None;
        }
        *count += 1;
        Some(Guest { addresses: self, address })
    }
}

/// Of IPv6 a client has a whole network of 64 bits.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four @ IpAddr::V4(_) => four,
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let present = &self.addresses.0.present;
        let mut present = present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = present.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.address);
            }
        }
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("max", &self.0.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_that_has_been_idle_for_longest_goes() {
        let mut seats = Seats::default();
        let seat = |seats: &mut Seats| {
            let seat = seats.seat(None);
            let task = tokio::spawn(std::future::pending::<()>());
            seats.sit(&seat, task.abort_handle());
            (seat, task)
        };
        let (first, second, third) = (seat(&mut seats), seat(&mut seats), seat(&mut seats));
        let busy = second.0.run();
        drop(first.0.run());
        // Now the third has been idle for longest, then the first.
        assert!(seats.has_room(3) && seats.free_one(4));
        assert!(seats.free_one(3));
        assert!(third.1.await.unwrap_err().is_cancelled());
        assert!(seats.free_one(2));
        assert!(first.1.await.unwrap_err().is_cancelled());
        assert!(!seats.has_room(1) && !seats.free_one(1));
        drop(busy);
        seats.freed().await;
        assert!(seats.has_room(1) && second.0.is_idle() && !second.1.is_finished());
    }

    #[test]
    fn an_address_has_no_more_than_it_may() {
        let addresses = Addresses::new(2);
        let of = |text: &str| addresses.admit(text.parse().unwrap());
        let (one, _two) = (of("192.0.2.1").unwrap(), of("::ffff:192.0.2.1").unwrap());
        assert!(of("192.0.2.1").is_none());
        assert!(of("192.0.2.2").is_some());
        drop(one);
        assert!(of("192.0.2.1").is_some());
        // One client has many addresses.
        let _network = (of("2001:db8::1"), of("2001:db8::2"));
        assert!(of("2001:db8::3:4").is_none() && of("2001:db8:0:1::3").is_some());
    }
}

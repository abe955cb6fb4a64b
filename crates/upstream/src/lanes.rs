//! Which connections a call may go over. HTTP/1.1 has one call per connection, so one pool is
//! enough. Over HTTP/2 a pool has one connection per host, and a host takes only so many calls on
//! it; what is more waits unseen. Therefore there are as many pools as the calls need.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Streams on one connection. Most servers allow 100 to 250.
pub(crate) const STREAMS_MAX: usize = 100;

/// Pools, made by `make` when they are needed.
pub(crate) struct Lanes<P> {
    make: Box<dyn Fn() -> P + Send + Sync>,
    list: Mutex<Vec<Lane<P>>>,
    /// Whether a host has been seen to speak HTTP/2.
    is_shared: AtomicBool,
}

struct Lane<P> {
    pool: P,
    calls: Arc<AtomicUsize>,
}

/// A call's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl<P: Clone> Lanes<P> {
    /// `is_shared`: HTTP/2 from the start.
    pub(crate) fn new(is_shared: bool, make: impl Fn() -> P + Send + Sync + 'static) -> Self {
        let (make, is_shared) = (Box::new(make), AtomicBool::new(is_shared));
        Self { make, list: Mutex::default(), is_shared }
    }

    /// A pool for one call.
    pub(crate) fn take(&self) -> (P, Place) {
        let is_shared = self.is_shared.load(Ordering::Relaxed);
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room =
            |lane: &Lane<P>| !is_shared || lane.calls.load(Ordering::Relaxed) < STREAMS_MAX;
        if let Some(lane) = list.iter().find(|lane| has_room(lane)) {
            return lane.enter();
        }
        let lane = Lane { pool: (self.make)(), calls: Arc::default() };
        let entered = lane.enter();
        list.push(lane);
        entered
    }

    /// The pool of `place` gets no further calls, so that its idle connections are not used.
    pub(crate) fn retire(&self, place: &Place) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|lane| !Arc::ptr_eq(&lane.calls, &place.0));
    }

    /// Calls share connections from now on.
    pub(crate) fn share(&self) {
        if !self.is_shared.load(Ordering::Relaxed) {
            self.is_shared.store(true, Ordering::Relaxed);
        }
    }
}

impl<P: Clone> Lane<P> {
    fn enter(&self) -> (P, Place) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        (self.pool.clone(), Place(Arc::clone(&self.calls)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lanes whose pools are their numbers.
    fn lanes(is_shared: bool) -> Lanes<usize> {
        let made = AtomicUsize::new(0);
        Lanes::new(is_shared, move || made.fetch_add(1, Ordering::Relaxed))
    }

    #[test]
    fn only_shared_connections_fill_up() {
        let one = lanes(false);
        let places: Vec<_> = (0..STREAMS_MAX * 3).map(|_| one.take()).collect();
        assert!(places.iter().all(|(pool, _)| *pool == 0));
        one.share();
        assert_eq!(one.take().0, 1);
    }

    #[test]
    fn a_retired_pool_gets_no_further_calls() {
        let lanes = lanes(false);
        let (first, place) = lanes.take();
        lanes.retire(&place);
        let (second, _other) = lanes.take();
        assert_eq!((first, second), (0, 1));
        lanes.retire(&place);
        assert_eq!(lanes.take().0, 1);
    }

    #[test]
    fn a_place_is_used_again() {
        let lanes = lanes(true);
        let mut places: Vec<_> = (0..=STREAMS_MAX).map(|_| lanes.take()).collect();
        assert_eq!((places[STREAMS_MAX - 1].0, places[STREAMS_MAX].0), (0, 1));
        places.remove(0);
        let (pool, _place) = lanes.take();
        assert_eq!(pool, 0);
    }
}

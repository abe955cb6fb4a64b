//! One that waits for room, and how it is called.

use tokio::sync::oneshot;

use crate::Budget;
use crate::pools::serve;
use crate::room::{Ask, Place, Room};

/// Who waits is told through this whether it has what it asked for, or is refused.
#[derive(Debug)]
pub(crate) struct Caller(oneshot::Sender<bool>);

/// Waits until it is dropped, at the latest.
pub(crate) struct Waiter {
    budget: Budget,
    ask: Ask,
    /// Where it stands, unless it was called and has heard it.
    place: Option<Place>,
    calls: oneshot::Receiver<bool>,
}

impl Caller {
    pub(crate) fn call(self, is_served: bool) {
        // Whoever does not listen any more finds it when it leaves.
        let _unheard = self.0.send(is_served);
    }
}

impl Waiter {
    pub(crate) fn new(budget: Budget, ask: Ask) -> Self {
        let (caller, calls) = oneshot::channel();
        let mut room = budget.pools().large();
        let place = room.wait(ask, Caller(caller));
        // Something may have come free since it asked.
        serve(&mut room);
        refuse(&mut room, Room::next_refused);
        drop(room);
        Self { budget, ask, place: Some(place), calls }
    }

    /// Whether it has what it asked for, or is refused.
    pub(crate) async fn called(&mut self) -> bool {
        let is_served = (&mut self.calls).await;
        self.place = None;
        is_served.unwrap_or(false)
    }

    /// It has waited for a while.
    pub(crate) fn press(&self) {
        refuse(&mut self.budget.pools().large(), Room::next_pressed);
    }

    /// It waits no longer; what it was told, if it was called in the last moment.
    pub(crate) fn give_up(&mut self) -> Option<bool> {
        let place = self.place.take()?;
        let mut room = self.budget.pools().large();
        if room.leave(place) {
            // Those behind it may be content with less.
            serve(&mut room);
            return None;
        }
        self.calls.try_recv().ok()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        match self.give_up() {
            Some(true) => self.budget.pools().give_large(self.ask.more),
            Some(false) => self.budget.pools().large().gone(self.ask.holds()),
            None => {}
        }
    }
}

fn refuse(room: &mut Room<Caller>, next: impl Fn(&mut Room<Caller>) -> Option<Caller>) {
    while let Some(caller) = next(room) {
        caller.call(false);
    }
}

//! Who of those that need more of a bounded room gets what there is of it, who waits and who goes.
//!
//! Pure: knows no time and no tasks. Whoever lacks least to its end comes first, so that some bodies
//! come to theirs where an even share would let none. Where those who wait stand in each other's way,
//! the one that lacks most is refused and leaves what it took to the others. Every refusal leaves at
//! least as many as have room for all that they lack, and the one that lacks least among those who wait
//! is never refused.

use std::collections::BTreeMap;

/// What somebody needs, in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Now.
    pub(crate) more: usize,
    /// To its end, `more` included.
    pub(crate) lack: usize,
    /// What it has taken so far.
    pub(crate) taken: usize,
    /// What else goes with it if it is refused.
    pub(crate) beside: usize,
}

/// A place among those who wait; less is better. Who came first is ahead of its equals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    lack: usize,
    number: u64,
}

/// The room, and those who wait for some of it, each with a `T` to be called by.
#[derive(Debug)]
pub(crate) struct Room<T> {
    total: usize,
    free: usize,
    /// What those who were refused still have.
    leaving: usize,
    waiting: BTreeMap<Place, (Ask, T)>,
    number: u64,
}

impl Ask {
    /// What comes free if it is refused.
    pub(crate) const fn holds(&self) -> usize {
        self.taken + self.beside
    }
}

impl<T> Room<T> {
    pub(crate) const fn new(total: usize) -> Self {
        Self { total, free: total, leaving: 0, waiting: BTreeMap::new(), number: 0 }
    }

    pub(crate) const fn used(&self) -> usize {
        self.total - self.free
    }

    /// Whether it could be given what it needs now; it has it then.
    pub(crate) fn take(&mut self, ask: Ask) -> bool {
        let is_first = self.waiting.keys().next().is_none_or(|first| ask.lack < first.lack);
        let is_given = is_first && ask.more <= self.free;
        if is_given {
            self.free -= ask.more;
        }
        is_given
    }

    /// It waits from now on, to be called by `caller`.
    pub(crate) fn wait(&mut self, ask: Ask, caller: T) -> Place {
        self.number += 1;
        let place = Place { lack: ask.lack, number: self.number };
        self.waiting.insert(place, (ask, caller));
        place
    }

    /// It does not wait any more; whether it did.
    pub(crate) fn leave(&mut self, place: Place) -> bool {
        self.waiting.remove(&place).is_some()
    }

    /// So much is free again.
    pub(crate) const fn give(&mut self, units: usize) {
        self.free += units;
    }

    /// Somebody who was refused has gone, and held so much.
    pub(crate) const fn gone(&mut self, holds: usize) {
        self.leaving = self.leaving.saturating_sub(holds);
    }

    /// Who waits no longer, because there is room for it; it has it.
    pub(crate) fn next_served(&mut self) -> Option<T> {
        let first = self.waiting.first_entry()?;
        let more = first.get().0.more;
        if more > self.free {
            return None;
        }
        self.free -= more;
        Some(first.remove().1)
    }

    /// Who is refused at once, because those who wait would not all fit if they were alone, so that
    /// nobody's end helps them all.
    pub(crate) fn next_refused(&mut self) -> Option<T> {
        let asks = self.waiting.values().map(|(ask, _)| ask);
        let wanted: usize = asks.map(|ask| ask.holds() + ask.lack).sum();
        if wanted <= self.total { None } else { self.refuse_last() }
    }

    /// Who is refused because nothing has come free for a while, and what is free is not enough for
    /// all who wait.
    pub(crate) fn next_pressed(&mut self) -> Option<T> {
        let lack: usize = self.waiting.keys().map(|place| place.lack).sum();
        if lack <= self.free + self.leaving { None } else { self.refuse_last() }
    }

    /// Refuses the one that lacks most of those who leave room behind, if the first is not served by
    /// what comes free anyway.
    fn refuse_last(&mut self) -> Option<T> {
        let (&first, (ask, _)) = self.waiting.first_key_value()?;
        if ask.more <= self.free + self.leaving {
            return None;
        }
        let holds = |(_, (ask, _)): &(&Place, &(Ask, T))| ask.holds() > 0;
        let mut holders = self.waiting.iter().rev().filter(holds);
        let (&last, _) = holders.next()?;
        let _another = holders.next()?;
        debug_assert_ne!(first, last, "the first of two is not the last");
        let (ask, caller) = self.waiting.remove(&last)?;
        self.leaving += ask.holds();
        Some(caller)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ask(more: usize, lack: usize, taken: usize) -> Ask {
        Ask { more, lack, taken, beside: 0 }
    }

    #[test]
    fn whoever_lacks_least_is_first_and_equals_are_served_in_order() {
        let mut room = Room::new(10);
        assert!(room.take(ask(10, 10, 0)));
        for (name, lack) in [("long", 9), ("short", 2), ("as short", 2), ("middle", 3)] {
            room.wait(ask(2, lack, 0), name);
        }
        // Who comes now is behind its equals and before the others.
        room.give(4);
        assert!(!room.take(ask(2, 2, 0)) && room.take(ask(1, 1, 0)));
        assert_eq!((room.next_served(), room.next_served()), (Some("short"), None));
        room.give(5);
        let order: Vec<_> = std::iter::from_fn(|| room.next_served()).collect();
        assert_eq!(order, ["as short", "middle", "long"]);
        assert_eq!(room.used(), 10);
    }

    #[test]
    fn those_who_cannot_all_fit_do_not_wait_for_each_other() {
        let mut room = Room::new(10);
        assert!(room.take(ask(10, 10, 0)));
        room.wait(ask(1, 3, 3), "least");
        room.wait(ask(1, 4, 3), "less");
        // 6 + 7 of 10.
        assert_eq!((room.next_refused(), room.next_refused()), (Some("less"), None));
        // What it leaves is not asked of a third.
        room.wait(ask(1, 5, 3), "most");
        assert_eq!(room.next_refused(), None);
        room.give(3);
        room.gone(3);
        assert_eq!(room.next_served(), Some("least"));
    }

    #[test]
    fn who_would_fit_waits_for_the_end_of_others_and_not_for_long() {
        let mut room = Room::new(10);
        assert!(room.take(ask(10, 10, 0)));
        room.wait(ask(1, 2, 3), "least");
        room.wait(ask(1, 3, 2), "most");
        // 5 + 5 of 10.
        assert_eq!(room.next_refused(), None);
        assert_eq!((room.next_pressed(), room.next_pressed()), (Some("most"), None));
        // The last one, and one that would leave nothing behind, are in nobody's way.
        assert!(room.leave(Place { lack: 2, number: 1 }));
        room.wait(ask(1, 9, 0), "new");
        room.gone(2);
        assert_eq!(room.next_pressed(), None);
    }

    #[test]
    fn what_goes_with_one_counts() {
        let mut room = Room::new(10);
        assert!(room.take(ask(10, 10, 0)));
        for name in ["one", "two"] {
            room.wait(Ask { more: 4, lack: 4, taken: 0, beside: 2 }, name);
        }
        assert_eq!(room.next_refused(), Some("two"));
    }

    /// A body in the model: how long it is, what it has, whether it waits, and how it ended.
    #[derive(Debug, Clone, Copy, Default)]
    struct Sent {
        length: usize,
        taken: usize,
        place: Option<Place>,
        has_come: Option<bool>,
    }

    struct Model {
        room: Room<usize>,
        bodies: Vec<Sent>,
        ended: usize,
    }

    impl Model {
        fn new(total: usize, lengths: &[usize]) -> Self {
            let body = |&length| Sent { length, ..Sent::default() };
            Self { room: Room::new(total), bodies: lengths.iter().map(body).collect(), ended: 0 }
        }

        fn refuse(&mut self, name: usize, was_called: bool) {
            let body = &mut self.bodies[name];
            (body.place, body.has_come) = (None, Some(false));
            self.room.give(std::mem::take(&mut body.taken));
            if was_called {
                self.room.gone(usize::MAX);
            }
        }

        /// The one with this name sends another piece.
        fn send(&mut self, name: usize, step: usize) {
            let body = &mut self.bodies[name];
            if body.place.is_some() || body.has_come.is_some() {
                return;
            }
            let lack = body.length - body.taken;
            let ask = ask(step.min(lack), lack, body.taken);
            if self.room.take(ask) {
                body.taken += ask.more;
            } else {
                body.place = Some(self.room.wait(ask, name));
                while let Some(name) = self.room.next_refused() {
                    self.refuse(name, true);
                }
            }
            self.settle(step);
        }

        fn settle(&mut self, step: usize) {
            while let Some(name) = self.room.next_served() {
                let body = &mut self.bodies[name];
                body.place = None;
                body.taken += step.min(body.length - body.taken);
            }
            for body in &mut self.bodies {
                if body.has_come.is_none() && body.taken == body.length {
                    body.has_come = Some(true);
                    self.ended += 1;
                }
            }
            let taken: usize = self.bodies.iter().map(|body| body.taken).sum();
            assert_eq!(self.room.used(), taken);
        }

        /// Nobody sends: time passes for those who wait, and ends for all of them together.
        fn pass(&mut self, step: usize) {
            let pressed = std::iter::from_fn(|| self.room.next_pressed()).collect::<Vec<_>>();
            if pressed.is_empty() {
                for name in 0..self.bodies.len() {
                    if let Some(place) = self.bodies[name].place {
                        assert!(self.room.leave(place));
                        self.refuse(name, false);
                    }
                }
            }
            pressed.into_iter().for_each(|name| self.refuse(name, true));
            self.settle(step);
        }

        /// Everybody sends all, in an order that `draws` says.
        fn run(&mut self, step: usize, draws: &[usize]) {
            for draw in draws {
                self.send(draw % self.bodies.len(), step);
            }
            while self.bodies.iter().any(|body| body.has_come.is_none()) {
                let before = self.bodies.iter().map(|body| body.taken).sum::<usize>();
                let open = self.bodies.iter().filter(|body| body.has_come.is_none()).count();
                for name in 0..self.bodies.len() {
                    self.send(name, step);
                }
                let after = self.bodies.iter().map(|body| body.taken).sum::<usize>();
                let still = self.bodies.iter().filter(|body| body.has_come.is_none()).count();
                if (before, open) == (after, still) {
                    self.pass(step);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 1000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// None of those that have come leaves before all have ended: the worst case.
        #[test]
        fn as_many_bodies_come_to_their_end_as_fit(
            total in 10..200_usize,
            length in 1..80_usize,
            count in 1..14_usize,
            step in 1..20_usize,
            draws in prop::collection::vec(0..1000_usize, 0..400),
        ) {
            let mut model = Model::new(total, &vec![length; count]);
            model.run(step, &draws);
            prop_assert_eq!(model.ended, count.min(total / length));
        }

        #[test]
        fn of_all_lengths_as_many_come_as_fit_of_the_longest(
            total in 10..200_usize,
            lengths in prop::collection::vec(1..80_usize, 1..14),
            step in 1..20_usize,
            draws in prop::collection::vec(0..1000_usize, 0..400),
        ) {
            let mut model = Model::new(total, &lengths);
            model.run(step, &draws);
            let longest = lengths.iter().max().copied().unwrap_or(1);
            prop_assert!(model.ended >= lengths.len().min(total / longest));
        }
    }
}

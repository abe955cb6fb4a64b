//! States are equal when they can do the same from now on, and only then.

use crate::canonical::Canonical;
use crate::conformance::{class, limits};
use crate::{Acquire, Batch, Command, Incarnation, Machine, Micros, TicketId, Timing};

/// A pool that two tickets came to, `pause` apart, as it is `later` after that.
fn pool(start: Micros, pause: Micros, later: Micros, first: u64) -> Canonical {
    let mut machine = Machine::new(Timing { grace: false, ..Timing::default() });
    let router = Incarnation(1);
    let hello = machine.execute(start, &Batch::hello(router)).unwrap().reply;
    let acquire = |number| {
        let ticket = TicketId { router, number };
        let (delay, deadline, arrival) = (0, 60_000_000, None);
        let wait_for_cooldown = false;
        let class = class(&["k"]);
        Command::Acquire(Acquire { ticket, class, delay, deadline, arrival, wait_for_cooldown })
    };
    let set = Command::SetLimits { limits: limits(1, 8, &[("k", 1.0)]), replaces: None };
    let batches = [vec![set], vec![acquire(first)], vec![acquire(3 - first)], vec![]];
    let mut now = start;
    for (sequence, commands) in (1..).zip(batches) {
        now += if sequence == 4 { later } else { pause };
        let batch = Batch { session: hello.session, sequence, commands, ..Batch::hello(router) };
        machine.execute(now, &batch).unwrap();
    }
    machine.canonical(now)
}

#[test]
fn the_time_of_day_means_nothing() {
    assert_eq!(pool(1_000_000, 1_000, 5_000, 1), pool(987_654_321, 1_000, 5_000, 1));
}

#[test]
fn who_holds_the_slot_and_for_how_long_does() {
    let one = pool(1_000_000, 1_000, 5_000, 1);
    assert_ne!(one, pool(1_000_000, 1_000, 5_000, 2));
    assert_ne!(one, pool(1_000_000, 1_000, 6_000, 1));
}

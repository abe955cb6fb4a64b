//! Pools that are found empty, as far as it is known since when they are not there.

use crate::conformance::limits;
use crate::{Batch, BatchReply, Command, Incarnation, Machine, Micros, Timing};

const NOW: Micros = 1_000_000_000;

fn greeted(machine: &mut Machine, router: u64, knows_pool: bool) -> BatchReply {
    let hello = Batch { knows_pool, ..Batch::hello(Incarnation(router)) };
    machine.execute(NOW, &hello).unwrap().reply
}

#[test]
fn a_new_pool_waits_only_until_everybody_has_had_the_time_to_speak() {
    let timing = Timing::default();
    let length = timing.lease_ttl / 2 + timing.claim_limit;
    let speak = timing.all_speak_within();
    for (absent_for, grace) in [(0, speak), (1, speak - 1), (speak - 1, 1), (speak, 0)] {
        let mut machine = Machine::new_since(timing, NOW - absent_for);
        let reply = greeted(&mut machine, 1, false);
        assert_eq!(reply.wake_in.unwrap_or(0), grace, "absent for {absent_for}");
        assert_eq!(reply.restate, grace > 0);
        let mut machine = Machine::new_since(timing, NOW - absent_for);
        assert_eq!(greeted(&mut machine, 1, true).wake_in, Some(length), "somebody knows it");
    }
    assert_eq!(greeted(&mut Machine::new(timing), 1, false).wake_in, Some(length));
}

#[test]
fn the_grace_of_a_new_pool_does_not_end_early() {
    let timing = Timing::default();
    let mut machine = Machine::new_since(timing, NOW);
    let session = greeted(&mut machine, 1, false).session;
    let limits = limits(1, 1, &[("k", 1.0)]);
    let commands = vec![
        Command::SetLimits { limits, replaces: None },
        Command::Restate { leases: vec![], tickets: vec![] },
    ];
    let mut batch = Batch { session, sequence: 1, commands, ..Batch::hello(Incarnation(1)) };
    let end = NOW + timing.all_speak_within();
    for now in (NOW..end).step_by(500_000).chain([end - 1]) {
        assert!(machine.execute(now, &batch).unwrap().reply.restate, "at {now}");
        batch.sequence += 1;
    }
    assert!(!machine.execute(end, &batch).unwrap().reply.restate);
}

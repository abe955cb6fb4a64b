//! Faults that are put in on purpose are found: by the check that is there for them, or by an earlier one.

use crate::walk::{Walk, walk};
use weir_quota_model::{Budget, Mutant, Protocol, Setup};

/// A world in which a fault shows, and what may be found not to hold.
fn world(mutant: Mutant) -> (Setup, &'static [&'static str]) {
    use Mutant::*;
    let plain = Setup::default();
    let two = Setup { slots: 2, ..Setup::default() };
    let with = |budget: Budget, setup: &Setup| Setup { budget, ..setup.clone() };
    let none = Budget::default();
    let losses = Budget { losses: 1, ..none };
    let crash = Budget { crashes: 1, ..none };
    let cut = Budget { cuts: 1, ..none };
    let fails = Budget { failures: 1, ..none };
    let resting = Setup { waits_for_rest: true, ..two.clone() };
    let small = Setup { requests: vec![0, 1], ..Setup::default() };
    match mutant {
        HelloBeginsGrace => (Setup { troubled: Some(1), ..with(crash, &plain) }, &["Q11"]),
        RestsFillBuffer => (Setup { buffer: 1, models: 2, ..with(fails, &resting) }, &["Q13"]),
        ProbeAlone => (with(fails, &resting), &["Q14"]),
        StopsInGrace => (with(Budget { empties: 1, ..none }, &two), &["no full stop"]),
        SupersededReturn => (with(Budget { changes: 1, crashes: 1, ..none }, &plain), &["Q15"]),
        SlotTooMany => (plain, &["Q1"]),
        AnySequence => (with(Budget { late: 1, ..none }, &plain), &["Q8"]),
        AnyHello => (with(Budget { crashes: 1, late: 1, ..none }, &small), &["Q8"]),
        TakesPlaceForSlot => (plain, &["Q1"]),
        LosesLeave => (with(Budget { cancels: 1, ..none }, &plain), &["Q11"]),
        LosesSettle => (plain, &["Q11"]),
        SettlesTwice => (with(losses, &plain), &["Q3"]),
        NoRenewal => (plain, &["Q1"]),
        RestatesNoLease => (with(Budget { empties: 1, ..none }, &small), &["Q1"]),
        RestatesNoTicket => (with(Budget { empties: 1, ..none }, &small), &["Q10"]),
        LeasesForever => (with(crash, &small), &["Q4"]),
        OffersForever => (Setup { troubled: Some(1), ..with(crash, &small) }, &["Q4"]),
        LastFirst => (plain, &["Q5"]),
        EmptyDecides => (with(Budget { empties: 1, ..none }, &plain), &["Q1"]),
        GrantsResting => (with(fails, &resting), &["Q6"]),
        FirstKeyOnly => (Setup { keys: 2, ..two }, &["Q7"]),
        ThinksAlone => (with(cut, &two), &["Q1"]),
        GraceForever => (Setup { slots: 2, requests: vec![0], ..with(cut, &two) }, &["Q10"]),
        NobodyPolls => (Setup { bells: false, ..plain }, &["Q10", "Q11"]),
        FrozenServes => (with(Budget { freezes: 1, ..none }, &plain), &["Q1"]),
        WakesNobody => (plain, &["Q11"]),
        LosesThen => (with(fails, &small), &["Q10", "Q14"]),
        HidesLimits => (with(Budget { changes: 1, ..none }, &small), &["Q15"]),
    }
}

#[test]
fn each_is_found() {
    let mut missed = Vec::new();
    for &mutant in Mutant::ALL {
        let (setup, labels) = world(mutant);
        let Walk { found, states, .. } = walk(Protocol::new(setup).with(mutant), 1, 120);
        let Some((name, path)) = found else {
            missed.push(format!("{mutant:?}: nothing in {states} states"));
            continue;
        };
        let last = path.last_state();
        let label = last.violation().map_or(name, |(label, _)| label);
        if !labels.contains(&label) {
            let actions = path.clone().into_actions();
            missed.push(format!("{mutant:?}: {label}, {:?} after {actions:?}", last.violation()));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

//! Rows of rests and probes alone; what a pool makes of them is the conformance suite's.

use super::*;

const MAX: Micros = 600_000_000;
const STEP: Micros = 1_000;

fn cool(scope: Scope, rest: Micros) -> Health {
    let (retry_after, note) = (Some(rest), Note::default());
    Health::Cool { scope, retry_after, base: 0, max: MAX, missing: false, note }
}

fn missing(scope: Scope, rest: Micros) -> Health {
    let (retry_after, note) = (Some(rest), Note::default());
    Health::Cool { scope, retry_after, base: 0, max: MAX, missing: true, note }
}

fn of_model(n: usize) -> Scope {
    Scope::KeyModel("k".into(), Arc::from(format!("model-{n}")))
}

fn moments(rows: &Cooldowns) -> usize {
    rows.moments.iter().map(BTreeSet::len).sum()
}

fn lease(number: u64) -> TicketId {
    TicketId { router: crate::Incarnation(1), number }
}

#[test]
fn rows_are_dropped_long_after_their_end_unless_probed() {
    let mut rows = Cooldowns::new(STEP, 1_000);
    rows.learn(&cool(Scope::Key("k".into()), 10), 0, 0, MAX);
    rows.learn(&cool(Scope::Key("l".into()), 20), 0, 0, MAX);
    let probed = rows.probe(lease(1), &"k".into(), &Arc::from("m"), 1_010);
    assert_eq!(probed, [Scope::Key("k".into())]);
    rows.sweep(1_019);
    assert_eq!(rows.len(), 2);
    rows.sweep(1_020);
    assert_eq!(rows.rows().iter().map(|(scope, _)| scope).collect::<Vec<_>>(), [&probed[0]]);
    rows.release(lease(1), &probed, 1_020);
    rows.sweep(1_020);
    assert!(rows.is_clear() && moments(&rows) == 0);
}

/// Q14: however long the probes take.
#[test]
fn a_scope_admits_twice_as_many_with_every_step() {
    let (key, model) = (KeyName::from("k"), Arc::from("m"));
    let mut rows = Cooldowns::new(STEP, MAX);
    rows.learn(&cool(Scope::Key("k".into()), 10), 0, 0, MAX);
    let mut granted = 0;
    for (at, expected) in [(10, 1), (1_009, 1), (1_010, 2), (2_010, 4), (3_010, 8), (4_010, 16)] {
        rows.sweep(at);
        while rows.blocked(&key, &model, at).is_none() {
            granted += 1;
            rows.probe(lease(granted), &key, &model, at);
        }
        assert_eq!(granted, expected, "at {at}");
        let next = if at == 1_009 { 1 } else { STEP };
        assert!(rows.next_moment().is_some_and(|moment| moment <= at + next), "at {at}");
    }
    assert!(rows.probe(lease(99), &key, &model, 10 + 6 * STEP).is_empty());
    assert_eq!(rows.blocked(&key, &model, 10 + 6 * STEP), None);
}

#[test]
fn models_made_up_never_end_a_real_rest() {
    let mut rows = Cooldowns::new(STEP, MAX);
    rows.learn(&cool(Scope::Key("k".into()), 1), 0, 0, MAX);
    rows.learn(&cool(of_model(0), 1), 0, 0, MAX);
    for n in 1..MISSING_MAX + 101 {
        rows.learn(&missing(of_model(n), 1_000 + n as u64), 0, 0, MAX);
    }
    // What is real stays so.
    rows.learn(&missing(of_model(0), 5_000), 0, 0, MAX);
    assert_eq!(rows.len(), 2 + MISSING_MAX);
    assert!(rows.blocked(&"k".into(), &Arc::from("other"), 0).is_some());
    assert!(rows.rows.contains_key(&of_model(0)) && !rows.rows[&of_model(0)].missing);
    assert!(rows.rows.contains_key(&of_model(MISSING_MAX + 100)));
    assert!(!rows.rows.contains_key(&of_model(1)));
    // A missing one that turns out to be real moves over.
    rows.learn(&cool(of_model(MISSING_MAX + 100), 5_000), 0, 0, MAX);
    rows.learn(&missing(of_model(1), 9), 0, 0, MAX);
    assert_eq!((rows.len(), moments(&rows)), (3 + MISSING_MAX, 3 + MISSING_MAX));
    for _ in 0..2 + MISSING_MAX / DUE_MAX {
        rows.sweep(4_999);
    }
    assert_eq!((rows.len(), moments(&rows)), (3, 3), "each is forgotten at its end");
}

#[test]
fn models_are_bounded_and_what_is_over_goes_first() {
    let mut rows = Cooldowns::new(STEP, MAX);
    rows.learn(&cool(Scope::Key("k".into()), 1), 0, 0, MAX);
    rows.learn(&cool(of_model(MODELS_MAX), 1), 0, 0, MAX);
    for n in 0..MODELS_MAX - 1 {
        rows.learn(&cool(of_model(n), 1_000 + n as u64), 0, 0, MAX);
    }
    rows.sweep(1);
    rows.learn(&cool(of_model(MODELS_MAX + 1), 1_000), 0, 1, MAX);
    assert!(!rows.rows.contains_key(&of_model(MODELS_MAX)));
    assert!(rows.rows.contains_key(&of_model(0)));
    rows.learn(&cool(of_model(MODELS_MAX + 2), 9_000), 0, 1, MAX);
    assert!(!rows.rows.contains_key(&of_model(0)));
    assert_eq!((rows.len(), moments(&rows)), (1 + MODELS_MAX, 1 + MODELS_MAX));
}

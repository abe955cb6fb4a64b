//! Cooldowns: who is refused, who waits, for how long, and on what.

use super::client::{
    Client, class, class_for, cool, end, granted, handed, key, limits, no_key, queued, refused,
    settle,
};
use super::{Rig, Verdict};
use crate::{Answer, Command, Event, Health, Micros, NoKeyReason, Note, Outcome, Scope};

const SECOND: Micros = 1_000_000;

/// Takes a slot and ends it with a rest of key `k`.
async fn rest(a: &mut Client, keys: &[&str], after: Option<Micros>) -> Verdict {
    let (lease, _) = a.take(&class(keys)).await?;
    a.one(settle(lease, cool(key("k"), after))).await?;
    Ok(())
}

/// Q6, Q8.
pub(super) async fn refuses_or_queues_as_the_ticket_says(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0), ("l", 1.0)])).await?;
    rest(&mut a, &["k"], Some(3 * SECOND)).await?;
    rig.pass(SECOND);
    let (_, answer) = a.acquire(&class(&["k"])).await?;
    ensure_eq!(no_key(&answer)?, (Some(2 * SECOND), NoKeyReason::Cooling), "without waiting");
    ensure_eq!(a.poll().await?.status.tickets, 0, "tickets after a refusal");
    ensure_eq!(a.take(&class(&["k", "l"])).await?.1, "l", "the key that is well");

    let mut patient = a.ask(&class(&["k"]));
    patient.wait_for_cooldown = true;
    let reply = a.send(vec![Command::Acquire(patient.clone())]).await?;
    queued(&reply.answers[0])?;
    ensure_eq!(reply.wake_in, Some(2 * SECOND), "when to look again");
    let mut later = a.ask(&class(&["k"]));
    later.delay = 2 * SECOND;
    queued(&a.one(Command::Acquire(later.clone())).await?)?;
    rig.pass(2 * SECOND - 1);
    ensure_eq!(handed(&a.poll().await?), vec![], "before the rest is over");
    rig.pass(1);
    let reply = a.poll().await?;
    ensure_eq!(handed(&reply), vec![patient.ticket], "the one that waited");
    ensure_eq!(refused(&reply), vec![later.ticket], "the one that does not wait for a probe");
    Ok(())
}

/// Q9, Q10: told at once, on every reply until it leaves, and a place of the buffer until then.
pub(super) async fn tells_queued_tickets_at_once(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 1, &[("k", 1.0), ("l", 1.0)])).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    let (waiting, answer) = a.acquire(&class(&["k"])).await?;
    queued(&answer)?;
    let reply = a.send(vec![settle(lease, cool(key("k"), Some(2 * SECOND)))]).await?;
    let told = |until| Event::NoKey {
        ticket: waiting,
        until: Some(until),
        reason: NoKeyReason::Cooling,
        notes: vec![Note::default()],
    };
    ensure_eq!(reply.events, vec![told(2 * SECOND)], "the event");
    rig.pass(SECOND);
    ensure_eq!(a.poll().await?.events, vec![told(SECOND)], "the event again");
    let mut again = a.ask(&class(&["k"]));
    again.ticket = waiting;
    no_key(&a.one(Command::Acquire(again)).await?)?;
    let (other, _) = a.take(&class(&["l"])).await?;
    let (_, answer) = a.acquire(&class(&["l"])).await?;
    ensure!(matches!(answer, Answer::Full { .. }), "its place is still taken: {answer:?}");
    let reply = a.send(vec![Command::Leave(waiting), end(other)]).await?;
    ensure!(reply.events.is_empty() && reply.status.tickets == 0, "after its leave: {reply:?}");
    Ok(())
}

/// Q6: what its key did is known, whatever became of the lease: a new session may have left it out before
/// its end was heard of, or it ran out. It frees nothing (Q3), ends no rest and makes none longer by a step.
pub(super) async fn is_learnt_from_a_lease_that_is_gone(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0), ("l", 1.0)])).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    let left_out = Command::Restate { leases: Vec::new(), tickets: Vec::new() };
    a.send(vec![left_out.clone(), settle(lease, cool(key("k"), None))]).await?;
    ensure_eq!(a.poll().await?.status.leases, 0, "leases");
    let (_, answer) = a.acquire(&class(&["k"])).await?;
    let (first, _) = no_key(&answer)?;
    ensure!(first.is_some_and(|rest| rest > 0), "it rests: {answer:?}");

    // Of several that failed at once each counts as much as one.
    let gone = a.id();
    a.one(settle(gone, cool(key("k"), None))).await?;
    let (_, answer) = a.acquire(&class(&["k"])).await?;
    ensure_eq!(no_key(&answer)?.0, first, "no further step");
    let well = Outcome { health: vec![Health::Well(key("k"))] };
    a.one(settle(gone, well.clone())).await?;
    a.one(Command::Answered { lease: gone, outcome: well }).await?;
    let (_, answer) = a.acquire(&class(&["k"])).await?;
    ensure_eq!(no_key(&answer)?.0, first, "it may have been well before");

    let outcome = cool(key("l"), Some(SECOND));
    a.one(Command::Answered { lease: gone, outcome: outcome.clone() }).await?;
    no_key(&a.acquire(&class(&["l"])).await?.1)?;
    rig.pass(2 * SECOND);
    let (class, then) = (class(&["k"]), None);
    a.one(Command::Rotate { lease: gone, attempt: 1, outcome, class, then }).await?;
    no_key(&a.acquire(&class_for("m", &["l"])).await?.1)?;
    // Of a key that the limits do not name nothing is kept.
    a.one(settle(gone, cool(key("x"), Some(SECOND)))).await?;
    ensure_eq!(a.poll().await?.status.cooling, 2, "rests");
    Ok(())
}

/// Q6: what is found out otherwise holds as what a call has found, and is extended by being said again.
pub(super) async fn is_begun_without_a_call(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0), ("l", 1.0)])).await?;
    let learn = |scope, after| Command::Learn(cool(scope, after));
    for _ in 0..3 {
        ensure_eq!(a.one(learn(key("k"), Some(2 * SECOND))).await?, Answer::Done, "the answer");
        ensure_eq!(a.take(&class(&["k", "l"])).await?.1, "l", "the other key");
        rig.pass(SECOND);
    }
    let (_, answer) = a.acquire(&class(&["k"])).await?;
    ensure_eq!(no_key(&answer)?, (Some(SECOND), NoKeyReason::Cooling), "since it was last said");
    a.one(learn(key("x"), Some(SECOND))).await?;
    ensure_eq!(a.poll().await?.status.cooling, 1, "a key that the limits do not name");
    // That all is well again is old news while it rests, as that of a call is.
    let well = || Command::Learn(super::client::well(key("k")));
    a.one(well()).await?;
    ensure_eq!(a.poll().await?.status.cooling, 1, "during the rest");
    rig.pass(SECOND);
    a.one(well()).await?;
    ensure_eq!(a.poll().await?.status.cooling, 0, "after the rest");
    Ok(())
}

pub(super) async fn of_the_endpoint_stops_every_key(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(2, 4, &[("k", 1.0), ("l", 1.0)])).await?;
    let (lease, _) = a.take(&class(&["k", "l"])).await?;
    a.one(settle(lease, cool(Scope::Endpoint, Some(SECOND)))).await?;
    let (_, answer) = a.acquire(&class(&["l"])).await?;
    let expected = (Some(SECOND), NoKeyReason::EndpointCooling);
    ensure_eq!(no_key(&answer)?, expected, "while the endpoint rests");
    rig.pass(SECOND);
    let (probe, _) = a.take(&class(&["l"])).await?;
    let (_, answer) = a.acquire(&class(&["k"])).await?;
    let expected = (Some(0), NoKeyReason::EndpointCooling);
    ensure_eq!(no_key(&answer)?, expected, "while the endpoint is probed");
    a.one(settle(probe, super::client::well(Scope::Endpoint))).await?;
    a.take(&class(&["k"])).await?;
    a.take(&class(&["k"])).await?;
    Ok(())
}

pub(super) async fn of_a_key_and_model_spares_other_models(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0)])).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    let scope = Scope::KeyModel("k".into(), "m".into());
    a.one(settle(lease, cool(scope, None))).await?;
    no_key(&a.acquire(&class(&["k"])).await?.1)?;
    a.take(&class_for("n", &["k"])).await?;

    // Nothing is kept of a key that the limits do not name.
    let (lease, _) = a.take(&class_for("n", &["k"])).await?;
    let reply = a.send(vec![settle(lease, cool(key("gone"), None))]).await?;
    ensure_eq!(reply.status.cooling, 1, "scopes that cool");
    Ok(())
}

/// A default rest doubles only if the attempt got its key after the last rest ended.
pub(super) async fn grows_only_with_new_evidence(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(3, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (first, _) = a.take(&wanted).await?;
    let (second, _) = a.take(&wanted).await?;
    let (late, _) = a.take(&wanted).await?;
    a.send(vec![settle(first, cool(key("k"), None)), settle(second, cool(key("k"), None))]).await?;
    let mut expected = SECOND;
    for step in 0..3 {
        let (_, answer) = a.acquire(&wanted).await?;
        let what = format!("rest {step}");
        ensure_eq!(no_key(&answer)?, (Some(expected), NoKeyReason::Cooling), what);
        rig.pass(expected);
        rest(&mut a, &["k"], None).await?;
        expected *= 2;
    }
    // The end of an attempt from before all of this neither grows nor shortens the rest.
    a.one(settle(late, cool(key("k"), None))).await?;
    let (_, answer) = a.acquire(&wanted).await?;
    ensure_eq!(no_key(&answer)?, (Some(expected), NoKeyReason::Cooling), "after old news");

    rig.pass(expected);
    let (probe, _) = a.take(&wanted).await?;
    a.one(settle(probe, super::client::well(key("k")))).await?;
    rest(&mut a, &["k"], None).await?;
    let (_, answer) = a.acquire(&wanted).await?;
    ensure_eq!(no_key(&answer)?, (Some(SECOND), NoKeyReason::Cooling), "growth starts over");
    Ok(())
}

pub(super) async fn obeys_retry_after_within_bounds(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (first, _) = a.take(&wanted).await?;
    let (second, _) = a.take(&wanted).await?;
    let (third, _) = a.take(&wanted).await?;
    let (well, _) = a.take(&wanted).await?;
    let until = |answer: &Answer| no_key(answer).map(|(until, _)| until);
    a.one(settle(first, cool(key("k"), Some(7 * SECOND)))).await?;
    a.one(settle(second, cool(key("k"), Some(SECOND)))).await?;
    let (_, answer) = a.acquire(&wanted).await?;
    ensure_eq!(until(&answer)?, Some(7 * SECOND), "a rest is never shortened");
    a.one(settle(well, super::client::well(key("k")))).await?;
    let (_, answer) = a.acquire(&wanted).await?;
    ensure_eq!(until(&answer)?, Some(7 * SECOND), "nor ended by old good news");
    a.one(settle(third, cool(key("k"), Some(u64::MAX)))).await?;
    let (_, answer) = a.acquire(&wanted).await?;
    ensure_eq!(until(&answer)?, Some(rig.timing().max_cooldown), "no rest is longer");
    let mut later = a.ask(&wanted);
    later.wait_for_cooldown = true;
    queued(&a.one(Command::Acquire(later)).await?)?;
    granted(&a.acquire(&class_for("x", &["k"])).await?.1).map_or(Ok(()), |found| {
        Err(format!("a key that rests was granted for another model: {found:?}"))
    })
}

/// Whatever clients make up, a real rest stays, and what is kept has a bound.
pub(super) async fn of_missing_models_never_end_a_real_one(rig: Rig) -> Verdict {
    const MADE_UP: usize = 2_000;
    let mut a = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0)])).await?;
    let scope = |model: &str| Scope::KeyModel("k".into(), model.into());
    let (lease, _) = a.take(&class(&["k"])).await?;
    a.one(settle(lease, cool(scope("m"), Some(SECOND)))).await?;
    let (lease, _) = a.take(&class_for("x", &["k"])).await?;
    let missing = |n: usize| Health::Cool {
        scope: scope(&format!("made-up-{n}")),
        retry_after: None,
        base: 60 * SECOND,
        max: 60 * SECOND,
        missing: true,
        note: Note::from("no such model"),
    };
    let all: Vec<_> = (0..MADE_UP).map(missing).collect();
    for some in all.chunks(16 * 100) {
        let told = some.chunks(16).map(|health| {
            let outcome = Outcome { health: health.to_vec() };
            Command::Answered { lease, outcome }
        });
        a.send(told.collect()).await?;
    }
    no_key(&a.acquire(&class(&["k"])).await?.1)?;
    no_key(&a.acquire(&class_for(&format!("made-up-{}", MADE_UP - 1), &["k"])).await?.1)?;
    let cooling = a.poll().await?.status.cooling;
    ensure!(cooling < 1_100, "{cooling} scopes are kept");
    a.one(end(lease)).await?;
    rig.pass(60 * SECOND);
    for _ in 0..20 {
        a.poll().await?;
    }
    ensure_eq!(a.poll().await?.status.cooling, 1, "of those the real one is remembered");
    Ok(())
}

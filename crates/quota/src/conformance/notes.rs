//! What is said of a rest: kept as long as it, told to whoever it stops, at whatever router.

use super::client::{Client, class, class_for, cool, cool_for, key, limits, notes, settle, well};
use super::{Rig, Verdict};
use crate::{Command, Event, Micros, NOTES_MAX, Note, Scope};

const SECOND: Micros = 1_000_000;

/// Takes a slot and ends it with a rest of a scope, of two seconds if not said otherwise.
async fn rest(a: &mut Client, keys: &[&str], scope: Scope, note: &str) -> Verdict {
    let (lease, _) = a.take(&class(keys)).await?;
    a.one(settle(lease, cool_for(scope, Some(2 * SECOND), note))).await?;
    Ok(())
}

/// What a request for these keys is told.
async fn told(client: &mut Client, keys: &[&str]) -> Result<Vec<String>, String> {
    let (_, answer) = client.acquire(&class(keys)).await?;
    Ok(notes(&answer)?.into_iter().map(str::to_owned).collect())
}

pub(super) async fn are_told_at_every_router(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0), ("l", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    rest(&mut a, &["k"], key("k"), "no").await?;
    ensure_eq!(told(&mut b, &["k"]).await?, ["no"], "at the other router");
    rest(&mut a, &["l"], key("l"), "").await?;
    ensure_eq!(told(&mut b, &["l", "k"]).await?, ["no", ""], "in the order of the limits");
    ensure_eq!(told(&mut b, &["l"]).await?, [""], "of a rest without words");
    ensure_eq!(told(&mut b, &["unknown"]).await?, [""; 0], "of an unknown key");
    Ok(())
}

pub(super) async fn are_told_to_tickets_that_wait(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 1, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    let waiting = b.ask(&class(&["k"]));
    let ticket = waiting.ticket;
    b.one(Command::Acquire(waiting.clone())).await?;
    a.one(settle(lease, cool_for(key("k"), None, "no"))).await?;
    let events = b.poll().await?.events;
    let [Event::NoKey { ticket: refused, notes: said, .. }] = &events[..] else {
        return Err(format!("found {events:?}, expected a refusal"));
    };
    ensure_eq!((*refused, &said[..]), (ticket, &[Note::from("no")][..]), "the event");
    let again = b.one(Command::Acquire(waiting)).await?;
    ensure_eq!(notes(&again)?, ["no"], "asked again");
    Ok(())
}

pub(super) async fn go_with_their_rest(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(8, 4, &[("k", 1.0)])).await?;
    let (late, _) = a.take(&class(&["k"])).await?;
    rest(&mut a, &["k"], key("k"), "first").await?;
    a.one(settle(late, cool_for(key("k"), Some(1), "second"))).await?;
    ensure_eq!(told(&mut a, &["k"]).await?, ["second"], "the last words");

    rig.pass(2 * SECOND);
    let (probe, _) = a.take(&class(&["k"])).await?;
    ensure_eq!(told(&mut a, &["k"]).await?, ["second"], "while it is probed");
    a.one(settle(probe, well(key("k")))).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    a.one(settle(lease, cool(key("k"), None))).await?;
    ensure_eq!(told(&mut a, &["k"]).await?, [""], "of another rest, without words");
    Ok(())
}

pub(super) async fn are_those_of_the_rest_that_ends_last(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(8, 4, &[("k", 1.0), ("l", 1.0)])).await?;
    let leases = [
        a.take(&class(&["k"])).await?.0,
        a.take(&class(&["k"])).await?.0,
        a.take(&class(&["k"])).await?.0,
        a.take(&class(&["k"])).await?.0,
    ];
    let of_model = Scope::KeyModel("k".into(), "m".into());
    let say = |at: usize, scope: Scope, rest: Micros, note: &str| {
        settle(leases[at], cool_for(scope, Some(rest), note))
    };
    a.one(say(0, of_model.clone(), 3 * SECOND, "model")).await?;
    a.one(say(1, key("k"), 2 * SECOND, "key")).await?;
    ensure_eq!(told(&mut a, &["k"]).await?, ["model"], "of key and model");
    let (_, other) = a.acquire(&class_for("n", &["k"])).await?;
    ensure_eq!(notes(&other)?, ["key"], "for another model");
    a.one(say(2, key("k"), 3 * SECOND, "key")).await?;
    ensure_eq!(told(&mut a, &["k"]).await?, ["model"], "of two that end at once");
    a.one(say(3, Scope::Endpoint, 5 * SECOND, "all")).await?;
    ensure_eq!(told(&mut a, &["k", "l"]).await?, ["all"], "of the endpoint, for all of its keys");
    Ok(())
}

pub(super) async fn are_told_once_each_and_not_without_end(rig: Rig) -> Verdict {
    let names: Vec<String> = (10..40).map(|n| format!("k{n}")).collect();
    let keys: Vec<_> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
    let mut a = Client::start(&rig, 1, limits(4, 4, &keys)).await?;
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    for name in &all {
        rest(&mut a, &[name], key(name), "same").await?;
    }
    ensure_eq!(told(&mut a, &all).await?, ["same"], "thirty times the same");
    rig.pass(2 * SECOND);
    for name in &all {
        rest(&mut a, &[name], key(name), name).await?;
    }
    ensure_eq!(told(&mut a, &all).await?, all[..NOTES_MAX], "thirty different ones");
    Ok(())
}

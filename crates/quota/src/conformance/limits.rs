//! Limits: set once, replaced by generation, resized in place.

use super::client::{Client, class, end, granted, handed, limits, no_key, queued};
use super::{Rig, Verdict};
use crate::{Answer, Command, Limits, NoKeyReason};

pub(super) async fn are_set_once_and_then_replaced(rig: Rig) -> Verdict {
    let mut a = Client::hello(&rig, 1).await?;
    let wanted = class(&["k"]);
    let (_, answer) = a.acquire(&wanted).await?;
    ensure_eq!(answer, Answer::LimitsInForce(Limits::unset()), "an acquire before any limits");

    let first = limits(1, 2, &[("k", 1.0)]);
    let set = Command::SetLimits { limits: first.clone(), replaces: None };
    let reply = a.send(vec![set.clone(), Command::Acquire(a.clone().ask(&wanted))]).await?;
    ensure_eq!(reply.answers[0], Answer::Done, "first limits");
    granted(&reply.answers[1])?;
    ensure_eq!(reply.status.limits_hash, 1, "hash in force");
    ensure_eq!(a.one(set).await?, Answer::Done, "the same limits again");

    let mut b = Client::hello(&rig, 2).await?;
    let other = Limits { hash: 2, ..limits(9, 9, &[("k", 1.0)]) };
    let set = Command::SetLimits { limits: other.clone(), replaces: None };
    ensure_eq!(b.one(set).await?, Answer::LimitsInForce(first), "limits that replace nothing");

    let next = Limits { generation: 2, ..other };
    let set = Command::SetLimits { limits: next.clone(), replaces: Some(1) };
    ensure_eq!(b.one(set).await?, Answer::Done, "the next generation");
    let late = Limits { generation: 2, hash: 3, ..next.clone() };
    let set = Command::SetLimits { limits: late, replaces: Some(1) };
    ensure_eq!(a.one(set).await?, Answer::LimitsInForce(next), "a generation that is gone");
    Ok(())
}

/// Q15: who comes back with an older configuration does not undo a newer one, as long as anybody is there
/// who has it.
pub(super) async fn that_were_superseded_do_not_return(rig: Rig) -> Verdict {
    let made = |hash: u64, generation| {
        let concurrency = u32::try_from(hash).unwrap_or(1);
        Limits { hash, generation, ..limits(concurrency, 2, &[("k", 1.0)]) }
    };
    let set = |hash, generation: u64| Command::SetLimits {
        limits: made(hash, generation),
        replaces: (generation > 1).then(|| generation - 1),
    };
    let mut a = Client::hello(&rig, 1).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let mut c = Client::hello(&rig, 3).await?;
    a.one(set(8, 1)).await?;
    ensure_eq!(b.one(set(2, 2)).await?, Answer::Done, "a newer configuration");
    let refused = Answer::LimitsInForce(made(2, 2));
    ensure_eq!(a.one(set(8, 3)).await?, refused, "the older one again");
    ensure_eq!(a.poll().await?.status.limits_hash, 2, "told by every reply");
    ensure_eq!(c.one(set(8, 3)).await?, refused, "and from somebody else");
    ensure_eq!(b.one(set(9, 3)).await?, Answer::Done, "one that was never in force");
    ensure_eq!(c.one(set(2, 4)).await?, Answer::LimitsInForce(made(9, 3)), "one in between");
    ensure_eq!(a.one(set(8, 4)).await?, Answer::LimitsInForce(made(9, 3)), "the first");

    // Taken back: by one that had the newer ones, before the others have heard of it.
    let mut d = Client::hello(&rig, 4).await?;
    ensure_eq!(d.one(set(9, 1)).await?, Answer::LimitsInForce(made(9, 3)), "one that had them too");
    ensure_eq!(b.one(set(2, 4)).await?, Answer::Done, "by the first that reads it");
    ensure_eq!(
        d.one(set(9, 5)).await?,
        Answer::LimitsInForce(made(2, 4)),
        "by who had them before"
    );
    d.one(Command::Bye).await?;

    // Offered again, as no news: not while somebody has those that are in force, remembered or not.
    let again = |hash, generation: u64| Command::SetLimits {
        limits: made(hash, generation + 1),
        replaces: Some(generation - 1),
    };
    ensure_eq!(a.one(again(7, 5)).await?, Answer::LimitsInForce(made(2, 4)), "no news");
    b.one(Command::Bye).await?;
    c.one(Command::Bye).await?;
    ensure_eq!(a.one(again(8, 5)).await?, Answer::Done, "when nobody is left");

    let mut d = Client::hello(&rig, 5).await?;
    ensure_eq!(d.one(set(3, 7)).await?, Answer::Done, "a newer configuration");
    let mut waited = 0;
    while waited < rig.timing().lease_ttl {
        ensure_eq!(a.one(again(8, 8)).await?, Answer::LimitsInForce(made(3, 7)), "while it lives");
        let step = rig.timing().lease_ttl / 4;
        rig.pass(step);
        waited += step;
    }
    ensure_eq!(a.one(again(8, 8)).await?, Answer::Done, "by who has outlived it");
    Ok(())
}

/// Q1: a shrunk limit drains, nothing is cut and nothing granted until it is kept again.
pub(super) async fn shrink_drains_and_growth_hands_out(rig: Rig) -> Verdict {
    let first = limits(3, 4, &[("k", 1.0)]);
    let mut a = Client::start(&rig, 1, first.clone()).await?;
    let wanted = class(&["k"]);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(a.take(&wanted).await?.0);
    }
    let (waiting, answer) = a.acquire(&wanted).await?;
    queued(&answer)?;

    let smaller = Limits { generation: 2, concurrency: 1, ..first.clone() };
    a.one(Command::SetLimits { limits: smaller, replaces: Some(1) }).await?;
    let reply = a.send(vec![end(held[0]), end(held[1])]).await?;
    ensure_eq!((reply.status.leases, handed(&reply).len()), (1, 0), "draining to the new limit");

    let larger = Limits { generation: 3, concurrency: 2, ..first };
    let reply = a.send(vec![Command::SetLimits { limits: larger, replaces: Some(2) }]).await?;
    ensure_eq!(handed(&reply), vec![waiting], "hand-off by growth");
    Ok(())
}

pub(super) async fn a_class_without_known_keys_is_refused(rig: Rig) -> Verdict {
    let first = limits(1, 2, &[("k", 1.0), ("l", 1.0)]);
    let mut a = Client::start(&rig, 1, first).await?;
    let (_, answer) = a.acquire(&class(&["x"])).await?;
    ensure_eq!(no_key(&answer)?, (None, NoKeyReason::Unknown), "a class of unknown keys");
    let (_, answer) = a.acquire(&class(&[])).await?;
    ensure_eq!(no_key(&answer)?, (None, NoKeyReason::Unknown), "a class of no keys");

    a.take(&class(&["k"])).await?;
    let mut ask = a.ask(&class(&["l"]));
    ask.wait_for_cooldown = true;
    let waiting = ask.ticket;
    queued(&a.one(Command::Acquire(ask)).await?)?;
    let without = Limits { generation: 2, ..limits(1, 2, &[("k", 1.0)]) };
    let reply = a.send(vec![Command::SetLimits { limits: without, replaces: Some(1) }]).await?;
    ensure_eq!(super::client::refused(&reply), vec![waiting], "tickets whose key was removed");
    Ok(())
}

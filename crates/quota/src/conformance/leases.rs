//! Leases: counted by identity, reclaimed unless renewed, re-asserted by their routers.

use super::client::{Client, class, end, granted, handed, key, limits, queued};
use super::{Rig, Verdict};
use crate::{Answer, Command, Outcome};

/// Q3.
pub(super) async fn an_end_counts_once(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(2, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (first, _) = a.take(&wanted).await?;
    let (second, _) = a.take(&wanted).await?;
    let (waiting, _) = a.acquire(&wanted).await?;
    let reply = a.send(vec![end(first), end(first), end(first)]).await?;
    ensure_eq!(reply.answers, vec![Answer::Done; 3], "answers");
    ensure_eq!(handed(&reply), vec![waiting], "one slot freed");
    ensure_eq!(reply.status.leases, 2, "leases");

    // What its key did counts, and frees nothing.
    let cooling = super::client::cool(key("k"), None);
    let reply = a.send(vec![super::client::settle(first, cooling)]).await?;
    ensure_eq!((reply.status.leases, reply.status.cooling), (2, 1), "after a late settle");
    a.one(Command::Leave(first)).await?;
    ensure_eq!(a.send(vec![end(second)]).await?.status.leases, 1, "the other lease");
    Ok(())
}

/// Q4, Q9: whatever a router held when it was killed comes back, tickets too.
pub(super) async fn a_dead_router_leaks_no_slot(rig: Rig) -> Verdict {
    let ttl = rig.timing().lease_ttl;
    let mut dead = Client::start(&rig, 1, limits(4, 4, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let wanted = class(&["k"]);
    for _ in 0..4 {
        dead.take(&wanted).await?;
    }
    for _ in 0..3 {
        queued(&dead.acquire(&wanted).await?.1)?;
    }
    let (waiting, answer) = b.acquire(&wanted).await?;
    queued(&answer)?;
    for quarter in 1..=4 {
        ensure_eq!(b.poll().await?.status.leases, 4, format!("leases in quarter {quarter}"));
        rig.pass(ttl / 4);
    }
    let reply = b.poll().await?;
    ensure_eq!(handed(&reply), vec![waiting], "the survivor's ticket");
    let left = (reply.status.leases, reply.status.tickets, reply.status.routers);
    ensure_eq!(left, (1, 0, 1), "what is left of the dead router");
    granted(&b.one(Command::Claim(waiting)).await?)?;
    for _ in 0..3 {
        b.take(&wanted).await?;
    }
    Ok(())
}

/// Q4.
pub(super) async fn renewal_keeps_a_lease_alive(rig: Rig) -> Verdict {
    let ttl = rig.timing().lease_ttl;
    let mut a = Client::start(&rig, 1, limits(2, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (kept, _) = a.take(&wanted).await?;
    a.take(&wanted).await?;
    for _ in 0..6 {
        rig.pass(ttl / 3);
        a.one(Command::Renew(vec![Client::held(kept, "k")])).await?;
    }
    ensure_eq!(a.poll().await?.status.leases, 1, "the renewed lease");
    rig.pass(ttl - 1);
    ensure_eq!(a.poll().await?.status.leases, 1, "just before its end");
    rig.pass(1);
    ensure_eq!(a.poll().await?.status.leases, 0, "at its end");
    Ok(())
}

/// Q4: who is told again that it was granted a slot has not known that it has to renew it.
pub(super) async fn what_is_granted_again_lives_from_then_on(rig: Rig) -> Verdict {
    let almost = rig.timing().lease_ttl - 1;
    let mut a = Client::start(&rig, 1, limits(2, 4, &[("k", 1.0), ("l", 1.0)])).await?;
    let ask = a.ask(&class(&["k"]));
    let rotate = Command::Rotate {
        lease: ask.ticket,
        attempt: 1,
        outcome: Outcome::default(),
        class: class(&["l"]),
        then: None,
    };
    for command in [Command::Acquire(ask.clone()), rotate] {
        for turn in 0..3 {
            let answer = a.one(command.clone()).await?;
            granted(&answer).map_err(|found| format!("turn {turn}: {found}"))?;
            rig.pass(almost);
        }
    }
    ensure_eq!(a.poll().await?.status.leases, 1, "just before its end");
    a.one(end(ask.ticket)).await?;
    // A hand-off of which nothing is heard.
    let wanted = class(&["k"]);
    let (running, other) = (a.take(&wanted).await?.0, a.take(&wanted).await?.0);
    let (waiting, answer) = a.acquire(&wanted).await?;
    queued(&answer)?;
    let before = a.heard;
    for turn in 0..3 {
        let told = vec![end(running), Command::Renew(vec![Client::held(other, "k")])];
        let reply = a.send(told).await?;
        ensure_eq!(handed(&reply), vec![waiting], format!("turn {turn}"));
        a.heard = before;
        rig.pass(almost);
    }
    ensure_eq!(a.poll().await?.status.leases, 2, "kept although nothing was heard of it");
    Ok(())
}

/// Q1: re-inserted even above the limit, and then nothing is granted.
pub(super) async fn an_unknown_renewed_lease_is_counted(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (first, _) = a.take(&wanted).await?;
    let (waiting, _) = a.acquire(&wanted).await?;
    let unknown = a.id();
    let reply = a.send(vec![Command::Renew(vec![Client::held(unknown, "k")])]).await?;
    ensure_eq!(reply.status.leases, 2, "leases above the limit");
    let reply = a.send(vec![end(first)]).await?;
    ensure_eq!((reply.status.leases, handed(&reply).len()), (1, 0), "after one ended");
    ensure_eq!(handed(&a.send(vec![end(unknown)]).await?), vec![waiting], "after both ended");

    // A pool that lost the claim takes the router's word for it.
    let reply = a.send(vec![Command::Renew(vec![Client::held(waiting, "k")])]).await?;
    ensure!(reply.events.is_empty(), "a renewed hand-off is claimed: {:?}", reply.events);
    ensure_eq!((reply.status.leases, reply.status.tickets), (1, 0), "leases and tickets");
    Ok(())
}

pub(super) async fn restate_replaces_what_the_pool_holds(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(2, 2, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let wanted = class(&["k"]);
    let (kept, _) = a.take(&wanted).await?;
    let (forgotten, _) = a.take(&wanted).await?;
    let (older, mut fresh) = (a.ask(&wanted), a.ask(&wanted));
    let place = queued(&a.one(Command::Acquire(older.clone())).await?)?;
    let (of_b, _) = b.acquire(&wanted).await?;
    ensure_eq!(handed(&a.send(vec![end(forgotten)]).await?), vec![older.ticket], "handed off");

    // The restate knows nothing of the hand-off, and of more tickets than the buffer holds.
    let restated = crate::Acquire { arrival: Some(place), ..older.clone() };
    fresh.arrival = Some(place + 1);
    let more = crate::Acquire { arrival: Some(place + 2), ..a.ask(&wanted) };
    let restate = Command::Restate {
        leases: vec![Client::held(kept, "k")],
        tickets: vec![more, fresh.clone(), restated],
    };
    for _ in 0..2 {
        let reply = a.send(vec![restate.clone()]).await?;
        ensure_eq!(reply.answers[0], Answer::Done, "restate");
        ensure_eq!(handed(&reply), vec![older.ticket], "handed off anew, in its place");
        ensure_eq!((reply.status.leases, reply.status.tickets), (2, 3), "gauges");
    }
    granted(&a.one(Command::Claim(older.ticket)).await?)?;
    let reply = a.send(vec![end(kept)]).await?;
    ensure!(handed(&reply).len() + handed(&b.poll().await?).len() == 1, "one slot, one ticket");

    let nothing = Command::Restate { leases: vec![], tickets: vec![] };
    a.one(nothing).await?;
    let reply = b.poll().await?;
    ensure_eq!(handed(&reply), vec![of_b], "a router that holds nothing frees everything");
    ensure_eq!((reply.status.leases, reply.status.tickets), (1, 0), "gauges at the end");
    Ok(())
}

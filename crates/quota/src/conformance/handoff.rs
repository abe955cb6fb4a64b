//! Hand-offs: told until claimed, taken back when not, and who is rung for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::client::{Client, class, end, granted, handed, limits, queued};
use super::{Rig, Verdict};
use crate::{Acquire, Answer, Command, Event};

/// The reply that tells of it makes it a lease: no further batch is needed.
pub(super) async fn is_claimed_by_the_batch_that_tells_of_it(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let wanted = class(&["k"]);
    let (running, _) = a.take(&wanted).await?;
    let (of_a, answer) = a.acquire(&wanted).await?;
    let place = queued(&answer)?;
    let (of_b, answer) = b.acquire(&wanted).await?;
    queued(&answer)?;
    ensure_eq!(a.one(Command::Claim(of_a)).await?, Answer::ClaimRefused, "nothing to claim");
    let reply = a.send(vec![end(running)]).await?;
    let (key, arrival, claimed) = ("k".into(), place, true);
    let expected = Event::HandedOff { ticket: of_a, key, arrival, claimed };
    ensure_eq!(reply.events, vec![expected], "the caller's own");
    ensure_eq!((reply.status.leases, reply.status.tickets), (1, 1), "gauges with a hand-off");
    rig.pass(rig.timing().claim_limit / 2);
    b.poll().await?;
    rig.pass(rig.timing().claim_limit / 2);
    ensure_eq!(a.poll().await?.events, vec![], "what was heard is not told again");
    b.poll().await?;
    ensure_eq!(b.poll().await?.status.leases, 1, "a lease outlives the claim limit");
    ensure_eq!(granted(&a.one(Command::Claim(of_a)).await?)?, ("k".to_owned(), place), "a claim");
    a.one(end(of_a)).await?;
    let reply = b.poll().await?;
    let is_claimed = |event: &Event| matches!(event, Event::HandedOff { claimed: true, .. });
    ensure!(reply.events.iter().all(is_claimed), "the other's, when it speaks: {reply:?}");
    ensure_eq!(handed(&reply), vec![of_b], "the next in line");
    Ok(())
}

/// A reply that is lost neither loses nor doubles the lease.
pub(super) async fn is_told_until_it_is_heard(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (running, _) = a.take(&wanted).await?;
    let (waiting, answer) = a.acquire(&wanted).await?;
    queued(&answer)?;
    let ask = Acquire { ticket: waiting, ..a.clone().ask(&wanted) };
    let before = a.heard;
    for turn in 0..3 {
        a.heard = before;
        // The same is said again until an answer arrives.
        let reply = a.send(vec![end(running)]).await?;
        ensure_eq!(handed(&reply), vec![waiting], format!("turn {turn}"));
        ensure_eq!(reply.status.leases, 1, format!("leases, turn {turn}"));
    }
    ensure_eq!(a.poll().await?.events, vec![], "heard");
    // Who doubts all says hello; what it does not name as a lease is none.
    a.greet(false).await?;
    let tickets = vec![Acquire { arrival: Some(1), ..ask }];
    let reply = a.send(vec![Command::Restate { leases: vec![], tickets }]).await?;
    ensure_eq!(handed(&reply), vec![waiting], "after a restate");
    ensure_eq!((reply.status.leases, reply.status.tickets), (1, 0), "one lease");
    Ok(())
}

/// Q10: what one router does not hear of goes on to the next; its place is kept.
pub(super) async fn goes_on_when_its_claim_lapses(rig: Rig) -> Verdict {
    let limit = rig.timing().claim_limit;
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let mut c = Client::hello(&rig, 3).await?;
    let wanted = class(&["k"]);
    let (running, _) = c.take(&wanted).await?;
    let (of_a, _) = a.acquire(&wanted).await?;
    let (also_of_a, _) = a.acquire(&wanted).await?;
    let (of_b, _) = b.acquire(&wanted).await?;
    let reply = c.send(vec![end(running)]).await?;
    ensure_eq!(reply.status.leases, 1, "handed to the silent router");
    ensure_eq!(b.poll().await?.wake_in, Some(limit), "when the claim lapses");
    rig.pass(limit - 1);
    ensure_eq!(handed(&b.poll().await?), vec![], "before");
    rig.pass(1);
    ensure_eq!(handed(&b.poll().await?), vec![of_b], "on to the next router");
    let reply = a.send(vec![Command::Claim(of_a)]).await?;
    ensure_eq!(reply.answers[0], Answer::ClaimRefused, "a late claim");
    ensure_eq!(reply.status.tickets, 2, "tickets that keep their place");
    ensure_eq!(b.send(vec![end(of_b)]).await?.events, vec![], "nothing more for b");
    ensure_eq!(handed(&a.poll().await?), vec![of_a], "back to the older one, in its place");

    rig.pass(limit);
    let reply = c.send(vec![Command::Acquire(c.clone().ask(&wanted))]).await?;
    queued(&reply.answers[0])?;
    let reply = a.send(vec![end(of_a)]).await?;
    ensure_eq!(handed(&reply), vec![also_of_a], "an unheard router is heard by its own batch");
    Ok(())
}

/// Q5: a router not heard for a claim limit is passed over until it is, and keeps its place.
pub(super) async fn passes_a_silent_router(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let wanted = class(&["k"]);
    let (running, _) = b.take(&wanted).await?;
    let (of_a, _) = a.acquire(&wanted).await?;
    let (of_b, _) = b.acquire(&wanted).await?;
    rig.pass(rig.timing().claim_limit);
    ensure_eq!(handed(&b.send(vec![end(running)]).await?), vec![of_b], "the router that is heard");
    granted(&b.one(Command::Claim(of_b)).await?)?;
    a.poll().await?;
    b.acquire(&wanted).await?;
    ensure_eq!(handed(&b.send(vec![end(of_b)]).await?), vec![], "nothing for b");
    ensure_eq!(handed(&a.poll().await?), vec![of_a], "the older ticket of a router heard again");
    Ok(())
}

pub(super) async fn rings_for_other_routers_only(rig: Rig) -> Verdict {
    let rung = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&rung);
    let pool = rig.pool().clone();
    rig.store().on_bell(Arc::new(move |of| {
        counter.fetch_add(u32::from(*of == pool), Ordering::SeqCst);
    }));
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let wanted = class(&["k"]);
    let (first, _) = a.take(&wanted).await?;
    let (second, _) = a.acquire(&wanted).await?;
    a.one(end(first)).await?;
    granted(&a.one(Command::Claim(second)).await?)?;
    ensure_eq!(rung.load(Ordering::SeqCst), 0, "rings for the caller's own tickets");
    b.acquire(&wanted).await?;
    a.one(end(second)).await?;
    ensure_eq!(rung.load(Ordering::SeqCst), 1, "rings for another router's ticket");
    Ok(())
}

/// Q9: waiting, delayed, handed off, running, refused, unknown.
pub(super) async fn leave_ends_a_ticket_in_any_state(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 9, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (running, _) = a.take(&wanted).await?;
    let (next, _) = a.acquire(&wanted).await?;
    let (waiting, _) = a.acquire(&wanted).await?;
    let mut delayed = a.ask(&wanted);
    delayed.delay = 1_000;
    let delayed = {
        let id = delayed.ticket;
        a.one(Command::Acquire(delayed)).await?;
        id
    };
    ensure_eq!(handed(&a.send(vec![Command::Leave(running)]).await?), vec![next], "left running");
    let unknown = a.id();
    let leave: Vec<_> = [delayed, unknown, waiting, next].map(Command::Leave).into();
    let reply = a.send(leave.clone()).await?;
    ensure_eq!(reply.answers, vec![Answer::Done; 4], "answers to leave");
    ensure_eq!((reply.status.leases, reply.status.tickets), (0, 0), "what is left");
    ensure!(reply.events.is_empty(), "events of left tickets: {:?}", reply.events);
    ensure_eq!(a.send(leave).await?.status.leases, 0, "leaving twice");
    a.take(&wanted).await?;
    Ok(())
}

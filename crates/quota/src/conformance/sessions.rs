//! Sessions and sequences: what is refused is refused whole, and the pool's time.

use super::client::{Client, class, cool_for, end, granted, handed, key, limits, queued, settle};
use super::{Rig, Verdict};
use crate::{
    Answer, Batch, COMMANDS_MAX, Command, Incarnation, Limits, NOTE_MAX, StoreError, TicketId,
};

/// Q8.
pub(super) async fn another_session_or_an_old_sequence_changes_nothing(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(2, 2, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let mut stranger = a.clone();
    stranger.router = Incarnation(9);
    let batch = |client: &Client, session, sequence| Batch {
        router: client.router,
        session,
        sequence,
        heard: 0,
        was_in_share: false,
        knows_pool: false,
        commands: vec![Command::Acquire(client.clone().ask(&wanted))],
    };
    let tries = [
        batch(&a, a.session + 1, a.sequence + 1),
        batch(&a, a.session, a.sequence),
        batch(&a, a.session, 0),
        batch(&stranger, a.session, a.sequence + 1),
    ];
    for one in tries {
        ensure_eq!(a.execute(one).await, Err(StoreError::StaleSession), "a stale batch");
    }
    ensure_eq!(a.poll().await?.status.leases, 0, "leases after refused batches");

    let (before, sequence) = (a.session, a.sequence);
    let hello = a.greet(false).await?;
    ensure!(hello.answers.is_empty(), "a hello was answered with {:?}", hello.answers);
    ensure!(a.session > before, "session {} after {before}", a.session);
    let old = batch(&a, before, sequence + 1);
    ensure_eq!(a.execute(old).await, Err(StoreError::StaleSession), "the earlier session");
    let skipping = batch(&a, a.session, 9);
    granted(&a.execute(skipping).await.map_err(|error| error.to_string())?.answers[0])?;
    Ok(())
}

/// Q8, Q1: whose hello comes late, or once more, has heard what it was granted since, and may say nothing
/// of it for longer than a claim limit.
pub(super) async fn a_late_hello_changes_nothing(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 2, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let wanted = class(&["k"]);
    let (lease, _) = a.take(&wanted).await?;
    let (waiting, answer) = b.acquire(&wanted).await?;
    queued(&answer)?;
    for heard in [0, a.session - 1] {
        let late = Batch { knows_pool: heard > 0, heard, ..Batch::hello(a.router) };
        ensure_eq!(a.execute(late).await, Err(StoreError::StaleSession), "a late hello");
        rig.pass(rig.timing().claim_limit);
        ensure_eq!(handed(&b.poll().await?), vec![], "the slot is in use");
    }
    ensure_eq!(handed(&a.poll().await?), vec![], "its session goes on");
    b.poll().await?;
    a.one(end(lease)).await?;
    ensure_eq!(handed(&b.poll().await?), vec![waiting], "then the next");
    // One that nobody has spoken after is answered, however often it comes.
    a.greet(false).await?;
    let again = Batch { heard: a.session - 1, ..Batch::hello(a.router) };
    let session = a.execute(again).await.map_err(|error| error.to_string())?.session;
    ensure_eq!(a.try_send(vec![]).await, Err(StoreError::StaleSession), "the one before");
    a.greet(false).await?;
    ensure!(a.session > session, "session {} after {session}", a.session);
    a.poll().await?;
    Ok(())
}

/// Q8.
pub(super) async fn malformed_batches_are_rejected_whole(rig: Rig) -> Verdict {
    let first = limits(2, 2, &[("k", 1.0)]);
    let mut a = Client::start(&rig, 1, first.clone()).await?;
    let wanted = class(&["k"]);
    let good = Command::Acquire(a.ask(&wanted));
    let foreign = TicketId { router: Incarnation(2), number: 1 };
    let own = a.id();
    let mut same = a.ask(&wanted);
    same.ticket = own;
    let set = |keys: &[(&str, f64)], concurrency| Command::SetLimits {
        limits: Limits { generation: 2, ..limits(concurrency, 2, keys) },
        replaces: Some(1),
    };
    let too_long = cool_for(key("k"), None, &"a".repeat(NOTE_MAX + 1));
    let bad = vec![
        Command::Claim(foreign),
        Command::Leave(foreign),
        Command::Renew(vec![Client::held(foreign, "k")]),
        Command::Renew(vec![Client::held(own, "k"), Client::held(own, "k")]),
        Command::Restate { leases: vec![Client::held(own, "k")], tickets: vec![same.clone()] },
        Command::Settle { lease: own, outcome: crate::Outcome::default(), then: Some(same) },
        settle(own, too_long),
        set(&[("k", f64::NAN)], 1),
        set(&[("k", -1.0)], 1),
        set(&[("k", f64::INFINITY)], 1),
        set(&[("k", f64::MAX), ("l", f64::MAX)], 1),
        set(&[("k", 1.0), ("k", 1.0)], 1),
        set(&[("k", 1.0)], 0),
        Command::SetLimits { limits: first, replaces: Some(1) },
    ];
    for one in bad {
        let outcome = a.try_send(vec![good.clone(), one.clone()]).await;
        ensure!(matches!(outcome, Err(StoreError::Rejected(_))), "{one:?} gave {outcome:?}");
        a.sequence -= 1;
    }
    let outcome = a.try_send(vec![Command::Bye, good.clone()]).await;
    ensure!(matches!(outcome, Err(StoreError::Rejected(_))), "words after a farewell: {outcome:?}");
    a.sequence -= 1;
    let many = vec![Command::Leave(own); COMMANDS_MAX + 1];
    let outcome = a.try_send(many).await;
    ensure!(matches!(outcome, Err(StoreError::Rejected(_))), "too many commands: {outcome:?}");
    a.sequence -= 1;
    let hello = Batch { commands: vec![good], ..Batch::hello(a.router) };
    let outcome = a.execute(hello).await;
    ensure!(matches!(outcome, Err(StoreError::Rejected(_))), "a loaded hello: {outcome:?}");
    ensure_eq!(a.poll().await?.status.leases, 0, "leases after rejected batches");
    Ok(())
}

/// Q11: whoever says hello has not heard its last answer, and may hear none for long.
pub(super) async fn a_hello_holds_up_nobody(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(2, 2, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let wanted = class(&["k"]);
    let (known, _) = a.take(&wanted).await?;
    rig.pass(1000);
    let (unknown, waiting) = (a.ask(&wanted), a.ask(&wanted));
    let lost = vec![Command::Acquire(unknown.clone()), Command::Acquire(waiting)];
    let reply = a.send(lost).await?;
    granted(&reply.answers[0])?;
    queued(&reply.answers[1])?;
    let (of_b, answer) = b.acquire(&wanted).await?;
    queued(&answer)?;
    for _ in 0..3 {
        let reply = a.greet(true).await?;
        ensure_eq!((reply.status.leases, reply.status.tickets), (2, 1), "what waited is gone");
        rig.pass(rig.timing().claim_limit / 4);
        ensure_eq!(handed(&b.poll().await?), vec![], "what was granted may be in use");
    }
    rig.pass(rig.timing().claim_limit / 4);
    ensure_eq!(handed(&b.poll().await?), vec![of_b], "a slot that nobody speaks of");
    let (next, answer) = b.acquire(&wanted).await?;
    queued(&answer)?;
    a.greet(true).await?;
    let reply = b.send(vec![end(of_b)]).await?;
    ensure_eq!(handed(&reply), vec![next], "nothing is handed to whoever only greets");
    let leases = [known, unknown.ticket].map(|lease| Client::held(lease, "k")).to_vec();
    let reply = a.send(vec![Command::Restate { leases, tickets: vec![] }]).await?;
    ensure_eq!(reply.status.leases, 3, "said again, it counts");
    Ok(())
}

pub(super) async fn pool_time_never_goes_back(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 2, &[("k", 1.0)])).await?;
    rig.pass(5_000_000);
    let before = a.poll().await?.now;
    rig.set_back(3_000_000);
    let after = a.poll().await?.now;
    ensure!(after >= before, "pool time went from {before} to {after}");
    let wanted = class(&["k"]);
    let (_, first) = a.acquire(&wanted).await?;
    rig.set_back(1_000_000);
    let (_, second) = a.acquire(&wanted).await?;
    ensure!(queued(&second)? > granted(&first)?.1, "arrival numbers went back");
    rig.pass(250_000);
    let later = a.poll().await?.now;
    ensure!((250_000..1_000_000).contains(&(later - after)), "{after} to {later}");
    Ok(())
}

pub(super) async fn an_idle_router_is_forgotten(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 2, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    for _ in 0..5 {
        rig.pass(rig.timing().lease_ttl / 4);
        b.poll().await?;
    }
    ensure_eq!(b.poll().await?.status.routers, 1, "routers after one was silent");
    ensure_eq!(a.try_send(Vec::new()).await, Err(StoreError::StaleSession), "its next batch");
    a.greet(false).await?;
    let (_, answer) = a.acquire(&class(&["k"])).await?;
    ensure!(matches!(answer, Answer::Granted { .. }), "after its hello: {answer:?}");
    Ok(())
}

pub(super) async fn routers_are_named_while_they_are_heard(rig: Rig) -> Verdict {
    let ttl = rig.timing().lease_ttl;
    let (a, b) = (Incarnation(1), Incarnation(2));
    let mut second = Client::hello(&rig, b.0).await?;
    ensure_eq!(second.one(Command::Routers).await?, Answer::Routers(vec![b]), "one alone");
    rig.pass(ttl - 1);
    let mut first = Client::hello(&rig, a.0).await?;
    ensure_eq!(first.one(Command::Routers).await?, Answer::Routers(vec![a, b]), "both, in order");
    rig.pass(1);
    ensure_eq!(first.one(Command::Routers).await?, Answer::Routers(vec![a]), "after a silence");
    Ok(())
}

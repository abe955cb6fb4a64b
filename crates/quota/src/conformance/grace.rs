//! The grace after a gap: routers say again what they hold, and nothing is decided meanwhile.

use super::client::{Client, class, end, granted, handed, limits, queued};
use super::{Rig, Verdict};
use crate::{Acquire, Answer, Command, Micros, Outcome, StoreError, TicketId};

/// The longest a grace lasts.
fn length(rig: &Rig) -> Micros {
    rig.timing().lease_ttl / 2 + rig.timing().claim_limit
}

fn restate(leases: &[TicketId]) -> Command {
    let leases = leases.iter().map(|&lease| Client::held(lease, "k")).collect();
    Command::Restate { leases, tickets: vec![] }
}

/// Lets a grace pass, polling as routers do.
async fn sit_out(rig: &Rig, clients: &mut [&mut Client]) -> Verdict {
    let step = rig.timing().claim_limit / 2;
    for _ in 0..length(rig).div_ceil(step) {
        rig.pass(step);
        for client in clients.iter_mut() {
            client.poll().await?;
        }
    }
    Ok(())
}

/// Two routers on a pool whose first grace is over, with a lease each.
async fn settled(rig: &Rig, concurrency: u32) -> Result<[(Client, TicketId); 2], String> {
    let first = limits(concurrency, 8, &[("k", 1.0)]);
    let mut a = Client::start(rig, 1, first).await?;
    let mut b = Client::hello(rig, 2).await?;
    sit_out(rig, &mut [&mut a, &mut b]).await?;
    let (of_a, _) = a.take(&class(&["k"])).await?;
    let (of_b, _) = b.take(&class(&["k"])).await?;
    Ok([(a, of_a), (b, of_b)])
}

pub(super) async fn follows_an_empty_pool_for_its_full_length(rig: Rig) -> Verdict {
    let mut a = Client::hello(&rig, 1).await?;
    let first = limits(1, 2, &[("k", 1.0)]);
    let set = Command::SetLimits { limits: first, replaces: None };
    let reply = a.send(vec![restate(&[]), set, Command::Acquire(a.clone().ask(&class(&["k"])))]);
    let reply = reply.await?;
    ensure!(reply.restate, "an empty pool asks for a restate");
    queued(&reply.answers[2])?;
    ensure_eq!(reply.wake_in, Some(length(&rig)), "when it ends");
    let step = rig.timing().claim_limit / 2;
    let mut passed = 0;
    while passed + step < length(&rig) {
        rig.pass(step);
        passed += step;
        let reply = a.poll().await?;
        ensure!(reply.restate && reply.events.is_empty(), "after {passed}: {reply:?}");
    }
    rig.pass(length(&rig) - passed);
    let reply = a.poll().await?;
    ensure!(!reply.restate, "the grace lasts too long");
    ensure_eq!(handed(&reply).len(), 1, "hand-offs at its end");
    Ok(())
}

/// Q4: nothing runs out while no router could renew it.
pub(super) async fn follows_a_gap_and_ends_when_all_have_restated(rig: Rig) -> Verdict {
    let [(mut a, of_a), (mut b, of_b)] = settled(&rig, 2).await?;
    let wanted = class(&["k"]);
    rig.pass(rig.timing().lease_ttl * 3);
    let reply = a.send(vec![restate(&[of_a])]).await?;
    ensure!(reply.restate, "a gap is followed by a grace");
    ensure_eq!(reply.status.leases, 2, "leases that nobody could renew");

    let commands = vec![
        end(of_a),
        Command::Acquire(a.ask(&wanted)),
        Command::Claim(a.id()),
        Command::Rotate {
            lease: of_a,
            attempt: 1,
            outcome: Outcome::default(),
            class: wanted.clone(),
            then: None,
        },
    ];
    let reply = a.send(commands).await?;
    ensure_eq!(reply.answers[0], Answer::Done, "a settle works");
    queued(&reply.answers[1])?;
    ensure_eq!(reply.answers[2], Answer::ClaimRefused, "a claim of nothing");
    ensure_eq!(reply.answers[3], Answer::Settled(None), "a rotation of an ended lease");
    ensure!(reply.restate && handed(&reply).is_empty(), "nothing is granted: {reply:?}");

    let rotation = Command::Rotate {
        lease: of_b,
        attempt: 1,
        outcome: Outcome::default(),
        class: wanted,
        then: None,
    };
    ensure_eq!(b.one(rotation.clone()).await?, Answer::Grace, "a rotation");
    let reply = b.send(vec![restate(&[of_b]), rotation]).await?;
    ensure!(!reply.restate, "over once every router has restated");
    granted(&reply.answers[1])?;
    ensure_eq!(handed(&a.poll().await?).len(), 1, "hand-offs after the grace");
    Ok(())
}

/// Q4: a router that never came back holds nothing longer than the grace.
pub(super) async fn follows_a_gap_no_longer_than_its_limit(rig: Rig) -> Verdict {
    let [(mut a, of_a), _] = settled(&rig, 2).await?;
    rig.pass(rig.timing().lease_ttl * 2);
    ensure!(a.send(vec![restate(&[of_a])]).await?.restate, "a grace");
    let (waiting, answer) = a.acquire(&class(&["k"])).await?;
    queued(&answer)?;
    sit_out(&rig, &mut [&mut a]).await?;
    let reply = a.poll().await?;
    ensure!(!reply.restate, "the grace lasts too long");
    granted(&a.one(Command::Claim(waiting)).await?)?;
    ensure_eq!((reply.status.leases, reply.status.routers), (2, 1), "gauges");
    Ok(())
}

/// Q11: whoever is in trouble says hello again and again, and says at last what it holds. The others
/// notice nothing, but that nothing is granted above the limit.
pub(super) async fn is_begun_by_nobodys_return_beside_others(rig: Rig) -> Verdict {
    let [(mut a, of_a), (mut b, of_b)] = settled(&rig, 3).await?;
    let wanted = class(&["k"]);
    for _ in 0..9 {
        rig.pass(rig.timing().claim_limit / 3);
        let hello = b.greet(true).await?;
        ensure!(!hello.restate, "a hello begins no grace");
        let (lease, _) = a.take(&wanted).await?;
        a.one(end(lease)).await?;
    }
    let extra = [b.id(), b.id()];
    let reply = b.send_from_share(vec![restate(&[of_b, extra[0], extra[1]])]).await?;
    ensure!(!reply.restate, "nor does what it held beside the others");
    ensure_eq!(reply.status.leases, 4, "with what it granted itself");
    let (waiting, answer) = a.acquire(&wanted).await?;
    queued(&answer)?;
    ensure_eq!(handed(&a.send(vec![end(of_a)]).await?), vec![], "nothing above the limit");
    b.send(vec![end(of_b)]).await?;
    ensure_eq!(handed(&a.poll().await?), vec![waiting], "then the next");
    Ok(())
}

/// Nobody reached the pool for a while: who served shares is waited for, for a claim limit.
pub(super) async fn follows_a_silence_of_all_for_those_back_from_their_shares(rig: Rig) -> Verdict {
    let [(mut a, of_a), (mut b, of_b)] = settled(&rig, 2).await?;
    rig.pass(rig.timing().claim_limit * 2);
    ensure!(!a.greet(false).await?.restate, "a hello begins no grace");
    let reply = a.send_from_share(vec![restate(&[of_a])]).await?;
    ensure!(reply.restate, "the other may have granted something itself");
    let extra = b.id();
    ensure!(b.greet(false).await?.restate, "the other has not said yet what it holds");
    let reply = b.send_from_share(vec![restate(&[of_b, extra])]).await?;
    ensure_eq!((reply.restate, reply.status.leases), (false, 3), "with what it granted itself");

    rig.pass(rig.timing().claim_limit * 2);
    a.greet(false).await?;
    ensure!(a.send_from_share(vec![restate(&[of_a])]).await?.restate, "once for each silence");
    rig.pass(rig.timing().claim_limit - 1);
    ensure!(a.poll().await?.restate, "as long as a claim limit");
    rig.pass(1);
    ensure!(!a.poll().await?.restate, "and no longer");
    rig.pass(rig.timing().claim_limit * 2);
    a.greet(false).await?;
    let reply = a.send_from_share(vec![restate(&[of_a])]).await?;
    ensure!(!reply.restate, "who was unheard before is not awaited");
    Ok(())
}

/// Q11.
pub(super) async fn awaits_nobody_who_has_gone(rig: Rig) -> Verdict {
    let [(mut a, of_a), (mut b, _)] = settled(&rig, 2).await?;
    let (waiting, answer) = a.acquire(&class(&["k"])).await?;
    queued(&answer)?;
    let own = b.ask(&class(&["k"]));
    let reply = b.send(vec![Command::Acquire(own), Command::Bye]).await?;
    ensure_eq!(reply.answers[1], Answer::Done, "a farewell");
    let reply = a.poll().await?;
    ensure_eq!(handed(&reply), vec![waiting], "its slot");
    ensure_eq!((reply.status.routers, reply.status.tickets), (1, 0), "gauges");
    ensure_eq!(a.one(Command::Routers).await?, Answer::Routers(vec![a.router]), "who is there");
    ensure_eq!(b.try_send(vec![]).await, Err(StoreError::StaleSession), "its session");
    a.one(Command::Claim(waiting)).await?;
    rig.pass(rig.timing().lease_ttl);
    let reply = a.send(vec![restate(&[of_a, waiting])]).await?;
    ensure!(!reply.restate, "all that are there have restated");
    Ok(())
}

pub(super) async fn spares_an_idle_pool(rig: Rig) -> Verdict {
    let [(mut a, of_a), (mut b, of_b)] = settled(&rig, 2).await?;
    a.one(end(of_a)).await?;
    b.one(end(of_b)).await?;
    rig.pass(rig.timing().lease_ttl * 3 / 4);
    let reply = a.send(vec![Command::Acquire(a.clone().ask(&class(&["k"])))]).await?;
    ensure!(!reply.restate, "an idle pool has no gap");
    granted(&reply.answers[0])?;
    Ok(())
}

pub(super) async fn starts_anew_after_a_silence(rig: Rig) -> Verdict {
    let [(mut a, of_a), (mut b, of_b)] = settled(&rig, 2).await?;
    rig.pass(rig.timing().lease_ttl);
    a.send(vec![restate(&[of_a])]).await?;
    rig.pass(length(&rig) * 2);
    let reply = a.poll().await?;
    ensure!(reply.restate, "nobody could restate in that grace");
    ensure_eq!(reply.status.leases, 2, "leases kept");
    ensure!(b.send(vec![restate(&[of_b])]).await?.restate, "the first has to restate again");
    ensure!(!a.send(vec![restate(&[of_a])]).await?.restate, "both have restated");
    Ok(())
}

/// Q1.
pub(super) async fn accepts_leases_above_the_limit(rig: Rig) -> Verdict {
    let mut a = Client::hello(&rig, 1).await?;
    let held: Vec<_> = (0..3).map(|_| a.id()).collect();
    let set = Command::SetLimits { limits: limits(1, 8, &[("k", 1.0)]), replaces: None };
    let reply = a.send(vec![restate(&held), set]).await?;
    ensure_eq!(reply.status.leases, 3, "leases re-asserted");
    let (waiting, answer) = a.acquire(&class(&["k"])).await?;
    queued(&answer)?;
    sit_out(&rig, &mut [&mut a]).await?;
    let reply = a.send(vec![end(held[0]), end(held[1])]).await?;
    ensure_eq!(handed(&reply), vec![], "nothing is granted above the limit");
    ensure_eq!(handed(&a.send(vec![end(held[2])]).await?), vec![waiting], "then the next");
    Ok(())
}

/// Q9: what was handed to a router may run out unheard, and nothing would tell it. Who is silent for a
/// lease's life while others speak says again what it holds.
pub(super) async fn spares_a_silent_router_no_hello(rig: Rig) -> Verdict {
    let [(mut a, of_a), (mut b, of_b)] = settled(&rig, 2).await?;
    let (waiting, answer) = a.acquire(&class(&["k"])).await?;
    let arrival = queued(&answer)?;
    let before = a.heard;
    b.one(end(of_b)).await?;
    ensure_eq!(handed(&a.send(vec![end(of_a)]).await?), vec![waiting], "handed off, and claimed");
    a.heard = before;
    // Others speak meanwhile, but not at its end.
    let third = rig.timing().lease_ttl / 3;
    for _ in 0..2 {
        rig.pass(third);
        b.poll().await?;
    }
    rig.pass(rig.timing().lease_ttl - 2 * third);
    let refused = a.try_send(vec![]).await;
    ensure_eq!(refused, Err(StoreError::StaleSession), "a router that is as good as forgotten");
    a.greet(false).await?;
    let ask = Acquire { ticket: waiting, arrival: Some(arrival), ..a.ask(&class(&["k"])) };
    let reply = a.send(vec![Command::Restate { leases: vec![], tickets: vec![ask] }]).await?;
    ensure_eq!(handed(&reply), vec![waiting], "handed off again");
    Ok(())
}

//! Probes: after its rest a scope admits one lease, then more with time, until it is shown healthy.

use super::client::{
    Client, class, cool, end, granted, handed, key, limits, no_key, queued, settle, well,
};
use super::{Rig, Verdict};
use crate::{Acquire, Command, Micros, Outcome, TicketId};

const SECOND: Micros = 1_000_000;

/// Key `k` has just ended a rest; three tickets wait for it. Returns them in order.
async fn rested(a: &mut Client) -> Result<Vec<TicketId>, String> {
    let (lease, _) = a.take(&class(&["k"])).await?;
    a.one(settle(lease, cool(key("k"), Some(SECOND)))).await?;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let ask = Acquire { wait_for_cooldown: true, ..a.ask(&class(&["k"])) };
        waiting.push(ask.ticket);
        queued(&a.one(Command::Acquire(ask)).await?)?;
    }
    Ok(waiting)
}

/// Q6.
pub(super) async fn is_one_at_a_time_until_shown_well(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(3, 6, &[("k", 1.0)])).await?;
    let waiting = rested(&mut a).await?;
    rig.pass(SECOND);
    ensure_eq!(handed(&a.poll().await?), vec![waiting[0]], "one probe");
    granted(&a.one(Command::Claim(waiting[0])).await?)?;
    no_key(&a.acquire(&class(&["k"])).await?.1)?;
    rig.pass(rig.timing().claim_limit - 1);
    ensure_eq!(handed(&a.poll().await?), vec![], "while its outcome is not known");
    let reply = a.send(vec![settle(waiting[0], well(key("k")))]).await?;
    ensure_eq!(handed(&reply), waiting[1..].to_vec(), "all that waited");
    ensure_eq!(reply.status.cooling, 0, "scopes that cool");
    Ok(())
}

/// Q6: an end and a leave teach nothing; a failed probe starts a longer rest.
pub(super) async fn that_proves_nothing_is_followed_by_another(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(3, 6, &[("k", 1.0)])).await?;
    let waiting = rested(&mut a).await?;
    rig.pass(SECOND);
    ensure_eq!(handed(&a.poll().await?), vec![waiting[0]], "the first probe");
    granted(&a.one(Command::Claim(waiting[0])).await?)?;
    let reply = a.send(vec![end(waiting[0])]).await?;
    ensure_eq!(handed(&reply), vec![waiting[1]], "the next probe");
    let reply = a.send(vec![Command::Leave(waiting[1])]).await?;
    ensure_eq!(handed(&reply), vec![waiting[2]], "the last probe");
    granted(&a.one(Command::Claim(waiting[2])).await?)?;
    a.one(settle(waiting[2], cool(key("k"), None))).await?;
    let (until, _) = no_key(&a.acquire(&class(&["k"])).await?.1)?;
    ensure_eq!(until, Some(SECOND), "the rest after a failed probe");
    Ok(())
}

/// Q6: a stream that has begun need not end before the scope is known to be healthy.
pub(super) async fn ends_with_the_first_content(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(3, 6, &[("k", 1.0)])).await?;
    let waiting = rested(&mut a).await?;
    rig.pass(SECOND);
    granted(&a.one(Command::Claim(waiting[0])).await?)?;
    let answered = |outcome| Command::Answered { lease: waiting[0], outcome };
    let reply = a.send(vec![answered(Outcome::default())]).await?;
    ensure_eq!(handed(&reply), vec![waiting[1]], "nothing was learnt: the next probe");
    let reply = a.send(vec![answered(well(key("k")))]).await?;
    ensure_eq!(handed(&reply), vec![waiting[2]], "shown well");
    ensure_eq!(reply.status.leases, 3, "the answered lease goes on");
    Ok(())
}

/// Q6: what an earlier attempt brings while a probe runs starts a new rest, after which the probe
/// is one of the earlier attempts itself.
pub(super) async fn gives_way_to_a_new_rest(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 6, &[("k", 1.0)])).await?;
    let (earlier, _) = a.take(&class(&["k"])).await?;
    let waiting = rested(&mut a).await?;
    rig.pass(SECOND);
    granted(&a.one(Command::Claim(waiting[0])).await?)?;
    a.one(settle(earlier, cool(key("k"), Some(SECOND)))).await?;
    rig.pass(SECOND - 1);
    let reply = a.send(vec![settle(waiting[0], well(key("k")))]).await?;
    ensure_eq!((handed(&reply).len(), reply.status.cooling), (0, 1), "old good news");
    rig.pass(1);
    ensure_eq!(handed(&a.poll().await?), vec![waiting[1]], "the probe after the new rest");
    granted(&a.one(Command::Claim(waiting[1])).await?)?;

    let failed = cool(key("k"), Some(SECOND));
    a.one(Command::Answered { lease: waiting[1], outcome: failed }).await?;
    rig.pass(SECOND);
    ensure_eq!(handed(&a.poll().await?), vec![waiting[2]], "the old probe still runs");
    Ok(())
}

/// Q6: a probe that still runs when a new rest has ended does not hold up the next one.
pub(super) async fn is_replaced_while_it_runs(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 6, &[("k", 1.0)])).await?;
    let (earlier, _) = a.take(&class(&["k"])).await?;
    let waiting = rested(&mut a).await?;
    rig.pass(SECOND);
    granted(&a.one(Command::Claim(waiting[0])).await?)?;
    a.one(settle(earlier, cool(key("k"), Some(SECOND)))).await?;
    rig.pass(SECOND);
    ensure_eq!(handed(&a.poll().await?), vec![waiting[1]], "the next probe");
    granted(&a.one(Command::Claim(waiting[1])).await?)?;
    let reply = a.send(vec![end(waiting[0])]).await?;
    ensure_eq!(handed(&reply), vec![], "the end of the earlier probe frees nothing");
    let reply = a.send(vec![settle(waiting[1], well(key("k")))]).await?;
    ensure_eq!(handed(&reply), vec![waiting[2]], "the later one shows it well");
    Ok(())
}

/// Q14: a probe that is not answered holds the others up for a step, then there are two, four, ...
pub(super) async fn that_hangs_holds_nobody_up(rig: Rig) -> Verdict {
    let step = rig.timing().claim_limit;
    let mut a = Client::start(&rig, 1, limits(100, 200, &[("k", 1.0)])).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    a.one(settle(lease, cool(key("k"), Some(SECOND)))).await?;
    for _ in 0..100 {
        let ask = Acquire { wait_for_cooldown: true, ..a.ask(&class(&["k"])) };
        queued(&a.one(Command::Acquire(ask)).await?)?;
    }
    rig.pass(SECOND);
    let mut running = Vec::new();
    for expected in [1, 2, 4, 8] {
        let reply = a.poll().await?;
        let handed_off = handed(&reply);
        a.send(handed_off.iter().copied().map(Command::Claim).collect()).await?;
        running.extend(handed_off);
        ensure_eq!(running.len(), expected, "calls that nobody has answered");
        ensure!(reply.wake_in.is_some_and(|wake| wake <= step), "next in {:?}", reply.wake_in);
        rig.pass(step);
    }
    // One bad word, and it rests and begins anew with one.
    let outcome = cool(key("k"), Some(SECOND));
    a.one(Command::Answered { lease: running[3], outcome }).await?;
    rig.pass(SECOND);
    ensure_eq!(handed(&a.poll().await?).len(), 1, "after bad news");
    Ok(())
}

/// Q14: a router that dies with its probe stops nobody.
pub(super) async fn of_a_dead_router_stops_nobody(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(3, 6, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    a.one(settle(lease, cool(key("k"), Some(SECOND)))).await?;
    rig.pass(SECOND);
    b.poll().await?;
    a.take(&class(&["k"])).await?;
    no_key(&b.acquire(&class(&["k"])).await?.1)?;
    rig.pass(rig.timing().claim_limit);
    b.take(&class(&["k"])).await?;
    Ok(())
}

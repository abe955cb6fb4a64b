//! Work goes on: what waits for a rest or a delay keeps nobody from starting, nor routers awake.

use super::client::{
    Client, class, class_for, cool, end, granted, handed, limits, no_key, queued, refused, settle,
};
use super::{Rig, Verdict};
use crate::{Acquire, Answer, Command, Micros, Outcome, Scope, TicketId};

const SECOND: Micros = 1_000_000;

/// Model `m` has a rest of its only key, and the buffer is asked to take as many as this for it.
/// Returns the tickets that wait.
async fn resting(a: &mut Client, asked: usize) -> Result<Vec<TicketId>, String> {
    let (lease, _) = a.take(&class(&["k"])).await?;
    let scope = Scope::KeyModel("k".into(), "m".into());
    a.one(settle(lease, cool(scope, Some(5 * SECOND)))).await?;
    let mut waiting = Vec::new();
    for _ in 0..asked {
        let ask = Acquire { wait_for_cooldown: true, ..a.ask(&class(&["k"])) };
        let id = ask.ticket;
        match a.one(Command::Acquire(ask)).await? {
            Answer::Queued { .. } => waiting.push(id),
            answer => {
                no_key(&answer)?;
            }
        }
    }
    Ok(waiting)
}

/// Q13.
pub(super) async fn what_can_start_is_never_full(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(3, 2, &[("k", 1.0)])).await?;
    let waiting = resting(&mut a, 4).await?;
    ensure_eq!(waiting.len(), 1, "half of the buffer for one model");
    // The rest of it goes to delays of another model.
    let later = Acquire { delay: 9 * SECOND, ..a.ask(&class_for("n", &["k"])) };
    queued(&a.one(Command::Acquire(later)).await?)?;
    let later = Acquire { delay: 9 * SECOND, ..a.ask(&class_for("o", &["k"])) };
    let answer = a.one(Command::Acquire(later)).await?;
    ensure!(matches!(answer, Answer::Full { .. }), "the buffer is full: {answer:?}");
    for _ in 0..3 {
        granted(&a.acquire(&class_for("o", &["k"])).await?.1)?;
    }
    let answer = a.acquire(&class_for("o", &["k"])).await?.1;
    ensure!(matches!(answer, Answer::Full { .. }), "all slots are in use: {answer:?}");
    Ok(())
}

/// Q13: the part of an heir is that of a fresh ticket, or one place for each slot.
pub(super) async fn a_model_takes_no_more_than_its_part(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(3, 4, &[("k", 1.0)])).await?;
    let mut held_back = 0;
    for _ in 0..6 {
        let (lease, _) = a.take(&class(&["k"])).await?;
        let then = Some(Acquire { delay: SECOND, ..a.ask(&class(&["k"])) });
        let answer = a.one(Command::Settle { lease, outcome: Outcome::default(), then }).await?;
        match answer {
            Answer::Settled(Some(answer)) if matches!(*answer, Answer::Queued { .. }) => {
                held_back += 1;
            }
            Answer::Settled(Some(answer)) => {
                ensure!(matches!(*answer, Answer::Full { .. }), "beyond its part: {answer:?}");
            }
            answer => return Err(format!("a settle was answered with {answer:?}")),
        }
    }
    ensure_eq!(held_back, 3, "backoffs that wait");
    let (lease, _) = a.take(&class_for("n", &["k"])).await?;
    a.one(end(lease)).await?;
    Ok(())
}

/// Q10, Q12: those that rest are out of the line, and come back when something has changed for them.
pub(super) async fn those_that_rest_come_back_in_their_order(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 20, &[("k", 1.0)])).await?;
    let waiting = resting(&mut a, 3).await?;
    let (running, _) = a.take(&class_for("n", &["k"])).await?;
    let (young, answer) = a.acquire(&class_for("n", &["k"])).await?;
    queued(&answer)?;
    rig.pass(5 * SECOND);
    a.poll().await?;
    let reply = a.send(vec![end(running)]).await?;
    ensure_eq!(handed(&reply), vec![waiting[0]], "the oldest, whose rest is over");
    let reply = a.send(vec![Command::Claim(waiting[0]), end(waiting[0])]).await?;
    ensure_eq!(handed(&reply), vec![waiting[1]], "the next probe");
    let scope = Scope::KeyModel("k".into(), "m".into());
    let well = super::client::well(scope);
    let reply = a.send(vec![Command::Claim(waiting[1]), settle(waiting[1], well)]).await?;
    ensure_eq!(handed(&reply), vec![waiting[2]], "older than the young one");
    let reply = a.send(vec![Command::Claim(waiting[2]), end(waiting[2])]).await?;
    ensure_eq!(handed(&reply), vec![young], "the young one");
    Ok(())
}

/// Whoever does not wait for a rest is told when it begins, however many stand before.
pub(super) async fn a_rest_is_told_to_the_last_in_line(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 900, &[("k", 1.0)])).await?;
    let (running, _) = a.take(&class(&["k"])).await?;
    for _ in 0..400 {
        queued(&a.acquire(&class_for("n", &["k"])).await?.1)?;
    }
    let (last, answer) = a.acquire(&class(&["k"])).await?;
    queued(&answer)?;
    let scope = Scope::KeyModel("k".into(), "m".into());
    let outcome = cool(scope, Some(60 * SECOND));
    let mut reply = a.send(vec![Command::Answered { lease: running, outcome }]).await?;
    let mut batches = 1;
    while refused(&reply).is_empty() && batches < 20 {
        ensure_eq!(reply.wake_in, Some(1), "there is more to be looked at");
        reply = a.poll().await?;
        batches += 1;
    }
    ensure_eq!(refused(&reply), vec![last], "the last in line");
    ensure!(batches > 2, "a batch looks at {} at once", 400 / batches);
    Ok(())
}

/// A router is woken for its own tickets, not for what others wait for.
pub(super) async fn a_router_is_woken_for_its_own(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(4, 20, &[("k", 1.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    resting(&mut a, 1).await?;
    let later = Acquire { delay: SECOND, ..a.ask(&class_for("n", &["k"])) };
    queued(&a.one(Command::Acquire(later)).await?)?;
    ensure_eq!(b.poll().await?.wake_in, None, "nothing of its own");
    let later = Acquire { delay: 3 * SECOND, ..b.ask(&class_for("n", &["k"])) };
    queued(&b.one(Command::Acquire(later)).await?)?;
    ensure_eq!(b.poll().await?.wake_in, Some(3 * SECOND), "its own delay");
    ensure_eq!(a.poll().await?.wake_in, Some(SECOND), "the other's own");
    Ok(())
}

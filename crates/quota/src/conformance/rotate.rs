//! Rotation: the slot stays, the key changes, and without a key it is an end.

use super::client::{Client, class, cool, end, granted, handed, key, limits, queued};
use super::{Rig, Verdict};
use crate::{Acquire, Answer, Command, Outcome, TicketId};

fn rotate(lease: TicketId, attempt: u32, bad: &str, keys: &[&str]) -> Command {
    Command::Rotate {
        lease,
        attempt,
        outcome: cool(key(bad), Some(5_000_000)),
        class: class(keys),
        then: None,
    }
}

/// Q6, and the slot: a rotation is not a hand-off, so it passes waiting tickets.
pub(super) async fn changes_the_key_and_keeps_the_slot(rig: Rig) -> Verdict {
    let keys = [("k", 4.0), ("l", 2.0), ("m", 1.0)];
    let mut a = Client::start(&rig, 1, limits(1, 4, &keys)).await?;
    let (lease, first) = a.take(&class(&["k", "l", "m"])).await?;
    ensure_eq!(first, "k", "the heaviest key goes first");
    let (waiting, answer) = a.acquire(&class(&["l"])).await?;
    queued(&answer)?;

    let reply = a.send(vec![rotate(lease, 1, "k", &["l", "m"])]).await?;
    let (second, place) = granted(&reply.answers[0])?;
    ensure_eq!((second.as_str(), handed(&reply).len()), ("l", 0), "the next key");
    ensure_eq!((reply.status.leases, reply.status.cooling), (1, 1), "gauges");
    let again = a.one(rotate(lease, 1, "k", &["l", "m"])).await?;
    ensure_eq!(granted(&again)?, (second, place), "the same rotation again");
    ensure_eq!(
        granted(&a.one(rotate(lease, 2, "l", &["k", "m"])).await?)?.0,
        "m",
        "not k, it cools"
    );

    let reply = a.send(vec![rotate(lease, 3, "m", &["k", "l"])]).await?;
    ensure_eq!(reply.answers[0], Answer::Settled(None), "no key left");
    ensure_eq!((reply.status.leases, reply.status.cooling), (0, 3), "gauges at the end");
    ensure_eq!(super::client::refused(&reply), vec![waiting], "tickets of cooling keys");
    Ok(())
}

pub(super) async fn without_a_key_it_settles_into_its_successor(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 1, &[("k", 1.0), ("l", 0.0)])).await?;
    let (lease, _) = a.take(&class(&["k"])).await?;
    let (waiting, answer) = a.acquire(&class(&["l"])).await?;
    queued(&answer)?;
    let mut then = a.ask(&class(&["k"]));
    (then.wait_for_cooldown, then.delay) = (true, 1_000_000);
    let command = Command::Rotate {
        lease,
        attempt: 1,
        outcome: cool(key("k"), None),
        class: class(&[]),
        then: Some(then.clone()),
    };
    let reply = a.send(vec![command.clone()]).await?;
    ensure_eq!(handed(&reply), vec![waiting], "the freed slot");
    let Answer::Settled(Some(answer)) = &reply.answers[0] else {
        return Err(format!("found {:?}, expected a successor", reply.answers[0]));
    };
    let place = queued(answer)?;
    granted(&a.one(Command::Claim(waiting)).await?)?;
    let Answer::Settled(Some(again)) = a.one(command).await? else {
        return Err("a repeated rotation lost its successor".to_owned());
    };
    ensure_eq!(queued(&again)?, place, "the same rotation again");
    rig.pass(1_000_000);
    ensure_eq!(handed(&a.send(vec![end(waiting)]).await?), vec![then.ticket], "the successor");
    Ok(())
}

/// Q3: what is not known can neither be changed nor ended.
pub(super) async fn of_an_unknown_lease_enters_nothing(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 1, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (unknown, then) = (a.id(), a.ask(&wanted));
    let outcome = Outcome::default();
    let commands = vec![
        Command::Rotate {
            lease: unknown,
            attempt: 1,
            outcome: outcome.clone(),
            class: wanted.clone(),
            then: Some(then.clone()),
        },
        Command::Settle { lease: unknown, outcome: outcome.clone(), then: Some(then.clone()) },
        Command::Settle { lease: unknown, outcome, then: None },
        Command::Answered { lease: unknown, outcome: Outcome::default() },
    ];
    let reply = a.send(commands).await?;
    let nothing = Answer::Settled(None);
    let expected = vec![nothing.clone(), nothing, Answer::Done, Answer::Done];
    ensure_eq!(reply.answers, expected, "commands about an unknown lease");
    let status = reply.status;
    ensure_eq!((status.leases, status.tickets, status.cooling), (0, 0, 0), "gauges");
    granted(&a.one(Command::Acquire(Acquire { arrival: Some(1), ..then })).await?)?;
    Ok(())
}

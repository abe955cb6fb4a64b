//! Admission: the bound, the order, and what a ticket is told while it waits.

use super::client::{Client, class, class_for, end, granted, handed, limits, queued};
use super::{Rig, Verdict};
use crate::{Acquire, Answer, Command, Limits, Outcome};

/// Q2: of 20 at once, concurrency 2 and buffer 4 let in 6.
pub(super) async fn the_buffer_is_exact(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(2, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let asks: Vec<_> = (0..20).map(|_| Command::Acquire(a.ask(&wanted))).collect();
    let reply = a.send(asks).await?;
    let count = |is: fn(&Answer) -> bool| reply.answers.iter().filter(|one| is(one)).count();
    let granted = count(|one| matches!(one, Answer::Granted { .. }));
    let queued = count(|one| matches!(one, Answer::Queued { .. }));
    let full = count(|one| matches!(one, Answer::Full { retry_after } if *retry_after > 0));
    ensure_eq!((granted, queued, full), (2, 4, 14), "granted, queued and full of 20");
    ensure_eq!((reply.status.leases, reply.status.tickets), (2, 4), "gauges");
    Ok(())
}

/// Q5.
pub(super) async fn slots_go_in_order_of_arrival_across_classes(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 9, &[("k", 1.0), ("l", 2.0)])).await?;
    let mut b = Client::hello(&rig, 2).await?;
    let classes = [class(&["k"]), class_for("n", &["l", "k"]), class(&["l"]), class(&["k"])];
    let (mut running, _) = a.take(&classes[0]).await?;
    let mut owner_is_a = true;
    let mut order = Vec::new();
    for turn in 0..8 {
        let client = if turn % 3 == 0 { &mut b } else { &mut a };
        let (id, answer) = client.acquire(&classes[turn % 4]).await?;
        queued(&answer)?;
        order.push(id);
    }
    for expected in order {
        let client = if owner_is_a { &mut a } else { &mut b };
        let mut found = handed(&client.send(vec![end(running)]).await?);
        owner_is_a = expected.router == a.router;
        let client = if owner_is_a { &mut a } else { &mut b };
        found.extend(handed(&client.poll().await?));
        ensure_eq!(found, vec![expected], "the next in line");
        running = expected;
    }
    Ok(())
}

pub(super) async fn a_known_ticket_repeats_its_answer(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 1, &[("k", 1.0), ("l", 1.0)])).await?;
    let wanted = class(&["k", "l"]);
    let (first, second, third) = (a.ask(&wanted), a.ask(&wanted), a.ask(&wanted));
    let commands: Vec<_> =
        [&first, &second, &third].map(|one| Command::Acquire(one.clone())).into();
    let once = a.send(commands.clone()).await?;
    let twice = a.send(commands).await?;
    ensure_eq!(once.answers, twice.answers, "the same three acquires");
    ensure_eq!(once.status, twice.status, "gauges");
    ensure!(matches!(once.answers[2], Answer::Full { .. }), "the third: {:?}", once.answers[2]);

    let reply = a.send(vec![end(first.ticket), Command::Acquire(second.clone())]).await?;
    granted(&reply.answers[1])?;
    ensure_eq!(handed(&reply), vec![second.ticket], "a hand-off is an event, too");
    Ok(())
}

pub(super) async fn a_delay_keeps_the_place_but_not_the_slot(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let mut late = a.ask(&wanted);
    late.delay = 300_000;
    let reply = a.send(vec![Command::Acquire(late.clone())]).await?;
    queued(&reply.answers[0])?;
    ensure_eq!(reply.wake_in, Some(300_000), "when to look again");
    let (running, _) = a.take(&wanted).await?;
    let (younger, answer) = a.acquire(&wanted).await?;
    queued(&answer)?;

    rig.pass(299_999);
    ensure_eq!(handed(&a.poll().await?), vec![], "before the delay is over");
    rig.pass(1);
    ensure_eq!(handed(&a.send(vec![end(running)]).await?), vec![late.ticket], "the older one");
    granted(&a.one(Command::Claim(late.ticket)).await?)?;
    ensure_eq!(handed(&a.send(vec![end(late.ticket)]).await?), vec![younger], "then the younger");
    Ok(())
}

/// Q2, Q5: a successor stands where its lease stood.
pub(super) async fn a_successor_is_never_full_and_keeps_its_place(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 1, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (running, _) = a.take(&wanted).await?;
    let (waiting, answer) = a.acquire(&wanted).await?;
    queued(&answer)?;
    let (_, answer) = a.acquire(&wanted).await?;
    ensure!(matches!(answer, Answer::Full { .. }), "the buffer should be full: {answer:?}");

    let mut then = a.ask(&wanted);
    then.delay = 100_000;
    let successor = then.ticket;
    let settle = Command::Settle { lease: running, outcome: Outcome::default(), then: Some(then) };
    let reply = a.send(vec![settle.clone()]).await?;
    let Answer::Settled(Some(answer)) = &reply.answers[0] else {
        return Err(format!("a settle with a successor gave {:?}", reply.answers[0]));
    };
    let place = queued(answer)?;
    ensure_eq!(handed(&reply), vec![waiting], "the freed slot");
    granted(&a.one(Command::Claim(waiting)).await?)?;
    let (_, answer) = a.acquire(&wanted).await?;
    ensure!(matches!(answer, Answer::Full { .. }), "the place is taken: {answer:?}");
    let Answer::Settled(Some(again)) = a.one(settle).await? else {
        return Err("a repeated settle lost its successor".to_owned());
    };
    ensure_eq!(queued(&again)?, place, "place of a repeated settle's successor");

    rig.pass(100_000);
    let (younger, mut fresh) = (a.id(), a.ask(&wanted));
    fresh.ticket = younger;
    let reply = a.send(vec![Command::Acquire(fresh), end(waiting)]).await?;
    ensure!(matches!(reply.answers[0], Answer::Full { .. }), "still full");
    ensure_eq!(handed(&reply), vec![successor], "the successor, in its old place");
    Ok(())
}

/// Q2, Q5: neither a shrunk limit nor a younger ticket comes between a lease and its successor.
pub(super) async fn a_successor_goes_by_its_arrival(rig: Rig) -> Verdict {
    let first = limits(1, 2, &[("k", 1.0)]);
    let mut a = Client::start(&rig, 1, first.clone()).await?;
    let wanted = class(&["k"]);
    let (running, _) = a.take(&wanted).await?;
    let (waiting, answer) = a.acquire(&wanted).await?;
    let place = queued(&answer)?;
    let (last, _) = a.acquire(&wanted).await?;
    let smaller = Limits { generation: 2, buffer: 0, ..first };
    a.one(Command::SetLimits { limits: smaller, replaces: Some(1) }).await?;

    let older = a.ask(&wanted);
    let settle = |lease, then: &Acquire| Command::Settle {
        lease,
        outcome: Outcome::default(),
        then: Some(then.clone()),
    };
    let reply = a.send(vec![settle(running, &older)]).await?;
    let Answer::Settled(Some(answer)) = &reply.answers[0] else {
        return Err(format!("a settle with a successor gave {:?}", reply.answers[0]));
    };
    granted(answer)?;
    ensure_eq!(handed(&reply), vec![], "the successor is the oldest");

    let younger = Acquire { arrival: Some(place + 1_000_000), ..a.ask(&wanted) };
    let reply = a.send(vec![settle(older.ticket, &younger)]).await?;
    let Answer::Settled(Some(answer)) = &reply.answers[0] else {
        return Err(format!("a settle with a successor gave {:?}", reply.answers[0]));
    };
    ensure_eq!(queued(answer)?, place + 1_000_000, "the place of a younger successor");
    ensure_eq!(handed(&reply), vec![waiting], "the oldest now");
    let reply = a.send(vec![Command::Leave(waiting), Command::Leave(last)]).await?;
    ensure_eq!(handed(&reply), vec![younger.ticket], "the successor at last");
    Ok(())
}

pub(super) async fn an_overdue_ticket_is_dropped(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (running, _) = a.take(&wanted).await?;
    let mut short = a.ask(&wanted);
    short.deadline = 200_000;
    queued(&a.one(Command::Acquire(short)).await?)?;
    let (patient, _) = a.acquire(&wanted).await?;
    rig.pass(200_000);
    let reply = a.send(vec![end(running)]).await?;
    ensure_eq!(handed(&reply), vec![patient], "the ticket that still waits");
    ensure_eq!(reply.status.tickets, 0, "tickets left");
    Ok(())
}

pub(super) async fn a_wait_is_estimated_from_measured_holds(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(2, 4, &[("k", 1.0)])).await?;
    let wanted = class(&["k"]);
    let (first, _) = a.take(&wanted).await?;
    rig.pass(400_000);
    a.one(end(first)).await?;
    a.take(&wanted).await?;
    a.take(&wanted).await?;
    for ahead in 0..4 {
        let (_, answer) = a.acquire(&wanted).await?;
        let Answer::Queued { ahead: found, estimate, .. } = answer else {
            return Err(format!("found {answer:?}, expected a place in the queue"));
        };
        let expected = Some(200_000 * u64::from(ahead + 1));
        ensure_eq!((found, estimate), (ahead, expected), "tickets ahead and expected wait");
    }
    let (_, answer) = a.acquire(&wanted).await?;
    ensure_eq!(answer, Answer::Full { retry_after: 200_000 }, "beyond the buffer");
    Ok(())
}

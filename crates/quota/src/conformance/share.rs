//! Shares: deterministic, exact for any weights, and kept over a change of limits.

use super::client::{Client, class, end, granted, limits};
use super::{Rig, Verdict};
use crate::{Command, Limits};

/// Acquires and ends `count` times; the keys granted.
async fn run(a: &mut Client, keys: &[&str], count: usize) -> Result<Vec<String>, String> {
    let wanted = class(keys);
    let mut found = Vec::with_capacity(count);
    let mut last = None;
    while found.len() < count {
        let ask = a.ask(&wanted);
        let ends = last.replace(ask.ticket).map(end);
        let commands = ends.into_iter().chain([Command::Acquire(ask)]).collect();
        let reply = a.send(commands).await?;
        let answer = reply.answers.last().ok_or("no answer")?;
        found.push(granted(answer)?.0);
    }
    a.send(last.map(end).into_iter().collect()).await?;
    Ok(found)
}

/// Q7, in whole numbers: |count / n - weight / sum| n ≤ 1 - 1/(2m - 2) after each grant.
pub(super) async fn weights_hold_in_every_prefix(rig: Rig) -> Verdict {
    let thousandths: [i64; 4] = [5000, 3000, 1, 700];
    let names = ["k", "l", "m", "n"];
    let weights = [("k", 5.0), ("l", 3.0), ("m", 0.001), ("n", 0.7)];
    let mut a = Client::start(&rig, 1, limits(1, 1, &weights)).await?;
    let sum: i64 = thousandths.iter().sum();
    let mut counts = [0_i64; 4];
    for (turn, key) in run(&mut a, &names, 10_002).await?.iter().enumerate() {
        let grants = i64::try_from(turn + 1).map_err(|error| error.to_string())?;
        for (place, name) in names.iter().enumerate() {
            counts[place] += i64::from(name == key);
            let error = (counts[place] * sum - grants * thousandths[place]).abs();
            let what = format!("key {name} has {} of {grants} grants", counts[place]);
            ensure!(error * 6 <= 5 * sum, "{what}");
        }
    }
    Ok(())
}

pub(super) async fn zero_weights_serve_last_and_equally(rig: Rig) -> Verdict {
    let keys = [("k", 0.0), ("l", 2.0), ("m", 0.0)];
    let mut a = Client::start(&rig, 1, limits(1, 1, &keys)).await?;
    let found = run(&mut a, &["k", "l", "m"], 9).await?;
    ensure!(found.iter().all(|key| key == "l"), "a zero weight served: {found:?}");
    let found = run(&mut a, &["k", "m"], 9).await?;
    for prefix in 1..=found.len() {
        let k = found[..prefix].iter().filter(|key| *key == "k").count();
        ensure!(k.abs_diff(prefix - k) <= 1, "zero weights are not equal: {found:?}");
    }
    Ok(())
}

/// Pinned requests take nothing from the shares of the others.
pub(super) async fn a_single_key_moves_no_lag(rig: Rig) -> Verdict {
    let keys = [("k", 1.0), ("l", 1.0)];
    let mut a = Client::start(&rig, 1, limits(1, 1, &keys)).await?;
    let mut free = Vec::new();
    for _ in 0..6 {
        free.extend(run(&mut a, &["k", "l"], 1).await?);
        run(&mut a, &["k"], 3).await?;
    }
    ensure_eq!(free, ["k", "l", "k", "l", "k", "l"], "keys of the free requests");
    Ok(())
}

pub(super) async fn lags_follow_their_keys_by_name(rig: Rig) -> Verdict {
    let mut a = Client::start(&rig, 1, limits(1, 1, &[("k", 1.0), ("l", 1.0)])).await?;
    ensure_eq!(run(&mut a, &["k", "l"], 1).await?, ["k"], "the first key");
    let turned = [("x", 1.0), ("l", 1.0), ("k", 1.0)];
    let next = Limits { generation: 2, ..limits(1, 1, &turned) };
    a.one(Command::SetLimits { limits: next, replaces: Some(1) }).await?;
    ensure_eq!(run(&mut a, &["k", "l"], 3).await?, ["l", "l", "k"], "keys after the change");
    Ok(())
}

/// Q7 with a leeway: turns are given away up to it, and slots in use are counted anew with new limits.
pub(super) async fn the_least_busy_takes_the_turns_of_others(rig: Rig) -> Verdict {
    let keys = [("k", 1.0), ("l", 1.0)];
    let with = |leeway, generation| Limits { leeway, generation, ..limits(9, 1, &keys) };
    let mut a = Client::start(&rig, 1, with(2, 1)).await?;
    ensure_eq!(a.take(&class(&["k", "l"])).await?.1, "k", "of two that are idle the first");
    let found = run(&mut a, &["k", "l"], 5).await?;
    ensure_eq!(found, ["l"; 5], "the turns while the first is busy");
    ensure_eq!(a.take(&class(&["k", "l"])).await?.1, "k", "its turn that it may not give away");
    a.one(Command::SetLimits { limits: with(3, 2), replaces: Some(1) }).await?;
    let found = run(&mut a, &["k", "l"], 4).await?;
    ensure_eq!(found, ["l", "l", "l", "k"], "with one more to give away");
    // What only one key can serve is nobody's turn.
    ensure_eq!(run(&mut a, &["k"], 3).await?, ["k"; 3], "a key by name");
    a.one(Command::SetLimits { limits: with(0, 3), replaces: Some(2) }).await?;
    let found = run(&mut a, &["k", "l"], 4).await?;
    ensure_eq!(found, ["l", "k", "l", "k"], "exact shares again");
    Ok(())
}

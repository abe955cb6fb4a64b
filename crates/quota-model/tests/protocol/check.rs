//! The protocol as it is holds what it promises, in small worlds that are walked through completely, and
//! in larger ones as far as the time goes (`--ignored`).

use std::time::{Duration, Instant};

use crate::walk::{Walk, walk};
use weir_quota_model::{Budget, Protocol, Setup};

/// Walks through a world; what is wrong, or how many states were seen.
fn check(setup: Setup, seconds: u64) -> Result<usize, String> {
    let begun = Instant::now();
    let Walk { found, states, is_served } = walk(Protocol::new(setup), 2, seconds);
    if let Some((name, path)) = found {
        let (last, actions) = (path.last_state().clone(), path.into_actions());
        return Err(format!("{name}: {:?}\nafter {actions:?}\n{last:?}", last.violation()));
    }
    if !is_served {
        return Err("nobody was served".to_owned());
    }
    if seconds == SHORT && begun.elapsed() >= Duration::from_secs(seconds) {
        return Err(format!("not walked through in {seconds} s: {states} states"));
    }
    Ok(states)
}

/// A small world takes no longer, by far, also where other tests have the machine.
const SHORT: u64 = 299;
/// For each larger one.
const LONG: u64 = 300;

fn small() -> Setup {
    Setup { requests: vec![0, 1], ..Setup::default() }
}

macro_rules! worlds {
    ($seconds:ident: $($(#[$long:meta])? $name:ident: $base:ident {$($budget:tt)*}, {$($setup:tt)*};)*) => {$(
        #[test]
        $(#[$long])?
        fn $name() {
            let budget = Budget { $($budget)* ..Budget::default() };
            let seen = check(Setup { budget, $($setup)* ..$base() }, $seconds);
            match seen {
                Ok(states) => println!("{states} states"),
                Err(found) => panic!("{found}"),
            }
        }
    )*};
}

fn three() -> Setup {
    Setup::default()
}

worlds! { SHORT:
    three_requests_for_one_slot: three {}, {};
    three_requests_for_two_slots_and_keys: three {}, {slots: 2, keys: 2,};
    three_requests_of_which_the_least_busy_key_is_chosen: three {}, {slots: 2, keys: 2, leeway: 1,};
    callers_that_go_away: three {cancels: 1,}, {};
    bells_that_nobody_hears: three {cancels: 1,}, {bells: false,};
    a_lost_message: three {losses: 1,}, {};
    a_late_batch: small {late: 1,}, {};
    a_batch_that_comes_twice: small {twice: 1,}, {};
    a_router_that_dies: small {crashes: 1,}, {};
    a_router_that_stands_still: small {freezes: 1,}, {};
    a_router_that_is_cut_off: small {cuts: 1,}, {slots: 2,};
    a_store_that_is_emptied: small {empties: 1,}, {};
    a_key_that_rests_and_another: small {failures: 1,}, {keys: 2,};
    a_key_that_rests: small {failures: 1,}, {waits_for_rest: true, slots: 2,};
    a_model_that_rests_beside_another: small
        {failures: 1,}, {waits_for_rest: true, buffer: 1, models: 2, slots: 2,};
    limits_that_change: small {changes: 1,}, {};
    limits_that_change_and_a_start_with_the_old: small {changes: 1, crashes: 1,}, {requests: vec![0],};
    one_routers_lost_messages: small {losses: 2,}, {troubled: Some(1),};
    one_router_that_is_cut_off: small {cuts: 1,}, {troubled: Some(1),};
}

worlds! { LONG:
    #[ignore = "for soak"] late_batches: three {late: 2,}, {};
    #[ignore = "for soak"] batches_that_come_twice: three {twice: 1, losses: 1,}, {};
    #[ignore = "for soak"] routers_that_die: three {crashes: 1, losses: 1,}, {};
    #[ignore = "for soak"] late_hellos: small {crashes: 1, late: 1,}, {requests: vec![1, 0],};
    #[ignore = "for soak"] routers_that_stand_still: three {freezes: 1,}, {};
    #[ignore = "for soak"] routers_that_are_cut_off: three {cuts: 1, failures: 1,}, {slots: 2,};
    #[ignore = "for soak"] both_are_cut_off: three {cuts: 2,}, {slots: 2,};
    #[ignore = "for soak"] a_store_that_is_emptied_under_load: three {empties: 1, losses: 1,}, {slots: 2,};
    #[ignore = "for soak"] keys_that_rest: three {failures: 2,}, {keys: 2, slots: 2, waits_for_rest: true,};
    #[ignore = "for soak"] limits_that_change_and_a_router_that_dies: three {changes: 1, crashes: 1,}, {};
    #[ignore = "for soak"] one_routers_troubles: three
        {cuts: 1, losses: 2, late: 1, crashes: 1,}, {troubled: Some(1),};
}

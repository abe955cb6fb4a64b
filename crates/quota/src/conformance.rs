//! The suite every store is run through, and the invariants random runs are checked by.
//!
//! A case is one behaviour, played through [`QuotaStore`] alone, so that memory and Redis are held
//! to one and the same text. A store is handed in with the hand on its clock; nothing sleeps.
//! Cases return what they found wrong instead of panicking.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use weir_types::ProviderName;

use crate::{QuotaStore, Timing};

/// Fails a case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

/// Fails a case unless two values are equal.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $what:expr) => {
        let (found, expected) = (&$found, &$expected);
        if found != expected {
            return Err(format!("{}: found {found:?}, expected {expected:?}", $what));
        }
    };
}

mod admission;
mod client;
mod cooldown;
mod grace;
mod handoff;
mod invariants;
mod leases;
mod limits;
mod notes;
mod probe;
mod rotate;
mod sessions;
mod share;
mod work;

pub use client::{Client, class, limits};
pub use invariants::{Step, check_invariants, check_step, moments};

/// What a case found wrong, or nothing.
pub type Verdict = Result<(), String>;

/// A case under way.
pub type Running = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// One behaviour.
#[derive(Clone, Copy)]
pub struct Case {
    /// Says what must hold.
    pub name: &'static str,
    /// Needs a store that was made with `timing.grace`; the others need one made without.
    pub grace: bool,
    /// Plays it.
    pub run: fn(Rig) -> Running,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A fresh store, and the hand on its clock.
#[derive(Clone)]
pub struct Rig {
    store: Arc<dyn QuotaStore>,
    shift: Arc<dyn Fn(i64) + Send + Sync>,
    timing: Timing,
    pool: ProviderName,
}

impl Rig {
    /// `shift` moves the clock that `store` reads by so many microseconds, also back. `timing` is
    /// what the store was made with.
    pub fn new(
        store: Arc<dyn QuotaStore>,
        shift: impl Fn(i64) + Send + Sync + 'static,
        timing: Timing,
    ) -> Self {
        Self { store, shift: Arc::new(shift), timing, pool: ProviderName::from("acme") }
    }

    /// The store under test.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn QuotaStore> {
        &self.store
    }

    /// What it was made with.
    #[must_use]
    pub const fn timing(&self) -> &Timing {
        &self.timing
    }

    /// The pool all clients speak to.
    #[must_use]
    pub const fn pool(&self) -> &ProviderName {
        &self.pool
    }

    /// Lets so many microseconds pass.
    pub fn pass(&self, micros: u64) {
        (self.shift)(i64::try_from(micros).unwrap_or(i64::MAX));
    }

    /// Sets the clock back by so many microseconds.
    pub fn set_back(&self, micros: u64) {
        (self.shift)(-i64::try_from(micros).unwrap_or(i64::MAX));
    }
}

impl fmt::Debug for Rig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rig").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Names cases of one file: the function is the name.
macro_rules! cases {
    ($grace:literal: $($module:ident::$name:ident),* $(,)?) => {
        &[$(Case {
            name: concat!(stringify!($module), "::", stringify!($name)),
            grace: $grace,
            run: |rig| Box::pin($module::$name(rig)),
        }),*]
    };
}

/// Cases for a store made without `timing.grace`.
pub const CASES: &[Case] = cases![false:
    limits::are_set_once_and_then_replaced,
    limits::that_were_superseded_do_not_return,
    limits::shrink_drains_and_growth_hands_out,
    limits::a_class_without_known_keys_is_refused,
    sessions::another_session_or_an_old_sequence_changes_nothing,
    sessions::a_late_hello_changes_nothing,
    sessions::malformed_batches_are_rejected_whole,
    sessions::a_hello_holds_up_nobody,
    sessions::pool_time_never_goes_back,
    sessions::an_idle_router_is_forgotten,
    sessions::routers_are_named_while_they_are_heard,
    admission::the_buffer_is_exact,
    admission::slots_go_in_order_of_arrival_across_classes,
    admission::a_known_ticket_repeats_its_answer,
    admission::a_delay_keeps_the_place_but_not_the_slot,
    admission::a_successor_is_never_full_and_keeps_its_place,
    admission::a_successor_goes_by_its_arrival,
    admission::an_overdue_ticket_is_dropped,
    admission::a_wait_is_estimated_from_measured_holds,
    handoff::is_claimed_by_the_batch_that_tells_of_it,
    handoff::is_told_until_it_is_heard,
    handoff::goes_on_when_its_claim_lapses,
    handoff::passes_a_silent_router,
    handoff::rings_for_other_routers_only,
    handoff::leave_ends_a_ticket_in_any_state,
    leases::an_end_counts_once,
    leases::a_dead_router_leaks_no_slot,
    leases::renewal_keeps_a_lease_alive,
    leases::what_is_granted_again_lives_from_then_on,
    leases::an_unknown_renewed_lease_is_counted,
    leases::restate_replaces_what_the_pool_holds,
    rotate::changes_the_key_and_keeps_the_slot,
    rotate::without_a_key_it_settles_into_its_successor,
    rotate::of_an_unknown_lease_enters_nothing,
    cooldown::refuses_or_queues_as_the_ticket_says,
    cooldown::tells_queued_tickets_at_once,
    cooldown::of_the_endpoint_stops_every_key,
    cooldown::of_a_key_and_model_spares_other_models,
    cooldown::grows_only_with_new_evidence,
    cooldown::obeys_retry_after_within_bounds,
    cooldown::is_begun_without_a_call,
    cooldown::is_learnt_from_a_lease_that_is_gone,
    cooldown::of_missing_models_never_end_a_real_one,
    notes::are_told_at_every_router,
    notes::are_told_to_tickets_that_wait,
    notes::go_with_their_rest,
    notes::are_those_of_the_rest_that_ends_last,
    notes::are_told_once_each_and_not_without_end,
    probe::is_one_at_a_time_until_shown_well,
    probe::that_proves_nothing_is_followed_by_another,
    probe::ends_with_the_first_content,
    probe::gives_way_to_a_new_rest,
    probe::is_replaced_while_it_runs,
    probe::that_hangs_holds_nobody_up,
    probe::of_a_dead_router_stops_nobody,
    work::what_can_start_is_never_full,
    work::a_model_takes_no_more_than_its_part,
    work::those_that_rest_come_back_in_their_order,
    work::a_rest_is_told_to_the_last_in_line,
    work::a_router_is_woken_for_its_own,
    share::weights_hold_in_every_prefix,
    share::zero_weights_serve_last_and_equally,
    share::a_single_key_moves_no_lag,
    share::lags_follow_their_keys_by_name,
    share::the_least_busy_takes_the_turns_of_others,
];

/// Cases for a store made with `timing.grace`.
pub const GRACE_CASES: &[Case] = cases![true:
    grace::follows_an_empty_pool_for_its_full_length,
    grace::follows_a_gap_and_ends_when_all_have_restated,
    grace::follows_a_gap_no_longer_than_its_limit,
    grace::is_begun_by_nobodys_return_beside_others,
    grace::follows_a_silence_of_all_for_those_back_from_their_shares,
    grace::awaits_nobody_who_has_gone,
    grace::spares_an_idle_pool,
    grace::starts_anew_after_a_silence,
    grace::accepts_leases_above_the_limit,
    grace::spares_a_silent_router_no_hello,
];

/// Plays a case on a store whose futures are ready at once.
///
/// # Errors
/// What the case found wrong, or that a future was not ready.
pub fn play(case: &Case, rig: Rig) -> Verdict {
    let mut running = pin!((case.run)(rig));
    match running.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(verdict) => verdict.map_err(|found| format!("{}: {found}", case.name)),
        Poll::Pending => Err(format!("{}: the store had to wait", case.name)),
    }
}

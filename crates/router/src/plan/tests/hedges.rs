//! An attempt with another one beside it: what happens, and what the plan does about it.

use super::*;

/// What happens to the two attempts.
#[derive(Debug, Clone, Copy)]
enum Two {
    /// The first fails with this class.
    First(FailureClass),
    /// The hedge fails with this class.
    Second(FailureClass),
    /// No slot is free for the hedge.
    NoSlot,
    /// The hedge speaks.
    Speaks,
}

use Two::{First, NoSlot, Second, Speaks};

/// A plan whose first attempt is under way, and whose providers hedge after 5 s.
fn begun(targets: &[Arc<Target>], asked: Option<Duration>) -> (Plan, Instant) {
    let now = Instant::now();
    let hedging = |target: &Arc<Target>| {
        let hedge_after = Some(Duration::from_secs(5));
        let provider = ProviderSettings { hedge_after, ..(*target.provider).clone() };
        let (model, class) = (target.model.clone(), target.class.clone());
        Arc::new(Target { provider: Arc::new(provider), model, class, weight: 1.0 })
    };
    let targets: Vec<Arc<Target>> = targets.iter().map(hedging).collect();
    let deadline = now + Duration::from_secs(600);
    let bounds = Bounds { deadline, replayable: true, attempts_max: 12, hedge_after: asked };
    let (mut plan, _) = Plan::begin(route(&targets), bounds).unwrap();
    plan.on(granted(&targets[0].class), now, 0.5);
    (plan, now)
}

fn granted(class: &Class) -> Event {
    Event::Granted { key: class.keys[0].clone(), arrival: 9, from_then: false, may_probe: false }
}

/// What a plan does about what happens after its first attempt was quiet, in short.
fn hedged(targets: &[Arc<Target>], happens: &[Two]) -> String {
    let (mut plan, now) = begun(targets, None);
    let mut trace = String::new();
    let (target, ask) = plan.quiet(now).unwrap();
    assert!(ask.only_free && ask.delay.is_zero());
    write!(trace, "beside {} | ", target.provider.name).unwrap();
    if !matches!(happens[0], NoSlot) {
        plan.hedge_granted(target.class.keys[0].clone(), 4, false);
    }
    for one in happens {
        match one {
            NoSlot => plan.hedge_refused(),
            Speaks => {
                plan.hedge_spoke();
                let (provider, key) = (&plan.target().provider.name, plan.round.key());
                write!(trace, "{provider} {key} | ").unwrap();
            }
            Second(class) => {
                let outcome = plan.hedge_failed(&failure(*class, None), None);
                write!(trace, "{}dismiss | ", learnt(&outcome)).unwrap();
            }
            First(class) if plan.beside.is_some() => {
                let took = Duration::from_secs(6);
                match plan.first_failed(failure(*class, None), took, None, now, 0.5) {
                    AfterFirst::Follow(outcome) => {
                        let (provider, key) = (&plan.target().provider.name, plan.round.key());
                        write!(trace, "{}follow {provider} {key} | ", learnt(&outcome)).unwrap();
                    }
                    AfterFirst::Leave(action) => {
                        trace.push_str("leave | ");
                        describe(&mut trace, &plan, &action);
                    }
                }
            }
            First(class) => {
                let action = plan.on(failed(failure(*class, None)), now, 0.5);
                describe(&mut trace, &plan, &action);
            }
        }
    }
    trace
}

#[test]
fn whoever_is_left_goes_on_and_the_plan_with_it() {
    let three = [
        target("one", "m", &["a"], 1),
        target("two", "m", &["x"], 1),
        target("six", "m", &["y"], 1),
    ];
    let cases: &[(&[Two], &str)] = &[
        (&[Speaks], "beside two | two x | "),
        // The first fails: nobody asks it again, the fallback is on its way.
        (&[First(C::Transient)], "beside two | follow two x | "),
        (&[First(C::RateLimited)], "beside two | a:1 follow two x | "),
        (&[First(C::Silent)], "beside two | follow two x | "),
        (&[First(C::ContextLength)], "beside two | follow two x | "),
        // What the caller did wrong is wrong everywhere.
        (&[First(C::Caller)], "beside two | leave | end upstream_error 400"),
        // The hedge fails: its turn is over.
        (&[Second(C::Transient), First(C::Silent)], "beside two | dismiss | ask six y@0 | "),
        (
            &[Second(C::RateLimited), First(C::Transient)],
            "beside two | x:1 dismiss | wait a'@500 | ",
        ),
        (&[Second(C::Caller), First(C::Silent)], "beside two | dismiss | ask six y@0 | "),
        // Both fail: what follows is what follows a fallback's failure.
        (&[First(C::Silent), First(C::Silent)], "beside two | follow two x | ask six y@0 | "),
        (&[First(C::Silent), First(C::Transient)], "beside two | follow two x | wait x'@500 | "),
        // No slot was free: the fallback's turn is still to come.
        (&[NoSlot, First(C::Silent)], "beside two | ask two x@0 | "),
        (&[NoSlot, First(C::Transient)], "beside two | wait a'@500 | "),
    ];
    for (happens, expected) in cases {
        assert_eq!(hedged(&three, happens), *expected, "{happens:?}");
    }
}

#[test]
fn if_all_fail_the_first_choices_error_is_told() {
    let two = [target("one", "m", &["a"], 0), target("two", "m", &["x"], 0)];
    let told = hedged(&two, &[First(C::Transient), First(C::RateLimited)]);
    assert_eq!(told, "beside two | follow two x | x:1 end upstream_error 503");
    let told = hedged(&two, &[Second(C::RateLimited), First(C::Transient)]);
    assert_eq!(told, "beside two | x:1 dismiss | end upstream_error 503");
    let told = hedged(&two, &[First(C::Credential), First(C::Transient)]);
    assert_eq!(told, "beside two | A:5 follow two x | end upstream_credentials_exhausted 502");
}

#[test]
fn a_request_has_one_hedge_and_only_with_a_fallback_and_a_body_that_can_be_sent_again() {
    let two = [target("one", "m", &["a"], 0), target("two", "m", &["x"], 0)];
    let five = Some(Duration::from_secs(5));
    let (mut plan, now) = begun(&two, None);
    assert_eq!(plan.hedge_after(), five);
    assert!(plan.quiet(now).is_some());
    plan.hedge_refused();
    assert_eq!(plan.hedge_after(), None);
    assert!(plan.quiet(now).is_none());
    // The client's word wins, and may be no.
    let second = Some(Duration::from_secs(1));
    assert_eq!(begun(&two, second).0.hedge_after(), second);
    assert_eq!(begun(&two, Some(Duration::ZERO)).0.hedge_after(), None);
    assert_eq!(begun(&two[..1], second).0.hedge_after(), None);
    let (mut plan, _) = begun(&two, None);
    plan.bounds.replayable = false;
    assert_eq!(plan.hedge_after(), None);
    let (mut plan, _) = begun(&two, None);
    plan.bounds.attempts_max = 1;
    assert_eq!(plan.hedge_after(), None);
}

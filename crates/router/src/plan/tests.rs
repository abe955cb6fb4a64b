//! Scenarios as scripts and traces: what the provider does, what the plan does about it.

mod hedges;
mod property;

use std::collections::VecDeque;
use std::fmt::Write as _;

use weir_quota::{Health, NoKeyReason, Scope};
use weir_types::{KeyRules, UpstreamAnswer};

use super::*;
use crate::settings::{KeySettings, ProviderSettings};

/// What a scenario's world does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The attempt fails with this class, and perhaps a Retry-After in seconds.
    Fail(FailureClass, Option<u64>),
    /// The attempt fails with this class after so many seconds.
    FailSlowly(FailureClass, u64),
    /// The attempt fails with this class, as many before it.
    Again(FailureClass, Outage),
    /// The attempt succeeds.
    Answer,
    /// The pool is full.
    Full,
    /// The keys rest for so many seconds after this.
    Rests(FailureClass, u64),
    /// The pool has no key of the class, for so many seconds.
    NoKey(Option<u64>),
    /// The rotate finds no key; its ticket, if any, is granted.
    NoOther,
    /// The quota store is gone.
    Gone,
}

use FailureClass as C;
use Step::{Again, Answer, Fail, FailSlowly, Full, Gone, NoKey, NoOther, Rests};

/// A target whose keys one server answers.
fn target(provider: &str, model: &str, keys: &[&str], max_retries: u32) -> Arc<Target> {
    let keys: Vec<(&str, usize)> = keys.iter().map(|key| (*key, 0)).collect();
    at(provider, model, &keys, max_retries)
}

/// A target with these keys, each at the server of that number.
fn at(provider: &str, model: &str, keys: &[(&str, usize)], max_retries: u32) -> Arc<Target> {
    let key = |&(name, server): &(&str, usize)| KeySettings {
        name: name.into(),
        weight: 1.0,
        rules: KeyRules::default(),
        enabled: true,
        use_for_batch_api: false,
        server,
    };
    let settings = ProviderSettings::new(provider.into());
    let provider =
        ProviderSettings { max_retries, keys: keys.iter().map(key).collect(), ..settings };
    let class = Class {
        model: model.into(),
        operation: "chat".into(),
        keys: keys.iter().map(|(key, _)| KeyName::from(*key)).collect(),
    };
    Arc::new(Target { provider: Arc::new(provider), model: model.into(), class, weight: 1.0 })
}

fn begin(route: Route, deadline: Instant, replayable: bool) -> Result<(Plan, Action), Fault> {
    Plan::begin(route, Bounds { deadline, replayable, attempts_max: 1000, hedge_after: None })
}

fn route(targets: &[Arc<Target>]) -> Route {
    Route { primary: Ok(targets[0].clone()), fallbacks: targets[1..].to_vec() }
}

fn failure(class: FailureClass, retry_after: Option<u64>) -> Fault {
    let status = match class {
        C::RateLimited => 429,
        C::Credential => 401,
        C::QuotaExhausted => 402,
        C::Refused => 403,
        C::ModelMissing | C::Elsewhere => 404,
        C::Caller | C::ContextLength => 400,
        C::Unreachable => 502,
        C::Transient | C::Silent | C::Unusable | C::Cut | C::ClientGone | C::Cancelled => 503,
    };
    let content_type = String::new();
    let answer = UpstreamAnswer { status, content_type, body: bytes::Bytes::new() };
    let mut fault = Fault::new(FaultCode::UpstreamRejected, class.label())
        .with_class(class)
        .with_retry_after(retry_after.map(Duration::from_secs));
    fault.detail.upstream = Some(answer);
    fault
}

fn failed(fault: Fault) -> Event {
    Event::Failed { fault, took: Duration::from_millis(100), outage: None }
}

/// Runs a script to its end; what the plan did, in short.
fn trace(route: Route, script: &[Step]) -> String {
    let start = Instant::now();
    let mut now = start;
    let deadline = start + Duration::from_secs(600);
    let mut script: VecDeque<Step> = script.iter().copied().collect();
    let mut trace = String::new();
    let (mut plan, mut action) = begin(route, deadline, true).unwrap();
    loop {
        describe(&mut trace, &plan, &action);
        let grant = |class: &Class, from_then| Event::Granted {
            key: class.keys[0].clone(),
            arrival: 9,
            from_then,
            may_probe: false,
        };
        let event = match action {
            Action::Finish { .. } => {
                assert!(script.is_empty(), "unused: {script:?} after {trace}");
                return trace;
            }
            Action::Call => match script.pop_front() {
                Some(Fail(class, retry_after)) => failed(failure(class, retry_after)),
                Some(Again(class, outage)) => Event::Failed {
                    fault: failure(class, None),
                    took: Duration::from_millis(100),
                    outage: Some(outage),
                },
                Some(FailSlowly(class, seconds)) => {
                    let took = Duration::from_secs(seconds);
                    Event::Failed { fault: failure(class, None), took, outage: None }
                }
                Some(Answer) => {
                    assert!(script.is_empty(), "unused: {script:?} after {trace}");
                    return trace + "ok";
                }
                other => panic!("an attempt met {other:?} after {trace}"),
            },
            Action::Acquire { ask, .. } | Action::Wait { then: ask, .. } => refusal(&mut script)
                .unwrap_or_else(|| {
                    now += ask.delay;
                    grant(&ask.class, false)
                }),
            Action::Rotate { class, then, .. } => match (script.front(), then) {
                (Some(NoOther), then) => {
                    script.pop_front();
                    let none =
                        Rejection::NoKey { until: None, reason: NoKeyReason::Cooling, cause: None };
                    then.map_or(Event::Refused(none), |ask| {
                        now += ask.delay;
                        grant(&ask.class, true)
                    })
                }
                _ => refusal(&mut script).unwrap_or_else(|| grant(&class, false)),
            },
        };
        action = plan.on(event, now, 0.5);
    }
}

fn refusal(script: &mut VecDeque<Step>) -> Option<Event> {
    let refusal = match script.front()? {
        Full => Rejection::Full { retry_after: Duration::from_secs(2) },
        NoKey(until) => Rejection::NoKey {
            until: until.map(Duration::from_secs),
            reason: NoKeyReason::Cooling,
            cause: None,
        },
        Rests(class, seconds) => Rejection::NoKey {
            until: Some(Duration::from_secs(*seconds)),
            reason: NoKeyReason::Cooling,
            cause: Some(Cause {
                class: *class,
                is_named: true,
                status: 404,
                said: "no".into(),
                code: Some("its".into()),
            }),
        },
        Gone => Rejection::Unavailable("gone".to_owned()),
        Fail(..) | Again(..) | FailSlowly(..) | Answer | NoOther => return None,
    };
    script.pop_front();
    Some(Event::Refused(refusal))
}

fn describe(trace: &mut String, plan: &Plan, action: &Action) {
    let keys = |class: &Class| class.keys.iter().map(|key| &**key).collect::<Vec<_>>().join("");
    let place = |ask: &QueuePlace| {
        let wait = if ask.wait_for_cooldown { "~" } else { "" };
        let arrival = ask.arrival.map_or("", |_| "'");
        format!("{}{arrival}@{}{wait}", keys(&ask.class), ask.delay.as_millis())
    };
    let provider = &plan.target().provider.name;
    match action {
        Action::Acquire { settle, ask } => {
            let settle = settle.as_ref().map(learnt).unwrap_or_default();
            write!(trace, "{settle}ask {provider} {} | ", place(ask))
        }
        Action::Call => write!(trace, "call {} | ", plan.round.key()),
        Action::Rotate { outcome, class, then } => {
            let then = then.as_ref().map(|ask| format!(" or {}", place(ask))).unwrap_or_default();
            write!(trace, "{}rotate {}{then} | ", learnt(outcome), keys(class))
        }
        Action::Wait { outcome, then } => {
            write!(trace, "{}wait {} | ", learnt(outcome), place(then))
        }
        Action::Finish { settle, fault } => {
            let settle = settle.as_ref().map(learnt).unwrap_or_default();
            let after = fault.detail.retry_after;
            let after = after.map(|after| format!(" {}s", after.as_secs())).unwrap_or_default();
            let status = fault.http_status();
            write!(trace, "{settle}end {} {status}{after}", fault.code.kind())
        }
    }
    .unwrap();
}

/// What the pool is taught, in short: `k:60` cools key and model for 60 s, `K:60` the key.
fn learnt(outcome: &Outcome) -> String {
    let health = outcome.health.iter().map(|health| {
        let Health::Cool { scope, retry_after, base, .. } = health else {
            return "well ".to_owned();
        };
        let seconds = retry_after.unwrap_or(*base) / 1_000_000;
        match scope {
            Scope::Endpoint => format!("*:{seconds} "),
            Scope::Key(key) => format!("{}:{seconds} ", key.to_uppercase()),
            Scope::KeyModel(key, _) => format!("{key}:{seconds} "),
        }
    });
    health.collect()
}

/// Retries of the first target, keys of the first target, targets, script, trace.
type Scenario<'a> = (u32, &'a [&'a str], usize, &'a [Step], &'a str);

fn check(scenarios: &[Scenario<'_>]) {
    for (retries, keys, targets, script, expected) in scenarios {
        let all = [
            target("one", "m", keys, *retries),
            target("two", "n", &["x"], 0),
            target("three", "m", &["y", "z"], 0),
        ];
        assert_eq!(trace(route(&all[..*targets]), script), *expected, "{script:?}");
    }
}

#[test]
fn transient_failures_count_back_off_and_try_another_key_first() {
    let fails = Fail(C::Transient, None);
    check(&[
        (0, &["a"], 1, &[Answer], "ask one a@0 | call a | ok"),
        (0, &["a"], 1, &[fails], "ask one a@0 | call a | end upstream_error 503"),
        (
            2,
            &["a"],
            1,
            &[fails, fails, fails],
            "ask one a@0 | call a | wait a'@500~ | call a | wait a'@1000~ | call a | \
             end upstream_error 503",
        ),
        (
            2,
            &["a", "b"],
            1,
            &[fails, fails, Answer],
            "ask one ab@0 | call a | wait b'@500 | call b | wait ab'@1000~ | call a | ok",
        ),
        // The other key cools: any will do.
        (
            1,
            &["a", "b"],
            1,
            &[fails, NoKey(Some(9)), Answer],
            "ask one ab@0 | call a | wait b'@500 | ask one ab'@500~ | call a | ok",
        ),
        // A Retry-After is obeyed, unless a fallback is quicker.
        (
            1,
            &["a"],
            1,
            &[Fail(C::Transient, Some(7)), Answer],
            "ask one a@0 | call a | wait a'@7000~ | call a | ok",
        ),
        (
            1,
            &["a"],
            2,
            &[Fail(C::Transient, Some(7)), Answer],
            "ask one a@0 | call a | ask two x@0 | call x | ok",
        ),
        // Longer than the deadline: no use waiting.
        (
            1,
            &["a"],
            1,
            &[Fail(C::Transient, Some(700))],
            "ask one a@0 | call a | end upstream_error 503 700s",
        ),
    ]);
}

#[test]
fn rate_limits_rotate_uncounted_and_rounds_count() {
    let limited = Fail(C::RateLimited, Some(3));
    check(&[
        (0, &["a"], 1, &[limited], "ask one a@0 | call a | a:3 end upstream_error 429 3s"),
        (
            0,
            &["a"],
            1,
            &[Fail(C::RateLimited, None)],
            "ask one a@0 | call a | a:1 end upstream_error 429 1s",
        ),
        (
            0,
            &["a", "b"],
            1,
            &[limited, Answer],
            "ask one ab@0 | call a | a:3 rotate b | call b | ok",
        ),
        // The client is told the earliest moment that any key said.
        (
            0,
            &["a", "b"],
            1,
            &[limited, Fail(C::RateLimited, Some(8))],
            "ask one ab@0 | call a | a:3 rotate b | call b | b:8 end upstream_error 429 3s",
        ),
        (
            1,
            &["a", "b"],
            1,
            &[limited, Fail(C::RateLimited, Some(8)), Answer],
            "ask one ab@0 | call a | a:3 rotate b or ab'@500 | call b | \
             b:8 wait ab'@3000~ | call a | ok",
        ),
        // While another provider can be asked, nobody waits for longer than a backoff.
        (
            1,
            &["a", "b"],
            2,
            &[Fail(C::RateLimited, Some(6)), NoOther, Answer],
            "ask one ab@0 | call a | a:6 rotate b | ask two x@0 | call x | ok",
        ),
        // The untried key cools, and the round's ticket is granted.
        (
            1,
            &["a", "b"],
            1,
            &[limited, NoOther, limited, limited],
            "ask one ab@0 | call a | a:3 rotate b or ab'@500 | call a | a:3 rotate b | call b | \
             b:3 end upstream_error 429 3s",
        ),
        (
            1,
            &["a", "b"],
            1,
            &[limited, NoKey(Some(3)), Answer],
            "ask one ab@0 | call a | a:3 rotate b or ab'@500 | ask one ab'@0~ | call a | ok",
        ),
    ]);
}

/// With `max_retries` 2 and a fallback: what is waited for, and what is not. The longest backoff is 5 s.
#[test]
fn a_short_wait_that_the_provider_named_is_a_backoff_though_there_is_a_fallback() {
    let limited = |after| Fail(C::RateLimited, after);
    let rests = |seconds| Rests(C::RateLimited, seconds);
    let to_two = "ask two x@0 | call x | ok";
    let of_two = |first: &str| format!("{first}{to_two}");
    let cases: [(u32, &[&str], &[Step], String); 13] = [
        (
            2,
            &["a"],
            &[limited(Some(2)), Answer],
            "ask one a@0 | call a | a:2 wait a'@2000 | call a | ok".into(),
        ),
        (
            2,
            &["a"],
            &[limited(Some(5)), Answer],
            "ask one a@0 | call a | a:5 wait a'@5000 | call a | ok".into(),
        ),
        (2, &["a"], &[limited(Some(6)), Answer], of_two("ask one a@0 | call a | a:6 ")),
        (0, &["a"], &[limited(Some(2)), Answer], of_two("ask one a@0 | call a | a:2 ")),
        (2, &["a"], &[limited(None), Answer], of_two("ask one a@0 | call a | a:1 ")),
        (
            2,
            &["a", "b"],
            &[limited(None), limited(None), Answer],
            of_two("ask one ab@0 | call a | a:1 rotate b | call b | b:1 "),
        ),
        // Of several keys the first that said when.
        (
            2,
            &["a", "b"],
            &[limited(None), limited(Some(3)), Answer],
            "ask one ab@0 | call a | a:1 rotate b | call b | b:3 wait ab'@3000 | call a | ok"
                .into(),
        ),
        (
            2,
            &["a", "b"],
            &[limited(Some(3)), NoOther, Answer],
            "ask one ab@0 | call a | a:3 rotate b or ab'@3000 | call a | ok".into(),
        ),
        (
            2,
            &["a"],
            &[Fail(C::Transient, Some(3)), Answer],
            "ask one a@0 | call a | wait a'@3000 | call a | ok".into(),
        ),
        (2, &["a"], &[Fail(C::Transient, Some(6)), Answer], of_two("ask one a@0 | call a | ")),
        // Whoever comes during the rest.
        (2, &["a"], &[rests(2), Answer], "ask one a@0 | ask one a@2000 | call a | ok".into()),
        (2, &["a"], &[rests(6), Answer], of_two("ask one a@0 | ")),
        (2, &["a"], &[rests(2), rests(2), Answer], of_two("ask one a@0 | ask one a@2000 | ")),
    ];
    for (retries, keys, script, expected) in cases {
        let all = [target("one", "m", keys, retries), target("two", "n", &["x"], 0)];
        assert_eq!(trace(route(&all), script), expected, "{script:?}");
    }
}

fn at_servers(keys: &[(&str, usize)], max_retries: u32) -> Arc<Target> {
    at("one", "m", keys, max_retries)
}

const TWO: [(&str, usize); 3] = [("a", 0), ("b", 0), ("c", 1)];

#[test]
fn a_server_that_is_not_there_costs_nothing_where_another_one_answers() {
    let lost = Fail(C::Unreachable, None);
    let cases: [(u32, &[Step], &str); 4] = [
        (0, &[lost, Answer], "ask one abc@0 | call a | A:0 B:0 rotate c | call c | ok"),
        (
            0,
            &[lost, lost],
            "ask one abc@0 | call a | A:0 B:0 rotate c | call c | C:0 end upstream_error 502",
        ),
        (
            1,
            &[lost, lost, Answer],
            "ask one abc@0 | call a | A:0 B:0 rotate c or abc'@500 | call c | \
             C:0 wait abc'@500~ | call a | ok",
        ),
        // The other one rests, and this is the last try.
        (
            1,
            &[lost, NoOther, lost, NoOther],
            "ask one abc@0 | call a | A:0 B:0 rotate c or abc'@500 | call a | A:0 B:0 rotate c | \
             end upstream_error 502",
        ),
    ];
    for (retries, script, expected) in cases {
        assert_eq!(trace(route(&[at_servers(&TWO, retries)]), script), expected, "{script:?}");
    }
    let both = [at_servers(&TWO, 2), target("two", "n", &["x"], 0)];
    assert_eq!(
        trace(route(&both), &[lost, NoOther, Answer]),
        "ask one abc@0 | call a | A:0 B:0 rotate c or abc'@500 | call a | ok"
    );
}

#[test]
fn a_server_without_another_one_beside_it_is_tried_like_one_that_fails() {
    let lost = Fail(C::Unreachable, None);
    let cases: [(u32, &[Step], &str); 3] = [
        (0, &[lost], "ask one ab@0 | call a | end upstream_error 502"),
        (1, &[lost, Answer], "ask one ab@0 | call a | wait ab'@500~ | call a | ok"),
        (
            1,
            &[lost, lost],
            "ask one ab@0 | call a | wait ab'@500~ | call a | end upstream_error 502",
        ),
    ];
    for (retries, script, expected) in cases {
        let target = at_servers(&TWO[..2], retries);
        assert_eq!(trace(route(&[target]), script), expected, "{script:?}");
    }
    let both = [at_servers(&TWO[..2], 1), target("two", "n", &["x"], 0)];
    assert_eq!(
        trace(route(&both), &[lost, lost, Answer]),
        "ask one ab@0 | call a | wait ab'@500 | call a | ask two x@0 | call x | ok"
    );
}

#[test]
fn in_an_outage_nobody_finds_out_again_what_is_known() {
    let out = |class| Again(class, Outage::Model);
    check(&[
        // Neither a retry nor another key of the server, but the fallback.
        (
            2,
            &["a"],
            2,
            &[out(C::Transient), Answer],
            "ask one a@0 | call a | a:1 ask two x@0 | call x | ok",
        ),
        (2, &["a"], 1, &[out(C::Silent)], "ask one a@0 | call a | a:1 end upstream_error 503"),
        // Whoever comes meanwhile.
        (2, &["a"], 2, &[Rests(C::Cut, 3), Answer], "ask one a@0 | ask two x@0 | call x | ok"),
        (2, &["a"], 1, &[Rests(C::Transient, 3)], "ask one a@0 | end no_eligible_keys 503 3s"),
    ]);
    let one_server = [("a", 0), ("b", 0)];
    type Case<'a> = (u32, &'a [(&'a str, usize)], &'a [Step], &'a str);
    let cases: [Case<'_>; 3] = [
        (
            2,
            &one_server,
            &[Again(C::Transient, Outage::Server)],
            "ask one ab@0 | call a | A:1 B:1 end upstream_error 503",
        ),
        // Another server may be well.
        (
            2,
            &TWO,
            &[out(C::Cut), Answer],
            "ask one abc@0 | call a | a:1 b:1 wait c'@500 | call c | ok",
        ),
        (0, &TWO, &[out(C::Cut)], "ask one abc@0 | call a | a:1 b:1 end upstream_error 503"),
    ];
    for (retries, keys, script, expected) in cases {
        assert_eq!(trace(route(&[at_servers(keys, retries)]), script), expected, "{script:?}");
    }
}

#[test]
fn a_slow_failure_is_not_had_again_while_a_fallback_is_left() {
    let slow = FailSlowly(C::Transient, 11);
    check(&[
        (2, &["a"], 2, &[slow, Answer], "ask one a@0 | call a | ask two x@0 | call x | ok"),
        (2, &["a"], 1, &[slow, Answer], "ask one a@0 | call a | wait a'@500~ | call a | ok"),
        (
            2,
            &["a"],
            2,
            &[FailSlowly(C::Transient, 9), Answer],
            "ask one a@0 | call a | wait a'@500 | call a | ok",
        ),
    ]);
}

#[test]
fn a_refusal_that_nobody_explains_is_tried_with_other_keys_and_teaches_nothing() {
    let refused = Fail(C::Refused, None);
    check(&[
        (2, &["a"], 1, &[refused], "ask one a@0 | call a | end upstream_error 403"),
        (0, &["a", "b"], 1, &[refused, Answer], "ask one ab@0 | call a | rotate b | call b | ok"),
        (
            0,
            &["a", "b"],
            2,
            &[refused, refused, Answer],
            "ask one ab@0 | call a | rotate b | call b | ask two x@0 | call x | ok",
        ),
    ]);
}

#[test]
fn dead_keys_are_passed_over_uncounted_until_none_is_left() {
    let refused = Fail(C::Credential, None);
    let missing = Fail(C::ModelMissing, None);
    check(&[
        (
            0,
            &["a", "b"],
            1,
            &[refused, refused],
            "ask one ab@0 | call a | A:5 rotate b | call b | \
             B:5 end upstream_credentials_exhausted 502",
        ),
        (
            3,
            &["a"],
            1,
            &[refused],
            "ask one a@0 | call a | A:5 end upstream_credentials_exhausted 502",
        ),
        // A missing model is told as the provider told it.
        (
            3,
            &["a", "b"],
            1,
            &[refused, missing],
            "ask one ab@0 | call a | A:5 rotate b or b'@500 | call b | \
             b:60 end upstream_error 404",
        ),
        (
            1,
            &["a", "b"],
            1,
            &[refused, Fail(C::Transient, None), Answer],
            "ask one ab@0 | call a | A:5 rotate b or b'@500 | call b | wait b'@500~ | call b | ok",
        ),
        (0, &["a"], 2, &[missing, Answer], "ask one a@0 | call a | a:60 ask two x@0 | call x | ok"),
        // Nor is a refused key that is asked after it.
        (
            0,
            &["a", "b"],
            1,
            &[missing, refused],
            "ask one ab@0 | call a | a:60 rotate b | call b | B:5 end upstream_error 404",
        ),
    ]);
}

#[test]
fn an_account_without_quota_is_not_a_refused_key_and_the_provider_is_quoted() {
    let spent = Fail(C::QuotaExhausted, Some(3600));
    let refused = Fail(C::Credential, Some(60));
    check(&[
        (
            2,
            &["a", "b"],
            1,
            &[spent, spent],
            "ask one ab@0 | call a | A:5 rotate b or b'@500 | call b | \
             B:5 end upstream_quota_exhausted 502",
        ),
        (
            0,
            &["a", "b"],
            1,
            &[spent, refused],
            "ask one ab@0 | call a | A:5 rotate b | call b | \
             B:5 end upstream_credentials_exhausted 502",
        ),
        (0, &["a"], 2, &[spent, Answer], "ask one a@0 | call a | A:5 ask two x@0 | call x | ok"),
    ]);
    let target = target("one", "m", &["a", "b", "c", "d"], 0);
    let said = |class: FailureClass, text: &str| {
        let mut fault = failure(class, None);
        fault.detail.message = text.to_owned().into();
        fault.detail.code = Some(class.label().into());
        fault
    };
    let dead = [
        ("a".into(), said(C::Credential, "one answered 401: Incorrect API key")),
        ("b".into(), said(C::QuotaExhausted, "one answered 429: You exceeded your quota")),
        ("c".into(), said(C::Credential, "one answered 401")),
        ("d".into(), said(C::Credential, "one answered 401")),
    ];
    let fault = exhausted(&target, &dead);
    assert_eq!(
        fault.detail.message,
        "the provider `one` accepts no key that serves `m`: \
         `a` is refused (one answered 401: Incorrect API key), \
         `b` is out of quota (one answered 429: You exceeded your quota), \
         `c` is refused (one answered 401), and 1 more"
    );
    assert_eq!(fault.detail.code.as_deref(), Some("credential"));
    assert_eq!(fault.detail.retry_after, None);
}

#[test]
fn a_body_that_is_gone_does_not_blame_the_callers_credential() {
    let now = Instant::now();
    for class in [C::Credential, C::QuotaExhausted] {
        let targets = [target("one", "m", &["a", "b"], 3)];
        let deadline = now + Duration::from_secs(9);
        let (mut plan, _) = begin(route(&targets), deadline, false).unwrap();
        plan.on(
            Event::Granted { key: "a".into(), arrival: 1, from_then: false, may_probe: false },
            now,
            0.5,
        );
        let failed = plan.on(failed(failure(class, Some(9))), now, 0.5);
        let Action::Finish { fault, .. } = failed else { panic!("{failed:?}") };
        assert_eq!((fault.http_status(), fault.invites_retry()), (502, false), "{class:?}");
    }
}

#[test]
fn silence_context_length_and_caller_faults_go_their_own_ways() {
    let silent = Fail(C::Silent, None);
    let caller = Fail(C::Caller, None);
    let too_long = Fail(C::ContextLength, None);
    let unusable = Fail(C::Unusable, None);
    let elsewhere = Fail(C::Elsewhere, None);
    check(&[
        (3, &["a"], 2, &[silent, Answer], "ask one a@0 | call a | ask two x@0 | call x | ok"),
        (1, &["a"], 1, &[silent, Answer], "ask one a@0 | call a | wait a'@500~ | call a | ok"),
        (3, &["a", "b"], 2, &[caller], "ask one ab@0 | call a | end upstream_error 400"),
        (3, &["a", "b"], 1, &[too_long], "ask one ab@0 | call a | end upstream_error 400"),
        // Neither a retry nor another key, but another provider.
        (3, &["a", "b"], 1, &[unusable], "ask one ab@0 | call a | end upstream_error 503"),
        (
            3,
            &["a", "b"],
            2,
            &[unusable, Answer],
            "ask one ab@0 | call a | ask two x@0 | call x | ok",
        ),
        (3, &["a", "b"], 1, &[elsewhere], "ask one ab@0 | call a | end upstream_error 404"),
        (
            3,
            &["a", "b"],
            2,
            &[elsewhere, Answer],
            "ask one ab@0 | call a | ask two x@0 | call x | ok",
        ),
        // Three has a model of the name of the one that the prompt did not fit: it may be larger there.
        (
            3,
            &["a"],
            3,
            &[too_long, Fail(C::Transient, None), Answer],
            "ask one a@0 | call a | ask two x@0 | call x | ask three yz@0 | call y | ok",
        ),
        (
            3,
            &["a"],
            2,
            &[Fail(C::ClientGone, None)],
            "ask one a@0 | call a | end upstream_error 503",
        ),
    ]);
}

#[test]
fn what_the_prompt_did_not_fit_is_not_asked_again() {
    let (one, two) = (target("one", "m", &["a"], 0), target("two", "m", &["x"], 0));
    let too_long = Fail(C::ContextLength, None);
    assert_eq!(
        trace(route(&[one.clone(), one, two]), &[too_long, Answer]),
        "ask one a@0 | call a | ask two x@0 | call x | ok"
    );
}

#[test]
fn refusals_fall_back_or_are_told_or_waited_for() {
    check(&[
        (3, &["a"], 1, &[Full], "ask one a@0 | end request_dropped 429 2s"),
        (0, &["a"], 2, &[Full, Answer], "ask one a@0 | ask two x@0 | call x | ok"),
        (0, &["a"], 1, &[NoKey(Some(20))], "ask one a@0 | end rate_limited 429 20s"),
        (0, &["a"], 2, &[NoKey(Some(20)), Answer], "ask one a@0 | ask two x@0 | call x | ok"),
        (1, &["a"], 1, &[NoKey(Some(20)), Answer], "ask one a@0 | ask one a@0~ | call a | ok"),
        // What does not pass is not waited for.
        (
            1,
            &["a"],
            1,
            &[Rests(C::RateLimited, 20), Answer],
            "ask one a@0 | ask one a@0~ | call a | ok",
        ),
        (
            1,
            &["a"],
            1,
            &[Rests(C::Credential, 20)],
            "ask one a@0 | end upstream_credentials_exhausted 502",
        ),
        (
            1,
            &["a"],
            1,
            &[Rests(C::QuotaExhausted, 20)],
            "ask one a@0 | end upstream_quota_exhausted 502",
        ),
        (1, &["a"], 1, &[Rests(C::ModelMissing, 20)], "ask one a@0 | end upstream_error 404"),
        // The wait is no retry.
        (
            1,
            &["a"],
            1,
            &[NoKey(Some(20)), Fail(C::Transient, None), Answer],
            "ask one a@0 | ask one a@0~ | call a | wait a'@500~ | call a | ok",
        ),
        (1, &["a"], 1, &[NoKey(Some(700))], "ask one a@0 | end rate_limited 429 700s"),
        (1, &["a"], 1, &[NoKey(None)], "ask one a@0 | end rate_limited 429 1s"),
        (0, &["a"], 2, &[Gone], "ask one a@0 | end quota_unavailable 503 1s"),
        // If all fail, the first one's failure is told.
        (
            0,
            &["a"],
            3,
            &[Full, Fail(C::Transient, None), Fail(C::RateLimited, None), Fail(C::Caller, None)],
            "ask one a@0 | ask two x@0 | call x | ask three yz@0 | call y | \
             y:1 rotate z | call z | end request_dropped 429 2s",
        ),
        // What ends the request itself is told even so.
        (
            0,
            &["a"],
            2,
            &[Fail(C::Transient, None), Gone],
            "ask one a@0 | call a | ask two x@0 | end quota_unavailable 503 1s",
        ),
    ]);
}

#[test]
fn a_primary_that_cannot_be_asked_is_told_if_its_fallbacks_fail() {
    let fault = || Fault::new(FaultCode::NoKeySupportsModel, "none");
    let fallbacks = vec![target("two", "n", &["x"], 0)];
    let unserved = || Route { primary: Err(fault()), fallbacks: fallbacks.clone() };
    assert_eq!(trace(unserved(), &[Answer]), "ask two x@0 | call x | ok");
    assert_eq!(
        trace(unserved(), &[Fail(C::Transient, None)]),
        "ask two x@0 | call x | end no_key_supports_model 400"
    );
    let alone = Route { primary: Err(fault()), fallbacks: Vec::new() };
    assert_eq!(begin(alone, Instant::now(), true).unwrap_err(), fault());
}

#[test]
fn a_body_that_is_gone_and_a_passed_deadline_end_the_plan() {
    let now = Instant::now();
    let granted =
        || Event::Granted { key: "a".into(), arrival: 1, from_then: false, may_probe: false };
    let targets = [target("one", "m", &["a", "b"], 3), target("two", "n", &["x"], 0)];
    for (deadline, replayable) in [(now + Duration::from_secs(9), false), (now, true)] {
        let (mut plan, _) = begin(route(&targets), deadline, replayable).unwrap();
        assert_eq!(plan.on(granted(), now, 0.5), Action::Call);
        let failed = plan.on(failed(failure(C::Transient, None)), now, 0.5);
        let Action::Finish { settle: Some(_), fault } = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(fault.http_status(), 503);
    }
}

#[test]
fn backoffs_double_up_to_the_limit_and_vary_by_a_fifth() {
    let target = target("one", "m", &["a"], 20);
    let mut round = Round::new();
    let expected = [500, 1000, 2000, 4000, 5000, 5000];
    for millis in expected {
        let base = Duration::from_millis(millis);
        let max = target.provider.backoff_max;
        assert_eq!(round.backoff(&target, 0.5), base);
        assert_eq!(round.backoff(&target, 0.0), base.mul_f64(0.8));
        assert_eq!(round.backoff(&target, 1.0), base.mul_f64(1.2).min(max));
        round.retried(None);
    }
    (0..100).for_each(|_| round.retried(None));
    assert_eq!(round.backoff(&target, 1.0), target.provider.backoff_max);
}

#[test]
fn only_a_providers_own_failures_teach_anything() {
    let key = KeyName::from("a");
    let target = target("one", "m", &["a"], 0);
    for class in [C::RateLimited, C::Credential, C::QuotaExhausted, C::ModelMissing] {
        let fault = failure(class, Some(5));
        let learned = learn(
            Conclusion::Failed { fault: &fault, may_probe: false, outage: None },
            &key,
            &target,
        );
        assert_eq!(learned.health.len(), 1, "{class:?}");
        for side in [weir_types::Side::Gateway, weir_types::Side::Client] {
            let fault = fault.clone().with_side(side);
            let learned = learn(
                Conclusion::Failed { fault: &fault, may_probe: false, outage: None },
                &key,
                &target,
            );
            assert_eq!(learned, Outcome::default(), "{class:?} {side:?}");
        }
    }
    for code in [FaultCode::LinkBroken, FaultCode::Unavailable, FaultCode::NoEligibleKeys] {
        let fault = Fault::new(code, "ours").with_class(C::Credential);
        let learned = learn(
            Conclusion::Failed { fault: &fault, may_probe: false, outage: None },
            &key,
            &target,
        );
        assert_eq!(learned, Outcome::default(), "{code:?}");
    }
    assert_eq!(learn(Conclusion::Answered, &key, &target).health.len(), 2);
}

#[test]
fn two_answers_decide_where_a_failure_leads() {
    let targets = [target("one", "m", &["a", "b"], 2), target("two", "larger", &["c"], 0)];
    for class in FailureClass::ALL {
        let route = route(&targets);
        let deadline = Instant::now() + Duration::from_secs(600);
        let (mut plan, _) = begin(route, deadline, true).unwrap();
        let granted =
            Event::Granted { key: "a".into(), arrival: 1, from_then: false, may_probe: false };
        plan.on(granted, Instant::now(), 0.5);
        let next = plan.on(failed(failure(class, None)), Instant::now(), 0.5);
        let ends = matches!(next, Action::Finish { .. });
        assert_eq!(ends, !class.another_provider_may_help(), "{class:?}");
        let falls_back = &*plan.target().provider.name == "two";
        assert!(!falls_back || class.another_provider_may_help(), "{class:?}");
        let must_leave = !class.another_key_may_help() && class.another_provider_may_help();
        assert!(!must_leave || falls_back, "{class:?}");
    }
}

/// How many calls a request leads to that fails everywhere, and what its client is told.
fn calls_until_given_up(attempts_max: u32, repeated: usize) -> (u32, Fault) {
    let names: Vec<String> = (0..17).map(|at| format!("p{at}")).collect();
    let targets: Vec<_> = names.iter().map(|name| target(name, "m", &["a", "b"], 3)).collect();
    let mut now = Instant::now();
    let bounds = Bounds {
        deadline: now + Duration::from_hours(1),
        replayable: true,
        attempts_max,
        hedge_after: None,
    };
    let (mut plan, mut action) = Plan::begin(route(&targets), bounds).unwrap();
    let mut calls = 0;
    loop {
        let event = match action {
            Action::Finish { fault, .. } => return (calls, fault),
            Action::Call => {
                calls += 1;
                plan.repeated(repeated);
                failed(failure(C::Transient, None))
            }
            Action::Acquire { ask: QueuePlace { class, delay, .. }, .. }
            | Action::Wait { then: QueuePlace { class, delay, .. }, .. } => {
                now += delay;
                Event::Granted {
                    key: class.keys[0].clone(),
                    arrival: 9,
                    from_then: false,
                    may_probe: false,
                }
            }
            Action::Rotate { class, .. } => Event::Granted {
                key: class.keys[0].clone(),
                arrival: 9,
                from_then: false,
                may_probe: false,
            },
        };
        action = plan.on(event, now, 0.5);
    }
}

#[test]
fn a_request_leads_to_no_more_calls_than_it_may() {
    let (calls, fault) = calls_until_given_up(1000, 0);
    assert_eq!(calls, 68);
    assert!(!fault.detail.message.contains("--attempts-max"), "{fault}");
    for attempts_max in [1, 2, 12, 67] {
        let (calls, fault) = calls_until_given_up(attempts_max, 0);
        assert_eq!(calls, attempts_max);
        let said = format!("transient (given up after {calls} attempts: --attempts-max)");
        let told = fault.detail.message.as_ref();
        // What the first target failed with, once it was left.
        assert!(told == said, "{told}");
        assert_eq!(fault.detail.class, Some(C::Transient));
    }
    // Those that a worker makes again count.
    assert_eq!(calls_until_given_up(12, 1).0, 6);
}

/// The first rest that a failure of key `a` teaches, in seconds; doubled for each one before.
fn first_rest(fault: &Fault, may_probe: bool) -> u64 {
    let target = target("one", "m", &["a"], 0);
    let learned =
        learn(Conclusion::Failed { fault, may_probe, outage: None }, &"a".into(), &target);
    let [Health::Cool { scope: Scope::Key(_), retry_after: None, base, .. }] = &learned.health[..]
    else {
        panic!("{learned:?}");
    };
    base / 1_000_000
}

#[test]
fn a_key_rests_for_long_after_a_second_request_or_beyond_doubt() {
    for class in [C::Credential, C::QuotaExhausted] {
        let fault = failure(class, None);
        assert_eq!(first_rest(&fault, false), 5, "{class:?}");
        // The second in a row, which the pool doubles: a minute.
        assert_eq!(first_rest(&fault, true), 30, "{class:?}");
        for code in ["invalid_api_key", "insufficient_quota", "INVALID_API_KEY"] {
            let mut certain = fault.clone();
            certain.detail.code = Some(code.into());
            assert_eq!((first_rest(&certain, false), first_rest(&certain, true)), (60, 60));
        }
        let mut other = fault.clone();
        other.detail.code = Some("forbidden".into());
        assert_eq!(first_rest(&other, false), 5);
        // A token was refused before anybody saw the request.
        let mut token = fault;
        token.detail.upstream = None;
        assert_eq!(first_rest(&token, false), 60);
    }
}

#[test]
fn one_request_bears_witness_against_a_key_once() {
    for (code, expected) in [(None, 0), (Some("invalid_api_key"), 1)] {
        let mut fault = failure(C::Credential, None);
        fault.detail.code = code.map(Into::into);
        // Two models of one provider, which the same key serves.
        let targets = [target("one", "m", &["a"], 0), target("one", "n", &["a"], 0)];
        let now = Instant::now();
        let (mut plan, _) = begin(route(&targets), now + Duration::from_mins(1), true).unwrap();
        let granted =
            |may_probe| Event::Granted { key: "a".into(), arrival: 1, from_then: false, may_probe };
        plan.on(granted(false), now, 0.5);
        let Action::Acquire { settle: Some(first), .. } = plan.on(failed(fault.clone()), now, 0.5)
        else {
            panic!("no fallback");
        };
        plan.on(granted(true), now, 0.5);
        let Action::Finish { settle: Some(second), .. } = plan.on(failed(fault), now, 0.5) else {
            panic!("no end");
        };
        assert_eq!((first.health.len(), second.health.len()), (1, expected), "{code:?}");
    }
}

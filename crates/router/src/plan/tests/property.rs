//! Whatever happens, a plan ends, keeps to its retries, and holds no slot while it waits.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct World {
    /// Keys and retries of each target.
    targets: Vec<(usize, u32)>,
    /// What happens, by number; when it is used up, everything fails as transient.
    happens: Vec<(u8, u16, u8)>,
}

fn world() -> impl Strategy<Value = World> {
    let targets = prop::collection::vec((1..5_usize, 0..4_u32), 1..4);
    let happens = prop::collection::vec((any::<u8>(), 0..900_u16, any::<u8>()), 0..80);
    (targets, happens).prop_map(|(targets, happens)| World { targets, happens })
}

/// What is checked while a plan runs.
#[derive(Default)]
struct Watch {
    holds: bool,
    /// Attempts and counted retries by provider.
    attempts: HashMap<ProviderNumber, u32>,
    retries: HashMap<ProviderNumber, u32>,
    key: Option<KeyName>,
}

type ProviderNumber = String;

impl Watch {
    /// A retry is counted: the plan said to wait, or was granted what it would wait for.
    fn retry(&mut self, provider: &str) {
        *self.retries.entry(provider.to_owned()).or_default() += 1;
    }
}

fn refusal_of(kind: u8, seconds: u16) -> Rejection {
    match kind % 5 {
        0 => Rejection::Full { retry_after: Duration::from_secs(1) },
        1 => Rejection::NoKey { until: None, reason: NoKeyReason::Unknown, cause: None },
        2 => Rejection::Deadline,
        _ => Rejection::NoKey {
            until: Some(Duration::from_secs(seconds.into())),
            reason: NoKeyReason::Cooling,
            cause: None,
        },
    }
}

fn run(world: &World) -> Result<(), TestCaseError> {
    let names = ["a", "b", "c", "d", "e"];
    let targets: Vec<Arc<Target>> = world
        .targets
        .iter()
        .enumerate()
        .map(|(at, (keys, retries))| target(&format!("p{at}"), "m", &names[..*keys], *retries))
        .collect();
    let mut now = Instant::now();
    let deadline = now + Duration::from_secs(600);
    let mut happens = world.happens.iter().copied();
    let (mut plan, mut action) = begin(route(&targets), deadline, true).unwrap();
    let mut watch = Watch::default();
    for step in 0.. {
        prop_assert!(step < 400, "the plan does not end");
        let provider = plan.target().provider.name.to_string();
        let (kind, seconds, draw) = happens.next().unwrap_or((200, 0, 7));
        let refused = kind < 60;
        let event = match action {
            Action::Finish { settle, .. } => {
                prop_assert_eq!(settle.is_some(), watch.holds);
                break;
            }
            Action::Call => {
                prop_assert!(watch.holds);
                *watch.attempts.entry(provider).or_default() += 1;
                now += Duration::from_millis(kind.into());
                let class = FailureClass::ALL[usize::from(draw) % FailureClass::ALL.len()];
                let after = (kind % 2 == 0).then_some(u64::from(seconds));
                failed(failure(class, after))
            }
            Action::Acquire { settle, ask } => {
                prop_assert_eq!(settle.is_some(), watch.holds);
                watch.holds = false;
                admit(&mut watch, &ask, refused, kind, seconds, &mut now)?
            }
            Action::Wait { then, .. } => {
                prop_assert!(watch.holds);
                watch.holds = false;
                watch.retry(&provider);
                prop_assert!(now + then.delay < deadline);
                admit(&mut watch, &then, refused, kind, seconds, &mut now)?
            }
            Action::Rotate { class, then, .. } => {
                prop_assert!(watch.holds);
                prop_assert!(!class.keys.iter().any(|key| watch.key.as_ref() == Some(key)));
                let then = then.filter(|_| kind % 2 == 0);
                rotate(&mut watch, &provider, &class, then, refused, (kind, seconds), &mut now)?
            }
        };
        action = plan.on(event, now, f64::from(draw) / 256.0);
    }
    for target in &targets {
        let name: &str = &target.provider.name;
        let max = target.provider.max_retries;
        let keys = u32::try_from(target.class.keys.len()).unwrap();
        prop_assert!(watch.retries.get(name).copied().unwrap_or(0) <= max);
        prop_assert!(watch.attempts.get(name).copied().unwrap_or(0) <= (max + 1) * keys);
    }
    Ok(())
}

/// Gives another key, or none, or goes on with `then`.
fn rotate(
    watch: &mut Watch,
    provider: &str,
    class: &Class,
    then: Option<QueuePlace>,
    refused: bool,
    (kind, seconds): (u8, u16),
    now: &mut Instant,
) -> Result<Event, TestCaseError> {
    if !refused {
        let key = class.keys[0].clone();
        watch.key = Some(key.clone());
        return Ok(Event::Granted { key, arrival: 3, from_then: false, may_probe: false });
    }
    watch.holds = false;
    let Some(ask) = then else {
        return Ok(Event::Refused(refusal_of(kind, seconds)));
    };
    watch.retry(provider);
    match admit(watch, &ask, false, kind, seconds, now)? {
        Event::Granted { key, arrival, .. } => {
            Ok(Event::Granted { key, arrival, from_then: true, may_probe: false })
        }
        other => Ok(other),
    }
}

/// Grants a place or refuses it.
fn admit(
    watch: &mut Watch,
    ask: &QueuePlace,
    refused: bool,
    kind: u8,
    seconds: u16,
    now: &mut Instant,
) -> Result<Event, TestCaseError> {
    prop_assert!(!watch.holds, "a slot is held while something waits");
    prop_assert!(!ask.class.keys.is_empty());
    if refused {
        return Ok(Event::Refused(refusal_of(kind, seconds)));
    }
    *now += ask.delay;
    watch.holds = true;
    let key = ask.class.keys[usize::from(kind) % ask.class.keys.len()].clone();
    watch.key = Some(key.clone());
    Ok(Event::Granted { key, arrival: 3, from_then: false, may_probe: false })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_plan_ends_keeps_to_its_retries_and_holds_no_slot_while_it_waits(world in world()) {
        run(&world)?;
    }
}

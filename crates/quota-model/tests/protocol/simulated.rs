//! Long paths through large worlds: a few that stay the same, and in soak new ones (`--ignored`), each
//! longer. A finding names its seed: `Simulation::new(seed)` makes the same path again.

use std::time::{Duration, Instant, SystemTime};

use weir_quota_model::{Figures, Mutant, Simulation};

/// Requests on each path of `cargo xtask test`, and of soak.
const REQUESTS: u64 = 4_000;
const REQUESTS_IN_SOAK: u64 = 100_000;

/// Paths through worlds of 2 to 12 routers. Three of them have found defects: that a share forgot in a grace who
/// had been known before it (5), what an outcome teaches whose lease its router has left out (14), and that a
/// share gave away the slots of what ran in it while its process stood still (27).
const SEEDS: [u64; 15] = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 27];

#[test]
fn paths_that_stay_the_same() {
    for seed in SEEDS {
        match Simulation::new(seed).run(REQUESTS) {
            Ok(figures) => {
                println!("{seed}: {figures:?}");
                assert!(figures.served > REQUESTS / 20 && figures.troubles > 50, "{figures:?}");
            }
            Err(found) => panic!("{found}"),
        }
    }
}

#[test]
fn a_seed_is_a_path() {
    let run = |seed| Simulation::new(seed).run(200).unwrap_or_else(|found| panic!("{found}"));
    assert_eq!(run(0), run(0));
    assert_ne!(run(0), run(1));
}

/// Faults that are put in on purpose and take longer to come out, or are judged in small worlds alone.
const MISSED: [Mutant; 5] = [
    Mutant::HelloBeginsGrace,
    Mutant::ProbeAlone,
    Mutant::NoRenewal,
    Mutant::FrozenServes,
    Mutant::RestatesNoLease,
];

#[test]
fn faults_are_found() {
    let is_missed = |mutant: &&Mutant| {
        let is_found = |seed| Simulation::with(seed, Some(**mutant)).run(REQUESTS).is_err();
        !MISSED.contains(mutant) && !(0..100).any(is_found)
    };
    let missed: Vec<_> = Mutant::ALL.iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

/// How long new paths are tried, in seconds, if not for five minutes.
const SOAK_SECONDS: &str = "WEIR_SIMULATION_SECONDS";
/// The first seed, if not one by the clock: to make paths again.
const SOAK_SEED: &str = "WEIR_SIMULATION_SEED";
/// Requests on each path, if not as many as in soak.
const SOAK_REQUESTS: &str = "WEIR_SIMULATION_REQUESTS";

#[test]
#[ignore = "for soak"]
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of a process")]
fn new_paths() {
    let number = |name: &str| -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name} is a whole number")))
    };
    let seconds = number(SOAK_SECONDS).unwrap_or(300);
    let requests = number(SOAK_REQUESTS).unwrap_or(REQUESTS_IN_SOAK);
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let by_clock = || u64::try_from(began.as_nanos() % (1 << 60)).unwrap_or(1);
    let first = number(SOAK_SEED).unwrap_or_else(by_clock);
    let (begun, mut seed, mut all, mut found) =
        (Instant::now(), first, Figures::default(), Vec::new());
    while seed == first || begun.elapsed() < Duration::from_secs(seconds) {
        match Simulation::new(seed).run(requests) {
            Ok(figures) => {
                println!("seed {seed}: {figures:?}");
                all = all.and(figures);
            }
            Err(finding) => {
                println!("{finding}");
                found.push((seed, finding.step, finding.label));
            }
        }
        seed += 1;
    }
    println!("seeds {first} to {}, in {:.0?}: {all:?}", seed - 1, begun.elapsed());
    assert!(found.is_empty(), "found: {found:?}");
}

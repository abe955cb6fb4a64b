//! The compose step of `cargo xtask test`: the stack of `docker-compose.yml` on a real engine.
//!
//! It runs wherever an engine answers. In CI a missing engine is a failure; elsewhere the step is
//! left out and the summary says so.

use std::path::Path;

use crate::step::{Step, Steps, TaskError, answers};
use crate::test::{install, is_pytest_summary, missing};

const SCENARIOS: &str = "tests/compose";

/// Whether the step can run; installs compose where that needs no questions.
///
/// # Errors
/// If it has to run and cannot: said before anything is built.
pub(crate) fn prepare(root: &Path, steps: &mut Steps) -> Result<bool, TaskError> {
    let none = format!("{SCENARIOS}: no Docker engine answers `docker info`");
    #[expect(clippy::disallowed_methods, reason = "CI is told from a desk by its environment")]
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    match engine(answers("docker", &["info"]), in_ci) {
        Engine::There => {}
        Engine::LeftOut => {
            steps.skip(none);
            return Ok(false);
        }
        Engine::Missing => {
            let why = format!("{none}, and CI=true asks for one; --no-compose leaves it out");
            return Err(TaskError::Setup(why));
        }
    }
    if !answers("docker-compose", &["version"]) && !answers("docker", &["compose", "version"]) {
        let why = "the scenarios on containers need compose";
        let instead = ", or leave them out with --no-compose";
        install(root, steps, "docker-compose", &missing("docker-compose", why, instead))?;
    }
    Ok(true)
}

/// Runs the scenarios with `interpreter`, which has pytest.
pub(crate) fn run(root: &Path, steps: &mut Steps, interpreter: &Path) -> Result<(), TaskError> {
    let program = interpreter.to_string_lossy();
    let pytest = Step::new("compose", root, &program, &["-m", "pytest", "-s", SCENARIOS]);
    steps.run(pytest.summed_up_by(is_summary))
}

#[derive(Debug, PartialEq, Eq)]
enum Engine {
    There,
    LeftOut,
    Missing,
}

/// What is done about an engine that answers or does not.
fn engine(answers: bool, in_ci: bool) -> Engine {
    match (answers, in_ci) {
        (true, _) => Engine::There,
        (false, false) => Engine::LeftOut,
        (false, true) => Engine::Missing,
    }
}

/// pytest's own lines, and how long each part took.
fn is_summary(line: &str) -> bool {
    let timed = line.trim_start().split_once(" s  ");
    is_pytest_summary(line) || timed.is_some_and(|(seconds, _)| seconds.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ci_insists_on_an_engine() {
        assert_eq!(engine(true, true), Engine::There);
        assert_eq!(engine(true, false), Engine::There);
        assert_eq!(engine(false, false), Engine::LeftOut);
        assert_eq!(engine(false, true), Engine::Missing);
    }

    #[test]
    fn the_time_of_every_part_is_kept() {
        assert!(is_summary("  67.1 s  base images"));
        assert!(is_summary("==== 31 passed in 250.12s (0:04:10) ===="));
        assert!(!is_summary("4.15s call     test_running.py::test_who_reaches_whom"));
    }
}

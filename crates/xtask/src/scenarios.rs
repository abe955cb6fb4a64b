//! The scenarios of `tests/python`: on every topology. They wait more than they work, so two
//! topologies fit on two cores; each has processes and a Redis of its own.

use std::path::Path;

use crate::step::{Step, Steps, TaskError};
use crate::test::is_pytest_summary;

/// Where they are.
pub(crate) const FOLDER: &str = "tests/python";

/// The names that `tests/python/harness/topology.py` knows.
const TOPOLOGIES: [&str; 5] =
    ["all-in-one-memory", "all-in-one-redis", "processes", "processes-redis", "cluster"];

/// With three at a time, on two cores, times in scenarios become too long.
const AT_ONCE: usize = 2;

/// Runs all of them against `binary`. `soak`: with times in full, where they are cut short else.
///
/// # Errors
/// The first topology on which one fails.
pub(crate) fn run(
    root: &Path,
    steps: &mut Steps,
    interpreter: &Path,
    binary: &Path,
    soak: bool,
) -> Result<(), TaskError> {
    let program = interpreter.to_string_lossy();
    let run = |topology: &str| {
        let mut arguments = vec!["-m", "pytest", FOLDER, "--topology", topology];
        arguments.extend(soak.then_some("--soak"));
        let name = format!("scenarios, {topology}");
        let pytest = Step::new(&name, root, &program, &arguments).with_var("WEIR_BIN", binary);
        pytest.summed_up_by(is_pytest_summary)
    };
    steps.run_beside(TOPOLOGIES.into_iter().map(run).collect(), AT_ONCE)
}

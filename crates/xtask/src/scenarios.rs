//! The scenarios of `tests/python`, on every topology. They mostly wait, so two topologies run at a time;
//! in soak each has the machine for itself.

use std::path::Path;

use crate::step::{Step, Steps, TaskError};
use crate::test::is_pytest_summary;

/// Where they are.
pub(crate) const FOLDER: &str = "tests/python";

/// The names that `tests/python/harness/topology.py` knows; those that take long come first.
const TOPOLOGIES: [&str; 5] =
    ["cluster", "all-in-one-memory", "processes", "all-in-one-redis", IN_BETWEEN];
const AT_ONCE: usize = 2;
/// The one between two others: outside of soak only what waits for long runs there, among it what runs
/// nowhere else.
const IN_BETWEEN: &str = "processes-redis";

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
    let step = |topology: &'static str| {
        let mut arguments = vec!["-m", "pytest", FOLDER, "--topology", topology];
        arguments.extend(soak.then_some("--soak"));
        if !soak && topology == IN_BETWEEN {
            arguments.extend(["-m", "slow"]);
        }
        let name = format!("scenarios, {topology}");
        let pytest = Step::new(&name, root, &program, &arguments).with_var("WEIR_BIN", binary);
        pytest.summed_up_by(is_pytest_summary)
    };
    if soak {
        TOPOLOGIES.into_iter().try_for_each(|topology| steps.run(step(topology)))?;
        // Between services that send each request by a call of its own, as neighbours of an earlier
        // version do.
        return steps.run(step("processes").with_var("WEIR_LINKS", "calls"));
    }
    let each = TOPOLOGIES.map(|topology| (topology, step(topology)));
    steps.run_together(AT_ONCE, each.into())
}

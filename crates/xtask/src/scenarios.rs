//! The scenarios of `tests/python`: on every topology, one after the other, because the machine is
//! small and each of them wants it all.

use std::path::Path;

use crate::step::{Step, Steps, TaskError};
use crate::test::is_pytest_summary;

/// Where they are.
pub(crate) const FOLDER: &str = "tests/python";

/// The names that `tests/python/harness/topology.py` knows.
const TOPOLOGIES: [&str; 5] =
    ["all-in-one-memory", "all-in-one-redis", "processes", "processes-redis", "cluster"];

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
    for topology in TOPOLOGIES {
        let mut arguments = vec!["-m", "pytest", FOLDER, "--topology", topology];
        arguments.extend(soak.then_some("--soak"));
        let name = format!("scenarios, {topology}");
        let pytest = Step::new(&name, root, &program, &arguments).with_var("WEIR_BIN", binary);
        steps.run(pytest.summed_up_by(is_pytest_summary))?;
    }
    Ok(())
}

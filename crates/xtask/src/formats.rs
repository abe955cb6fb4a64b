//! The translations, judged by the vendors' own types: `tests/formats`.
//!
//! The types are in Python and the translations in Rust: an example of `weir-dialect` writes all of
//! them down.

use std::path::Path;

use crate::step::{Step, Steps, TaskError};
use crate::test::is_pytest_summary;
use crate::workspace::Workspace;

const FOLDER: &str = "tests/formats";
const EXAMPLE: &str = "translations";

/// Builds the example and has what it says judged.
///
/// # Errors
/// If it does not build, or a translation is not what its vendor says.
pub(crate) fn run(
    workspace: &Workspace,
    steps: &mut Steps,
    interpreter: &Path,
) -> Result<(), TaskError> {
    let root = workspace.root();
    let build = ["build", "--package", "weir-dialect", "--example", EXAMPLE];
    steps.run(Step::new("translations", root, "cargo", &build))?;
    let program = interpreter.to_string_lossy();
    let pytest = Step::new("formats", root, &program, &["-m", "pytest", FOLDER]);
    let pytest = pytest.with_var("WEIR_TRANSLATIONS", workspace.example(EXAMPLE));
    steps.run(pytest.summed_up_by(is_pytest_summary))
}

//! What others built on the vendors' formats: LiteLLM's translations beside ours
//! (`tests/second_opinion`).
//!
//! In a Python environment of its own, because these packages want other versions of the vendors'
//! than the scenarios do.

use crate::step::{Step, Steps, TaskError};
use crate::test::{is_pytest_summary, prepare_packages};
use crate::workspace::Workspace;

const PACKAGES: &str = "tests/second_opinion";
const EXAMPLE: &str = "requests";
const ENVIRONMENT: &str = ".venv-clients";

/// Installs what is missing, builds the example that translates requests, and compares.
///
/// # Errors
/// A package cannot be had, the example does not build, or there is a difference without a reason.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) -> Result<(), TaskError> {
    let root = workspace.root();
    let Some(interpreter) = prepare_packages(root, steps, PACKAGES, ENVIRONMENT)? else {
        steps.skip(format!("{PACKAGES} wants no packages"));
        return Ok(());
    };
    let build = ["build", "--package", "weir-dialect", "--example", EXAMPLE];
    steps.run(Step::new("requests", root, "cargo", &build))?;
    let program = interpreter.to_string_lossy();
    let pytest = Step::new("second opinion", root, &program, &["-m", "pytest", PACKAGES]);
    let pytest = pytest.with_var("WEIR_REQUESTS", workspace.example(EXAMPLE));
    steps.run(pytest.summed_up_by(is_pytest_summary))
}

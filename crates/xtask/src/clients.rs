//! What others built on the vendors' formats: LiteLLM's translations beside ours
//! (`tests/second_opinion`), the libraries that applications use as clients (`tests/clients`).
//!
//! In Python environments of their own, because these packages want other versions of the vendors'
//! than the scenarios do, and than each other. The clients run on one topology: what they say is the same on all.

use std::path::Path;

use crate::step::{Step, Steps, TaskError};
use crate::test::{is_pytest_summary, prepare_packages};
use crate::workspace::Workspace;

const OPINION: &str = "tests/second_opinion";
const CLIENTS: &str = "tests/clients";
const EXAMPLE: &str = "requests";
const ENVIRONMENT: &str = ".venv-clients";
/// What wants an older `openai` than the rest: where its packages are named, where they are put, and
/// the mark of its tests.
const OLDER: (&str, &str, &str) =
    ("tests/clients/older_openai", ".venv-clients-older", "older_openai");

/// Installs what is missing, builds the example that translates requests, compares, and runs the
/// clients against `binary`.
///
/// # Errors
/// A package cannot be had, the example does not build, there is a difference without a reason, or
/// a client does not get what it asks for.
pub(crate) fn run(
    workspace: &Workspace,
    steps: &mut Steps,
    binary: &Path,
) -> Result<(), TaskError> {
    let root = workspace.root();
    let Some(interpreter) = prepare_packages(root, steps, CLIENTS, ENVIRONMENT)? else {
        steps.skip(format!("{CLIENTS} wants no packages"));
        return Ok(());
    };
    let build = ["build", "--package", "weir-dialect", "--example", EXAMPLE];
    steps.run(Step::new("requests", root, "cargo", &build))?;
    let program = interpreter.to_string_lossy();
    let opinion = Step::new("second opinion", root, &program, &["-m", "pytest", OPINION]);
    let opinion = opinion.with_var("WEIR_REQUESTS", workspace.example(EXAMPLE));
    steps.run(opinion.summed_up_by(is_pytest_summary))?;
    let clients = |name: &str, program: &str, marks: &str| {
        let step = Step::new(name, root, program, &["-m", "pytest", CLIENTS, "-m", marks]);
        step.with_var("WEIR_BIN", binary).summed_up_by(is_pytest_summary)
    };
    let (folder, environment, mark) = OLDER;
    steps.run(clients("clients", &program, &format!("not {mark}")))?;
    if let Some(older) = prepare_packages(root, steps, folder, environment)? {
        steps.run(clients("clients of an older openai", &older.to_string_lossy(), mark))?;
    }
    Ok(())
}

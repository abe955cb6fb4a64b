//! `cargo xtask instructions`: what requests cost in user instructions, counted by `bench/instructions.py` on a
//! build that is optimised and quick to make. More than is on record, by more than a twentieth, is a failure.

use crate::step::{Step, Steps, TaskError, answers};
use crate::test::{install, missing, prepare_redis};
use crate::workspace::Workspace;

/// In the root `Cargo.toml`.
const PROFILE: &str = "counted";
const COUNTER: &str = "bench/instructions.py";

/// Counts and compares, or writes what it counts into the record.
///
/// # Errors
/// What is needed cannot be had, the build fails, or a request costs too much.
pub(crate) fn run(
    workspace: &Workspace,
    steps: &mut Steps,
    is_recorded: bool,
) -> Result<(), TaskError> {
    let root = workspace.root();
    prepare_redis(root, steps)?;
    if !answers("valgrind", &["--version"]) {
        let why = "instructions are counted by valgrind";
        install(root, steps, "valgrind", &missing("valgrind", why, ""))?;
    }
    let build = ["build", "--profile", PROFILE, "--package", "weir", "--bin", "weir"];
    steps.run(Step::new("counted build", root, "cargo", &build))?;
    let binary = workspace.binary_of(PROFILE).display().to_string();
    let mut arguments = vec![COUNTER, "--weir", &binary];
    arguments.extend(is_recorded.then_some("--record"));
    let count = Step::new("instructions", root, "python3", &arguments);
    steps.run(count.summed_up_by(is_summary))
}

fn is_summary(line: &str) -> bool {
    line.starts_with("instructions, ") || line.starts_with("    ")
}

//! `cargo xtask lint`: what the tools say. Warnings are errors.

use crate::step::{Step, Steps, TaskError, answers};
use crate::workspace::Workspace;

/// Runs every linter.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let root = workspace.root();
    let cargo = |name: &str, arguments: &[&str]| Step::new(name, root, "cargo", arguments);
    let mut steps = Steps::default();
    steps.run(cargo("format", &["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.run(cargo("clippy", &clippy))?;
    let doc = cargo("documentation", &["doc", "--workspace", "--no-deps"]);
    steps.run(doc.with_var("RUSTDOCFLAGS", "-D warnings"))?;
    if answers("cargo", &["deny", "--version"]) {
        steps.run(cargo("dependencies", &["deny", "check"]))?;
    } else {
        steps.skip("cargo deny check: install it with `cargo install --locked cargo-deny`".into());
    }
    steps.sum_up();
    Ok(())
}

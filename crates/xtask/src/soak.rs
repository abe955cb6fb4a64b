//! `cargo xtask soak`: what takes too long for every change. Times in full, more
//! random commands, more chance inputs.

use std::path::Path;

use crate::fuzz;
use crate::scenarios;
use crate::step::{Step, Steps, TaskError};
use crate::test;
use crate::workspace::Workspace;

/// Real servers of one's own behind the gateway, and the environment of their packages.
const SERVERS: (&str, &str) = ("tests/servers", ".venv-servers");
/// Each fuzz target.
const FUZZ_SECONDS: u32 = 20;
/// Chance inputs of each property test; otherwise it is 256, the same each time.
const PROPERTY_CASES: &str = "20000";

/// Runs the long Rust tests, then the scenarios with their times in full, on the release binary.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    let root = workspace.root();
    let mut steps = Steps::default();
    let interpreter = test::prepare_python(root, &mut steps)?;
    test::prepare_redis(root, &mut steps)?;
    test::prepare_proxies(root, &mut steps)?;
    let cargo = |name: &str, arguments: &[&str]| Step::new(name, root, "cargo", arguments);
    steps.run(cargo("build", &["build", "--release", "--package", "weir", "--bin", "weir"]))?;
    let tests = cargo("long rust tests", &["test", "--workspace", "--", "--ignored"]);
    steps.run(tests.summed_up_by(test::is_cargo_test_summary))?;
    let packages = ["weir-dialect", "weir-framing", "weir-config"].map(|name| ["--package", name]);
    let chance =
        cargo("property tests", &[&["test", "--release"][..], &packages.concat()].concat());
    let chance = chance.with_var("PROPTEST_CASES", PROPERTY_CASES);
    steps.run(chance.summed_up_by(test::is_cargo_test_summary))?;
    fuzz::run(root, &mut steps, FUZZ_SECONDS, "")?;
    match interpreter {
        Some(interpreter) => {
            let binary = workspace.release_binary();
            scenarios::run(root, &mut steps, &interpreter, &binary, true)?;
            real_servers(root, &mut steps, &binary)?;
        }
        None => steps.skip(format!("{} does not exist", scenarios::FOLDER)),
    }
    steps.sum_up();
    Ok(())
}

/// llama.cpp's server and LiteLLM's proxy, which are too heavy for every change: one is built from source.
fn real_servers(root: &Path, steps: &mut Steps, binary: &Path) -> Result<(), TaskError> {
    let (folder, environment) = SERVERS;
    let Some(interpreter) = test::prepare_packages(root, steps, folder, environment)? else {
        steps.skip(format!("{folder} wants no packages"));
        return Ok(());
    };
    let program = interpreter.to_string_lossy();
    let servers = Step::new("real servers", root, &program, &["-m", "pytest", folder]);
    let servers = servers.with_var("WEIR_BIN", binary);
    steps.run(servers.summed_up_by(test::is_pytest_summary))
}

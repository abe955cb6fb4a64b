//! `cargo xtask test`: every test there is, on an empty machine too.
//!
//! What is missing is installed where that needs no questions (a Python environment in `.venv`;
//! system packages only as root); otherwise the command to run is named.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::clients;
use crate::compose;
use crate::formats;
use crate::instructions;
use crate::scenarios;
use crate::step::{Step, Steps, TaskError, answers};
use crate::workspace::Workspace;

/// What is to be run beside the Rust tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// What is in Python: the scenarios, and the vendors' types.
    pub(crate) python: bool,
    /// The scenarios on containers, which are in Python, too.
    pub(crate) compose: bool,
}

/// Builds the binary and runs the Rust tests, then has the vendors' types and another gateway judge
/// translations, then runs the scenarios on processes and on containers.
pub(crate) fn run(workspace: &Workspace, wanted: Wanted) -> Result<(), TaskError> {
    let Wanted { python, compose } = wanted;
    let root = workspace.root();
    let cargo = |name: &str, arguments: &[&str]| Step::new(name, root, "cargo", arguments);
    let mut steps = Steps::default();
    let interpreter = if python { prepare_python(root, &mut steps)? } else { None };
    prepare_redis(root, &mut steps)?;
    if interpreter.is_some() {
        prepare_proxies(root, &mut steps)?;
    }
    let compose = compose && interpreter.is_some() && compose::prepare(root, &mut steps)?;

    let binary = workspace.binary();
    steps.run(cargo("build", &["build", "--package", "weir", "--bin", "weir"]))?;
    if answers("cargo", &["nextest", "--version"]) {
        let tests = cargo("rust tests", &["nextest", "run", "--workspace"]);
        steps.run(rust_tests(tests, &binary).summed_up_by(is_nextest_summary))?;
        // The one kind of test that nextest does not run.
        let examples = cargo("examples in docs", &["test", "--workspace", "--doc"]);
        steps.run(examples.summed_up_by(is_cargo_test_summary))?;
    } else {
        let tests = cargo("rust tests", &["test", "--workspace"]);
        steps.run(rust_tests(tests, &binary).summed_up_by(is_cargo_test_summary))?;
    }
    match interpreter {
        Some(interpreter) => {
            formats::run(workspace, &mut steps, &interpreter)?;
            clients::run(workspace, &mut steps, &binary)?;
            instructions::run(workspace, &mut steps, false)?;
            scenarios::run(root, &mut steps, &interpreter, &binary, false)?;
            if compose {
                compose::run(root, &mut steps, &interpreter)?;
            }
        }
        None if python => steps.skip(format!("{} does not exist", scenarios::FOLDER)),
        None => steps.skip(format!("{}: --no-python", scenarios::FOLDER)),
    }
    steps.sum_up();
    Ok(())
}

/// Rust tests over `binary`, with the same chance inputs each time: a change is judged by what it
/// changed. New inputs are tried by `cargo xtask soak`, and by `cargo nextest run`.
fn rust_tests(tests: Step, binary: &Path) -> Step {
    tests.with_var("WEIR_BIN", binary).with_var("PROPTEST_RNG_SEED", "20261128")
}

/// A Python with the packages of the scenarios, and the vendors' own; `None` if there are no
/// scenarios.
pub(crate) fn prepare_python(root: &Path, steps: &mut Steps) -> Result<Option<PathBuf>, TaskError> {
    prepare_packages(root, steps, scenarios::FOLDER, ".venv")
}

/// The Python of the environment `name`, with the packages that `folder` wants; `None` if it wants
/// none.
pub(crate) fn prepare_packages(
    root: &Path,
    steps: &mut Steps,
    folder: &str,
    name: &str,
) -> Result<Option<PathBuf>, TaskError> {
    let list = root.join(folder).join("requirements.txt");
    let Ok(wanted) = std::fs::read_to_string(&list) else {
        return Ok(None);
    };
    let environment = root.join(name);
    let interpreter = environment.join("bin").join("python");
    let stamp = environment.join("weir-requirements.txt");
    if interpreter.exists() && std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(Some(interpreter));
    }
    make_environment(root, steps, name)?;
    let program = interpreter.to_string_lossy();
    let list = list.to_string_lossy();
    // Most modules of the vendors' packages are never loaded; those that are, are compiled then.
    let options = ["--quiet", "--no-compile", "--disable-pip-version-check", "-r", &list];
    let install = [&["-m", "pip", "install"], &options[..]].concat();
    steps.run(Step::new("python packages", root, &program, &install))?;
    std::fs::write(&stamp, wanted)
        .map_err(|error| TaskError::Setup(format!("{}: {error}", stamp.display())))?;
    Ok(Some(interpreter))
}

fn make_environment(root: &Path, steps: &mut Steps, name: &str) -> Result<(), TaskError> {
    let make = || Step::new("python environment", root, "python3", &["-m", "venv", name]);
    // Without its `ensurepip` module, `venv` leaves a broken folder behind.
    if !answers("python3", &["-m", "ensurepip", "--version"]) {
        let why = "the scenarios need Python 3 with its venv module";
        let instead = ", or leave them out with --no-python";
        install(root, steps, "python3-venv", &missing("python3-venv", why, instead))?;
    }
    steps.run(make())
}

/// A redis-server for the tests that start one of their own.
pub(crate) fn prepare_redis(root: &Path, steps: &mut Steps) -> Result<(), TaskError> {
    if answers("redis-server", &["--version"]) {
        return Ok(());
    }
    let why = "the tests of the Redis store need redis-server 7 or newer";
    install(root, steps, "redis-server", &missing("redis-server", why, ""))
}

/// The proxies of the scenarios: program and package.
const PROXIES: [(&str, &str); 3] =
    [("tinyproxy", "tinyproxy"), ("microsocks", "microsocks"), ("danted", "dante-server")];

/// Real proxies for the scenarios that start their own.
pub(crate) fn prepare_proxies(root: &Path, steps: &mut Steps) -> Result<(), TaskError> {
    for (program, package) in PROXIES {
        // Some of them have no call that only says that they are there.
        let look = format!("PATH=$PATH:/usr/sbin command -v {program}");
        if !answers("sh", &["-c", &look]) {
            let why = "the scenarios of proxies start real ones";
            install(root, steps, package, &missing(package, why, ""))?;
        }
    }
    // It wants other versions of packages than the scenarios do.
    prepare_packages(root, steps, "tests/python/mitmproxy", ".venv-mitmproxy")?;
    Ok(())
}

/// Says what to run for a package that is not there.
pub(crate) fn missing(package: &str, why: &str, instead: &str) -> String {
    let command = format!("apt-get install {package}");
    format!("{why}: run `{command}` as root or what your system has instead{instead}")
}

/// Installs a system package, or says what is missing where that would need questions.
pub(crate) fn install(
    root: &Path,
    steps: &mut Steps,
    package: &str,
    why: &str,
) -> Result<(), TaskError> {
    if !is_root() || !answers("apt-get", &["--version"]) {
        return Err(TaskError::Setup(why.to_owned()));
    }
    steps.run(Step::new("package lists", root, "apt-get", &["update", "--quiet"]))?;
    // What a test starts is its own: no service of the system is wanted.
    let arguments = ["install", "--yes", "--no-install-recommends", package];
    let step = Step::new(package, root, "apt-get", &arguments);
    steps.run(step.with_var("DEBIAN_FRONTEND", "noninteractive").with_var("RUNLEVEL", "1"))
}

fn is_root() -> bool {
    let asked = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    asked.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

pub(crate) fn is_cargo_test_summary(line: &str) -> bool {
    let nothing = line.contains(" 0 passed; 0 failed; 0 ignored;");
    (line.starts_with("test result:") && !nothing)
        || (line.starts_with("test ") && line.ends_with("FAILED"))
}

fn is_nextest_summary(line: &str) -> bool {
    let line = line.trim_start();
    ["Summary [", "FAIL [", "TIMEOUT ["].iter().any(|start| line.starts_with(start))
}

/// The lines in which pytest sums up, and those in which it says what was wrong.
pub(crate) fn is_pytest_summary(line: &str) -> bool {
    if ["FAILED ", "ERROR ", "E   "].iter().any(|start| line.starts_with(start)) {
        return true;
    }
    let Some((counts, time)) = line.trim_matches(['=', ' ']).rsplit_once(" in ") else {
        return false;
    };
    let counted = [" passed", " failed", " error", " skipped", "no tests ran"];
    counted.iter().any(|word| counts.contains(word))
        && time.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_told_from_noise() {
        let ok = "test result: ok. 27 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert!(is_cargo_test_summary(ok));
        assert!(is_cargo_test_summary("test a::b ... FAILED"));
        assert!(!is_cargo_test_summary("test a::b ... ok"));
        assert!(!is_cargo_test_summary("test result: ok. 0 passed; 0 failed; 0 ignored; 0 m"));
        let nextest = "     Summary [   0.2s] 27 tests run: 27 passed, 0 skipped";
        assert!(is_nextest_summary(nextest));
        assert!(!is_nextest_summary("        PASS [   0.0s] weir a::b"));
        assert!(is_pytest_summary("======= 1 failed, 12 passed in 3.21s ======="));
        assert!(is_pytest_summary("12 passed in 3.21s"));
        assert!(is_pytest_summary("FAILED tests/python/test_chat.py::test_x - AssertionError"));
        assert!(is_pytest_summary("E       assert 429 == 200"));
        assert!(!is_pytest_summary("tests/python/test_chat.py .....  [100%]"));
        assert!(!is_pytest_summary("12 passed in a loop"));
    }

    #[test]
    fn what_is_missing_is_named_with_its_command() {
        let text = missing("redis-server", "the tests need it", "");
        assert!(text.contains("run `apt-get install redis-server` as root"), "{text}");
    }

    #[test]
    fn without_scenarios_no_python_is_needed() {
        let empty = tempfile::tempdir().unwrap();
        let mut steps = Steps::default();
        assert_eq!(prepare_python(empty.path(), &mut steps).unwrap(), None);
    }
}

//! `cargo xtask release`: a release that is built by what it was seen to do. One build counts which code
//! runs while `bench/train.py` plays on it; the next lays that code out for speed.

use std::path::{Path, PathBuf};

use crate::say::say;
use crate::step::{Step, Steps, TaskError, answers};
use crate::test::{missing, prepare_redis};
use crate::workspace::{Workspace, compiler_says};

const TRAINING: &str = "bench/train.py";

/// Builds, plays, and builds again, and says where the binary is.
///
/// # Errors
/// What is needed cannot be had, or a step fails.
pub(crate) fn run(workspace: &Workspace, steps: &mut Steps) -> Result<(), TaskError> {
    let root = workspace.root();
    if !answers("python3", &["--version"]) {
        let why = "the build is trained by a program in Python";
        return Err(TaskError::Setup(missing("python3", why, "")));
    }
    prepare_redis(root, steps)?;
    let host = compiler_says("host-tuple")?;
    let tool = profile_tool(root, steps, &host)?;
    let folder = workspace.metadata.target_directory.as_std_path().join("guided");
    let (counts, profile) = (folder.join("counts"), folder.join("weir.profdata"));
    // Counts of another build would mislead.
    match std::fs::remove_dir_all(&counts) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(TaskError::Setup(format!("{}: {error}", counts.display())));
        }
        _ => {}
    }
    let build = |name: &str, flag: String, folder: &Path| {
        // With a target, flags are for what runs there alone: not for build scripts and macros.
        let target = ["--target", &host];
        let arguments = ["build", "--release", "--locked", "--package", "weir", "--bin", "weir"];
        let step = Step::new(name, root, "cargo", &[&arguments[..], &target].concat());
        step.with_var("RUSTFLAGS", flag).with_var("CARGO_TARGET_DIR", folder)
    };
    let binary = |folder: &Path| folder.join(&host).join("release").join("weir");

    let counting = folder.join("counting");
    let flag = format!("-Cprofile-generate={}", counts.display());
    steps.run(build("build that counts", flag, &counting))?;
    let trained = binary(&counting).display().to_string();
    steps.run(Step::new("training", root, "python3", &[TRAINING, "--weir", &trained]))?;
    let (tool, counts, merged) = (text(&tool), text(&counts), text(&profile));
    // Without what never ran: that is built as it always is, and not for size.
    let merge = ["merge", "-sparse", "-o", &merged, &counts];
    steps.run(Step::new("profile", root, &tool, &merge))?;
    steps.run(build("guided build", format!("-Cprofile-use={merged}"), &folder))?;
    say(&format!("the release is {}", binary(&folder).display()));
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The program that puts counts together, of the compiler's own LLVM: no other reads them.
fn profile_tool(root: &Path, steps: &mut Steps, host: &str) -> Result<PathBuf, TaskError> {
    let library = PathBuf::from(compiler_says("sysroot")?).join("lib").join("rustlib");
    let tool = library.join(host).join("bin").join("llvm-profdata");
    if !tool.exists() {
        let add = ["component", "add", "llvm-tools"];
        steps.run(Step::new("llvm-tools", root, "rustup", &add))?;
    }
    Ok(tool)
}

//! Runs the fuzz targets, one after the other: each reader of foreign bytes, with the fixtures as its
//! corpus. They are a workspace of their own (`fuzz/`); the coverage that guides them needs no nightly
//! compiler, only a C++ one for the fuzzer itself.

use std::path::Path;
use std::process::Command;

use crate::step::{Step, Steps, TaskError};
use crate::workspace::compiler_says;

/// Where the targets are.
const FOLDER: &str = "fuzz";
/// Guides the fuzzer: what an input reached, and what it was compared with.
const FLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";
const TARGET: &str = "WEIR_FUZZ_TARGET";

/// Fuzzes every target whose name begins with `only` for so many seconds.
pub(crate) fn run(
    root: &Path,
    steps: &mut Steps,
    seconds: u32,
    only: &str,
) -> Result<(), TaskError> {
    let folder = root.join(FOLDER);
    // With the name of a target, even of this machine, build scripts are not guided too.
    let host = compiler_says("host-tuple")?;
    let arguments = ["build", "--release", "--target", host.as_str()];
    let build = Step::new("fuzz targets", &folder, "cargo", &arguments);
    steps.run(build.with_var("RUSTFLAGS", FLAGS))?;
    let binary = folder.join("target").join(&host).join("release/readers").display().to_string();
    let listed = Command::new(&binary).env(TARGET, "list").output();
    let listed = listed.map_err(|error| TaskError::Setup(format!("{binary}: {error}")))?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in names.lines().filter(|name| name.starts_with(only)) {
        let corpus = format!("target/corpus/{}", name.replace('/', "-"));
        let seeds = Step::new(&format!("seeds of {name}"), &folder, &binary, &[]);
        steps.run(seeds.with_var(TARGET, name).with_var("WEIR_FUZZ_SEEDS", &corpus))?;
        let time = format!("-max_total_time={seconds}");
        let words = format!("{corpus}.dict");
        // The fuzzer takes no empty dictionary, which a format without fixtures of the kind has.
        let has_words = folder.join(&words).metadata().is_ok_and(|file| file.len() > 0);
        let words = has_words.then(|| format!("-dict={words}"));
        let found = format!("-artifact_prefix={corpus}-found-");
        let limits = ["-timeout=10", "-rss_limit_mb=1024"];
        let mut arguments = vec![time.as_str(), &found, limits[0], limits[1], &corpus];
        arguments.extend(words.as_deref());
        let step = Step::new(&format!("fuzz {name}"), &folder, &binary, &arguments);
        steps.run(step.with_var(TARGET, name).summed_up_by(is_summary))?;
    }
    Ok(())
}

fn is_summary(line: &str) -> bool {
    line.starts_with("Done ") || line.contains("panicked")
}

//! Runs one command, shows what it says while it runs, and keeps the lines that sum it up.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::say::{complain, say};

/// Why a task ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// The task cannot begin.
    #[error("{0}")]
    Setup(String),
    /// A step said no.
    #[error("step '{0}' failed")]
    Step(String),
    /// Tidy found something.
    #[error("{0} findings")]
    Findings(usize),
}

/// A command with a name.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    command: Command,
    shown: String,
    is_summary: fn(&str) -> bool,
}

/// What a step left behind.
#[derive(Debug)]
struct Done {
    name: String,
    passed: bool,
    summary: Vec<String>,
    took: Duration,
}

/// Steps that run one after the other, up to the first that fails.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
    skipped: Vec<String>,
}

impl Step {
    /// `program arguments`, run in `folder`.
    pub(crate) fn new(name: &str, folder: &Path, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        let shown = format!("{program} {}", arguments.join(" "));
        Self { name: name.to_owned(), command, shown, is_summary: |_| false }
    }

    /// Sets a variable for the command.
    pub(crate) fn with_var(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Says which lines of the output sum it up.
    pub(crate) fn summed_up_by(mut self, is_summary: fn(&str) -> bool) -> Self {
        self.is_summary = is_summary;
        self
    }

    fn run(self) -> Done {
        self.run_marked("")
    }

    /// Puts `mark` before every line of the command, where several run at a time.
    fn run_marked(mut self, mark: &str) -> Done {
        say(&format!("{mark}==> {}: {}", self.name, self.shown));
        let started = Instant::now();
        let (passed, summary) = self.spawn_and_follow(mark).unwrap_or_else(|error| {
            complain(&format!("{}: {error}", self.shown));
            (false, Vec::new())
        });
        Done { name: self.name, passed, summary, took: started.elapsed() }
    }

    fn spawn_and_follow(&mut self, mark: &str) -> std::io::Result<(bool, Vec<String>)> {
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, lines) = channel();
        let readers = [
            child.stdout.take().map(|out| follow(out, mark, say, sender.clone())),
            child.stderr.take().map(|out| follow(out, mark, complain, sender)),
        ];
        let summary = lines.into_iter().filter(|line: &String| (self.is_summary)(line)).collect();
        for reader in readers.into_iter().flatten() {
            let _ended = reader.join();
        }
        Ok((child.wait()?.success(), summary))
    }
}

/// Passes every line on to the terminal and to `lines`.
fn follow(
    out: impl Read + Send + 'static,
    mark: &str,
    show: fn(&str),
    lines: Sender<String>,
) -> thread::JoinHandle<()> {
    let mark = mark.to_owned();
    thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut bytes = Vec::new();
        while matches!(out.read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            show(&format!("{mark}{line}"));
            // The other end lives as long as this thread.
            let _kept = lines.send(line);
            bytes.clear();
        }
    })
}

/// A step is summed up in so many lines at most.
const SUMMARY_MAX: usize = 100;

impl Steps {
    /// Runs a step.
    ///
    /// # Errors
    /// If it fails; what was done so far is summed up.
    pub(crate) fn run(&mut self, step: Step) -> Result<(), TaskError> {
        self.note(vec![step.run()])
    }

    /// Runs steps in order, `at_once` of them at a time, each with a mark of its own before its lines.
    ///
    /// # Errors
    /// If one fails, when those beside it have ended; no other is begun then, and what was done so far
    /// is summed up.
    pub(crate) fn run_together(
        &mut self,
        at_once: usize,
        steps: Vec<(&str, Step)>,
    ) -> Result<(), TaskError> {
        let left = Mutex::new(steps.into_iter().enumerate());
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let stopped = AtomicBool::new(false);
        let lane = || {
            let mut done = Vec::new();
            while !stopped.load(Relaxed)
                && let Some((at, (mark, step))) = next()
            {
                let one = step.run_marked(&format!("{mark}: "));
                stopped.fetch_or(!one.passed, Relaxed);
                done.push((at, one));
            }
            done
        };
        let mut done: Vec<(usize, Done)> = thread::scope(|scope| {
            let lanes: Vec<_> = (0..at_once).map(|_| scope.spawn(lane)).collect();
            lanes.into_iter().filter_map(|one| one.join().ok()).flatten().collect()
        });
        done.sort_by_key(|(at, _)| *at);
        self.note(done.into_iter().map(|(_, done)| done).collect())
    }

    /// Keeps what was done; the first that failed is an error, and all is summed up.
    fn note(&mut self, done: Vec<Done>) -> Result<(), TaskError> {
        let failed = done.iter().find(|done| !done.passed).map(|done| done.name.clone());
        self.done.extend(done);
        let Some(name) = failed else { return Ok(()) };
        self.sum_up();
        Err(TaskError::Step(name))
    }

    /// Notes what was left out, and why.
    pub(crate) fn skip(&mut self, what: String) {
        say(&format!("==> skipped: {what}"));
        self.skipped.push(what);
    }

    /// Prints each step's own summary.
    pub(crate) fn sum_up(&self) {
        say("");
        say("==> summary");
        for done in &self.done {
            let outcome = if done.passed { "ok" } else { "FAILED" };
            say(&format!("{outcome:>6}  {} ({:.0} s)", done.name, done.took.as_secs_f64()));
            // The counts come last.
            let lines = done.summary.iter().skip(done.summary.len().saturating_sub(SUMMARY_MAX));
            lines.for_each(|line| say(&format!("        {}", line.trim())));
        }
        self.skipped.iter().for_each(|what| say(&format!("  skip  {what}")));
    }
}

/// Whether `program arguments` runs and succeeds; its output is not shown.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str) -> Step {
        Step::new(name, Path::new("."), "sh", &["-c", script])
    }

    #[test]
    fn summaries_are_kept_from_both_streams() {
        let script = "echo noise; echo sum 1; echo sum 2 >&2; printf 'sum \\377'";
        let done = shell("x", script).summed_up_by(|line| line.starts_with("sum")).run();
        assert!(done.passed);
        let mut summary = done.summary;
        summary.sort();
        assert_eq!(summary, ["sum 1", "sum 2", "sum \u{fffd}"]);
    }

    #[test]
    fn a_failing_step_is_named() {
        let mut steps = Steps::default();
        assert!(steps.run(shell("good", "exit 0")).is_ok());
        let error = steps.run(shell("bad", "exit 3")).unwrap_err();
        assert_eq!(error.to_string(), "step 'bad' failed");
        let absent = Step::new("absent", Path::new("."), "no-such-program-here", &[]);
        assert!(steps.run(absent).is_err());
    }

    #[test]
    fn of_steps_that_run_together_each_ends_and_the_one_that_fails_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let met = folder.path().join("met").display().to_string();
        // Each waits for the other.
        let waits =
            format!("mkdir {met}.$0 && until test -d {met}.$1; do sleep 0.05; done; echo sum");
        let script = |own: &str, other: &str, end: &str| {
            let script = format!("{waits}; {end}");
            let arguments = ["-c", &script, own, other];
            let step = Step::new(own, Path::new("."), "sh", &arguments);
            step.summed_up_by(|line| line == "sum")
        };
        let mut steps = Steps::default();
        let both = vec![("a", script("a", "b", "exit 3")), ("b", script("b", "a", "exit 0"))];
        assert_eq!(steps.run_together(2, both).unwrap_err().to_string(), "step 'a' failed");
        let told: Vec<_> = steps.done.iter().map(|done| (done.passed, &*done.summary)).collect();
        assert_eq!(told, [(false, &["sum".to_owned()][..]), (true, &["sum".to_owned()][..])]);
    }

    #[test]
    fn who_is_done_goes_on_with_the_next_until_one_fails() {
        let all = |scripts: &[&'static str]| {
            let steps = scripts.iter().map(|script| (*script, shell(script, script))).collect();
            let mut ran = Steps::default();
            let failed = ran.run_together(2, steps).err().map(|error| error.to_string());
            (ran.done.into_iter().map(|done| done.name).collect::<Vec<_>>(), failed)
        };
        let well = ["sleep 0.3", "true", "true ", "true  "];
        assert_eq!(all(&well), (well.map(str::to_owned).to_vec(), None));
        let (ran, failed) = all(&["sleep 0.3", "false", "true", "true "]);
        assert_eq!((ran.len(), failed.as_deref()), (2, Some("step 'false' failed")));
    }

    #[test]
    fn variables_reach_the_command() {
        let step = shell("x", "test \"$WEIR_BIN\" = value").with_var("WEIR_BIN", "value");
        assert!(step.run().passed);
    }
}

//! The one place that prints.

/// A line for whoever runs the task.
#[expect(clippy::print_stdout, reason = "this is the task runner's output")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A line about what went wrong.
#[expect(clippy::print_stderr, reason = "this is the task runner's output")]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

//! Tasks of this repository, run as `cargo xtask <task>`.
//!
//! `lint` asks the tools, `tidy` checks what no tool knows (arrows between crates, file shapes, the
//! map), `test` builds the binary and runs every test there is, `soak` what takes longer. Each task ends with what it did.
//! Knows nothing of what the product does.

mod clients;
mod compose;
mod formats;
mod fuzz;
mod instructions;
mod lint;
mod release;
mod say;
mod scenarios;
mod soak;
mod step;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use say::complain;
use step::{Steps, TaskError};
use test::Wanted;
use workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Tasks of this repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Format, clippy, documentation, dependencies: warnings are errors.
    Lint,
    /// Arrows between crates, file length and shape, the map, invariants.
    Tidy,
    /// Build the binary, run every test.
    Test {
        /// Leave out the scenarios that need Python.
        #[arg(long)]
        no_python: bool,
        /// Leave out the scenarios on containers; they run wherever a Docker engine answers.
        #[arg(long)]
        no_compose: bool,
    },
    /// What takes too long for every change: outages in full, more random commands.
    Soak,
    /// What requests cost in user instructions, beside what is on record.
    Instructions {
        /// Write what is counted into the record.
        #[arg(long)]
        record: bool,
    },
    /// A release build that is laid out by what it was seen to do; takes as long as two.
    Release,
    /// Random input for the readers of foreign bytes.
    Fuzz {
        /// For how long, each.
        #[arg(long, default_value_t = 600)]
        seconds: u32,
        /// Only those whose names begin so: `openai_chat/stream`, `framing`.
        #[arg(default_value = "")]
        only: String,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("xtask: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), TaskError> {
    let workspace = Workspace::load()?;
    match task {
        Task::Lint => lint::run(&workspace),
        Task::Tidy => tidy::run(&workspace),
        Task::Soak => soak::run(&workspace),
        Task::Fuzz { seconds, only } => {
            summed_up(|steps| fuzz::run(workspace.root(), steps, *seconds, only))
        }
        Task::Release => summed_up(|steps| release::run(&workspace, steps)),
        Task::Instructions { record } => {
            summed_up(|steps| instructions::run(&workspace, steps, *record))
        }
        Task::Test { no_python, no_compose } => {
            test::run(&workspace, Wanted { python: !no_python, compose: !no_compose })
        }
    }
}

/// Runs a task's steps and says what they came to.
fn summed_up(task: impl FnOnce(&mut Steps) -> Result<(), TaskError>) -> Result<(), TaskError> {
    let mut steps = Steps::default();
    task(&mut steps)?;
    steps.sum_up();
    Ok(())
}

//! The only binary, and the only place that picks backends and reads flags.
//!
//! Each command is a file. `rooms` turns the configuration into the settings of the rooms and
//! resolves secrets for the workers, `parts` makes the rooms for whichever process they stand in,
//! `store` picks where limits are kept; nothing here knows how a room works.

mod access;
mod check;
mod cli;
mod client_keys;
mod demo;
mod edge;
mod explain;
mod file;
mod fleet;
mod ids;
mod keys;
mod link;
mod parts;
mod process;
mod reload;
mod rooms;
mod router;
mod serve;
mod sim;
mod store;
mod tls;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, KeyArgs, KeyCommand};

#[global_allocator]
static ALLOCATOR: weir_heap::Allocator = weir_heap::Allocator;

/// Why a command ended badly, in words for whoever started it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    process::use_small_pages();
    process::raise_open_files();
    let cli = Cli::parse();
    let done = match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Edge(args)) => edge::run(&args),
        Some(Command::Router(args)) => router::run(&args),
        Some(Command::Worker(args)) => worker::run(&args),
        Some(Command::Sim(args)) => sim::run(&args),
        Some(Command::Check(args)) => return check::run(&args),
        Some(Command::Explain(args)) => return explain::run(&args),
        Some(Command::Schema) => check::schema(),
        Some(Command::Key(KeyArgs { what: KeyCommand::New })) => client_keys::make(),
        Some(Command::Token(args)) => link::make_token(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has read enough of it: `weir schema | head`.
        Err(failure) if process::is_broken_pipe(&*failure) => ExitCode::SUCCESS,
        Err(failure) => {
            process::eprint(&format!("weir: {failure}"));
            ExitCode::FAILURE
        }
    }
}

//! The program: its command line, its configuration, the server it wires together and the verbs people type.
//!
//! This is the only crate that sees an engine and a service at once. It holds no rule of either: what it decides is which
//! parts run, where they listen and how they stop.
//!
//! Read in this order:
//! - `cli`: what can be typed. `config`: how flags, variables and a file become one [`config::Config`].
//! - `serve`: the server, from opening the store to the last flush.
//! - `verbs`: what `headwater stream ...`, `headwater queue ...` and `headwater agent` do, as a client like any other.

mod cli;
pub mod config;
mod failure;
mod serve;
mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use cli::{Cli, Verb};
pub use failure::Failure;

/// The version in force, the same for every crate of the workspace.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the program with the command line `args`, the program's name first, and answers what the process should exit with:
/// 0 where all went well, 1 where something failed, 2 where the command line or the configuration is wrong.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // A closed pipe is no reason to complain: `headwater --help | head -1`.
            let _ = error.print();
            return ExitCode::from(if asked { 0 } else { 2 });
        }
    };
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

fn carry_out(cli: Cli) -> Result<(), Failure> {
    match cli.verb {
        None => serve::run(&config::resolve(&cli.serve)?),
        Some(Verb::Serve(flags)) => serve::run(&config::resolve(&flags)?),
        Some(Verb::Config(flags)) => verbs::config::print(&config::resolve(&flags)?),
        Some(Verb::Stream(verb)) => verbs::stream::run(verb),
        Some(Verb::Queue(verb)) => verbs::queue::run(verb),
        Some(Verb::Agent(verb)) => verbs::agent::run(&verb),
        Some(Verb::Topic(verb)) => verbs::topic::run(verb),
        Some(Verb::Group(verb)) => verbs::group::run(verb),
        Some(Verb::Completions { shell }) => verbs::completions::print(shell),
    }
}

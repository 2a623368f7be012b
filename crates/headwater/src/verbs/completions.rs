//! `headwater completions SHELL`.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Failure;
use crate::cli::Cli;

/// Prints the script that completes our command line in `shell`.
pub(crate) fn print(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "headwater", &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}

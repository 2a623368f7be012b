//! The log: for people on a terminal, one JSON object a line elsewhere. Always on standard error, so that standard output
//! is the announcement alone.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::Failure;

/// Starts the log with `directives`, which the configuration has read already.
pub(crate) fn start(directives: &str) -> Result<(), Failure> {
    let mut filter: EnvFilter = directives
        .parse()
        .map_err(|error| Failure::because("could not read --log", error))?;
    // It logs each refused request as an error; what is one is logged by `crates/s3`. Who names it gets it.
    if !directives.contains("s3s")
        && let Ok(silence) = "s3s=off".parse()
    {
        filter = filter.add_directive(silence);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.with_ansi(true).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    started.map_err(|error| Failure::because("could not start the log", error))
}

//! Clients that a machine cannot install: reported, and an error where CI runs.

use std::io::Write as _;

/// Why a client cannot be tried on this machine.
#[derive(Clone, PartialEq, Debug)]
pub struct Missing {
    /// In a sentence or two, for whoever wants to mend it.
    pub reason: String,
}

/// The client's tools, or nothing where they cannot be had: then the reason is printed.
///
/// # Panics
/// With `CI=true`, where a client that is not tried is an error.
pub fn or_skip<T>(client: &str, tools: Result<T, Missing>) -> Option<T> {
    match tools {
        Ok(tools) => Some(tools),
        Err(Missing { reason }) => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{client} cannot be skipped with CI=true: {reason}"
            );
            // Not by a macro: the test harness would keep the line of a passing test to itself.
            let line = format!("\nSKIPPED {client}: {reason}\n");
            std::io::stderr()
                .write_all(line.as_bytes())
                .expect("standard error takes a line");
            None
        }
    }
}

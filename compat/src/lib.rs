//! Real AWS clients against a real server: what `cargo test` proves about Headwater from the outside.
//!
//! Each client lives in a folder of its own beside this one (`python-boto3/`, `java-sdk2/`, ...) with a README. This crate
//! holds what they share and knows nothing of what they check:
//! - [`server`]: a Headwater server of one's own, its restarts, and its log, in which nothing unexpected may stand.
//! - [`ports`]: where servers listen.
//! - [`tools`]: each client's packages, installed once under `target/compat/`.
//! - [`client`]: one run of a client's program, and what it printed where it failed.
//! - [`skip`]: what happens where a client cannot be installed.
//!
//! `tests/clients` puts them together, one test a client.

pub mod client;
pub mod ports;
pub mod server;
pub mod skip;
pub mod tools;

use std::path::{Path, PathBuf};

/// The folder of the client `name`, as committed.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// `target/compat`, where everything is written that a test run makes.
///
/// # Panics
/// Where the running program does not lie in a target directory, as every program does that cargo runs.
pub fn workplace() -> PathBuf {
    let program = std::env::current_exe().expect("the system tells where a program lies");
    // target/PROFILE/deps/PROGRAM
    let target = program.ancestors().nth(3);
    target
        .expect("cargo puts test programs into a target directory")
        .join("compat")
}

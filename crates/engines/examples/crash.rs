//! Runs crash tests for as long as asked: `cargo run -p engines --example crash -- ROUNDS [FIRST_SEED]`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/crash/mod.rs"]
mod crash;

use crash::{History, run};

/// Crashes per history.
const ROUNDS: u64 = 10;
/// Crashes between two lines of progress.
const REPORT: u64 = 10_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise| match arguments.next() {
        Some(text) => text.parse().expect("a number: crash ROUNDS [FIRST_SEED]"),
        None => otherwise,
    };
    let (rounds, first) = (number(100_000), number(0));
    for index in 0..rounds / ROUNDS {
        let seed = first + index;
        let outcome = run(History {
            seed,
            rounds: ROUNDS,
        });
        let crashes = (index + 1) * ROUNDS;
        if crashes.is_multiple_of(REPORT) {
            println!(
                "{crashes} crashes up to seed {seed}, the last history: {:?}",
                outcome.counts
            );
        }
    }
}

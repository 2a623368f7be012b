//! Crash tests: see `crash/mod.rs`. `cargo run -p engines --example crash` runs more of them.
//!
//! `HEADWATER_CRASH_ROUNDS` asks for more rounds, `HEADWATER_CRASH_SEED` for one history again.

// A failed expectation is the test's answer.
#![allow(clippy::unwrap_used)]

#[path = "crash/mod.rs"]
mod crash;

use crash::{History, run};
use model::Rng;

/// Crashes per history.
const ROUNDS: u64 = 10;
/// Crashes in all.
const ROUNDS_IN_ALL: u64 = 10_000;
/// Histories with seeds that nobody has run before.
const FRESH: u64 = 20;
const THREADS: u64 = 2;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn history(seed: u64) -> History {
    History {
        seed,
        rounds: ROUNDS,
    }
}

#[test]
fn what_was_acked_outlives_every_crash() {
    let histories = number("HEADWATER_CRASH_ROUNDS").unwrap_or(ROUNDS_IN_ALL) / ROUNDS;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for seed in (thread..histories).step_by(THREADS as usize) {
                    run(history(seed));
                }
            });
        }
    });
}

#[test]
fn what_was_acked_outlives_crashes_never_seen_before() {
    let rng = Rng::system();
    for _ in 0..FRESH {
        let seed = rng.next_u64();
        eprintln!("seed {seed}");
        run(history(seed));
    }
}

#[test]
fn one_seed_gives_one_history() {
    let seed = number("HEADWATER_CRASH_SEED").unwrap_or(7);
    let first = run(history(seed));
    let second = run(history(seed));
    assert_eq!(first.counts, second.counts);
    assert_eq!(first.trace, second.trace);
    assert!(first.image == second.image, "the disks differ");
}

#[test]
fn everything_that_can_happen_does() {
    let mut sums = [0; 12];
    for seed in 0..50 {
        let counts = run(history(seed)).counts;
        let of_one = [
            counts.acked,
            counts.refused,
            counts.full,
            counts.poisoned,
            counts.compactions,
            counts.segments_removed,
            counts.rewrites,
            counts.files_kept,
            counts.thinned,
            counts.reads,
            counts.lost,
            counts.kept,
        ];
        for (sum, count) in sums.iter_mut().zip(of_one) {
            *sum += count;
        }
    }
    assert!(sums.iter().all(|&sum| sum > 20), "{sums:?}");
}

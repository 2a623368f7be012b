//! Crash tests of queues: see `crash/mod.rs`.
//!
//! `HEADWATER_CRASH_ROUNDS` asks for more rounds, `HEADWATER_CRASH_SEED` for one history again. For very many:
//! `HEADWATER_CRASH_ROUNDS=1000000 cargo test --profile crash -p streams --test crash`.

// A failed expectation is the test's answer.
#![allow(clippy::unwrap_used)]

mod crash {
    mod driver;
    mod engine;
    mod history;
    mod ledger;
    mod model;

    pub(crate) use history::{History, run};
    pub(crate) use model::Counts;
}

use crash::{History, run};
use model::Rng;

/// Crashes per history.
const ROUNDS: u64 = 8;
/// Crashes in all.
const ROUNDS_IN_ALL: u64 = 1_200;
/// Histories with seeds that nobody has run before.
const FRESH: u64 = 10;
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
fn what_a_queue_promised_outlives_every_crash() {
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
fn what_a_queue_promised_outlives_crashes_never_seen_before() {
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
    let mut sums = [0; 14];
    for seed in 0..40 {
        let counts = run(history(seed)).counts;
        for (sum, (_, count)) in sums.iter_mut().zip(counts.listed()) {
            *sum += count;
        }
    }
    let names = crash::Counts::default().listed();
    for (sum, (name, _)) in sums.iter().zip(names) {
        assert!(*sum > 10, "{name}: {sum}");
    }
}

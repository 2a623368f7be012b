//! What it costs the embedded engine to spread small batches over many logs, as a topic of 10,000 partitions does.
//!
//! `cargo run --release -p engines --example many_logs -- DIR` (a folder that does not exist yet). Prints, for a few and for
//! many logs, batches per second from callers that write to up to 1,000 logs at once, memory, segments and their ranges, and
//! what compactions and checkpoints took.

// It is there to print, and to measure real time.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engines::{Embedded, Options};
use model::{Batch, BatchBuilder, LogId, StreamId, Timestamp};
use store::{Append, Catalog, Log, LogChange, Txn};

const LOGS_MAX: u32 = 10_000;
const PHASE: Duration = Duration::from_secs(5);
const BATCH_BYTES: usize = 200;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("which folder?")?;
    let path = PathBuf::from(path);
    if path.exists() {
        bail!("{} is there already", path.display());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&path))
}

async fn run(path: &Path) -> Result<()> {
    let store = Arc::new(Embedded::open(Options::at(path)?)?);
    let all: Vec<LogChange> = (0..LOGS_MAX)
        .map(|partition| LogChange::Create(log(partition)))
        .collect();
    for some in all.chunks(1_000) {
        let txn = Txn {
            logs: some.to_vec(),
            ..Txn::default()
        };
        store.commit(txn).await?;
    }
    println!("{LOGS_MAX} logs: {} MiB resident", resident_mib()?);
    for (callers, at_once) in [(16, 100), (4, 1_000)] {
        for logs in [10, LOGS_MAX, 10, LOGS_MAX] {
            phase(&store, logs, callers, at_once).await?;
        }
    }
    drop(store);
    let began = Instant::now();
    let store = Embedded::open(Options::at(path)?)?;
    println!(
        "start: {:?} for {:?}; {} MiB resident",
        began.elapsed(),
        store.stats(),
        resident_mib()?
    );
    Ok(())
}

fn resident_mib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmRSS")?.parse::<u64>()? / 1024)
}

fn log(partition: u32) -> LogId {
    LogId::new(StreamId(1), partition)
}

fn batch() -> Batch {
    let mut builder = BatchBuilder::with_capacity(BATCH_BYTES + 32);
    builder.push(Timestamp(1), Some(b"key"), Some(&[7; BATCH_BYTES]), &[]);
    builder.finish()
}

/// Callers that each write `at_once` batches, each to the next log.
async fn phase(store: &Arc<Embedded>, logs: u32, callers: u32, at_once: u32) -> Result<()> {
    let batch = batch();
    let end = Instant::now() + PHASE;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, batch) = (store.clone(), batch.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                let mut next = caller * logs / callers;
                while Instant::now() < end {
                    let began = Instant::now();
                    let appends = (0..at_once).map(|number| {
                        let to = log((next + number) % logs);
                        Append::to(to, batch.clone())
                    });
                    for result in store.append(appends.collect()).await {
                        result?;
                    }
                    next = (next + at_once) % logs;
                    latencies.push(began.elapsed());
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    latencies.sort_unstable();
    let at = |part: usize| latencies.get(latencies.len() * part / 1000);
    let stats = store.stats();
    println!(
        "{logs} logs, {callers} callers of {at_once}: {:.0} batches/s, p50 {:?}, p99 {:?}; {} MiB resident, {} segments of {} MiB, journal {} MiB",
        latencies.len() as f64 * f64::from(at_once) / PHASE.as_secs_f64(),
        at(500).unwrap_or(&Duration::ZERO),
        at(990).unwrap_or(&Duration::ZERO),
        resident_mib()?,
        stats.segments,
        stats.segment_bytes >> 20,
        stats.journal_bytes >> 20,
    );
    Ok(())
}

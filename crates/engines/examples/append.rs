//! How fast the embedded engine appends and starts on this machine.
//!
//! `cargo run --release -p engines --example append -- DIR` (a folder that does not exist yet). Prints large batches per
//! second and megabytes, small appends per second with their latency, what many logs take in memory, and the time a start
//! takes to read the journal back.

// It is there to print, and to measure real time.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use engines::{Embedded, Options};
use model::{Batch, BatchBuilder, LogId, StreamId, Timestamp};
use store::{Append, Catalog, Log, LogChange, Txn};

const LOGS: u32 = 16;
const PHASE: Duration = Duration::from_secs(5);

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

async fn run(path: &std::path::Path) -> Result<()> {
    let store = Arc::new(Embedded::open(Options::at(path)?)?);
    let logs = (0..LOGS).map(|partition| LogChange::Create(log(partition)));
    let create = Txn {
        logs: logs.collect(),
        ..Txn::default()
    };
    store.commit(create).await?;
    many_logs(&store).await?;
    for (name, bytes, callers) in [
        ("large", 500_000, 8),
        ("small", 200, 1),
        ("small", 200, 64),
        ("small", 200, 1024),
    ] {
        phase(&store, name, bytes, callers).await?;
        println!("  {:?}", store.stats());
    }
    drop(store);
    let began = Instant::now();
    let store = Embedded::open(Options::at(path)?)?;
    let stats = store.stats();
    println!(
        "start: {:?} for {} batches in the journal",
        began.elapsed(),
        stats.journal_batches
    );
    Ok(())
}

/// What 20,000 logs with a batch each cost in memory.
async fn many_logs(store: &Embedded) -> Result<()> {
    let before = resident_kib()?;
    for part in 0..20 {
        let logs: Vec<LogId> = (0..1000)
            .map(|number| LogId::new(StreamId(2 + part), number))
            .collect();
        let txn = Txn {
            logs: logs.iter().map(|&log| LogChange::Create(log)).collect(),
            appends: logs
                .iter()
                .map(|&log| Append::to(log, batch(100)))
                .collect(),
            ..Txn::default()
        };
        store.commit(txn).await?;
    }
    println!(
        "20,000 logs: {} KiB more resident",
        resident_kib()?.saturating_sub(before)
    );
    Ok(())
}

fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmRSS")?.parse()?)
}

fn log(partition: u32) -> LogId {
    LogId::new(StreamId(1), partition)
}

fn batch(bytes: usize) -> Batch {
    let mut builder = BatchBuilder::with_capacity(bytes + 32);
    builder.push(Timestamp(1), Some(b"key"), Some(&vec![7; bytes]), &[]);
    builder.finish()
}

async fn phase(store: &Arc<Embedded>, name: &str, bytes: usize, callers: u32) -> Result<()> {
    let batch = batch(bytes);
    let end = Instant::now() + PHASE;
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, batch) = (store.clone(), batch.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while Instant::now() < end {
                    let began = Instant::now();
                    let append = Append::to(log(caller % LOGS), batch.clone());
                    for result in store.append(vec![append]).await {
                        result?;
                    }
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
    let rate = latencies.len() as f64 / PHASE.as_secs_f64();
    println!(
        "{name}, {callers} callers: {rate:.0} appends/s, {:.0} MB/s, p50 {:?}, p99 {:?}, p99.9 {:?}",
        rate * bytes as f64 / 1e6,
        at(500).unwrap_or(&Duration::ZERO),
        at(990).unwrap_or(&Duration::ZERO),
        at(999).unwrap_or(&Duration::ZERO),
    );
    Ok(())
}

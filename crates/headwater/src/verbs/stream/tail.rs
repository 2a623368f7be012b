//! Records as they arrive.

use std::io::{self, Write as _};

use clap::Args;
use client::Kinesis;
use client::kinesis::{Record, Start};
use client::tail::Delivery;
use model::Clock;
use serde::Serialize;
use tokio::sync::mpsc;

use super::refused;
use crate::Failure;
use crate::verbs::output::Output;
use crate::verbs::time;

/// Deliveries waiting to be printed; a slow terminal slows the reading.
const WAITING_MAX: usize = 16;

#[derive(Debug, Args)]
pub(super) struct Tail {
    /// The stream.
    name: String,
    /// Where to begin: start, end, a time such as 2026-11-22T10:00:00Z, or so long ago, such as 15m.
    #[arg(long, default_value = "end", value_name = "start|end|TIME")]
    from: String,
    /// Stop after that many records.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Show each record's time, shard and key before it.
    #[arg(long, short)]
    verbose: bool,
}

/// One line of `tail --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    shard_id: &'a str,
    #[serde(flatten)]
    record: &'a Record,
    /// The record, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

pub(super) async fn tail(kinesis: &Kinesis, tail: &Tail, output: Output) -> Result<(), Failure> {
    let now = Clock::system().now().0 as f64 / 1000.0;
    let start = match tail.from.as_str() {
        "start" => Start::Oldest,
        "end" => Start::Latest,
        text => Start::Time(time::parse(text, now).ok_or_else(|| {
            Failure::Usage(format!(
                "--from must be start, end, a time such as 2026-11-22T10:00:00Z or 15m, got {text:?}"
            ))
        })?),
    };
    let (tx, mut rx) = mpsc::channel(WAITING_MAX);
    let mut left = tail.limit.unwrap_or(u64::MAX);
    let read = client::tail::tail(kinesis, &tail.name, &start, &tx);
    let print = async {
        while left > 0
            && let Some(delivery) = rx.recv().await
        {
            print(tail, &delivery, output, &mut left)?;
        }
        Ok(())
    };
    tokio::select! {
        read = read => read.map_err(refused),
        printed = print => printed,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

fn print(tail: &Tail, delivery: &Delivery, output: Output, left: &mut u64) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for record in &delivery.records {
        if *left == 0 {
            break;
        }
        *left -= 1;
        match output {
            Output::Json => {
                let line = Line {
                    shard_id: &delivery.shard_id,
                    record,
                    text: std::str::from_utf8(&record.data).ok(),
                };
                serde_json::to_writer(&mut out, &line)
                    .map_err(|error| Failure::from(io::Error::from(error)))?;
            }
            Output::Human => {
                if tail.verbose {
                    let arrived = record.approximate_arrival_timestamp.map(time::show);
                    let arrived = arrived.unwrap_or_default();
                    let key = &record.partition_key;
                    write!(out, "{arrived} {} {key}\t", delivery.shard_id)?;
                }
                out.write_all(&record.data)?;
            }
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

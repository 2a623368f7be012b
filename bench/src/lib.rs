//! Measures servers of Kinesis streams, SQS queues and Kafka topics: Headwater and its peers, with the same load. How to use it: bench/README.md; what it
//! found: bench/RESULTS.md.
//!
//! Read `request` (the bytes sent), `drive` (the loop that sends them), `put` and `get` (what is measured of streams), then `queue`.
//! The generator shares its processors with the server it measures, so it is built to cost little.
#![allow(clippy::print_stdout, reason = "a report is printed")]
#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the real clock, and waits for real processes and files"
)]

mod args;
mod cbor;
mod compare;
mod control;
mod disk;
mod drive;
mod event_stream;
mod fanout;
mod get;
mod http1;
mod kafka;
mod lifecycle;
mod pace;
mod peers;
mod process;
mod put;
mod queue;
mod random;
mod report;
mod request;
mod reshard;
mod scan;
mod side_by_side;
mod usage;
pub mod verify;
pub mod verify_queue;
mod workloads;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use args::{Cli, Workload};
use report::Report;

/// The program: does what its command line says.
#[must_use]
pub fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let mut report = Report::open(cli.json.as_deref())?;
    let label = &cli.label;
    match &cli.workload {
        Workload::PutRecords(args) => workloads::put_records(args, label, &mut report),
        Workload::PutRecord(args) => workloads::put_record(args, label, &mut report),
        Workload::GetRecords(args) => workloads::get_records(args, label, &mut report),
        Workload::Fanout(args) => workloads::fan_out(args, label, &mut report),
        Workload::Verify(args) => workloads::verify(args, label, &mut report),
        Workload::Idle(args) => workloads::idle(args, label, &mut report),
        Workload::Restart(args) => workloads::restart(args, label, &mut report),
        Workload::Reshard(args) => workloads::reshard(args, label, &mut report),
        Workload::Peers(args) => workloads::compare_peers(args, &mut report),
        Workload::Disk(args) => workloads::disk(args, label, &mut report),
        Workload::Queue(args) => queue::workloads::queue(args, label, &mut report),
        Workload::QueueSend(args) => queue::workloads::send(args, label, &mut report),
        Workload::QueuePoll(args) => queue::workloads::poll(args, label, &mut report),
        Workload::QueueBacklog(args) => queue::workloads::backlog(args, label, &mut report),
        Workload::VerifyQueue(args) => queue::workloads::verify(args, label, &mut report),
        Workload::KafkaPeers(args) => kafka::workloads::compare_peers(args, &mut report),
        Workload::QueuePeers(args) => queue::workloads::compare_peers(args, &mut report),
    }
}

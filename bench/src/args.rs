//! The command line.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use crate::kafka::args as kafka;
use crate::queue::args as queue;
use crate::request::Format;

/// Measures servers of Kinesis streams and SQS queues.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) workload: Workload,
    /// Append each row of figures to this file, one JSON object a line
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// What the server is called in the report
    #[arg(long, global = true, default_value = "headwater")]
    pub(crate) label: String,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Workload {
    /// PutRecords as fast as the server takes them, or at --rate
    PutRecords(PutRecords),
    /// PutRecord as fast as the server takes them, or at --rate
    PutRecord(PutRecord),
    /// Read back everything in a stream with GetRecords
    GetRecords(GetRecords),
    /// Put at a rate while subscribed to every shard over HTTP/2
    Fanout(Fanout),
    /// Put, kill the server with --command, and check that everything acked is there once and in order
    Verify(Verify),
    /// Start to first answer, and memory when idle
    Idle(Idle),
    /// Fill the journal, kill -9, and time the way back
    Restart(Restart),
    /// Double a wide stream; make very many shards
    Reshard(Reshard),
    /// The same load on every peer, and one table
    Peers(Peers),
    /// What the disk alone allows: small writes, each synced
    Disk(Disk),
    /// SQS: send, receive and delete in batches of ten, as fast as the server takes them
    Queue(queue::Queue),
    /// SQS: send one by one at a rate
    QueueSend(queue::QueueSend),
    /// SQS: send to a receiver that waits
    QueuePoll(queue::QueuePoll),
    /// SQS: the rate with millions of messages waiting, against that without; starts the server itself
    QueueBacklog(queue::QueueBacklog),
    /// SQS: send, receive and delete, kill the server with --command, and check that every ack was kept
    VerifyQueue(queue::VerifyQueue),
    /// SQS: the same load on every peer, and one table
    QueuePeers(queue::QueuePeers),
    /// Kafka: Apache Kafka's own tools on every peer, and one table
    KafkaPeers(kafka::KafkaPeers),
}

/// A server that runs already.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Host and port of the server, plain HTTP
    #[arg(long, default_value = "127.0.0.1:4566")]
    endpoint: String,
    /// The server's process id, to report its memory and processor time
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

impl Target {
    /// The server's address.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let host = self
            .endpoint
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let mut found = host
            .to_socket_addrs()
            .with_context(|| format!("--endpoint {}", self.endpoint))?;
        found
            .next()
            .with_context(|| format!("--endpoint {} has no address", self.endpoint))
    }
}

/// How long a load runs.
#[derive(Debug, Args)]
pub(crate) struct Time {
    /// Seconds measured
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Seconds before that, not measured
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
}

impl Time {
    /// Measured.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 86_400.0))
    }

    /// Not measured.
    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up.clamp(0.0, 86_400.0))
    }
}

/// What PutRecord and PutRecords have in common.
#[derive(Debug, Args)]
pub(crate) struct Put {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) time: Time,
    /// A stream of this name is deleted and made anew
    #[arg(long, default_value = "bench-wide")]
    pub(crate) stream: String,
    #[arg(long, default_value_t = 64)]
    pub(crate) shards: usize,
    /// Requests a second, open loop
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct PutRecords {
    #[command(flatten)]
    pub(crate) put: Put,
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: usize,
    /// Records in a request, 1 to 500
    #[arg(long, default_value_t = 500)]
    pub(crate) records: usize,
    /// Bytes of data in a record
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
}

#[derive(Debug, Args)]
pub(crate) struct PutRecord {
    #[command(flatten)]
    pub(crate) put: Put,
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Bytes of data in a record
    #[arg(long, default_value_t = 100)]
    pub(crate) size: usize,
}

#[derive(Debug, Args)]
pub(crate) struct GetRecords {
    #[command(flatten)]
    pub(crate) target: Target,
    #[arg(long, default_value = "bench-wide")]
    pub(crate) stream: String,
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: usize,
    /// Seconds to read at most
    #[arg(long, default_value_t = 60.0)]
    pub(crate) seconds: f64,
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Fanout {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) time: Time,
    #[arg(long, default_value_t = 4)]
    pub(crate) shards: usize,
    #[arg(long, default_value_t = 16)]
    pub(crate) connections: usize,
    /// Bytes of data in a record
    #[arg(long, default_value_t = 100)]
    pub(crate) size: usize,
    /// Records a second, put one by one
    #[arg(long, default_value_t = 1000.0)]
    pub(crate) rate: f64,
}

/// How the server is started.
#[derive(Debug, Args)]
pub(crate) struct Spawn {
    /// How to start the server; {data} and {port} are filled in
    #[arg(
        long,
        default_value = "target/release/headwater serve --data {data} --listen 127.0.0.1:{port}"
    )]
    pub(crate) command: String,
    /// A directory that may be emptied, for data and log
    #[arg(long, default_value = "target/bench/run/single")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) spawn: Spawn,
    #[arg(long, default_value_t = 20)]
    pub(crate) kills: usize,
    /// The longest time between kills, in milliseconds
    #[arg(long, default_value_t = 1500)]
    pub(crate) between_ms: u64,
    #[arg(long, default_value_t = 16)]
    pub(crate) shards: usize,
    #[arg(long, default_value_t = 16)]
    pub(crate) writers: usize,
    /// Records in a request, 1 to 500
    #[arg(long, default_value_t = 20)]
    pub(crate) records: usize,
    /// Bytes of data in a record
    #[arg(long, default_value_t = 200)]
    pub(crate) size: usize,
    /// Repeats the same times between kills
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Do not start or kill anything: write for this many seconds to the server at this address, which another may kill,
    /// then wait for it to answer and check
    #[arg(long, value_name = "ADDRESS", requires = "seconds")]
    pub(crate) attach: Option<SocketAddr>,
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct Disk {
    /// Where a file is made for it
    #[arg(long, default_value = "target/bench/run")]
    pub(crate) directory: PathBuf,
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
}

#[derive(Debug, Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    pub(crate) spawn: Spawn,
    /// Starts, of which the median counts
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Restart {
    #[command(flatten)]
    pub(crate) spawn: Spawn,
    /// MiB of data to put before the kill
    #[arg(long, default_value_t = 1024)]
    pub(crate) mib: u64,
    #[arg(long, default_value_t = 64)]
    pub(crate) shards: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Reshard {
    #[command(flatten)]
    pub(crate) spawn: Spawn,
    /// Shards before the doubling
    #[arg(long, default_value_t = 1000)]
    pub(crate) from: usize,
    /// Streams in the second part
    #[arg(long, default_value_t = 20)]
    pub(crate) streams: usize,
    /// Shards in each of them
    #[arg(long, default_value_t = 1000)]
    pub(crate) shards: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Peers {
    #[command(flatten)]
    pub(crate) time: Time,
    /// Which, in which order
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "headwater,headwater-discard,kinesalite,kinesis-local,moto,ministack"
    )]
    pub(crate) peers: Vec<String>,
    #[arg(long, default_value_t = 64)]
    pub(crate) shards: usize,
    /// PutRecord requests a second in the open loop
    #[arg(long, default_value_t = 20_000.0)]
    pub(crate) rate: f64,
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub(crate) format: Format,
    /// Also write the table here
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

//! The command line of the queue workloads.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::args::{Spawn, Target, Time};

#[derive(Debug, Args)]
pub(crate) struct Queue {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) time: Time,
    /// Clients, each sending, receiving and deleting in turn
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: usize,
    /// Characters in a message's body
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
    /// A FIFO queue with --groups message groups
    #[arg(long)]
    pub(crate) fifo: bool,
    #[arg(long, default_value_t = 64)]
    pub(crate) groups: usize,
}

#[derive(Debug, Args)]
pub(crate) struct QueueSend {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) time: Time,
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// Messages a second, sent one by one
    #[arg(long, default_value_t = 2000.0)]
    pub(crate) rate: f64,
    /// Characters in a message's body
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
}

#[derive(Debug, Args)]
pub(crate) struct QueuePoll {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Messages, one at a time
    #[arg(long, default_value_t = 1000)]
    pub(crate) messages: usize,
    /// Seconds at most
    #[arg(long, default_value_t = 60.0)]
    pub(crate) seconds: f64,
    /// Characters in a message's body
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
}

#[derive(Debug, Args)]
pub(crate) struct QueueBacklog {
    #[command(flatten)]
    pub(crate) spawn: Spawn,
    #[command(flatten)]
    pub(crate) time: Time,
    #[arg(long, default_value_t = 16)]
    pub(crate) clients: usize,
    /// Messages that wait
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) messages: u64,
    /// Characters in a message's body
    #[arg(long, default_value_t = 100)]
    pub(crate) size: usize,
    /// Receive and delete the backlog at the end, for this many seconds at most
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    pub(crate) drain: f64,
}

#[derive(Debug, Args)]
pub(crate) struct QueuePeers {
    #[command(flatten)]
    pub(crate) time: Time,
    /// Which, in which order
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "headwater,elasticmq,goaws,moto,ministack"
    )]
    pub(crate) peers: Vec<String>,
    /// SendMessage requests a second in the open loop
    #[arg(long, default_value_t = 2000.0)]
    pub(crate) rate: f64,
    /// Also write the tables here
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyQueue {
    #[command(flatten)]
    pub(crate) spawn: Spawn,
    #[arg(long, default_value_t = 20)]
    pub(crate) kills: usize,
    /// The longest time between kills, in milliseconds
    #[arg(long, default_value_t = 1500)]
    pub(crate) between_ms: u64,
    /// Senders to each of the two queues; in the FIFO one each has a message group
    #[arg(long, default_value_t = 8)]
    pub(crate) senders: usize,
    /// Receivers from each of the two queues
    #[arg(long, default_value_t = 4)]
    pub(crate) receivers: usize,
    /// Characters in a message's body
    #[arg(long, default_value_t = 200)]
    pub(crate) size: usize,
    /// Repeats the same times between kills, and the same choices of the receivers
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Do not start or kill anything: load the server at this address for --seconds, which another may kill, then wait for
    /// it to answer and check
    #[arg(long, value_name = "ADDRESS", requires = "seconds")]
    pub(crate) attach: Option<SocketAddr>,
    #[arg(long)]
    pub(crate) seconds: Option<f64>,
}

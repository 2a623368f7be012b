//! The command line of what is measured of Kafka brokers.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct KafkaPeers {
    /// Which, in which order
    #[arg(long, value_delimiter = ',', default_value = "headwater,kafka")]
    pub(crate) peers: Vec<String>,
    /// Records of 1 KiB that are produced and consumed
    #[arg(long, default_value_t = 2_000_000)]
    pub(crate) records: u64,
    /// Partitions of the topic they go to
    #[arg(long, default_value_t = 16)]
    pub(crate) partitions: u32,
    /// Seconds of producing at half of what the slowest peer takes
    #[arg(long, default_value_t = 20.0)]
    pub(crate) seconds: f64,
    /// Also write the tables here
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

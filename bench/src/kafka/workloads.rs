//! What is measured of Kafka brokers, from the command line to the report.

use anyhow::{Context, Result};

use super::args;
use super::compare::{self, KafkaLoad};
use crate::peers::{self, workspace};
use crate::report::Report;
use crate::side_by_side;

/// Every peer, one table, and the bars.
pub(crate) fn compare_peers(args: &args::KafkaPeers, report: &mut Report) -> Result<()> {
    let named = args.peers.iter();
    let peers = named
        .map(|name| peers::find(peers::kafka::PEERS, name))
        .collect::<Result<Vec<_>>>()?;
    let load = KafkaLoad {
        records: args.records.max(1),
        partitions: args.partitions.max(1),
        rate: None,
        seconds: args.seconds.clamp(0.1, 86_400.0),
    };
    let root = workspace().join("target/bench");
    let rows = compare::run(&peers, &load, &root, report)?;
    let bars = compare::bars(&rows);
    let table = side_by_side::table(&rows, compare::LINES);
    let text = format!("{bars}\n{table}");
    println!("\n{text}");
    if let Some(path) = &args.markdown {
        std::fs::write(path, &text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

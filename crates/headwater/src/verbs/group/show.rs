//! Groups as people and scripts want to see them.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use clap::Args;
use client::Kafka;
use client::kafka::Place;
use client::kafka::groups::{Described, Kind, Progress};
use serde::Serialize;

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::table::Table;

#[derive(Debug, Args)]
pub(super) struct Describe {
    /// The group.
    name: String,
}

/// What `describe --json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Whole<'a> {
    #[serde(flatten)]
    group: &'a Described,
    offsets: &'a [Progress],
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Classic => "classic",
        Kind::Consumer => "consumer",
        Kind::Share => "share",
    }
}

pub(super) async fn list(kafka: &Kafka, output: Output) -> Result<(), Failure> {
    let groups = kafka.groups().await.map_err(refused)?;
    if output == Output::Json {
        return json(&groups);
    }
    if groups.is_empty() {
        writeln!(
            io::stdout(),
            "No groups yet: the first consumer makes its own"
        )?;
        return Ok(());
    }
    let mut table = Table::new(&["name", "kind", "state"]);
    for group in groups {
        table.row([group.name, word(group.kind).to_owned(), group.state]);
    }
    write!(io::stdout(), "{table}")?;
    Ok(())
}

pub(super) async fn describe(
    kafka: &Kafka,
    describe: &Describe,
    output: Output,
) -> Result<(), Failure> {
    let name = &describe.name;
    let described = kafka.describe_group(name).await.map_err(refused)?;
    let progress = kafka.progress(name, described.group.kind).await;
    let progress = progress.map_err(refused)?;
    if output == Output::Json {
        return json(&Whole {
            group: &described,
            offsets: &progress,
        });
    }
    let lag: i64 = progress.iter().map(|one| one.lag).sum();
    let facts = [
        ("name", name.clone()),
        ("kind", word(described.group.kind).to_owned()),
        ("state", described.group.state.clone()),
        ("assignor", described.assignor.clone()),
        ("members", described.members.len().to_string()),
        ("lag", lag.to_string()),
    ];
    let mut out = io::stdout().lock();
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:12} {value}")?;
    }
    if !described.members.is_empty() {
        let mut table = Table::new(&["member", "client", "host", "reads"]);
        for member in described.members {
            let reads = reads(&member.partitions);
            table.row([member.id, member.client_id, member.host, reads]);
        }
        write!(out, "\n{table}")?;
    }
    if !progress.is_empty() {
        write!(out, "\n{}", progress_table(&progress))?;
    }
    Ok(())
}

pub(super) async fn offsets(
    kafka: &Kafka,
    describe: &Describe,
    output: Output,
) -> Result<(), Failure> {
    let name = &describe.name;
    let group = kafka.group(name).await.map_err(refused)?;
    let progress = kafka.progress(name, group.kind).await.map_err(refused)?;
    if output == Output::Json {
        return json(&progress);
    }
    if progress.is_empty() {
        writeln!(io::stdout(), "{name} has no offsets")?;
        return Ok(());
    }
    write!(io::stdout(), "{}", progress_table(&progress))?;
    Ok(())
}

fn progress_table(progress: &[Progress]) -> Table<5> {
    let mut table = Table::new(&["topic", "partition", "offset", "end", "lag"]);
    for one in progress {
        table.row([
            one.place.topic.clone(),
            one.place.partition.to_string(),
            one.offset.to_string(),
            one.end.to_string(),
            one.lag.to_string(),
        ]);
    }
    table
}

/// `orders:0,1 logs:2`.
fn reads(places: &[Place]) -> String {
    let mut topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for place in places {
        let partitions = topics.entry(&place.topic).or_default();
        partitions.push(place.partition.to_string());
    }
    let topics = topics.iter();
    let topics = topics.map(|(topic, partitions)| format!("{topic}:{}", partitions.join(",")));
    topics.collect::<Vec<_>>().join(" ")
}

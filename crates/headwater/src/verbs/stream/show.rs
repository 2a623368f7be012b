//! Streams and shards as people and scripts want to see them.

use std::io::{self, Write as _};

use clap::Args;
use client::Kinesis;
use client::kinesis::{Shard, StreamDescription};
use serde::Serialize;

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::table::Table;
use crate::verbs::time;

/// Shards shown unless all are asked for.
const SHARDS_SHOWN: usize = 64;

#[derive(Debug, Args)]
pub(super) struct Describe {
    /// Its name.
    name: String,
    /// Show every shard, closed ones too.
    #[arg(long)]
    all: bool,
}

/// What `describe --json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described<'a> {
    #[serde(flatten)]
    stream: &'a StreamDescription,
    shards: &'a [Shard],
}

/// `1 shard`, `2 shards`.
pub(super) fn shards(count: u32) -> String {
    match count {
        1 => "1 shard".to_owned(),
        _ => format!("{count} shards"),
    }
}

pub(super) async fn list(kinesis: &Kinesis, output: Output) -> Result<(), Failure> {
    let streams = kinesis.list().await.map_err(refused)?;
    if output == Output::Json {
        return json(&streams);
    }
    if streams.is_empty() {
        writeln!(io::stdout(), "No streams yet: headwater stream create NAME")?;
        return Ok(());
    }
    let mut table = Table::new(&["name", "status", "mode", "created"]);
    for stream in streams {
        let mode = stream.stream_mode_details.map(|mode| mode.stream_mode);
        table.row([
            stream.stream_name,
            stream.stream_status,
            mode.unwrap_or_default(),
            stream
                .stream_creation_timestamp
                .map(time::show)
                .unwrap_or_default(),
        ]);
    }
    write!(io::stdout(), "{table}")?;
    Ok(())
}

pub(super) async fn describe(
    kinesis: &Kinesis,
    describe: &Describe,
    output: Output,
) -> Result<(), Failure> {
    let stream = kinesis.describe(&describe.name).await.map_err(refused)?;
    let shards = kinesis.shards(&describe.name).await.map_err(refused)?;
    if output == Output::Json {
        return json(&Described {
            stream: &stream,
            shards: &shards,
        });
    }
    write!(io::stdout(), "{}", facts(&stream))?;
    let shown: Vec<&Shard> = shards
        .iter()
        .filter(|shard| describe.all || !shard.info().is_closed)
        .collect();
    let limit = if describe.all {
        shown.len()
    } else {
        SHARDS_SHOWN
    };
    let mut table = Table::new(&["shard", "state", "hash keys from", "parents"]);
    for shard in shown.iter().take(limit) {
        let info = shard.info();
        table.row([
            info.id,
            if info.is_closed { "closed" } else { "open" }.to_owned(),
            shard.hash_key_range.starting_hash_key.clone(),
            info.parents.join(" "),
        ]);
    }
    write!(io::stdout(), "\n{table}")?;
    if shown.len() < shards.len() || limit < shown.len() {
        let hidden = shards.len() - shown.len().min(limit);
        writeln!(
            io::stdout(),
            "and {hidden} more, closed or beyond {SHARDS_SHOWN}: --all"
        )?;
    }
    Ok(())
}

fn facts(stream: &StreamDescription) -> String {
    let summary = &stream.summary;
    let mode = summary.stream_mode_details.as_ref();
    let facts = [
        ("name", summary.stream_name.clone()),
        ("arn", summary.stream_arn.clone()),
        ("status", summary.stream_status.clone()),
        (
            "mode",
            mode.map_or_else(String::new, |mode| mode.stream_mode.clone()),
        ),
        ("open shards", stream.open_shard_count.to_string()),
        ("retention", format!("{} h", stream.retention_period_hours)),
        (
            "encryption",
            stream.encryption_type.clone().unwrap_or_default(),
        ),
        (
            "consumers",
            stream.consumer_count.unwrap_or_default().to_string(),
        ),
    ];
    facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:12} {value}\n"))
        .collect()
}

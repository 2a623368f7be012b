//! Splitting, merging, scaling: asked for, then waited for.

use std::io::{self, Write as _};

use clap::Args;
use client::Kinesis;
use client::kinesis::HashKeyRange;
use model::HashKey;

use super::{refused, show};
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::progress::Progress;

#[derive(Debug, Args)]
pub(super) struct Split {
    /// The stream.
    name: String,
    /// The shard, such as shardId-000000000000.
    shard: String,
    /// First hash key of the upper half, in decimal [default: the middle].
    #[arg(long, value_name = "HASH KEY")]
    at: Option<String>,
}

pub(super) async fn split(kinesis: &Kinesis, split: &Split, output: Output) -> Result<(), Failure> {
    let_pass(kinesis, &split.name).await?;
    let at = match &split.at {
        Some(at) => at.clone(),
        None => middle(kinesis, split).await?,
    };
    let progress = Progress::start(format!("splitting {}", split.shard));
    kinesis
        .split(&split.name, &split.shard, &at)
        .await
        .map_err(refused)?;
    settle(kinesis, &split.name, progress, output).await
}

/// The key that halves the shard's range.
async fn middle(kinesis: &Kinesis, split: &Split) -> Result<String, Failure> {
    let shards = kinesis.shards(&split.name).await.map_err(refused)?;
    let found = shards.iter().find(|shard| shard.shard_id == split.shard);
    let Some(shard) = found else {
        return Err(Failure::running(format!(
            "{} has no shard {}: see `headwater stream describe {}`",
            split.name, split.shard, split.name
        )));
    };
    halfway(&shard.hash_key_range)
        .ok_or_else(|| Failure::running(format!("{} is too narrow to be split", split.shard)))
}

fn halfway(range: &HashKeyRange) -> Option<String> {
    let first = HashKey::parse(&range.starting_hash_key)?;
    let last = HashKey::parse(&range.ending_hash_key)?;
    let width = last.0.checked_sub(first.0)?;
    (width > 0).then(|| (first.0 + width / 2 + 1).to_string())
}

#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The stream.
    name: String,
    /// One shard.
    shard: String,
    /// Its neighbour.
    with: String,
}

pub(super) async fn merge(kinesis: &Kinesis, merge: &Merge, output: Output) -> Result<(), Failure> {
    let_pass(kinesis, &merge.name).await?;
    let progress = Progress::start(format!("merging {} and {}", merge.shard, merge.with));
    kinesis
        .merge(&merge.name, &merge.shard, &merge.with)
        .await
        .map_err(refused)?;
    settle(kinesis, &merge.name, progress, output).await
}

#[derive(Debug, Args)]
pub(super) struct Scale {
    /// The stream.
    name: String,
    /// How many shards it is to have.
    shards: u32,
}

pub(super) async fn scale(kinesis: &Kinesis, scale: &Scale, output: Output) -> Result<(), Failure> {
    let_pass(kinesis, &scale.name).await?;
    let progress = Progress::start(format!("scaling to {}", show::shards(scale.shards)));
    kinesis
        .scale(&scale.name, scale.shards)
        .await
        .map_err(refused)?;
    settle(kinesis, &scale.name, progress, output).await
}

/// Waits until what another does to the stream is done: it is refused beside it.
async fn let_pass(kinesis: &Kinesis, name: &str) -> Result<(), Failure> {
    let ready = kinesis.wait_until_active(name).await;
    ready.map(drop).map_err(refused)
}

/// Waits for the change and tells what there is now.
async fn settle(
    kinesis: &Kinesis,
    name: &str,
    progress: Progress,
    output: Output,
) -> Result<(), Failure> {
    let stream = kinesis.wait_until_active(name).await.map_err(refused)?;
    drop(progress);
    if output == Output::Json {
        return json(&stream);
    }
    let count = show::shards(stream.open_shard_count);
    writeln!(io::stdout(), "{name} now has {count}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_halves_a_range() {
        let check = |first: &str, last: &str, expected: Option<&str>| {
            let range = HashKeyRange {
                starting_hash_key: first.to_owned(),
                ending_hash_key: last.to_owned(),
            };
            assert_eq!(halfway(&range).as_deref(), expected, "{first} to {last}");
        };
        check(
            "0",
            "340282366920938463463374607431768211455",
            Some("170141183460469231731687303715884105728"),
        );
        check("4", "5", Some("5"));
        check("5", "5", None);
        check("x", "5", None);
    }
}

//! Making streams and deleting them.

use std::io::{self, Write as _};

use clap::Args;
use client::Kinesis;

use super::{refused, show};
use crate::Failure;
use crate::verbs::confirm::is_sure;
use crate::verbs::output::{Output, State, json, tell};
use crate::verbs::progress::Progress;

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its name: letters, digits, `_`, `-` and `.`.
    name: String,
    /// How many shards; without this, the stream is on-demand and scales itself.
    #[arg(long, value_name = "COUNT")]
    shards: Option<u32>,
}

pub(super) async fn create(
    kinesis: &Kinesis,
    create: &Create,
    output: Output,
) -> Result<(), Failure> {
    let name = &create.name;
    let progress = Progress::start(format!("making {name}"));
    kinesis.create(name, create.shards).await.map_err(refused)?;
    let stream = kinesis.wait_until_active(name).await.map_err(refused)?;
    drop(progress);
    match output {
        Output::Json => json(&stream),
        Output::Human => {
            writeln!(
                io::stdout(),
                "{name} is ready with {}",
                show::shards(stream.open_shard_count)
            )?;
            Ok(())
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Its name.
    name: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn delete(
    kinesis: &Kinesis,
    delete: &Delete,
    output: Output,
) -> Result<(), Failure> {
    let name = &delete.name;
    kinesis.describe(name).await.map_err(refused)?;
    if !delete.yes && !is_sure("delete", name, "records")? {
        return Err(Failure::running(format!("{name} is kept")));
    }
    kinesis.delete(name).await.map_err(refused)?;
    let progress = Progress::start(format!("deleting {name}"));
    kinesis.wait_until_gone(name).await.map_err(refused)?;
    drop(progress);
    tell(name, State::Deleted, output)
}

//! Making topics and deleting them.

use std::io::{self, Write as _};

use clap::Args;
use client::Kafka;

use super::{refused, show};
use crate::Failure;
use crate::verbs::confirm::is_sure;
use crate::verbs::output::{Output, State, json, tell};
use crate::verbs::pair;

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its name: letters, digits, `_`, `-` and `.`.
    name: String,
    /// How many partitions [default: the broker's num.partitions, which is 1].
    #[arg(long, value_name = "COUNT")]
    partitions: Option<i32>,
    /// A setting, such as retention.ms=86400000; may be given often.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair::parse)]
    config: Vec<(String, String)>,
    /// Leave it as it is where there is one of that name.
    #[arg(long)]
    if_absent: bool,
}

pub(super) async fn create(kafka: &Kafka, create: &Create, output: Output) -> Result<(), Failure> {
    let name = &create.name;
    let made = kafka
        .create_topic(name, create.partitions, &create.config)
        .await;
    match made {
        Err(error) if create.if_absent && error.code() == Some("TOPIC_ALREADY_EXISTS") => {}
        made => made.map_err(refused)?,
    }
    let topic = kafka.topic(name).await.map_err(refused)?;
    match output {
        Output::Json => json(&topic),
        Output::Human => {
            let partitions = show::partitions(topic.partitions.len());
            writeln!(io::stdout(), "{name} is ready with {partitions}")?;
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

pub(super) async fn delete(kafka: &Kafka, delete: &Delete, output: Output) -> Result<(), Failure> {
    let name = &delete.name;
    kafka.topic(name).await.map_err(refused)?;
    if !delete.yes && !is_sure("delete", name, "records")? {
        return Err(Failure::running(format!("{name} is kept")));
    }
    kafka.delete_topic(name).await.map_err(refused)?;
    tell(name, State::Deleted, output)
}

//! Making queues, emptying them, deleting them.

use std::io::{self, Write as _};

use clap::Args;
use client::Sqs;
use client::sqs::Attributes;

use super::refused;
use crate::Failure;
use crate::verbs::confirm::is_sure;
use crate::verbs::output::{Output, State, json, tell};

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Its name: letters, digits, `_` and `-`; one that ends in .fifo is a FIFO queue.
    name: String,
    /// Seconds a received message stays hidden: 0 to 43200 [default: 30].
    #[arg(long, value_name = "SECONDS")]
    visibility: Option<u32>,
    /// Seconds until a message can be received: 0 to 900 [default: 0].
    #[arg(long, value_name = "SECONDS")]
    delay: Option<u32>,
    /// Seconds messages are kept: 60 to 1209600 [default: 345600, four days].
    #[arg(long, value_name = "SECONDS")]
    retention: Option<u32>,
    /// Move messages that were received too often to this queue.
    #[arg(long, value_name = "QUEUE", requires = "max_receives")]
    dead_letter: Option<String>,
    /// How often a message is received before that.
    #[arg(long, value_name = "COUNT", requires = "dead_letter")]
    max_receives: Option<u32>,
    /// FIFO: know a repeat by its body, where no id is given.
    #[arg(long)]
    content_dedup: bool,
}

pub(super) async fn create(sqs: &Sqs, create: &Create, output: Output) -> Result<(), Failure> {
    let mut attributes = Attributes::new();
    let numbers = [
        ("VisibilityTimeout", create.visibility),
        ("DelaySeconds", create.delay),
        ("MessageRetentionPeriod", create.retention),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            attributes.insert(name.to_owned(), number.to_string());
        }
    }
    if create.name.ends_with(".fifo") {
        attributes.insert("FifoQueue".to_owned(), "true".to_owned());
    }
    if create.content_dedup {
        attributes.insert("ContentBasedDeduplication".to_owned(), "true".to_owned());
    }
    if let (Some(target), Some(max_receives)) = (&create.dead_letter, create.max_receives) {
        let arn = arn(sqs, target).await?;
        let policy = serde_json::json!({
            "deadLetterTargetArn": arn,
            "maxReceiveCount": max_receives,
        });
        attributes.insert("RedrivePolicy".to_owned(), policy.to_string());
    }
    let url = sqs
        .create(&create.name, &attributes)
        .await
        .map_err(refused)?;
    match output {
        Output::Json => json(&serde_json::json!({ "QueueUrl": url })),
        Output::Human => {
            writeln!(io::stdout(), "{} is ready: {url}", create.name)?;
            Ok(())
        }
    }
}

/// The ARN of a queue.
pub(super) async fn arn(sqs: &Sqs, name: &str) -> Result<String, Failure> {
    let url = sqs.url(name).await.map_err(refused)?;
    let mut attributes = sqs.attributes(&url).await.map_err(refused)?;
    attributes
        .remove("QueueArn")
        .ok_or_else(|| Failure::running(format!("the server does not tell the ARN of {name}")))
}

#[derive(Debug, Args)]
pub(super) struct Purge {
    /// Its name.
    name: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn purge(sqs: &Sqs, purge: &Purge, output: Output) -> Result<(), Failure> {
    let name = &purge.name;
    let url = sqs.url(name).await.map_err(refused)?;
    if !purge.yes && !is_sure("purge", name, "messages")? {
        return Err(Failure::running(format!("{name} is kept as it is")));
    }
    sqs.purge(&url).await.map_err(refused)?;
    tell(name, State::Empty, output)
}

#[derive(Debug, Args)]
pub(super) struct Delete {
    /// Its name.
    name: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn delete(sqs: &Sqs, delete: &Delete, output: Output) -> Result<(), Failure> {
    let name = &delete.name;
    let url = sqs.url(name).await.map_err(refused)?;
    if !delete.yes && !is_sure("delete", name, "messages")? {
        return Err(Failure::running(format!("{name} is kept")));
    }
    sqs.delete_queue(&url).await.map_err(refused)?;
    tell(name, State::Deleted, output)
}

//! Giving dead letters another chance.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use client::Sqs;

use super::life::arn;
use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::progress::Progress;

/// Between two looks at how far it is.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Redrive {
    /// The dead-letter queue.
    name: String,
    /// Move the messages to this queue instead of where they came from.
    #[arg(long, value_name = "QUEUE")]
    to: Option<String>,
    /// Messages a second at most: 1 to 500 [default: as many as go].
    #[arg(long, value_name = "COUNT")]
    rate: Option<u32>,
}

pub(super) async fn redrive(sqs: &Sqs, redrive: &Redrive, output: Output) -> Result<(), Failure> {
    let name = &redrive.name;
    let source = arn(sqs, name).await?;
    let destination = match &redrive.to {
        Some(to) => Some(arn(sqs, to).await?),
        None => None,
    };
    sqs.start_move(&source, destination.as_deref(), redrive.rate)
        .await
        .map_err(refused)?;
    let progress = Progress::start(format!("redriving {name}"));
    let task = loop {
        let task = sqs.newest_move(&source).await.map_err(refused)?;
        let Some(task) = task else {
            return Err(Failure::running(format!(
                "the server lists no move from {name}"
            )));
        };
        if task.status != "RUNNING" {
            break task;
        }
        let of = task
            .approximate_number_of_messages_to_move
            .map_or_else(String::new, |count| format!(" of {count}"));
        progress.say(format!(
            "{}{of} messages moved",
            task.approximate_number_of_messages_moved
        ));
        tokio::time::sleep(LOOK_AGAIN).await;
    };
    drop(progress);
    if task.status != "COMPLETED" {
        return Err(Failure::running(format!(
            "the move is {} after {} messages{}",
            task.status,
            task.approximate_number_of_messages_moved,
            task.failure_reason
                .map_or_else(String::new, |why| format!(": {why}")),
        )));
    }
    match output {
        Output::Json => json(&task),
        Output::Human => {
            writeln!(
                io::stdout(),
                "{} messages moved from {name}",
                task.approximate_number_of_messages_moved
            )?;
            Ok(())
        }
    }
}

//! `headwater queue ...`: what can be typed, and which file does it.

mod life;
mod receive;
mod redrive;
mod send;
mod show;

use clap::{Args, Subcommand};
use client::{ClientError, Sqs};

use crate::Failure;
use crate::verbs::connect::Connect;
use crate::verbs::output;

const EXAMPLES: &str = "\
Examples:
  headwater queue create jobs-dead
  headwater queue create jobs --visibility 60 --dead-letter jobs-dead --max-receives 3
  headwater queue create orders.fifo --content-dedup
  headwater queue send jobs 'resize cat.png'
  seq 1000 | headwater queue send jobs
  headwater queue peek jobs
  headwater queue receive jobs --follow
  headwater queue redrive jobs-dead
  headwater queue ls --endpoint http://127.0.0.1:4567 --json";

/// Work with queues of a running server.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QueueVerb {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a queue.
    Create(life::Create),
    /// List the queues and how much is in each.
    Ls(show::Ls),
    /// Show a queue's attributes.
    Describe(show::Describe),
    /// Send messages: the arguments, or else each line of standard input.
    Send(send::Send),
    /// Receive messages, print them, and then delete them.
    Receive(receive::Receive),
    /// Look at the oldest messages without receiving them.
    Peek(receive::Peek),
    /// Drop all messages of a queue.
    Purge(life::Purge),
    /// Move a dead-letter queue's messages back to where they came from.
    Redrive(redrive::Redrive),
    /// Delete a queue and all its messages.
    Delete(life::Delete),
}

/// Carries out a verb.
pub(crate) fn run(verb: QueueVerb) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("could not start", error))?;
    let sqs = Sqs::new(verb.connect.client()?);
    let output = verb.connect.output();
    runtime.block_on(async {
        match verb.what {
            What::Create(create) => life::create(&sqs, &create, output).await,
            What::Ls(ls) => show::list(&sqs, &ls, output).await,
            What::Describe(describe) => show::describe(&sqs, &describe, output).await,
            What::Send(send) => send::send(&sqs, send, output).await,
            What::Receive(receive) => receive::receive(&sqs, &receive, output).await,
            What::Peek(peek) => receive::peek(&sqs, &peek, output).await,
            What::Purge(purge) => life::purge(&sqs, &purge, output).await,
            What::Redrive(redrive) => redrive::redrive(&sqs, &redrive, output).await,
            What::Delete(delete) => life::delete(&sqs, &delete, output).await,
        }
    })
}

/// What the server refused, with the fix where one is known.
fn refused(error: ClientError) -> Failure {
    let hints = [
        (
            "QueueDoesNotExist",
            "`headwater queue ls` shows the queues there are",
        ),
        (
            "QueueNameExists",
            "it exists with other attributes: see `headwater queue describe`",
        ),
        (
            "PurgeQueueInProgress",
            "a queue can be purged once a minute",
        ),
    ];
    output::refused(error, &hints)
}

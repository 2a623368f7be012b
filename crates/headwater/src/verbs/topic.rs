//! `headwater topic ...`: what can be typed, and which file does it.

mod config;
mod life;
mod produce;
mod read;
mod record;
mod show;

use clap::{Args, Subcommand};
use client::{ClientError, Kafka};

use crate::Failure;
use crate::verbs::connect::Connect;
use crate::verbs::output;

const EXAMPLES: &str = "\
Examples:
  headwater topic create orders --partitions 12 --config retention.ms=86400000
  headwater topic produce orders '{\"id\": 1}' --key customer-7
  seq 1000 | headwater topic produce orders
  headwater topic consume orders --group billing
  headwater topic tail orders --from 15m --verbose
  headwater topic config orders --set cleanup.policy=compact
  headwater topic ls --endpoint http://127.0.0.1:4567 --json";

/// Work with Kafka topics of a running server.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopicVerb {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the topics.
    Ls(show::Ls),
    /// Make a topic.
    Create(life::Create),
    /// Show a topic, its partitions and what is set for it.
    Describe(show::Describe),
    /// Delete a topic and all its records.
    Delete(life::Delete),
    /// Show a topic's settings, or change them.
    Config(config::Config),
    /// Write records: the arguments, or else each line of standard input.
    Produce(produce::Produce),
    /// Print what is there; with a group, what it has not read yet.
    Consume(read::Consume),
    /// Print records as they arrive, from every partition.
    Tail(read::Tail),
}

/// Carries out a verb.
pub(crate) fn run(verb: TopicVerb) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("could not start", error))?;
    let kafka = Kafka::new(verb.connect.client()?);
    let output = verb.connect.output();
    runtime.block_on(async {
        match verb.what {
            What::Ls(ls) => show::list(&kafka, &ls, output).await,
            What::Create(create) => life::create(&kafka, &create, output).await,
            What::Describe(describe) => show::describe(&kafka, &describe, output).await,
            What::Delete(delete) => life::delete(&kafka, &delete, output).await,
            What::Config(config) => config::config(&kafka, &config, output).await,
            What::Produce(produce) => produce::produce(&kafka, produce, output).await,
            What::Consume(consume) => read::consume(&kafka, &consume, output).await,
            What::Tail(tail) => read::tail(&kafka, &tail, output).await,
        }
    })
}

/// What the server refused, with the fix where one is known.
fn refused(error: ClientError) -> Failure {
    let hints = [
        (
            "UNKNOWN_TOPIC_OR_PARTITION",
            "`headwater topic ls` shows the topics there are",
        ),
        (
            "TOPIC_ALREADY_EXISTS",
            "see `headwater topic describe`, or give --if-absent",
        ),
        (
            "POLICY_VIOLATION",
            "where its shard was split or merged away, choose another by --partition",
        ),
        (
            "TOPIC_AUTHORIZATION_FAILED",
            "no ACL allows it: see docs/guide/kafka-security.md on who verbs are",
        ),
    ];
    output::refused(error, &hints)
}

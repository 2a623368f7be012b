//! `headwater stream ...`: what can be typed, and which file does it.

mod life;
mod put;
mod reshard;
mod show;
mod tail;

use clap::{Args, Subcommand};
use client::{ClientError, Kinesis};

use crate::Failure;
use crate::verbs::connect::Connect;
use crate::verbs::output;

const EXAMPLES: &str = "\
Examples:
  headwater stream create orders --shards 4
  headwater stream put orders '{\"id\": 1}' --key customer-7
  seq 1000 | headwater stream put orders
  headwater stream tail orders --from start
  headwater stream scale orders 16
  headwater stream ls --endpoint http://127.0.0.1:4567 --json";

/// Work with streams of a running server.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StreamVerb {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a stream.
    Create(life::Create),
    /// List the streams.
    Ls,
    /// Show a stream and its shards.
    Describe(show::Describe),
    /// Print records as they arrive, from every shard, each key's in order.
    Tail(tail::Tail),
    /// Put records: the arguments, or else each line of standard input.
    Put(put::Put),
    /// Split a shard in two.
    Split(reshard::Split),
    /// Merge two neighbouring shards into one.
    Merge(reshard::Merge),
    /// Delete a stream and all its records.
    Delete(life::Delete),
    /// Give a stream that many shards of equal width.
    Scale(reshard::Scale),
}

/// Carries out a verb.
pub(crate) fn run(verb: StreamVerb) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("could not start", error))?;
    let kinesis = Kinesis::new(verb.connect.client()?);
    let output = verb.connect.output();
    runtime.block_on(async {
        match verb.what {
            What::Create(create) => life::create(&kinesis, &create, output).await,
            What::Ls => show::list(&kinesis, output).await,
            What::Describe(describe) => show::describe(&kinesis, &describe, output).await,
            What::Tail(tail) => tail::tail(&kinesis, &tail, output).await,
            What::Put(put) => put::put(&kinesis, put, output).await,
            What::Split(split) => reshard::split(&kinesis, &split, output).await,
            What::Merge(merge) => reshard::merge(&kinesis, &merge, output).await,
            What::Delete(delete) => life::delete(&kinesis, &delete, output).await,
            What::Scale(scale) => reshard::scale(&kinesis, &scale, output).await,
        }
    })
}

/// What the server refused, with the fix where one is known.
fn refused(error: ClientError) -> Failure {
    let hints = [
        (
            "ResourceNotFoundException",
            "`headwater stream ls` shows the streams there are",
        ),
        (
            "ResourceInUseException",
            "it exists or is being changed: see `headwater stream ls`",
        ),
    ];
    output::refused(error, &hints)
}

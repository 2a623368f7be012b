//! `headwater group ...`: what can be typed, and which file does it.

mod reset;
mod show;

use clap::{Args, Subcommand};
use client::{ClientError, Kafka};

use crate::Failure;
use crate::verbs::confirm::is_sure;
use crate::verbs::connect::Connect;
use crate::verbs::output::{self, Output, State, tell};

const EXAMPLES: &str = "\
Examples:
  headwater group ls
  headwater group describe billing
  headwater group offsets billing --json
  headwater group reset billing --topic orders --to-datetime 2h
  headwater group reset billing --all-topics --to-earliest --execute";

/// Work with Kafka groups of a running server: classic, consumer and share groups.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GroupVerb {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the groups.
    Ls,
    /// Show a group's state, its members, and how far it is behind.
    Describe(show::Describe),
    /// Show how far a group has read of each partition, and how far that is behind.
    Offsets(show::Describe),
    /// Have a group that nobody is in read on from elsewhere. Shows what would be done; --execute does it.
    Reset(reset::Reset),
    /// Delete a group that nobody is in, and its offsets.
    Delete(Delete),
}

#[derive(Debug, Args)]
struct Delete {
    /// Its name.
    name: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Carries out a verb.
pub(crate) fn run(verb: GroupVerb) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("could not start", error))?;
    let kafka = Kafka::new(verb.connect.client()?);
    let output = verb.connect.output();
    runtime.block_on(async {
        match verb.what {
            What::Ls => show::list(&kafka, output).await,
            What::Describe(describe) => show::describe(&kafka, &describe, output).await,
            What::Offsets(describe) => show::offsets(&kafka, &describe, output).await,
            What::Reset(reset) => reset::reset(&kafka, &reset, output).await,
            What::Delete(one) => delete(&kafka, &one, output).await,
        }
    })
}

async fn delete(kafka: &Kafka, delete: &Delete, output: Output) -> Result<(), Failure> {
    let name = &delete.name;
    kafka.group(name).await.map_err(refused)?;
    if !delete.yes && !is_sure("delete", name, "offsets")? {
        return Err(Failure::running(format!("{name} is kept")));
    }
    kafka.delete_group(name).await.map_err(refused)?;
    tell(name, State::Deleted, output)
}

/// What the server refused, with the fix where one is known.
fn refused(error: ClientError) -> Failure {
    let in_use = "stop its members first: see `headwater group describe`";
    let hints = [
        (
            "GROUP_ID_NOT_FOUND",
            "`headwater group ls` shows the groups there are",
        ),
        ("NON_EMPTY_GROUP", in_use),
        ("UNKNOWN_MEMBER_ID", in_use),
        (
            "UNKNOWN_TOPIC_OR_PARTITION",
            "`headwater topic ls` shows the topics there are",
        ),
        (
            "GROUP_AUTHORIZATION_FAILED",
            "no ACL allows it: see docs/guide/kafka-security.md on who verbs are",
        ),
    ];
    output::refused(error, &hints)
}

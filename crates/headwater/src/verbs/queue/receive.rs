//! Messages as they are received, and as they lie.

use std::io::{self, Write as _};

use clap::Args;
use client::Sqs;
use client::sqs::{BATCH_MAX, Message, WAIT_MAX};

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json_line};
use crate::verbs::time;

#[derive(Debug, Args)]
pub(super) struct Receive {
    /// The queue.
    name: String,
    /// At most so many messages.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    max: usize,
    /// Seconds to wait for the first message: 0 to 20.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
    /// Go on receiving, until interrupted.
    #[arg(long, conflicts_with_all = ["max", "wait"])]
    follow: bool,
    /// Do not delete what was printed: it comes back when its visibility timeout is over.
    #[arg(long)]
    keep: bool,
    /// Seconds the messages stay hidden from others: 0 to 43200 [default: as the queue has it].
    #[arg(long, value_name = "SECONDS")]
    visibility: Option<u32>,
    /// Show each message's id, time, receives, group and attributes before it.
    #[arg(long, short)]
    verbose: bool,
}

pub(super) async fn receive(sqs: &Sqs, receive: &Receive, output: Output) -> Result<(), Failure> {
    let url = sqs.url(&receive.name).await.map_err(refused)?;
    let mut left = if receive.follow {
        usize::MAX
    } else {
        receive.max
    };
    let wait = if receive.follow {
        WAIT_MAX
    } else {
        receive.wait
    };
    while left > 0 {
        let max = left.min(BATCH_MAX);
        let messages = sqs.receive(&url, max, wait, receive.visibility).await;
        let messages = messages.map_err(refused)?;
        if messages.is_empty() && !receive.follow {
            break;
        }
        left -= messages.len();
        for message in &messages {
            print(message, receive.verbose, output)?;
        }
        // What could not be printed is not deleted: it comes back.
        io::stdout().flush()?;
        if !receive.keep && !messages.is_empty() {
            sqs.delete(&url, &messages).await.map_err(refused)?;
        }
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(super) struct Peek {
    /// The queue.
    name: String,
    /// At most so many messages: 1 to 100.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    max: usize,
    /// Show each message's state, id, time, receives, group and attributes before it.
    #[arg(long, short)]
    verbose: bool,
}

pub(super) async fn peek(sqs: &Sqs, peek: &Peek, output: Output) -> Result<(), Failure> {
    let url = sqs.url(&peek.name).await.map_err(refused)?;
    let messages = sqs.peek(&url, peek.max).await.map_err(refused)?;
    for message in &messages {
        print(message, peek.verbose, output)?;
    }
    Ok(())
}

fn print(message: &Message, is_verbose: bool, output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        return json_line(message);
    }
    let mut out = io::stdout().lock();
    if is_verbose {
        writeln!(out, "{}", head(message))?;
    }
    writeln!(out, "{}", message.body)?;
    Ok(())
}

/// What is known of a message, on one line.
fn head(message: &Message) -> String {
    let known = |name: &str| message.attributes.get(name);
    let mut parts = vec![message.message_id.clone()];
    parts.extend(message.state.clone());
    let sent = known("SentTimestamp").and_then(|millis| millis.parse::<f64>().ok());
    parts.extend(sent.map(|millis| format!("sent={}", time::show(millis / 1000.0))));
    let named = [
        ("receives", "ApproximateReceiveCount"),
        ("group", "MessageGroupId"),
        ("dedup", "MessageDeduplicationId"),
        ("sequence", "SequenceNumber"),
        ("from", "DeadLetterQueueSourceArn"),
    ];
    for (short, name) in named {
        parts.extend(known(name).map(|value| format!("{short}={value}")));
    }
    for (name, attribute) in &message.message_attributes {
        let value = attribute
            .string_value
            .as_ref()
            .or(attribute.binary_value.as_ref());
        parts.push(format!("{name}={}", value.map_or("", String::as_str)));
    }
    parts.join(" ")
}

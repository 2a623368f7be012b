//! Sending messages: from the command line, or line by line from standard input.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use client::Sqs;
use client::sqs::{BATCH_MAX, Entry, MessageAttribute};
use model::Rng;

use super::refused;
use crate::Failure;
use crate::verbs::lines;
use crate::verbs::output::{Output, json_line};
use crate::verbs::progress::Progress;

/// A batch takes 1 MiB of messages.
const BATCH_BYTES_MAX: usize = 1 << 20;

#[derive(Debug, Args)]
pub(super) struct Send {
    /// The queue.
    name: String,
    /// Messages; without any, each line of standard input is one.
    messages: Vec<String>,
    /// Their group: on a FIFO queue they stay in order within it [default there: headwater].
    #[arg(long)]
    group: Option<String>,
    /// Id by which a repeat of the message is known [default on FIFO queues: a random one each].
    #[arg(long)]
    dedup: Option<String>,
    /// Seconds until they can be received: 0 to 900.
    #[arg(long, value_name = "SECONDS")]
    delay: Option<u32>,
    /// Text to go with each message, as NAME=VALUE; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = attribute)]
    attribute: Vec<(String, String)>,
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("must be NAME=VALUE, such as color=blue")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn send(sqs: &Sqs, mut send: Send, output: Output) -> Result<(), Failure> {
    let url = sqs.url(&send.name).await.map_err(refused)?;
    let messages = std::mem::take(&mut send.messages);
    let is_fifo = send.name.ends_with(".fifo");
    if is_fifo && send.group.is_none() {
        send.group = Some("headwater".to_owned());
    }
    let mut sender = Sender {
        sqs,
        url,
        is_fifo,
        output,
        rng: Rng::system(),
        batch: Vec::new(),
        batch_bytes: 0,
        sent: 0,
        progress: None,
        send,
    };
    if messages.is_empty() {
        sender.send_lines().await?;
    } else {
        for message in messages {
            sender.add(message).await?;
        }
    }
    sender.flush().await?;
    sender.progress = None;
    if output == Output::Human {
        let messages = if sender.sent == 1 {
            "message"
        } else {
            "messages"
        };
        writeln!(
            io::stdout(),
            "sent {} {messages} to {}",
            sender.sent,
            sender.send.name
        )?;
    }
    Ok(())
}

struct Sender<'a> {
    sqs: &'a Sqs,
    url: String,
    is_fifo: bool,
    output: Output,
    rng: Rng,
    batch: Vec<Entry>,
    batch_bytes: usize,
    sent: u64,
    progress: Option<Progress>,
    send: Send,
}

impl Sender<'_> {
    /// Sends every line as it comes: a slow writer's lines do not wait for a batch to fill.
    async fn send_lines(&mut self) -> Result<(), Failure> {
        if io::stdin().is_terminal() {
            writeln!(io::stderr(), "Each line is a message; end with Ctrl-D.")?;
        } else {
            self.progress = Some(Progress::start("reading standard input"));
        }
        let mut lines = lines::read(10 * BATCH_MAX);
        while let Some(line) = lines.recv().await {
            let line =
                line.map_err(|error| Failure::because("could not read standard input", error))?;
            let Ok(line) = String::from_utf8(line) else {
                // Those before it are good.
                self.flush().await?;
                return Err(Failure::running(format!(
                    "message {} is not UTF-8 text, and SQS takes nothing else: encode it, in base64 say; those before it \
                     are sent",
                    self.sent + 1
                )));
            };
            if line.is_empty() {
                // SQS takes no empty message.
                continue;
            }
            self.add(line).await?;
            if lines.is_empty() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, body: String) -> Result<(), Failure> {
        let attributes: BTreeMap<_, _> = self
            .send
            .attribute
            .iter()
            .map(|(name, value)| {
                let value = MessageAttribute {
                    data_type: "String".to_owned(),
                    string_value: Some(value.clone()),
                    binary_value: None,
                };
                (name.clone(), value)
            })
            .collect();
        let with_it: usize = self
            .send
            .attribute
            .iter()
            .map(|(name, value)| name.len() + value.len() + "String".len())
            .sum();
        let size = body.len() + with_it;
        let is_full = self.batch.len() == BATCH_MAX
            || self.batch_bytes + size > BATCH_BYTES_MAX && !self.batch.is_empty();
        if is_full {
            self.flush().await?;
        }
        let dedup = match &self.send.dedup {
            Some(id) => Some(id.clone()),
            None => self
                .is_fifo
                .then(|| format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64())),
        };
        self.batch_bytes += size;
        self.batch.push(Entry {
            id: self.batch.len().to_string(),
            message_body: body,
            delay_seconds: self.send.delay,
            message_group_id: self.send.group.clone(),
            message_deduplication_id: dedup,
            message_attributes: attributes,
        });
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let sent = self.sqs.send(&self.url, &self.batch).await;
        let sent = sent.map_err(refused)?;
        self.sent += sent.len() as u64;
        self.batch.clear();
        self.batch_bytes = 0;
        if let Some(progress) = &self.progress {
            progress.say(format!("{} messages", self.sent));
        }
        if self.output == Output::Json {
            sent.iter().try_for_each(json_line)?;
        }
        Ok(())
    }
}

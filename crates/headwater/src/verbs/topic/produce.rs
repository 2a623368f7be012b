//! Writing records: from the command line, or line by line from standard input.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use bytes::Bytes;
use clap::Args;
use client::Kafka;
use client::kafka::partition;
use client::kafka::records::{NewRecord, Writer};
use model::{Clock, Rng};
use serde::Serialize;

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json_line};
use crate::verbs::progress::Progress;
use crate::verbs::{lines, pair};

/// Records written at once to one partition,
const BATCH_RECORDS_MAX: usize = 500;
/// and their bytes: the largest batch that topics take by default is 1 MiB.
const BATCH_BYTES_MAX: usize = 512 << 10;

#[derive(Debug, Args)]
pub(super) struct Produce {
    /// The topic.
    name: String,
    /// Records; without any, each line of standard input is one.
    records: Vec<String>,
    /// Key of every record, so that all go to one partition in order [default: none].
    #[arg(long)]
    key: Option<String>,
    /// Divide each record at the first of these into its key and its value.
    #[arg(long, value_name = "TEXT", conflicts_with = "key")]
    key_separator: Option<String>,
    /// The partition of every record [default: by the key, as Java clients choose it; without a key, a random one].
    #[arg(long, value_name = "NUMBER")]
    partition: Option<i32>,
    /// A header of every record; may be given often.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair::parse)]
    header: Vec<(String, String)>,
}

/// One line of `produce --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Placed {
    partition: i32,
    offset: i64,
}

pub(super) async fn produce(
    kafka: &Kafka,
    mut produce: Produce,
    output: Output,
) -> Result<(), Failure> {
    let topic = kafka.topic(&produce.name).await.map_err(refused)?;
    let records = std::mem::take(&mut produce.records);
    let mut sender = Sender {
        writer: kafka.writer(&topic.name).await.map_err(refused)?,
        partitions: topic.partitions.clone(),
        open: topic.partitions,
        produce,
        output,
        clock: Clock::system(),
        rng: Rng::system(),
        batches: BTreeMap::new(),
        taken: 0,
        records: 0,
        bytes: 0,
        progress: None,
    };
    let taken = sender.take(records).await;
    // What came before a record that is no good is written all the same, and told.
    let written = sender.flush().await.and(taken);
    sender.progress = None;
    let (records, bytes) = (sender.records, sender.bytes);
    if output == Output::Human && (written.is_ok() || records > 0) {
        let name = &sender.produce.name;
        writeln!(
            io::stdout(),
            "wrote {records} records, {bytes} bytes, to {name}"
        )?;
    }
    written
}

struct Sender<'a> {
    writer: Writer<'a>,
    /// All partitions, among which keys choose.
    partitions: Vec<i32>,
    /// Those that records without a key may go to.
    open: Vec<i32>,
    produce: Produce,
    output: Output,
    clock: Clock,
    rng: Rng,
    /// By partition; `None` where any will do.
    batches: BTreeMap<Option<i32>, Vec<NewRecord>>,
    /// Records taken up, written or not.
    taken: u64,
    /// Records written,
    records: u64,
    /// and the bytes of their values.
    bytes: u64,
    progress: Option<Progress>,
}

impl Sender<'_> {
    /// Takes up the arguments, or else the lines.
    async fn take(&mut self, records: Vec<String>) -> Result<(), Failure> {
        if records.is_empty() {
            return self.send_lines().await;
        }
        for record in records {
            self.add(record.into()).await?;
        }
        Ok(())
    }

    /// Writes every line as it comes: a slow writer's lines do not wait for a batch to fill.
    async fn send_lines(&mut self) -> Result<(), Failure> {
        if io::stdin().is_terminal() {
            writeln!(io::stderr(), "Each line is a record; end with Ctrl-D.")?;
        } else {
            self.progress = Some(Progress::start("reading standard input"));
        }
        let mut lines = lines::read(2 * BATCH_RECORDS_MAX);
        while let Some(line) = lines.recv().await {
            let line =
                line.map_err(|error| Failure::because("could not read standard input", error))?;
            self.add(line.into()).await?;
            if lines.is_empty() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn add(&mut self, line: Bytes) -> Result<(), Failure> {
        let record = self.record(line)?;
        let partition = match (self.produce.partition, &record.key) {
            (Some(partition), _) => Some(partition),
            (None, Some(key)) => {
                let index = partition::of_key(key, self.partitions.len());
                self.partitions.get(index).copied()
            }
            (None, None) => None,
        };
        let size =
            |record: &NewRecord| record.value.len() + record.key.as_ref().map_or(0, Bytes::len);
        let batch = self.batches.entry(partition).or_default();
        let bytes: usize = batch.iter().map(size).sum();
        let is_full = batch.len() == BATCH_RECORDS_MAX
            || bytes + size(&record) > BATCH_BYTES_MAX && !batch.is_empty();
        if is_full {
            self.flush().await?;
        }
        self.batches.entry(partition).or_default().push(record);
        self.taken += 1;
        Ok(())
    }

    /// What a line says.
    fn record(&self, line: Bytes) -> Result<NewRecord, Failure> {
        let headers = self.produce.header.clone();
        let Some(separator) = &self.produce.key_separator else {
            let key = self.produce.key.clone().map(Bytes::from);
            let value = line;
            return Ok(NewRecord {
                key,
                value,
                headers,
            });
        };
        let mut windows = line.windows(separator.len().max(1));
        let at = windows.position(|window| window == separator.as_bytes());
        let at = at.ok_or_else(|| {
            let line = String::from_utf8_lossy(&line);
            Failure::Usage(format!(
                "record {}: no {separator:?} divides a key from {line:?}; those before it are written",
                self.taken + 1
            ))
        })?;
        Ok(NewRecord {
            key: Some(line.slice(..at)),
            value: line.slice(at + separator.len()..),
            headers,
        })
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        for (partition, records) in std::mem::take(&mut self.batches) {
            let (partition, base) = self.write(partition, &records).await?;
            self.records += records.len() as u64;
            let bytes = records.iter().map(|record| record.value.len() as u64);
            self.bytes += bytes.sum::<u64>();
            if self.output == Output::Json {
                for offset in (base..).take(records.len()) {
                    json_line(&Placed { partition, offset })?;
                }
            }
        }
        if let Some(progress) = &self.progress {
            progress.say(format!("{} records, {} bytes", self.records, self.bytes));
        }
        Ok(())
    }

    /// Writes to the partition, or to any that takes it. Gives which, and the first offset.
    async fn write(
        &mut self,
        partition: Option<i32>,
        records: &[NewRecord],
    ) -> Result<(i32, i64), Failure> {
        loop {
            let at = self.rng.below(self.open.len().max(1) as u64) as usize;
            let chosen = partition.or_else(|| self.open.get(at).copied());
            let chosen = chosen.unwrap_or_default();
            let now = self.clock.now();
            match self.writer.write(chosen, records, now).await {
                Ok(base) => return Ok((chosen, base)),
                // A shard that was split or merged away takes nothing more.
                Err(error)
                    if partition.is_none()
                        && self.open.len() > 1
                        && error.code() == Some("POLICY_VIOLATION") =>
                {
                    self.open.swap_remove(at);
                }
                Err(error) => return Err(refused(error)),
            }
        }
    }
}

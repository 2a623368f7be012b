//! Putting records: from the command line, or line by line from standard input.

use std::io::{self, IsTerminal as _, Write as _};

use bytes::Bytes;
use clap::Args;
use client::Kinesis;
use client::kinesis::Entry;
use model::Rng;

use super::refused;
use crate::Failure;
use crate::verbs::lines;
use crate::verbs::output::{Output, json_line};
use crate::verbs::progress::Progress;

/// PutRecords takes 500 records,
const BATCH_RECORDS_MAX: usize = 500;
/// and 10 MiB: half of that, for what base64 and JSON add.
const BATCH_BYTES_MAX: usize = 5 << 20;

#[derive(Debug, Args)]
pub(super) struct Put {
    /// The stream.
    name: String,
    /// Records; without any, each line of standard input is one.
    records: Vec<String>,
    /// Partition key of every record, so that all go to one shard in order [default: a random one each].
    #[arg(long)]
    key: Option<String>,
}

pub(super) async fn put(kinesis: &Kinesis, put: Put, output: Output) -> Result<(), Failure> {
    let mut writer = Writer {
        kinesis,
        stream: put.name,
        key: put.key,
        output,
        rng: Rng::system(),
        batch: Vec::new(),
        batch_bytes: 0,
        records: 0,
        bytes: 0,
        progress: None,
    };
    if put.records.is_empty() {
        writer.put_lines().await?;
    } else {
        for record in put.records {
            writer.add(record.into()).await?;
        }
    }
    writer.flush().await?;
    writer.progress = None;
    if output == Output::Human {
        let Writer {
            records,
            bytes,
            stream,
            ..
        } = writer;
        writeln!(
            io::stdout(),
            "put {records} records, {bytes} bytes, to {stream}"
        )?;
    }
    Ok(())
}

struct Writer<'a> {
    kinesis: &'a Kinesis,
    stream: String,
    key: Option<String>,
    output: Output,
    rng: Rng,
    batch: Vec<Entry>,
    batch_bytes: usize,
    records: u64,
    bytes: u64,
    progress: Option<Progress>,
}

impl Writer<'_> {
    /// Puts every line as it comes: a slow writer's lines do not wait for a batch to fill.
    async fn put_lines(&mut self) -> Result<(), Failure> {
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

    async fn add(&mut self, data: Bytes) -> Result<(), Failure> {
        let partition_key = match &self.key {
            Some(key) => key.clone(),
            None => format!("{:016x}", self.rng.next_u64()),
        };
        let size = data.len() + partition_key.len();
        let is_full = self.batch.len() == BATCH_RECORDS_MAX
            || self.batch_bytes + size > BATCH_BYTES_MAX && !self.batch.is_empty();
        if is_full {
            self.flush().await?;
        }
        self.batch_bytes += size;
        self.batch.push(Entry {
            data,
            partition_key,
        });
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let placed = self.kinesis.put(&self.stream, &self.batch).await;
        let placed = placed.map_err(refused)?;
        self.records += self.batch.len() as u64;
        self.bytes += self
            .batch
            .iter()
            .map(|entry| entry.data.len() as u64)
            .sum::<u64>();
        self.batch.clear();
        self.batch_bytes = 0;
        if let Some(progress) = &self.progress {
            progress.say(format!("{} records, {} bytes", self.records, self.bytes));
        }
        if self.output == Output::Json {
            placed.iter().try_for_each(json_line)?;
        }
        Ok(())
    }
}

//! Reading a topic: what is there, or what comes.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use client::Kafka;
use client::kafka::Place;
use client::kafka::groups::Kind;
use client::kafka::offsets::{At, Offsets};
use client::kafka::records::Fetched;
use model::Clock;
use tokio::time::Instant;

use super::record::Printer;
use super::{refused, show};
use crate::Failure;
use crate::verbs::output::Output;
use crate::verbs::time;

/// Longest a fetch waits for records, in milliseconds.
const WAIT_MS: i32 = 2_000;
/// How often a tail asks which partitions there are: the topic may have got more, its stream's shards may have been split.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// Which of a topic's records.
#[derive(Debug, Args)]
struct Part {
    /// The topic.
    name: String,
    /// Only this partition.
    #[arg(long, value_name = "NUMBER")]
    partition: Option<i32>,
    /// Begin at this offset of the partition.
    #[arg(long, value_name = "NUMBER", requires = "partition")]
    offset: Option<i64>,
    /// Show each record's time, partition, offset and key before it.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Debug, Args)]
pub(super) struct Consume {
    #[command(flatten)]
    part: Part,
    /// Begin where this group has read to, and commit what was printed. Nobody may be in the group.
    #[arg(long, value_name = "NAME", conflicts_with = "offset")]
    group: Option<String>,
    /// Where to begin, with a group only where it has not read yet: start, end, a time, or so long ago, such as 15m.
    #[arg(long, default_value = "start", value_name = "start|end|TIME")]
    from: String,
    /// At most so many records.
    #[arg(long, value_name = "COUNT")]
    max: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    part: Part,
    /// Where to begin: start, end, a time such as 2026-11-22T10:00:00Z, or so long ago, such as 15m.
    #[arg(long, default_value = "end", value_name = "start|end|TIME")]
    from: String,
    /// Stop after that many records.
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
}

pub(super) async fn consume(
    kafka: &Kafka,
    consume: &Consume,
    output: Output,
) -> Result<(), Failure> {
    if let Some(group) = &consume.group {
        must_be_ours(kafka, group).await?;
    }
    let mut from = begin(kafka, &consume.part, &consume.from).await?;
    if let Some(group) = &consume.group {
        let committed = kafka.committed(group).await.map_err(refused)?;
        let committed = committed.into_iter();
        from.extend(committed.filter(|(place, _)| place.topic == consume.part.name));
        from.retain(|place, _| {
            consume
                .part
                .partition
                .is_none_or(|one| one == place.partition)
        });
    }
    let places: Vec<Place> = from.keys().cloned().collect();
    let ends = kafka.offsets(&places, At::End).await.map_err(refused)?;
    let mut reading = Reading {
        printer: Printer {
            output,
            is_verbose: consume.part.verbose,
        },
        asked: Offsets::new(),
        from,
        left: consume.max.unwrap_or(u64::MAX),
    };
    while reading.left > 0 {
        reading
            .from
            .retain(|place, next| ends.get(place).is_some_and(|end| *next < *end));
        if reading.from.is_empty() {
            break;
        }
        let fetched = reading.fetch(kafka, 0).await?;
        let read = reading.print(&fetched, Some(&ends))?;
        if let Some(group) = &consume.group
            && !read.is_empty()
        {
            let moved = kafka.move_group(group, Kind::Classic, &read).await;
            moved.map_err(refused)?;
        }
        if reading.from == reading.asked {
            break;
        }
    }
    Ok(())
}

pub(super) async fn tail(kafka: &Kafka, tail: &Tail, output: Output) -> Result<(), Failure> {
    let mut reading = Reading {
        printer: Printer {
            output,
            is_verbose: tail.part.verbose,
        },
        asked: Offsets::new(),
        from: begin(kafka, &tail.part, &tail.from).await?,
        left: tail.limit.unwrap_or(u64::MAX),
    };
    let read = async {
        let mut looked = Instant::now();
        while reading.left > 0 {
            let fetched = reading.fetch(kafka, WAIT_MS).await?;
            reading.print(&fetched, None)?;
            if tail.part.partition.is_none() && looked.elapsed() >= LOOK_PERIOD {
                reading.take_new_partitions(kafka, &tail.part.name).await?;
                looked = Instant::now();
            }
        }
        Ok(())
    };
    tokio::select! {
        read = read => read,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// Refuses to read for a group that others read for.
async fn must_be_ours(kafka: &Kafka, name: &str) -> Result<(), Failure> {
    let group = match kafka.describe_group(name).await {
        Ok(group) => group,
        Err(error) if error.code() == Some("GROUP_ID_NOT_FOUND") => return Ok(()),
        Err(error) => return Err(refused(error)),
    };
    if group.group.kind == Kind::Share {
        return Err(Failure::Usage(format!(
            "{name} is a share group, whose members alone read for it"
        )));
    }
    if !group.members.is_empty() {
        let count = group.members.len();
        return Err(Failure::running(format!(
            "{count} members of {name} are reading: stop them, or use another group"
        )));
    }
    Ok(())
}

/// Where to begin in each partition.
async fn begin(kafka: &Kafka, part: &Part, from: &str) -> Result<Offsets, Failure> {
    let now = Clock::system().now().0 as f64 / 1000.0;
    let at = match from {
        "start" => At::Start,
        "end" => At::End,
        text => {
            let time = time::parse(text, now).ok_or_else(|| {
                Failure::Usage(format!(
                    "--from must be start, end, a time such as 2026-11-22T10:00:00Z or 15m, got {text:?}"
                ))
            })?;
            At::Time((time * 1000.0) as i64)
        }
    };
    let topic = kafka.topic(&part.name).await.map_err(refused)?;
    let mut places = show::places(&topic);
    if let Some(wanted) = part.partition {
        places.retain(|place| place.partition == wanted);
        if places.is_empty() {
            let there = show::partitions(topic.partitions.len());
            return Err(Failure::Usage(format!(
                "--partition: {} has {there}, from 0 on",
                part.name
            )));
        }
    }
    if let Some(offset) = part.offset {
        return Ok(places.into_iter().map(|place| (place, offset)).collect());
    }
    kafka.offsets(&places, at).await.map_err(refused)
}

/// Where reading is.
struct Reading {
    printer: Printer,
    /// By place, what the last fetch was to begin with: a batch may begin before.
    asked: Offsets,
    /// By place, what the next fetch begins with.
    from: Offsets,
    left: u64,
}

impl Reading {
    /// Reads partitions made since, too, from their first records on.
    async fn take_new_partitions(&mut self, kafka: &Kafka, topic: &str) -> Result<(), Failure> {
        let topic = kafka.topic(topic).await.map_err(refused)?;
        let mut new = show::places(&topic);
        new.retain(|place| !self.from.contains_key(place));
        if !new.is_empty() {
            let starts = kafka.offsets(&new, At::Start).await.map_err(refused)?;
            self.from.extend(starts);
        }
        Ok(())
    }

    /// The next batches. What is gone by age is passed over.
    async fn fetch(&mut self, kafka: &Kafka, wait_ms: i32) -> Result<Vec<Fetched>, Failure> {
        self.asked.clone_from(&self.from);
        match kafka.fetch(&mut self.from, wait_ms).await {
            Ok(fetched) => Ok(fetched),
            Err(error) if error.code() == Some("OFFSET_OUT_OF_RANGE") => {
                let places: Vec<Place> = self.from.keys().cloned().collect();
                let starts = kafka.offsets(&places, At::Start).await.map_err(refused)?;
                let ends = kafka.offsets(&places, At::End).await.map_err(refused)?;
                for (place, next) in &mut self.from {
                    let start = starts.get(place).copied().unwrap_or_default();
                    let end = ends.get(place).copied().unwrap_or(start);
                    *next = (*next).clamp(start, end.max(start));
                }
                self.asked.clone_from(&self.from);
                kafka.fetch(&mut self.from, wait_ms).await.map_err(refused)
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Prints the records that were asked for and are before `ends`, as many as are wanted. Tells where the next ones are, of
    /// partitions that were read.
    fn print(&mut self, fetched: &[Fetched], ends: Option<&Offsets>) -> Result<Offsets, Failure> {
        let end_of = |place: &Place| ends.and_then(|ends| ends.get(place)).copied();
        let mut read = Offsets::new();
        for one in fetched {
            let begin = self.asked.get(&one.place).copied().unwrap_or_default();
            let end = end_of(&one.place).unwrap_or(i64::MAX);
            let batch = streams::inflate(&one.batch)
                .map_err(|error| Failure::because("a batch cannot be read", error))?;
            for record in batch.records(one.base) {
                let offset = i64::try_from(record.offset.0).unwrap_or(i64::MAX);
                if !(begin..end).contains(&offset) {
                    continue;
                }
                if self.left == 0 {
                    break;
                }
                self.printer.print(one, &record)?;
                self.left -= 1;
                read.insert(one.place.clone(), offset + 1);
            }
        }
        io::stdout().flush()?;
        if self.left > 0 {
            // Past what is no record, too: the ends of transactions.
            for (place, next) in &self.from {
                if self.asked.get(place) != Some(next) {
                    let next = end_of(place).map_or(*next, |end| end.min(*next));
                    read.insert(place.clone(), next);
                }
            }
        }
        Ok(read)
    }
}

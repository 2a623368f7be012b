//! Having a group read on from elsewhere, as Kafka's `kafka-consumer-groups --reset-offsets` does: only while nobody is in it,
//! and only with --execute.

use std::io::{self, Write as _};

use clap::Args;
use client::Kafka;
use client::kafka::Place;
use client::kafka::groups::Kind;
use client::kafka::offsets::{At, Offsets};
use model::Clock;
use serde::Serialize;

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::table::Table;
use crate::verbs::time;

#[derive(Debug, Args)]
pub(super) struct Reset {
    /// The group. One that is not there is made.
    name: String,
    /// Of this topic, or of some of its partitions: orders or orders:0,2. May be given often.
    #[arg(long, value_name = "TOPIC[:PARTITIONS]", value_parser = parse_scope)]
    topic: Vec<Scope>,
    /// Of every partition that the group has read.
    #[arg(long, conflicts_with = "topic", required_unless_present = "topic")]
    all_topics: bool,
    #[command(flatten)]
    to: To,
    /// Do it, and not only show it.
    #[arg(long)]
    execute: bool,
}

/// Where to go. Whatever it is, it ends up between a partition's start and its end.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To the oldest record.
    #[arg(long)]
    to_earliest: bool,
    /// To the end: only what is yet to come.
    #[arg(long)]
    to_latest: bool,
    /// To this offset.
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// To the first record of that time or later: 2026-11-22T10:00:00Z, or so long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    to_datetime: Option<String>,
    /// So many records on, or back where negative.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    shift_by: Option<i64>,
}

/// A topic, and which of its partitions where not all.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    topic: String,
    partitions: Option<Vec<i32>>,
}

/// What becomes of one partition.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Move<'a> {
    #[serde(flatten)]
    place: &'a Place,
    /// Where the group was, if it was anywhere.
    from: Option<i64>,
    to: i64,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Moves<'a> {
    is_done: bool,
    offsets: &'a [Move<'a>],
}

pub(super) async fn reset(kafka: &Kafka, reset: &Reset, output: Output) -> Result<(), Failure> {
    let name = &reset.name;
    let kind = kind_of_deserted(kafka, name).await?;
    let progress = match kind {
        None => Vec::new(),
        Some(kind) => kafka.progress(name, kind).await.map_err(refused)?,
    };
    let before: Offsets = progress
        .into_iter()
        .map(|one| (one.place, one.offset))
        .collect();
    let places = match reset.all_topics {
        true => before.keys().cloned().collect(),
        false => places(kafka, &reset.topic).await?,
    };
    if places.is_empty() {
        return Err(Failure::Usage(format!(
            "{name} has read nothing so far: say of what by --topic"
        )));
    }
    let offsets = aims(kafka, &reset.to, &places, &before).await?;
    if reset.execute {
        let kind = kind.unwrap_or(Kind::Classic);
        let moved = kafka.move_group(name, kind, &offsets).await;
        moved.map_err(refused)?;
    }
    let moves = offsets.iter().map(|(place, to)| Move {
        place,
        from: before.get(place).copied(),
        to: *to,
    });
    show(reset, &moves.collect::<Vec<_>>(), output)
}

fn show(reset: &Reset, moves: &[Move<'_>], output: Output) -> Result<(), Failure> {
    if output == Output::Json {
        return json(&Moves {
            is_done: reset.execute,
            offsets: moves,
        });
    }
    let mut table = Table::new(&["topic", "partition", "from", "to"]);
    for one in moves {
        table.row([
            one.place.topic.clone(),
            one.place.partition.to_string(),
            one.from.map_or("-".to_owned(), |from| from.to_string()),
            one.to.to_string(),
        ]);
    }
    let mut out = io::stdout().lock();
    write!(out, "{table}")?;
    match reset.execute {
        true => writeln!(out, "{} is reset", reset.name)?,
        false => writeln!(out, "Nothing is changed yet: --execute does it")?,
    }
    Ok(())
}

/// What sort of group it is, if there is one.
async fn kind_of_deserted(kafka: &Kafka, name: &str) -> Result<Option<Kind>, Failure> {
    let described = match kafka.describe_group(name).await {
        Ok(described) => described,
        Err(error) if error.code() == Some("GROUP_ID_NOT_FOUND") => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    // As Kafka's tool has it: an `Empty` group has no members, nor any about to come.
    if !described.members.is_empty() || !matches!(&*described.group.state, "Empty" | "Dead") {
        let (count, state) = (described.members.len(), &described.group.state);
        return Err(Failure::running(format!(
            "{name} has {count} members and is {state}: stop them first, for it can be reset only while nobody is in it"
        )));
    }
    Ok(Some(described.group.kind))
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    let wrong = || format!("must be TOPIC or TOPIC:0,1, got {text:?}");
    let (topic, partitions) = match text.split_once(':') {
        None => (text, None),
        Some((topic, numbers)) => {
            let numbers: Result<Vec<i32>, _> = numbers.split(',').map(str::parse).collect();
            (topic, Some(numbers.map_err(|_| wrong())?))
        }
    };
    if topic.is_empty() {
        return Err(wrong());
    }
    Ok(Scope {
        topic: topic.to_owned(),
        partitions,
    })
}

async fn places(kafka: &Kafka, scopes: &[Scope]) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    for scope in scopes {
        let topic = kafka.topic(&scope.topic).await.map_err(refused)?;
        let partitions = scope.partitions.as_ref().unwrap_or(&topic.partitions);
        places.extend(partitions.iter().map(|&partition| Place {
            topic: topic.name.clone(),
            partition,
        }));
    }
    places.sort();
    places.dedup();
    Ok(places)
}

/// Where each partition is to be read from.
async fn aims(
    kafka: &Kafka,
    to: &To,
    places: &[Place],
    before: &Offsets,
) -> Result<Offsets, Failure> {
    let starts = kafka.offsets(places, At::Start).await.map_err(refused)?;
    let ends = kafka.offsets(places, At::End).await.map_err(refused)?;
    let wanted = match to {
        To {
            to_latest: true, ..
        } => ends.clone(),
        To {
            to_offset: Some(offset),
            ..
        } => places.iter().map(|one| (one.clone(), *offset)).collect(),
        To {
            to_datetime: Some(text),
            ..
        } => {
            let now = Clock::system().now().0 as f64 / 1000.0;
            let time = time::parse(text, now).ok_or_else(|| {
                Failure::Usage(format!(
                    "--to-datetime must be a time such as 2026-11-22T10:00:00Z or 15m, got {text:?}"
                ))
            })?;
            let at = At::Time((time * 1000.0) as i64);
            kafka.offsets(places, at).await.map_err(refused)?
        }
        To {
            shift_by: Some(count),
            ..
        } => shifted(places, before, *count)?,
        To { .. } => starts.clone(),
    };
    let aims = wanted.into_iter().map(|(place, offset)| {
        let start = starts.get(&place).copied().unwrap_or_default();
        let end = ends.get(&place).copied().unwrap_or(start).max(start);
        let offset = offset.clamp(start, end);
        (place, offset)
    });
    Ok(aims.collect())
}

fn shifted(places: &[Place], before: &Offsets, count: i64) -> Result<Offsets, Failure> {
    let mut shifted = Offsets::new();
    for place in places {
        let Some(offset) = before.get(place) else {
            let Place { topic, partition } = place;
            return Err(Failure::Usage(format!(
                "--shift-by: the group has read nothing of {topic}:{partition} so far"
            )));
        };
        shifted.insert(place.clone(), offset.saturating_add(count));
    }
    Ok(shifted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_named_with_or_without_partitions() {
        let check = |text: &str, expected: Option<(&str, Option<&[i32]>)>| {
            let found = parse_scope(text).ok();
            let found = found
                .as_ref()
                .map(|one| (&*one.topic, one.partitions.as_deref()));
            assert_eq!(found, expected, "{text}");
        };
        check("orders", Some(("orders", None)));
        check("orders:0", Some(("orders", Some(&[0]))));
        check("orders:0,12", Some(("orders", Some(&[0, 12]))));
        check("orders:", None);
        check("orders:a", None);
        check(":0", None);
        check("", None);
    }
}

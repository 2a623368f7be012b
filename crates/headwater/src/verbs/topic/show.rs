//! Topics and partitions as people and scripts want to see them.

use std::io::{self, Write as _};

use clap::Args;
use client::Kafka;
use client::kafka::Place;
use client::kafka::offsets::{At, Offsets};
use client::kafka::topics::{Setting, Topic};
use serde::Serialize;

use super::refused;
use crate::Failure;
use crate::verbs::output::{Output, json};
use crate::verbs::table::Table;

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Only topics whose names begin so.
    prefix: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Describe {
    /// Its name.
    name: String,
}

/// A topic as `ls --json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed<'a> {
    name: &'a str,
    topic_id: &'a str,
    partitions: usize,
    /// Offsets between start and end: records, but for those that compaction or a transaction's end took.
    offsets: i64,
}

/// What `describe --json` prints.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described<'a> {
    name: &'a str,
    topic_id: &'a str,
    partitions: Vec<Extent>,
    settings: Vec<&'a Setting>,
}

/// Where a partition begins and ends.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Extent {
    partition: i32,
    start: i64,
    end: i64,
}

/// `1 partition`, `2 partitions`.
pub(super) fn partitions(count: usize) -> String {
    match count {
        1 => "1 partition".to_owned(),
        _ => format!("{count} partitions"),
    }
}

/// The places of a topic's partitions.
pub(super) fn places(topic: &Topic) -> Vec<Place> {
    let places = topic.partitions.iter().map(|&partition| Place {
        topic: topic.name.clone(),
        partition,
    });
    places.collect()
}

async fn bounds(kafka: &Kafka, places: &[Place]) -> Result<(Offsets, Offsets), Failure> {
    if places.is_empty() {
        return Ok(Default::default());
    }
    let starts = kafka.offsets(places, At::Start).await.map_err(refused)?;
    let ends = kafka.offsets(places, At::End).await.map_err(refused)?;
    Ok((starts, ends))
}

pub(super) async fn list(kafka: &Kafka, ls: &Ls, output: Output) -> Result<(), Failure> {
    let mut topics = kafka.topics().await.map_err(refused)?;
    let prefix = ls.prefix.as_deref().unwrap_or_default();
    topics.retain(|topic| topic.name.starts_with(prefix));
    let all: Vec<Place> = topics.iter().flat_map(places).collect();
    let (starts, ends) = bounds(kafka, &all).await?;
    let sum = |offsets: &Offsets, topic: &Topic| -> i64 {
        let places = places(topic);
        places.iter().filter_map(|place| offsets.get(place)).sum()
    };
    let listed = topics.iter().map(|topic| Listed {
        name: &topic.name,
        topic_id: &topic.topic_id,
        partitions: topic.partitions.len(),
        offsets: sum(&ends, topic) - sum(&starts, topic),
    });
    let listed: Vec<Listed<'_>> = listed.collect();
    if output == Output::Json {
        return json(&listed);
    }
    if listed.is_empty() {
        writeln!(io::stdout(), "No topics yet: headwater topic create NAME")?;
        return Ok(());
    }
    let mut table = Table::new(&["name", "partitions", "records"]);
    for topic in listed {
        table.row([
            topic.name.to_owned(),
            topic.partitions.to_string(),
            topic.offsets.to_string(),
        ]);
    }
    write!(io::stdout(), "{table}")?;
    Ok(())
}

pub(super) async fn describe(
    kafka: &Kafka,
    describe: &Describe,
    output: Output,
) -> Result<(), Failure> {
    let topic = kafka.topic(&describe.name).await.map_err(refused)?;
    let settings = kafka.settings(&topic.name).await.map_err(refused)?;
    let places = places(&topic);
    let (starts, ends) = bounds(kafka, &places).await?;
    let extents = places.iter().map(|place| Extent {
        partition: place.partition,
        start: starts.get(place).copied().unwrap_or_default(),
        end: ends.get(place).copied().unwrap_or_default(),
    });
    let described = Described {
        name: &topic.name,
        topic_id: &topic.topic_id,
        partitions: extents.collect(),
        settings: settings.iter().filter(|setting| setting.is_set).collect(),
    };
    if output == Output::Json {
        return json(&described);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{:12} {}", "name", described.name)?;
    writeln!(out, "{:12} {}", "id", described.topic_id)?;
    for setting in &described.settings {
        let value = setting.value.as_deref().unwrap_or_default();
        writeln!(out, "{:12} {}={value}", "setting", setting.name)?;
    }
    let mut table = Table::new(&["partition", "start", "end", "records"]);
    for extent in &described.partitions {
        table.row([
            extent.partition.to_string(),
            extent.start.to_string(),
            extent.end.to_string(),
            (extent.end - extent.start).to_string(),
        ]);
    }
    write!(out, "\n{table}")?;
    Ok(())
}

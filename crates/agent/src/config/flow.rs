//! One flow: which files go where, and how.

use std::sync::Arc;
use std::time::Duration;

use regex::bytes::Regex;

use super::fields::{ConfigError, Fields};
use super::processing;
use crate::convert::Chain;
use crate::files::pattern::Pattern;

/// Most data of one record with its partition key, in bytes: PutRecords.
const KINESIS_RECORD_MAX: usize = 1 << 20;
/// Most data of one record, in bytes: PutRecordBatch.
const FIREHOSE_RECORD_MAX: usize = 1000 << 10;
/// Most data of one PutRecords, in bytes.
const KINESIS_BATCH_MAX: u64 = 5 << 20;
/// Most data of one PutRecordBatch, in bytes.
const FIREHOSE_BATCH_MAX: u64 = 4 << 20;
/// Most records of one request, of either.
const RECORDS_MAX: u64 = 500;
/// `maxBufferAgeMillis`.
const AGE_MILLIS: u64 = 60_000;
/// The AWS agent takes 1,000 and more; less does no harm.
const AGE_MILLIS_MIN: u64 = 10;
const AGE_MILLIS_MAX: u64 = 900_000;
/// `minTimeBetweenFilePollsMillis`.
const POLL_MILLIS: u64 = 100;
/// `retryInitialBackoffMillis` and `retryMaxBackoffMillis`.
const BACKOFF_MILLIS: u64 = 100;
const BACKOFF_MILLIS_MAX: u64 = 10_000;

/// Known to the AWS agent, and of no meaning here.
const WITHOUT_EFFECT: &[&str] = &[
    "log.emitInternalMetrics",
    "maxTimeBetweenFileTrackerRefreshMillis",
    "publishQueueCapacity",
    "waitOnEmptyPublishQueueMillis",
    "waitOnFullPublishQueueMillis",
    "waitOnFullRetryQueueMillis",
];

const PARTITION_KEYS: &[(&str, PartitionKey)] = &[
    ("RANDOM", PartitionKey::Random),
    ("DETERMINISTIC", PartitionKey::Deterministic),
];
const POSITIONS: &[(&str, InitialPosition)] = &[
    ("START_OF_FILE", InitialPosition::Start),
    ("END_OF_FILE", InitialPosition::End),
];

/// Where records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A stream of Kinesis Data Streams, by name.
    Kinesis(Arc<str>),
    /// A delivery stream of Firehose, by name.
    Firehose(Arc<str>),
}

impl Destination {
    /// The stream's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Destination::Kinesis(name) | Destination::Firehose(name) => name,
        }
    }

    /// Most bytes of a record, its partition key included where it has one.
    pub(crate) fn record_max(&self) -> usize {
        match self {
            Destination::Kinesis(_) => KINESIS_RECORD_MAX,
            Destination::Firehose(_) => FIREHOSE_RECORD_MAX,
        }
    }
}

/// What chooses a record's shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionKey {
    /// Any key: records spread evenly.
    Random,
    /// The MD5 of the record: equal records go to one shard.
    Deterministic,
}

/// Where reading begins in files that are there when a flow runs for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialPosition {
    /// With the first line.
    Start,
    /// With what is added from then on.
    End,
}

/// Which files go where, and how.
#[derive(Debug)]
pub struct Flow {
    /// Destination and patterns: the flow's name in checkpoints, as the AWS agent makes it.
    pub id: String,
    /// Which files, at least one pattern.
    pub patterns: Vec<Pattern>,
    /// Where to.
    pub destination: Destination,
    /// What chooses a record's shard.
    pub partition_key: PartitionKey,
    /// Where a first run begins.
    pub initial: InitialPosition,
    /// Longest time a record waits for others to be sent with.
    pub age_max: Duration,
    /// Most bytes of one request's records.
    pub batch_bytes: usize,
    /// Most records of one request.
    pub batch_records: usize,
    /// Least time between two looks at the files.
    pub poll: Duration,
    /// What the first line of a record matches, where records have several.
    pub record_start: Option<Regex>,
    /// What ends a file: neither the record that matches whole, but for white space around it, nor what follows is sent.
    pub footer: Option<Regex>,
    /// Lines passed over at the start of every file.
    pub skip_header_lines: u64,
    /// What a record that was cut ends with.
    pub terminator: Vec<u8>,
    /// Lines are combined into records of at most that many bytes; 0: each is one.
    pub aggregated: usize,
    /// What becomes of a record before it is sent.
    pub chain: Chain,
    /// First and longest pause before what failed is sent again.
    pub backoff: (Duration, Duration),
}

impl Flow {
    pub(super) fn read(
        mut fields: Fields<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Flow, ConfigError> {
        let (texts, patterns) = patterns(&mut fields)?;
        let destination = destination(&mut fields)?;
        let (kind, batch_max) = match destination {
            Destination::Kinesis(_) => ("kinesis", KINESIS_BATCH_MAX),
            Destination::Firehose(_) => ("firehose", FIREHOSE_BATCH_MAX),
        };
        let mut millis = |name, range, default| -> Result<Duration, ConfigError> {
            let millis = fields.number(name, range)?.unwrap_or(default);
            Ok(Duration::from_millis(millis))
        };
        let age_max = millis(
            "maxBufferAgeMillis",
            AGE_MILLIS_MIN..=AGE_MILLIS_MAX,
            AGE_MILLIS,
        )?;
        let poll = millis("minTimeBetweenFilePollsMillis", 1..=60_000, POLL_MILLIS)?;
        let backoff = (
            millis("retryInitialBackoffMillis", 1..=600_000, BACKOFF_MILLIS)?,
            millis("retryMaxBackoffMillis", 1..=600_000, BACKOFF_MILLIS_MAX)?,
        );
        let flow = Flow {
            id: format!("{kind}:{}:{}", destination.name(), texts.join(",")),
            patterns,
            partition_key: fields
                .word("partitionKeyOption", PARTITION_KEYS)?
                .unwrap_or(PartitionKey::Random),
            initial: fields
                .word("initialPosition", POSITIONS)?
                .unwrap_or(InitialPosition::End),
            age_max,
            batch_bytes: fields
                .number("maxBufferSizeBytes", 1..=batch_max)?
                .unwrap_or(batch_max) as usize,
            batch_records: fields
                .number("maxBufferSizeRecords", 1..=RECORDS_MAX)?
                .unwrap_or(RECORDS_MAX) as usize,
            poll,
            record_start: record_start(&mut fields)?,
            footer: footer(&mut fields)?,
            skip_header_lines: fields
                .number("skipHeaderLines", 0..=1_000_000)?
                .unwrap_or(0),
            terminator: terminator(&mut fields, destination.record_max())?,
            aggregated: fields
                .number(
                    "aggregatedRecordSizeBytes",
                    0..=destination.record_max() as u64 / 2,
                )?
                .unwrap_or(0) as usize,
            chain: processing::chain(&mut fields, warnings)?,
            backoff,
            destination,
        };
        flow.check(&fields)?;
        for name in WITHOUT_EFFECT {
            if fields.value(name).is_some() {
                let wrong = fields.wrong(name, "has no effect here");
                warnings.push(wrong.to_string());
            }
        }
        fields.finish(warnings);
        Ok(flow)
    }

    /// What cannot be together.
    fn check(&self, fields: &Fields<'_>) -> Result<(), ConfigError> {
        let has_plain_lines = self.record_start.is_none() && self.chain.is_empty();
        if self.aggregated > 0 && !has_plain_lines {
            let problem = "combines plain lines: remove multiLineStartPattern and dataProcessingOptions, or this";
            return Err(fields.wrong("aggregatedRecordSizeBytes", problem));
        }
        Ok(())
    }
}

fn patterns(fields: &mut Fields<'_>) -> Result<(Vec<String>, Vec<Pattern>), ConfigError> {
    let texts = fields.texts("filePattern")?.unwrap_or_default();
    if texts.is_empty() {
        return Err(fields.wrong(
            "filePattern",
            "is missing; name the files, such as \"/var/log/app.log*\"",
        ));
    }
    let parsed: Result<Vec<Pattern>, String> =
        texts.iter().map(|text| Pattern::parse(text)).collect();
    match parsed {
        Ok(patterns) => Ok((texts, patterns)),
        Err(problem) => Err(fields.wrong("filePattern", problem)),
    }
}

fn destination(fields: &mut Fields<'_>) -> Result<Destination, ConfigError> {
    let stream = fields.text("kinesisStream")?;
    let delivery = fields.text("deliveryStream")?;
    match (stream, delivery) {
        (Some(name), None) => Ok(Destination::Kinesis(name.into())),
        (None, Some(name)) => Ok(Destination::Firehose(name.into())),
        (None, None) => Err(fields.wrong(
            "kinesisStream",
            "is missing; name a stream, or a deliveryStream",
        )),
        (Some(_), Some(_)) => Err(fields.wrong(
            "deliveryStream",
            "cannot be beside kinesisStream; make two flows with the same filePattern",
        )),
    }
}

fn record_start(fields: &mut Fields<'_>) -> Result<Option<Regex>, ConfigError> {
    const NAME: &str = "multiLineStartPattern";
    let Some(text) = fields.text(NAME)? else {
        return Ok(None);
    };
    // As Java's `lookingAt`: at the line's first byte, to wherever.
    match processing::pattern(&format!(r"\A(?:{text})")) {
        Ok(pattern) => Ok(Some(pattern)),
        Err(problem) => Err(fields.wrong(NAME, problem)),
    }
}

fn footer(fields: &mut Fields<'_>) -> Result<Option<Regex>, ConfigError> {
    const NAME: &str = "fileFooterPattern";
    let Some(text) = fields.text(NAME)? else {
        return Ok(None);
    };
    // As Java's `matches` with MULTILINE.
    match processing::pattern(&format!(r"\A(?m:{text})\z")) {
        Ok(pattern) => Ok(Some(pattern)),
        Err(problem) => Err(fields.wrong(NAME, problem)),
    }
}

fn terminator(fields: &mut Fields<'_>, record_max: usize) -> Result<Vec<u8>, ConfigError> {
    const NAME: &str = "truncatedRecordTerminator";
    let terminator = fields.text(NAME)?.unwrap_or_else(|| "\n".to_owned());
    if terminator.len() > record_max / 2 {
        return Err(fields.wrong(NAME, "must be much shorter than a record"));
    }
    Ok(terminator.into_bytes())
}

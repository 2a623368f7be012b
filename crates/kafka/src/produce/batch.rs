//! Which batches are taken, after the rules of Kafka's `LogValidator`.
//!
//! A batch is not taken where Kafka would not: several in one partition's data, records that do not read as the header says, a
//! checksum that is not its bytes', timestamps too far from now, records without a key in a compacted topic.
//!
//! It goes to the log as it came, but for its header's times: the greatest timestamp is that of the records, whatever the
//! producer wrote there (Sarama left -1 for years), since retention and searches by time go by it.

use bytes::Bytes;
use model::batch::{BatchError, Producer, declared_length};
use model::{Batch, Timestamp};
use streams::InflateError;

use super::{NOTHING, Refused};
use crate::configs::{TimestampType, TopicConfig};
use crate::error::Refusal;
use crate::wire::ErrorCode;

/// Records of a batch that are told to be wrong, at most: the answer must not be far longer than the request.
const FAULTS_MAX: usize = 1_000;

/// The one batch that a partition's data must be, as it is to be written.
pub(super) fn taken(
    records: Option<Bytes>,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Batch, Refused> {
    let batch = one_batch(records, config.max_message_bytes)?;
    check_header(&batch)?;
    let batch = with_own_times(batch, config.timestamp_type)?;
    let newest = streams::look_into(&batch, |plain| check_records(plain, config, now));
    let newest = newest.map_err(|error| unreadable(&error))??;
    Ok(match config.timestamp_type {
        TimestampType::LogAppendTime => batch.taken_in_at(now),
        // Retention goes by time: what came without one would be gone at once.
        TimestampType::CreateTime if newest.0 < 0 => batch.taken_in_at(now),
        // As nearly always: no copy.
        TimestampType::CreateTime if newest == batch.max_timestamp() => batch,
        TimestampType::CreateTime => batch.timed_by_records(newest),
    })
}

fn one_batch(records: Option<Bytes>, bytes_max: usize) -> Result<Batch, Refusal> {
    let records = records
        .filter(|records| !records.is_empty())
        .ok_or_else(|| invalid("a partition's records are missing"))?;
    if records.len() > bytes_max {
        return Err(Refusal::new(
            ErrorCode::MessageTooLarge,
            format!(
                "a batch of {} bytes is over the topic's max.message.bytes of {bytes_max}",
                records.len()
            ),
        ));
    }
    if declared_length(&records).is_some_and(|length| length < records.len()) {
        return Err(invalid("a partition's records must be exactly one batch"));
    }
    Batch::parse(records).map_err(|error| {
        let code = match error {
            BatchError::Magic(_) | BatchError::Count { .. } => ErrorCode::InvalidRecord,
            BatchError::Length { .. } | BatchError::Checksum { .. } => ErrorCode::CorruptMessage,
        };
        Refusal::new(code, error.to_string())
    })
}

fn check_header(batch: &Batch) -> Result<(), Refusal> {
    if batch.is_control() {
        return Err(invalid("clients must not write control batches"));
    }
    if batch.is_sealed() {
        return Err(invalid("attribute bit 14 must not be set"));
    }
    if batch.record_count() == 0 || batch.record_count() != batch.offsets() {
        return Err(invalid(
            "a batch's count must be its last offset delta and one",
        ));
    }
    let is_nobodys = |producer: &Producer| producer.sequence < 0 || producer.epoch < 0;
    if batch.producer().as_ref().is_some_and(is_nobodys) {
        return Err(invalid(
            "a batch with a producer id must have an epoch and a sequence",
        ));
    }
    Ok(())
}

/// The batch without a producer's claim that its log gave it its time. Kafka does not take that claim in a topic whose times
/// are the log's, nor without a time; elsewhere it passes over it.
fn with_own_times(batch: Batch, timestamp_type: TimestampType) -> Result<Batch, Refusal> {
    if !batch.is_log_append_time() {
        return Ok(batch);
    }
    let claimed = batch.max_timestamp();
    if timestamp_type == TimestampType::LogAppendTime || claimed.0 == NOTHING {
        return Err(Refusal::new(
            ErrorCode::InvalidTimestamp,
            "a producer must not set the timestamp type to LogAppendTime",
        ));
    }
    Ok(batch.timed_by_records(claimed))
}

fn unreadable(error: &InflateError) -> Refusal {
    let code = match error {
        // Java's producer sends such a batch again in parts.
        InflateError::TooLarge => ErrorCode::MessageTooLarge,
        InflateError::Codec(_) | InflateError::Malformed { .. } => ErrorCode::CorruptMessage,
    };
    Refusal::new(code, error.to_string())
}

/// What is wrong with one record.
struct Fault {
    index: i32,
    code: ErrorCode,
    why: String,
}

/// Holds each record of an uncompressed batch to the topic's rules; gives the greatest of their timestamps, or -1.
fn check_records(
    plain: &Batch,
    config: &TopicConfig,
    now: Timestamp,
) -> Result<Timestamp, Refused> {
    let mut newest = NOTHING;
    let mut faults = Vec::new();
    for (index, record) in (0..).zip(plain.checked_records()) {
        let record = record.map_err(|error| {
            invalid(&format!(
                "a batch's records do not read as its header says: {error}"
            ))
        })?;
        let time = record.timestamp.0;
        if let Some((code, why)) = fault(record.key.is_some(), time, config, now)
            && faults.len() < FAULTS_MAX
        {
            faults.push(Fault { index, code, why });
        }
        newest = newest.max(time);
    }
    match refused(faults) {
        Some(refused) => Err(refused),
        None => Ok(Timestamp(newest)),
    }
}

fn fault(
    has_key: bool,
    time: i64,
    config: &TopicConfig,
    now: Timestamp,
) -> Option<(ErrorCode, String)> {
    if config.is_compacted && !has_key {
        let why = "a compacted topic takes no record without a key".to_owned();
        return Some((ErrorCode::InvalidRecord, why));
    }
    if config.timestamp_type == TimestampType::LogAppendTime || time == NOTHING {
        return None;
    }
    let earliest = now.0.saturating_sub(config.timestamp_before_max_ms);
    let latest = now.0.saturating_add(config.timestamp_after_max_ms);
    if (earliest..=latest).contains(&time) {
        return None;
    }
    let why = format!("timestamp {time} is outside what the topic takes, {earliest} to {latest}");
    Some((ErrorCode::InvalidTimestamp, why))
}

/// A batch with faults is refused as a whole, for the first of them; a wrong time goes before a missing key, as in Kafka.
fn refused(faults: Vec<Fault>) -> Option<Refused> {
    let is_time = |fault: &&Fault| fault.code == ErrorCode::InvalidTimestamp;
    let first = faults.iter().find(is_time).or(faults.first())?;
    let message = format!("record {}: {}", first.index, first.why);
    Some(Refused {
        refusal: Refusal::new(first.code, message),
        records: faults
            .into_iter()
            .map(|fault| (fault.index, fault.why))
            .collect(),
    })
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRecord, why)
}

//! PutRecord and PutRecords.
//!
//! A record's place is decided by the MD5 of its partition key, or by its explicit hash key, among the shards that are open.
//! Records of one request and one shard are one batch, in the request's order; how batches are written is in [`write`].
//!
//! Beyond AWS: a request with the header `x-headwater-idempotency-token` is done once however often it is sent, see
//! [`token`].

mod token;
mod write;

use std::sync::Arc;

use aws::{Caller, RawReply, RawRequest};
use md5::{Digest, Md5};
use model::{HashKey, Rng, SequenceNumber};
use streams::{Stream, StreamName};
use tokio::time::Instant;

use self::token::Token;
use self::write::{Outcome, Write, Written};
use super::counters::{PutCounters, StreamCounters, add, add_time};
use super::error::KinesisError;
use super::hot::put::{Entry, Target};
use super::hot::reply::{self, EntryReply, PutReply};
use super::iterators::{exceeded, would_succeed};
use super::naming::stream_name;
use super::{Kinesis, hot};

/// Keys and data of one PutRecords, in bytes.
const REQUEST_BYTES_MAX: usize = 10 << 20;
/// An odd number near 2^128 over the golden ratio: its multiples lie evenly on the ring.
const STRIDE: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

/// PutRecord.
pub(super) async fn put_record(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    request: RawRequest,
) -> Result<RawReply, KinesisError> {
    let began = Instant::now();
    let input = hot::put_record(&request)?;
    let stream = kinesis.target(&caller, &input.target).await?;
    let token = Token::of(&request.headers)?;
    let entries = std::slice::from_ref(&input.entry);
    let keys = kinesis
        .hash_keys(&stream, entries, token.as_ref(), |_| {
            "partitionKey".to_owned()
        })
        .await?;
    must_fit(&stream, &input.entry)?;
    if let Some(after) = &input.after {
        kinesis.must_be_past(&stream, after).await?;
    }
    if input.dry_run {
        return Err(would_succeed());
    }
    let write = Write::new(&kinesis, stream, entries, keys, token);
    let Written {
        stream,
        outcomes,
        failure,
    } = write.run().await?;
    kinesis.count(&stream, entries, &outcomes, |all| &all.put_record, began);
    match (outcomes.first(), failure) {
        (Some(Outcome::Put(number)), _) => {
            let answer = PutReply {
                number: *number,
                encrypted: stream.settings.encryption.is_some(),
            };
            Ok(reply::put_record(request.format, &answer).into())
        }
        (Some(Outcome::Throttled(shard)), _) => Err(exceeded(&stream.name, *shard)),
        (_, Some(error)) => Err(error),
        (_, None) => Err(KinesisError::InternalFailure),
    }
}

/// PutRecords.
pub(super) async fn put_records(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    request: RawRequest,
) -> Result<RawReply, KinesisError> {
    let began = Instant::now();
    let input = hot::put_records(&request)?;
    let entries = &input.entries[..];
    let stream = kinesis.target(&caller, &input.target).await?;
    let token = Token::of(&request.headers)?;
    let place = |index| format!("records.{}.member.partitionKey", index + 1);
    let keys = kinesis
        .hash_keys(&stream, entries, token.as_ref(), place)
        .await?;
    for entry in entries {
        must_fit(&stream, entry)?;
    }
    if entries.iter().map(Entry::len).sum::<usize>() > REQUEST_BYTES_MAX {
        let text = "Records size exceeds 10 MB limit".to_owned();
        return Err(KinesisError::InvalidArgument(text));
    }
    if input.dry_run {
        return Err(would_succeed());
    }
    let write = Write::new(&kinesis, stream, entries, keys, token);
    let Written {
        stream,
        outcomes,
        failure,
    } = write.run().await?;
    kinesis.count(&stream, entries, &outcomes, |all| &all.put_records, began);
    let has_failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed);
    if let Some(failure) = failure
        && outcomes.iter().all(has_failed)
    {
        // Nothing was written, and the whole may be sent again: said once and for all, with the reason.
        return Err(failure);
    }
    Ok(answer(&request, &stream, &outcomes).into())
}

/// The answer to PutRecords, record by record.
fn answer(request: &RawRequest, stream: &Stream, outcomes: &[Outcome]) -> Vec<u8> {
    let failed = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome, Outcome::Put(_)));
    let entries = outcomes.iter().map(|outcome| match outcome {
        Outcome::Put(number) => EntryReply::Put(*number),
        Outcome::Throttled(shard) => EntryReply::Failed {
            code: "ProvisionedThroughputExceededException",
            message: exceeded(&stream.name, *shard).to_string().into(),
        },
        Outcome::Failed => EntryReply::Failed {
            code: "InternalFailure",
            message: "Internal Service Failure.".into(),
        },
    });
    let encrypted = stream.settings.encryption.is_some();
    reply::put_records(request.format, entries, failed.count(), encrypted)
}

impl Kinesis {
    async fn target(
        &self,
        caller: &Caller,
        target: &Target<'_>,
    ) -> Result<Arc<Stream>, KinesisError> {
        let name = stream_name(caller, target.name.as_deref(), target.arn.as_deref())?;
        self.find_named(&name).await
    }

    /// Where on the ring each record lies. `member` names a record's partition key in a refusal.
    async fn hash_keys(
        &self,
        stream: &Stream,
        entries: &[Entry<'_>],
        token: Option<&Token>,
        member: impl Fn(usize) -> String,
    ) -> Result<Vec<HashKey>, KinesisError> {
        if self.distributes_evenly(stream).await? {
            // A repeated request must fall into the same places, any other starts anywhere.
            let start = token.map_or_else(|| Rng::system().next_u64(), Token::seed);
            let places = (0..entries.len() as u128).map(|index| u128::from(start) + index);
            return Ok(places
                .map(|place| HashKey(place.wrapping_mul(STRIDE)))
                .collect());
        }
        let keys = entries.iter().enumerate();
        keys.map(|(index, entry)| hash_key(entry, || member(index)))
            .collect()
    }

    /// Refuses a `SequenceNumberForOrdering` that no put of this stream can have answered. Any other is below what the next
    /// put gets: numbers grow within a shard and from a shard to its children.
    async fn must_be_past(&self, stream: &Stream, text: &str) -> Result<(), KinesisError> {
        let StreamName { account, name, .. } = &stream.name;
        let invalid = || {
            KinesisError::InvalidArgument(format!(
                "ExclusiveMinimumSequenceNumber {text} used in PutRecord on stream {name} under account {account} is invalid."
            ))
        };
        let number: SequenceNumber = text.parse().map_err(|_| invalid())?;
        let is_known = number.generation <= stream.settings.generation
            && number.shard < stream.settings.next_shard;
        if !is_known {
            return Err(invalid());
        }
        let Some(shard) = stream.topology.get(number.shard) else {
            return Ok(());
        };
        let bounds = self.streams.bounds(stream, shard.index).await?;
        if number.generation != shard.generation || number.offset > bounds.end {
            return Err(invalid());
        }
        Ok(())
    }

    fn count(
        &self,
        stream: &Stream,
        entries: &[Entry<'_>],
        outcomes: &[Outcome],
        of_call: fn(&StreamCounters) -> &PutCounters,
        began: Instant,
    ) {
        let counters = self.plane.counters.of(&stream.name);
        let (mut bytes, mut records, mut throttled) = (0, 0, 0);
        for (entry, outcome) in entries.iter().zip(outcomes) {
            match outcome {
                Outcome::Put(_) => {
                    bytes += entry.len();
                    records += 1;
                }
                Outcome::Throttled(_) => throttled += 1,
                Outcome::Failed => {}
            }
        }
        add(&counters.incoming_bytes, bytes);
        add(&counters.incoming_records, records);
        add(&counters.write_exceeded, throttled);
        add(&counters.put_failed_records, entries.len() - records);
        let call = of_call(&counters);
        add(&call.calls, 1);
        add(&call.records_put, records);
        add(&call.records_throttled, throttled);
        add(&call.records_failed, entries.len() - records - throttled);
        if records > 0 {
            add(&call.successes, 1);
            add(&call.bytes, bytes);
            add_time(&call.micros, began.elapsed());
        }
    }
}

/// The record's explicit hash key, or the MD5 of its partition key as a big-endian number.
fn hash_key(entry: &Entry<'_>, member: impl Fn() -> String) -> Result<HashKey, KinesisError> {
    let Some(key) = &entry.key else {
        return Err(KinesisError::Validation(format!(
            "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
            member()
        )));
    };
    match &entry.hash_key {
        Some(text) => HashKey::parse(text).ok_or_else(|| {
            KinesisError::InvalidArgument(format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
            ))
        }),
        None => {
            let digest: [u8; 16] = Md5::digest(key.as_bytes()).into();
            Ok(HashKey(u128::from_be_bytes(digest)))
        }
    }
}

/// Refuses a record above the stream's limit, which counts key and data.
fn must_fit(stream: &Stream, entry: &Entry<'_>) -> Result<(), KinesisError> {
    let max = stream.settings.max_record_bytes;
    if entry.len() <= max as usize {
        return Ok(());
    }
    Err(KinesisError::InvalidArgument(format!(
        "Record size of {} bytes (partition key and data) exceeds the {max} bytes that stream {} takes. UpdateMaxRecordSize \
         allows up to 10 MiB.",
        entry.len(),
        stream.name.name
    )))
}

#[cfg(test)]
mod tests;

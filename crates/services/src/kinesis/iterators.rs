//! GetShardIterator, and what an iterator is.
//!
//! An iterator is base64 of these bytes, big-endian. It names a position, holds no session, and serves for five minutes.
//!
//! | at | size | field |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 8 | stream number |
//! | 9 | 4 | shard |
//! | 13 | 8 | offset of the next record |
//! | 21 | 8 | when it was made, ms |
//! | 29 | n | stream's name, 1 to 249 bytes |
//! | 29+n | 16 | HMAC-SHA-256 of account, region and all before, cut to 128 bits |
//!
//! The HMAC's key is made at random for each data directory and kept in the catalog under `kinesis-iterator-key`. It
//! promises that an iterator is taken for what it was given out for alone: unaltered, in the account and region of its
//! stream. It is not secret what an iterator says.

use std::sync::Arc;
use std::time::Duration;

use aws::{Caller, shapes};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use model::{Offset, Rng, SequenceNumber, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Check, Expect, Key, Store, StoreError, Txn, Write};
use streams::{Position, Shard, Stream, StreamName};
use time::OffsetDateTime;
use time::macros::format_description;

use super::error::KinesisError;
use super::naming::{shard_id, shard_index, stream_name};
use super::{Kinesis, Limits, numbers};

/// How long an iterator serves.
const LIFETIME: Duration = Duration::from_secs(300);
const VERSION: u8 = 1;
const FIXED_BYTES: usize = 29;
pub(super) const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;

/// A position in a shard, as an iterator has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ShardIterator {
    pub(super) stream: StreamId,
    pub(super) name: StreamName,
    pub(super) shard: u32,
    pub(super) next: Offset,
    pub(super) made: Timestamp,
}

/// Makes iterators and knows its own.
#[derive(Debug)]
pub(super) struct IteratorKey(hmac::Key);

impl IteratorKey {
    /// The data directory's, made if there is none yet.
    pub(super) async fn load(store: &dyn Store, rng: &Rng) -> Result<IteratorKey, StoreError> {
        let place = Key::of(&["kinesis-iterator-key"]);
        loop {
            if let Some(kept) = store.get(&place).await? {
                return Ok(IteratorKey::of(&kept.value));
            }
            let mut bytes = vec![0; KEY_BYTES];
            rng.fill(&mut bytes);
            let txn = Txn {
                checks: vec![Check {
                    key: place.clone(),
                    expect: Expect::Absent,
                }],
                writes: vec![Write::Put {
                    key: place.clone(),
                    value: bytes.into(),
                }],
                ..Txn::default()
            };
            match store.commit(txn).await {
                // Kept by this one, or by another in between: either way it is there now.
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A key for this process alone where a full disk kept the first one from being made: reading must go on. Iterators end
    /// within minutes anyway.
    pub(super) fn despite_a_full_disk(
        loaded: Result<IteratorKey, StoreError>,
        rng: &Rng,
    ) -> Result<IteratorKey, StoreError> {
        let Err(StoreError::Full) = loaded else {
            return loaded;
        };
        let mut bytes = [0; KEY_BYTES];
        rng.fill(&mut bytes);
        Ok(IteratorKey::of(&bytes))
    }

    fn of(bytes: &[u8]) -> IteratorKey {
        IteratorKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The iterator as clients get it.
    pub(super) fn write(&self, iterator: &ShardIterator) -> String {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + iterator.name.name.len() + TAG_BYTES);
        bytes.push(VERSION);
        bytes.extend(iterator.stream.0.to_be_bytes());
        bytes.extend(iterator.shard.to_be_bytes());
        bytes.extend(iterator.next.0.to_be_bytes());
        bytes.extend(iterator.made.0.to_be_bytes());
        bytes.extend(iterator.name.name.as_bytes());
        let tag = self.tag(
            iterator.name.account.as_str(),
            iterator.name.region.as_str(),
            &bytes,
        );
        bytes.extend(tag);
        shapes::encode_base64(&bytes)
    }

    /// The iterator that a client's text is; `None` if it is none of ours, or of another account or region.
    pub(super) fn read(&self, caller: &Caller, text: &str) -> Option<ShardIterator> {
        let bytes = shapes::decode_base64(text).ok()?;
        let (body, tag) = bytes.split_last_chunk::<TAG_BYTES>()?;
        let expected = self.tag(caller.account.as_str(), caller.region.as_str(), body);
        verify_slices_are_equal(tag, &expected).ok()?;
        let (version, rest) = body.split_first()?;
        let (stream, rest) = rest.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (next, rest) = rest.split_first_chunk()?;
        let (made, name) = rest.split_first_chunk()?;
        (*version == VERSION).then_some(())?;
        Some(ShardIterator {
            stream: StreamId(u64::from_be_bytes(*stream)),
            name: StreamName {
                account: caller.account.clone(),
                region: caller.region.clone(),
                name: std::str::from_utf8(name).ok()?.to_owned(),
            },
            shard: u32::from_be_bytes(*shard),
            next: Offset(u64::from_be_bytes(*next)),
            made: Timestamp(i64::from_be_bytes(*made)),
        })
    }

    /// For text that says something else, both names are ones that no account and region have.
    pub(super) fn tag(&self, account: &str, region: &str, body: &[u8]) -> [u8; TAG_BYTES] {
        let mut context = hmac::Context::with_key(&self.0);
        // Neither holds a zero byte, so that no two pairs run together to the same.
        for part in [account, region] {
            context.update(part.as_bytes());
            context.update(b"\0");
        }
        context.update(body);
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_BYTES]);
        tag
    }
}

impl ShardIterator {
    /// Refuses an iterator that is too old. The text is AWS's (kinesalite, `actions/getRecords.js`).
    pub(super) fn must_serve(&self, now: Timestamp) -> Result<(), KinesisError> {
        if now.since(self.made) <= LIFETIME {
            return Ok(());
        }
        Err(KinesisError::ExpiredIterator(format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the \
             future than the tolerated delay of {} milliseconds.",
            as_java_shows(self.made),
            as_java_shows(now),
            LIFETIME.as_millis()
        )))
    }
}

/// Such as `Thu Jan 22 01:22:02 UTC 2015`.
fn as_java_shows(moment: Timestamp) -> String {
    let format = format_description!(
        "[weekday repr:short] [month repr:short] [day] [hour]:[minute]:[second] UTC [year]"
    );
    OffsetDateTime::from_unix_timestamp(moment.0.div_euclid(1000))
        .ok()
        .and_then(|moment| moment.format(format).ok())
        .unwrap_or_else(|| format!("{moment} ms"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIteratorInput {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    shard_id: String,
    shard_iterator_type: Start,
    starting_sequence_number: Option<String>,
    timestamp: Option<shapes::Timestamp>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetShardIteratorOutput {
    shard_iterator: String,
}

/// Where to start, of five kinds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Start {
    AtSequenceNumber,
    AfterSequenceNumber,
    TrimHorizon,
    Latest,
    AtTimestamp,
}

impl Start {
    fn text(self) -> &'static str {
        match self {
            Start::AtSequenceNumber => "AT_SEQUENCE_NUMBER",
            Start::AfterSequenceNumber => "AFTER_SEQUENCE_NUMBER",
            Start::TrimHorizon => "TRIM_HORIZON",
            Start::Latest => "LATEST",
            Start::AtTimestamp => "AT_TIMESTAMP",
        }
    }
}

/// A starting position as a client gives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) start: Start,
    pub(super) number: Option<&'a str>,
    pub(super) time: Option<shapes::Timestamp>,
    /// The operation, for refusals.
    pub(super) operation: &'static str,
}

/// GetShardIterator.
pub(super) async fn get_shard_iterator(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: GetShardIteratorInput,
) -> Result<GetShardIteratorOutput, KinesisError> {
    let name = stream_name(
        &caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let (stream, shard) = kinesis.find_shard(&name, &input.shard_id).await?;
    let now = kinesis.clock.now();
    let asked = Asked {
        start: input.shard_iterator_type,
        number: input.starting_sequence_number.as_deref(),
        time: input.timestamp,
        operation: "GetShardIterator",
    };
    let position = asked.position(&stream, &shard, now)?;
    if input.dry_run == Some(true) {
        return Err(would_succeed());
    }
    let log = stream.log(shard.index);
    if kinesis.limits == Limits::Aws && !kinesis.plane.throughput().iterator(log, now) {
        return Err(exceeded(&stream.name, shard.index));
    }
    let next = kinesis.locate(&stream, &shard, position).await?;
    let key = kinesis.plane.iterator_key(&*kinesis.store).await?;
    Ok(GetShardIteratorOutput {
        shard_iterator: key.write(&ShardIterator {
            stream: stream.settings.id,
            name: stream.name.clone(),
            shard: shard.index,
            next,
            made: now,
        }),
    })
}

impl Kinesis {
    /// The stream and its shard that a client names.
    pub(super) async fn find_shard(
        &self,
        name: &StreamName,
        id: &str,
    ) -> Result<(Arc<Stream>, Shard), KinesisError> {
        let index = shard_index(id).ok_or_else(|| KinesisError::no_shard(name, id))?;
        let stream = match self.find_named(name).await {
            Err(KinesisError::ResourceNotFound(_)) => return Err(does_not_exist(name, index)),
            found => found?,
        };
        let shard = stream.topology.get(index).cloned();
        let shard = shard.ok_or_else(|| does_not_exist(name, index))?;
        Ok((stream, shard))
    }

    /// The offset that a position means now.
    pub(super) async fn locate(
        &self,
        stream: &Stream,
        shard: &Shard,
        position: Position,
    ) -> Result<Offset, KinesisError> {
        match self.streams.locate(stream, shard.index, position).await {
            Err(StoreError::NoSuchLog { .. }) => Err(does_not_exist(&stream.name, shard.index)),
            found => Ok(found?),
        }
    }
}

impl Asked<'_> {
    /// The position asked for, once all that belongs to it is there and fits. Texts as kinesalite recorded them.
    pub(super) fn position(
        &self,
        stream: &Stream,
        shard: &Shard,
        now: Timestamp,
    ) -> Result<Position, KinesisError> {
        match (self.start, self.number) {
            (Start::TrimHorizon, None) => Ok(Position::Start),
            (Start::Latest, None) => Ok(Position::End),
            (Start::AtTimestamp, _) => self.time_position(now),
            (Start::AtSequenceNumber, Some(text)) => {
                let number = self.number_of(stream, shard, text)?;
                Ok(Position::At(numbers::offset_at(number)))
            }
            (Start::AfterSequenceNumber, Some(text)) => {
                let number = self.number_of(stream, shard, text)?;
                Ok(Position::At(numbers::offset_after(number)))
            }
            (start, number) => {
                let found = number.map_or("no", |_| "also a");
                Err(KinesisError::InvalidArgument(format!(
                    "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or \
                     (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {found} \
                     StartingSequenceNumber.",
                    start.text()
                )))
            }
        }
    }

    fn time_position(&self, now: Timestamp) -> Result<Position, KinesisError> {
        let Some(time) = self.time.map(Timestamp::from) else {
            return Err(KinesisError::InvalidArgument(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no \
                 timestamp parameter."
                    .into(),
            ));
        };
        if time > now {
            return Err(KinesisError::InvalidArgument(format!(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                 timestampInMillis: {time}, currentTimestampInMillis: {now}"
            )));
        }
        Ok(Position::Time(time))
    }

    fn number_of(
        &self,
        stream: &Stream,
        shard: &Shard,
        text: &str,
    ) -> Result<SequenceNumber, KinesisError> {
        let StreamName { account, name, .. } = &stream.name;
        let id = shard_id(shard.index);
        let used = format!(
            "StartingSequenceNumber {text} used in {} on shard {id} in stream {name} under account {account} is invalid",
            self.operation
        );
        let Ok(number) = text.parse::<SequenceNumber>() else {
            return Err(KinesisError::InvalidArgument(format!("{used}.")));
        };
        if number.shard != shard.index {
            return Err(KinesisError::InvalidArgument(format!(
                "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {id}",
                shard_id(number.shard)
            )));
        }
        if number.generation != shard.generation {
            return Err(KinesisError::InvalidArgument(format!(
                "{used} because it did not come from this stream."
            )));
        }
        Ok(number)
    }
}

/// A shard, or its stream, is not there: what AWS says of iterators.
pub(super) fn does_not_exist(name: &StreamName, shard: u32) -> KinesisError {
    let StreamName { account, name, .. } = name;
    KinesisError::ResourceNotFound(format!(
        "Shard {} in stream {name} under account {account} does not exist",
        shard_id(shard)
    ))
}

/// A shard's limit is reached.
pub(super) fn exceeded(name: &StreamName, shard: u32) -> KinesisError {
    let StreamName { account, name, .. } = name;
    KinesisError::ProvisionedThroughputExceeded(format!(
        "Rate exceeded for shard {} in stream {name} under account {account}.",
        shard_id(shard)
    ))
}

/// `DryRun` was asked for, and nothing is in the way.
pub(super) fn would_succeed() -> KinesisError {
    KinesisError::DryRun("The request would have succeeded, but DryRun was specified.".into())
}

#[cfg(test)]
mod tests;

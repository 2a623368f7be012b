//! Records into a topic and out of it. They come and go as batches, which may lie compressed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes};
use model::batch::{Producer, declared_length};
use model::{Batch, BatchBuilder, Header, Offset, Timestamp};

use super::offsets::{CONSUMER, NO_EPOCH, READ_COMMITTED, by_topic};
use super::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use super::wire::messages::fetch_response::PartitionData;
use super::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use super::wire::messages::{
    FetchRequestData, FetchResponseData, InitProducerIdRequestData, ProduceRequestData,
};
use super::{Kafka, Place, check, incomplete, text};
use crate::error::ClientError;

/// Most bytes of one fetch, and of it in one partition.
const FETCH_BYTES_MAX: i32 = 4 << 20;
/// Longest the broker may take to write, in milliseconds.
const TIMEOUT_MS: i32 = 20_000;
/// Once it is durable.
const ACKS_ALL: i16 = -1;
/// A fetch on its own.
const NO_SESSION: i32 = 0;
const LAST_EPOCH: i32 = -1;
/// What a producer has that was given nothing yet.
const NONE: i64 = -1;

/// A batch as it lies.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Where.
    pub place: Place,
    /// The first record's offset.
    pub base: Offset,
    /// The batch.
    pub batch: Batch,
}

/// A record to write.
#[derive(Debug, Clone, Default)]
pub struct NewRecord {
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Bytes,
    /// Names and values that go with it.
    pub headers: Vec<(String, String)>,
}

/// Writes batches to one topic, each once however often the call is repeated.
#[derive(Debug)]
pub struct Writer<'a> {
    kafka: &'a Kafka,
    topic: String,
    id: i64,
    epoch: i16,
    /// By partition.
    sequences: BTreeMap<i32, i32>,
}

impl Kafka {
    /// A writer to `topic`.
    ///
    /// # Errors
    /// The server's.
    pub async fn writer(&self, topic: &str) -> Result<Writer<'_>, ClientError> {
        let request = InitProducerIdRequestData {
            producer_id: NONE,
            producer_epoch: -1,
            ..InitProducerIdRequestData::default()
        };
        let given = self.ask(&request).await?;
        check("InitProducerId", given.error_code, None)?;
        Ok(Writer {
            kafka: self,
            topic: topic.to_owned(),
            id: given.producer_id,
            epoch: given.producer_epoch,
            sequences: BTreeMap::new(),
        })
    }

    /// Committed records from these offsets on, waiting up to `wait_ms` for the first. `from` is moved on to where the next
    /// fetch begins.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` where an offset is no longer there, and the server's. `from` is then as it was, in every
    /// partition: nothing was given of any.
    pub async fn fetch(
        &self,
        from: &mut BTreeMap<Place, i64>,
        wait_ms: i32,
    ) -> Result<Vec<Fetched>, ClientError> {
        let topics = by_topic(from.iter().map(|(place, offset)| (place, *offset)));
        let topics = topics.iter().map(|(name, partitions)| FetchTopic {
            topic: text(name),
            partitions: partitions
                .iter()
                .map(|(partition, offset)| FetchPartition {
                    partition: *partition,
                    current_leader_epoch: NO_EPOCH,
                    fetch_offset: *offset,
                    partition_max_bytes: FETCH_BYTES_MAX,
                    ..FetchPartition::default()
                })
                .collect(),
            ..FetchTopic::default()
        });
        let request = FetchRequestData {
            replica_id: CONSUMER,
            max_wait_ms: wait_ms,
            min_bytes: 1,
            max_bytes: FETCH_BYTES_MAX,
            isolation_level: READ_COMMITTED,
            session_id: NO_SESSION,
            session_epoch: LAST_EPOCH,
            topics: topics.collect(),
            ..FetchRequestData::default()
        };
        let answer = self.ask(&request).await?;
        check("Fetch", answer.error_code, None)?;
        taken(&answer, from)
    }
}

/// What an answer has of the places in `from`, which are moved on once it is known that none is refused.
fn taken(
    answer: &FetchResponseData,
    from: &mut BTreeMap<Place, i64>,
) -> Result<Vec<Fetched>, ClientError> {
    let mut fetched = Vec::new();
    let mut moved = BTreeMap::new();
    for topic in &answer.responses {
        for partition in &topic.partitions {
            check("Fetch", partition.error_code, None)?;
            let place = Place {
                topic: topic.topic.to_string(),
                partition: partition.partition_index,
            };
            if !from.contains_key(&place) {
                continue;
            }
            let found = batches(partition.records.clone().unwrap_or_default())?;
            if let Some((base, batch)) = found.last() {
                let end = base.plus(u64::from(batch.offsets()));
                moved.insert(place.clone(), i64::try_from(end.0).unwrap_or(i64::MAX));
            }
            let mut committed = Committed::of(partition);
            for (base, batch) in found {
                if committed.has(base, &batch) {
                    let place = place.clone();
                    fetched.push(Fetched { place, base, batch });
                }
            }
        }
    }
    from.extend(moved);
    Ok(fetched)
}

impl Writer<'_> {
    /// Writes records to one partition, as one batch; gives the first one's offset.
    ///
    /// # Errors
    /// The server's.
    pub async fn write(
        &mut self,
        partition: i32,
        records: &[NewRecord],
        now: Timestamp,
    ) -> Result<i64, ClientError> {
        let sequence = self.sequences.entry(partition).or_default();
        let producer = Producer {
            id: self.id,
            epoch: self.epoch,
            sequence: *sequence,
        };
        let mut batch = BatchBuilder::with_capacity(records.len() * 64).by(producer);
        for record in records {
            let headers = record.headers.iter().map(|(name, value)| Header {
                name: name.as_bytes(),
                value: Some(value.as_bytes()),
            });
            let headers: Vec<Header<'_>> = headers.collect();
            batch.push(now, record.key.as_deref(), Some(&record.value), &headers);
        }
        let request = ProduceRequestData {
            acks: ACKS_ALL,
            timeout_ms: TIMEOUT_MS,
            topic_data: vec![TopicProduceData {
                name: text(&self.topic),
                partition_data: vec![PartitionProduceData {
                    index: partition,
                    records: Some(batch.finish().bytes().clone()),
                    ..PartitionProduceData::default()
                }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequestData::default()
        };
        let answer = self.kafka.ask(&request).await?;
        let topics = answer.responses.iter();
        let done = topics.flat_map(|topic| &topic.partition_responses).next();
        let done = done.ok_or_else(|| incomplete("Produce"))?;
        check("Produce", done.error_code, done.error_message.as_ref())?;
        *sequence = next_sequence(*sequence, records.len());
        Ok(done.base_offset)
    }
}

/// Sequences go from 0 to the largest and begin again.
fn next_sequence(sequence: i32, records: usize) -> i32 {
    let next = (i64::from(sequence) + records as i64) % (i64::from(i32::MAX) + 1);
    next as i32
}

/// The whole batches of a fetch, with their base offsets. The last may be cut off, and is left out.
fn batches(mut records: Bytes) -> Result<Vec<(Offset, Batch)>, ClientError> {
    let mut batches = Vec::new();
    while let Some(length) = declared_length(&records).filter(|length| *length <= records.len()) {
        let bytes = records.split_to(length);
        let base = bytes.clone().get_u64();
        let batch = Batch::parse(bytes).map_err(|error| ClientError::Garbled {
            operation: "Fetch",
            source: serde::de::Error::custom(error),
        })?;
        batches.push((Offset(base), batch));
    }
    Ok(batches)
}

/// Which batches of a partition's are of transactions that were not aborted: what is told of it is the offset at which each
/// aborted one begins, and its end is its producer's next marker.
struct Committed {
    /// Producers by the offsets at which their aborted transactions begin, those to come last.
    begins: Vec<(i64, i64)>,
    aborting: BTreeSet<i64>,
}

impl Committed {
    fn of(partition: &PartitionData) -> Committed {
        let aborted = partition.aborted_transactions.iter().flatten();
        let mut begins: Vec<(i64, i64)> = aborted
            .map(|one| (one.first_offset, one.producer_id))
            .collect();
        begins.sort_unstable_by(|one, other| other.cmp(one));
        Committed {
            begins,
            aborting: BTreeSet::new(),
        }
    }

    /// To be asked of every batch in turn.
    fn has(&mut self, base: Offset, batch: &Batch) -> bool {
        let last = i64::try_from(base.0).unwrap_or(i64::MAX);
        let last = last.saturating_add(i64::from(batch.offsets()) - 1);
        while let Some((_, producer)) = self.begins.pop_if(|(first, _)| *first <= last) {
            self.aborting.insert(producer);
        }
        let Some(producer) = batch.producer() else {
            return true;
        };
        if batch.is_control() {
            self.aborting.remove(&producer.id);
            return false;
        }
        !(batch.is_transactional() && self.aborting.contains(&producer.id))
    }
}

#[cfg(test)]
mod tests {
    use kacrab_protocol::generated::fetch_response::{AbortedTransaction, FetchableTopicResponse};

    use super::*;

    fn batch(producer: i64, is_transactional: bool) -> Batch {
        let by = Producer {
            id: producer,
            epoch: 0,
            sequence: 0,
        };
        let mut builder = BatchBuilder::with_capacity(10).by(by);
        if is_transactional {
            builder = builder.transactional();
        }
        builder.push(Timestamp(0), None, Some(b"x"), &[]);
        builder.finish()
    }

    fn marker(producer: i64) -> Batch {
        let by = Producer {
            id: producer,
            epoch: 0,
            sequence: -1,
        };
        let mut builder = BatchBuilder::with_capacity(10).by(by).control();
        builder.push(Timestamp(0), Some(b"abcd"), Some(b"x"), &[]);
        builder.finish()
    }

    #[test]
    fn aborted_transactions_and_markers_are_left_out() {
        let aborted = |producer_id, first_offset| AbortedTransaction {
            producer_id,
            first_offset,
            ..AbortedTransaction::default()
        };
        let partition = PartitionData {
            aborted_transactions: Some(vec![aborted(7, 1), aborted(7, 6)]),
            ..PartitionData::default()
        };
        let mut committed = Committed::of(&partition);
        let log = [
            (batch(7, false), true),
            (batch(7, true), false),
            (batch(8, true), true),
            (marker(7), false),
            (batch(7, true), true),
            (marker(7), false),
            (batch(7, true), false),
        ];
        for (offset, (batch, expected)) in log.iter().enumerate() {
            let has = committed.has(Offset(offset as u64), batch);
            assert_eq!(has, *expected, "offset {offset}");
        }
    }

    #[test]
    fn a_partition_that_is_refused_leaves_all_where_they_were() {
        let place = |partition| Place {
            topic: "t".to_owned(),
            partition,
        };
        let answer = |code| FetchResponseData {
            responses: vec![FetchableTopicResponse {
                topic: text("t"),
                partitions: vec![
                    PartitionData {
                        records: Some(batch(1, false).bytes().clone()),
                        ..PartitionData::default()
                    },
                    PartitionData {
                        partition_index: 1,
                        error_code: code,
                        ..PartitionData::default()
                    },
                ],
                ..FetchableTopicResponse::default()
            }],
            ..FetchResponseData::default()
        };
        let begin = BTreeMap::from([(place(0), 0), (place(1), 7)]);
        let mut from = begin.clone();
        let refused = taken(&answer(1), &mut from).unwrap_err();
        assert_eq!(refused.code(), Some("OFFSET_OUT_OF_RANGE"));
        assert_eq!(from, begin);
        assert_eq!(taken(&answer(0), &mut from).unwrap().len(), 1);
        assert_eq!(from, BTreeMap::from([(place(0), 1), (place(1), 7)]));
    }

    #[test]
    fn a_batch_that_is_cut_off_is_left_out() {
        let whole = batch(1, false).bytes().clone();
        let mut bytes = whole.to_vec();
        bytes.extend_from_slice(&whole[..whole.len() - 1]);
        let found = batches(bytes.into()).unwrap();
        assert_eq!(found.len(), 1);
        let mut damaged = whole.to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(batches(damaged.into()).is_err());
    }

    #[test]
    fn sequences_begin_again_after_the_largest() {
        assert_eq!(next_sequence(0, 3), 3);
        assert_eq!(next_sequence(i32::MAX, 1), 0);
        assert_eq!(next_sequence(i32::MAX - 1, 3), 1);
    }
}

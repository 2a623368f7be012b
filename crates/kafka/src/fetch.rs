//! Fetch 4–18 (KIP-98, KIP-227, KIP-320, KIP-392, KIP-516): records as they lie, from many partitions at once, waiting for
//! more where there are too few.
//!
//! Up to `max_bytes` are gathered in the order of the partitions, which a session turns so that none is last for ever; the
//! first batch of the first partition that has any is given whatever its size, so that a consumer never stands still.

pub(crate) mod answer;
pub(crate) mod session;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use model::Offset;
use store::{Bounds, StoredBatch};
use streams::ReadBatch;
use tokio::time::Instant;

pub(crate) use answer::Fetched;
pub(crate) use session::Sessions;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::list_offsets::last_stable;
use crate::partition::{Isolation, check_leader_epoch, offset_within, wire_offset};
use crate::quotas::CONSUMER;
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::{ErrorCode, FetchRequestData, KafkaUuid};

use answer::{PartitionAnswer, TopicAnswer};
use session::{Asked, Place, Plan};

/// Longest that records are waited for.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Most bytes of one answer, whatever is asked: Kafka's `fetch.max.bytes`.
const ANSWER_BYTES_MAX: usize = 55 << 20;

pub(crate) async fn fetch(call: Call, request: FetchRequestData) -> Reply<Fetched> {
    let plan =
        match call
            .broker
            .fetch_sessions
            .plan(&request, call.version, call.broker.clock.now())
        {
            Ok(plan) => plan,
            Err(code) => return Fetched::refused(code).into(),
        };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let reading = Reading {
        isolation: Isolation::of(request.isolation_level),
        bytes_max: usize::try_from(request.max_bytes)
            .unwrap_or(0)
            .min(ANSWER_BYTES_MAX),
        bytes_min: usize::try_from(request.min_bytes).unwrap_or(0),
        until: Instant::now() + wait.min(WAIT_MAX),
        call,
    };
    Reply::later(reading.run(plan))
}

/// A fetch under way.
struct Reading {
    call: Call,
    isolation: Isolation,
    bytes_max: usize,
    bytes_min: usize,
    until: Instant,
}

/// A topic that was looked up, or why it is not read.
type Looked = Result<Arc<Topic>, Refusal>;

/// What was found in one partition.
pub(crate) struct Found {
    pub(crate) place: Place,
    pub(crate) outcome: Result<Read, Refusal>,
    /// The topic's name, where it was found.
    pub(crate) topic: Option<Arc<Topic>>,
}

/// What was read of one partition.
pub(crate) struct Read {
    pub(crate) bounds: Bounds,
    pub(crate) last_stable: Offset,
    pub(crate) batches: Vec<StoredBatch>,
    pub(crate) bytes: usize,
    /// Whether more is there that had no room.
    pub(crate) is_cut: bool,
}

impl Reading {
    async fn run(self, mut plan: Plan) -> Fetched {
        loop {
            let found = self.gather(&plan).await;
            let bytes: usize = found.iter().map(Found::bytes).sum();
            // With more there than has room, waiting brings nothing.
            let is_cut = bytes > 0 && found.iter().any(Found::is_cut);
            let is_refused = found.iter().any(|one| one.outcome.is_err());
            let is_enough = bytes >= self.bytes_min || is_cut || is_refused;
            if is_enough || plan.asked.is_empty() || Instant::now() >= self.until {
                return self.answer(&mut plan, found);
            }
            // With less than was asked for there already, only growth beyond what was seen is news.
            let streams = &self.call.broker.streams;
            wait::for_growth(streams, &found, self.isolation, self.until).await;
        }
    }

    async fn gather(&self, plan: &Plan) -> Vec<Found> {
        let mut gathered = Vec::with_capacity(plan.asked.len());
        let mut bytes_left = self.bytes_max;
        let mut is_first = true;
        let mut last: Option<(&Place, Looked)> = None;
        for (place, asked) in &plan.asked {
            let topic = match &last {
                Some((known, topic)) if known.is_of_topic(place) => topic.clone(),
                _ => {
                    let topic = self.find(place).await;
                    last = Some((place, topic.clone()));
                    topic
                }
            };
            let outcome = match &topic {
                Ok(topic) => self.read(topic, place, asked, bytes_left, is_first).await,
                Err(refusal) => Err(refusal.clone()),
            };
            if let Ok(read) = &outcome {
                bytes_left = bytes_left.saturating_sub(read.bytes);
                is_first &= read.batches.is_empty();
            }
            gathered.push(Found {
                place: place.clone(),
                outcome,
                topic: topic.ok(),
            });
        }
        gathered
    }

    async fn find(&self, place: &Place) -> Result<Arc<Topic>, Refusal> {
        let topic = self
            .call
            .broker
            .topic_by(place.topic_id, &place.topic)
            .await;
        // Who asks by an id that is none any more is to look for another, and has no name to be judged by.
        if topic.is_err() && place.topic_id != KafkaUuid::ZERO {
            return topic;
        }
        let name = topic.as_ref().map_or(&*place.topic, |topic| topic.name());
        if !self.call.may(Operation::Read, Resource::Topic(name)) {
            return Err(ErrorCode::TopicAuthorizationFailed.into());
        }
        topic
    }

    async fn read(
        &self,
        topic: &Topic,
        place: &Place,
        asked: &Asked,
        bytes_left: usize,
        is_first: bool,
    ) -> Result<Read, Refusal> {
        check_leader_epoch(asked.leader_epoch)?;
        let shard = topic.partition(place.partition)?.index;
        let streams = &self.call.broker.streams;
        let bounds = streams.bounds(&topic.stream, shard).await?;
        let from = offset_within(asked.offset, bounds)?;
        let log = topic.stream.log(shard);
        let last_stable = last_stable(&self.call, log, bounds);
        let until = match self.isolation {
            Isolation::Uncommitted => bounds.end,
            Isolation::Committed => last_stable,
        };
        let mut read = Read {
            bounds,
            last_stable,
            batches: Vec::new(),
            bytes: 0,
            is_cut: from < until,
        };
        let wanted = bytes_left.min(asked.bytes_max);
        if from >= until || (wanted == 0 && !is_first) {
            return Ok(read);
        }
        let batches = streams
            .read(&topic.stream, shard, from, wanted.max(1))
            .await?;
        read.batches.reserve_exact(batches.len());
        for ReadBatch { stored, .. } in batches {
            let bytes = stored.batch.bytes().len();
            let fits = read.bytes + bytes <= wanted || (is_first && read.batches.is_empty());
            if stored.base_offset >= until || !fits {
                break;
            }
            read.bytes += bytes;
            read.batches.push(stored);
        }
        read.is_cut = read.batches.last().is_none_or(|last| last.end() < until);
        Ok(read)
    }

    fn answer(&self, plan: &mut Plan, found: Vec<Found>) -> Fetched {
        let sessions = &self.call.broker.fetch_sessions;
        let mut topics: Vec<TopicAnswer> = Vec::new();
        let mut last_with_records = None;
        let bytes = found.iter().map(Found::bytes).sum();
        for (at, one) in found.into_iter().enumerate() {
            if one.bytes() > 0 {
                last_with_records = Some(at);
            }
            let Found {
                place,
                outcome,
                topic,
            } = one;
            let partition = self.partition_answer(place.partition, outcome, topic.as_deref());
            if plan.is_incremental && !plan.is_news(&place, &partition) {
                continue;
            }
            plan.note(&place, &partition);
            match topics.last_mut() {
                Some(topic) if topic.is(&place) => topic.partitions.push(partition),
                _ => topics.push(TopicAnswer {
                    name: place.topic,
                    id: place.topic_id,
                    partitions: vec![partition],
                }),
            }
        }
        let session_id = sessions.settle(plan, last_with_records);
        Fetched {
            throttle_ms: self.call.take(CONSUMER, bytes),
            error_code: 0,
            session_id,
            topics,
        }
    }

    fn partition_answer(
        &self,
        index: i32,
        outcome: Result<Read, Refusal>,
        topic: Option<&Topic>,
    ) -> PartitionAnswer {
        if let Some(topic) = topic {
            topic.counters.fetched(outcome.is_err());
            let bytes = outcome.as_ref().map_or(0, |read| read.bytes);
            topic.counters.gave(bytes);
        }
        let read = match outcome {
            Ok(read) => read,
            Err(refusal) => return PartitionAnswer::refused(index, &refusal),
        };
        let aborted = match (self.isolation, read.batches.last(), topic) {
            (Isolation::Committed, Some(last), Some(topic)) => {
                let first = read
                    .batches
                    .first()
                    .map_or(last.base_offset, |batch| batch.base_offset);
                let log = topic.log(index);
                log.map(|log| {
                    self.call
                        .broker
                        .transactions
                        .aborted(log, first, last.end())
                })
                .unwrap_or_default()
            }
            _ => Vec::new(),
        };
        PartitionAnswer {
            index,
            error_code: 0,
            high_watermark: wire_offset(read.bounds.end),
            last_stable: wire_offset(read.last_stable),
            log_start: wire_offset(read.bounds.start),
            aborted: (self.isolation == Isolation::Committed).then_some(aborted),
            batches: read.batches,
        }
    }
}

impl Found {
    /// Whether there was more to read.
    fn is_cut(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|read| read.is_cut)
    }

    fn bytes(&self) -> usize {
        self.outcome.as_ref().map_or(0, |read| read.bytes)
    }
}

#[cfg(test)]
mod tests;

//! ShareFetch 1–2 (KIP-932, KIP-1206, KIP-1222): records for a member of a share group, locked for it for a while, and what it
//! says of those it was given before.
//!
//! Batches are given as they lie, whole and compressed; which of their records the member has got stands beside them. Never
//! more records are locked than were asked for, in either mode of acquiring them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use model::Offset;
use store::{StoreError, StoredBatch};
use streams::delivery::Receipt;
use tokio::time::Instant;

use crate::access::{Operation, Resource};
use crate::broker::LEADER_EPOCH;
use crate::connection::Reply;
use crate::error::Refusal;
use crate::partition::wire_offset;
use crate::session::Call;
use crate::share::Shared;
use crate::share::session::{Change, FINAL, FIRST, Place, Who};
use crate::share::together::together;
use crate::share_acknowledge::{Acknowledged, Asked, check, settle};
use crate::topics::Topic;
use crate::wire::share_fetch_response::{
    AcquiredRecords, LeaderIdAndEpoch, PartitionData, ShareFetchableTopicResponse,
};
use crate::wire::{ErrorCode, KafkaUuid, ShareFetchRequestData, ShareFetchResponseData, text};

/// Longest that records are waited for.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Most bytes and records of one answer, whatever is asked.
const ANSWER_BYTES_MAX: usize = 55 << 20;
const ANSWER_RECORDS_MAX: usize = 10_000;
/// Looks at a partition that has records to be given up, at most.
const LOOKS_MAX: usize = 8;

pub(crate) async fn share_fetch(
    call: Call,
    request: ShareFetchRequestData,
) -> Reply<ShareFetchResponseData> {
    match begin(&call, &request) {
        Ok(fetching) => Reply::later(fetching.run(call)),
        Err(refusal) => ShareFetchResponseData {
            error_code: refusal.number(),
            error_message: refusal.message.as_deref().map(text),
            ..ShareFetchResponseData::default()
        }
        .into(),
    }
}

/// A fetch under way.
struct Fetching {
    who: Who,
    places: Vec<Place>,
    acknowledging: Vec<Asked>,
    may_renew: bool,
    is_final: bool,
    bytes_max: usize,
    records_max: usize,
    until: Instant,
}

/// What was got of one partition.
struct Got {
    place: Place,
    outcome: Result<Option<Acquired>, Refusal>,
}

/// What was read for some offsets.
struct Read {
    batches: Vec<StoredBatch>,
    /// Those that are in no batch any more: expired, or compacted away.
    gone: Vec<Offset>,
}

/// Records that a member has now, and the batches they are in.
struct Acquired {
    receipts: Vec<Receipt>,
    batches: Vec<StoredBatch>,
}

fn begin(call: &Call, request: &ShareFetchRequestData) -> Result<Fetching, Refusal> {
    let who = check(call, request.group_id.as_ref(), request.member_id.as_ref())?;
    let mut change = Change::default();
    let mut acknowledging = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let place = (topic.topic_id, partition.partition_index);
            change.added.push(place);
            let ranges = partition.acknowledgement_batches.iter();
            let ranges = ranges.map(|one| {
                (
                    one.first_offset,
                    one.last_offset,
                    one.acknowledge_types.clone(),
                )
            });
            acknowledging.extend(Asked::of(place, ranges.collect()));
        }
    }
    for topic in &request.forgotten_topics_data {
        let places = topic.partitions.iter();
        let places = places.map(|partition| (topic.topic_id, *partition));
        change.forgotten.extend(places);
    }
    let epoch = request.share_session_epoch;
    if epoch == FIRST && !acknowledging.is_empty() {
        let why = "The first request of a share session must not acknowledge records.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    let shares = &call.broker.shares;
    shares.sweep();
    if epoch == FIRST {
        // What the member had by a session before is not its any more.
        shares.release(&who);
    }
    let places = shares.sessions.fetch(&who, epoch, change, &call.session)?;
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    Ok(Fetching {
        who,
        places,
        acknowledging,
        may_renew: request.is_renew_ack,
        is_final: epoch == FINAL,
        bytes_max: count(request.max_bytes).min(ANSWER_BYTES_MAX),
        records_max: count(request.max_records).min(ANSWER_RECORDS_MAX),
        until: Instant::now() + wait.min(WAIT_MAX),
    })
}

impl Fetching {
    async fn run(self, call: Call) -> ShareFetchResponseData {
        let acknowledged = settle(&call, &self.who, &self.acknowledging, self.may_renew).await;
        let lock = call.broker.share_lock(&self.who.0);
        let mut got = Vec::new();
        if self.is_final {
            call.broker.shares.sessions.end(&self.who);
            call.broker.shares.release(&self.who);
        } else if self.records_max > 0 && self.bytes_max > 0 {
            got = self.gather(&call, lock).await;
        }
        let mut response = response(acknowledged, got);
        response.acquisition_lock_timeout_ms = i32::try_from(lock.as_millis()).unwrap_or(i32::MAX);
        response
    }

    async fn gather(&self, call: &Call, lock: Duration) -> Vec<Got> {
        loop {
            let mut got = Vec::new();
            let mut waiting = Vec::new();
            let (mut records_left, mut bytes_left) = (self.records_max, self.bytes_max);
            let mut is_first = true;
            for &place in &self.places {
                if records_left == 0 || bytes_left == 0 {
                    break;
                }
                let outcome = match self.open(call, place).await {
                    Ok((topic, shard, shared)) => {
                        let acquiring = Acquiring {
                            call,
                            member: &self.who.1,
                            topic: &topic,
                            shard,
                            shared: &shared,
                            lock,
                        };
                        let acquired = acquiring.acquire(records_left, bytes_left, is_first).await;
                        if let Ok(Some(acquired)) = &acquired {
                            topic.counters.gave(acquired.bytes());
                        }
                        waiting.push(shared);
                        acquired
                    }
                    Err(refusal) => Err(refusal),
                };
                if let Ok(Some(acquired)) = &outcome {
                    is_first = false;
                    records_left = records_left.saturating_sub(acquired.receipts.len());
                    bytes_left = bytes_left.saturating_sub(acquired.bytes());
                }
                if !matches!(outcome, Ok(None)) {
                    got.push(Got { place, outcome });
                }
            }
            if !got.is_empty() || Instant::now() >= self.until {
                return got;
            }
            wait(&waiting, self.until).await;
        }
    }

    async fn open(
        &self,
        call: &Call,
        place: Place,
    ) -> Result<(Arc<Topic>, u32, Arc<Shared>), Refusal> {
        let (group, _) = &self.who;
        open(call, group, place).await
    }
}

/// A partition of a share session.
///
/// # Errors
/// That there is none, or that the caller may not read it.
pub(crate) async fn open(
    call: &Call,
    group: &str,
    (topic_id, partition): Place,
) -> Result<(Arc<Topic>, u32, Arc<Shared>), Refusal> {
    let topic = call.broker.topic_by_id(topic_id).await?;
    if !call.may(Operation::Read, Resource::Topic(topic.name())) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    let shard = topic.partition(partition)?.index;
    // Deleted since the request came, it must not begin anew.
    if !call.broker.groups.is_share(group) {
        return Err(ErrorCode::GroupIdNotFound.into());
    }
    let shared = call.broker.shared(group, &topic, shard).await?;
    Ok((topic, shard, shared))
}

/// Completes when one of them may have something, at `until` at the latest.
async fn wait(partitions: &[Arc<Shared>], until: Instant) {
    let mut ready: FuturesUnordered<_> = partitions
        .iter()
        .map(|shared| shared.queue.ready())
        .collect();
    let any = async {
        if ready.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout_at(until, any).await;
}

/// Records of one partition being acquired for a member.
struct Acquiring<'a> {
    call: &'a Call,
    member: &'a str,
    topic: &'a Topic,
    shard: u32,
    shared: &'a Shared,
    lock: Duration,
}

impl Acquiring<'_> {
    /// Up to so many records; `None` where there are none now. Batches beyond `bytes_left` are not given, but one if it
    /// `is_first`.
    async fn acquire(
        &self,
        records_left: usize,
        bytes_left: usize,
        is_first: bool,
    ) -> Result<Option<Acquired>, Refusal> {
        let queue = &self.shared.queue;
        for _ in 0..LOOKS_MAX {
            let claim = queue.claim(records_left, self.lock).await?;
            let mut over: Vec<Offset> = claim.dead().collect();
            let attempts_max = queue.policy().max_receives.unwrap_or(u32::MAX);
            let live = together(claim.live().collect(), attempts_max);
            let offsets: Vec<Offset> = live.iter().map(|receipt| receipt.offset).collect();
            let Read { batches, gone } = self.read(&offsets, bytes_left, is_first).await?;
            over.extend(gone);
            // Not an answer by itself: the others would count as delivered and reach nobody.
            let given_up = self.shared.give_up(&over).await;
            let refused = given_up.err().map(Refusal::from);
            let is_read = |offset: Offset| {
                let is_chosen = offsets.binary_search(&offset).is_ok();
                is_chosen && batches.iter().any(|batch| holds(batch, offset))
            };
            let receipts = claim.keep(is_read);
            self.shared.give(self.member, &receipts);
            queue.pass_on();
            if !receipts.is_empty() {
                return Ok(Some(Acquired { receipts, batches }));
            }
            if let Some(refused) = refused {
                return Err(refused);
            }
            if over.is_empty() {
                break;
            }
        }
        Ok(None)
    }

    /// The batches that hold these offsets, which are in order.
    async fn read(
        &self,
        offsets: &[Offset],
        bytes_max: usize,
        is_first: bool,
    ) -> Result<Read, Refusal> {
        let mut gone = Vec::new();
        let mut batches: Vec<StoredBatch> = Vec::new();
        let mut ahead = std::collections::VecDeque::new();
        let mut bytes = 0;
        for &offset in offsets {
            if batches.last().is_some_and(|last| holds(last, offset)) {
                continue;
            }
            while ahead
                .front()
                .is_some_and(|batch: &StoredBatch| batch.end() <= offset)
            {
                ahead.pop_front();
            }
            if !ahead.front().is_some_and(|batch| holds(batch, offset)) {
                let streams = &self.call.broker.streams;
                let wanted = bytes_max.saturating_sub(bytes).max(1);
                let read = streams.read(&self.topic.stream, self.shard, offset, wanted);
                ahead = match read.await {
                    Ok(read) => read.into_iter().map(|batch| batch.stored).collect(),
                    // Expired since it was claimed.
                    Err(StoreError::OffsetOutOfRange { .. }) => {
                        gone.push(offset);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                };
            }
            let Some(batch) = ahead.pop_front_if(|batch| holds(batch, offset)) else {
                gone.push(offset);
                continue;
            };
            let length = batch.batch.bytes().len();
            if bytes + length > bytes_max && !(is_first && batches.is_empty()) {
                break;
            }
            bytes += length;
            batches.push(batch);
        }
        Ok(Read { batches, gone })
    }
}

fn holds(batch: &StoredBatch, offset: Offset) -> bool {
    (batch.base_offset..batch.end()).contains(&offset)
}

impl Acquired {
    fn bytes(&self) -> usize {
        let batches = self.batches.iter();
        batches.map(|batch| batch.batch.bytes().len()).sum()
    }

    fn records(&self) -> Bytes {
        let mut records = BytesMut::with_capacity(self.bytes());
        for batch in &self.batches {
            records.extend_from_slice(&batch.placed_bytes(LEADER_EPOCH));
        }
        records.freeze()
    }

    /// What the member has, in ranges of one number of deliveries each.
    fn ranges(&self) -> Vec<AcquiredRecords> {
        let mut receipts = self.receipts.clone();
        receipts.sort_unstable_by_key(|receipt| receipt.offset);
        let mut ranges: Vec<AcquiredRecords> = Vec::new();
        for receipt in receipts {
            let offset = wire_offset(receipt.offset);
            let count = i16::try_from(receipt.receives).unwrap_or(i16::MAX);
            match ranges.last_mut() {
                Some(last) if last.last_offset + 1 == offset && last.delivery_count == count => {
                    last.last_offset = offset;
                }
                _ => ranges.push(AcquiredRecords {
                    first_offset: offset,
                    last_offset: offset,
                    delivery_count: count,
                    ..AcquiredRecords::default()
                }),
            }
        }
        ranges
    }
}

/// Partitions that there is something to say of.
fn response(acknowledged: Vec<Acknowledged>, got: Vec<Got>) -> ShareFetchResponseData {
    let mut parts: Vec<(Place, PartitionData)> = Vec::new();
    for one in got {
        let mut part = blank(one.place);
        match one.outcome {
            Ok(acquired) => {
                if let Some(acquired) = acquired {
                    part.records = Some(acquired.records());
                    part.acquired_records = acquired.ranges();
                }
            }
            Err(refusal) => {
                part.error_code = told(refusal.code).code();
                part.error_message = refusal.message.as_deref().map(text);
            }
        }
        parts.push((one.place, part));
    }
    let known = parts.iter().enumerate();
    let mut at_of: HashMap<Place, usize> = known.map(|(at, (place, _))| (*place, at)).collect();
    for one in acknowledged {
        let at = *at_of.entry(one.place).or_insert_with(|| {
            parts.push((one.place, blank(one.place)));
            parts.len() - 1
        });
        if let (Some((_, part)), Err(refusal)) = (parts.get_mut(at), one.outcome) {
            part.acknowledge_error_code = refusal.number();
            part.acknowledge_error_message = refusal.message.as_deref().map(text);
        }
    }
    let mut response = ShareFetchResponseData::default();
    let mut at_of: HashMap<KafkaUuid, usize> = HashMap::new();
    for ((topic_id, _), part) in parts {
        let at = *at_of.entry(topic_id).or_insert(response.responses.len());
        match response.responses.get_mut(at) {
            Some(topic) => topic.partitions.push(part),
            None => response.responses.push(ShareFetchableTopicResponse {
                topic_id,
                partitions: vec![part],
                ..ShareFetchableTopicResponse::default()
            }),
        }
    }
    response
}

/// The code of a partition that is not read. Java's share consumer throws IllegalStateException out of poll() at one that its
/// `ShareFetchCollector` does not list.
fn told(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::NotLeaderOrFollower
        | ErrorCode::ReplicaNotAvailable
        | ErrorCode::KafkaStorageError
        | ErrorCode::FencedLeaderEpoch
        | ErrorCode::OffsetNotAvailable
        | ErrorCode::UnknownTopicOrPartition
        | ErrorCode::UnknownTopicId
        | ErrorCode::InconsistentTopicId
        | ErrorCode::TopicAuthorizationFailed
        | ErrorCode::UnknownLeaderEpoch
        | ErrorCode::UnknownServerError
        | ErrorCode::CorruptMessage => code,
        // What passes.
        ErrorCode::CoordinatorNotAvailable | ErrorCode::RequestTimedOut => {
            ErrorCode::KafkaStorageError
        }
        _ => ErrorCode::UnknownServerError,
    }
}

fn blank((_, partition_index): Place) -> PartitionData {
    PartitionData {
        partition_index,
        current_leader: LeaderIdAndEpoch {
            leader_id: -1,
            leader_epoch: -1,
            ..LeaderIdAndEpoch::default()
        },
        records: Some(Bytes::new()),
        ..PartitionData::default()
    }
}

#[cfg(test)]
mod tests;

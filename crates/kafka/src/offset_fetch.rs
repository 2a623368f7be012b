//! OffsetFetch 1–10 (KIP-88, KIP-447, KIP-709, KIP-848): how far groups have read, of some partitions or of all.
//!
//! Of a partition that a reshard has made, a group that read what it was made of is told the start: see `lineage.rs`.

mod lineage;

use std::collections::BTreeMap;
use std::sync::Arc;

use store::{Document, Scan};

use self::lineage::Lineage;
use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::offsets::{self, CommittedOffset};
use crate::session::Call;
use crate::topics::Topic;
use crate::wire::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::wire::{
    ErrorCode, KafkaString, KafkaUuid, OffsetFetchRequestData, OffsetFetchRequestGroup,
    OffsetFetchRequestTopics, OffsetFetchResponseData, text,
};

/// Where nothing was committed.
const NOTHING: i64 = -1;
/// From this version on, many groups are asked for at once.
const BATCHES_FROM: i16 = 8;

pub(crate) async fn offset_fetch(
    call: Call,
    request: OffsetFetchRequestData,
) -> Reply<OffsetFetchResponseData> {
    let is_stable_wanted = request.require_stable;
    Reply::later(async move {
        if call.version < BATCHES_FROM {
            let found = fetch(&call, &single(&request), is_stable_wanted).await;
            return flattened(found, &call);
        }
        let mut groups = Vec::with_capacity(request.groups.len());
        for asked in &request.groups {
            groups.push(fetch(&call, asked, is_stable_wanted).await);
        }
        OffsetFetchResponseData {
            groups,
            ..OffsetFetchResponseData::default()
        }
    })
}

/// A request for one group as one of many.
fn single(request: &OffsetFetchRequestData) -> OffsetFetchRequestGroup {
    let topics = request.topics.as_ref().map(|topics| {
        let named = topics.iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name.clone(),
            partition_indexes: topic.partition_indexes.clone(),
            ..OffsetFetchRequestTopics::default()
        });
        named.collect()
    });
    OffsetFetchRequestGroup {
        group_id: request.group_id.clone(),
        member_epoch: -1,
        topics,
        ..OffsetFetchRequestGroup::default()
    }
}

/// The answer for one group, as versions that ask for one have it.
fn flattened(found: OffsetFetchResponseGroup, call: &Call) -> OffsetFetchResponseData {
    let flat = |one: OffsetFetchResponsePartitions| OffsetFetchResponsePartition {
        partition_index: one.partition_index,
        committed_offset: one.committed_offset,
        committed_leader_epoch: one.committed_leader_epoch,
        metadata: one.metadata,
        error_code: one.error_code,
        ..OffsetFetchResponsePartition::default()
    };
    let topics = found.topics.into_iter();
    OffsetFetchResponseData {
        error_code: if call.version >= 2 {
            found.error_code
        } else {
            0
        },
        topics: topics
            .map(|topic| OffsetFetchResponseTopic {
                name: topic.name,
                partitions: topic.partitions.into_iter().map(flat).collect(),
                ..OffsetFetchResponseTopic::default()
            })
            .collect(),
        ..OffsetFetchResponseData::default()
    }
}

async fn fetch(
    call: &Call,
    asked: &OffsetFetchRequestGroup,
    is_stable_wanted: bool,
) -> OffsetFetchResponseGroup {
    let group = asked.group_id.as_str();
    let found = match admit(call, asked) {
        Err(code) => Err(code.into()),
        Ok(()) => match &asked.topics {
            None => everything(call, group, is_stable_wanted).await,
            Some(topics) => {
                let mut found = Vec::with_capacity(topics.len());
                for topic in topics {
                    found.push(of_topic(call, group, topic, is_stable_wanted).await);
                }
                Ok(found)
            }
        },
    };
    let mut answer = OffsetFetchResponseGroup {
        group_id: asked.group_id.clone(),
        ..OffsetFetchResponseGroup::default()
    };
    match found {
        Ok(topics) => answer.topics = topics,
        Err(refusal) => {
            answer.error_code = refusal.number();
            // The first versions have no place for it but each partition.
            let topics = asked.topics.iter().flatten();
            answer.topics = topics.map(|topic| refused(topic, refusal.code)).collect();
        }
    }
    answer
}

fn admit(call: &Call, asked: &OffsetFetchRequestGroup) -> Result<(), ErrorCode> {
    let group = asked.group_id.as_str();
    if !call.may(Operation::Describe, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    let member = asked.member_id.as_ref().map(KafkaString::as_str);
    call.broker
        .groups
        .may_fetch_offsets(group, member, asked.member_epoch)
}

/// All that a group has committed.
async fn everything(
    call: &Call,
    group: &str,
    is_stable_wanted: bool,
) -> Result<Vec<OffsetFetchResponseTopics>, Refusal> {
    let store = call.broker.streams.store();
    let mut topics: BTreeMap<String, OffsetFetchResponseTopics> = BTreeMap::new();
    let mut known: Option<Arc<Topic>> = None;
    for (key, document) in store.scan(Scan::below(&offsets::folder(group))).await? {
        let committed: CommittedOffset = document.decode()?;
        let Some((stream, partition)) = offsets::place(&key) else {
            continue;
        };
        let is_known = |topic: &Arc<Topic>| topic.stream.settings.id == stream;
        if !known.as_ref().is_some_and(is_known) {
            known = call.broker.topic(&committed.topic).await.ok();
        }
        // Of a topic that is no more, or is another of that name.
        let Some(topic) = known.as_ref().filter(|topic| is_known(topic)) else {
            continue;
        };
        if !call.may(Operation::Describe, Resource::Topic(topic.name())) {
            continue;
        }
        let index = i32::try_from(partition).unwrap_or(i32::MAX);
        let answer = match is_unstable(call, group, topic, index, is_stable_wanted) {
            true => Err(ErrorCode::UnstableOffsetCommit),
            false => Ok(Some(committed)),
        };
        let place = topics.entry(topic.name().to_owned());
        let place = place.or_insert_with(|| OffsetFetchResponseTopics {
            name: text(topic.name()),
            topic_id: topic.id,
            ..OffsetFetchResponseTopics::default()
        });
        place.partitions.push(partition_answer(index, answer));
    }
    Ok(topics.into_values().collect())
}

async fn of_topic(
    call: &Call,
    group: &str,
    asked: &OffsetFetchRequestTopics,
    is_stable_wanted: bool,
) -> OffsetFetchResponseTopics {
    let topic = match find(call, asked).await {
        Ok(topic) => topic,
        Err(refusal) => return refused(asked, refusal.code),
    };
    let mut lineage = topic
        .as_deref()
        .map(|topic| Lineage::new(call, group, topic, is_stable_wanted));
    let mut partitions = Vec::with_capacity(asked.partition_indexes.len());
    for &index in &asked.partition_indexes {
        let found = match &mut lineage {
            Some(lineage) => committed_or_start(lineage, index).await,
            None => Ok(None),
        };
        partitions.push(partition_answer(index, found));
    }
    OffsetFetchResponseTopics {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions,
        ..OffsetFetchResponseTopics::default()
    }
}

/// The topic asked for. One that is not there has nothing committed, if asked for by name.
async fn find(
    call: &Call,
    asked: &OffsetFetchRequestTopics,
) -> Result<Option<Arc<Topic>>, Refusal> {
    let is_named = asked.topic_id == KafkaUuid::ZERO;
    let topic = if is_named {
        let name = asked.name.as_str();
        if !call.may(Operation::Describe, Resource::Topic(name)) {
            return Err(ErrorCode::TopicAuthorizationFailed.into());
        }
        call.broker.topic(name).await
    } else {
        call.broker.topic_by_id(asked.topic_id).await
    };
    match topic {
        Ok(topic) if call.may(Operation::Describe, Resource::Topic(topic.name())) => {
            Ok(Some(topic))
        }
        Ok(_) => Err(ErrorCode::TopicAuthorizationFailed.into()),
        Err(refusal) if is_named && refusal.code == ErrorCode::UnknownTopicOrPartition => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

async fn committed(
    call: &Call,
    group: &str,
    topic: &Topic,
    index: i32,
    is_stable_wanted: bool,
) -> Result<Option<CommittedOffset>, ErrorCode> {
    if is_unstable(call, group, topic, index, is_stable_wanted) {
        return Err(ErrorCode::UnstableOffsetCommit);
    }
    let Ok(partition) = u32::try_from(index) else {
        return Ok(None);
    };
    let key = offsets::key(group, topic.stream.settings.id, partition);
    let found = call.broker.streams.store().get(&key).await;
    let found = found.and_then(|found| found.as_ref().map(Document::decode).transpose());
    found.map_err(|error| told(&error.into()))
}

async fn committed_or_start(
    lineage: &mut Lineage<'_>,
    index: i32,
) -> Result<Option<CommittedOffset>, ErrorCode> {
    let Lineage {
        call, group, topic, ..
    } = *lineage;
    let found = committed(call, group, topic, index, lineage.is_stable_wanted).await?;
    let (None, Ok(partition)) = (&found, u32::try_from(index)) else {
        return Ok(found);
    };
    lineage
        .start(partition)
        .await
        .map_err(|refusal| told(&refusal))
}

/// As clients that ask for offsets understand it.
fn told(refusal: &Refusal) -> ErrorCode {
    match refusal.code {
        ErrorCode::KafkaStorageError => ErrorCode::CoordinatorNotAvailable,
        other => other,
    }
}

/// Whether a transaction is about to change what somebody wants to be certain of.
fn is_unstable(
    call: &Call,
    group: &str,
    topic: &Topic,
    index: i32,
    is_stable_wanted: bool,
) -> bool {
    let log = topic.log(index);
    is_stable_wanted && log.is_ok_and(|log| call.broker.transactions.has_pending_offset(group, log))
}

fn partition_answer(
    partition_index: i32,
    found: Result<Option<CommittedOffset>, ErrorCode>,
) -> OffsetFetchResponsePartitions {
    let mut answer = OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: NOTHING,
        committed_leader_epoch: -1,
        metadata: Some(text("")),
        ..OffsetFetchResponsePartitions::default()
    };
    match found {
        Ok(Some(committed)) => {
            answer.committed_offset = committed.offset;
            answer.committed_leader_epoch = committed.leader_epoch;
            answer.metadata = Some(text(&committed.metadata));
        }
        Ok(None) => {}
        Err(code) => answer.error_code = code.code(),
    }
    answer
}

fn refused(asked: &OffsetFetchRequestTopics, code: ErrorCode) -> OffsetFetchResponseTopics {
    let indexes = asked.partition_indexes.iter();
    OffsetFetchResponseTopics {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions: indexes
            .map(|&index| partition_answer(index, Err(code)))
            .collect(),
        ..OffsetFetchResponseTopics::default()
    }
}

#[cfg(test)]
mod tests;

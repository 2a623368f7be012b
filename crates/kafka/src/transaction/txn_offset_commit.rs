//! TxnOffsetCommit 0–5 (KIP-98, KIP-447, KIP-890): offsets of a group that are committed if the transaction is.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::group::retention;
use crate::offsets::CommittedOffset;
use crate::session::Call;
use crate::transaction::machine::{Asking, Offsets};
use crate::wire::{
    ErrorCode, KafkaString, TxnOffsetCommitRequestData, TxnOffsetCommitRequestPartition,
    TxnOffsetCommitResponseData, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};

/// From this version on clients know [`ErrorCode::TransactionAbortable`].
const KNOWS_ABORTABLE: i16 = 4;
/// From this version on the group need not be added to the transaction before.
const ADDS: i16 = 5;
/// Longest text that a client may say with an offset: Kafka's `offset.metadata.max.bytes`.
const METADATA_CHARS_MAX: usize = 4096;

pub(crate) async fn txn_offset_commit(
    call: Call,
    request: TxnOffsetCommitRequestData,
) -> Reply<TxnOffsetCommitResponseData> {
    Reply::apart(async move {
        let groups = &call.broker.groups;
        let was_known = groups.is_known(request.group_id.as_str());
        let (offsets, mut response) = resolved(&call, &request).await;
        // Until the offsets are noted nobody else is given the partitions (KIP-447).
        let held = groups.hold_for(request.group_id.as_str(), || {
            check(&call, &request, &offsets)
        });
        let held = match held.await {
            Ok(held) => held,
            Err(code) => return all(&request, code),
        };
        if let Err(refusal) = commit(&call, &request, offsets).await {
            let code = for_version(refusal.code, call.version);
            for topic in &mut response.topics {
                for partition in &mut topic.partitions {
                    if partition.error_code == 0 {
                        partition.error_code = code.code();
                    }
                }
            }
        }
        drop(held);
        if !was_known {
            forget_if_refused(&call, &request, &response).await;
        }
        response
    })
}

/// Removes the group that was made for these offsets where none of them is noted.
async fn forget_if_refused(
    call: &Call,
    request: &TxnOffsetCommitRequestData,
    response: &TxnOffsetCommitResponseData,
) {
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    if partitions.all(|partition| partition.error_code != 0) {
        retention::forget_made(&call.broker, request.group_id.as_str()).await;
    }
}

/// What a client of this version understands; Kafka answers with what its log finds, which is an epoch too small.
fn for_version(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        ErrorCode::KafkaStorageError | ErrorCode::RequestTimedOut => {
            ErrorCode::CoordinatorNotAvailable
        }
        ErrorCode::InvalidTxnState if version >= KNOWS_ABORTABLE => ErrorCode::TransactionAbortable,
        other => other,
    }
}

fn check(
    call: &Call,
    request: &TxnOffsetCommitRequestData,
    offsets: &Offsets,
) -> Result<(), ErrorCode> {
    let id = request.transactional_id.as_str();
    let group = request.group_id.as_str();
    if !call.may(Operation::Write, Resource::TransactionalId(id)) {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    if id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    if group.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    let instance = request.group_instance_id.as_ref().map(KafkaString::as_str);
    let (generation, member) = (request.generation_id, request.member_id.as_str());
    let groups = &call.broker.groups;
    let places = offsets.keys().map(|(_, stream, shard)| (*stream, *shard));
    match groups.admit_commit(group, generation, member, instance) {
        // A member of the new protocol may not know its newest epoch yet (KIP-1251).
        Err(ErrorCode::IllegalGeneration)
            if groups.may_commit_late(group, generation, member, places) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn all(request: &TxnOffsetCommitRequestData, code: ErrorCode) -> TxnOffsetCommitResponseData {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|partition| answer(partition.partition_index, code));
        TxnOffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: partitions.collect(),
            ..TxnOffsetCommitResponseTopic::default()
        }
    });
    TxnOffsetCommitResponseData {
        topics: topics.collect(),
        ..TxnOffsetCommitResponseData::default()
    }
}

fn answer(partition_index: i32, code: ErrorCode) -> TxnOffsetCommitResponsePartition {
    TxnOffsetCommitResponsePartition {
        partition_index,
        error_code: code.code(),
        ..TxnOffsetCommitResponsePartition::default()
    }
}

/// The offsets that can be noted; the response tells which cannot.
async fn resolved(
    call: &Call,
    request: &TxnOffsetCommitRequestData,
) -> (Offsets, TxnOffsetCommitResponseData) {
    let mut response = all(request, ErrorCode::None);
    let group = request.group_id.as_str();
    let mut offsets = Offsets::new();
    for (asked, answered) in request.topics.iter().zip(&mut response.topics) {
        let name = asked.name.as_str();
        let topic = if call.may(Operation::Read, Resource::Topic(name)) {
            call.broker.topic(name).await
        } else {
            Err(ErrorCode::TopicAuthorizationFailed.into())
        };
        for (asked, answered) in asked.partitions.iter().zip(&mut answered.partitions) {
            let log = topic
                .clone()
                .and_then(|topic| topic.log(asked.partition_index));
            match log.and_then(|log| Ok((log, offset(call, name, asked)?))) {
                Ok((log, offset)) => {
                    offsets.insert((group.to_owned(), log.stream, log.partition), offset);
                }
                Err(refusal) => answered.error_code = refusal.number(),
            }
        }
    }
    (offsets, response)
}

async fn commit(
    call: &Call,
    request: &TxnOffsetCommitRequestData,
    offsets: Offsets,
) -> Result<(), Refusal> {
    if offsets.is_empty() {
        return Ok(());
    }
    let asking = Asking {
        producer_id: request.producer_id,
        epoch: request.producer_epoch,
    };
    let id = request.transactional_id.as_str();
    let transactions = &call.broker.transactions;
    transactions
        .commit_offsets(id, asking, offsets, call.version >= ADDS)
        .await
}

fn offset(
    call: &Call,
    topic: &str,
    asked: &TxnOffsetCommitRequestPartition,
) -> Result<CommittedOffset, Refusal> {
    let metadata = asked.committed_metadata.as_ref();
    let metadata = metadata.map_or("", KafkaString::as_str);
    if metadata.chars().count() > METADATA_CHARS_MAX {
        return Err(ErrorCode::OffsetMetadataTooLarge.into());
    }
    Ok(CommittedOffset {
        topic: topic.to_owned(),
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata: metadata.to_owned(),
        at: call.broker.clock.now(),
        expires: None,
    })
}

#[cfg(test)]
mod tests;

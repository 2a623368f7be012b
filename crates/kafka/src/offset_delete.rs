//! OffsetDelete 0 (KIP-496): a group forgets how far it has read partitions of topics that nobody in it reads now.

use std::collections::BTreeSet;

use model::LogId;
use store::{StoreError, Txn, Write};

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::group::Subscribed;
use crate::offsets;
use crate::session::Call;
use crate::wire::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::wire::{
    ErrorCode, OffsetDeleteRequestData, OffsetDeleteRequestTopic, OffsetDeleteResponseData,
};

pub(crate) async fn offset_delete(
    call: Call,
    request: OffsetDeleteRequestData,
) -> Reply<OffsetDeleteResponseData> {
    let group = request.group_id.as_str();
    let mut response = OffsetDeleteResponseData::default();
    let subscribed = if call.may(Operation::Delete, Resource::Group(group)) {
        call.broker.groups.subscribed(group)
    } else {
        Err(ErrorCode::GroupAuthorizationFailed)
    };
    let subscribed = match subscribed {
        Ok(subscribed) => subscribed,
        Err(code) => {
            response.error_code = code.code();
            return response.into();
        }
    };
    let mut places = BTreeSet::new();
    for asked in &request.topics {
        let topic = one_topic(&call, asked, &subscribed, &mut places).await;
        response.topics.push(topic);
    }
    // Transactions wait for it.
    Reply::apart(async move {
        if let Err(error) = forget(&call, request.group_id.as_str(), &places).await {
            let _logged = Refusal::from(error);
            response.error_code = ErrorCode::CoordinatorNotAvailable.code();
            response.topics.clear();
        }
        response
    })
}

/// Forgets what was committed of these partitions, and what open transactions are about to commit.
async fn forget(call: &Call, group: &str, places: &BTreeSet<LogId>) -> Result<(), StoreError> {
    let is_meant = |log: LogId| places.contains(&log);
    let withdrawal = call.broker.transactions.withdraw(group, is_meant).await;
    let deletes = places.iter().map(|log| Write::Delete {
        key: offsets::key(group, log.stream, log.partition),
    });
    let mut writes = withdrawal.writes();
    writes.extend(deletes);
    let txn = Txn {
        writes,
        ..Txn::default()
    };
    call.broker.streams.store().commit(txn).await?;
    withdrawal.done();
    Ok(())
}

async fn one_topic(
    call: &Call,
    asked: &OffsetDeleteRequestTopic,
    subscribed: &Subscribed,
    places: &mut BTreeSet<LogId>,
) -> OffsetDeleteResponseTopic {
    let name = asked.name.as_str();
    let topic = if !call.may(Operation::Read, Resource::Topic(name)) {
        Err(ErrorCode::TopicAuthorizationFailed)
    } else if subscribed.has(name) {
        Err(ErrorCode::GroupSubscribedToTopic)
    } else {
        let topic = call.broker.topic(name).await;
        topic.map_err(|refusal| refusal.code)
    };
    let partitions = asked.partitions.iter().map(|partition| {
        let index = partition.partition_index;
        let log = match &topic {
            Ok(topic) => topic.log(index).map_err(|refusal| refusal.code),
            Err(code) => Err(*code),
        };
        let outcome = log.map(|log| places.insert(log));
        OffsetDeleteResponsePartition {
            partition_index: index,
            error_code: outcome.err().map_or(0, |code| code.code()),
            ..OffsetDeleteResponsePartition::default()
        }
    });
    OffsetDeleteResponseTopic {
        name: asked.name.clone(),
        partitions: partitions.collect(),
        ..OffsetDeleteResponseTopic::default()
    }
}

//! OffsetDelete 0 (KIP-496): a group forgets how far it has read partitions of topics that nobody in it reads now.

use std::collections::BTreeSet;

use store::{Key, Txn, Write};

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
    let mut keys = BTreeSet::new();
    for asked in &request.topics {
        let topic = one_topic(&call, group, asked, &subscribed, &mut keys).await;
        response.topics.push(topic);
    }
    let txn = Txn {
        writes: keys.into_iter().map(|key| Write::Delete { key }).collect(),
        ..Txn::default()
    };
    Reply::later(async move {
        if let Err(error) = call.broker.streams.store().commit(txn).await {
            let _logged = Refusal::from(error);
            response.error_code = ErrorCode::CoordinatorNotAvailable.code();
            response.topics.clear();
        }
        response
    })
}

async fn one_topic(
    call: &Call,
    group: &str,
    asked: &OffsetDeleteRequestTopic,
    subscribed: &Subscribed,
    keys: &mut BTreeSet<Key>,
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
        let outcome = match &topic {
            Ok(topic) => topic.partition(index).map_err(|refusal| refusal.code),
            Err(code) => Err(*code),
        };
        let outcome = outcome.map(|shard| {
            if let Ok(topic) = &topic {
                let stream = topic.stream.settings.id;
                keys.insert(offsets::key(group, stream, shard.index));
            }
        });
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

//! Metadata 0–13: the one broker there is, and topics with their partitions, each led by it.
//!
//! A topic asked for by name that is not there is made, where clients may have topics made so (`auto.create.topics.enable`)
//! and the request does not say otherwise.

use std::collections::HashSet;
use std::sync::Arc;

use crate::access::{Operation, Resource};
use crate::broker::{Broker, LEADER_EPOCH, NODE_ID};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::{Call, Session};
use crate::topics::{Topic, check_name, is_internal};
use crate::wire::{
    ErrorCode, KafkaString, KafkaUuid, MetadataRequestData, MetadataRequestTopic,
    MetadataResponseBroker, MetadataResponseData, MetadataResponsePartition, MetadataResponseTopic,
    text,
};

/// Where operations were not asked for.
pub(crate) const NO_OPERATIONS: i32 = i32::MIN;

pub(crate) async fn metadata(
    call: Call,
    request: MetadataRequestData,
) -> Reply<MetadataResponseData> {
    let wants_all = match &request.topics {
        None => true,
        Some(topics) => call.version == 0 && topics.is_empty(),
    };
    let tells_operations = request.include_topic_authorized_operations;
    let may_create = call.version < 4 || request.allow_auto_topic_creation;
    let topics = if wants_all {
        all_topics(&call, tells_operations).await
    } else {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for asked in request.topics.iter().flatten() {
            // However often it is named.
            if seen.insert((asked.name.as_ref(), asked.topic_id)) {
                found.push(one_topic(&call, asked, may_create, tells_operations).await);
            }
        }
        Ok(found)
    };
    let (topics, error_code) = match topics {
        Ok(topics) => (topics, 0),
        Err(refusal) => (Vec::new(), refusal.number()),
    };
    let (host, port) = endpoint(&call.session);
    MetadataResponseData {
        brokers: vec![MetadataResponseBroker {
            node_id: NODE_ID,
            host: text(&host),
            port,
            ..MetadataResponseBroker::default()
        }],
        cluster_id: (call.version >= 2).then(|| text(&call.broker.cluster_name())),
        controller_id: NODE_ID,
        topics,
        cluster_authorized_operations: cluster_operations(&call, &request),
        error_code: if call.version >= 13 { error_code } else { 0 },
        ..MetadataResponseData::default()
    }
    .into()
}

/// What may be done to the cluster (KIP-430), for whoever may describe it.
pub(crate) fn operations_on_cluster(call: &Call) -> i32 {
    match call.may(Operation::Describe, Resource::Cluster) {
        true => call.authorized_operations(Resource::Cluster),
        false => 0,
    }
}

fn cluster_operations(call: &Call, request: &MetadataRequestData) -> i32 {
    match request.include_cluster_authorized_operations {
        true => operations_on_cluster(call),
        false => NO_OPERATIONS,
    }
}

/// Where a client that came by this connection finds the broker again.
pub(crate) fn endpoint(session: &Session) -> (String, i32) {
    match &session.listener.advertised {
        Some((host, port)) => (host.clone(), i32::from(*port)),
        None => (
            session.local.ip().to_string(),
            i32::from(session.local.port()),
        ),
    }
}

impl Broker {
    /// The cluster's id as clients show it.
    pub(crate) fn cluster_name(&self) -> String {
        self.cluster_id.to_string()
    }
}

async fn all_topics(
    call: &Call,
    tells_operations: bool,
) -> Result<Vec<MetadataResponseTopic>, Refusal> {
    let mut topics = Vec::new();
    for name in call.broker.topic_names().await? {
        if !call.may(Operation::Describe, Resource::Topic(&name)) {
            continue;
        }
        match call.broker.topic(&name).await {
            Ok(topic) => topics.push(described(call, &topic, tells_operations)),
            // Deleted since it was listed.
            Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => {}
            // The others are told all the same.
            Err(refusal) => topics.push(MetadataResponseTopic {
                error_code: refusal.number(),
                name: Some(text(&name)),
                topic_authorized_operations: NO_OPERATIONS,
                ..MetadataResponseTopic::default()
            }),
        }
    }
    Ok(topics)
}

async fn one_topic(
    call: &Call,
    asked: &MetadataRequestTopic,
    may_create: bool,
    tells_operations: bool,
) -> MetadataResponseTopic {
    // Kafka's own client asks for an id with an empty name beside it.
    let name = asked.name.as_ref().map(KafkaString::as_str);
    let name = name.filter(|_| asked.topic_id == KafkaUuid::ZERO);
    let found = match name {
        Some(name) => by_name(call, name, may_create).await,
        None => by_id(call, asked.topic_id).await,
    };
    match found {
        Ok(topic) => described(call, &topic, tells_operations),
        Err(refusal) => MetadataResponseTopic {
            error_code: refusal.number(),
            name: name
                .map(text)
                .or_else(|| (call.version < 12).then(|| text(""))),
            topic_id: if name.is_none() {
                asked.topic_id
            } else {
                KafkaUuid::ZERO
            },
            is_internal: name.is_some_and(is_internal),
            topic_authorized_operations: NO_OPERATIONS,
            ..MetadataResponseTopic::default()
        },
    }
}

async fn by_name(call: &Call, name: &str, may_create: bool) -> Result<Arc<Topic>, Refusal> {
    if !call.may(Operation::Describe, Resource::Topic(name)) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    let is_creating = may_create && call.broker.auto_creates();
    match call.broker.topic(name).await {
        Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition && is_creating => {
            check_name(name)?;
            let may = call.may(Operation::Create, Resource::Cluster)
                || call.may(Operation::Create, Resource::Topic(name));
            if !may {
                return Err(ErrorCode::TopicAuthorizationFailed.into());
            }
            // Who has had too many made is to ask again, as Kafka has it.
            let partitions = call.broker.partitions_default();
            call.take_mutations(partitions, 0).map_err(|_| refusal)?;
            call.broker.topic_or_new(name).await
        }
        Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => {
            check_name(name)?;
            Err(refusal)
        }
        other => other,
    }
}

async fn by_id(call: &Call, id: KafkaUuid) -> Result<Arc<Topic>, Refusal> {
    let topic = call.broker.topic_by_id(id).await?;
    // As Kafka has it: nobody guesses an id, and who was told it learns what they lack.
    if !call.may(Operation::Describe, Resource::Topic(topic.name())) {
        return Err(ErrorCode::TopicAuthorizationFailed.into());
    }
    Ok(topic)
}

fn described(call: &Call, topic: &Topic, tells_operations: bool) -> MetadataResponseTopic {
    let shards = topic.stream.topology.partitions();
    let partitions = shards.map(|shard| MetadataResponsePartition {
        partition_index: i32::try_from(shard.index).unwrap_or(i32::MAX),
        leader_id: NODE_ID,
        leader_epoch: LEADER_EPOCH,
        replica_nodes: vec![NODE_ID],
        isr_nodes: vec![NODE_ID],
        ..MetadataResponsePartition::default()
    });
    MetadataResponseTopic {
        name: Some(text(topic.name())),
        is_internal: is_internal(topic.name()),
        topic_id: if call.version >= 10 {
            topic.id
        } else {
            KafkaUuid::ZERO
        },
        partitions: partitions.collect(),
        topic_authorized_operations: if tells_operations {
            call.authorized_operations(Resource::Topic(topic.name()))
        } else {
            NO_OPERATIONS
        },
        ..MetadataResponseTopic::default()
    }
}

#[cfg(test)]
mod tests;

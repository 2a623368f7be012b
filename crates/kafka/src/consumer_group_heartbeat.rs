//! ConsumerGroupHeartbeat 0–1 (KIP-848, KIP-1082): a member of a consumer group joins, is alive, or goes, and learns what it is
//! to read.

use std::collections::BTreeSet;
use std::time::Duration;

use regex_lite::Regex;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::group;
use crate::group::consumer::assignor::Assignor;
use crate::group::consumer::{
    AWAY, Beat, BeatAnswer, Found, JOINING, KnownTopic, LEAVING, Pace, Partitions,
};
use crate::group::{Wanted, limits};
use crate::pattern;
use crate::session::Call;
use crate::wire::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use crate::wire::{
    ConsumerGroupHeartbeatRequestData, ConsumerGroupHeartbeatResponseData, ErrorCode, KafkaString,
    text,
};

/// From this version on, a member brings its own name (KIP-1082).
const NAMES_ITSELF_FROM: i16 = 1;

pub(crate) async fn consumer_group_heartbeat(
    call: Call,
    request: ConsumerGroupHeartbeatRequestData,
) -> Reply<ConsumerGroupHeartbeatResponseData> {
    let group = request.group_id.as_str();
    let mut beat = match check(&call, &request) {
        Ok(()) => beat(&call, &request),
        Err(refusal) => return refused(refusal).into(),
    };
    let mut found = None;
    if beat.epoch >= JOINING
        && let Some(wanted) = call.broker.groups.wanted(group, &beat)
    {
        match look(&call, &mut beat, wanted).await {
            Ok(topics) => found = Some(topics),
            Err(refusal) => return refused(refusal).into(),
        }
    }
    let answer = call.broker.groups.beat(group, &beat, found.as_ref());
    Reply::later(async move {
        let gone = || BeatAnswer::refused(ErrorCode::CoordinatorNotAvailable, "the broker stops");
        response(&call, answer.await.unwrap_or_else(|_| gone()))
    })
}

fn check(call: &Call, request: &ConsumerGroupHeartbeatRequestData) -> Result<(), Refusal> {
    let group = request.group_id.as_str();
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed.into());
    }
    for name in request.subscribed_topic_names.iter().flatten() {
        if !call.may(Operation::Describe, Resource::Topic(name.as_str())) {
            return Err(ErrorCode::TopicAuthorizationFailed.into());
        }
    }
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    if group::check_name(group).is_err() {
        return invalid("GroupId can't be empty.");
    }
    check_length(request)?;
    let is_empty =
        |text: &Option<KafkaString>| text.as_ref().is_some_and(|text| text.as_str().is_empty());
    if is_empty(&request.instance_id) {
        return invalid("InstanceId can't be empty.");
    }
    if is_empty(&request.rack_id) {
        return invalid("RackId can't be empty.");
    }
    let must_have_name = call.version >= NAMES_ITSELF_FROM || request.member_epoch != JOINING;
    if must_have_name && request.member_id.as_str().is_empty() {
        return invalid("MemberId can't be empty.");
    }
    match request.member_epoch {
        JOINING => check_joining(request)?,
        AWAY if request.instance_id.is_none() => return invalid("InstanceId can't be null."),
        AWAY | LEAVING | 1.. => {}
        _ => return invalid("MemberEpoch is invalid."),
    }
    let assignor = request.server_assignor.as_ref().map(KafkaString::as_str);
    match assignor {
        Some(name) if Assignor::named(name).is_none() => Err(Refusal::new(
            ErrorCode::UnsupportedAssignor,
            format!("ServerAssignor {name} is not supported. Supported assignors: uniform, range."),
        )),
        _ => Ok(()),
    }
}

/// Whether what a member says of itself can be kept.
fn check_length(request: &ConsumerGroupHeartbeatRequestData) -> Result<(), Refusal> {
    let words = [
        ("MemberId", Some(&request.member_id)),
        ("InstanceId", request.instance_id.as_ref()),
        ("RackId", request.rack_id.as_ref()),
    ];
    let is_long = |said: &Option<&KafkaString>| !limits::is_word(said.map(KafkaString::as_str));
    if let Some((name, _)) = words.iter().find(|(_, said)| is_long(said)) {
        let why = format!("{name} is longer than {} bytes.", limits::WORD_BYTES_MAX);
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    let names = request.subscribed_topic_names.iter().flatten();
    if !limits::may_read(names.map(KafkaString::as_str)) {
        let why = "SubscribedTopicNames are too many: subscribe to a pattern.";
        return Err(Refusal::new(ErrorCode::InvalidRequest, why));
    }
    Ok(())
}

fn check_joining(request: &ConsumerGroupHeartbeatRequestData) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    if request.rebalance_timeout_ms == -1 {
        return invalid("RebalanceTimeoutMs must be provided in first request.");
    }
    if request
        .topic_partitions
        .as_ref()
        .is_none_or(|owned| !owned.is_empty())
    {
        return invalid("TopicPartitions must be empty when (re-)joining.");
    }
    // Both may be empty: of who reads by a pattern of its own, which no topic matches yet.
    if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
        return invalid(
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        );
    }
    Ok(())
}

fn beat(call: &Call, request: &ConsumerGroupHeartbeatRequestData) -> Beat {
    let owned = |text: &Option<KafkaString>| text.as_ref().map(|text| text.as_str().to_owned());
    let member = request.member_id.as_str();
    let names = request.subscribed_topic_names.as_ref();
    let assignor = request.server_assignor.as_ref();
    Beat {
        member: if member.is_empty() {
            call.broker.groups.new_uuid()
        } else {
            member.to_owned()
        },
        epoch: request.member_epoch,
        instance: owned(&request.instance_id),
        rack: owned(&request.rack_id),
        client_id: limits::beginning(&call.client_id, 0).to_owned(),
        client_host: format!("/{}", call.session.peer.ip()),
        rebalance_timeout: u64::try_from(request.rebalance_timeout_ms)
            .ok()
            .map(Duration::from_millis),
        names: names.map(|names| names.iter().map(|name| name.as_str().to_owned()).collect()),
        regex: owned(&request.subscribed_topic_regex),
        matched: None,
        assignor: assignor.and_then(|name| Assignor::named(name.as_str())),
        owned: owned_partitions(call, request),
        pace: pace(call, request.group_id.as_str()),
    }
}

fn pace(call: &Call, group: &str) -> Pace {
    let set = |name: &str| {
        let set = call.broker.configs.of_group(group, name);
        set.trim().parse().ok().map(Duration::from_millis)
    };
    let default = Pace::default();
    Pace {
        heartbeat_interval: set("consumer.heartbeat.interval.ms")
            .unwrap_or(default.heartbeat_interval),
        session_timeout: set("consumer.session.timeout.ms").unwrap_or(default.session_timeout),
    }
}

/// What a member says to have, as far as there are such topics.
fn owned_partitions(
    call: &Call,
    request: &ConsumerGroupHeartbeatRequestData,
) -> Option<Partitions> {
    let mut owned = Partitions::new();
    for topic in request.topic_partitions.as_ref()? {
        if let Some(stream) = call.broker.stream_id(topic.topic_id) {
            let indexes = topic.partitions.iter();
            let indexes = indexes.filter_map(|index| u32::try_from(*index).ok());
            owned.entry(stream).or_default().extend(indexes);
        }
    }
    Some(owned)
}

/// Sees which topics there are for the group, and which the member's pattern matches.
async fn look(call: &Call, beat: &mut Beat, mut wanted: Wanted) -> Result<Found, Refusal> {
    if let Some(pattern) = &wanted.regex {
        let regex = compiled(pattern)?;
        let matched = call.broker.topic_names().await?.into_iter().filter(|name| {
            regex.is_match(name) && call.may(Operation::Describe, Resource::Topic(name))
        });
        let matched: BTreeSet<String> = matched.collect();
        if !limits::may_read(&matched) {
            let why = format!("SubscribedTopicRegex `{pattern}` matches too many topics.");
            return Err(Refusal::new(ErrorCode::InvalidRegularExpression, why));
        }
        wanted.names.extend(matched.iter().cloned());
        beat.matched = Some(matched);
    }
    Ok(look_by_name(call, wanted.names).await)
}

/// Sees which of these topics there are.
pub(crate) async fn look_by_name(call: &Call, names: BTreeSet<String>) -> Found {
    let mut found = Found::new();
    for name in names {
        match call.broker.topic(&name).await {
            Ok(topic) => {
                let shards = topic.stream.topology.partitions();
                let known = KnownTopic {
                    stream: topic.stream.settings.id,
                    partitions: shards.map(|shard| shard.index).collect(),
                };
                found.insert(name, Some(known));
            }
            Err(refusal) if refusal.code == ErrorCode::UnknownTopicOrPartition => {
                found.insert(name, None);
            }
            // What was known of it stands.
            Err(_) => {}
        }
    }
    found
}

/// A pattern that a whole name must match.
fn compiled(pattern: &str) -> Result<Regex, Refusal> {
    pattern::whole(pattern).map_err(|why| {
        let message =
            format!("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {why}.");
        Refusal::new(ErrorCode::InvalidRegularExpression, message)
    })
}

fn refused(refusal: Refusal) -> ConsumerGroupHeartbeatResponseData {
    let message = refusal.message.unwrap_or_else(|| refusal.code.to_string());
    ConsumerGroupHeartbeatResponseData {
        error_code: refusal.code.code(),
        error_message: Some(text(&message)),
        ..ConsumerGroupHeartbeatResponseData::default()
    }
}

fn response(call: &Call, answer: BeatAnswer) -> ConsumerGroupHeartbeatResponseData {
    let interval = i32::try_from(answer.heartbeat_interval.as_millis());
    let member = Some(answer.member).filter(|member| !member.is_empty());
    ConsumerGroupHeartbeatResponseData {
        error_code: answer.code.code(),
        error_message: answer.message.as_deref().map(text),
        member_id: member.as_deref().map(text),
        member_epoch: answer.epoch,
        heartbeat_interval_ms: interval.unwrap_or(i32::MAX),
        assignment: answer.assignment.map(|assigned| {
            let topics = assigned
                .into_iter()
                .map(|(stream, indexes)| TopicPartitions {
                    topic_id: call.broker.topic_id(stream),
                    partitions: indexes
                        .into_iter()
                        .filter_map(|index| i32::try_from(index).ok())
                        .collect(),
                    ..TopicPartitions::default()
                });
            Box::new(Assignment {
                topic_partitions: topics.collect(),
                ..Assignment::default()
            })
        }),
        ..ConsumerGroupHeartbeatResponseData::default()
    }
}

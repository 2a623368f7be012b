//! ShareGroupHeartbeat 1 (KIP-932): a member of a share group joins, is alive, or goes, and learns what it is to read.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::consumer_group_heartbeat::look_by_name;
use crate::error::Refusal;
use crate::group;
use crate::group::consumer::{BeatAnswer, JOINING, LEAVING};
use crate::group::limits;
use crate::group::share::ShareBeat;
use crate::session::Call;
use crate::share_acknowledge::MEMBER_ID_MAX;
use crate::wire::share_group_heartbeat_response::{Assignment, TopicPartitions};
use crate::wire::{
    ErrorCode, KafkaString, ShareGroupHeartbeatRequestData, ShareGroupHeartbeatResponseData, text,
};

pub(crate) async fn share_group_heartbeat(
    call: Call,
    request: ShareGroupHeartbeatRequestData,
) -> Reply<ShareGroupHeartbeatResponseData> {
    let group = request.group_id.as_str();
    if let Err(refusal) = check(&call, &request) {
        let message = refusal.message.unwrap_or_else(|| refusal.code.to_string());
        return ShareGroupHeartbeatResponseData {
            error_code: refusal.code.code(),
            error_message: Some(text(&message)),
            ..ShareGroupHeartbeatResponseData::default()
        }
        .into();
    }
    let beat = beat(&call, &request);
    let mut found = None;
    if beat.epoch >= JOINING
        && let Some(wanted) = call.broker.groups.wanted_to_share(group, &beat)
    {
        found = Some(look_by_name(&call, wanted.names).await);
    }
    let answer = call.broker.groups.beat_share(group, &beat, found.as_ref());
    Reply::later(async move {
        let gone = || BeatAnswer::refused(ErrorCode::CoordinatorNotAvailable, "the broker stops");
        response(&call, answer.await.unwrap_or_else(|_| gone()))
    })
}

fn check(call: &Call, request: &ShareGroupHeartbeatRequestData) -> Result<(), Refusal> {
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
    if request.member_id.as_str().is_empty() {
        return invalid("MemberId can't be empty.");
    }
    if request.member_id.as_str().len() > MEMBER_ID_MAX {
        return invalid("MemberId is too long: it is a UUID.");
    }
    let rack = request.rack_id.as_ref().map(KafkaString::as_str);
    if rack == Some("") {
        return invalid("RackId can't be empty.");
    }
    if !limits::is_word(rack) {
        return invalid("RackId is too long.");
    }
    let names = request.subscribed_topic_names.iter().flatten();
    if !limits::may_read(names.map(KafkaString::as_str)) {
        return invalid("SubscribedTopicNames are too many.");
    }
    let names = request.subscribed_topic_names.as_ref();
    match request.member_epoch {
        JOINING if names.is_none_or(Vec::is_empty) => {
            invalid("SubscribedTopicNames must be set in first request.")
        }
        JOINING.. | LEAVING => Ok(()),
        _ => invalid("MemberEpoch is invalid."),
    }
}

fn beat(call: &Call, request: &ShareGroupHeartbeatRequestData) -> ShareBeat {
    let group = request.group_id.as_str();
    let names = request.subscribed_topic_names.as_ref();
    ShareBeat {
        member: request.member_id.as_str().to_owned(),
        epoch: request.member_epoch,
        rack: request
            .rack_id
            .as_ref()
            .map(|rack| rack.as_str().to_owned()),
        client_id: limits::beginning(&call.client_id, 0).to_owned(),
        client_host: format!("/{}", call.session.peer.ip()),
        names: names.map(|names| names.iter().map(|name| name.as_str().to_owned()).collect()),
        session_timeout: call.broker.share_ms(group, "share.session.timeout.ms"),
        heartbeat_interval: call.broker.share_ms(group, "share.heartbeat.interval.ms"),
    }
}

fn response(call: &Call, answer: BeatAnswer) -> ShareGroupHeartbeatResponseData {
    let interval = i32::try_from(answer.heartbeat_interval.as_millis());
    let member = Some(answer.member).filter(|member| !member.is_empty());
    ShareGroupHeartbeatResponseData {
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
        ..ShareGroupHeartbeatResponseData::default()
    }
}

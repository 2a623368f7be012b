//! JoinGroup 0–9 (KIP-62, KIP-345, KIP-394, KIP-559, KIP-800, KIP-814): somebody joins a classic group, and is answered once all
//! others have joined too.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::consumer_group_heartbeat::look_by_name;
use crate::group::classic::{Join, JoinAnswer, Protocol};
use crate::group::{self, limits};
use crate::session::Call;
use crate::wire::{
    ErrorCode, JoinGroupRequestData, JoinGroupResponseData, JoinGroupResponseMember, KafkaString,
    text,
};

/// What a session's timeout may be, in milliseconds: `group.min.session.timeout.ms`, `group.max.session.timeout.ms`.
const SESSION_TIMEOUT_MS: RangeInclusive<i32> = 6_000..=1_800_000;
/// Ways to divide the work that one member knows: clients have a handful, and members are held against each other.
const PROTOCOLS_MAX: usize = 100;
/// From this version on, somebody new is told their name before they join.
const MUST_KNOW_MEMBER_FROM: i16 = 4;
const CAN_SKIP_ASSIGNMENT_FROM: i16 = 9;

pub(crate) async fn join_group(
    call: Call,
    request: JoinGroupRequestData,
) -> Reply<JoinGroupResponseData> {
    let group = request.group_id.as_str();
    if let Err(code) = check(&call, &request) {
        let answer = JoinAnswer::refused(code, request.member_id.as_str());
        return response(answer, call.version).into();
    }
    let join = join(&call, &request);
    let found = match call.broker.groups.wanted_by_join(group, &join) {
        Some(names) => Some(look_by_name(&call, names).await),
        None => None,
    };
    let answer = call.broker.groups.join(group, join, found.as_ref());
    Reply::later(async move {
        let gone = JoinAnswer::refused(ErrorCode::CoordinatorNotAvailable, "");
        response(answer.await.unwrap_or(gone), call.version)
    })
}

fn check(call: &Call, request: &JoinGroupRequestData) -> Result<(), ErrorCode> {
    let group = request.group_id.as_str();
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    group::check_name(group)?;
    let instance = request.group_instance_id.as_ref();
    let words = [
        Some(request.member_id.as_str()),
        Some(request.protocol_type.as_str()),
        instance.map(KafkaString::as_str),
    ];
    let are_short = words.into_iter().all(limits::is_word);
    if !are_short || request.protocols.len() > PROTOCOLS_MAX {
        return Err(ErrorCode::InvalidRequest);
    }
    if !SESSION_TIMEOUT_MS.contains(&request.session_timeout_ms) {
        return Err(ErrorCode::InvalidSessionTimeout);
    }
    Ok(())
}

fn join(call: &Call, request: &JoinGroupRequestData) -> Join {
    let instance = request.group_instance_id.as_ref();
    let instance = instance.map(|instance| instance.as_str().to_owned());
    let prefix = instance.as_deref().unwrap_or(&call.client_id);
    // The first version has one timeout for both.
    let rebalance_timeout_ms = if call.version == 0 {
        request.session_timeout_ms
    } else {
        request.rebalance_timeout_ms
    };
    let reason = request.reason.as_ref().map(KafkaString::as_str);
    Join {
        member: request.member_id.as_str().to_owned(),
        new_member: call.broker.groups.new_member_id(prefix),
        client_id: limits::beginning(&call.client_id, 0).to_owned(),
        client_host: format!("/{}", call.session.peer.ip()),
        session_timeout: millis(request.session_timeout_ms),
        rebalance_timeout: millis(rebalance_timeout_ms),
        protocol_type: request.protocol_type.as_str().to_owned(),
        protocols: request
            .protocols
            .iter()
            .map(|protocol| Protocol {
                name: protocol.name.as_str().to_owned(),
                metadata: protocol.metadata.clone(),
            })
            .collect(),
        must_know_member: call.version >= MUST_KNOW_MEMBER_FROM,
        can_skip_assignment: call.version >= CAN_SKIP_ASSIGNMENT_FROM,
        reason: reason.unwrap_or("not provided").to_owned(),
        instance,
    }
}

fn millis(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn response(answer: JoinAnswer, version: i16) -> JoinGroupResponseData {
    let has_instances = version >= 5;
    let members = answer.members.into_iter();
    JoinGroupResponseData {
        error_code: answer.code.code(),
        generation_id: answer.generation,
        protocol_type: answer.protocol_type.as_deref().map(text),
        protocol_name: answer.protocol.as_deref().map(text),
        leader: text(&answer.leader),
        skip_assignment: answer.skip_assignment,
        member_id: text(&answer.member),
        members: members
            .map(|(member, instance, metadata)| JoinGroupResponseMember {
                member_id: text(&member),
                group_instance_id: instance.as_deref().filter(|_| has_instances).map(text),
                metadata,
                ..JoinGroupResponseMember::default()
            })
            .collect(),
        ..JoinGroupResponseData::default()
    }
}

//! SyncGroup 0–5 (KIP-345, KIP-559): a member of a classic group asks for its share, which the leader's own request brings.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::group;
use crate::group::classic::{Sync, SyncAnswer};
use crate::session::Call;
use crate::wire::{ErrorCode, KafkaString, SyncGroupRequestData, SyncGroupResponseData, text};

/// From this version on, a client says by what protocol it believes to divide.
const NAMES_PROTOCOL_FROM: i16 = 5;

pub(crate) async fn sync_group(
    call: Call,
    request: SyncGroupRequestData,
) -> Reply<SyncGroupResponseData> {
    if let Err(code) = check(&call, &request) {
        return response(&SyncAnswer::refused(code)).into();
    }
    let owned = |text: &Option<KafkaString>| text.as_ref().map(|text| text.as_str().to_owned());
    let assignments = request.assignments.iter();
    let sync = Sync {
        member: request.member_id.as_str().to_owned(),
        instance: owned(&request.group_instance_id),
        generation: request.generation_id,
        protocol_type: owned(&request.protocol_type),
        protocol: owned(&request.protocol_name),
        assignments: assignments
            .map(|one| (one.member_id.as_str().to_owned(), one.assignment.clone()))
            .collect(),
    };
    let answer = call.broker.groups.sync(request.group_id.as_str(), sync);
    Reply::later(async move {
        let gone = SyncAnswer::refused(ErrorCode::CoordinatorNotAvailable);
        response(&answer.await.unwrap_or(gone))
    })
}

fn check(call: &Call, request: &SyncGroupRequestData) -> Result<(), ErrorCode> {
    let group = request.group_id.as_str();
    let names_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if call.version >= NAMES_PROTOCOL_FROM && !names_protocol {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    group::check_name(group)
}

fn response(answer: &SyncAnswer) -> SyncGroupResponseData {
    SyncGroupResponseData {
        error_code: answer.code.code(),
        protocol_type: answer.protocol_type.as_deref().map(text),
        protocol_name: answer.protocol.as_deref().map(text),
        assignment: answer.assignment.clone(),
        ..SyncGroupResponseData::default()
    }
}

//! Heartbeat 0–4 (KIP-345): a member of a classic group is alive, and learns whether it must join again.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::group;
use crate::session::Call;
use crate::wire::{ErrorCode, HeartbeatRequestData, HeartbeatResponseData, KafkaString};

pub(crate) async fn heartbeat(
    call: Call,
    request: HeartbeatRequestData,
) -> Reply<HeartbeatResponseData> {
    let code = match beat(&call, &request) {
        Ok(()) => ErrorCode::None,
        Err(code) => code,
    };
    HeartbeatResponseData {
        error_code: code.code(),
        ..HeartbeatResponseData::default()
    }
    .into()
}

fn beat(call: &Call, request: &HeartbeatRequestData) -> Result<(), ErrorCode> {
    let group = request.group_id.as_str();
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    group::check_name(group)?;
    call.broker.groups.heartbeat(
        group,
        request.generation_id,
        request.member_id.as_str(),
        request.group_instance_id.as_ref().map(KafkaString::as_str),
    )
}

//! LeaveGroup 0–5 (KIP-345, KIP-800): members leave a classic group, or an administrator takes them out.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::group;
use crate::session::Call;
use crate::wire::{
    ErrorCode, LeaveGroupRequestData, LeaveGroupResponseData, MemberIdentity, MemberResponse,
};

/// From this version on, many leave at once.
const BATCHES_FROM: i16 = 3;

pub(crate) async fn leave_group(
    call: Call,
    request: LeaveGroupRequestData,
) -> Reply<LeaveGroupResponseData> {
    let is_batch = call.version >= BATCHES_FROM;
    let one = MemberIdentity {
        member_id: request.member_id.clone(),
        ..MemberIdentity::default()
    };
    let leaving = if is_batch {
        &request.members[..]
    } else {
        std::slice::from_ref(&one)
    };
    let mut response = LeaveGroupResponseData::default();
    match leave(&call, request.group_id.as_str(), leaving) {
        // As of a group that has none of them.
        Err(code @ ErrorCode::UnknownMemberId) if is_batch => {
            let each = leaving.iter();
            response.members = each.map(|one| answer(one, Err(code))).collect();
        }
        Err(code) => response.error_code = code.code(),
        Ok(outcomes) if is_batch => {
            let each = leaving.iter().zip(outcomes);
            response.members = each.map(|(one, outcome)| answer(one, outcome)).collect();
        }
        Ok(outcomes) => {
            let refused = outcomes.into_iter().find_map(Result::err);
            response.error_code = refused.map_or(0, |code| code.code());
        }
    }
    response.into()
}

fn leave(
    call: &Call,
    group: &str,
    leaving: &[MemberIdentity],
) -> Result<Vec<Result<(), ErrorCode>>, ErrorCode> {
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    group::check_name(group)?;
    let members: Vec<(String, Option<String>)> = leaving
        .iter()
        .map(|one| {
            let instance = one.group_instance_id.as_ref();
            (
                one.member_id.as_str().to_owned(),
                instance.map(|instance| instance.as_str().to_owned()),
            )
        })
        .collect();
    call.broker.groups.leave(group, &members)
}

fn answer(member: &MemberIdentity, outcome: Result<(), ErrorCode>) -> MemberResponse {
    MemberResponse {
        member_id: member.member_id.clone(),
        group_instance_id: member.group_instance_id.clone(),
        error_code: outcome.err().map_or(0, |code| code.code()),
        ..MemberResponse::default()
    }
}

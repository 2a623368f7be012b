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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::text;
    use crate::world::{World, answer};

    /// What is answered to the request as a whole, and for each member of it.
    async fn check(
        version: i16,
        group: &str,
        members: &[&str],
        expected: (ErrorCode, &[ErrorCode]),
    ) {
        let world = World::new().await;
        let one = world.join("g", "").await;
        let id = |name: &str| match name {
            "known" => one.joined.member_id.clone(),
            other => text(other),
        };
        let all = members.iter().map(|name| MemberIdentity {
            member_id: id(name),
            ..MemberIdentity::default()
        });
        let request = LeaveGroupRequestData {
            group_id: text(group),
            member_id: id(members[0]),
            members: all.collect(),
            ..LeaveGroupRequestData::default()
        };
        let left = answer(leave_group(world.call(version), request).await).await;
        let codes: Vec<i16> = left.members.iter().map(|one| one.error_code).collect();
        let (all, each) = expected;
        let each: Vec<i16> = each.iter().map(|code| code.code()).collect();
        assert_eq!(
            (left.error_code, codes),
            (all.code(), each),
            "{version} {group}"
        );
    }

    #[tokio::test]
    async fn each_member_is_told_for_itself_from_version_3_on() {
        let (none, unknown) = (ErrorCode::None, ErrorCode::UnknownMemberId);
        check(2, "g", &["known"], (none, &[])).await;
        check(2, "g", &["stranger"], (unknown, &[])).await;
        check(2, "no group", &["stranger"], (unknown, &[])).await;
        let both = ["known", "stranger"];
        for version in [3, 5] {
            check(version, "g", &both, (none, &[none, unknown])).await;
            check(version, "no group", &both, (none, &[unknown, unknown])).await;
            let invalid = ErrorCode::InvalidGroupId;
            check(version, "", &both, (invalid, &[])).await;
        }
    }
}

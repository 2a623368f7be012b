//! DeleteGroups 0–2 (KIP-229): groups that nobody is in, with their offsets.

use store::{Scan, Write};

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::offsets;
use crate::session::Call;
use crate::share_group_offsets::must_be_empty;
use crate::wire::{
    DeletableGroupResult, DeleteGroupsRequestData, DeleteGroupsResponseData, ErrorCode,
};

pub(crate) async fn delete_groups(
    call: Call,
    request: DeleteGroupsRequestData,
) -> Reply<DeleteGroupsResponseData> {
    Reply::later(async move {
        let mut results = Vec::with_capacity(request.groups_names.len());
        for group in request.groups_names {
            let outcome = delete(&call, group.as_str()).await;
            results.push(DeletableGroupResult {
                group_id: group,
                error_code: outcome.err().map_or(0, |code| code.code()),
                ..DeletableGroupResult::default()
            });
        }
        DeleteGroupsResponseData {
            results,
            ..DeleteGroupsResponseData::default()
        }
    })
}

async fn delete(call: &Call, group: &str) -> Result<(), ErrorCode> {
    if !call.may(Operation::Delete, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed);
    }
    if !call.broker.groups.is_known(group) {
        return Err(ErrorCode::GroupIdNotFound);
    }
    let store = call.broker.streams.store();
    let found = store.scan(Scan::below(&offsets::folder(group))).await;
    let found = found.map_err(|error| {
        let _logged = Refusal::from(error);
        ErrorCode::CoordinatorNotAvailable
    })?;
    let offsets = found.into_iter().map(|(key, _)| Write::Delete { key });
    let offsets = offsets.collect();
    if call.broker.groups.is_share(group) {
        // First, so that a crash in between leaves a group that can be deleted again, and no way back into a deleted one.
        must_be_empty(call, group).map_err(|refusal| refusal.code)?;
        let forgotten = call.broker.forget_shared(group, |_| true).await;
        forgotten.map_err(|error| Refusal::from(error).code)?;
    }
    call.broker.groups.forget(group, offsets).await
}

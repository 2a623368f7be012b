//! DeleteGroups 0–2 (KIP-229): groups that nobody is in, with their offsets.

use store::{Scan, Write};

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::offsets;
use crate::session::Call;
use crate::wire::{
    DeletableGroupResult, DeleteGroupsRequestData, DeleteGroupsResponseData, ErrorCode,
};

pub(crate) async fn delete_groups(
    call: Call,
    request: DeleteGroupsRequestData,
) -> Reply<DeleteGroupsResponseData> {
    // Others wait for a group while it is being deleted.
    Reply::apart(async move {
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
    let (groups, store) = (&call.broker.groups, call.broker.streams.store());
    let forgetting = groups.begin_to_forget(group).await?;
    if groups.is_share(group) {
        // First, so that a crash in between leaves a group that can be deleted again, and no way back into a deleted one.
        let forgotten = call.broker.forget_shared(group, |_| true).await;
        forgotten.map_err(|error| Refusal::from(error).code)?;
    }
    let withdrawal = call.broker.transactions.withdraw(group, |_| true).await;
    let found = store.scan(Scan::below(&offsets::folder(group))).await;
    let found = found.map_err(|error| {
        let _logged = Refusal::from(error);
        ErrorCode::CoordinatorNotAvailable
    })?;
    let mut writes = withdrawal.writes();
    writes.extend(found.into_iter().map(|(key, _)| Write::Delete { key }));
    forgetting.forget(writes).await?;
    withdrawal.done();
    Ok(())
}

#[cfg(test)]
mod tests;

//! AddOffsetsToTxn 0–4 (KIP-98, KIP-588, KIP-890): a group's offsets are going to be committed with a transaction.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::group::check_name;
use crate::session::Call;
use crate::transaction::machine::Asking;
use crate::wire::{AddOffsetsToTxnRequestData, AddOffsetsToTxnResponseData, ErrorCode};

/// From this version on clients know [`ErrorCode::ProducerFenced`].
const KNOWS_FENCED: i16 = 2;

pub(crate) async fn add_offsets_to_txn(
    call: Call,
    request: AddOffsetsToTxnRequestData,
) -> Reply<AddOffsetsToTxnResponseData> {
    Reply::later(async move {
        let code = match add(&call, &request).await {
            Ok(()) => ErrorCode::None,
            Err(refusal) => super::for_version(refusal.code, call.version, KNOWS_FENCED),
        };
        AddOffsetsToTxnResponseData {
            error_code: code.code(),
            ..AddOffsetsToTxnResponseData::default()
        }
    })
}

async fn add(call: &Call, request: &AddOffsetsToTxnRequestData) -> Result<(), Refusal> {
    let id = request.transactional_id.as_str();
    let group = request.group_id.as_str();
    if !call.may(Operation::Write, Resource::TransactionalId(id)) {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    if !call.may(Operation::Read, Resource::Group(group)) {
        return Err(ErrorCode::GroupAuthorizationFailed.into());
    }
    if id.is_empty() {
        return Err(ErrorCode::InvalidRequest.into());
    }
    check_name(group)?;
    let asking = Asking {
        producer_id: request.producer_id,
        epoch: request.producer_epoch,
    };
    call.broker.transactions.add_group(id, asking, group).await
}

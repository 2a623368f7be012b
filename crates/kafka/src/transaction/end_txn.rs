//! EndTxn 0–5 (KIP-98, KIP-588, KIP-890): a transaction is committed or aborted. From version 5 on, which clients use where
//! transaction version 2 is in force, its producer goes on with the next epoch.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::transaction::machine::{Asking, End};
use crate::wire::{EndTxnRequestData, EndTxnResponseData, ErrorCode};

/// From this version on clients know [`ErrorCode::ProducerFenced`].
const KNOWS_FENCED: i16 = 2;
/// From this version on each transaction has an epoch of its own.
const BUMPS: i16 = 5;

pub(crate) async fn end_txn(call: Call, request: EndTxnRequestData) -> Reply<EndTxnResponseData> {
    Reply::later(async move {
        let mut response = EndTxnResponseData::default();
        match end(&call, &request).await {
            Ok(asking) if call.version >= BUMPS => {
                response.producer_id = asking.producer_id;
                response.producer_epoch = asking.epoch;
            }
            Ok(_) => {}
            Err(refusal) => {
                let code = super::for_version(refusal.code, call.version, KNOWS_FENCED);
                response.error_code = code.code();
            }
        }
        response
    })
}

async fn end(call: &Call, request: &EndTxnRequestData) -> Result<Asking, Refusal> {
    let id = request.transactional_id.as_str();
    if !call.may(Operation::Write, Resource::TransactionalId(id)) {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    if id.is_empty() {
        return Err(ErrorCode::InvalidRequest.into());
    }
    let end = End {
        asking: Asking {
            producer_id: request.producer_id,
            epoch: request.producer_epoch,
        },
        commits: request.committed,
        bumps: call.version >= BUMPS,
    };
    call.broker.transactions.end(id, end).await
}

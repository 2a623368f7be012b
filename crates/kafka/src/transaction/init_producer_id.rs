//! InitProducerId 0–6 (KIP-98, KIP-360, KIP-588, KIP-939): a producer is told its id and epoch; with a transactional id, those
//! before it are shut out.
//!
//! Transactions in two phases (KIP-939) are refused as by a Kafka broker that has them off.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::security::acl::SubjectOf;
use crate::session::Call;
use crate::transaction::machine::{Asking, ID_BYTES_MAX, Init, NONE, TIMEOUT_MS_MAX};
use crate::wire::{ErrorCode, InitProducerIdRequestData, InitProducerIdResponseData, KafkaString};

/// From this version on clients know [`ErrorCode::ProducerFenced`].
const KNOWS_FENCED: i16 = 4;

pub(crate) async fn init_producer_id(
    call: Call,
    request: InitProducerIdRequestData,
) -> Reply<InitProducerIdResponseData> {
    // All who need an id wait for each other.
    Reply::apart(async move {
        let (code, asking) = match init(&call, &request).await {
            Ok(asking) => (ErrorCode::None, asking),
            Err(refusal) => (
                super::for_version(refusal.code, call.version, KNOWS_FENCED),
                Asking {
                    producer_id: NONE,
                    epoch: -1,
                },
            ),
        };
        InitProducerIdResponseData {
            error_code: code.code(),
            producer_id: asking.producer_id,
            producer_epoch: asking.epoch,
            ..InitProducerIdResponseData::default()
        }
    })
}

async fn init(call: &Call, request: &InitProducerIdRequestData) -> Result<Asking, Refusal> {
    let transactions = &call.broker.transactions;
    let id = request.transactional_id.as_ref().map(KafkaString::as_str);
    let Some(id) = id else {
        // Whoever may write anywhere may do it idempotently (KIP-679).
        let may = call.may(Operation::IdempotentWrite, Resource::Cluster)
            || call.may_to_any(Operation::Write, SubjectOf::Topic);
        if !may {
            return Err(ErrorCode::ClusterAuthorizationFailed.into());
        }
        let producer_id = transactions.new_producer().await?;
        return Ok(Asking {
            producer_id,
            epoch: 0,
        });
    };
    if !call.may(Operation::Write, Resource::TransactionalId(id)) || request.enable2_pc {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    if request.keep_prepared_txn {
        return Err(ErrorCode::UnsupportedVersion.into());
    }
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(ErrorCode::InvalidRequest.into());
    }
    if !(1..=TIMEOUT_MS_MAX).contains(&request.transaction_timeout_ms) {
        return Err(ErrorCode::InvalidTransactionTimeout.into());
    }
    let expected = match (request.producer_id, request.producer_epoch) {
        (NONE, -1) => None,
        (NONE, _) | (_, -1) => return Err(ErrorCode::InvalidRequest.into()),
        (producer_id, epoch) => Some(Asking { producer_id, epoch }),
    };
    let init = Init {
        timeout_ms: request.transaction_timeout_ms,
        expected,
    };
    transactions.init(id, init).await
}

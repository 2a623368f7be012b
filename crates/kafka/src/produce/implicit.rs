//! Partitions added to a transaction by writing to them (KIP-890, transaction version 2).

use model::batch::Producer;
use model::{Batch, LogId};

use super::{find, transaction_refusal};
use crate::access::{Operation, Resource};
use crate::error::Refusal;
use crate::session::Call;
use crate::transaction::machine::{Addition, Asking};
use crate::wire::ErrorCode;
use crate::wire::ProduceRequestData;

/// Adds those partitions of the request that are not in the transaction yet. What cannot be found or read is left to be refused
/// when it is checked.
///
/// # Errors
/// As [`crate::transaction::Transactions::add`].
pub(super) async fn add(
    call: &Call,
    request: &ProduceRequestData,
    id: &str,
) -> Result<(), Refusal> {
    if !call.may(Operation::Write, Resource::TransactionalId(id)) {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    let transactions = &call.broker.transactions;
    let mut asking = None;
    let mut additions: Vec<Addition> = Vec::new();
    for data in &request.topic_data {
        let Ok(topic) = find(call, data).await else {
            continue;
        };
        for partition in &data.partition_data {
            let batch = partition.records.clone().map(Batch::parse_unverified);
            let Some(Ok(batch)) = batch else { continue };
            let Some(producer) = batch.producer().filter(|_| batch.is_transactional()) else {
                continue;
            };
            let by = Asking {
                producer_id: producer.id,
                epoch: producer.epoch,
            };
            if asking.is_some_and(|known| known != by) {
                // One producer has one transaction: a request of two is no client's.
                return Err(ErrorCode::InvalidRequest.into());
            }
            asking = Some(by);
            let Ok(log) = topic.log(partition.index) else {
                continue;
            };
            if !transactions.has(id, by, log) {
                additions.push(call.addition(&topic, partition.index).await?);
            }
        }
    }
    match asking {
        Some(asking) if !additions.is_empty() => transactions
            .add(id, asking, additions)
            .await
            .map_err(|refusal| transaction_refusal(refusal, call.version)),
        _ => Ok(()),
    }
}

/// Refuses a batch that would be the first of its transaction in a log and is not the first that its producer sent there. Each
/// transaction has an epoch of its own and counts from 0: what came before is still on its way, as where it was told to come
/// again while the transaction before it ended. A log that knows the producer sees to this itself.
///
/// # Errors
/// [`ErrorCode::OutOfOrderSequenceNumber`], on which clients send again in order; or the store's.
pub(super) async fn check_beginning(
    call: &Call,
    producer: Producer,
    log: LogId,
) -> Result<(), Refusal> {
    let streams = &call.broker.streams;
    if producer.sequence == 0 || streams.undecided().first(log, producer.id).is_some() {
        return Ok(());
    }
    // Its transaction's records may have been deleted, and the server been started again since.
    let seen = streams.store().producers(log).await?;
    if seen.iter().any(|one| one.id == producer.id) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::OutOfOrderSequenceNumber,
        format!(
            "producer {} sent sequence {}, expected 0 as its transaction's first here",
            producer.id, producer.sequence
        ),
    ))
}

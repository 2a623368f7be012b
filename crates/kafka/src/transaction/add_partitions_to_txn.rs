//! AddPartitionsToTxn 0–5 (KIP-98, KIP-588, KIP-890): partitions are added to a transaction before anything is written to them.
//! From version 4 on brokers ask so, for several transactions at once.

use model::LogId;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::error::Refusal;
use crate::session::Call;
use crate::transaction::machine::{Addition, Asking};
use crate::wire::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnRequestData,
    AddPartitionsToTxnResponseData, AddPartitionsToTxnResult, AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult, AddPartitionsToTxnTransaction, ErrorCode,
};

/// From this version on clients know [`ErrorCode::ProducerFenced`].
const KNOWS_FENCED: i16 = 2;
/// From this version on a request has several transactions.
const BATCHED: i16 = 4;

/// A partition asked for and where it was found.
type Place<'a> = (
    &'a AddPartitionsToTxnTopic,
    i32,
    Result<Addition, ErrorCode>,
);

pub(crate) async fn add_partitions_to_txn(
    call: Call,
    request: AddPartitionsToTxnRequestData,
) -> Reply<AddPartitionsToTxnResponseData> {
    Reply::later(async move {
        if call.version < BATCHED {
            let one = AddPartitionsToTxnTransaction {
                transactional_id: request.v3_and_below_transactional_id,
                producer_id: request.v3_and_below_producer_id,
                producer_epoch: request.v3_and_below_producer_epoch,
                topics: request.v3_and_below_topics,
                ..AddPartitionsToTxnTransaction::default()
            };
            return AddPartitionsToTxnResponseData {
                results_by_topic_v3_and_below: one_transaction(&call, &one).await,
                ..AddPartitionsToTxnResponseData::default()
            };
        }
        if !call.may(Operation::ClusterAction, Resource::Cluster) {
            return AddPartitionsToTxnResponseData {
                error_code: ErrorCode::ClusterAuthorizationFailed.code(),
                ..AddPartitionsToTxnResponseData::default()
            };
        }
        let mut results = Vec::with_capacity(request.transactions.len());
        for one in &request.transactions {
            results.push(AddPartitionsToTxnResult {
                transactional_id: one.transactional_id.clone(),
                topic_results: one_transaction(&call, one).await,
                ..AddPartitionsToTxnResult::default()
            });
        }
        AddPartitionsToTxnResponseData {
            results_by_transaction: results,
            ..AddPartitionsToTxnResponseData::default()
        }
    })
}

async fn one_transaction(
    call: &Call,
    asked: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let places = find(call, asked).await;
    let outcomes = outcomes(call, asked, &places).await;
    let mut results: Vec<AddPartitionsToTxnTopicResult> = Vec::new();
    for ((topic, partition_index, _), code) in places.iter().zip(outcomes) {
        let code = super::for_version(code, call.version, KNOWS_FENCED);
        let result = AddPartitionsToTxnPartitionResult {
            partition_index: *partition_index,
            partition_error_code: code.code(),
            ..AddPartitionsToTxnPartitionResult::default()
        };
        match results.last_mut().filter(|last| last.name == topic.name) {
            Some(last) => last.results_by_partition.push(result),
            None => results.push(AddPartitionsToTxnTopicResult {
                name: topic.name.clone(),
                results_by_partition: vec![result],
                ..AddPartitionsToTxnTopicResult::default()
            }),
        }
    }
    results
}

async fn find<'a>(call: &Call, asked: &'a AddPartitionsToTxnTransaction) -> Vec<Place<'a>> {
    let mut places = Vec::new();
    for topic in &asked.topics {
        let name = topic.name.as_str();
        let found = if call.version >= BATCHED || call.may(Operation::Write, Resource::Topic(name))
        {
            call.broker.topic(name).await
        } else {
            Err(ErrorCode::TopicAuthorizationFailed.into())
        };
        for &index in &topic.partitions {
            let place = match &found {
                Ok(topic) => call.addition(topic, index).await,
                Err(refusal) => Err(refusal.clone()),
            };
            places.push((topic, index, place.map_err(|refusal| refusal.code)));
        }
    }
    places
}

/// What becomes of each place: all are added, or none.
async fn outcomes(
    call: &Call,
    asked: &AddPartitionsToTxnTransaction,
    places: &[Place<'_>],
) -> Vec<ErrorCode> {
    let all = |code: ErrorCode| vec![code; places.len()];
    let id = asked.transactional_id.as_str();
    if !call.may(Operation::Write, Resource::TransactionalId(id)) {
        return all(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if id.is_empty() {
        return all(ErrorCode::InvalidRequest);
    }
    let is_wrong = places.iter().any(|(_, _, place)| place.is_err());
    if is_wrong {
        let code = |(_, _, place): &Place<'_>| match place {
            Ok(_) => ErrorCode::OperationNotAttempted,
            Err(code) => *code,
        };
        return places.iter().map(code).collect();
    }
    let additions = places.iter().filter_map(|(_, _, place)| place.clone().ok());
    let asking = Asking {
        producer_id: asked.producer_id,
        epoch: asked.producer_epoch,
    };
    let transactions = &call.broker.transactions;
    if asked.verify_only {
        let logs: Vec<LogId> = additions.map(|one| one.log).collect();
        return match transactions.verify(id, asking, &logs) {
            Ok(are_in) => are_in.into_iter().map(verified).collect(),
            Err(code) => all(code),
        };
    }
    match transactions.add(id, asking, additions.collect()).await {
        Ok(()) => all(ErrorCode::None),
        Err(refusal) => all(refusal.code),
    }
}

fn verified(is_in: bool) -> ErrorCode {
    if is_in {
        ErrorCode::None
    } else {
        ErrorCode::TransactionAbortable
    }
}

impl Call {
    /// A topic's partition as it is added to a transaction.
    pub(crate) async fn addition(
        &self,
        topic: &crate::topics::Topic,
        partition: i32,
    ) -> Result<Addition, Refusal> {
        let log = topic.log(partition)?;
        Ok(Addition {
            topic: topic.name().to_owned(),
            log,
            end: self.broker.streams.store().bounds(log).await?.end,
        })
    }
}

//! DescribeTransactions 0 (KIP-664): what transactional ids are doing.

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::session::Call;
use crate::transaction::machine::{InTopic, NONE};
use crate::wire::describe_transactions_response::{TopicData, TransactionState};
use crate::wire::{
    DescribeTransactionsRequestData, DescribeTransactionsResponseData, ErrorCode, text,
};

pub(crate) async fn describe_transactions(
    call: Call,
    request: DescribeTransactionsRequestData,
) -> Reply<DescribeTransactionsResponseData> {
    let mut transaction_states = Vec::with_capacity(request.transactional_ids.len());
    for id in request.transactional_ids {
        let mut state = TransactionState {
            transactional_id: id.clone(),
            producer_id: NONE,
            producer_epoch: -1,
            transaction_start_time_ms: NONE,
            ..TransactionState::default()
        };
        if let Err(code) = fill(&call, id.as_str(), &mut state) {
            state.error_code = code.code();
        }
        transaction_states.push(state);
    }
    DescribeTransactionsResponseData {
        transaction_states,
        ..DescribeTransactionsResponseData::default()
    }
    .into()
}

fn fill(call: &Call, id: &str, state: &mut TransactionState) -> Result<(), ErrorCode> {
    if !call.may(Operation::Describe, Resource::TransactionalId(id)) {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed);
    }
    if id.is_empty() {
        return Err(ErrorCode::InvalidRequest);
    }
    let one = call.broker.transactions.find(id);
    let machine = one.and_then(|one| one.machine());
    let machine = machine.ok_or(ErrorCode::TransactionalIdNotFound)?;
    state.producer_id = machine.producer_id;
    state.producer_epoch = machine.epoch;
    state.transaction_state = text(machine.stage.name());
    state.transaction_timeout_ms = machine.timeout_ms;
    state.transaction_start_time_ms = machine.started.map_or(NONE, |started| started.0);
    // A topic that the asker may not see is left out, as by Kafka.
    let may_see = |topic: &&InTopic| call.may(Operation::Describe, Resource::Topic(&topic.name));
    let topics = machine
        .topics
        .iter()
        .filter(may_see)
        .map(|topic| TopicData {
            topic: text(&topic.name),
            partitions: topic
                .partitions
                .keys()
                .map(|partition| partition.cast_signed())
                .collect(),
            ..TopicData::default()
        });
    state.topics = topics.collect();
    Ok(())
}

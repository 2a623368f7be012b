//! ListTransactions 0–2 (KIP-664, KIP-994, KIP-1152): transactional ids, by state, producer, age and name.

use std::time::Duration;

use regex_lite::Regex;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::session::Call;
use crate::transaction::machine::{Machine, Stage};
use crate::wire::list_transactions_response::TransactionState;
use crate::wire::{
    ErrorCode, KafkaString, ListTransactionsRequestData, ListTransactionsResponseData, text,
};

/// States that Kafka has and this coordinator passes through in one step: known, though nothing is ever found in them.
const PASSING: [&str; 4] = ["PrepareCommit", "PrepareAbort", "Dead", "PrepareEpochFence"];

pub(crate) async fn list_transactions(
    call: Call,
    request: ListTransactionsRequestData,
) -> Reply<ListTransactionsResponseData> {
    let mut response = ListTransactionsResponseData::default();
    let Ok(pattern) = pattern(&request) else {
        response.error_code = ErrorCode::InvalidRegularExpression.code();
        return response.into();
    };
    response.unknown_state_filters = request
        .state_filters
        .iter()
        .filter(|name| !is_state(name.as_str()))
        .cloned()
        .collect();
    let now = call.broker.clock.now();
    let is_wanted = |id: &str, machine: &Machine| {
        let states = &request.state_filters;
        let producers = &request.producer_id_filters;
        let age = machine.started.map(|started| now.since(started));
        let age_min = u64::try_from(request.duration_filter).ok();
        (states.is_empty()
            || states
                .iter()
                .any(|name| name.as_str() == machine.stage.name()))
            && (producers.is_empty() || producers.contains(&machine.producer_id))
            && age_min.is_none_or(|min| age.is_some_and(|age| age > Duration::from_millis(min)))
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
            && call.may(Operation::Describe, Resource::TransactionalId(id))
    };
    let all = call.broker.transactions.all();
    let found = all
        .into_iter()
        .filter(|(id, machine)| is_wanted(id, machine));
    response.transaction_states = found
        .map(|(id, machine)| TransactionState {
            transactional_id: text(&id),
            producer_id: machine.producer_id,
            transaction_state: text(machine.stage.name()),
            ..TransactionState::default()
        })
        .collect();
    response.into()
}

fn is_state(name: &str) -> bool {
    PASSING.contains(&name) || Stage::ALL.iter().any(|stage| stage.name() == name)
}

/// The pattern that a whole name must match, if there is one.
fn pattern(request: &ListTransactionsRequestData) -> Result<Option<Regex>, regex_lite::Error> {
    let pattern = request.transactional_id_pattern.as_ref();
    let pattern = pattern.map(KafkaString::as_str).filter(|p| !p.is_empty());
    pattern
        .map(|pattern| Regex::new(&format!("^(?:{pattern})$")))
        .transpose()
}

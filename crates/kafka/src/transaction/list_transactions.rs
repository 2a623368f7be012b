//! ListTransactions 0–2 (KIP-664, KIP-994, KIP-1152): transactional ids, by state, producer, age and name.

use std::collections::HashSet;
use std::time::Duration;

use regex_lite::Regex;
use tokio::time::Instant;

use crate::access::{Operation, Resource};
use crate::connection::Reply;
use crate::pattern;
use crate::session::Call;
use crate::transaction::machine::{Machine, Stage};
use crate::wire::list_transactions_response::TransactionState;
use crate::wire::{
    ErrorCode, KafkaString, ListTransactionsRequestData, ListTransactionsResponseData, text,
};

/// States that Kafka has and this coordinator passes through in one step: known, though nothing is ever found in them.
const PASSING: [&str; 4] = ["PrepareCommit", "PrepareAbort", "Dead", "PrepareEpochFence"];

/// Longest that ids are looked at before others have their turn.
const TURN_MAX: Duration = Duration::from_millis(5);

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
    let states = request.state_filters.iter().map(KafkaString::as_str);
    let states: HashSet<&str> = states.collect();
    let producers: HashSet<i64> = request.producer_id_filters.iter().copied().collect();
    let age_min = u64::try_from(request.duration_filter).ok();
    let is_wanted = |id: &str, machine: &Machine| {
        let age = machine.started.map(|started| now.since(started));
        (states.is_empty() || states.contains(machine.stage.name()))
            && (producers.is_empty() || producers.contains(&machine.producer_id))
            && age_min.is_none_or(|min| age.is_some_and(|age| age > Duration::from_millis(min)))
            // Before the pattern, which takes longest: whoever may see nothing has nothing matched.
            && call.may(Operation::Describe, Resource::TransactionalId(id))
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    };
    let all = call.broker.transactions.all();
    let mut turn = Instant::now();
    for (id, machine) in all {
        if turn.elapsed() > TURN_MAX {
            tokio::task::yield_now().await;
            turn = Instant::now();
        }
        if is_wanted(&id, &machine) {
            response.transaction_states.push(TransactionState {
                transactional_id: text(&id),
                producer_id: machine.producer_id,
                transaction_state: text(machine.stage.name()),
                ..TransactionState::default()
            });
        }
    }
    response.into()
}

fn is_state(name: &str) -> bool {
    PASSING.contains(&name) || Stage::ALL.iter().any(|stage| stage.name() == name)
}

/// The pattern that a whole name must match, if there is one.
fn pattern(request: &ListTransactionsRequestData) -> Result<Option<Regex>, String> {
    let pattern = request.transactional_id_pattern.as_ref();
    let pattern = pattern.map(KafkaString::as_str).filter(|p| !p.is_empty());
    pattern.map(pattern::whole).transpose()
}

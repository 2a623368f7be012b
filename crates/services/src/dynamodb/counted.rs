//! Requests about items, counted for each table they name, and errors, counted for whoever asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws::{Caller, ServiceError};
use tokio::time::Instant;

use super::api::items::{
    BatchGetItemInput, BatchGetItemOutput, BatchWriteItemInput, BatchWriteItemOutput,
    DeleteItemInput, GetItemInput, GetItemOutput, PageOutput, PutItemInput, QueryInput, ScanInput,
    TransactGetItemsInput, TransactGetItemsOutput, TransactWriteItemsInput,
    TransactWriteItemsOutput, UpdateItemInput, WriteOutput,
};
use super::counters::{OPERATIONS, add};
use super::error::DynamoError;
use super::{Dynamo, naming};

/// Counts an error that is answered, if it is of the caller's doing. Throttling and conditions have counts of their own.
pub(super) fn count_error(dynamo: &Dynamo, caller: &Caller, error: &ServiceError) {
    let name = error.code.rsplit('#').next().unwrap_or_default();
    let has_its_own = matches!(
        name,
        "ConditionalCheckFailedException"
            | "ProvisionedThroughputExceededException"
            | "ThrottlingException"
    );
    if error.status < 500 && !has_its_own {
        dynamo.user_errors.add(caller);
    }
}

type Answering<O> = Pin<Box<dyn Future<Output = Result<O, DynamoError>> + Send>>;

/// Inputs that name tables.
pub(super) trait OfTables {
    /// The tables as the request names them, each once or more.
    fn tables(&self) -> Vec<String>;
}

/// What operations on items answer.
pub(super) trait Answer {
    /// How many items are returned, where that is counted: in pages of Query and Scan.
    fn items(&self) -> Option<usize> {
        None
    }
}

/// Answers by `handler`, and counts the requests of each table that is named.
///
/// # Panics
/// If `operation` is none of [`OPERATIONS`].
pub(super) fn counted<I, O, F, Fut>(
    operation: &'static str,
    handler: F,
) -> impl Fn(Arc<Dynamo>, Caller, I) -> Answering<O> + Send + Sync + 'static
where
    I: OfTables,
    O: Answer,
    F: Fn(Arc<Dynamo>, Caller, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, DynamoError>> + Send + 'static,
{
    let place = OPERATIONS.iter().position(|name| *name == operation);
    let place = place.expect("what is counted is in the list");
    move |dynamo, caller, input| {
        let mut tables = input.tables();
        tables.sort_unstable();
        tables.dedup();
        let began = Instant::now();
        let work = handler(Arc::clone(&dynamo), caller.clone(), input);
        Box::pin(async move {
            let answered = work.await;
            let outcome = match &answered {
                Ok(output) => Ok(output.items()),
                Err(error) => Err(error),
            };
            dynamo.count_request(place, &caller, &tables, began.elapsed(), outcome);
            answered
        })
    }
}

/// Whether an operation was kept from being done for want of capacity.
fn is_throttled(error: &DynamoError) -> bool {
    match error {
        DynamoError::ThroughputExceeded | DynamoError::Throttling => true,
        DynamoError::TransactionCanceled(reasons) => reasons.iter().any(|reason| {
            matches!(
                reason.code,
                "ProvisionedThroughputExceeded" | "ThrottlingError"
            )
        }),
        _ => false,
    }
}

impl Dynamo {
    fn count_request(
        &self,
        place: usize,
        caller: &Caller,
        tables: &[String],
        took: Duration,
        outcome: Result<Option<usize>, &DynamoError>,
    ) {
        for table in tables {
            let live = naming::table(caller, table)
                .ok()
                .and_then(|name| self.known.live(&name));
            let Some(live) = live else {
                continue;
            };
            let of = &live.counters.operations[place];
            match outcome {
                Ok(items) => {
                    add(&of.answered, 1);
                    add(&of.micros, took.as_micros() as usize);
                    if let Some(items) = items {
                        add(&of.pages, 1);
                        add(&of.items, items);
                    }
                }
                Err(error) if is_throttled(error) => add(&of.throttled, 1),
                Err(DynamoError::Internal | DynamoError::Unavailable) => add(&of.failed, 1),
                Err(_) => {}
            }
        }
    }
}

impl OfTables for PutItemInput {
    fn tables(&self) -> Vec<String> {
        vec![self.table_name.clone()]
    }
}

impl OfTables for UpdateItemInput {
    fn tables(&self) -> Vec<String> {
        vec![self.table_name.clone()]
    }
}

impl OfTables for DeleteItemInput {
    fn tables(&self) -> Vec<String> {
        vec![self.table_name.clone()]
    }
}

impl OfTables for GetItemInput {
    fn tables(&self) -> Vec<String> {
        vec![self.table_name.clone()]
    }
}

impl OfTables for QueryInput {
    fn tables(&self) -> Vec<String> {
        vec![self.table_name.clone()]
    }
}

impl OfTables for ScanInput {
    fn tables(&self) -> Vec<String> {
        vec![self.table_name.clone()]
    }
}

impl OfTables for BatchGetItemInput {
    fn tables(&self) -> Vec<String> {
        self.request_items.keys().cloned().collect()
    }
}

impl OfTables for BatchWriteItemInput {
    fn tables(&self) -> Vec<String> {
        self.request_items.keys().cloned().collect()
    }
}

impl OfTables for TransactGetItemsInput {
    fn tables(&self) -> Vec<String> {
        let names = self.transact_items.iter().map(|item| &item.get.table_name);
        names.cloned().collect()
    }
}

impl OfTables for TransactWriteItemsInput {
    fn tables(&self) -> Vec<String> {
        let given = self.transact_items.iter().flat_map(|one| {
            let all = [&one.put, &one.update, &one.delete, &one.condition_check];
            all.into_iter().flatten()
        });
        given.map(|action| action.table_name.clone()).collect()
    }
}

impl Answer for PageOutput {
    fn items(&self) -> Option<usize> {
        Some(self.items.as_ref().map_or(0, Vec::len))
    }
}

impl Answer for WriteOutput {}
impl Answer for GetItemOutput {}
impl Answer for BatchGetItemOutput {}
impl Answer for BatchWriteItemOutput {}
impl Answer for TransactWriteItemsOutput {}
impl Answer for TransactGetItemsOutput {}

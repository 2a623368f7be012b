//! BatchGetItem and BatchWriteItem: many items, each for itself.
//!
//! What is refused for its form is refused as a whole; what there is no capacity or no room for is answered as unprocessed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws::Caller;
use store::Key;

use super::api::items::{
    BatchGetItemInput, BatchGetItemOutput, BatchWriteItemInput, BatchWriteItemOutput,
    ConsumedCapacity, KeysAndAttributes, Unprocessed, UnprocessedKeys, WriteRequest,
};
use super::capacity::{Cost, read_units};
use super::conditions::{context, projection};
use super::error::DynamoError;
use super::expression::Projection;
use super::limits;
use super::plan::Bill;
use super::tables::Found;
use super::throughput::Side;
use super::value::{Item, item, item_bytes};
use super::write::{Action, Work};
use super::{Dynamo, collections, rows, schema};

/// Whether an operation was kept from being done for want of capacity: it may be tried again.
fn is_throttled(error: &DynamoError) -> bool {
    matches!(
        error,
        DynamoError::ThroughputExceeded | DynamoError::Throttling
    )
}

/// What a batch gets of one table.
struct Gets {
    /// As the request calls the table.
    table: String,
    found: Arc<Found>,
    keys: Vec<Item>,
    projection: Option<Projection>,
    is_consistent: bool,
    /// As it came.
    rest: UnprocessedKeys,
}

/// BatchGetItem.
pub(super) async fn batch_get_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: BatchGetItemInput,
) -> Result<BatchGetItemOutput, DynamoError> {
    let count: usize = input.request_items.values().map(|of| of.keys.len()).sum();
    if count > limits::BATCH_GETS {
        return Err(DynamoError::validation(
            "Too many items requested for the BatchGetItem call",
        ));
    }
    let mut all = Vec::with_capacity(input.request_items.len());
    // Of all tables, since one may be named in two ways.
    let mut seen = BTreeSet::new();
    for (table, given) in input.request_items {
        all.push(read_gets(&dynamo, &caller, table, given, &mut seen).await?);
    }
    let mut output = BatchGetItemOutput::default();
    let mut bill = Bill::default();
    let mut bytes = 0;
    let mut is_anything_done = false;
    for gets in all {
        let mut left = Vec::new();
        let mut responses = Vec::new();
        for key in gets.keys {
            if bytes >= limits::BATCH_BYTES {
                left.push(key);
                continue;
            }
            if dynamo.admit(&gets.found, None, Side::Read).is_err() {
                left.push(key);
                continue;
            }
            is_anything_done = true;
            let item = dynamo.read(&gets.found, &key).await?;
            let size = item.as_ref().map_or(0, item_bytes);
            bytes += size as u64;
            let cost = Cost::of_table(read_units(size, gets.is_consistent));
            dynamo.take(&gets.found, None, Side::Read, cost.table);
            bill.add(&gets.found.name.name, &cost);
            responses.extend(item.map(|item| match &gets.projection {
                Some(projection) => projection.of(&item),
                None => item,
            }));
        }
        output.responses.insert(gets.table.clone(), responses);
        if !left.is_empty() {
            let keys = left;
            let rest = UnprocessedKeys { keys, ..gets.rest };
            output.unprocessed_keys.insert(gets.table, rest);
        }
    }
    if !is_anything_done {
        return Err(DynamoError::ThroughputExceeded);
    }
    output.consumed_capacity = told(&bill, input.return_consumed_capacity.as_deref());
    Ok(output)
}

async fn read_gets(
    dynamo: &Dynamo,
    caller: &Caller,
    table: String,
    given: KeysAndAttributes,
    seen: &mut BTreeSet<Key>,
) -> Result<Gets, DynamoError> {
    let expressions = [(
        "ProjectionExpression",
        given.projection_expression.is_some(),
    )];
    let others = [("AttributesToGet", given.attributes_to_get.is_some())];
    let rest = UnprocessedKeys {
        keys: Vec::new(),
        attributes_to_get: given.attributes_to_get.clone(),
        consistent_read: given.consistent_read,
        projection_expression: given.projection_expression.clone(),
        expression_attribute_names: given.expression_attribute_names.clone(),
    };
    let mut context = context(
        &expressions,
        &others,
        given.expression_attribute_names,
        None,
    )?;
    let projection = projection(
        given.projection_expression.as_deref(),
        given.attributes_to_get,
        &mut context,
    )?;
    context.all_used()?;
    let keys: Vec<Item> = given.keys.into_iter().map(item).collect::<Result<_, _>>()?;
    let found = dynamo.find(caller, &table).await?;
    for key in &keys {
        schema::must_be_key(&found.table, key)?;
        let row = rows::item(&found.table, key).ok_or(DynamoError::Internal)?;
        must_be_new(seen, row)?;
    }
    Ok(Gets {
        table,
        found,
        keys,
        projection,
        is_consistent: given.consistent_read.unwrap_or_default(),
        rest,
    })
}

fn must_be_new(seen: &mut BTreeSet<Key>, row: Key) -> Result<(), DynamoError> {
    if seen.insert(row) {
        return Ok(());
    }
    Err(DynamoError::validation(
        "Provided list of item keys contains duplicates",
    ))
}

fn told(bill: &Bill, asked: Option<&str>) -> Option<Vec<ConsumedCapacity>> {
    bill.0
        .iter()
        .map(|(table, cost)| cost.told(table, asked))
        .collect()
}

/// BatchWriteItem.
pub(super) async fn batch_write_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: BatchWriteItemInput,
) -> Result<BatchWriteItemOutput, DynamoError> {
    let count: usize = input.request_items.values().map(Vec::len).sum();
    if count > limits::BATCH_WRITES {
        return Err(DynamoError::validation(
            "Too many items requested for the BatchWriteItem call",
        ));
    }
    let mut actions = Vec::with_capacity(count);
    let mut seen = BTreeSet::new();
    for (table, requests) in input.request_items {
        if requests.is_empty() {
            return Err(DynamoError::validation(format!(
                "1 validation error detected: Value '{{{table}=[]}}' at 'requestItems' failed to satisfy constraint: Map value must \
                 satisfy constraint: [Member must have length less than or equal to 25, Member must have length greater than or \
                 equal to 1]"
            )));
        }
        let found = dynamo.find(&caller, &table).await?;
        for request in requests {
            let action = action(&found, request)?;
            must_be_new(&mut seen, action.row()?)?;
            actions.push((table.clone(), action));
        }
    }
    must_be_small(&actions)?;
    let (mut bill, mut keys) = (Bill::default(), Vec::new());
    let mut unprocessed: BTreeMap<String, Vec<Unprocessed>> = BTreeMap::new();
    // All at once: each is durable for itself, and they need not wait for each other's turn at the disk.
    let writes = actions
        .into_iter()
        .map(|(table, action)| write_one(&dynamo, table, action));
    let outcomes = futures_util::future::join_all(writes).await;
    for outcome in outcomes {
        match outcome? {
            Outcome::Done { found, key, cost } => {
                bill.add(&found.name.name, &cost);
                keys.push((found, key));
            }
            Outcome::Left { table, request } => unprocessed.entry(table).or_default().push(request),
        }
    }
    if keys.is_empty() {
        return Err(DynamoError::ThroughputExceeded);
    }
    let mut output = BatchWriteItemOutput {
        unprocessed_items: unprocessed,
        consumed_capacity: told(&bill, input.return_consumed_capacity.as_deref()),
        ..BatchWriteItemOutput::default()
    };
    if input.return_item_collection_metrics.as_deref() == Some("SIZE") {
        for (found, key) in keys {
            if let Some(metrics) = collections::metrics(&dynamo, &found, &key).await? {
                let name = found.name.name.clone();
                output
                    .item_collection_metrics
                    .entry(name)
                    .or_default()
                    .push(metrics);
            }
        }
    }
    Ok(output)
}

/// What came of one write of a batch.
enum Outcome {
    Done {
        found: Arc<Found>,
        key: Item,
        cost: Cost,
    },
    Left {
        table: String,
        request: Unprocessed,
    },
}

async fn write_one(dynamo: &Dynamo, table: String, action: Action) -> Result<Outcome, DynamoError> {
    let (found, key) = (Arc::clone(&action.found), action.key.clone());
    let new = match &action.work {
        Work::Put(new) => Some(new.clone()),
        _ => None,
    };
    match dynamo.write(action).await {
        Ok(done) => Ok(Outcome::Done {
            found,
            key,
            cost: done.cost,
        }),
        Err(error) if is_throttled(&error) => Ok(Outcome::Left {
            table,
            request: match new {
                Some(item) => Unprocessed::PutRequest { item },
                None => Unprocessed::DeleteRequest { key },
            },
        }),
        Err(error) => Err(error),
    }
}

fn action(found: &Arc<Found>, request: WriteRequest) -> Result<Action, DynamoError> {
    let put = request.put_request.and_then(|put| put.item);
    let delete = request.delete_request.and_then(|delete| delete.key);
    let (key, work) = match (put, delete) {
        (Some(new), None) => {
            let new = item(new)?;
            schema::must_be_item(&found.table, &new)?;
            (schema::key_of(&found.table.key, &new), Work::Put(new))
        }
        (None, Some(key)) => {
            let key = item(key)?;
            schema::must_be_key(&found.table, &key)?;
            (key, Work::Delete)
        }
        (Some(_), Some(_)) => {
            return Err(DynamoError::validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            ));
        }
        (None, None) => {
            return Err(DynamoError::validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        }
    };
    Ok(Action {
        found: Arc::clone(found),
        key,
        condition: None,
        work,
        tells: false,
    })
}

fn must_be_small(actions: &[(String, Action)]) -> Result<(), DynamoError> {
    let bytes = actions.iter().map(|(_, action)| match &action.work {
        Work::Put(new) => item_bytes(new) as u64,
        _ => item_bytes(&action.key) as u64,
    });
    if bytes.sum::<u64>() > limits::BATCH_BYTES {
        return Err(DynamoError::validation(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    Ok(())
}

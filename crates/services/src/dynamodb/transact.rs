//! TransactWriteItems and TransactGetItems: many items at once, all or nothing.
//!
//! A transaction is one commit of the store: durable and seen whole. Where AWS refuses one that meets another at an item with
//! `TransactionConflict`, this one waits its turn. A token is kept with the transaction, so that the same one is not carried out twice
//! within ten minutes, also after a restart.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws::Caller;
use store::Key;

use super::api::items::{
    ItemResponse, TransactAction, TransactGet, TransactGetItemsInput, TransactGetItemsOutput,
    TransactWriteItem, TransactWriteItemsInput, TransactWriteItemsOutput,
};
use super::capacity::{Cost, read_units};
use super::conditions::{condition, context, must_leave_key, projection};
use super::error::{DynamoError, Reason};
use super::expression::{Projection, Update};
use super::fingerprint::fingerprint;
use super::items::tells;
use super::limits;
use super::plan::Bill;
use super::tables::Found;
use super::throughput::Side;
use super::tokens::{Remembered, token_key, token_write};
use super::value::{Item, item, item_bytes};
use super::write::{Action, Done, Work, Written};
use super::{Dynamo, collections, rows, schema};

/// TransactWriteItems.
pub(super) async fn transact_write_items(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: TransactWriteItemsInput,
) -> Result<TransactWriteItemsOutput, DynamoError> {
    must_be_few(input.transact_items.len())?;
    let consumed = input.return_consumed_capacity.as_deref();
    let token = input
        .client_request_token
        .as_ref()
        .map(|token| token_key(&caller, token));
    let digest = fingerprint(&input.transact_items);
    let mut actions = Vec::with_capacity(input.transact_items.len());
    for one in input.transact_items {
        actions.push(action(&dynamo, &caller, one).await?);
    }
    must_be_different(&actions)?;
    must_be_small(&actions)?;
    for action in &actions {
        dynamo
            .admit_write(&action.found)
            .map_err(|error| throttled(error, &actions))?;
    }
    let mut beside = None;
    if let Some(key) = &token {
        match dynamo.remembered(key, &digest).await? {
            Remembered::Done => return repeated(&dynamo, &actions, consumed).await,
            Remembered::Fresh(check) => {
                beside = Some((check, token_write(key, &digest, dynamo.clock.now())));
            }
        }
    }
    let done = match dynamo.write_all(&mut actions, beside).await? {
        Written::All(done) => done,
        // The same token, a moment ago: what it stands for is known by now.
        Written::Beside => {
            let key = token.as_ref().ok_or(DynamoError::Internal)?;
            return match dynamo.remembered(key, &digest).await? {
                Remembered::Done => repeated(&dynamo, &actions, consumed).await,
                Remembered::Fresh(_) => Err(DynamoError::Unavailable),
            };
        }
    };
    let bill = charge(&dynamo, &actions, done);
    let mut output = TransactWriteItemsOutput {
        consumed_capacity: told(&bill, consumed, Side::Write),
        ..TransactWriteItemsOutput::default()
    };
    if input.return_item_collection_metrics.as_deref() == Some("SIZE") {
        for action in &actions {
            if let Some(metrics) = collections::metrics(&dynamo, &action.found, &action.key).await?
            {
                let name = action.found.name.name.clone();
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

fn must_be_few(count: usize) -> Result<(), DynamoError> {
    if count > limits::TRANSACTION_ACTIONS {
        return Err(DynamoError::validation(format!(
            "Member must have length less than or equal to {}",
            limits::TRANSACTION_ACTIONS
        )));
    }
    Ok(())
}

/// Reads one of the four.
async fn action(
    dynamo: &Dynamo,
    caller: &Caller,
    one: TransactWriteItem,
) -> Result<Action, DynamoError> {
    let given = (one.put, one.update, one.delete, one.condition_check);
    match given {
        (Some(put), None, None, None) => {
            let new = item(required(put.item.clone(), "Put", "Item")?)?;
            read_action(dynamo, caller, put, What::Put(new)).await
        }
        (None, Some(update), None, None) => {
            let text = required(
                update.update_expression.clone(),
                "Update",
                "UpdateExpression",
            )?;
            read_action(dynamo, caller, update, What::Update(text)).await
        }
        (None, None, Some(delete), None) => read_action(dynamo, caller, delete, What::Delete).await,
        (None, None, None, Some(check)) => {
            required(
                check.condition_expression.as_ref(),
                "ConditionCheck",
                "ConditionExpression",
            )?;
            read_action(dynamo, caller, check, What::Check).await
        }
        (None, None, None, None) => Err(DynamoError::validation(
            "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
        )),
        _ => Err(DynamoError::validation(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        )),
    }
}

/// What an action does, before its table is known.
enum What {
    Put(Item),
    Update(String),
    Delete,
    Check,
}

async fn read_action(
    dynamo: &Dynamo,
    caller: &Caller,
    given: TransactAction,
    what: What,
) -> Result<Action, DynamoError> {
    let expressions = [
        ("UpdateExpression", given.update_expression.is_some()),
        ("ConditionExpression", given.condition_expression.is_some()),
    ];
    let mut context = context(
        &expressions,
        &[],
        given.expression_attribute_names,
        given.expression_attribute_values,
    )?;
    let work = match what {
        What::Put(new) => Work::Put(new),
        What::Update(text) => Work::Update(Update::parse(&text, &mut context)?),
        What::Delete => Work::Delete,
        What::Check => Work::Check,
    };
    let condition = condition(
        given.condition_expression.as_deref(),
        None,
        None,
        &mut context,
    )?;
    context.all_used()?;
    let found = dynamo.find(caller, &given.table_name).await?;
    let key = match &work {
        Work::Put(new) => {
            schema::must_be_item(&found.table, new)?;
            schema::key_of(&found.table.key, new)
        }
        _ => {
            let key = item(required(given.key, "TransactItem", "Key")?)?;
            schema::must_be_key(&found.table, &key)?;
            key
        }
    };
    if let Work::Update(update) = &work {
        must_leave_key(&found.table.key, &update.attributes())?;
    }
    Ok(Action {
        found,
        key,
        condition,
        work,
        tells: tells(given.return_values_on_condition_check_failure.as_deref()),
    })
}

fn required<T>(given: Option<T>, of: &str, member: &str) -> Result<T, DynamoError> {
    given.ok_or_else(|| DynamoError::validation(format!("{of} must have the member {member}")))
}

/// Two actions on one item have no order.
fn must_be_different(actions: &[Action]) -> Result<(), DynamoError> {
    let mut rows = BTreeSet::new();
    for action in actions {
        if !rows.insert(action.row()?) {
            return Err(DynamoError::validation(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
    }
    Ok(())
}

fn must_be_small(actions: &[Action]) -> Result<(), DynamoError> {
    let bytes = actions.iter().map(|action| match &action.work {
        Work::Put(new) => item_bytes(new) as u64,
        _ => item_bytes(&action.key) as u64,
    });
    if bytes.sum::<u64>() > limits::TRANSACTION_BYTES {
        return Err(DynamoError::validation(
            "Transaction request size cannot exceed the maximum of 4 MB",
        ));
    }
    Ok(())
}

/// A transaction without capacity is cancelled for it.
fn throttled(error: DynamoError, actions: &[Action]) -> DynamoError {
    let code = match error {
        DynamoError::ThroughputExceeded => "ProvisionedThroughputExceeded",
        DynamoError::Throttling => "ThrottlingError",
        other => return other,
    };
    let reason = Reason {
        code,
        message: Some(error.to_string()),
        item: None,
    };
    DynamoError::TransactionCanceled(vec![reason; actions.len()])
}

/// Takes what the actions cost; gives it by table. Conditions and writes alike cost double.
fn charge(dynamo: &Dynamo, actions: &[Action], done: Vec<Done>) -> Bill {
    let mut bill = Bill::default();
    for (action, done) in actions.iter().zip(done) {
        let cost = done.cost.doubled();
        dynamo.charge(&action.found, &cost);
        bill.add(&action.found.name.name, &cost);
    }
    bill
}

/// The answer to a transaction that was carried out before: reads of its items are what it costs.
async fn repeated(
    dynamo: &Dynamo,
    actions: &[Action],
    consumed: Option<&str>,
) -> Result<TransactWriteItemsOutput, DynamoError> {
    let mut bill = Bill::default();
    for action in actions {
        let item = dynamo.read(&action.found, &action.key).await?;
        let cost = Cost::of_table(read_units(item.as_ref().map_or(0, item_bytes), true)).doubled();
        dynamo.take(&action.found, None, Side::Read, cost.table);
        bill.add(&action.found.name.name, &cost);
    }
    Ok(TransactWriteItemsOutput {
        consumed_capacity: told(&bill, consumed, Side::Read),
        ..TransactWriteItemsOutput::default()
    })
}

fn told(
    bill: &Bill,
    asked: Option<&str>,
    side: Side,
) -> Option<Vec<super::api::items::ConsumedCapacity>> {
    let all = bill
        .0
        .iter()
        .map(|(table, cost)| cost.told_by(table, asked, Some(side)));
    all.collect()
}

/// One read of a transaction.
struct Get {
    found: Arc<Found>,
    key: Item,
    projection: Option<Projection>,
}

/// TransactGetItems: all items as they are at one moment.
pub(super) async fn transact_get_items(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: TransactGetItemsInput,
) -> Result<TransactGetItemsOutput, DynamoError> {
    must_be_few(input.transact_items.len())?;
    let mut gets = Vec::with_capacity(input.transact_items.len());
    for one in input.transact_items {
        gets.push(read_get(&dynamo, &caller, one.get).await?);
    }
    let rows: Option<Vec<Key>> = gets
        .iter()
        .map(|get| rows::item(&get.found.table, &get.key))
        .collect();
    let rows = rows.ok_or(DynamoError::Internal)?;
    if rows.iter().collect::<BTreeSet<_>>().len() < rows.len() {
        return Err(DynamoError::validation(
            "Transaction request cannot include multiple operations on one item",
        ));
    }
    for get in &gets {
        dynamo.admit(&get.found, None, Side::Read)?;
    }
    // Whoever writes holds the turn until the write is seen.
    let _turns = dynamo.turns.at(&rows).await;
    let mut bill = Bill::default();
    let mut responses = Vec::with_capacity(gets.len());
    for get in &gets {
        let item = dynamo.read(&get.found, &get.key).await?;
        let cost = Cost::of_table(read_units(item.as_ref().map_or(0, item_bytes), true)).doubled();
        dynamo.take(&get.found, None, Side::Read, cost.table);
        bill.add(&get.found.name.name, &cost);
        let item = item.map(|item| match &get.projection {
            Some(projection) => projection.of(&item),
            None => item,
        });
        responses.push(ItemResponse { item });
    }
    Ok(TransactGetItemsOutput {
        consumed_capacity: told(&bill, input.return_consumed_capacity.as_deref(), Side::Read),
        responses,
    })
}

async fn read_get(
    dynamo: &Dynamo,
    caller: &Caller,
    given: TransactGet,
) -> Result<Get, DynamoError> {
    let expressions = [(
        "ProjectionExpression",
        given.projection_expression.is_some(),
    )];
    let mut context = context(&expressions, &[], given.expression_attribute_names, None)?;
    let projection = projection(given.projection_expression.as_deref(), None, &mut context)?;
    context.all_used()?;
    let key = item(given.key)?;
    let found = dynamo.find(caller, &given.table_name).await?;
    schema::must_be_key(&found.table, &key)?;
    Ok(Get {
        found,
        key,
        projection,
    })
}

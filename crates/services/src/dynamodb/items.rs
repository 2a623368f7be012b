//! PutItem, UpdateItem, DeleteItem and GetItem.

use std::sync::Arc;

use aws::Caller;

use super::api::items::{
    DeleteItemInput, GetItemInput, GetItemOutput, PutItemInput, UpdateItemInput, WriteOutput,
};
use super::capacity::{Cost, read_units};
use super::conditions::{condition, context, must_leave_key, projection};
use super::error::DynamoError;
use super::expression::Update;
use super::legacy;
use super::tables::Found;
use super::throughput::Side;
use super::value::{Item, item, item_bytes};
use super::write::{Action, Done, Work};
use super::{Dynamo, collections, rows, schema};

/// What a write answers, as it was asked for.
struct Asked<'a> {
    values: Option<&'a str>,
    consumed: Option<&'a str>,
    metrics: Option<&'a str>,
}

/// PutItem.
pub(super) async fn put_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: PutItemInput,
) -> Result<WriteOutput, DynamoError> {
    check_old_or_none(input.return_values.as_deref())?;
    let expressions = [("ConditionExpression", input.condition_expression.is_some())];
    let others = [
        ("Expected", input.expected.is_some()),
        ("ConditionalOperator", input.conditional_operator.is_some()),
    ];
    let mut context = context(
        &expressions,
        &others,
        input.expression_attribute_names,
        input.expression_attribute_values,
    )?;
    let new = item(input.item)?;
    let condition = condition(
        input.condition_expression.as_deref(),
        input.expected,
        input.conditional_operator.as_deref(),
        &mut context,
    )?;
    context.all_used()?;
    let found = dynamo.find(&caller, &input.table_name).await?;
    schema::must_be_item(&found.table, &new)?;
    let action = Action {
        key: schema::key_of(&found.table.key, &new),
        found: Arc::clone(&found),
        condition,
        work: Work::Put(new),
        tells: tells(input.return_values_on_condition_check_failure.as_deref()),
    };
    let asked = Asked {
        values: input.return_values.as_deref(),
        consumed: input.return_consumed_capacity.as_deref(),
        metrics: input.return_item_collection_metrics.as_deref(),
    };
    carry_out(&dynamo, action, &asked).await
}

/// UpdateItem.
pub(super) async fn update_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: UpdateItemInput,
) -> Result<WriteOutput, DynamoError> {
    let expressions = [
        ("UpdateExpression", input.update_expression.is_some()),
        ("ConditionExpression", input.condition_expression.is_some()),
    ];
    let others = [
        ("AttributeUpdates", input.attribute_updates.is_some()),
        ("Expected", input.expected.is_some()),
        ("ConditionalOperator", input.conditional_operator.is_some()),
    ];
    let mut context = context(
        &expressions,
        &others,
        input.expression_attribute_names,
        input.expression_attribute_values,
    )?;
    let key = item(input.key)?;
    let update = match input.update_expression.as_deref() {
        Some(text) => Update::parse(text, &mut context)?,
        None => legacy::updates(input.attribute_updates.unwrap_or_default())?,
    };
    let condition = condition(
        input.condition_expression.as_deref(),
        input.expected,
        input.conditional_operator.as_deref(),
        &mut context,
    )?;
    context.all_used()?;
    let found = dynamo.find(&caller, &input.table_name).await?;
    schema::must_be_key(&found.table, &key)?;
    must_leave_key(&found.table.key, &update.attributes())?;
    let action = Action {
        found: Arc::clone(&found),
        key,
        condition,
        work: Work::Update(update),
        tells: tells(input.return_values_on_condition_check_failure.as_deref()),
    };
    let asked = Asked {
        values: input.return_values.as_deref(),
        consumed: input.return_consumed_capacity.as_deref(),
        metrics: input.return_item_collection_metrics.as_deref(),
    };
    carry_out(&dynamo, action, &asked).await
}

/// DeleteItem.
pub(super) async fn delete_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: DeleteItemInput,
) -> Result<WriteOutput, DynamoError> {
    check_old_or_none(input.return_values.as_deref())?;
    let expressions = [("ConditionExpression", input.condition_expression.is_some())];
    let others = [
        ("Expected", input.expected.is_some()),
        ("ConditionalOperator", input.conditional_operator.is_some()),
    ];
    let mut context = context(
        &expressions,
        &others,
        input.expression_attribute_names,
        input.expression_attribute_values,
    )?;
    let key = item(input.key)?;
    let condition = condition(
        input.condition_expression.as_deref(),
        input.expected,
        input.conditional_operator.as_deref(),
        &mut context,
    )?;
    context.all_used()?;
    let found = dynamo.find(&caller, &input.table_name).await?;
    schema::must_be_key(&found.table, &key)?;
    let action = Action {
        found: Arc::clone(&found),
        key,
        condition,
        work: Work::Delete,
        tells: tells(input.return_values_on_condition_check_failure.as_deref()),
    };
    let asked = Asked {
        values: input.return_values.as_deref(),
        consumed: input.return_consumed_capacity.as_deref(),
        metrics: input.return_item_collection_metrics.as_deref(),
    };
    carry_out(&dynamo, action, &asked).await
}

/// A write that leaves nothing to be updated tells the item as it was, or nothing.
fn check_old_or_none(return_values: Option<&str>) -> Result<(), DynamoError> {
    if matches!(return_values, None | Some("NONE" | "ALL_OLD")) {
        return Ok(());
    }
    Err(DynamoError::validation(
        "ReturnValues can only be ALL_OLD or NONE",
    ))
}

/// Whether a refusal by the condition tells the item.
pub(super) fn tells(on_failure: Option<&str>) -> bool {
    on_failure == Some("ALL_OLD")
}

async fn carry_out(
    dynamo: &Dynamo,
    action: Action,
    asked: &Asked<'_>,
) -> Result<WriteOutput, DynamoError> {
    let (found, key) = (Arc::clone(&action.found), action.key.clone());
    let done = dynamo.write(action).await?;
    let metrics = match asked.metrics {
        Some("SIZE") => collections::metrics(dynamo, &found, &key).await?,
        _ => None,
    };
    Ok(WriteOutput {
        consumed_capacity: done.cost.told(&found.name.name, asked.consumed),
        item_collection_metrics: metrics,
        attributes: returned(done, asked.values),
    })
}

/// What `ReturnValues` asks for.
fn returned(done: Done, asked: Option<&str>) -> Option<Item> {
    let is_some = |item: &Item| !item.is_empty();
    match (asked?, done.touched) {
        ("ALL_OLD", _) => done.old,
        ("ALL_NEW", _) => done.new,
        ("UPDATED_OLD", Some(touched)) => done.old.map(|old| touched.of(&old)).filter(is_some),
        ("UPDATED_NEW", Some(touched)) => done.new.map(|new| touched.of(&new)).filter(is_some),
        _ => None,
    }
}

/// GetItem. Every read sees all writes answered before it: eventually consistent ones merely cost less.
pub(super) async fn get_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: GetItemInput,
) -> Result<GetItemOutput, DynamoError> {
    let expressions = [(
        "ProjectionExpression",
        input.projection_expression.is_some(),
    )];
    let others = [("AttributesToGet", input.attributes_to_get.is_some())];
    let mut context = context(
        &expressions,
        &others,
        input.expression_attribute_names,
        None,
    )?;
    let projection = projection(
        input.projection_expression.as_deref(),
        input.attributes_to_get,
        &mut context,
    )?;
    context.all_used()?;
    let key = item(input.key)?;
    let found = dynamo.find(&caller, &input.table_name).await?;
    schema::must_be_key(&found.table, &key)?;
    dynamo.admit(&found, None, Side::Read)?;
    let whole = dynamo.read(&found, &key).await?;
    let bytes = whole.as_ref().map_or(0, item_bytes);
    let cost = Cost::of_table(read_units(bytes, input.consistent_read.unwrap_or_default()));
    dynamo.take(&found, None, Side::Read, cost.table);
    Ok(GetItemOutput {
        item: whole.map(|item| match &projection {
            Some(projection) => projection.of(&item),
            None => item,
        }),
        consumed_capacity: cost.told(&found.name.name, input.return_consumed_capacity.as_deref()),
    })
}

impl Dynamo {
    /// The item of that key.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn read(
        &self,
        found: &Found,
        key: &Item,
    ) -> Result<Option<Item>, DynamoError> {
        let row = rows::item(&found.table, key).ok_or(DynamoError::Internal)?;
        Ok(self.before(row).await?.item)
    }
}

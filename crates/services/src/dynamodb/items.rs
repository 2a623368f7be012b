//! PutItem, UpdateItem, DeleteItem and GetItem.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::Caller;

use super::api::items::{
    DeleteItemInput, GetItemInput, GetItemOutput, Names, PutItemInput, UpdateItemInput, WriteOutput,
};
use super::capacity::{Cost, read_units};
use super::conditions::{condition, context, must_leave_key, projection};
use super::error::DynamoError;
use super::expression::Update;
use super::legacy::{self, AttributeValueUpdate, ExpectedAttributeValue};
use super::tables::Found;
use super::throughput::Side;
use super::value::{AttributeValues, Item, item, item_bytes};
use super::write::{Action, Done, Work};
use super::{Dynamo, collections, rows, schema};

/// PutItem.
pub(super) async fn put_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: PutItemInput,
) -> Result<WriteOutput, DynamoError> {
    check_old_or_none(input.return_values.as_deref())?;
    let asked = Asked {
        table: input.table_name,
        what: What::Put(input.item),
        expected: input.expected,
        operator: input.conditional_operator,
        condition: input.condition_expression,
        names: input.expression_attribute_names,
        values: input.expression_attribute_values,
        tells: tells(input.return_values_on_condition_check_failure.as_deref()),
    };
    let answers = Answers {
        values: input.return_values,
        consumed: input.return_consumed_capacity,
        metrics: input.return_item_collection_metrics,
    };
    carry_out(&dynamo, asked.read(&dynamo, &caller).await?, &answers).await
}

/// UpdateItem.
pub(super) async fn update_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: UpdateItemInput,
) -> Result<WriteOutput, DynamoError> {
    let asked = Asked {
        table: input.table_name,
        what: What::Update {
            key: input.key,
            text: input.update_expression,
            updates: input.attribute_updates,
        },
        expected: input.expected,
        operator: input.conditional_operator,
        condition: input.condition_expression,
        names: input.expression_attribute_names,
        values: input.expression_attribute_values,
        tells: tells(input.return_values_on_condition_check_failure.as_deref()),
    };
    let answers = Answers {
        values: input.return_values,
        consumed: input.return_consumed_capacity,
        metrics: input.return_item_collection_metrics,
    };
    carry_out(&dynamo, asked.read(&dynamo, &caller).await?, &answers).await
}

/// DeleteItem.
pub(super) async fn delete_item(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: DeleteItemInput,
) -> Result<WriteOutput, DynamoError> {
    check_old_or_none(input.return_values.as_deref())?;
    let asked = Asked {
        table: input.table_name,
        what: What::Delete(input.key),
        expected: input.expected,
        operator: input.conditional_operator,
        condition: input.condition_expression,
        names: input.expression_attribute_names,
        values: input.expression_attribute_values,
        tells: tells(input.return_values_on_condition_check_failure.as_deref()),
    };
    let answers = Answers {
        values: input.return_values,
        consumed: input.return_consumed_capacity,
        metrics: input.return_item_collection_metrics,
    };
    carry_out(&dynamo, asked.read(&dynamo, &caller).await?, &answers).await
}

/// A write of one item as it was asked for.
struct Asked {
    table: String,
    what: What,
    expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<String>,
    condition: Option<String>,
    names: Option<Names>,
    values: Option<AttributeValues>,
    tells: bool,
}

/// What a write is to do, as it was asked for.
enum What {
    Put(AttributeValues),
    Update {
        key: AttributeValues,
        text: Option<String>,
        updates: Option<BTreeMap<String, AttributeValueUpdate>>,
    },
    Delete(AttributeValues),
}

/// What a write is to answer.
struct Answers {
    values: Option<String>,
    consumed: Option<String>,
    metrics: Option<String>,
}

impl Asked {
    /// Reads it, in the order in which AWS finds faults.
    async fn read(self, dynamo: &Dynamo, caller: &Caller) -> Result<Action, DynamoError> {
        let (mut expressions, mut others) = (Vec::new(), Vec::new());
        if let What::Update { text, updates, .. } = &self.what {
            expressions.push(("UpdateExpression", text.is_some()));
            others.push(("AttributeUpdates", updates.is_some()));
        }
        expressions.push(("ConditionExpression", self.condition.is_some()));
        others.push(("Expected", self.expected.is_some()));
        others.push(("ConditionalOperator", self.operator.is_some()));
        let mut context = context(&expressions, &others, self.names, self.values)?;
        let (sent, work) = match self.what {
            // Its key is known once the table is.
            What::Put(new) => (Item::new(), Work::Put(item(new)?)),
            What::Update { key, text, updates } => {
                let key = item(key)?;
                let update = match text {
                    Some(text) => Update::parse(&text, &mut context)?,
                    None => legacy::updates(updates.unwrap_or_default())?,
                };
                (key, Work::Update(update))
            }
            What::Delete(key) => (item(key)?, Work::Delete),
        };
        let (text, operator) = (self.condition.as_deref(), self.operator.as_deref());
        let condition = condition(text, self.expected, operator, &mut context)?;
        context.all_used()?;
        let found = dynamo.find(caller, &self.table).await?;
        Ok(Action {
            key: key_of(&found, sent, &work)?,
            found,
            condition,
            work,
            tells: self.tells,
        })
    }
}

/// The key of the item that work is done to; `sent` is the key, or for a put nothing.
fn key_of(found: &Found, sent: Item, work: &Work) -> Result<Item, DynamoError> {
    if let Work::Put(new) = work {
        schema::must_be_item(&found.table, new)?;
        return Ok(schema::key_of(&found.table.key, new));
    }
    schema::must_be_key(&found.table, &sent)?;
    if let Work::Update(update) = work {
        must_leave_key(&found.table.key, &update.attributes())?;
    }
    Ok(sent)
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
    answers: &Answers,
) -> Result<WriteOutput, DynamoError> {
    let (found, key) = (Arc::clone(&action.found), action.key.clone());
    let done = dynamo.write(action).await?;
    let metrics = match answers.metrics.as_deref() {
        Some("SIZE") => collections::metrics(dynamo, &found, &key).await?,
        _ => None,
    };
    Ok(WriteOutput {
        consumed_capacity: done
            .cost
            .told(&found.name.name, answers.consumed.as_deref()),
        item_collection_metrics: metrics,
        attributes: returned(done, answers.values.as_deref()),
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

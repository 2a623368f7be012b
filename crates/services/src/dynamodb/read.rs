//! Query and Scan.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::Caller;

use super::api::items::{PageOutput, QueryInput, ScanInput};
use super::capacity::{Cost, read_units};
use super::conditions::{context, filter, projection};
use super::error::DynamoError;
use super::expression::{Condition, Context, KeyTests};
use super::legacy::{self, Comparison};
use super::pages::{Page, Walk};
use super::rows::Run;
use super::source::{
    Selection, Source, keys_of, must_be_in_partition, must_be_start, must_fit_keys, place_of,
    run_of, start_of,
};
use super::throughput::Side;
use super::value::{Item, item, item_bytes};
use super::{Dynamo, schema};

/// What is left of a Query or a Scan once its parameters are read.
struct Reading<'a> {
    source: Source<'a>,
    run: Run,
    forward: bool,
    limit: Option<u32>,
    filter: Option<Condition>,
    selection: Selection,
    is_consistent: bool,
    consumed: Option<&'a str>,
}

/// Query.
pub(super) async fn query(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: QueryInput,
) -> Result<PageOutput, DynamoError> {
    let expressions = [
        (
            "ProjectionExpression",
            input.projection_expression.is_some(),
        ),
        ("FilterExpression", input.filter_expression.is_some()),
        (
            "KeyConditionExpression",
            input.key_condition_expression.is_some(),
        ),
    ];
    let others = [
        ("AttributesToGet", input.attributes_to_get.is_some()),
        ("QueryFilter", input.query_filter.is_some()),
        ("ConditionalOperator", input.conditional_operator.is_some()),
        (
            "KeyConditions",
            // Old key conditions may go with new filters.
            input.key_conditions.is_some() && input.key_condition_expression.is_some(),
        ),
    ];
    let mut context = context(
        &expressions,
        &others,
        input.expression_attribute_names,
        input.expression_attribute_values,
    )?;
    let start = input.exclusive_start_key.map(item).transpose()?;
    let tests = key_tests(
        input.key_condition_expression.as_deref(),
        input.key_conditions,
        &mut context,
    )?;
    let found = dynamo.find(&caller, &input.table_name).await?;
    let source = Source::of(&found, input.index_name.as_deref())?;
    let filter = filter(
        input.filter_expression.as_deref(),
        input.query_filter,
        input.conditional_operator.as_deref(),
        &mut context,
        Some(source.keys()),
    )?;
    let projection = projection(
        input.projection_expression.as_deref(),
        input.attributes_to_get,
        &mut context,
    )?;
    context.all_used()?;
    let condition = tests.on(&keys_of(source.keys()))?;
    must_fit_keys(&condition)?;
    let forward = input.scan_index_forward.unwrap_or(true);
    let mut run = run_of(&source, &condition);
    if let Some(start) = &start {
        must_be_start(&source, start)?;
        must_be_in_partition(&condition, start)?;
        run = run.resume(&place_of(&source, start)?, forward);
    }
    let reading = Reading {
        run,
        forward,
        limit: input.limit,
        filter,
        selection: source.selection(input.select.as_deref(), projection)?,
        is_consistent: source.must_be_consistent(input.consistent_read)?,
        consumed: input.return_consumed_capacity.as_deref(),
        source,
    };
    dynamo.read_page(reading).await
}

fn key_tests(
    text: Option<&str>,
    conditions: Option<BTreeMap<String, Comparison>>,
    context: &mut Context,
) -> Result<KeyTests, DynamoError> {
    match (text, conditions) {
        (Some(text), _) => Ok(KeyTests::parse(text, context)?),
        (None, Some(conditions)) => Ok(legacy::key_conditions(conditions)?),
        (None, None) => Err(DynamoError::validation(
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        )),
    }
}

/// Scan. Items come in the order of their partition keys' hashes.
pub(super) async fn scan(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: ScanInput,
) -> Result<PageOutput, DynamoError> {
    let expressions = [
        (
            "ProjectionExpression",
            input.projection_expression.is_some(),
        ),
        ("FilterExpression", input.filter_expression.is_some()),
    ];
    let others = [
        ("AttributesToGet", input.attributes_to_get.is_some()),
        ("ScanFilter", input.scan_filter.is_some()),
        ("ConditionalOperator", input.conditional_operator.is_some()),
    ];
    let mut context = context(
        &expressions,
        &others,
        input.expression_attribute_names,
        input.expression_attribute_values,
    )?;
    let start = input.exclusive_start_key.map(item).transpose()?;
    let (segment, total) = segment(input.segment, input.total_segments)?;
    let filter = filter(
        input.filter_expression.as_deref(),
        input.scan_filter,
        input.conditional_operator.as_deref(),
        &mut context,
        None,
    )?;
    let projection = projection(
        input.projection_expression.as_deref(),
        input.attributes_to_get,
        &mut context,
    )?;
    context.all_used()?;
    let found = dynamo.find(&caller, &input.table_name).await?;
    let source = Source::of(&found, input.index_name.as_deref())?;
    let mut run = Run::segment(source.table(), source.number(), segment, total);
    if let Some(start) = &start {
        must_be_start(&source, start)?;
        let place = place_of(&source, start)?;
        if !run.spans(&place) {
            return Err(DynamoError::validation(
                "The provided starting key is outside query boundaries based on provided conditions",
            ));
        }
        run = run.resume(&place, true);
    }
    let reading = Reading {
        run,
        forward: true,
        limit: input.limit,
        filter,
        selection: source.selection(input.select.as_deref(), projection)?,
        is_consistent: source.must_be_consistent(input.consistent_read)?,
        consumed: input.return_consumed_capacity.as_deref(),
        source,
    };
    dynamo.read_page(reading).await
}

fn segment(segment: Option<u32>, total: Option<u32>) -> Result<(u32, u32), DynamoError> {
    match (segment, total) {
        (None, None) => Ok((0, 1)),
        (Some(_), None) => Err(DynamoError::validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(DynamoError::validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(DynamoError::validation(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not less \
             than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok((segment, total)),
    }
}

impl Dynamo {
    async fn read_page(&self, reading: Reading<'_>) -> Result<PageOutput, DynamoError> {
        let Reading { source, .. } = &reading;
        self.admit(source.found, source.metered(), Side::Read)?;
        let walk = Walk {
            run: reading.run.clone(),
            forward: reading.forward,
            limit: reading.limit.map(|limit| limit as usize),
            filter: reading.filter.as_ref(),
        };
        let page = self.walk(walk).await?;
        let mut cost = self.cost_of(&reading, &page);
        let last_evaluated_key = page.last.as_ref().map(|last| start_of(source, last));
        let (looked_at, count) = (page.looked_at, page.items.len());
        let items = self.shown(&reading, page.items, &mut cost).await?;
        self.take(
            source.found,
            None,
            Side::Read,
            cost.table + cost.local.values().sum::<f64>(),
        );
        if let Some(index) = source.metered() {
            self.take(
                source.found,
                Some(index),
                Side::Read,
                cost.global.values().sum(),
            );
        }
        Ok(PageOutput {
            items,
            count,
            scanned_count: looked_at,
            last_evaluated_key,
            consumed_capacity: cost.told(&source.found.name.name, reading.consumed),
        })
    }

    fn cost_of(&self, reading: &Reading<'_>, page: &Page) -> Cost {
        let units = read_units(page.bytes, reading.is_consistent);
        let mut cost = Cost::default();
        match reading.source.index {
            None => cost.table = units,
            Some((name, _)) if reading.source.is_local => {
                cost.local.insert(name.to_owned(), units);
            }
            Some((name, _)) => {
                cost.global.insert(name.to_owned(), units);
            }
        }
        cost
    }

    /// The items as they are answered. What a local index does not hold is fetched from the table, at its price.
    async fn shown(
        &self,
        reading: &Reading<'_>,
        items: Vec<Item>,
        cost: &mut Cost,
    ) -> Result<Option<Vec<Item>>, DynamoError> {
        let source = &reading.source;
        let (projection, is_held) = match &reading.selection {
            Selection::Count => return Ok(None),
            Selection::Held => (None, true),
            Selection::All => (None, !source.is_partial()),
            Selection::Some(projection) => (
                Some(projection),
                source.missing(&projection.attributes()).is_empty(),
            ),
        };
        let mut shown = Vec::with_capacity(items.len());
        for item in items {
            let whole = if is_held {
                item
            } else {
                let key = schema::key_of(&source.table().key, &item);
                let Some(whole) = self.read(source.found, &key).await? else {
                    continue;
                };
                cost.table += read_units(item_bytes(&whole), reading.is_consistent);
                whole
            };
            shown.push(match projection {
                Some(projection) => projection.of(&whole),
                None => whole,
            });
        }
        Ok(Some(shown))
    }
}

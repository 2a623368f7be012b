//! UpdateTable: capacity, billing mode, indexes, and what else of a table can be changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws::Caller;
use model::Timestamp;

use super::api::tables::{
    GlobalSecondaryIndexUpdate, IndexUpdate, NewIndex, ProvisionedThroughput,
    TableDescriptionOutput, UpdateTableInput,
};
use super::create::{
    Definitions, caps, encryption, must_have_fit_indexes, must_have_no_stream, throughput,
};
use super::describe::describe;
use super::error::DynamoError;
use super::records::{Billing, IndexState, KeySchema, Table, TableClass, Throughput};
use super::{Dynamo, naming, upkeep};

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// UpdateTable. UPDATING in the answer; all but the filling and clearing of indexes is done by the next request.
pub(super) async fn update_table(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: UpdateTableInput,
) -> Result<TableDescriptionOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    must_be_supported(&input)?;
    let now = dynamo.clock.now();
    let missing = || DynamoError::no_table(&name.name);
    let found = dynamo
        .change(&name, missing, |table| {
            if table.is_deleting {
                return Err(missing());
            }
            apply(table, &input, now)
        })
        .await?;
    upkeep::begin(&dynamo, Arc::clone(&found)).await;
    let mut table_description = describe(&found);
    table_description.table_status = "UPDATING";
    Ok(TableDescriptionOutput { table_description })
}

fn must_be_supported(input: &UpdateTableInput) -> Result<(), DynamoError> {
    let has_stream = input
        .stream_specification
        .as_ref()
        .is_some_and(|stream| stream.stream_enabled);
    must_have_no_stream(has_stream)?;
    let unsupported = [
        ("ReplicaUpdates", input.replica_updates.is_some()),
        ("VectorIndexUpdates", input.vector_index_updates.is_some()),
        (
            "GlobalTableWitnessUpdates",
            input.global_table_witness_updates.is_some(),
        ),
    ];
    if let Some((member, _)) = unsupported.iter().find(|(_, is_given)| *is_given) {
        return Err(DynamoError::validation(format!(
            "{member} is not supported by this server"
        )));
    }
    let is_something = input.billing_mode.is_some()
        || input.provisioned_throughput.is_some()
        || input.on_demand_throughput.is_some()
        || input
            .global_secondary_index_updates
            .as_ref()
            .is_some_and(|them| !them.is_empty())
        || input.sse_specification.is_some()
        || input.stream_specification.is_some()
        || input.table_class.is_some()
        || input.deletion_protection_enabled.is_some();
    if is_something {
        return Ok(());
    }
    Err(DynamoError::validation(
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification \
         or ReplicaUpdates is required",
    ))
}

fn apply(table: &mut Table, input: &UpdateTableInput, now: Timestamp) -> Result<(), DynamoError> {
    change_billing(table, input, now)?;
    change_indexes(table, input, now)?;
    if let Some(is_protected) = input.deletion_protection_enabled {
        table.is_protected = is_protected;
    }
    if input.sse_specification.is_some() {
        table.encryption = encryption(input.sse_specification.as_ref());
    }
    let class = input.table_class.as_ref();
    let is_other = |name: &&String| table.class.as_ref().is_none_or(|kept| kept.name != **name);
    if let Some(name) = class.filter(is_other) {
        table.class = Some(TableClass {
            name: name.clone(),
            changed: Some(now),
        });
    }
    Ok(())
}

fn change_billing(
    table: &mut Table,
    input: &UpdateTableInput,
    now: Timestamp,
) -> Result<(), DynamoError> {
    let given = input.provisioned_throughput;
    let was_on_demand = matches!(table.billing, Billing::OnDemand(_));
    match input.billing_mode.as_deref() {
        Some("PAY_PER_REQUEST") => {
            if given.is_some() {
                return Err(DynamoError::parameters(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
                ));
            }
            if !was_on_demand {
                table.on_demand_since = Some(now);
                table.billing = Billing::OnDemand(caps(input.on_demand_throughput));
                table
                    .global
                    .values_mut()
                    .for_each(|index| index.throughput = None);
                return Ok(());
            }
        }
        Some(_) if was_on_demand => {
            let given = given.ok_or_else(|| {
                DynamoError::parameters(
                    "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
                )
            })?;
            table.billing = Billing::Provisioned(throughput(given));
            return must_set_all_indexes(table, input);
        }
        _ => {}
    }
    match (&mut table.billing, given) {
        (Billing::Provisioned(set), Some(given)) => *set = changed(set, given, now, "table")?,
        (Billing::OnDemand(_), Some(_)) => {
            return Err(DynamoError::parameters(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ));
        }
        (Billing::OnDemand(kept), None) if input.on_demand_throughput.is_some() => {
            *kept = caps(input.on_demand_throughput);
        }
        _ => {}
    }
    Ok(())
}

/// A table that leaves on-demand must say what each of its global indexes gets.
fn must_set_all_indexes(table: &mut Table, input: &UpdateTableInput) -> Result<(), DynamoError> {
    let updates = input.global_secondary_index_updates.iter().flatten();
    for update in updates.filter_map(|update| update.update.as_ref()) {
        let index = table.global.get_mut(&update.index_name);
        if let (Some(index), Some(given)) = (index, update.provisioned_throughput) {
            index.throughput = Some(throughput(given));
        }
    }
    match table
        .global
        .iter()
        .find(|(_, index)| index.throughput.is_none())
    {
        None => Ok(()),
        Some((name, _)) => Err(DynamoError::parameters(format!(
            "ProvisionedThroughput must be specified for index: {name}"
        ))),
    }
}

fn changed(
    set: &Throughput,
    given: ProvisionedThroughput,
    now: Timestamp,
    what: &str,
) -> Result<Throughput, DynamoError> {
    let (read, write) = (given.read_capacity_units, given.write_capacity_units);
    if (set.read, set.write) == (read, write) {
        return Err(DynamoError::validation(format!(
            "The provisioned throughput for the {what} will not change. The requested value equals the current value. Current \
             ReadCapacityUnits provisioned for the {what}: {read}. Requested ReadCapacityUnits: {read}. Current WriteCapacityUnits \
             provisioned for the {what}: {write}. Requested WriteCapacityUnits: {write}. Refer to the Amazon DynamoDB Developer Guide \
             for current limits and how to request higher limits."
        )));
    }
    let is_raised = read > set.read || write > set.write;
    let is_lowered = read < set.read || write < set.write;
    let is_same_day = set
        .lowered
        .is_some_and(|lowered| lowered.0.div_euclid(DAY) == now.0.div_euclid(DAY));
    let before = if is_same_day { set.lowerings } else { 0 };
    Ok(Throughput {
        read,
        write,
        raised: if is_raised { Some(now) } else { set.raised },
        lowered: if is_lowered { Some(now) } else { set.lowered },
        lowerings: before + i64::from(is_lowered),
    })
}

fn change_indexes(
    table: &mut Table,
    input: &UpdateTableInput,
    now: Timestamp,
) -> Result<(), DynamoError> {
    let updates: Vec<&GlobalSecondaryIndexUpdate> = input
        .global_secondary_index_updates
        .iter()
        .flatten()
        .collect();
    let makings = updates
        .iter()
        .filter(|update| update.create.is_some() || update.delete.is_some());
    if makings.count() > 1 {
        return Err(DynamoError::LimitExceeded(
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table".into(),
        ));
    }
    let mut seen = BTreeSet::new();
    for update in updates {
        let name = match (&update.create, &update.update, &update.delete) {
            (Some(new), None, None) => {
                create_index(table, new, input)?;
                &new.index_name
            }
            (None, Some(change), None) => {
                update_index(table, change, input, now)?;
                &change.index_name
            }
            (None, None, Some(gone)) => {
                delete_index(table, &gone.index_name)?;
                &gone.index_name
            }
            _ => {
                return Err(DynamoError::parameters(
                    "One of GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Delete \
                     must not be null",
                ));
            }
        };
        if !seen.insert(name.clone()) {
            return Err(DynamoError::parameters(format!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )));
        }
    }
    Ok(())
}

fn must_be_idle(table: &Table) -> Result<(), DynamoError> {
    if table
        .global
        .values()
        .all(|index| index.state == IndexState::Active)
    {
        return Ok(());
    }
    Err(DynamoError::LimitExceeded(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table".into(),
    ))
}

fn create_index(
    table: &mut Table,
    new: &NewIndex,
    input: &UpdateTableInput,
) -> Result<(), DynamoError> {
    must_be_idle(table)?;
    let name = &new.index_name;
    if table.index(name).is_some() {
        return Err(DynamoError::validation(format!(
            "Attempting to create an index which already exists: {name}"
        )));
    }
    let definitions = Definitions::of(input.attribute_definitions.clone().unwrap_or_default())?;
    let mut index = definitions.index(new, table.next_index, &table.billing, None)?;
    must_agree(table, &index.key)?;
    index.state = IndexState::Filling;
    table.next_index += 1;
    table.global.insert(name.clone(), index);
    must_have_fit_indexes(table)
}

/// An attribute has one type in all keys.
fn must_agree(table: &Table, key: &KeySchema) -> Result<(), DynamoError> {
    let keys = std::iter::once(&table.key).chain(table.indexes().map(|(_, index)| &index.key));
    for known in keys.flat_map(KeySchema::parts) {
        if key
            .parts()
            .any(|part| part.name == known.name && part.kind != known.kind)
        {
            return Err(DynamoError::parameters(format!(
                "Cannot change the type of attribute {}, which is part of another key",
                known.name
            )));
        }
    }
    Ok(())
}

fn update_index(
    table: &mut Table,
    change: &IndexUpdate,
    input: &UpdateTableInput,
    now: Timestamp,
) -> Result<(), DynamoError> {
    let is_provisioned = matches!(table.billing, Billing::Provisioned(_));
    let index = table.global.get_mut(&change.index_name);
    let index = index.ok_or_else(|| no_index(&change.index_name))?;
    let Some(given) = change.provisioned_throughput else {
        return Ok(());
    };
    if !is_provisioned {
        return Err(DynamoError::parameters(format!(
            "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
            change.index_name
        )));
    }
    let asked = throughput(given);
    match index.throughput {
        // Set a moment ago, with the billing mode.
        Some(set) if input.billing_mode.is_some() && set == asked => {}
        Some(set) => {
            let what = format!("index {}", change.index_name);
            index.throughput = Some(changed(&set, given, now, &what)?);
        }
        None => index.throughput = Some(asked),
    }
    Ok(())
}

fn delete_index(table: &mut Table, name: &str) -> Result<(), DynamoError> {
    must_be_idle(table)?;
    let index = table.global.get_mut(name).ok_or_else(|| no_index(name))?;
    index.state = IndexState::Deleting;
    Ok(())
}

fn no_index(name: &str) -> DynamoError {
    DynamoError::ResourceNotFound(format!(
        "Requested resource not found: Index: {name} not found"
    ))
}

//! DescribeTable, ListTables and DeleteTable.

use std::sync::Arc;

use aws::Caller;
use store::Scan;

use super::api::tables::{
    DescribeTableOutput, ListTablesInput, ListTablesOutput, TableDescriptionOutput, TableInput,
};
use super::describe::describe;
use super::error::DynamoError;
use super::records::{IndexState, TableName};
use super::{Dynamo, limits, naming, upkeep};

/// DescribeTable. Counts are as of now.
pub(super) async fn describe_table(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: TableInput,
) -> Result<DescribeTableOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    let found = dynamo
        .look(&name)
        .await?
        .ok_or_else(|| DynamoError::no_table(&name.name))?;
    dynamo.must_be_counted(&found).await?;
    Ok(DescribeTableOutput {
        table: describe(&found),
    })
}

/// ListTables, by name.
pub(super) async fn list_tables(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: ListTablesInput,
) -> Result<ListTablesOutput, DynamoError> {
    let size = input.limit.unwrap_or(limits::TABLES_PAGE);
    let after = input
        .exclusive_start_table_name
        .map(|name| naming::own(&caller, &name).key());
    let scan = Scan {
        after,
        limit: size + 1,
        ..Scan::below(&TableName::folder(&caller.account, &caller.region))
    };
    let found = dynamo.store.scan(scan).await?;
    let goes_on = found.len() > size;
    let table_names: Vec<String> = found
        .iter()
        .take(size)
        .filter_map(|(key, _)| key.last_part().map(str::to_owned))
        .collect();
    Ok(ListTablesOutput {
        last_evaluated_table_name: table_names.last().filter(|_| goes_on).cloned(),
        table_names,
    })
}

/// DeleteTable. Nothing can be read from then on; items go in the background, and the table is DELETING until they are gone.
pub(super) async fn delete_table(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: TableInput,
) -> Result<TableDescriptionOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    let missing = || DynamoError::no_table(&name.name);
    let found = dynamo
        .change(&name, missing, |table| {
            if table.is_deleting {
                return Err(DynamoError::ResourceInUse(format!(
                    "Attempt to change a resource which is still in use: Table is being deleted: {}",
                    name.name
                )));
            }
            if table.is_protected {
                return Err(DynamoError::validation(format!(
                    "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection \
                     first: {}",
                    name.arn()
                )));
            }
            if table.global.values().any(|index| index.state == IndexState::Filling) {
                return Err(DynamoError::ResourceInUse(format!(
                    "Attempt to change a resource which is still in use: Table is being updated: {}",
                    name.name
                )));
            }
            table.is_deleting = true;
            Ok(())
        })
        .await?;
    upkeep::begin(&dynamo, Arc::clone(&found)).await;
    Ok(TableDescriptionOutput {
        table_description: describe(&found),
    })
}

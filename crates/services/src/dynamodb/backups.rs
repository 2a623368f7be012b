//! DescribeContinuousBackups and UpdateContinuousBackups: the setting of point-in-time recovery.
//!
//! It is kept and told as it was set, and no more: no backups are made, so that no times to restore to are told, and the operations that
//! would restore are not answered.

use std::sync::Arc;

use aws::Caller;

use super::api::tables::{
    ContinuousBackupsDescription, ContinuousBackupsOutput, PointInTimeRecoveryDescription,
    TableInput, UpdateContinuousBackupsInput,
};
use super::error::DynamoError;
use super::records::{Recovery, Table, TableName};
use super::{Dynamo, limits, naming};

/// UpdateContinuousBackups.
pub(super) async fn update_continuous_backups(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: UpdateContinuousBackupsInput,
) -> Result<ContinuousBackupsOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    let asked = input.point_in_time_recovery_specification;
    let now = dynamo.clock.now();
    let found = dynamo
        .change(
            &name,
            || missing(&name),
            |table| {
                if table.is_deleting {
                    return Err(missing(&name));
                }
                let since = table.recovery.map_or(now, |kept| kept.since);
                let days = asked.recovery_period_in_days;
                let days = days.unwrap_or(*limits::RECOVERY_DAYS.end());
                table.recovery = asked
                    .point_in_time_recovery_enabled
                    .then_some(Recovery { since, days });
                Ok(())
            },
        )
        .await?;
    Ok(described(&found.table))
}

/// DescribeContinuousBackups.
pub(super) async fn describe_continuous_backups(
    dynamo: Arc<Dynamo>,
    caller: Caller,
    input: TableInput,
) -> Result<ContinuousBackupsOutput, DynamoError> {
    let name = naming::table(&caller, &input.table_name)?;
    let found = dynamo.look(&name).await?.ok_or_else(|| missing(&name))?;
    Ok(described(&found.table))
}

fn missing(name: &TableName) -> DynamoError {
    DynamoError::TableNotFound(format!("Table not found: {}", name.name))
}

fn described(table: &Table) -> ContinuousBackupsOutput {
    let recovery = table.recovery;
    ContinuousBackupsOutput {
        continuous_backups_description: ContinuousBackupsDescription {
            continuous_backups_status: "ENABLED",
            point_in_time_recovery_description: PointInTimeRecoveryDescription {
                point_in_time_recovery_status: if recovery.is_some() {
                    "ENABLED"
                } else {
                    "DISABLED"
                },
                recovery_period_in_days: recovery.map(|recovery| recovery.days),
            },
        },
    }
}

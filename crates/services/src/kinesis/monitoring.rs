//! EnableEnhancedMonitoring and DisableEnhancedMonitoring: which shard-level metrics a stream has.

use std::sync::Arc;

use aws::Caller;
use streams::Status;

use super::api::streams::{EnhancedMonitoringInput, EnhancedMonitoringOutput};
use super::{Kinesis, KinesisError, naming};

/// In the order in which they are told.
const METRICS: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
];

/// EnableEnhancedMonitoring.
pub(super) async fn enable_enhanced_monitoring(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: EnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, KinesisError> {
    change(&kinesis, &caller, &input, |asked, had| asked || had).await
}

/// DisableEnhancedMonitoring.
pub(super) async fn disable_enhanced_monitoring(
    kinesis: Arc<Kinesis>,
    caller: Caller,
    input: EnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, KinesisError> {
    change(&kinesis, &caller, &input, |asked, had| had && !asked).await
}

/// Keeps the metrics for which `keep`, told whether each was asked for and was there, says so.
async fn change(
    kinesis: &Kinesis,
    caller: &Caller,
    input: &EnhancedMonitoringInput,
    keep: impl Fn(bool, bool) -> bool,
) -> Result<EnhancedMonitoringOutput, KinesisError> {
    let name = naming::stream_name(
        caller,
        input.stream_name.as_deref(),
        input.stream_arn.as_deref(),
    )?;
    let names = |list: &[String], metric: &str| list.iter().any(|name| name == metric);
    let asked = |metric: &str| {
        names(&input.shard_level_metrics, "ALL") || names(&input.shard_level_metrics, metric)
    };
    let desired = |current: &[String]| -> Vec<String> {
        let kept = METRICS
            .iter()
            .filter(|metric| keep(asked(metric), names(current, metric)));
        kept.map(|metric| (*metric).to_owned()).collect()
    };
    let before = kinesis.find_named(&name).await?;
    kinesis
        .change(&name, |stream, settings| {
            kinesis.must_be_active(stream)?;
            let metrics = desired(&settings.shard_metrics);
            if metrics != settings.shard_metrics {
                settings.shard_metrics = metrics;
                settings.show(Status::Updating, kinesis.clock.now());
            }
            Ok(())
        })
        .await?;
    let current = before.settings.shard_metrics.clone();
    if desired(&current).is_empty() {
        kinesis.plane.shards.forget(&name);
    }
    Ok(EnhancedMonitoringOutput {
        stream_arn: name.arn().to_string(),
        stream_name: name.name,
        desired_shard_level_metrics: desired(&current),
        current_shard_level_metrics: current,
    })
}

//! `cloudwatch.*`: which metrics of the agent's own go where.

use std::time::Duration;

use client::cloudwatch::check_namespace;

use super::endpoint;
use super::fields::{ConfigError, Fields};

/// `cloudwatch.namespace`.
const NAMESPACE: &str = "AWSKinesisAgent";
/// `cloudwatch.metricsBufferTimeMillis`.
const PERIOD_MILLIS: u64 = 30_000;

/// What is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// `cloudwatch.endpoint`, with a scheme.
    pub endpoint: Option<String>,
    /// `cloudwatch.namespace`.
    pub namespace: String,
    /// `cloudwatch.metricsBufferTimeMillis`: between two publications.
    pub period: Duration,
    /// `cloudwatch.tagInstance`: whether the machine's name is a dimension.
    pub tags_instance: bool,
}

impl Metrics {
    /// `None` where nothing is to be published. The other members are read and checked all the same.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Option<Metrics>, ConfigError> {
        let emits = fields.truth("cloudwatch.emitMetrics")?.unwrap_or(true);
        let namespace = fields.text("cloudwatch.namespace")?;
        let namespace = namespace.unwrap_or_else(|| NAMESPACE.to_owned());
        if let Err(error) = check_namespace(&namespace) {
            return Err(fields.wrong("cloudwatch.namespace", error.to_string()));
        }
        let period = fields.number("cloudwatch.metricsBufferTimeMillis", 1..=3_600_000)?;
        let metrics = Metrics {
            endpoint: endpoint(fields, "cloudwatch.endpoint")?,
            namespace,
            period: Duration::from_millis(period.unwrap_or(PERIOD_MILLIS)),
            tags_instance: fields.truth("cloudwatch.tagInstance")?.unwrap_or(false),
        };
        Ok(emits.then_some(metrics))
    }
}

//! Amazon CloudWatch metrics.
//!
//! **What it promises.** An AWS client uses it as it uses AWS, over RPC v2, JSON and Query: metrics with dimensions, units, sets of
//! statistics and high resolution; statistics by period, percentiles and trimmed means included, for as long as AWS keeps them;
//! account and region isolation. Values are durable before PutMetricData is answered.
//!
//! **What is different.** There is a bound on the number of metrics ([`limits`]). Percentiles are within one per cent, AWS's within
//! its own error. The services here publish into it under AWS's names once a minute ([`Metrics::publish`]). No alarms, dashboards
//! or streams of metrics yet.
//!
//! **Where to read.** [`operations`] is the table of contents. `api` has the wire's shapes, `checks` what they must be, `error` the
//! refusals, `limits` the numbers. `summary` is what is known of a period and `statistic` what can be said of it; `series` the
//! roll-ups of a metric, `table` all metrics, `journal` how they are kept, `history` how they are read. Then the handlers.

mod api;
mod checks;
mod data;
mod datum;
mod error;
mod history;
mod identity;
mod journal;
mod labels;
mod limits;
mod list;
mod math;
mod packed;
mod publish;
mod put;
mod query;
mod search;
mod series;
mod sketch;
mod statistic;
mod statistics;
mod summary;
mod table;
mod unit;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws::{Operations, Support};
use model::Clock;
use store::{Store, StoreError};
use tokio::sync::{Notify, RwLock};

pub use self::error::MetricsError;

/// What no rule says: handlers word what is missing or out of bounds, since CloudWatch's own texts differ from other services'.
const NONE: &[aws::Rule] = &[];

/// What is not answered yet.
const PLANNED: &[&str] = &[
    "AssociateDatasetKmsKey",
    "CreateResourceMetricsConfiguration",
    "DeleteAlarmMuteRule",
    "DeleteAlarms",
    "DeleteAnomalyDetector",
    "DeleteDashboards",
    "DeleteInsightRules",
    "DeleteMetricDataQueryDefinition",
    "DeleteMetricStream",
    "DeleteResourceMetricsConfiguration",
    "DescribeAlarmContributors",
    "DescribeAlarmHistory",
    "DescribeAlarms",
    "DescribeAlarmsForMetric",
    "DescribeAnomalyDetectors",
    "DescribeInsightRules",
    "DisableAlarmActions",
    "DisableInsightRules",
    "DisassociateDatasetKmsKey",
    "EnableAlarmActions",
    "EnableInsightRules",
    "GetAlarmMuteRule",
    "GetDashboard",
    "GetDataset",
    "GetInsightRuleReport",
    "GetMetricDataQueryDefinition",
    "GetMetricStream",
    "GetMetricWidgetImage",
    "GetOTelEnrichment",
    "GetResourceMetricsConfiguration",
    "ListAlarmMuteRules",
    "ListDashboards",
    "ListManagedInsightRules",
    "ListMetricDataQueryDefinitions",
    "ListMetricStreams",
    "ListTagsForResource",
    "PutAlarmMuteRule",
    "PutAnomalyDetector",
    "PutCompositeAlarm",
    "PutDashboard",
    "PutInsightRule",
    "PutLogAlarm",
    "PutManagedInsightRules",
    "PutMetricAlarm",
    "PutMetricDataQueryDefinition",
    "PutMetricStream",
    "SetAlarmState",
    "StartMetricStreams",
    "StartOTelEnrichment",
    "StopMetricStreams",
    "StopOTelEnrichment",
    "TagResource",
    "UntagResource",
    "UpdateOTelEnrichment",
    "UpdateResourceMetricsConfiguration",
];

/// Every operation of CloudWatch.
#[must_use]
pub fn operations() -> Operations<Metrics> {
    let answered = Operations::new("monitoring", "GraniteServiceVersion20100801")
        .query(&query::QUERY)
        .on("PutMetricData", NONE, put::put_metric_data)
        .on("ListMetrics", NONE, list::list_metrics)
        .on("GetMetricData", NONE, data::get_metric_data)
        .on(
            "GetMetricStatistics",
            NONE,
            statistics::get_metric_statistics,
        );
    PLANNED
        .iter()
        .fold(answered, |table, name| table.planned(name))
}

/// Every operation, and whether it is answered, by name: for docs and the README.
#[must_use]
pub fn support() -> Vec<(&'static str, Support)> {
    let mut operations: Vec<_> = operations().names().collect();
    operations.sort_unstable_by_key(|(name, _)| *name);
    operations
}

/// What the handlers work on.
pub struct Metrics {
    store: Arc<dyn Store>,
    clock: Clock,
    logs: journal::Logs,
    table: Mutex<table::Table>,
    /// Held to read by whoever puts, to write by whoever must know that the table has all that the log has.
    going_in: RwLock<()>,
    before: publish::Before,
    /// Told when puts are refused until something is settled.
    too_much: Notify,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Metrics over a store, with all that it has of them.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: Arc<dyn Store>, clock: Clock) -> Result<Metrics, StoreError> {
        let logs = journal::Logs::open(&*store).await?;
        let now = clock.now().0.div_euclid(1_000);
        let table = logs.load(&*store, now).await?;
        Ok(Metrics {
            store,
            clock,
            logs,
            table: Mutex::new(table),
            going_in: RwLock::new(()),
            before: publish::Before::default(),
            too_much: Notify::new(),
        })
    }

    /// Seconds since the epoch.
    fn now(&self) -> i64 {
        self.clock.now().0.div_euclid(1_000)
    }

    fn table(&self) -> MutexGuard<'_, table::Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

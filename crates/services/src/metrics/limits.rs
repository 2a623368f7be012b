//! Every published limit, its number and its source, and our own bounds.
//!
//! AWS's numbers are from the API reference and the user guide's page "CloudWatch service quotas".

/// Letters of a namespace, a metric's name and a dimension's name.
pub(super) const NAME_LENGTH: usize = 255;
/// Letters of a dimension's value.
pub(super) const DIMENSION_VALUE_LENGTH: usize = 1_024;
/// Dimensions of a metric.
pub(super) const DIMENSIONS: usize = 30;
/// Dimensions that ListMetrics filters by.
pub(super) const DIMENSION_FILTERS: usize = 10;
/// Metrics of a PutMetricData.
pub(super) const DATA: usize = 1_000;
/// Distinct values of one of them.
pub(super) const VALUES: usize = 150;
/// Bytes of a PutMetricData, as we keep it: AWS's limit is of the request as it is sent.
pub(super) const PUT_BYTES: usize = 1 << 20;
/// The greatest magnitude of a value.
pub(super) fn value_max() -> f64 {
    2.0_f64.powi(360)
}
/// How old values may be, in seconds: two weeks.
pub(super) const PAST_SECONDS: i64 = 14 * 86_400;
/// How far ahead of now, in seconds: two hours.
pub(super) const FUTURE_SECONDS: i64 = 2 * 3_600;

/// Datapoints that GetMetricStatistics answers.
pub(super) const STATISTICS_DATAPOINTS: i64 = 1_440;
/// Statistics that it answers at once.
pub(super) const STATISTICS: usize = 5;
/// Extended ones.
pub(super) const EXTENDED_STATISTICS: usize = 10;

/// Queries of a GetMetricData.
pub(super) const QUERIES: usize = 500;
/// Datapoints of one answer.
pub(super) const DATAPOINTS: usize = 100_800;

/// Metrics on a page of ListMetrics.
pub(super) const PAGE: usize = 500;
/// Metrics are listed for so long after their last values, in seconds: two weeks.
pub(super) const LISTED_SECONDS: i64 = 14 * 86_400;
/// What `RecentlyActive=PT3H` means, in seconds.
pub(super) const RECENT_SECONDS: i64 = 3 * 3_600;

/// Ours: metrics of all accounts together. AWS has no limit. What a metric takes of memory is some 20 KB where it has values every
/// minute.
pub(super) const METRICS_MAX: usize = 10_000;
/// Ours: open periods of all metrics together, 56 bytes each. Beyond it puts are throttled until some are settled.
pub(super) const OPEN_POINTS_MAX: usize = 4_000_000;

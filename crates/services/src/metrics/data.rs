//! GetMetricData: queries of metrics and expressions over them, in pages of datapoints.
//!
//! `asked` reads the request, `results` fetches and computes, `pages` cuts. Every page is computed anew, and goes on after the
//! last time of the one before.

mod asked;
mod pages;
mod results;

use std::sync::Arc;

use aws::Caller;

use super::Metrics;
use super::api::{GetMetricDataInput, GetMetricDataOutput};
use super::error::MetricsError;
use super::identity::Owner;

/// GetMetricData.
pub(super) async fn get_metric_data(
    metrics: Arc<Metrics>,
    caller: Caller,
    input: GetMetricDataInput,
) -> Result<GetMetricDataOutput, MetricsError> {
    let page = pages::Page::of(&input)?;
    let asked = asked::Asked::of(Owner::of(&caller), &input, metrics.now())
        .map_err(MetricsError::into_validation)?;
    let results = results::of(&metrics, &asked).await?;
    Ok(page.cut(results))
}

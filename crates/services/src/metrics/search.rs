//! SEARCH: metrics by their schema and words. After "Search expressions syntax" of the user guide.
//!
//! `{Namespace, Dimension, ...}` names a namespace and exactly the dimensions that a metric must have. Words must all be found in
//! the metric's namespace, name, or a dimension's name or value; `Property="exact"` and `Property=part` look in one of them, where a
//! property is `Namespace`, `MetricName` or a dimension. `AND`, `OR`, `NOT` and parentheses join them. Words are compared without
//! regard to case, quoted ones with it. Found are up to 100 metrics, in order of their names, that have had values in two weeks.

mod terms;

use super::error::MetricsError;
use super::history::Periods;
use super::identity::{Identity, Owner};
use super::math::{Fault, Search, TimeSeries};
use super::statistic::Statistic;
use super::{Metrics, limits};

/// Metrics that one search finds. AWS's limit.
const FOUND_MAX: usize = 100;

/// Why a search has no result.
#[derive(Debug)]
pub(super) enum Failed {
    /// It is no search.
    Fault(Fault),
    Store(MetricsError),
}

/// What each search finds.
pub(super) async fn all(
    metrics: &Metrics,
    owner: &Owner,
    searches: &[Search],
    periods: Periods,
) -> Result<Vec<Vec<TimeSeries>>, Failed> {
    let mut all = Vec::with_capacity(searches.len());
    for search in searches {
        all.push(one(metrics, owner, search, periods).await?);
    }
    Ok(all)
}

async fn one(
    metrics: &Metrics,
    owner: &Owner,
    search: &Search,
    periods: Periods,
) -> Result<Vec<TimeSeries>, Failed> {
    let fault = |text: String| Failed::Fault(Fault(text));
    let terms = terms::parse(&search.terms).map_err(|text| fault(format!("SEARCH: {text}")))?;
    let statistic = Statistic::parse(&search.statistic).ok_or_else(|| {
        fault(format!(
            "SEARCH: {} is not a valid statistic",
            search.statistic
        ))
    })?;
    let period = search.period.unwrap_or(periods.period);
    if !([1, 5, 10, 20, 30].contains(&period) || period > 0 && period % 60 == 0) {
        return Err(fault(format!("SEARCH: {period} is not a valid period")));
    }
    let periods = Periods { period, ..periods };
    let not_before = metrics.now() - limits::LISTED_SECONDS;
    let found: Vec<Identity> = {
        let table = metrics.table();
        let fitting = table
            .after(owner, None)
            .filter(|(identity, last_put)| *last_put >= not_before && terms.fit(identity));
        fitting
            .take(FOUND_MAX)
            .map(|(identity, _)| identity.clone())
            .collect()
    };
    let mut all = Vec::with_capacity(found.len());
    for identity in found {
        let history = metrics.history_in_all(&identity, None, periods).await;
        let history = history.map_err(Failed::Store)?;
        let value = |(at, summary)| Some((at, statistic.of(&summary)?));
        all.push(TimeSeries {
            label: label(&identity),
            periods,
            points: history.into_iter().filter_map(value).collect(),
        });
    }
    Ok(all)
}

/// What tells it from others that were found with it.
fn label(identity: &Identity) -> String {
    let values = identity.dimensions.iter().map(|(_, value)| value.as_str());
    let mut words: Vec<&str> = values.collect();
    words.push(&identity.name);
    words.join(" ")
}

//! What the queries find: metrics first, then expressions, each once all that it uses is there.

use std::collections::HashMap;

use super::asked::{Asked, MetricQuery, Of, Query, in_expression};
use crate::metrics::Metrics;
use crate::metrics::error::MetricsError;
use crate::metrics::history::Periods;
use crate::metrics::labels;
use crate::metrics::math::{self, Parsed, Scope, TimeSeries, Value};
use crate::metrics::search;

/// One line of the answer.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) points: Vec<(i64, f64)>,
    pub(super) is_forbidden: bool,
}

/// What is returned of all queries, in their order.
pub(super) async fn of(metrics: &Metrics, asked: &Asked) -> Result<Vec<Found>, MetricsError> {
    let mut values: HashMap<String, Value> = HashMap::new();
    let mut names = Vec::new();
    for query in &asked.queries {
        if let Of::Metric(metric) = &query.of {
            let series = fetch(metrics, query, metric).await?;
            values.insert(query.id.clone(), Value::Series(series));
            names.push(query.id.clone());
        }
    }
    let mut waiting: Vec<(&Query, &Parsed)> = asked
        .queries
        .iter()
        .filter_map(|query| match &query.of {
            Of::Expression(parsed) => Some((query, parsed)),
            Of::Metric(_) => None,
        })
        .collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, parsed)| parsed.ids.iter().all(|id| values.contains_key(id)));
        waiting = later;
        if waiting.len() == before {
            let id = waiting.first().map_or("", |(query, _)| &query.id);
            return Err(in_expression(id, "The expression uses itself"));
        }
        for (query, parsed) in ready {
            let found = search::all(metrics, &asked.owner, &parsed.searches, query.periods).await;
            let scope = Scope {
                values: &values,
                metrics: &names,
                found: &found.map_err(|error| match error {
                    search::Failed::Fault(fault) => in_expression(&query.id, &fault.0),
                    search::Failed::Store(error) => error,
                })?,
                periods: query.periods,
            };
            let value = math::evaluate(&parsed.root, &scope)
                .map_err(|fault| in_expression(&query.id, &fault.0))?;
            values.insert(query.id.clone(), value);
        }
    }
    let mut all = Vec::new();
    for query in asked.queries.iter().filter(|query| query.is_returned) {
        let value = values.remove(&query.id).unwrap_or(Value::Array(Vec::new()));
        show(query, value, &mut all)?;
    }
    Ok(all)
}

async fn fetch(
    metrics: &Metrics,
    query: &Query,
    metric: &MetricQuery,
) -> Result<TimeSeries, MetricsError> {
    let mut points = Vec::new();
    if !query.is_forbidden {
        points = metric_points(metrics, metric, query.periods).await?;
    }
    Ok(TimeSeries {
        label: metric.identity.name.clone(),
        periods: query.periods,
        points,
    })
}

async fn metric_points(
    metrics: &Metrics,
    metric: &MetricQuery,
    periods: Periods,
) -> Result<Vec<(i64, f64)>, MetricsError> {
    let history = metrics
        .history_in_all(&metric.identity, metric.unit, periods)
        .await?;
    let value = |(at, summary)| Some((at, metric.statistic.of(&summary)?));
    Ok(history.into_iter().filter_map(value).collect())
}

/// Adds a query's lines. An expression must be a time series in the end, or several.
fn show(query: &Query, value: Value, all: &mut Vec<Found>) -> Result<(), MetricsError> {
    let metric = match &query.of {
        Of::Metric(metric) => Some(metric),
        Of::Expression(_) => None,
    };
    let line = |label: String, points| Found {
        id: query.id.clone(),
        label,
        points,
        is_forbidden: query.is_forbidden,
    };
    match value {
        Value::Series(series) => {
            let own = if metric.is_some() {
                &series.label
            } else {
                &query.id
            };
            let label = labels::of(
                query.label.as_deref(),
                own,
                metric.map(|m| (&m.identity, &*m.statistic_name)),
                &series,
            );
            all.push(line(label, series.points));
        }
        Value::Array(many) => {
            for series in many {
                let label = match query.label.as_deref() {
                    Some(label) if !label.contains("${") => format!("{label} {}", series.label),
                    label => labels::of(label, &series.label, None, &series),
                };
                all.push(line(label, series.points));
            }
        }
        Value::Scalar(_) | Value::Text(_) if !query.is_returned => {}
        Value::Scalar(_) | Value::Text(_) => {
            return Err(in_expression(
                &query.id,
                "The expression must result in a time series or an array of time series",
            ));
        }
    }
    Ok(())
}

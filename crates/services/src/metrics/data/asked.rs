//! What a GetMetricData asks for: each query checked, each expression parsed.

use std::collections::HashSet;

use crate::metrics::api::{GetMetricDataInput, MetricDataQuery, MetricStat};
use crate::metrics::error::MetricsError;
use crate::metrics::history::Periods;
use crate::metrics::identity::{Identity, Owner};
use crate::metrics::math::{self, Parsed};
use crate::metrics::statistic::Statistic;
use crate::metrics::unit::Unit;
use crate::metrics::{checks, limits};

/// Datapoints that all queries together may reach for.
const REACH_MAX: i64 = 10_000_000;
/// The period of an expression that has none of its own and uses no metric: AWS's default of five minutes.
const PERIOD: i64 = 300;

/// All of it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) owner: Owner,
    pub(super) queries: Vec<Query>,
}

#[derive(Debug)]
pub(super) struct Query {
    pub(super) id: String,
    pub(super) label: Option<String>,
    pub(super) is_returned: bool,
    /// Another account's: not to be seen.
    pub(super) is_forbidden: bool,
    pub(super) periods: Periods,
    pub(super) of: Of,
}

/// What a query is of.
#[derive(Debug)]
pub(super) enum Of {
    Metric(MetricQuery),
    Expression(Parsed),
}

/// One statistic of one metric.
#[derive(Debug)]
pub(super) struct MetricQuery {
    pub(super) identity: Identity,
    pub(super) statistic: Statistic,
    pub(super) statistic_name: String,
    pub(super) unit: Option<Unit>,
}

impl Asked {
    pub(super) fn of(
        owner: Owner,
        input: &GetMetricDataInput,
        now: i64,
    ) -> Result<Asked, MetricsError> {
        let given = &input.metric_data_queries;
        if given.is_empty() {
            return Err(MetricsError::missing("MetricDataQueries"));
        }
        if given.len() > limits::QUERIES {
            return Err(MetricsError::too_many("MetricDataQueries", limits::QUERIES));
        }
        let mut queries = Vec::with_capacity(given.len());
        let mut ids = HashSet::new();
        let mut reach = 0_i64;
        for (at, query) in given.iter().enumerate() {
            let path = format!("MetricDataQueries.member.{}", at + 1);
            let query = Query::of(&owner, input, query, &path, now)?;
            if !ids.insert(query.id.clone()) {
                return Err(MetricsError::InvalidParameterValue(format!(
                    "The values for parameter id in MetricDataQueries are not unique: {}.",
                    query.id
                )));
            }
            let Periods { from, to, period } = query.periods;
            reach = reach.saturating_add((to - from) / period);
            queries.push(query);
        }
        if reach > REACH_MAX {
            return Err(MetricsError::InvalidParameterCombination(format!(
                "You have requested up to {reach} datapoints, which exceeds the limit of {REACH_MAX}. You may reduce the \
                 datapoints requested by increasing Period, or decreasing the time range."
            )));
        }
        for query in &queries {
            let Of::Expression(parsed) = &query.of else {
                continue;
            };
            if let Some(unknown) = parsed.ids.iter().find(|id| !ids.contains(*id)) {
                return Err(in_expression(
                    &query.id,
                    &format!("Undefined id: {unknown}"),
                ));
            }
        }
        Ok(Asked { owner, queries })
    }
}

/// AWS's form of what is wrong with an expression.
pub(super) fn in_expression(id: &str, fault: &str) -> MetricsError {
    MetricsError::Validation(format!("Error in expression '{id}': {fault}"))
}

impl Query {
    fn of(
        owner: &Owner,
        input: &GetMetricDataInput,
        given: &MetricDataQuery,
        path: &str,
        now: i64,
    ) -> Result<Query, MetricsError> {
        let id = given
            .id
            .clone()
            .ok_or_else(|| MetricsError::missing(&format!("{path}.Id")))?;
        let is_id = id.len() <= limits::NAME_LENGTH
            && id.starts_with(|letter: char| letter.is_ascii_lowercase())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_id {
            return Err(MetricsError::invalid(
                id.escape_debug(),
                &format!("{path}.Id"),
            ));
        }
        let (of, period) = match (&given.metric_stat, &given.expression) {
            (Some(stat), None) => {
                let (query, period) = metric(owner, stat, &format!("{path}.MetricStat"))?;
                (Of::Metric(query), period)
            }
            (None, Some(expression)) => {
                let (parsed, period) = expression_of(input, given, &id, expression, path)?;
                (Of::Expression(parsed), period)
            }
            (None, None) => {
                return Err(MetricsError::missing(&format!("{path}.MetricStat")));
            }
            (Some(_), Some(_)) => {
                return Err(MetricsError::InvalidParameterCombination(format!(
                    "The parameters {path}.MetricStat and {path}.Expression are mutually exclusive and you have specified both."
                )));
            }
        };
        let (from, to) = checks::span(input.start_time, input.end_time, period, now)?;
        let account = given.account_id.as_deref();
        Ok(Query {
            id,
            label: given.label.clone(),
            is_returned: given.return_data.unwrap_or(true),
            is_forbidden: account.is_some_and(|account| account != owner.account.as_str()),
            periods: Periods { from, to, period },
            of,
        })
    }
}

fn metric(
    owner: &Owner,
    stat: &MetricStat,
    path: &str,
) -> Result<(MetricQuery, i64), MetricsError> {
    let metric = stat.metric.as_ref();
    let metric = metric.ok_or_else(|| MetricsError::missing(&format!("{path}.Metric")))?;
    let identity = checks::identity(owner.clone(), metric, &format!("{path}.Metric."))?;
    let period = checks::period(stat.period, &format!("{path}.Period"))?;
    let name = stat.stat.as_ref();
    let name = name.ok_or_else(|| MetricsError::missing(&format!("{path}.Stat")))?;
    let statistic = Statistic::parse(name).ok_or_else(|| {
        MetricsError::InvalidParameterValue(format!(
            "The value for parameter {path}.Stat is not a valid statistic."
        ))
    })?;
    let unit = checks::unit(stat.unit.as_deref(), &format!("{path}.Unit"))?;
    let query = MetricQuery {
        identity,
        statistic,
        statistic_name: name.clone(),
        unit,
    };
    Ok((query, period))
}

/// An expression, and the period of what has none of its own in it: the one given, or the shortest of the metrics it uses.
fn expression_of(
    input: &GetMetricDataInput,
    given: &MetricDataQuery,
    id: &str,
    expression: &str,
    path: &str,
) -> Result<(Parsed, i64), MetricsError> {
    let parameter = format!("{path}.Expression");
    if expression.is_empty() || expression.chars().count() > 2_048 {
        return Err(MetricsError::InvalidParameterValue(format!(
            "The parameter {parameter} must be 1 to 2048 characters long."
        )));
    }
    if expression
        .trim_start()
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("SELECT "))
    {
        return Err(in_expression(
            id,
            "Metrics Insights queries are not supported by this server",
        ));
    }
    let parsed = math::parse(expression).map_err(|fault| in_expression(id, &fault.0))?;
    let used = input.metric_data_queries.iter().filter(|query| {
        let id = query.id.as_deref().unwrap_or_default();
        parsed.ids.iter().any(|used| used == id)
    });
    let shortest = used
        .filter_map(|query| query.metric_stat.as_ref()?.period)
        .min();
    let period = match given.period {
        Some(period) => checks::period(Some(period), &format!("{path}.Period"))?,
        None => shortest.filter(|period| *period > 0).unwrap_or(PERIOD),
    };
    Ok((parsed, period))
}

//! PutMetricData. All of it is checked first; it is in the journal, durable, before the answer; then it is in the roll-ups, whole.

use std::sync::Arc;

use aws::Caller;

use super::api::{MetricDatum, PutMetricDataInput, StatisticSet};
use super::datum::Datum;
use super::error::MetricsError;
use super::identity::{Identity, Owner};
use super::series::Resolution;
use super::summary::Summary;
use super::unit::Unit;
use super::{Metrics, checks, limits};

/// PutMetricData. Metrics that come with an entity are taken as any, and the entity is not kept.
pub(super) async fn put_metric_data(
    metrics: Arc<Metrics>,
    caller: Caller,
    input: PutMetricDataInput,
) -> Result<(), MetricsError> {
    let namespace = checks::own_namespace(input.namespace.as_deref())?;
    let of_entities: usize = input
        .entity_metric_data
        .iter()
        .map(|of| of.metric_data.len())
        .sum();
    let count = input.metric_data.len() + of_entities;
    if count == 0 {
        return Err(MetricsError::missing("MetricData"));
    }
    if count > limits::DATA {
        return Err(MetricsError::too_many("MetricData", limits::DATA));
    }
    let now = metrics.now();
    let reader = Reading {
        owner: Owner::of(&caller),
        namespace,
        now,
    };
    let mut data = Vec::with_capacity(count);
    for (at, datum) in input.metric_data.iter().enumerate() {
        data.push(reader.datum(datum, &format!("MetricData.member.{}", at + 1))?);
    }
    for (entity, of) in input.entity_metric_data.iter().enumerate() {
        for (at, datum) in of.metric_data.iter().enumerate() {
            let (entity, at) = (entity + 1, at + 1);
            let path = format!("EntityMetricData.member.{entity}.MetricData.member.{at}");
            data.push(reader.datum(datum, &path)?);
        }
    }
    metrics.take(data, now).await
}

/// What is the same for all metrics of a request.
struct Reading {
    owner: Owner,
    namespace: String,
    now: i64,
}

impl Reading {
    fn datum(&self, given: &MetricDatum, path: &str) -> Result<Datum, MetricsError> {
        let at = |member: &str| format!("{path}.{member}");
        let name = checks::metric_name(given.metric_name.as_deref(), &at("MetricName"))?;
        let dimensions = checks::dimensions(&given.dimensions, &at("Dimensions"))?;
        let unit = checks::unit(given.unit.as_deref(), &at("Unit"))?;
        let resolution = match given.storage_resolution {
            Some(1) => Resolution::Second,
            Some(60) | None => Resolution::Minute,
            Some(_) => return Err(MetricsError::not_in_set(&at("StorageResolution"), "1, 60")),
        };
        let owner = self.owner.clone();
        Ok(Datum {
            identity: Identity::new(owner, self.namespace.clone(), name, dimensions),
            unit: unit.unwrap_or(Unit::NONE),
            resolution,
            at: self.second(given, &at("Timestamp"))?,
            summary: summary(given, path)?,
        })
    }

    fn second(&self, given: &MetricDatum, parameter: &str) -> Result<i64, MetricsError> {
        let Some(timestamp) = given.timestamp else {
            return Ok(self.now);
        };
        let second = timestamp.millis().div_euclid(1_000);
        let bound = if second < self.now - limits::PAST_SECONDS {
            "within the past two weeks"
        } else if second > self.now + limits::FUTURE_SECONDS {
            "no more than two hours in the future"
        } else {
            return Ok(second);
        };
        Err(MetricsError::InvalidParameterValue(format!(
            "The parameter {parameter} must specify a time {bound}."
        )))
    }
}

/// The values of one metric, which are given in exactly one of three forms.
fn summary(given: &MetricDatum, path: &str) -> Result<Summary, MetricsError> {
    let forms = [
        ("Value", given.value.is_some()),
        ("StatisticValues", given.statistic_values.is_some()),
        ("Values", !given.values.is_empty()),
    ];
    let mut named = forms
        .iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(name, _)| name);
    if let (Some(first), Some(second)) = (named.next(), named.next()) {
        return Err(MetricsError::InvalidParameterCombination(format!(
            "The parameters {path}.{first} and {path}.{second} are mutually exclusive and you have specified both."
        )));
    }
    if let Some(value) = given.value {
        return Ok(Summary::of(number(value, &format!("{path}.Value"))?, 1.0));
    }
    if let Some(set) = &given.statistic_values {
        return told(set, &format!("{path}.StatisticValues"));
    }
    counted(given, path)
}

/// Values, each as often as its count says, or once.
fn counted(given: &MetricDatum, path: &str) -> Result<Summary, MetricsError> {
    let MetricDatum { values, counts, .. } = given;
    if values.len() > limits::VALUES {
        return Err(MetricsError::too_many(
            &format!("{path}.Values"),
            limits::VALUES,
        ));
    }
    if !counts.is_empty() && counts.len() != values.len() {
        return Err(MetricsError::InvalidParameterValue(format!(
            "The parameters {path}.Values and {path}.Counts must be of the same size."
        )));
    }
    let mut whole: Option<Summary> = None;
    for (at, value) in values.iter().enumerate() {
        let value = number(*value, &format!("{path}.Values.member.{}", at + 1))?;
        let parameter = format!("{path}.Counts.member.{}", at + 1);
        let count = number(counts.get(at).copied().unwrap_or(1.0), &parameter)?;
        if count <= 0.0 {
            return Err(must_be_positive(&parameter));
        }
        let one = Summary::of(value, count);
        match &mut whole {
            Some(whole) => whole.merge(&one),
            None => whole = Some(one),
        }
    }
    whole.ok_or_else(|| {
        MetricsError::InvalidParameterCombination(format!(
            "At least one of the parameters {path}.Value and {path}.StatisticValues must be specified."
        ))
    })
}

fn told(set: &StatisticSet, path: &str) -> Result<Summary, MetricsError> {
    let member = |value: Option<f64>, name: &str| {
        let parameter = format!("{path}.{name}");
        number(
            value.ok_or_else(|| MetricsError::missing(&parameter))?,
            &parameter,
        )
    };
    let count = member(set.sample_count, "SampleCount")?;
    let sum = member(set.sum, "Sum")?;
    let min = member(set.minimum, "Minimum")?;
    let max = member(set.maximum, "Maximum")?;
    if count <= 0.0 {
        return Err(must_be_positive(&format!("{path}.SampleCount")));
    }
    if max < min {
        return Err(MetricsError::InvalidParameterValue(format!(
            "The parameter {path}.Maximum must be greater than {path}.Minimum."
        )));
    }
    Ok(Summary::told(count, sum, min, max))
}

fn must_be_positive(parameter: &str) -> MetricsError {
    MetricsError::InvalidParameterValue(format!(
        "The parameter {parameter} must be greater than 0."
    ))
}

/// A number within the bounds of values.
fn number(value: f64, parameter: &str) -> Result<f64, MetricsError> {
    if value.abs() <= limits::value_max() {
        return Ok(value);
    }
    let shown = if value.is_infinite() {
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}Infinity")
    } else {
        value.to_string()
    };
    Err(MetricsError::invalid(shown, parameter))
}

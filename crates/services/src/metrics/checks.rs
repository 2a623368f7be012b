//! What names, dimensions, units and times must be, in AWS's words where they are known.

use aws::Timestamp;

use super::api::{Dimension, Metric};
use super::error::MetricsError;
use super::identity::{Identity, Owner};
use super::limits;
use super::unit::Unit;

/// What AWS's own metrics are under.
pub(super) const RESERVED: &str = "AWS/";

type Checked<T> = Result<T, MetricsError>;

/// Text of one to `max` printable ASCII letters, of which one at least is no space.
fn text(value: Option<&str>, parameter: &str, max: usize) -> Checked<String> {
    let value = value.ok_or_else(|| MetricsError::missing(parameter))?;
    if value.is_empty() || value.chars().count() > max {
        return Err(MetricsError::InvalidParameterValue(format!(
            "The parameter {parameter} must be 1 to {max} characters long."
        )));
    }
    if !value.is_ascii() {
        return Err(MetricsError::InvalidParameterValue(format!(
            "The parameter {parameter} must contain only ASCII characters."
        )));
    }
    if value.bytes().any(|byte| byte.is_ascii_control()) || value.trim().is_empty() {
        return Err(MetricsError::invalid(value.escape_debug(), parameter));
    }
    Ok(value.to_owned())
}

/// A namespace: letters, digits and `.-_/#: `, not beginning with a colon.
pub(super) fn namespace(value: Option<&str>, parameter: &str) -> Checked<String> {
    let value = text(value, parameter, limits::NAME_LENGTH)?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte);
    if value.starts_with(':') || !value.bytes().all(is_letter) {
        return Err(MetricsError::invalid(value, parameter));
    }
    Ok(value)
}

/// A namespace that users may put metrics into.
pub(super) fn own_namespace(value: Option<&str>) -> Checked<String> {
    let value = namespace(value, "Namespace")?;
    if value.starts_with(RESERVED) {
        return Err(MetricsError::invalid(RESERVED, "Namespace"));
    }
    Ok(value)
}

pub(super) fn metric_name(value: Option<&str>, parameter: &str) -> Checked<String> {
    text(value, parameter, limits::NAME_LENGTH)
}

pub(super) fn dimension_name(value: Option<&str>, parameter: &str) -> Checked<String> {
    let value = text(value, parameter, limits::NAME_LENGTH)?;
    if value.starts_with(':') {
        return Err(MetricsError::invalid(value, parameter));
    }
    Ok(value)
}

pub(super) fn dimension_value(value: Option<&str>, parameter: &str) -> Checked<String> {
    text(value, parameter, limits::DIMENSION_VALUE_LENGTH)
}

/// Dimensions by name and value, no name twice.
pub(super) fn dimensions(given: &[Dimension], parameter: &str) -> Checked<Vec<(String, String)>> {
    if given.len() > limits::DIMENSIONS {
        return Err(MetricsError::too_many(parameter, limits::DIMENSIONS));
    }
    let mut dimensions: Vec<(String, String)> = Vec::with_capacity(given.len());
    for (at, dimension) in given.iter().enumerate() {
        let here = format!("{parameter}.member.{}", at + 1);
        let name = dimension_name(dimension.name.as_deref(), &format!("{here}.Name"))?;
        let value = dimension_value(dimension.value.as_deref(), &format!("{here}.Value"))?;
        if dimensions.iter().any(|(known, _)| *known == name) {
            return Err(MetricsError::InvalidParameterValue(
                "No metric may specify the same dimension name twice.".into(),
            ));
        }
        dimensions.push((name, value));
    }
    Ok(dimensions)
}

/// Which metric is asked for; `below` is what stands before its members' names in refusals.
pub(super) fn identity(owner: Owner, metric: &Metric, below: &str) -> Checked<Identity> {
    let namespace = namespace(metric.namespace.as_deref(), &format!("{below}Namespace"))?;
    let name = metric_name(metric.metric_name.as_deref(), &format!("{below}MetricName"))?;
    let dimensions = dimensions(&metric.dimensions, &format!("{below}Dimensions"))?;
    Ok(Identity::new(owner, namespace, name, dimensions))
}

/// A unit, where one is named.
pub(super) fn unit(name: Option<&str>, parameter: &str) -> Checked<Option<Unit>> {
    let Some(name) = name else {
        return Ok(None);
    };
    match Unit::parse(name) {
        Some(unit) => Ok(Some(unit)),
        None => Err(MetricsError::not_in_set(parameter, &Unit::listed())),
    }
}

/// A number of seconds that periods may have: 1, 5, 10, 20, 30, or whole minutes.
pub(super) fn period(period: Option<i64>, parameter: &str) -> Checked<i64> {
    let period = period.ok_or_else(|| MetricsError::missing(parameter))?;
    let is_period = [1, 5, 10, 20, 30].contains(&period) || period > 0 && period % 60 == 0;
    if !is_period {
        return Err(MetricsError::InvalidParameterValue(format!(
            "The parameter {parameter} must be 1, 5, 10, 20, 30, or a multiple of 60."
        )));
    }
    Ok(period)
}

/// A span of time asked for, in seconds since the epoch. Its start is rounded down as AWS documents: to a minute, to five where it
/// is over 15 days ago, to an hour where it is over 63; for periods below a minute to such a period.
pub(super) fn span(
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    shortest_period: i64,
    now: i64,
) -> Checked<(i64, i64)> {
    let start = start.ok_or_else(|| MetricsError::missing("StartTime"))?;
    let end = end.ok_or_else(|| MetricsError::missing("EndTime"))?;
    if start >= end {
        return Err(MetricsError::InvalidParameterValue(
            "The parameter StartTime must be less than the parameter EndTime.".into(),
        ));
    }
    let start = start.millis().div_euclid(1_000);
    let end = end.millis().saturating_add(999).div_euclid(1_000);
    let age = now.saturating_sub(start);
    let rounding = match age {
        age if age > 63 * 86_400 => 3_600,
        age if age > 15 * 86_400 => 300,
        _ if shortest_period < 60 => shortest_period,
        _ => 60,
    };
    Ok((start - start.rem_euclid(rounding), end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: std::fmt::Debug>(checked: Checked<T>) -> String {
        checked.unwrap_err().to_string()
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(
            namespace(Some("My/App #1:a"), "Namespace"),
            Ok("My/App #1:a".into())
        );
        for bad in [":x", "a%b", " ", "a\u{1}b"] {
            assert!(namespace(Some(bad), "Namespace").is_err(), "{bad}");
        }
        assert_eq!(
            refusal(own_namespace(None)),
            "The parameter Namespace is required."
        );
        assert_eq!(
            refusal(own_namespace(Some("AWS/Kinesis"))),
            "The value AWS/ for parameter Namespace is invalid."
        );
        assert!(own_namespace(Some("AWSx")).is_ok());
        let long = "x".repeat(256);
        assert_eq!(
            refusal(metric_name(Some(&long), "MetricName")),
            "The parameter MetricName must be 1 to 255 characters long."
        );
        assert_eq!(
            refusal(metric_name(Some("ü"), "MetricName")),
            "The parameter MetricName must contain only ASCII characters."
        );
    }

    #[test]
    fn starts_are_rounded_by_their_age() {
        let now = 1_700_000_000;
        let rounded = |age: i64, period: i64| {
            let start = Timestamp::from_millis((now - age) * 1_000 + 999);
            let end = Timestamp::from_millis((now + 60) * 1_000);
            let (start, end) = span(Some(start), Some(end), period, now).unwrap();
            assert_eq!(end, now + 60);
            (now - age) - start
        };
        // 1_700_000_000 is 20 s after a minute, 200 s after five, 800 s after an hour.
        assert_eq!(rounded(0, 60), 20);
        assert_eq!(rounded(0, 1), 0);
        assert_eq!(rounded(3, 10), 7);
        assert_eq!(rounded(16 * 86_400, 60), 200);
        assert_eq!(rounded(64 * 86_400, 60), 800);
    }
}

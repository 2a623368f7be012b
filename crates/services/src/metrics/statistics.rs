//! GetMetricStatistics: up to 1,440 datapoints of one metric, for each of its units.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws::{Caller, Timestamp};

use super::api::{Datapoint, GetMetricStatisticsInput, GetMetricStatisticsOutput, Metric};
use super::error::MetricsError;
use super::history::Periods;
use super::identity::Owner;
use super::statistic::Statistic;
use super::summary::Summary;
use super::unit::Unit;
use super::{Metrics, checks, limits};

/// What is asked of each period.
struct Asked {
    simple: Vec<Statistic>,
    extended: Vec<(String, Statistic)>,
}

impl Asked {
    fn of(input: &GetMetricStatisticsInput) -> Result<Asked, MetricsError> {
        let GetMetricStatisticsInput {
            statistics,
            extended_statistics,
            ..
        } = input;
        if statistics.is_empty() && extended_statistics.is_empty() {
            return Err(MetricsError::InvalidParameterCombination(
                "At least one of the parameters Statistics and ExtendedStatistics must be specified.".into(),
            ));
        }
        if statistics.len() > limits::STATISTICS {
            return Err(MetricsError::too_many("Statistics", limits::STATISTICS));
        }
        if extended_statistics.len() > limits::EXTENDED_STATISTICS {
            return Err(MetricsError::too_many(
                "ExtendedStatistics",
                limits::EXTENDED_STATISTICS,
            ));
        }
        let simple = statistics.iter().enumerate().map(|(at, name)| {
            let known = Statistic::simple(name);
            known.ok_or_else(|| {
                let parameter = format!("Statistics.member.{}", at + 1);
                MetricsError::not_in_set(&parameter, "Average, Sum, SampleCount, Maximum, Minimum")
            })
        });
        let extended = extended_statistics.iter().enumerate().map(|(at, name)| {
            let known = Statistic::extended(name);
            let parameter = format!("ExtendedStatistics.member.{}", at + 1);
            let known = known.ok_or_else(|| MetricsError::invalid(name, &parameter))?;
            Ok((name.clone(), known))
        });
        Ok(Asked {
            simple: simple.collect::<Result<_, _>>()?,
            extended: extended.collect::<Result<_, MetricsError>>()?,
        })
    }

    /// A period's datapoint, where there is anything to tell.
    fn datapoint(&self, at: i64, unit: Unit, summary: &Summary) -> Option<Datapoint> {
        let simple = |statistic: Statistic| {
            self.simple
                .contains(&statistic)
                .then(|| statistic.of(summary))
                .flatten()
        };
        let extended: BTreeMap<String, f64> = self
            .extended
            .iter()
            .filter_map(|(name, statistic)| Some((name.clone(), statistic.of(summary)?)))
            .collect();
        if self.simple.is_empty() && extended.is_empty() {
            return None;
        }
        Some(Datapoint {
            timestamp: Timestamp::from_millis(at.saturating_mul(1_000)),
            sample_count: simple(Statistic::SampleCount),
            average: simple(Statistic::Average),
            sum: simple(Statistic::Sum),
            minimum: simple(Statistic::Minimum),
            maximum: simple(Statistic::Maximum),
            unit: unit.name(),
            extended_statistics: (!extended.is_empty()).then_some(extended),
        })
    }
}

/// GetMetricStatistics.
pub(super) async fn get_metric_statistics(
    metrics: Arc<Metrics>,
    caller: Caller,
    input: GetMetricStatisticsInput,
) -> Result<GetMetricStatisticsOutput, MetricsError> {
    let asked = Asked::of(&input)?;
    let metric = Metric {
        namespace: input.namespace,
        metric_name: input.metric_name,
        dimensions: input.dimensions,
    };
    let identity = checks::identity(Owner::of(&caller), &metric, "")?;
    let period = checks::period(input.period, "Period")?;
    let unit = checks::unit(input.unit.as_deref(), "Unit")?;
    let (from, to) = checks::span(input.start_time, input.end_time, period, metrics.now())?;
    let count = (to - from) / period;
    if count > limits::STATISTICS_DATAPOINTS {
        let (count, max) = (grouped(count), grouped(limits::STATISTICS_DATAPOINTS));
        return Err(MetricsError::InvalidParameterCombination(format!(
            "You have requested up to {count} datapoints, which exceeds the limit of {max}. You may reduce the datapoints \
             requested by increasing Period, or decreasing the time range."
        )));
    }
    let history = metrics
        .history(&identity, unit, Periods { from, to, period })
        .await?;
    let mut datapoints = Vec::new();
    for (unit, points) in history {
        let told = points
            .iter()
            .filter_map(|(at, summary)| asked.datapoint(*at, unit, summary));
        datapoints.extend(told);
    }
    Ok(GetMetricStatisticsOutput {
        label: identity.name,
        datapoints,
    })
}

/// A number with commas between its thousands.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_told_apart() {
        let texts = [0, 999, 1_440, 86_400, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,440", "86,400", "1,234,567"]);
    }
}

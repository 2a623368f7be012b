//! Labels of results, and the dynamic parts they may have: `${PROP('MetricName')}`, `${MAX}`. After "Using dynamic labels" of the
//! user guide. Parts that are times, and those that are not known, stay as they are written.

use super::identity::Identity;
use super::math::TimeSeries;

/// A result's label: the one given, its dynamic parts replaced, or `own`.
pub(super) fn of(
    given: Option<&str>,
    own: &str,
    metric: Option<(&Identity, &str)>,
    series: &TimeSeries,
) -> String {
    let Some(given) = given else {
        return own.to_owned();
    };
    let mut label = String::with_capacity(given.len());
    let mut rest = given;
    while let Some((before, after)) = rest.split_once("${") {
        label.push_str(before);
        let Some((part, after)) = after.split_once('}') else {
            label.push_str("${");
            rest = after;
            continue;
        };
        match replaced(part, own, metric, series) {
            Some(text) => label.push_str(&text),
            None => {
                label.push_str("${");
                label.push_str(part);
                label.push('}');
            }
        }
        rest = after;
    }
    label.push_str(rest);
    label
}

fn replaced(
    part: &str,
    own: &str,
    metric: Option<(&Identity, &str)>,
    series: &TimeSeries,
) -> Option<String> {
    let values = || series.points.iter().map(|(_, value)| *value);
    let number =
        |value: Option<f64>| Some(value.map_or_else(|| "--".to_owned(), |value| value.to_string()));
    match part {
        "LABEL" => Some(own.to_owned()),
        "DATAPOINT_COUNT" => Some(series.points.len().to_string()),
        "SUM" => number(Some(values().sum())),
        "AVG" => number(
            (!series.points.is_empty()).then(|| values().sum::<f64>() / series.points.len() as f64),
        ),
        "MIN" => number(values().reduce(f64::min)),
        "MAX" => number(values().reduce(f64::max)),
        "FIRST" => number(values().next()),
        "LAST" => number(values().next_back()),
        _ => {
            let name = part.strip_prefix("PROP('")?.strip_suffix("')")?;
            property(name, metric?, series)
        }
    }
}

fn property(
    name: &str,
    (identity, statistic): (&Identity, &str),
    series: &TimeSeries,
) -> Option<String> {
    match name {
        "MetricName" => Some(identity.name.clone()),
        "Namespace" => Some(identity.namespace.clone()),
        "Stat" => Some(statistic.to_owned()),
        "Period" => Some(series.periods.period.to_string()),
        "AccountId" => Some(identity.owner.account.to_string()),
        "Region" => Some(identity.owner.region.to_string()),
        _ => {
            let wanted = name.strip_prefix("Dim.")?;
            let mut dimensions = identity.dimensions.iter();
            dimensions.find_map(|(name, value)| (name == wanted).then(|| value.clone()))
        }
    }
}

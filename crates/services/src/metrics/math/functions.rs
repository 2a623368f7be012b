//! The functions of metric math, by name.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::evaluate::Scope;
use super::{Fault, TimeSeries, Value, fill};

/// What AWS has and this server does not.
const MISSING: [&str; 6] = [
    "ANOMALY_DETECTION_BAND",
    "DB_PERF_INSIGHTS",
    "INSIGHT_RULE_METRIC",
    "LAMBDA",
    "MAPPING",
    "SERVICE_QUOTA",
];

/// Calls one.
pub(super) fn call(name: &str, arguments: &[Value], scope: &Scope<'_>) -> Result<Value, Fault> {
    let known = of_values(name, arguments)
        .or_else(|| of_times(name, arguments))
        .or_else(|| of_arrays(name, arguments, scope));
    known.unwrap_or_else(|| {
        Err(Fault::of(if MISSING.contains(&name) {
            format!("The function {name} is not supported by this server")
        } else {
            format!("Unknown function: {name}")
        }))
    })
}

type Called = Option<Result<Value, Fault>>;

/// Those that compute with values.
fn of_values(name: &str, arguments: &[Value]) -> Called {
    Some(match name {
        "ABS" => each(name, arguments, f64::abs),
        "CEIL" => each(name, arguments, f64::ceil),
        "FLOOR" => each(name, arguments, f64::floor),
        "LOG" => each(name, arguments, f64::ln),
        "LOG10" => each(name, arguments, f64::log10),
        "SUM" => reduce(name, arguments, sum),
        "AVG" => reduce(name, arguments, average),
        "MIN" => reduce(name, arguments, least),
        "MAX" => reduce(name, arguments, greatest),
        "STDDEV" => reduce(name, arguments, deviation),
        "RATE" => step(name, arguments, |seconds, before, now| {
            (now - before) / seconds
        }),
        "DIFF" => step(name, arguments, |_, before, now| now - before),
        "DIFF_TIME" => step(name, arguments, |seconds, _, _| seconds),
        "RUNNING_SUM" => whole(name, arguments, running_sum),
        "IF" => condition(arguments),
        "FILL" => fill::call(arguments),
        "PERIOD" => match arguments {
            [Value::Series(series)] => Ok(Value::Scalar(series.periods.period as f64)),
            _ => Err(wrong(name, arguments)),
        },
        "DATAPOINT_COUNT" => match arguments {
            [Value::Series(series)] => Ok(Value::Scalar(series.points.len() as f64)),
            _ => Err(wrong(name, arguments)),
        },
        _ => return None,
    })
}

/// Those of the times of values, in UTC.
fn of_times(name: &str, arguments: &[Value]) -> Called {
    let part: fn(OffsetDateTime) -> f64 = match name {
        "EPOCH" => |time| time.unix_timestamp() as f64,
        "MINUTE" => |time| f64::from(time.minute()),
        "HOUR" => |time| f64::from(time.hour()),
        "DAY" => |time| f64::from(time.weekday().number_from_monday()),
        "DATE" => |time| f64::from(time.day()),
        "MONTH" => |time| f64::from(u8::from(time.month())),
        "YEAR" => |time| f64::from(time.year()),
        _ => return None,
    };
    Some(whole(name, arguments, |series| {
        let times = series.points.iter().filter_map(|(at, _)| {
            let time = OffsetDateTime::from_unix_timestamp(*at).ok()?;
            Some((*at, part(time)))
        });
        series.with(times)
    }))
}

/// Those that make arrays or series, or choose among them.
fn of_arrays(name: &str, arguments: &[Value], scope: &Scope<'_>) -> Called {
    Some(match (name, arguments) {
        ("METRICS", _) => metrics(arguments, scope),
        ("METRIC_COUNT", [Value::Array(all)]) => Ok(Value::Scalar(all.len() as f64)),
        ("FIRST", [Value::Array(all)]) => Ok(only(all.first())),
        ("LAST", [Value::Array(all)]) => Ok(only(all.last())),
        ("TIME_SERIES", [Value::Scalar(value)]) => {
            let empty = TimeSeries {
                label: String::new(),
                periods: scope.periods,
                points: Vec::new(),
            };
            fill::constant(&empty, *value).map(Value::Series)
        }
        ("REMOVE_EMPTY", [Value::Array(all)]) => {
            let kept = all.iter().filter(|series| !series.points.is_empty());
            Ok(Value::Array(kept.cloned().collect()))
        }
        ("SLICE", _) => slice(arguments),
        ("SORT", _) => sort(arguments),
        ("METRIC_COUNT" | "FIRST" | "LAST" | "TIME_SERIES" | "REMOVE_EMPTY", _) => {
            Err(wrong(name, arguments))
        }
        _ => return None,
    })
}

/// One of an array that may have none.
fn only(one: Option<&TimeSeries>) -> Value {
    one.map_or_else(
        || Value::Array(Vec::new()),
        |one| Value::Series(one.clone()),
    )
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::min)
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}

pub(super) fn wrong(name: &str, arguments: &[Value]) -> Fault {
    let kinds: Vec<&str> = arguments.iter().map(Value::kind).collect();
    Fault::of(format!(
        "Unsupported arguments for {name}: '[{}]'",
        kinds.join(", ")
    ))
}

/// Series by series, or the one series.
fn whole(
    name: &str,
    arguments: &[Value],
    change: impl Fn(&TimeSeries) -> TimeSeries,
) -> Result<Value, Fault> {
    match arguments {
        [Value::Series(series)] => Ok(Value::Series(change(series))),
        [Value::Array(all)] => Ok(Value::Array(all.iter().map(change).collect())),
        _ => Err(wrong(name, arguments)),
    }
}

/// Value by value.
fn each(name: &str, arguments: &[Value], change: fn(f64) -> f64) -> Result<Value, Fault> {
    match arguments {
        [Value::Scalar(value)] => Ok(Value::Scalar(change(*value))),
        _ => whole(name, arguments, |series| series.map(change)),
    }
}

/// A series to one number; several to a series of what they have at each time.
fn reduce(name: &str, arguments: &[Value], join: fn(&[f64]) -> f64) -> Result<Value, Fault> {
    match arguments {
        [Value::Scalar(value)] => Ok(Value::Scalar(join(&[*value]))),
        [Value::Series(series)] => {
            let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
            Ok(Value::Scalar(if values.is_empty() {
                f64::NAN
            } else {
                join(&values)
            }))
        }
        [Value::Array(all)] => {
            let Some(longest) = all.iter().max_by_key(|series| series.periods.period) else {
                return Ok(Value::Array(Vec::new()));
            };
            let mut at_once: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            for (at, value) in all.iter().flat_map(|series| &series.points) {
                at_once.entry(*at).or_default().push(*value);
            }
            let joined = longest.with(at_once.into_iter().map(|(at, values)| (at, join(&values))));
            Ok(Value::Series(TimeSeries {
                label: name.to_owned(),
                ..joined
            }))
        }
        _ => Err(wrong(name, arguments)),
    }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of the whole population.
fn deviation(values: &[f64]) -> f64 {
    let mean = average(values);
    let squares: Vec<f64> = values.iter().map(|value| (value - mean).powi(2)).collect();
    average(&squares).sqrt()
}

/// From each value and the one before it, and the seconds between them.
fn step(name: &str, arguments: &[Value], change: fn(f64, f64, f64) -> f64) -> Result<Value, Fault> {
    whole(name, arguments, |series| {
        let pairs = series.points.windows(2).filter_map(|pair| match pair {
            [(before, old), (now, new)] => Some((*now, change((now - before) as f64, *old, *new))),
            _ => None,
        });
        series.with(pairs)
    })
}

fn running_sum(series: &TimeSeries) -> TimeSeries {
    let mut sum = 0.0;
    let mut points = series.points.clone();
    for (_, value) in &mut points {
        sum += *value;
        *value = sum;
    }
    series.with(points)
}

/// `IF(condition, then, else)`: at each time of the condition. Without an `else`, what does not hold has no value.
fn condition(arguments: &[Value]) -> Result<Value, Fault> {
    let (condition, then, otherwise) = match arguments {
        [condition, then] => (condition, then, None),
        [condition, then, otherwise] => (condition, then, Some(otherwise)),
        _ => return Err(wrong("IF", arguments)),
    };
    let condition = match condition {
        Value::Series(series) => series,
        Value::Scalar(truth) if *truth != 0.0 => return Ok(then.clone()),
        Value::Scalar(_) => return otherwise.cloned().ok_or_else(|| wrong("IF", arguments)),
        _ => return Err(wrong("IF", arguments)),
    };
    let read = |branch: &Value| -> Result<Branch, Fault> {
        match branch {
            Value::Scalar(value) => Ok(Branch::Same(*value)),
            Value::Series(series) => Ok(Branch::At(series.points.iter().copied().collect())),
            _ => Err(wrong("IF", arguments)),
        }
    };
    let then = read(then)?;
    let otherwise = otherwise.map(read).transpose()?;
    let points = condition.points.iter().filter_map(|(at, truth)| {
        let branch = if *truth == 0.0 {
            otherwise.as_ref()?
        } else {
            &then
        };
        Some((*at, branch.at(*at)?))
    });
    Ok(Value::Series(condition.with(points)))
}

/// What a condition chooses.
enum Branch {
    Same(f64),
    At(BTreeMap<i64, f64>),
}

impl Branch {
    fn at(&self, at: i64) -> Option<f64> {
        match self {
            Branch::Same(value) => Some(*value),
            Branch::At(points) => points.get(&at).copied(),
        }
    }
}

/// `METRICS()`, or those whose ids contain a text.
fn metrics(arguments: &[Value], scope: &Scope<'_>) -> Result<Value, Fault> {
    let part = match arguments {
        [] => "",
        [Value::Text(part)] => part,
        _ => return Err(wrong("METRICS", arguments)),
    };
    let ids = scope.metrics.iter().filter(|id| id.contains(part));
    let series = ids.filter_map(|id| match scope.values.get(id) {
        Some(Value::Series(series)) => Some(series.clone()),
        _ => None,
    });
    Ok(Value::Array(series.collect()))
}

/// `SLICE(array, from)` and `SLICE(array, from, to)`.
fn slice(arguments: &[Value]) -> Result<Value, Fault> {
    let (all, from, to) = match arguments {
        [Value::Array(all), Value::Scalar(from)] => (all, *from, all.len()),
        [Value::Array(all), Value::Scalar(from), Value::Scalar(to)] => (all, *from, *to as usize),
        _ => return Err(wrong("SLICE", arguments)),
    };
    let from = from as usize;
    let some = all.iter().skip(from).take(to.saturating_sub(from));
    Ok(Value::Array(some.cloned().collect()))
}

/// `SORT(array, AVG | MIN | MAX | SUM, ASC | DESC)`, and how many of them.
fn sort(arguments: &[Value]) -> Result<Value, Fault> {
    let (all, function, order, count) = match arguments {
        [Value::Array(all), Value::Text(function), Value::Text(order)] => {
            (all, function, order, all.len())
        }
        [
            Value::Array(all),
            Value::Text(function),
            Value::Text(order),
            Value::Scalar(count),
        ] => (all, function, order, *count as usize),
        _ => return Err(wrong("SORT", arguments)),
    };
    let weight: fn(&[f64]) -> f64 = match function.as_str() {
        "AVG" => average,
        "SUM" => sum,
        "MIN" => least,
        "MAX" => greatest,
        _ => return Err(wrong("SORT", arguments)),
    };
    let mut weighed: Vec<(f64, &TimeSeries)> = all
        .iter()
        .map(|series| {
            let values: Vec<f64> = series.points.iter().map(|(_, value)| *value).collect();
            (
                if values.is_empty() {
                    f64::NAN
                } else {
                    weight(&values)
                },
                series,
            )
        })
        .collect();
    // What has no values is last in either order.
    let compare = |a: f64, b: f64| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(&b));
    match order.as_str() {
        "ASC" => weighed.sort_by(|a, b| compare(a.0, b.0)),
        "DESC" => weighed.sort_by(|a, b| a.0.is_nan().cmp(&b.0.is_nan()).then(b.0.total_cmp(&a.0))),
        _ => return Err(wrong("SORT", arguments)),
    }
    let some = weighed.into_iter().take(count);
    Ok(Value::Array(
        some.map(|(_, series)| series.clone()).collect(),
    ))
}

//! `FILL(series, with)`: values for the periods that have none. With a number, with another series' values, with the value before
//! (`REPEAT`), or on the line between the values around (`LINEAR`).

use std::collections::BTreeMap;

use super::functions::wrong;
use super::{Fault, TimeSeries, Value};
use crate::metrics::limits;

/// FILL.
pub(super) fn call(arguments: &[Value]) -> Result<Value, Fault> {
    let [what, with] = arguments else {
        return Err(wrong("FILL", arguments));
    };
    let fill = |series: &TimeSeries| match with {
        Value::Scalar(value) => constant(series, *value),
        Value::Text(word) if word == "REPEAT" => repeat(series),
        Value::Text(word) if word == "LINEAR" => linear(series),
        Value::Series(other) => from(series, other),
        _ => Err(wrong("FILL", arguments)),
    };
    match what {
        Value::Series(series) => Ok(Value::Series(fill(series)?)),
        Value::Array(all) => Ok(Value::Array(
            all.iter().map(fill).collect::<Result<_, _>>()?,
        )),
        _ => Err(wrong("FILL", arguments)),
    }
}

/// Every period, with its value if it has one.
fn grid(series: &TimeSeries) -> Result<Vec<(i64, Option<f64>)>, Fault> {
    let (from, to, period) = (
        series.periods.from,
        series.periods.to,
        series.periods.period,
    );
    let count = (to - from).max(0) / period;
    if count > limits::DATAPOINTS as i64 {
        let max = limits::DATAPOINTS;
        return Err(Fault::of(format!(
            "{count} datapoints are to be filled, which exceeds the limit of {max}"
        )));
    }
    let known: BTreeMap<i64, f64> = series.points.iter().copied().collect();
    let starts = (0..)
        .map(|number| from + number * period)
        .take_while(|at| *at < to);
    Ok(starts.map(|at| (at, known.get(&at).copied())).collect())
}

/// The series with `value` wherever it has none.
pub(super) fn constant(series: &TimeSeries, value: f64) -> Result<TimeSeries, Fault> {
    let filled = grid(series)?
        .into_iter()
        .map(|(at, known)| (at, known.unwrap_or(value)));
    Ok(series.with(filled))
}

fn from(series: &TimeSeries, other: &TimeSeries) -> Result<TimeSeries, Fault> {
    let other: BTreeMap<i64, f64> = other.points.iter().copied().collect();
    let fill =
        |(at, known): (i64, Option<f64>)| Some((at, known.or_else(|| other.get(&at).copied())?));
    Ok(series.with(grid(series)?.into_iter().filter_map(fill)))
}

fn repeat(series: &TimeSeries) -> Result<TimeSeries, Fault> {
    let mut before = None;
    let filled = grid(series)?.into_iter().filter_map(|(at, known)| {
        before = known.or(before);
        Some((at, before?))
    });
    Ok(series.with(filled))
}

fn linear(series: &TimeSeries) -> Result<TimeSeries, Fault> {
    let mut rest = series.points.iter().copied().peekable();
    let mut before: Option<(i64, f64)> = None;
    let filled = grid(series)?.into_iter().filter_map(|(at, known)| {
        if let Some(value) = known {
            before = Some((at, value));
            rest.next_if(|(next, _)| *next == at);
            return before;
        }
        let (start, low) = before?;
        let (end, high) = *rest.peek()?;
        let share = (at - start) as f64 / (end - start) as f64;
        Some((at, low + (high - low) * share))
    });
    Ok(series.with(filled))
}

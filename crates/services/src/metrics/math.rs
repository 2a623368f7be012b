//! Metric math: expressions over the results of other queries. After "Using math expressions with CloudWatch metrics" of the user
//! guide. No I/O: what an expression needs is fetched before, see [`Parsed`].
//!
//! A time series has values at some of its periods. Two of them are taken together where both have a value; what is no finite
//! number, such as a quotient by zero, is no value. Of series of different periods the longer one is the result's.

mod evaluate;
mod fill;
mod functions;
mod parse;

pub(super) use evaluate::{Scope, evaluate};
pub(super) use parse::parse;

use super::history::Periods;

/// What is wrong with an expression, without which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl Fault {
    fn of(text: impl Into<String>) -> Fault {
        Fault(text.into())
    }
}

/// An expression, and what must be fetched for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parsed {
    pub(super) root: Expression,
    /// Ids of other queries, each once.
    pub(super) ids: Vec<String>,
    /// What is searched for: [`Expression::Search`] has the place in here.
    pub(super) searches: Vec<Search>,
}

/// The arguments of a SEARCH.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Search {
    pub(super) terms: String,
    pub(super) statistic: String,
    pub(super) period: Option<i64>,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    /// Another query, or a word such as `REPEAT`.
    Word(String),
    Negated(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
    List(Vec<Expression>),
    Search(usize),
}

/// What stands between two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    And,
    Or,
}

/// One time series: values at the starts of some of its periods, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TimeSeries {
    pub(super) label: String,
    pub(super) periods: Periods,
    pub(super) points: Vec<(i64, f64)>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    Series(TimeSeries),
    Array(Vec<TimeSeries>),
    Text(String),
}

impl Value {
    /// As refusals call it.
    fn kind(&self) -> &'static str {
        match self {
            Value::Scalar(_) => "Scalar",
            Value::Series(_) => "TimeSeries",
            Value::Array(_) => "Array[TimeSeries]",
            Value::Text(_) => "String",
        }
    }
}

impl TimeSeries {
    /// The same series with other values; those that are no finite numbers are none.
    fn with(&self, points: impl IntoIterator<Item = (i64, f64)>) -> TimeSeries {
        TimeSeries {
            label: self.label.clone(),
            periods: self.periods,
            points: points
                .into_iter()
                .filter(|(_, value)| value.is_finite())
                .collect(),
        }
    }

    /// The same with each value changed.
    fn map(&self, change: impl Fn(f64) -> f64) -> TimeSeries {
        self.with(self.points.iter().map(|(at, value)| (*at, change(*value))))
    }

    /// Both together, where both have values.
    fn zip(&self, other: &TimeSeries, join: impl Fn(f64, f64) -> f64) -> TimeSeries {
        let longer = if other.periods.period > self.periods.period {
            other
        } else {
            self
        };
        let mut rest = other.points.iter().peekable();
        let mut points = Vec::new();
        for (at, value) in &self.points {
            while rest.next_if(|(other, _)| other < at).is_some() {}
            if let Some((_, other)) = rest.next_if(|(other, _)| other == at) {
                points.push((*at, join(*value, *other)));
            }
        }
        TimeSeries {
            label: self.label.clone(),
            ..longer.with(points)
        }
    }
}

#[cfg(test)]
mod tests;

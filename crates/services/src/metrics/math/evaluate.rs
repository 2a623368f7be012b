//! What an expression is, given what its ids and searches are.

use std::collections::HashMap;

use super::{Expression, Fault, Operator, TimeSeries, Value, functions};
use crate::metrics::history::Periods;

/// What an expression is evaluated in.
#[derive(Debug)]
pub(in super::super) struct Scope<'a> {
    /// Results of other queries, by id.
    pub(in super::super) values: &'a HashMap<String, Value>,
    /// Ids of the queries of single metrics, in their order.
    pub(in super::super) metrics: &'a [String],
    /// What each search found.
    pub(in super::super) found: &'a [Vec<TimeSeries>],
    /// The periods of what has none of its own, such as `TIME_SERIES(1)`.
    pub(in super::super) periods: Periods,
}

/// What it is.
pub(in super::super) fn evaluate(node: &Expression, scope: &Scope<'_>) -> Result<Value, Fault> {
    match node {
        Expression::Number(number) => Ok(Value::Scalar(*number)),
        Expression::Text(text) => Ok(Value::Text(text.clone())),
        Expression::Word(word) => match scope.values.get(word) {
            Some(value) => Ok(value.clone()),
            None if word.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
                Ok(Value::Text(word.clone()))
            }
            None => Err(Fault::of(format!("Undefined id: {word}"))),
        },
        Expression::Negated(operand) => {
            let operand = evaluate(operand, scope)?;
            binary(Operator::Multiply, &Value::Scalar(-1.0), &operand)
        }
        Expression::Binary(operator, left, right) => {
            binary(*operator, &evaluate(left, scope)?, &evaluate(right, scope)?)
        }
        Expression::List(items) => {
            let mut all = Vec::new();
            for item in items {
                match evaluate(item, scope)? {
                    Value::Series(series) => all.push(series),
                    Value::Array(more) => all.extend(more),
                    other => {
                        return Err(Fault::of(format!(
                            "{} in an array of time series",
                            other.kind()
                        )));
                    }
                }
            }
            Ok(Value::Array(all))
        }
        Expression::Search(at) => Ok(Value::Array(
            scope.found.get(*at).cloned().unwrap_or_default(),
        )),
        Expression::Call(name, arguments) => {
            let arguments = arguments.iter().map(|argument| evaluate(argument, scope));
            let arguments: Vec<Value> = arguments.collect::<Result<_, _>>()?;
            functions::call(name, &arguments, scope)
        }
    }
}

impl Operator {
    fn sign(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Power => "^",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::And => "AND",
            Operator::Or => "OR",
        }
    }

    /// Truth is 1, and what is not 0 is true.
    fn apply(self, left: f64, right: f64) -> f64 {
        let truth = |is: bool| if is { 1.0 } else { 0.0 };
        match self {
            Operator::Add => left + right,
            Operator::Subtract => left - right,
            Operator::Multiply => left * right,
            Operator::Divide => left / right,
            Operator::Power => left.powf(right),
            Operator::Less => truth(left < right),
            Operator::LessOrEqual => truth(left <= right),
            Operator::Greater => truth(left > right),
            Operator::GreaterOrEqual => truth(left >= right),
            Operator::Equal => truth(left == right),
            Operator::NotEqual => truth(left != right),
            Operator::And => truth(left != 0.0 && right != 0.0),
            Operator::Or => truth(left != 0.0 || right != 0.0),
        }
    }
}

fn binary(operator: Operator, left: &Value, right: &Value) -> Result<Value, Fault> {
    let apply = |left: f64, right: f64| operator.apply(left, right);
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(apply(*left, *right)),
        (Value::Series(left), Value::Scalar(right)) => {
            Value::Series(left.map(|left| apply(left, *right)))
        }
        (Value::Scalar(left), Value::Series(right)) => {
            Value::Series(right.map(|right| apply(*left, right)))
        }
        (Value::Series(left), Value::Series(right)) => Value::Series(left.zip(right, apply)),
        (Value::Array(left), Value::Scalar(right)) => Value::Array(
            left.iter()
                .map(|series| series.map(|left| apply(left, *right)))
                .collect(),
        ),
        (Value::Scalar(left), Value::Array(right)) => Value::Array(
            right
                .iter()
                .map(|series| series.map(|right| apply(*left, right)))
                .collect(),
        ),
        (Value::Array(left), Value::Series(right)) => {
            Value::Array(left.iter().map(|series| series.zip(right, apply)).collect())
        }
        (Value::Series(left), Value::Array(right)) => {
            let flipped = |right: f64, left: f64| apply(left, right);
            Value::Array(
                right
                    .iter()
                    .map(|series| series.zip(left, flipped))
                    .collect(),
            )
        }
        (left, right) => {
            let (sign, left, right) = (operator.sign(), left.kind(), right.kind());
            return Err(Fault::of(format!(
                "Unsupported operand type(s) for {sign}: '[{left}, {right}]'"
            )));
        }
    })
}

//! Expressions over three series of minutes: `a` has 1, 2, 4 at the first three; `b` 10 and 20 at the first and third; `c`, in
//! periods of two minutes, 5 at the first.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn series(label: &str, period: i64, points: &[(i64, f64)]) -> Value {
    let points = points
        .iter()
        .map(|(number, value)| (60 * number, *value))
        .collect();
    let periods = Periods {
        from: 0,
        to: 300,
        period,
    };
    Value::Series(TimeSeries {
        label: label.into(),
        periods,
        points,
    })
}

fn result(text: &str) -> Result<Value, Fault> {
    let values = HashMap::from([
        (
            "a".to_owned(),
            series("A", 60, &[(0, 1.0), (1, 2.0), (2, 4.0)]),
        ),
        ("b".to_owned(), series("B", 60, &[(0, 10.0), (2, 20.0)])),
        ("c".to_owned(), series("C", 120, &[(0, 5.0)])),
        ("none".to_owned(), series("N", 60, &[])),
    ]);
    let metrics = ["a", "b", "none"].map(str::to_owned);
    let scope = Scope {
        values: &values,
        metrics: &metrics,
        found: &[],
        periods: Periods {
            from: 0,
            to: 300,
            period: 60,
        },
    };
    evaluate(&parse(text)?.root, &scope)
}

/// Minutes and values.
fn check(text: &str, expected: &[(i64, f64)]) {
    match result(text) {
        Ok(Value::Series(series)) => {
            let found: Vec<_> = series
                .points
                .iter()
                .map(|(at, value)| (at / 60, *value))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
        other => panic!("{text} is {other:?}"),
    }
}

fn check_scalar(text: &str, expected: f64) {
    match result(text) {
        Ok(Value::Scalar(found)) => assert_eq!(found, expected, "{text}"),
        other => panic!("{text} is {other:?}"),
    }
}

fn check_labels(text: &str, expected: &[&str]) {
    match result(text) {
        Ok(Value::Array(all)) => {
            let labels: Vec<&str> = all.iter().map(|series| &*series.label).collect();
            assert_eq!(labels, expected, "{text}");
        }
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn arithmetic_binds_as_usual() {
    check_scalar("1 + 2 * 3", 7.0);
    check_scalar("(1 + 2) * 3", 9.0);
    check_scalar("8 - 2 - 1", 5.0);
    check_scalar("2 * 3 ^ 2", 18.0);
    check_scalar("-2 ^ 2", -4.0);
    check_scalar("2 ^ -1", 0.5);
    check_scalar("1e3 + 1.5E-1", 1_000.15);
    check_scalar("1 < 2 AND 3 >= 4", 0.0);
    check_scalar("1 == 1 || 0 != 0", 1.0);
}

#[test]
fn series_are_joined_where_both_have_values() {
    check("a", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
    check("a * 100", &[(0, 100.0), (1, 200.0), (2, 400.0)]);
    check("1 - a", &[(0, 0.0), (1, -1.0), (2, -3.0)]);
    check("b / a", &[(0, 10.0), (2, 5.0)]);
    check("a + c", &[(0, 6.0)]);
    check("a / 0", &[]);
    check("a > 1", &[(0, 0.0), (1, 1.0), (2, 1.0)]);
    check_scalar("PERIOD(a + c)", 120.0);
}

#[test]
fn functions_of_one_series() {
    check_scalar("SUM(a)", 7.0);
    check_scalar("AVG(b)", 15.0);
    check_scalar("MAX(a) - MIN(a)", 3.0);
    check_scalar("STDDEV(b)", 5.0);
    check_scalar("DATAPOINT_COUNT(a)", 3.0);
    check("a / SUM(a) * 7", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
    check("RATE(b)", &[(2, 10.0 / 120.0)]);
    check("DIFF(a)", &[(1, 1.0), (2, 2.0)]);
    check("DIFF_TIME(b)", &[(2, 120.0)]);
    check("RUNNING_SUM(a)", &[(0, 1.0), (1, 3.0), (2, 7.0)]);
    check("ABS(-a)", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
    check(
        "CEIL(a / 4) + FLOOR(a / 4)",
        &[(0, 1.0), (1, 1.0), (2, 2.0)],
    );
    check(
        "LOG10(b * 10) - LOG(1)",
        &[(0, 2.0), (2, 200.0_f64.log10())],
    );
    check("MINUTE(a)", &[(0, 0.0), (1, 1.0), (2, 2.0)]);
    check(
        "DAY(b) + YEAR(b) + MONTH(b) + DATE(b) + HOUR(b)",
        &[(0, 4.0 + 1970.0 + 2.0), (2, 1976.0)],
    );
}

#[test]
fn gaps_are_filled() {
    check(
        "FILL(b, 0)",
        &[(0, 10.0), (1, 0.0), (2, 20.0), (3, 0.0), (4, 0.0)],
    );
    check(
        "FILL(b, REPEAT)",
        &[(0, 10.0), (1, 10.0), (2, 20.0), (3, 20.0), (4, 20.0)],
    );
    check("FILL(b, LINEAR)", &[(0, 10.0), (1, 15.0), (2, 20.0)]);
    check("FILL(b, a)", &[(0, 10.0), (1, 2.0), (2, 20.0)]);
    check(
        "FILL(none, 1)",
        &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0), (4, 1.0)],
    );
    check(
        "TIME_SERIES(3)",
        &[(0, 3.0), (1, 3.0), (2, 3.0), (3, 3.0), (4, 3.0)],
    );
}

#[test]
fn conditions_choose() {
    check("IF(a > 1, a, 0)", &[(0, 0.0), (1, 2.0), (2, 4.0)]);
    check("IF(a > 1, b)", &[(2, 20.0)]);
    check("IF(1, a, b)", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
    check("IF(a, 7)", &[(0, 7.0), (1, 7.0), (2, 7.0)]);
}

#[test]
fn arrays_are_taken_together() {
    check_labels("METRICS()", &["A", "B", "N"]);
    check_labels("METRICS(\"a\")", &["A"]);
    check_labels("[b, a]", &["B", "A"]);
    check_labels("METRICS() * 2", &["A", "B", "N"]);
    check_labels("REMOVE_EMPTY(METRICS())", &["A", "B"]);
    check_labels("SORT(METRICS(), AVG, DESC)", &["B", "A", "N"]);
    check_labels("SORT(METRICS(), MAX, ASC, 1)", &["A"]);
    check_labels("SLICE(METRICS(), 1, 2)", &["B"]);
    check("SUM(METRICS())", &[(0, 11.0), (1, 2.0), (2, 24.0)]);
    check("AVG([a, b])", &[(0, 5.5), (1, 2.0), (2, 12.0)]);
    check(
        "MIN([a, b]) + MAX([a, b])",
        &[(0, 11.0), (1, 4.0), (2, 24.0)],
    );
    check("FIRST(METRICS())", &[(0, 1.0), (1, 2.0), (2, 4.0)]);
    check_scalar("METRIC_COUNT(METRICS())", 3.0);
}

#[test]
fn what_is_wrong_is_named() {
    let check =
        |text: &str, expected: &str| assert_eq!(result(text), Err(Fault::of(expected)), "{text}");
    check("", "Unexpected end of expression");
    check("a +", "Unexpected end of expression");
    check("a b", "Unexpected token: b");
    check("(a", "Unexpected end of expression");
    check("a)", "Unexpected token: )");
    check("a % 2", "Unexpected character: %");
    check("\"x", "Unterminated string");
    check("1.2.3", "Unexpected token: 1.2.3");
    check("missing + 1", "Undefined id: missing");
    check("NOPE(a)", "Unknown function: NOPE");
    check(
        "SERVICE_QUOTA(a)",
        "The function SERVICE_QUOTA is not supported by this server",
    );
    check(
        "SUM(a, b)",
        "Unsupported arguments for SUM: '[TimeSeries, TimeSeries]'",
    );
    check(
        "METRICS() + METRICS()",
        "Unsupported operand type(s) for +: '[Array[TimeSeries], Array[TimeSeries]]'",
    );
    check(&"(".repeat(60), "The expression is nested too deeply");
    check(&"-".repeat(60), "The expression is nested too deeply");
    check("SEARCH(1)", "SEARCH takes terms, a statistic and a period");
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "[abc0-9+*/^(),<>=&|. \"A-Z\\[\\]-]{0,60}") {
        let _ = result(&text);
    }
}

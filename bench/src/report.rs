//! What a run found: rows of named figures, for people on standard output and as JSON lines for programs.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

/// The longest latency told apart, in microseconds: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;

/// Latencies in microseconds, to three significant digits.
pub(crate) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are constants in range")
}

/// Adds one latency; what is beyond the range counts as its end.
pub(crate) fn record(latencies: &mut Histogram<u64>, latency: Duration) {
    latencies.saturating_record(latency.as_micros().min(u128::from(LATENCY_MAX_US)) as u64);
}

/// One figure: its name, its value and the value's unit.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// One workload on one server.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) server: String,
    pub(crate) workload: String,
    pub(crate) figures: Vec<Figure>,
    /// What a reader must know to judge the figures: errors, a limit met, a reason for not running.
    pub(crate) notes: Vec<String>,
}

impl Row {
    /// A row without figures yet.
    pub(crate) fn new(server: &str, workload: &str) -> Self {
        Self {
            server: server.to_owned(),
            workload: workload.to_owned(),
            figures: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a figure.
    pub(crate) fn add(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name, value, unit });
    }

    /// Adds p50, p99, p99.9 and the maximum, in milliseconds; nothing if there were no samples.
    pub(crate) fn add_latencies(&mut self, latencies: &Histogram<u64>) {
        if latencies.is_empty() {
            return;
        }
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
            self.add(
                name,
                latencies.value_at_quantile(quantile) as f64 / 1000.0,
                "ms",
            );
        }
    }

    /// Adds a note.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Notes why a step failed: the first line of it. What follows, which may be a stack trace, goes to standard error.
    pub(crate) fn note_failure(&mut self, error: &anyhow::Error) {
        let text = format!("{error:#}");
        let (first, rest) = text.trim().split_once('\n').unwrap_or((text.trim(), ""));
        if !rest.is_empty() {
            eprintln!("{}, {}: {first}\n{rest}", self.server, self.workload);
        }
        self.note(first.trim_end());
    }

    /// The figure called `name`.
    pub(crate) fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }

    fn to_json(&self) -> Value {
        let mut figures = Map::new();
        for figure in &self.figures {
            figures.insert(
                figure.name.to_owned(),
                json!({ "value": figure.value, "unit": figure.unit }),
            );
        }
        json!({ "server": self.server, "workload": self.workload, "figures": figures, "notes": self.notes })
    }
}

/// Where rows go.
#[derive(Debug)]
pub(crate) struct Report {
    json: Option<File>,
}

impl Report {
    /// Rows are printed, and appended to the file at `json` if one is given.
    pub(crate) fn open(json: Option<&Path>) -> Result<Self> {
        let Some(path) = json else {
            return Ok(Self { json: None });
        };
        let opened = OpenOptions::new().create(true).append(true).open(path);
        let file = opened.with_context(|| format!("open {}", path.display()))?;
        Ok(Self { json: Some(file) })
    }

    /// Prints a row and keeps it.
    pub(crate) fn push(&mut self, row: &Row) -> Result<()> {
        print!("{:<18} {:<24}", row.server, row.workload);
        for Figure { name, value, unit } in &row.figures {
            print!(" {name} {} {unit}  ", readable(*value));
        }
        println!();
        for note in &row.notes {
            println!("{:<18}   note: {note}", "");
        }
        std::io::stdout().flush().context("write the report")?;
        if let Some(file) = &mut self.json {
            writeln!(file, "{}", row.to_json()).context("write the JSON report")?;
        }
        Ok(())
    }
}

/// Three significant digits or the whole number, thousands apart.
pub(crate) fn readable(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (value, expected) in [
            (0.0, "0.00"),
            (9.876, "9.88"),
            (12.34, "12.3"),
            (999.5, "1,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(readable(value), expected);
        }
    }

    #[test]
    fn a_stack_trace_is_no_note() {
        let mut row = Row::new("any", "any");
        let trace = "org.example.Timeout: too late\n\tat org.example.Tool.run(Tool.java:7)\n";
        row.note_failure(&anyhow::anyhow!("{trace}").context("the tool failed"));
        assert_eq!(
            row.notes,
            ["the tool failed: org.example.Timeout: too late"]
        );
    }

    #[test]
    fn a_latency_beyond_the_range_counts_as_its_end() {
        let mut histogram = latencies();
        record(&mut histogram, Duration::from_secs(86_400));
        record(&mut histogram, Duration::from_millis(2));
        assert_eq!(histogram.len(), 2);
        assert!(histogram.max() >= LATENCY_MAX_US);
    }
}

//! What Kafka brokers are compared by: the steps, the lines of the table, and the bars of the project.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;

use super::tools::{Produced, Tools};
use crate::peers::Peer;
use crate::report::{self, Report, Row};
use crate::request::Protocol;
use crate::side_by_side::{Comparison, Line, Step, figure};

/// The server the bars are for, and the one they are held against.
const OURS: &str = "headwater";
const THEIRS: &str = "kafka";
/// Records produced to let the broker's and the tool's code become fast.
const WARM_UP_RECORDS: u64 = 300_000;

/// The load of one comparison.
#[derive(Debug, Clone)]
pub(crate) struct KafkaLoad {
    pub(crate) records: u64,
    pub(crate) partitions: u32,
    /// Records a second in the steps at half load.
    pub(crate) rate: Option<f64>,
    /// Seconds of these.
    pub(crate) seconds: f64,
}

struct Bench {
    tools: Tools,
    load: KafkaLoad,
}

const FULL: &[Step<Bench>] = &[
    ("produce", produce),
    ("consume", consume),
    ("produce, 1,000 partitions", produce_1000),
    ("produce, 10,000 partitions", produce_10000),
];
const HALF: &[Step<Bench>] = &[("produce at half load", produce_half)];

/// Takes every peer through the load as fast as it can, then through half of what the slowest of them takes.
pub(crate) fn run(
    peers: &[Peer],
    load: &KafkaLoad,
    root: &Path,
    report: &mut Report,
) -> Result<Vec<Row>> {
    let home = Tools::prepare(root)?;
    let mut rows = through(peers, load, &home, FULL, report)?;
    let rates = rows.iter().filter(|row| row.workload == "produce");
    let rates = rates.filter_map(|row| row.figure("records").map(|figure| figure.value));
    let slowest = rates.fold(f64::INFINITY, f64::min);
    if slowest.is_finite() {
        let load = KafkaLoad {
            rate: Some(slowest / 2.0),
            ..load.clone()
        };
        let half = through(peers, &load, &home, HALF, report)?;
        // Started again; the first start is the one in the table.
        rows.extend(half.into_iter().filter(|row| row.workload != "start"));
    }
    Ok(rows)
}

fn through(
    peers: &[Peer],
    load: &KafkaLoad,
    home: &Path,
    steps: &[Step<Bench>],
    report: &mut Report,
) -> Result<Vec<Row>> {
    let begin = |server: SocketAddr| Bench {
        tools: Tools::of(home.to_owned(), server),
        load: load.clone(),
    };
    let comparison = Comparison {
        protocol: Protocol::Kafka,
        begin: &begin,
        steps,
        suits: |_, _| true,
    };
    comparison.run(peers, report)
}

fn produce(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.tools.create("bench", bench.load.partitions)?;
    bench.tools.create("warm-up", bench.load.partitions)?;
    bench.tools.produce("warm-up", WARM_UP_RECORDS, None)?;
    describe(
        &bench.tools.produce("bench", bench.load.records, None)?,
        row,
    );
    Ok(())
}

fn consume(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let rate = bench.tools.consume("bench", bench.load.records)?;
    row.add("rate", rate, "MiB/s");
    Ok(())
}

fn produce_1000(bench: &mut Bench, row: &mut Row) -> Result<()> {
    produce_to(bench, 1_000, row)
}

fn produce_10000(bench: &mut Bench, row: &mut Row) -> Result<()> {
    produce_to(bench, 10_000, row)
}

fn produce_to(bench: &Bench, partitions: u32, row: &mut Row) -> Result<()> {
    let topic = format!("bench-{partitions}");
    bench.tools.create(&topic, partitions)?;
    describe(&bench.tools.produce(&topic, bench.load.records, None)?, row);
    Ok(())
}

fn produce_half(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let rate = bench.load.rate.unwrap_or(1.0);
    bench.tools.create("bench", bench.load.partitions)?;
    bench.tools.produce("bench", WARM_UP_RECORDS, Some(rate))?;
    let records = (rate * bench.load.seconds) as u64;
    describe(
        &bench.tools.produce("bench", records.max(1), Some(rate))?,
        row,
    );
    Ok(())
}

fn describe(produced: &Produced, row: &mut Row) {
    row.add("records", produced.records_per_second, "/s");
    row.add("rate", produced.mib_per_second, "MiB/s");
    row.add("p50", produced.p50_ms, "ms");
    row.add("p99", produced.p99_ms, "ms");
    row.add("p99.9", produced.p999_ms, "ms");
    row.add("max", produced.max_ms, "ms");
}

/// What the table compares.
pub(crate) const LINES: &[Line] = &[
    ("start to first answer", "start", "start"),
    ("idle memory", "start", "idle memory"),
    ("produce 1 KiB, acks=all", "produce", "rate"),
    ("… p50", "produce", "p50"),
    ("… p99", "produce", "p99"),
    ("… server CPU", "produce", "server CPU"),
    ("… memory after", "produce", "memory"),
    ("consume the same", "consume", "rate"),
    ("… server CPU", "consume", "server CPU"),
    ("… memory after", "consume", "memory"),
    (
        "produce, 1,000 partitions",
        "produce, 1,000 partitions",
        "rate",
    ),
    (
        "produce, 10,000 partitions",
        "produce, 10,000 partitions",
        "rate",
    ),
    ("… memory after", "produce, 10,000 partitions", "memory"),
    ("produce at half load", "produce at half load", "rate"),
    ("… p50", "produce at half load", "p50"),
    ("… p99", "produce at half load", "p99"),
    ("… p99.9", "produce at half load", "p99.9"),
];

/// A bar: what, in which workload, which figure, how it must compare.
type Bar = (&'static str, &'static str, &'static str, Compared);

enum Compared {
    /// At least so many times theirs.
    AtLeast(f64),
    /// At most this part of theirs.
    AtMost(f64),
}

const BARS: &[Bar] = &[
    (
        "produce 1 KiB, acks=all",
        "produce",
        "rate",
        Compared::AtLeast(1.2),
    ),
    ("consume", "consume", "rate", Compared::AtLeast(1.2)),
    (
        "p99 of producing at half load",
        "produce at half load",
        "p99",
        Compared::AtMost(0.5),
    ),
    (
        "memory after producing",
        "produce",
        "memory",
        Compared::AtMost(0.2),
    ),
    (
        "start to first answer",
        "start",
        "start",
        Compared::AtMost(0.05),
    ),
];

/// The bars as a Markdown table: what was asked, what was found.
pub(crate) fn bars(rows: &[Row]) -> String {
    let mut text = String::from("| work | bar | found | |\n|---|---|---|---|\n");
    let value = |server, workload, name| figure(rows, server, workload, name).map(|one| one.value);
    for (work, workload, name, compared) in BARS {
        let (ours, theirs) = (value(OURS, workload, name), value(THEIRS, workload, name));
        let (bar, is_reached): (String, fn(f64, f64) -> bool) = match compared {
            Compared::AtLeast(times) => (format!("≥ {times}×"), |ratio, bar| ratio >= bar),
            Compared::AtMost(part) => (format!("≤ {part}×"), |ratio, bar| ratio <= bar),
        };
        let (Compared::AtLeast(limit) | Compared::AtMost(limit)) = compared;
        let found = ours
            .zip(theirs)
            .map(|(ours, theirs)| ours / theirs.max(1e-9));
        push(
            &mut text,
            work,
            &bar,
            found.map(|ratio| (ratio, is_reached(ratio, *limit))),
        );
    }
    let few = value(OURS, "produce", "rate");
    for (work, workload) in [
        ("1,000 partitions against few", "produce, 1,000 partitions"),
        (
            "10,000 partitions against few",
            "produce, 10,000 partitions",
        ),
    ] {
        let found = value(OURS, workload, "rate").zip(few);
        let found = found.map(|(many, few)| many / few.max(1e-9));
        push(
            &mut text,
            work,
            "≥ 0.8×",
            found.map(|ratio| (ratio, ratio >= 0.8)),
        );
    }
    text
}

fn push(text: &mut String, work: &str, bar: &str, found: Option<(f64, bool)>) {
    let (found, verdict) = match found {
        Some((ratio, true)) => (format!("{}×", report::readable(ratio)), "reached"),
        Some((ratio, false)) => (format!("{}×", report::readable(ratio)), "**not reached**"),
        None => ("–".to_owned(), "not measured"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "| {work} | {bar} | {found} | {verdict} |");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_held_against_apache_kafka() {
        let row = |server: &str, workload: &str, name: &'static str, value: f64| {
            let mut row = Row::new(server, workload);
            row.add(name, value, "");
            row
        };
        let rows = [
            row("headwater", "produce", "rate", 130.0),
            row("kafka", "produce", "rate", 100.0),
            row("headwater", "start", "start", 60.0),
            row("kafka", "start", "start", 600.0),
            row("headwater", "produce, 1,000 partitions", "rate", 65.0),
        ];
        let bars = bars(&rows);
        assert!(bars.contains("| ≥ 1.2× | 1.30× | reached |"), "{bars}");
        assert!(
            bars.contains("| ≤ 0.05× | 0.10× | **not reached** |"),
            "{bars}"
        );
        assert!(
            bars.contains("| ≥ 0.8× | 0.50× | **not reached** |"),
            "{bars}"
        );
        assert!(bars.contains("not measured"), "{bars}");
    }
}

//! What Kafka brokers are compared by: the steps, the lines of the table, and the bars of the project.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::librdkafka::{Librdkafka, Moved};
use super::tools::{Produced, Tools, WARM_UP_RECORDS};
use crate::peers::Peer;
use crate::report::{self, Report, Row};
use crate::request::Protocol;
use crate::side_by_side::{BARS_HEAD, Comparison, Line, Step, figure, push_bar};

/// The server the bars are for, and the one they are held against.
const OURS: &str = "headwater";
const THEIRS: &str = "kafka";

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

/// Where the tools are. Without librdkafka's, its steps fail with the reason, and the others are measured.
struct Homes {
    java: PathBuf,
    librdkafka: Result<PathBuf, String>,
}

struct Bench {
    tools: Tools,
    librdkafka: Result<Librdkafka, String>,
    load: KafkaLoad,
}

/// In this order, on one broker. Topics are made before the measuring of what produces to them.
const FULL: &[Step<Bench>] = &[
    Step::of("produce", produce).after(warm_up),
    Step::of("consume", consume),
    Step::of("librdkafka, produce", librdkafka_produce).after(create_for_librdkafka),
    Step::of("librdkafka, consume", librdkafka_consume),
    Step::of("produce, 1,000 partitions", produce_1000).after(create_1000),
    Step::of("librdkafka, 1,000 partitions", librdkafka_1000).after(expect_1000),
    Step::of("produce, 10,000 partitions", produce_10000).after(create_10000),
    Step::of(
        "10,000 partitions, send.buffer.bytes=-1",
        produce_10000_in_one,
    )
    .after(expect_10000),
    Step::of("librdkafka, 10,000 partitions", librdkafka_10000).after(expect_10000),
];
const HALF: &[Step<Bench>] = &[Step::of("produce at half load", produce_half).after(warm_up)];

/// The topics of these steps.
const FEW: &str = "bench";
const FOR_LIBRDKAFKA: &str = "bench-librdkafka";
const THOUSAND: (&str, u32) = ("bench-1000", 1_000);
const TEN_THOUSAND: (&str, u32) = ("bench-10000", 10_000);

/// Takes every peer through the load as fast as it can, then through half of what the slowest of them takes.
pub(crate) fn run(
    peers: &[Peer],
    load: &KafkaLoad,
    root: &Path,
    report: &mut Report,
) -> Result<Vec<Row>> {
    let homes = Homes {
        java: Tools::prepare(root)?,
        librdkafka: Librdkafka::prepare(root).map_err(|error| format!("{error:#}")),
    };
    let mut rows = through(peers, load, &homes, FULL, report)?;
    let rates = rows.iter().filter(|row| row.workload == "produce");
    let rates = rates.filter_map(|row| row.figure("records").map(|figure| figure.value));
    let slowest = rates.fold(f64::INFINITY, f64::min);
    if slowest.is_finite() {
        let load = KafkaLoad {
            rate: Some(slowest / 2.0),
            ..load.clone()
        };
        let half = through(peers, &load, &homes, HALF, report)?;
        // Started again; the first start is the one in the table.
        rows.extend(half.into_iter().filter(|row| row.workload != "start"));
    }
    Ok(rows)
}

fn through(
    peers: &[Peer],
    load: &KafkaLoad,
    homes: &Homes,
    steps: &[Step<Bench>],
    report: &mut Report,
) -> Result<Vec<Row>> {
    let begin = |server: SocketAddr| Bench {
        tools: Tools::of(homes.java.clone(), server),
        librdkafka: homes
            .librdkafka
            .clone()
            .map(|program| Librdkafka::of(program, server)),
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

impl Bench {
    fn create(&self, topic: &str, partitions: u32) -> Result<()> {
        self.tools.create(topic, partitions)
    }

    fn produce(&self, topic: &str, records: u64, rate: Option<f64>, row: &mut Row) -> Result<()> {
        self.produce_with(&[], topic, records, rate, row)
    }

    fn produce_with(
        &self,
        properties: &[&str],
        topic: &str,
        records: u64,
        rate: Option<f64>,
        row: &mut Row,
    ) -> Result<()> {
        let produced = self.tools.produce(topic, records, rate, properties)?;
        describe(&produced, row);
        let acked = produced.records;
        if acked != records {
            row.note(format!("{acked} of {records} records were acked"));
        }
        Ok(())
    }

    fn produce_by_librdkafka(&self, topic: &str, row: &mut Row) -> Result<()> {
        let tool = self.librdkafka()?;
        describe_moved(&tool.produce(topic, self.load.records)?, row);
        Ok(())
    }

    fn librdkafka(&self) -> Result<&Librdkafka> {
        let built = self.librdkafka.as_ref();
        built
            .map_err(|reason| anyhow!("{reason}"))
            .context("the tool cannot be built")
    }

    /// Records a second at half load, and how many.
    fn half(&self) -> (f64, u64) {
        let rate = self.load.rate.unwrap_or(1.0).max(1.0);
        (rate, ((rate * self.load.seconds) as u64).max(1))
    }
}

fn warm_up(bench: &mut Bench) -> Result<()> {
    bench.create("warm-up", bench.load.partitions)?;
    bench.tools.produce("warm-up", WARM_UP_RECORDS, None, &[])?;
    bench.create(FEW, bench.load.partitions)
}

fn produce(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.produce(FEW, bench.load.records, None, row)
}

fn consume(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let rate = bench.tools.consume(FEW, bench.load.records)?;
    row.add("rate", rate, "MiB/s");
    Ok(())
}

fn create_for_librdkafka(bench: &mut Bench) -> Result<()> {
    bench.create(FOR_LIBRDKAFKA, bench.load.partitions)
}

fn librdkafka_produce(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.produce_by_librdkafka(FOR_LIBRDKAFKA, row)
}

fn librdkafka_consume(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let tool = bench.librdkafka()?;
    describe_moved(&tool.consume(FOR_LIBRDKAFKA, bench.load.records)?, row);
    Ok(())
}

fn create_1000(bench: &mut Bench) -> Result<()> {
    let (topic, partitions) = THOUSAND;
    bench.create(topic, partitions)
}

fn produce_1000(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.produce(THOUSAND.0, bench.load.records, None, row)
}

/// In two steps where one is too many: Apache Kafka's controller takes at most 10,000 records for one request, and this is one more.
fn create_10000(bench: &mut Bench) -> Result<()> {
    let (topic, partitions) = TEN_THOUSAND;
    if bench.create(topic, partitions).is_err() {
        bench.create(topic, partitions / 2)?;
        bench.tools.grow(topic, partitions)?;
    }
    bench.tools.await_partitions(topic, partitions)
}

fn produce_10000(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.produce(TEN_THOUSAND.0, bench.load.records, None, row)
}

/// With a socket's buffer of the system's own choice: the producer looks at all of its partitions before each write to its socket, and
/// its own 128 KiB take no more than a quarter of a request at a time.
fn produce_10000_in_one(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let own_choice = ["send.buffer.bytes=-1"];
    bench.produce_with(&own_choice, TEN_THOUSAND.0, bench.load.records, None, row)
}

fn expect_1000(bench: &mut Bench) -> Result<()> {
    bench.tools.expect(THOUSAND.0, THOUSAND.1)
}

fn expect_10000(bench: &mut Bench) -> Result<()> {
    bench.tools.expect(TEN_THOUSAND.0, TEN_THOUSAND.1)
}

fn librdkafka_1000(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.produce_by_librdkafka(THOUSAND.0, row)
}

fn librdkafka_10000(bench: &mut Bench, row: &mut Row) -> Result<()> {
    bench.produce_by_librdkafka(TEN_THOUSAND.0, row)
}

fn produce_half(bench: &mut Bench, row: &mut Row) -> Result<()> {
    let (rate, records) = bench.half();
    bench.produce(FEW, records, Some(rate), row)
}

fn describe(produced: &Produced, row: &mut Row) {
    row.add("records", produced.records_per_second, "/s");
    row.add("rate", produced.mib_per_second, "MiB/s");
    row.add("p50", produced.p50_ms, "ms");
    row.add("p99", produced.p99_ms, "ms");
    row.add("p99.9", produced.p999_ms, "ms");
    row.add("max", produced.max_ms, "ms");
}

fn describe_moved(moved: &Moved, row: &mut Row) {
    row.add("records", moved.records_per_second, "/s");
    row.add("rate", moved.mib_per_second, "MiB/s");
}

/// What the table compares.
pub(crate) const LINES: &[Line] = &[
    ("start to first answer", "start", "start"),
    ("idle memory", "start", "idle memory"),
    ("produce 1 KiB, acks=all", "produce", "rate"),
    ("… p50", "produce", "p50"),
    ("… p99", "produce", "p99"),
    ("… server CPU", "produce", "server CPU"),
    ("… tool CPU", "produce", "generator CPU"),
    ("… idle of all processors", "produce", "idle"),
    ("… memory after", "produce", "memory"),
    ("consume the same", "consume", "rate"),
    ("… server CPU", "consume", "server CPU"),
    ("… tool CPU", "consume", "generator CPU"),
    ("… idle of all processors", "consume", "idle"),
    ("… memory after", "consume", "memory"),
    (
        "librdkafka: produce 1 KiB, acks=all",
        "librdkafka, produce",
        "rate",
    ),
    ("… server CPU", "librdkafka, produce", "server CPU"),
    ("… tool CPU", "librdkafka, produce", "generator CPU"),
    ("… idle of all processors", "librdkafka, produce", "idle"),
    (
        "librdkafka: consume the same",
        "librdkafka, consume",
        "rate",
    ),
    ("… server CPU", "librdkafka, consume", "server CPU"),
    ("… tool CPU", "librdkafka, consume", "generator CPU"),
    ("… idle of all processors", "librdkafka, consume", "idle"),
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
    (
        "… idle of all processors",
        "produce, 10,000 partitions",
        "idle",
    ),
    ("… memory after", "produce, 10,000 partitions", "memory"),
    (
        "… with send.buffer.bytes=-1",
        "10,000 partitions, send.buffer.bytes=-1",
        "rate",
    ),
    (
        "librdkafka: produce, 1,000 partitions",
        "librdkafka, 1,000 partitions",
        "rate",
    ),
    (
        "librdkafka: produce, 10,000 partitions",
        "librdkafka, 10,000 partitions",
        "rate",
    ),
    ("produce at half load", "produce at half load", "rate"),
    ("… idle of all processors", "produce at half load", "idle"),
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
        "produce by librdkafka",
        "librdkafka, produce",
        "rate",
        Compared::AtLeast(1.2),
    ),
    (
        "consume by librdkafka",
        "librdkafka, consume",
        "rate",
        Compared::AtLeast(1.2),
    ),
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

/// Work on many partitions: what, in which workload, and the workload of the same tool on few.
const MANY: &[(&str, &str, &str)] = &[
    (
        "1,000 partitions against few",
        "produce, 1,000 partitions",
        "produce",
    ),
    (
        "10,000 partitions against few",
        "produce, 10,000 partitions",
        "produce",
    ),
    (
        "10,000 partitions, send.buffer.bytes=-1, against few",
        "10,000 partitions, send.buffer.bytes=-1",
        "produce",
    ),
    (
        "1,000 partitions against few, by librdkafka",
        "librdkafka, 1,000 partitions",
        "librdkafka, produce",
    ),
    (
        "10,000 partitions against few, by librdkafka",
        "librdkafka, 10,000 partitions",
        "librdkafka, produce",
    ),
];

/// The bars as a Markdown table: what was asked, what was found.
pub(crate) fn bars(rows: &[Row]) -> String {
    let mut text = String::from(BARS_HEAD);
    let times = |ratio| format!("{}×", report::readable(ratio));
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
        push_bar(
            &mut text,
            work,
            &bar,
            found.map(|ratio| (times(ratio), is_reached(ratio, *limit))),
        );
    }
    for (work, workload, few) in MANY {
        let found = value(OURS, workload, "rate").zip(value(OURS, few, "rate"));
        let found = found.map(|(many, few)| many / few.max(1e-9));
        push_bar(
            &mut text,
            work,
            "≥ 0.8×",
            found.map(|ratio| (times(ratio), ratio >= 0.8)),
        );
    }
    text
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

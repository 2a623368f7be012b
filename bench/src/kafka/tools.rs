//! Apache Kafka's own tools, each run in a virtual machine of its own, and the figures they print; and how any tool is run.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::peers::kafka::KAFKA_VERSION;
use crate::peers::maven;

/// Bytes of a record.
pub(crate) const RECORD_BYTES: u64 = 1024;
/// Records before those that count, of each run (KIP-1052), and to a broker before its first: virtual machines compile meanwhile.
pub(super) const WARM_UP_RECORDS: u64 = 300_000;
/// How long a broker may take to have more partitions.
const PARTITIONS_MAX: Duration = Duration::from_secs(180);
/// Seconds a tool may run before it is ended and has failed.
const TOOL_MAX: &str = "900";

/// The tools, and the broker they work on.
#[derive(Debug)]
pub(crate) struct Tools {
    home: PathBuf,
    server: SocketAddr,
}

/// What producing gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Produced {
    /// Those that were acked, which the others count.
    pub(crate) records: u64,
    pub(crate) records_per_second: f64,
    /// In units of 2^20 bytes, as the tool counts.
    pub(crate) mib_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Tools {
    /// Fetches the tools into `root` if they are not there yet.
    pub(crate) fn prepare(root: &Path) -> Result<PathBuf> {
        let home = root.join("kafka-tools");
        maven(&home, "org.apache.kafka", "kafka-tools", KAFKA_VERSION)?;
        Ok(home)
    }

    pub(crate) fn of(home: PathBuf, server: SocketAddr) -> Tools {
        Tools { home, server }
    }

    /// Makes a topic.
    pub(crate) fn create(&self, topic: &str, partitions: u32) -> Result<()> {
        let partitions = partitions.to_string();
        let text = self.run(
            "org.apache.kafka.tools.TopicCommand",
            &["--create", "--topic", topic, "--partitions", &partitions],
        )?;
        ensure!(text.contains("Created topic"), "kafka-topics: {text}");
        Ok(())
    }

    /// Gives a topic more partitions, up to as many.
    pub(crate) fn grow(&self, topic: &str, partitions: u32) -> Result<()> {
        let partitions = partitions.to_string();
        self.run(
            "org.apache.kafka.tools.TopicCommand",
            &["--alter", "--topic", topic, "--partitions", &partitions],
        )?;
        Ok(())
    }

    /// Waits until the topic has so many partitions: a broker may tell of them some time after it said yes.
    pub(crate) fn await_partitions(&self, topic: &str, partitions: u32) -> Result<()> {
        let end = Instant::now() + PARTITIONS_MAX;
        loop {
            match self.expect(topic, partitions) {
                // A look takes a second by itself.
                Err(_) if Instant::now() < end => {}
                outcome => return outcome,
            }
        }
    }

    /// Fails unless the topic has so many partitions: a tool that produces to one that is not there makes another.
    pub(crate) fn expect(&self, topic: &str, partitions: u32) -> Result<()> {
        let text = self.run(
            "org.apache.kafka.tools.TopicCommand",
            &["--describe", "--topic", topic],
        )?;
        let expected = format!("PartitionCount: {partitions}\t");
        ensure!(
            text.contains(&expected),
            "topic {topic} has not {partitions} partitions"
        );
        Ok(())
    }

    /// Produces records as fast as the broker acknowledges them to all replicas, or at `rate` a second, after [`WARM_UP_RECORDS`] that
    /// do not count. `more` are properties of the producer, `name=value`.
    pub(crate) fn produce(
        &self,
        topic: &str,
        records: u64,
        rate: Option<f64>,
        more: &[&str],
    ) -> Result<Produced> {
        // Where few are wanted, no more than those.
        let warm_up = WARM_UP_RECORDS.min(records);
        let all = (warm_up + records).to_string();
        let (warm_up, size) = (warm_up.to_string(), RECORD_BYTES.to_string());
        let rate = rate.map_or("-1".to_owned(), |rate| format!("{rate:.0}"));
        let arguments = [
            "--topic",
            topic,
            "--num-records",
            &all,
            "--warmup-records",
            &warm_up,
            "--record-size",
            &size,
            "--throughput",
            &rate,
            "--command-property",
            "acks=all",
        ];
        let arguments = [&arguments[..], more].concat();
        let text = self.run("org.apache.kafka.tools.ProducerPerformance", &arguments)?;
        parse_produced(&text)
    }

    /// Consumes as many records from the topic's start. Gives units of 2^20 bytes a second, without the time to join a group.
    pub(crate) fn consume(&self, topic: &str, records: u64) -> Result<f64> {
        let number = records.to_string();
        let text = self.run(
            "org.apache.kafka.tools.ConsumerPerformance",
            // What a broker that is busy may take to let a first member into its group.
            &[
                "--topic",
                topic,
                "--num-records",
                &number,
                "--timeout",
                "60000",
            ],
        )?;
        let seen = parse_consumed(&text, "data.consumed.in.nMsg")?;
        // The last fetch may bring more than was asked for.
        ensure!(seen >= records as f64, "{seen} of {records} records came");
        parse_consumed(&text, "fetch.MB.sec")
    }

    fn run(&self, class: &str, arguments: &[&str]) -> Result<String> {
        let mut java = tool("java");
        java.args(["-Xmx512M", "-cp"])
            .arg(self.home.join("lib/*"))
            .arg(class)
            .args(["--bootstrap-server", &self.server.to_string()])
            .args(arguments);
        output_of(&mut java, class)
    }
}

/// A command that is ended after [`TOOL_MAX`], or with this program at the terminal.
pub(super) fn tool(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--foreground", TOOL_MAX]).arg(program);
    command
}

/// What the tool called `name` prints. If it fails, the first line of the error is the one that says why.
pub(super) fn output_of(command: &mut Command, name: &str) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("run {name}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success(),
        "{name} ended with {}: {}\n{all}",
        output.status,
        reason(&all)
    );
    Ok(text)
}

/// The first line that speaks of an error, else the last that says anything.
fn reason(text: &str) -> &str {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let marks = ["Exception", "Error", "ERROR"];
    let last = lines.clone().next_back().unwrap_or("nothing was printed");
    lines
        .find(|line| marks.iter().any(|mark| line.contains(mark)))
        .unwrap_or(last)
        .trim()
}

/// The number that stands before `mark` in a line.
pub(super) fn number_before(line: &str, mark: &str) -> Result<f64> {
    let end = line
        .find(mark)
        .with_context(|| format!("no {mark:?} in: {line}"))?;
    let word = line[..end].trim_end().rsplit([' ', '(']).next();
    word.and_then(|word| word.parse().ok())
        .with_context(|| format!("no number before {mark:?} in: {line}"))
}

/// The last line of ProducerPerformance: `N steady state records sent, R records/sec (M MB/sec), A ms avg latency, X ms max latency,
/// a ms 50th, b ms 95th, c ms 99th, d ms 99.9th.`
fn parse_produced(text: &str) -> Result<Produced> {
    let line = text.lines().rfind(|line| line.contains("99.9th"));
    let line = line.with_context(|| format!("no percentiles in: {text}"))?;
    let before = |mark| number_before(line, mark);
    Ok(Produced {
        records: before(" steady state records sent")? as u64,
        records_per_second: before(" records/sec")?,
        mib_per_second: before(" MB/sec")?,
        p50_ms: before(" ms 50th")?,
        p99_ms: before(" ms 99th")?,
        p999_ms: before(" ms 99.9th")?,
        max_ms: before(" ms max latency")?,
    })
}

/// ConsumerPerformance prints names and values divided by commas: `fetch.MB.sec` is the rate while fetching. The value called `wanted`.
fn parse_consumed(text: &str, wanted: &str) -> Result<f64> {
    let mut lines = text.lines().filter(|line| line.contains(", "));
    let (Some(names), Some(values)) = (lines.next(), lines.next_back()) else {
        bail!("no figures in: {text}");
    };
    let at = names.split(", ").position(|name| name == wanted);
    let at = at.with_context(|| format!("no {wanted} in: {names}"))?;
    let value = values.split(", ").nth(at);
    value
        .and_then(|value| value.trim().parse().ok())
        .with_context(|| format!("no number {at} in: {values}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_producer_prints_is_read() {
        let text = "1000 records sent, 200.5 records/sec (0.2 MB/sec), 1.0 ms avg latency, 2.0 ms max latency.\nIn steady state.\n\
                    8000 records sent, 923.4 records/sec (0.9 MB/sec), 30.1 ms avg latency, 320.0 ms max latency, 20 ms 50th, \
                    70 ms 95th, 90 ms 99th, 300 ms 99.9th.\n\
                    5000 steady state records sent, 1923.4 records/sec (1.88 MB/sec), 3.10 ms avg latency, 120.00 ms max latency, \
                    2 ms 50th, 7 ms 95th, 9 ms 99th, 100 ms 99.9th.\n";
        let produced = parse_produced(text).unwrap();
        assert_eq!(
            produced,
            Produced {
                records: 5000,
                records_per_second: 1923.4,
                mib_per_second: 1.88,
                p50_ms: 2.0,
                p99_ms: 9.0,
                p999_ms: 100.0,
                max_ms: 120.0,
            }
        );
        assert!(parse_produced("nothing").is_err());
    }

    #[test]
    fn what_the_consumer_prints_is_read() {
        let text = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n\
                    2026-11-27 22:00:00:000, 2026-11-27 22:00:05:000, 100.0, 20.0, 102400, 20480.0, 3000, 2000, 50.5, 51200.0\n";
        assert!((parse_consumed(text, "fetch.MB.sec").unwrap() - 50.5).abs() < 1e-9);
        assert!((parse_consumed(text, "data.consumed.in.nMsg").unwrap() - 102_400.0).abs() < 1e-9);
        assert!(parse_consumed(text, "no.such.name").is_err());
    }

    #[test]
    fn a_failure_says_why_in_its_first_line() {
        let refused = "Error while executing topic command : too many\n[2026-11-28 00:00:00,000] ERROR too many\n\tat a.B.c(B.java:7)\n";
        for (text, expected) in [
            (refused, "Error while executing topic command : too many"),
            (
                "5 records sent\norg.a.TimeoutException: late\n\tat b\n",
                "org.a.TimeoutException: late",
            ),
            ("one\ntwo\n\n", "two"),
            ("", "nothing was printed"),
        ] {
            assert_eq!(reason(text), expected);
        }
        let script = format!("printf '{}'; exit 3", "x\\nError: y\\n  at z\\n");
        let failed = output_of(tool("sh").args(["-c", &script]), "it").unwrap_err();
        let text = failed.to_string();
        assert_eq!(
            text.lines().next(),
            Some("it ended with exit status: 3: Error: y"),
            "{text}"
        );
    }
}

//! librdkafka's own performance tool, built from the sources that crates.io serves, and the figures it prints. It is the client in C that
//! most clients in other languages stand on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::tools::{RECORD_BYTES, number_before, output_of, tool};
use crate::peers;

/// The crate that carries the sources of librdkafka 2.10.0, the tool's among them.
const CARRIER: &str = "rdkafka-sys";
const CARRIER_VERSION: &str = "4.9.0";
/// Bytes in the unit that the other tools count in; this one counts in millions.
const MIB: f64 = (1 << 20) as f64;

/// The tool, and the broker it works on.
#[derive(Debug)]
pub(super) struct Librdkafka {
    program: PathBuf,
    server: SocketAddr,
}

/// What producing or consuming gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Moved {
    pub(super) records_per_second: f64,
    pub(super) mib_per_second: f64,
}

impl Librdkafka {
    /// Builds the tool in `root` if it is not there yet, by one job of low priority: some minutes.
    pub(super) fn prepare(root: &Path) -> Result<PathBuf> {
        let home = root.join("librdkafka");
        let program = home.join("build/examples/rdkafka_performance");
        if !program.exists() {
            build(&home)?;
        }
        Ok(program)
    }

    pub(super) fn of(program: PathBuf, server: SocketAddr) -> Self {
        Self { program, server }
    }

    /// Produces records as fast as the broker acknowledges them to all replicas. Batches wait as long as the library has them wait
    /// where nothing is said, 5 ms; the tool would say a second, which is no small part of a run.
    pub(super) fn produce(&self, topic: &str, records: u64) -> Result<Moved> {
        let size = RECORD_BYTES.to_string();
        let how = ["-P", "-s", &size, "-a", "-1", "-X", "linger.ms=5"];
        let text = self.run(topic, records, &how)?;
        parse_produced(&text, records)
    }

    /// Consumes a topic of so many records from its start to its end, as the only member of a group. The tool's clock starts with the
    /// first record.
    pub(super) fn consume(&self, topic: &str, records: u64) -> Result<Moved> {
        let group = format!("librdkafka-{topic}");
        // -e: records that are missing end the run too.
        let text = self.run(topic, records, &["-G", &group, "-e"])?;
        parse_consumed(&text, records)
    }

    fn run(&self, topic: &str, records: u64, arguments: &[&str]) -> Result<String> {
        let (server, records) = (self.server.to_string(), records.to_string());
        let mut command = tool(&self.program);
        command
            .args(arguments)
            .args(["-b", &server, "-t", topic, "-c", &records]);
        output_of(&mut command, "rdkafka_performance")
    }
}

fn build(home: &Path) -> Result<()> {
    std::fs::create_dir_all(home)?;
    // Cargo fetches what a package needs: a package that needs the sources alone, and is never compiled.
    let package = format!(
        "[package]\nname = \"sources\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"lib.rs\"\n\n\
         [dependencies]\n{CARRIER} = {{ version = \"={CARRIER_VERSION}\", default-features = false }}\n\n[workspace]\n"
    );
    let manifest = home.join("Cargo.toml");
    std::fs::write(&manifest, package)?;
    std::fs::write(home.join("lib.rs"), "")?;
    let words = |path: PathBuf| path.display().to_string();
    let (manifest, vendor, into) = (
        words(manifest),
        words(home.join("vendor")),
        words(home.join("build")),
    );
    let fetch = ["cargo", "vendor", "--quiet", "--manifest-path"];
    peers::run(&[&fetch[..], &[&manifest, &vendor]].concat())?;
    let sources = words(home.join("vendor").join(CARRIER).join("librdkafka"));
    let configure = [
        "cmake",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DRDKAFKA_BUILD_STATIC=ON",
        "-DRDKAFKA_BUILD_TESTS=OFF",
        "-DWITH_SSL=OFF",
        "-DWITH_SASL=OFF",
        "-DWITH_CURL=OFF",
        "-DWITH_ZSTD=OFF",
    ];
    peers::run(&[&configure[..], &["-S", &sources, "-B", &into]].concat())?;
    let compile = ["nice", "cmake", "--build", &into];
    peers::run(&[&compile[..], &["--target", "rdkafka_performance"]].concat())
}

/// The last line of its kind: `% N messages produced (B bytes), D delivered (offset O, F failed) in Tms: R msgs/s and M MB/s, …`.
fn parse_produced(text: &str, records: u64) -> Result<Moved> {
    let line = last(text, " messages produced ")?;
    let delivered = number_before(line, " delivered ")? as u64;
    ensure!(
        delivered == records,
        "{delivered} of {records} records were acked"
    );
    moved(line)
}

/// The last line of its kind: `% N messages (B bytes) consumed in Tms: R msgs/s (M MB/s)`.
fn parse_consumed(text: &str, records: u64) -> Result<Moved> {
    let line = last(text, " consumed in ")?;
    let seen = number_before(line, " messages ")? as u64;
    ensure!(seen == records, "{seen} of {records} records came");
    moved(line)
}

fn last<'a>(text: &'a str, mark: &str) -> Result<&'a str> {
    let line = text.lines().rfind(|line| line.contains(mark));
    line.with_context(|| format!("rdkafka_performance said nothing of{mark}\n{text}"))
}

fn moved(line: &str) -> Result<Moved> {
    Ok(Moved {
        records_per_second: number_before(line, " msgs/s")?,
        mib_per_second: number_before(line, " MB/s")? * 1e6 / MIB,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_producer_prints_is_read() {
        let text = "% Sending 4000 messages of size 1024 bytes\n\
                    % 2000 messages produced (2048000 bytes), 1000 delivered (offset 1, 0 failed) in 1000ms: 1000 msgs/s and 1.02 MB/s, \
                    0 produce failures, 0 in queue, no compression\n\
                    % 4000 messages produced (4096000 bytes), 4000 delivered (offset 9, 0 failed) in 2000ms: 2000 msgs/s and 2.10 MB/s, \
                    3 produce failures, 0 in queue, no compression\n";
        let produced = parse_produced(text, 4000).unwrap();
        assert!((produced.records_per_second - 2000.0).abs() < 1e-9);
        assert!((produced.mib_per_second - 2.10e6 / MIB).abs() < 1e-9);
        let few = parse_produced(text, 5000).unwrap_err().to_string();
        assert_eq!(few, "4000 of 5000 records were acked");
        assert!(parse_produced("nothing", 1).is_err());
    }

    #[test]
    fn what_the_consumer_prints_is_read() {
        let text = "% 10 messages (10240 bytes) consumed in 1ms: 10000 msgs/s (10.24 MB/s)\n\
                    % 20 messages (20480 bytes) consumed in 4ms: 5000 msgs/s (5.12 MB/s)\n\
                    % Average application fetch latency: 1us\n";
        let consumed = parse_consumed(text, 20).unwrap();
        assert!((consumed.records_per_second - 5000.0).abs() < 1e-9);
        assert!((consumed.mib_per_second - 5.12e6 / MIB).abs() < 1e-9);
        assert!(parse_consumed(text, 21).is_err());
    }
}

//! What a worker counts for CloudWatch: metrics of the KCL, under its names, units, dimensions and levels ("Monitor the Kinesis
//! Client Library with Amazon CloudWatch").
//!
//! | operation | by | metrics |
//! |---|---|---|
//! | `ProcessTask` | `ShardId` | `RecordsProcessed`, `DataBytesProcessed`, `MillisBehindLatest`, `RecordProcessor.processRecords.Time`, `Success`, `Time`; detailed: `KinesisDataFetcher.getRecords.Success` and `.Time`, `UpdateLease.Success` and `.Time` |
//! | `ApplicationTracker` | | `MillisBehindLatest` |
//! | `InitializeTask` | | `RecordProcessor.initialize.Time` |
//! | `RenewAllLeases` | `WorkerIdentifier` | `CurrentLeases`, `LostLeases`, `Success`, `Time`; detailed: `RenewLease.Success` and `.Time` |
//! | `TakeLeases` | `WorkerIdentifier` | `TakenLeases`, `NumWorkers`, `Success`, `Time`; detailed: `TotalLeases` |
//!
//! What the KCL says besides of its own machinery, such as of its leader and of its threads, has no counterpart here.

use std::time::Duration;

use model::Timestamp;

use crate::cloudwatch::{Datum, Dimension, Gatherer, Level, Metric, Unit};

/// The metrics of one worker.
#[derive(Debug)]
pub(super) struct Report {
    gatherer: Gatherer,
    level: Level,
    worker: Dimension,
}

/// One of the KCL's operations, and whose.
struct Scope<'a> {
    report: &'a Report,
    dimensions: Vec<Dimension>,
}

impl Scope<'_> {
    fn add(&self, name: &'static str, unit: Unit, value: f64) {
        let metric = Metric::new(name, unit, self.dimensions.clone());
        self.report.gatherer.add(&metric, value);
    }

    fn count(&self, name: &'static str, value: u64) {
        self.add(name, Unit::Count, value as f64);
    }

    fn time(&self, name: &'static str, took: Duration) {
        self.add(name, Unit::Milliseconds, took.as_secs_f64() * 1000.0);
    }
}

impl Report {
    pub(super) fn new(level: Level, worker: &str) -> Report {
        Report {
            gatherer: Gatherer::default(),
            level,
            worker: Dimension::new("WorkerIdentifier", worker),
        }
    }

    /// What was counted since the last time.
    pub(super) fn take(&self, now: Timestamp) -> Vec<Datum> {
        self.gatherer.take(now)
    }

    fn of(&self, operation: &'static str, by: Option<Dimension>) -> Scope<'_> {
        let mut dimensions = vec![Dimension::new("Operation", operation)];
        dimensions.extend(by);
        Scope {
            report: self,
            dimensions,
        }
    }

    fn of_shard(&self, shard: &str) -> Scope<'_> {
        self.of("ProcessTask", Some(Dimension::new("ShardId", shard)))
    }

    fn of_worker(&self, operation: &'static str) -> Scope<'_> {
        self.of(operation, Some(self.worker.clone()))
    }

    /// A read of a shard was so far behind its tip.
    pub(super) fn behind(&self, shard: &str, millis: u64) {
        for scope in [self.of_shard(shard), self.of("ApplicationTracker", None)] {
            scope.add("MillisBehindLatest", Unit::Milliseconds, millis as f64);
        }
    }

    /// A processor was given records.
    pub(super) fn processed(&self, shard: &str, records: u64, bytes: u64, took: Duration) {
        let scope = self.of_shard(shard);
        scope.count("RecordsProcessed", records);
        scope.add("DataBytesProcessed", Unit::Bytes, bytes as f64);
        scope.count("Success", 1);
        scope.time("Time", took);
        scope.time("RecordProcessor.processRecords.Time", took);
    }

    /// A processor failed on records, which it is given again.
    pub(super) fn failed(&self, shard: &str, took: Duration) {
        let scope = self.of_shard(shard);
        scope.count("Success", 0);
        scope.time("Time", took);
        scope.time("RecordProcessor.processRecords.Time", took);
    }

    pub(super) fn initialized(&self, took: Duration) {
        self.of("InitializeTask", None)
            .time("RecordProcessor.initialize.Time", took);
    }

    /// A shard was asked for records.
    pub(super) fn fetched(&self, shard: &str, is_success: bool, took: Duration) {
        if self.level >= Level::Detailed {
            let scope = self.of_shard(shard);
            scope.count("KinesisDataFetcher.getRecords.Success", is_success.into());
            scope.time("KinesisDataFetcher.getRecords.Time", took);
        }
    }

    /// A checkpoint was written, or not.
    pub(super) fn checkpointed(&self, shard: &str, is_success: bool, took: Duration) {
        if self.level >= Level::Detailed {
            let scope = self.of_shard(shard);
            scope.count("UpdateLease.Success", is_success.into());
            scope.time("UpdateLease.Time", took);
        }
    }

    /// A lease was renewed, or not.
    pub(super) fn renewed_one(&self, is_success: bool, took: Duration) {
        if self.level >= Level::Detailed {
            let scope = self.of_worker("RenewAllLeases");
            scope.count("RenewLease.Success", is_success.into());
            scope.time("RenewLease.Time", took);
        }
    }

    /// All leases were renewed, or not all; these are held now.
    pub(super) fn renewed(&self, held: u64, is_success: bool, took: Duration) {
        let scope = self.of_worker("RenewAllLeases");
        scope.count("CurrentLeases", held);
        scope.count("LostLeases", 0);
        scope.count("Success", is_success.into());
        scope.time("Time", took);
    }

    /// Another has a lease of this worker's.
    pub(super) fn lost(&self) {
        self.of_worker("RenewAllLeases").count("LostLeases", 1);
    }

    /// All leases were looked at, and of those there are some were taken.
    pub(super) fn looked(&self, look: &Look, is_success: bool, took: Duration) {
        let scope = self.of_worker("TakeLeases");
        scope.count("TakenLeases", look.taken);
        scope.count("NumWorkers", look.workers);
        if self.level >= Level::Detailed {
            scope.count("TotalLeases", look.total);
        }
        scope.count("Success", is_success.into());
        scope.time("Time", took);
    }
}

/// What a look at all leases found.
#[derive(Debug)]
pub(super) struct Look {
    /// Leases taken since the last look.
    pub(super) taken: u64,
    pub(super) workers: u64,
    pub(super) total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is published, as `name dimension=value`.
    fn published(level: Level) -> Vec<String> {
        let report = Report::new(level, "w");
        report.processed("s", 3, 30, Duration::from_millis(5));
        report.behind("s", 7);
        report.fetched("s", true, Duration::ZERO);
        report.checkpointed("s", true, Duration::ZERO);
        report.renewed_one(true, Duration::ZERO);
        report.renewed(2, true, Duration::ZERO);
        let mut lines = Vec::new();
        for datum in report.take(Timestamp(0)) {
            let json = serde_json::to_value(&datum).unwrap();
            let mut line = datum.name().to_owned();
            for dimension in json["Dimensions"].as_array().unwrap() {
                let part = |name: &str| dimension[name].as_str().unwrap().to_owned();
                line += &format!(" {}={}", part("Name"), part("Value"));
            }
            lines.push(line);
        }
        lines.sort_unstable();
        lines
    }

    #[test]
    fn names_and_dimensions_are_the_kcls() {
        let expected = [
            "CurrentLeases Operation=RenewAllLeases WorkerIdentifier=w",
            "DataBytesProcessed Operation=ProcessTask ShardId=s",
            "LostLeases Operation=RenewAllLeases WorkerIdentifier=w",
            "MillisBehindLatest Operation=ApplicationTracker",
            "MillisBehindLatest Operation=ProcessTask ShardId=s",
            "RecordProcessor.processRecords.Time Operation=ProcessTask ShardId=s",
            "RecordsProcessed Operation=ProcessTask ShardId=s",
            "Success Operation=ProcessTask ShardId=s",
            "Success Operation=RenewAllLeases WorkerIdentifier=w",
            "Time Operation=ProcessTask ShardId=s",
            "Time Operation=RenewAllLeases WorkerIdentifier=w",
        ];
        assert_eq!(published(Level::Summary), expected);
        let detailed = published(Level::Detailed);
        assert_eq!(detailed.len(), expected.len() + 6, "{detailed:?}");
    }
}

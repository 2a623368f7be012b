//! What is counted for CloudWatch: the KPL's metrics, under its names, units and levels
//! ("Monitor the Kinesis Producer Library with Amazon CloudWatch").
//!
//! Counted for each request and for each shard in it, never for each user record: [`Seen`] is filled without a lock, and
//! merged under one. Sums over a stream's shards, and over all streams, are made when metrics are published.
//!
//! **What is different from the KPL.** `UserRecordsPending` is looked at when metrics are published, not five times a second.
//! `BufferingTime` counts once for each record of a stream, with its oldest user record, and up to the first time it is sent.
//! `UserRecordsDataPut` counts keys too, and says of the records of an aggregate that they are of equal length. Delivery
//! streams, which the KPL has not, publish nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Timestamp;
use tokio::time::Instant;

use super::item::Item;
use super::options::Granularity;
use super::request::Answer;
use super::send::Part;
use crate::cloudwatch::{Datum, Dimension, Level, Metric, Statistics, Unit};

/// Most shards, of all streams, that are counted between two publications; those of others count for nothing.
const SHARDS_MAX: usize = 10_000;
/// Different codes of errors of one shard; others count as `Other`.
const CODES_MAX: usize = 100;

/// A metric of the KPL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    UserRecordsReceived,
    UserRecordsPending,
    UserRecordsPut,
    UserRecordsDataPut,
    KinesisRecordsPut,
    KinesisRecordsDataPut,
    AllErrors,
    RetriesPerRecord,
    UserRecordExpired,
    BufferingTime,
    RequestTime,
    UserRecordsPerKinesisRecord,
    KinesisRecordsPerPutRecordsRequest,
    UserRecordsPerPutRecordsRequest,
}

use Name::{
    AllErrors, BufferingTime, KinesisRecordsDataPut, KinesisRecordsPerPutRecordsRequest,
    KinesisRecordsPut, RequestTime, RetriesPerRecord, UserRecordExpired, UserRecordsDataPut,
    UserRecordsPending, UserRecordsPerKinesisRecord, UserRecordsPerPutRecordsRequest,
    UserRecordsPut, UserRecordsReceived,
};

/// As the KPL has them: `aws/metrics/metrics_constants.cc`.
const NAMES: [(Name, &str, Unit, Level); 14] = [
    (
        UserRecordsReceived,
        "UserRecordsReceived",
        Unit::Count,
        Level::Detailed,
    ),
    (
        UserRecordsPending,
        "UserRecordsPending",
        Unit::Count,
        Level::Detailed,
    ),
    (
        UserRecordsPut,
        "UserRecordsPut",
        Unit::Count,
        Level::Summary,
    ),
    (
        UserRecordsDataPut,
        "UserRecordsDataPut",
        Unit::Bytes,
        Level::Detailed,
    ),
    (
        KinesisRecordsPut,
        "KinesisRecordsPut",
        Unit::Count,
        Level::Summary,
    ),
    (
        KinesisRecordsDataPut,
        "KinesisRecordsDataPut",
        Unit::Bytes,
        Level::Detailed,
    ),
    (AllErrors, "AllErrors", Unit::Count, Level::Summary),
    (
        RetriesPerRecord,
        "RetriesPerRecord",
        Unit::Count,
        Level::Detailed,
    ),
    (
        UserRecordExpired,
        "UserRecordExpired",
        Unit::Count,
        Level::Summary,
    ),
    (
        BufferingTime,
        "BufferingTime",
        Unit::Milliseconds,
        Level::Summary,
    ),
    (
        RequestTime,
        "RequestTime",
        Unit::Milliseconds,
        Level::Detailed,
    ),
    (
        UserRecordsPerKinesisRecord,
        "UserRecordsPerKinesisRecord",
        Unit::Count,
        Level::Detailed,
    ),
    (
        KinesisRecordsPerPutRecordsRequest,
        "KinesisRecordsPerPutRecordsRequest",
        Unit::Count,
        Level::Detailed,
    ),
    (
        UserRecordsPerPutRecordsRequest,
        "UserRecordsPerPutRecordsRequest",
        Unit::Count,
        Level::Detailed,
    ),
];

/// Of the [`Level::Summary`], each code a dimension.
const ERRORS_BY_CODE: &str = "ErrorsByCode";

/// What was seen of a shard, a stream, or all.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    values: [Option<Statistics>; NAMES.len()],
    codes: BTreeMap<Arc<str>, Statistics>,
}

impl Seen {
    pub(super) fn add(&mut self, name: Name, value: f64) {
        self.add_many(name, value, 1);
    }

    pub(super) fn add_many(&mut self, name: Name, value: f64, count: u64) {
        merge(
            &mut self.values[name as usize],
            &Statistics::repeated(value, count),
        );
    }

    /// An error that is not one record's, or a record's.
    pub(super) fn error(&mut self, code: &Arc<str>) {
        self.add(AllErrors, 1.0);
        self.code(code, &Statistics::of(1.0));
    }

    fn code(&mut self, code: &Arc<str>, statistics: &Statistics) {
        if let Some(known) = self.codes.get_mut(code) {
            known.merge(statistics);
            return;
        }
        let name = if self.codes.len() < CODES_MAX {
            Arc::clone(code)
        } else {
            "Other".into()
        };
        let known = self.codes.entry(name);
        known
            .and_modify(|known| known.merge(statistics))
            .or_insert(*statistics);
    }

    /// A record is about to be sent.
    pub(super) fn sending(&mut self, item: &Item, now: Instant) {
        self.add(UserRecordsPerKinesisRecord, f64::from(item.records));
        if item.attempts == 0 {
            let waited = now.saturating_duration_since(item.born);
            self.add(BufferingTime, millis(waited));
        }
    }

    /// The service answered for a record.
    pub(super) fn answered(&mut self, item: &Item, answer: &Answer) {
        match answer {
            Answer::Put { .. } => {
                self.add(KinesisRecordsPut, 1.0);
                self.add(KinesisRecordsDataPut, item.bytes() as f64);
                self.add(AllErrors, 0.0);
            }
            Answer::Failed { code, .. } => {
                self.add(KinesisRecordsPut, 0.0);
                self.error(code);
            }
        }
    }

    /// A record's user records are acknowledged.
    pub(super) fn put(&mut self, item: &Item) {
        let count = u64::from(item.records.max(1));
        let each = item.user_bytes() as f64 / count as f64;
        self.add_many(UserRecordsDataPut, each, count);
        self.settled(item, 1.0);
    }

    /// A record's user records are given up.
    pub(super) fn refused(&mut self, item: &Item) {
        self.settled(item, 0.0);
    }

    /// A record's user records are given up for their age.
    pub(super) fn expired(&mut self, item: &Item) {
        self.add_many(UserRecordExpired, 1.0, u64::from(item.records));
        self.settled(item, 0.0);
    }

    /// A failed one counts as nought, so that the average is the part that succeeds.
    fn settled(&mut self, item: &Item, put: f64) {
        let count = u64::from(item.records);
        self.add_many(UserRecordsPut, put, count);
        let retries = item.attempts.saturating_sub(1);
        self.add_many(RetriesPerRecord, f64::from(retries), count);
    }

    fn merge(&mut self, other: &Seen) {
        for (known, new) in self.values.iter_mut().zip(&other.values) {
            if let Some(new) = new {
                merge(known, new);
            }
        }
        for (code, statistics) in &other.codes {
            self.code(code, statistics);
        }
    }

    /// User records of which it is known what became of them.
    fn settled_records(&self) -> f64 {
        let put = self.values[UserRecordsPut as usize];
        put.map_or(0.0, |put| put.sample_count)
    }

    /// As data with these dimensions, those of the level alone.
    fn data(&self, level: Level, dimensions: &[Dimension], now: Timestamp, data: &mut Vec<Datum>) {
        for ((_, name, unit, of), seen) in NAMES.into_iter().zip(&self.values) {
            if let Some(seen) = seen.filter(|_| of <= level) {
                let metric = Metric::new(name, unit, dimensions.to_vec());
                data.push(Datum::new(metric, now, seen));
            }
        }
        for (code, seen) in &self.codes {
            let mut all = vec![Dimension::new("ErrorCode", code)];
            all.extend_from_slice(dimensions);
            let metric = Metric::new(ERRORS_BY_CODE, Unit::Count, all);
            data.push(Datum::new(metric, now, *seen));
        }
    }
}

fn merge(known: &mut Option<Statistics>, new: &Statistics) {
    match known {
        Some(known) => known.merge(new),
        None => *known = Some(*new),
    }
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// How many user records a stream was given, and of how many it is known what became of them.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    received: u64,
    settled: u64,
}

/// All that is counted between two publications.
#[derive(Debug)]
pub(super) struct Recorder {
    level: Level,
    granularity: Granularity,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By stream and shard; what is not of one shard has none.
    seen: HashMap<(Arc<str>, Option<Arc<str>>), Seen>,
    /// By stream, since the beginning.
    standings: HashMap<Arc<str>, Standing>,
}

impl Recorder {
    pub(super) fn new(level: Level, granularity: Granularity) -> Recorder {
        Recorder {
            level,
            granularity,
            state: Mutex::default(),
        }
    }

    /// Adds what was seen of a stream's shard, or of none of its shards.
    pub(super) fn add(&self, stream: &Arc<str>, shard: Option<&Arc<str>>, seen: &Seen) {
        let mut state = self.state();
        let settled = seen.settled_records() as u64;
        if settled > 0 {
            let standing = state.standings.entry(Arc::clone(stream)).or_default();
            standing.settled += settled;
        }
        let place = (Arc::clone(stream), shard.cloned());
        let is_full = state.seen.len() >= SHARDS_MAX;
        match state.seen.get_mut(&place) {
            Some(known) => known.merge(seen),
            None if is_full => {}
            None => {
                state.seen.insert(place, seen.clone());
            }
        }
    }

    /// A request is about to be sent.
    pub(super) fn sending(&self, stream: &Arc<str>, parts: &[Part], now: Instant) {
        let mut request = Seen::default();
        let (mut records, mut user_records) = (0, 0);
        for part in parts {
            let mut seen = Seen::default();
            for item in &part.items {
                seen.sending(item, now);
                records += 1;
                user_records += item.records;
            }
            self.add(stream, part.shard.as_ref(), &seen);
        }
        request.add(KinesisRecordsPerPutRecordsRequest, f64::from(records));
        request.add(UserRecordsPerPutRecordsRequest, f64::from(user_records));
        self.add(stream, None, &request);
    }

    /// A request came back, with an answer for each record.
    pub(super) fn answered(&self, stream: &Arc<str>, parts: &[Part], answers: &[Answer]) {
        let mut answers = answers.iter();
        for part in parts {
            let mut seen = Seen::default();
            for (item, answer) in part.items.iter().zip(&mut answers) {
                seen.answered(item, answer);
            }
            self.add(stream, part.shard.as_ref(), &seen);
        }
    }

    /// Takes what was counted since the last time, as of now. `received` are the user records each stream was given since the
    /// beginning.
    pub(super) fn take(&self, received: &[(Arc<str>, u64)], now: Timestamp) -> Vec<Datum> {
        let mut state = self.state();
        let mut shards = std::mem::take(&mut state.seen);
        for (stream, total) in received {
            let standing = state.standings.entry(Arc::clone(stream)).or_default();
            let mut seen = Seen::default();
            let fresh = total.saturating_sub(standing.received);
            if fresh > 0 {
                seen.add_many(UserRecordsReceived, 1.0, fresh);
            }
            standing.received = *total;
            let pending = total.saturating_sub(standing.settled);
            seen.add(UserRecordsPending, pending as f64);
            let whole = shards.entry((Arc::clone(stream), None));
            whole.or_default().merge(&seen);
        }
        drop(state);
        self.summed(&shards, now)
    }

    /// Each shard, each stream, and all, as far as is asked for.
    fn summed(
        &self,
        shards: &HashMap<(Arc<str>, Option<Arc<str>>), Seen>,
        now: Timestamp,
    ) -> Vec<Datum> {
        let mut data = Vec::new();
        let mut streams: BTreeMap<&Arc<str>, Seen> = BTreeMap::new();
        for ((stream, shard), seen) in shards {
            if let Some(shard) = shard
                && self.granularity >= Granularity::Shard
            {
                let dimensions = [
                    Dimension::new("StreamName", stream),
                    Dimension::new("ShardId", shard),
                ];
                seen.data(self.level, &dimensions, now, &mut data);
            }
            streams.entry(stream).or_default().merge(seen);
        }
        let mut all = Seen::default();
        for (stream, seen) in streams {
            if self.granularity >= Granularity::Stream {
                let dimensions = [Dimension::new("StreamName", stream)];
                seen.data(self.level, &dimensions, now, &mut data);
            }
            all.merge(&seen);
        }
        all.data(self.level, &[], now, &mut data);
        data
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_their_order() {
        for (at, (name, text, ..)) in NAMES.into_iter().enumerate() {
            assert_eq!(name as usize, at);
            assert_eq!(format!("{name:?}"), text);
        }
    }

    /// Data by name and number of dimensions: count and sum.
    fn taken(recorder: &Recorder, received: u64) -> BTreeMap<(String, usize), (f64, f64)> {
        let data = recorder.take(&[("s".into(), received)], Timestamp(0));
        let mut found = BTreeMap::new();
        for datum in data {
            let json = serde_json::to_value(&datum).unwrap();
            let dimensions = json["Dimensions"].as_array().map_or(0, Vec::len);
            let seen = found.entry((datum.name().to_owned(), dimensions));
            let sums: &mut (f64, f64) = seen.or_default();
            sums.0 += datum.statistics().sample_count;
            sums.1 += datum.statistics().sum;
        }
        found
    }

    fn add(recorder: &Recorder, shard: &str, put: u64, failed: u64) {
        let mut seen = Seen::default();
        if put > 0 {
            seen.add_many(UserRecordsPut, 1.0, put);
            seen.add_many(RetriesPerRecord, 0.0, put);
        }
        if failed > 0 {
            seen.add_many(UserRecordsPut, 0.0, failed);
            seen.error(&"Throttled".into());
        }
        recorder.add(&"s".into(), Some(&shard.into()), &seen);
    }

    #[test]
    fn shards_are_summed_up_to_streams_and_to_all() {
        let recorder = Recorder::new(Level::Detailed, Granularity::Shard);
        add(&recorder, "a", 5, 0);
        add(&recorder, "b", 2, 1);
        let found = taken(&recorder, 10);
        let of = |name: &str, dimensions| found.get(&(name.to_owned(), dimensions)).copied();
        for dimensions in 0..=2 {
            assert_eq!(of("UserRecordsPut", dimensions), Some((8.0, 7.0)));
            assert_eq!(of("AllErrors", dimensions), Some((1.0, 1.0)));
            assert_eq!(of("ErrorsByCode", dimensions + 1), Some((1.0, 1.0)));
        }
        for dimensions in 0..=1 {
            assert_eq!(of("UserRecordsReceived", dimensions), Some((10.0, 10.0)));
            assert_eq!(of("UserRecordsPending", dimensions), Some((1.0, 2.0)));
        }
        assert_eq!(of("UserRecordsReceived", 2), None, "none is of a shard");
        // The next time, what came since.
        add(&recorder, "a", 2, 0);
        let found = taken(&recorder, 11);
        assert_eq!(found[&("UserRecordsReceived".to_owned(), 0)], (1.0, 1.0));
        assert_eq!(found[&("UserRecordsPending".to_owned(), 0)], (1.0, 1.0));
        assert_eq!(found[&("UserRecordsPut".to_owned(), 0)], (2.0, 2.0));
    }

    #[test]
    fn a_level_and_a_granularity_leave_the_rest_out() {
        let recorder = Recorder::new(Level::Summary, Granularity::Stream);
        add(&recorder, "a", 5, 1);
        let found = taken(&recorder, 6);
        let names: Vec<&str> = found.keys().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "AllErrors",
            "AllErrors",
            "ErrorsByCode",
            "ErrorsByCode",
            "UserRecordsPut",
            "UserRecordsPut",
        ];
        assert_eq!(names, expected);
        let recorder = Recorder::new(Level::Summary, Granularity::Global);
        add(&recorder, "a", 5, 0);
        assert_eq!(taken(&recorder, 5).len(), 1);
    }
}

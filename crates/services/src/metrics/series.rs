//! The roll-ups of one metric in one unit: a summary for each period that has values, at four lengths, each kept for its own time.
//!
//! | period | kept for | of |
//! |---|---|---|
//! | 1 s | 3 h | values of high resolution |
//! | 1 min | 15 d | all |
//! | 5 min | 63 d | all |
//! | 1 h | 455 d | all |
//!
//! (API reference, GetMetricStatistics.) What is newest is open, in memory; once there are [`BLOCK_POINTS`] twice over, the older
//! half becomes a block, which is packed and goes to the archive. Values that come late for a period that lies in a block are
//! kept open beside it: whoever reads merges them. No I/O.

use bytes::Bytes;

use super::packed::{Reader, Writer};
use super::summary::Summary;

/// A length of periods and for how long such periods are kept, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) period: i64,
    pub(super) kept: i64,
}

const DAY: i64 = 86_400;

/// The four lengths. Their places are kept: never reorder.
pub(super) const SPANS: [Span; 4] = [
    Span {
        period: 1,
        kept: 3 * 3_600,
    },
    Span {
        period: 60,
        kept: 15 * DAY,
    },
    Span {
        period: 300,
        kept: 63 * DAY,
    },
    Span {
        period: 3_600,
        kept: 455 * DAY,
    },
];

/// Periods of a block.
pub(super) const BLOCK_POINTS: usize = 60;
/// Buckets of sketches in open periods of one length, beyond which more becomes a block.
const OPEN_BUCKETS_MAX: usize = 2_000;

/// A period's start in seconds since the epoch, and what is known of it.
pub(super) type Point = (i64, Summary);

/// Periods that are open no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Start of its first period.
    pub(super) first: i64,
    /// Start of its last.
    pub(super) last: i64,
    pub(super) place: Place,
}

/// Where a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Here, on its way to the archive.
    Held(Bytes),
    /// In the archive, at this offset.
    Archived(u64),
}

/// All periods of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Level {
    open: Vec<Point>,
    blocks: Vec<Block>,
}

/// All roll-ups.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Series {
    pub(super) levels: [Level; SPANS.len()],
}

/// Whether values are told apart by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    Second,
    Minute,
}

/// Adds values to those of a period in a row of them that is in order.
pub(super) fn add(points: &mut Vec<Point>, at: i64, summary: &Summary) {
    // Nearly all values are of the last period or after it.
    match points.last_mut() {
        Some((last, kept)) if *last == at => return kept.merge(summary),
        Some((last, _)) if *last > at => {}
        _ => return points.push((at, summary.clone())),
    }
    match points.binary_search_by_key(&at, |(at, _)| *at) {
        Ok(found) => points[found].1.merge(summary),
        Err(place) => points.insert(place, (at, summary.clone())),
    }
}

/// Points in bytes: how many; then of each how long after the one before it begins, and its summary.
pub(super) fn pack(points: &[Point]) -> Vec<u8> {
    let mut writer = Writer::default();
    write_points(&mut writer, points);
    writer.finish()
}

fn write_points(writer: &mut Writer, points: &[Point]) {
    writer.whole(points.len() as i64);
    let mut before = 0;
    for (at, summary) in points {
        writer.whole(at - before);
        summary.write(writer);
        before = *at;
    }
}

fn read_points(reader: &mut Reader<'_>) -> Option<Vec<Point>> {
    let count = reader.count()?;
    let mut points = Vec::with_capacity(count);
    let mut before = 0_i64;
    for _ in 0..count {
        before = before.checked_add(reader.whole()?)?;
        points.push((before, Summary::read(reader)?));
    }
    points.is_sorted_by(|a, b| a.0 < b.0).then_some(points)
}

/// What [`pack`] made; `None` where the bytes are not that.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<Point>> {
    let mut reader = Reader::new(bytes);
    let points = read_points(&mut reader)?;
    reader.is_at_end().then_some(points)
}

impl Level {
    /// Makes a block of the older half where there is enough for one.
    fn settle(&mut self) {
        let buckets: usize = self.open.iter().map(|(_, summary)| summary.buckets()).sum();
        let count = match self.open.len() {
            length if length >= 2 * BLOCK_POINTS => BLOCK_POINTS,
            length if buckets > OPEN_BUCKETS_MAX => length.min(BLOCK_POINTS),
            _ => return,
        };
        let points: Vec<Point> = self.open.drain(..count).collect();
        let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else {
            return;
        };
        self.blocks.push(Block {
            first: *first,
            last: *last,
            place: Place::Held(pack(&points).into()),
        });
    }

    fn expire(&mut self, before: i64) {
        self.open.retain(|(at, _)| *at >= before);
        self.blocks.retain(|block| block.last >= before);
    }

    /// The open periods that begin in a span of time.
    pub(super) fn open_within(&self, from: i64, to: i64) -> impl Iterator<Item = &Point> {
        let start = self.open.partition_point(|(at, _)| *at < from);
        self.open[start..]
            .iter()
            .take_while(move |(at, _)| *at < to)
    }

    /// The blocks that may hold periods that begin in a span of time.
    pub(super) fn blocks_within(&self, from: i64, to: i64) -> impl Iterator<Item = &Block> {
        let meets = move |block: &&Block| block.first < to && block.last >= from;
        self.blocks.iter().filter(meets)
    }

    /// Blocks on their way to the archive.
    pub(super) fn held(&mut self) -> impl Iterator<Item = &mut Block> {
        self.blocks
            .iter_mut()
            .filter(|block| matches!(block.place, Place::Held(_)))
    }

    fn write(&self, writer: &mut Writer) {
        write_points(writer, &self.open);
        writer.whole(self.blocks.len() as i64);
        let mut before = 0;
        for block in &self.blocks {
            writer.whole(block.first - before);
            writer.whole(block.last - block.first);
            match &block.place {
                Place::Archived(offset) => writer.whole(i64::try_from(*offset).unwrap_or(i64::MAX)),
                Place::Held(bytes) => {
                    writer.whole(-1);
                    writer.bytes(bytes);
                }
            }
            before = block.first;
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Level> {
        let open = read_points(reader)?;
        let count = reader.count()?;
        let mut blocks = Vec::with_capacity(count);
        let mut before = 0_i64;
        for _ in 0..count {
            let first = before.checked_add(reader.whole()?)?;
            let last = first.checked_add(reader.whole()?)?;
            let place = match u64::try_from(reader.whole()?) {
                Ok(offset) => Place::Archived(offset),
                Err(_) => Place::Held(Bytes::copy_from_slice(reader.bytes()?)),
            };
            blocks.push(Block { first, last, place });
            before = first;
        }
        Some(Level { open, blocks })
    }
}

impl Series {
    /// Adds values of the second `at`. Gives how many periods are open now that were not.
    pub(super) fn add(&mut self, at: i64, resolution: Resolution, summary: &Summary) -> usize {
        let mut more = 0;
        for (level, span) in self.levels.iter_mut().zip(SPANS) {
            if span.period == 1 && resolution == Resolution::Minute {
                continue;
            }
            let before = level.open.len();
            add(&mut level.open, at - at.rem_euclid(span.period), summary);
            more += level.open.len() - before;
        }
        more
    }

    /// Makes blocks of what need not be open, and forgets what is too old at `now`.
    pub(super) fn settle(&mut self, now: i64) {
        for (level, span) in self.levels.iter_mut().zip(SPANS) {
            level.expire(now - span.kept);
            level.settle();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.levels
            .iter()
            .all(|level| level.open.is_empty() && level.blocks.is_empty())
    }

    /// Periods that are open.
    pub(super) fn open_points(&self) -> usize {
        self.levels.iter().map(|level| level.open.len()).sum()
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        self.levels.iter().for_each(|level| level.write(writer));
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Series> {
        let mut series = Series::default();
        for level in &mut series.levels {
            *level = Level::read(reader)?;
        }
        Some(series)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// What a series knows of a length of periods, open or not, as whoever reads it merges it.
    fn all(level: &Level) -> Vec<Point> {
        let mut points = Vec::new();
        for block in level.blocks_within(i64::MIN, i64::MAX) {
            let Place::Held(bytes) = &block.place else {
                panic!("nothing is archived here")
            };
            for (at, summary) in unpack(bytes).unwrap() {
                assert!((block.first..=block.last).contains(&at));
                add(&mut points, at, &summary);
            }
        }
        for (at, summary) in level.open_within(i64::MIN, i64::MAX) {
            add(&mut points, *at, summary);
        }
        points
    }

    proptest! {
        #[test]
        fn roll_ups_are_what_a_naive_model_has(puts in prop::collection::vec((0..40_000_i64, 0..50_u8, any::<bool>()), 1..600)) {
            let mut series = Series::default();
            let mut model: [BTreeMap<i64, (f64, f64, f64, f64)>; 4] = Default::default();
            let mut open = 0;
            for (number, (at, value, by_second)) in puts.into_iter().enumerate() {
                let value = f64::from(value);
                let resolution = if by_second { Resolution::Second } else { Resolution::Minute };
                open += series.add(at, resolution, &Summary::of(value, 1.0));
                for (periods, span) in model.iter_mut().zip(SPANS) {
                    if span.period == 1 && !by_second {
                        continue;
                    }
                    let period = periods.entry(at / span.period * span.period).or_insert((0.0, 0.0, value, value));
                    *period = (period.0 + 1.0, period.1 + value, period.2.min(value), period.3.max(value));
                }
                prop_assert_eq!(series.open_points(), open);
                if number % 50 == 49 {
                    series.settle(0);
                    open = series.open_points();
                    prop_assert!(series.levels.iter().all(|level| level.open.len() < 2 * BLOCK_POINTS + 50));
                }
            }
            let mut writer = Writer::default();
            series.write(&mut writer);
            let bytes = writer.finish();
            let series = Series::read(&mut Reader::new(&bytes)).unwrap();
            for (level, model) in series.levels.iter().zip(model) {
                let found: Vec<_> = all(level).into_iter().map(|(at, s)| (at, (s.count, s.sum, s.min, s.max))).collect();
                prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
            }
        }

        #[test]
        fn garbage_is_no_series(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Series::read(&mut Reader::new(&bytes));
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn each_length_is_kept_for_its_time() {
        let mut series = Series::default();
        series.add(1_000_000, Resolution::Second, &Summary::of(1.0, 1.0));
        let lengths_after = |seconds: i64| {
            let mut series = series.clone();
            series.settle(1_000_000 + seconds);
            series.levels.map(|level| level.open.len())
        };
        assert_eq!(lengths_after(3 * 3_600), [1, 1, 1, 1]);
        assert_eq!(lengths_after(3 * 3_600 + 1), [0, 1, 1, 1]);
        assert_eq!(lengths_after(15 * DAY + 1), [0, 0, 1, 1]);
        assert_eq!(lengths_after(63 * DAY + 1), [0, 0, 0, 1]);
        assert_eq!(lengths_after(455 * DAY + 1), [0, 0, 0, 0]);
    }
}

//! What is known of a metric in a span of time, by periods of whatever length: pieces in memory and blocks of the archive, merged.

use std::collections::BTreeMap;

use model::Offset;
use store::StoreError;

use super::Metrics;
use super::error::MetricsError;
use super::identity::Identity;
use super::series::{Block, Place, Point, SPANS, add, unpack};
use super::summary::Summary;
use super::unit::Unit;

/// Which periods are asked for: those that begin at `from` and every `period` after it, before `to`. In seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Periods {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) period: i64,
}

impl Periods {
    /// The longest of the lengths kept that these periods are made of: it is kept longest, and the least to read.
    fn level(self) -> usize {
        let divides = |span: i64| self.period % span == 0 && self.from.rem_euclid(span) == 0;
        SPANS
            .iter()
            .rposition(|span| divides(span.period))
            .unwrap_or(0)
    }

    /// The start of the period that a second is in.
    fn start(self, at: i64) -> i64 {
        at - (at - self.from).rem_euclid(self.period)
    }
}

impl Metrics {
    /// Periods that have values, in order, by unit.
    pub(super) async fn history(
        &self,
        identity: &Identity,
        unit: Option<Unit>,
        periods: Periods,
    ) -> Result<BTreeMap<Unit, Vec<Point>>, MetricsError> {
        let level = periods.level();
        let span = (periods.from, periods.to);
        let pieces = self.table().pieces(identity, unit, level, span);
        let mut history = BTreeMap::new();
        for piece in pieces {
            let mut points: Vec<Point> = Vec::new();
            for block in &piece.blocks {
                let block = self.block(level, block).await?;
                let within = block.iter().filter(|(at, _)| (span.0..span.1).contains(at));
                within.for_each(|(at, summary)| add(&mut points, periods.start(*at), summary));
            }
            for (at, summary) in &piece.open {
                add(&mut points, periods.start(*at), summary);
            }
            if !points.is_empty() {
                history.insert(piece.unit, points);
            }
        }
        Ok(history)
    }

    /// The same, whatever the units: what is of one period is taken together.
    pub(super) async fn history_in_all(
        &self,
        identity: &Identity,
        unit: Option<Unit>,
        periods: Periods,
    ) -> Result<BTreeMap<i64, Summary>, MetricsError> {
        let mut whole: BTreeMap<i64, Summary> = BTreeMap::new();
        for (at, summary) in self
            .history(identity, unit, periods)
            .await?
            .into_values()
            .flatten()
        {
            match whole.entry(at) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(summary);
                }
                std::collections::btree_map::Entry::Occupied(mut kept) => {
                    kept.get_mut().merge(&summary)
                }
            }
        }
        Ok(whole)
    }

    async fn block(&self, level: usize, block: &Block) -> Result<Vec<Point>, MetricsError> {
        let damaged = |what: &str, offset: u64| StoreError::Damaged {
            file: "archive of metrics".into(),
            position: offset,
            what: what.into(),
        };
        let offset = match &block.place {
            Place::Held(bytes) => {
                return unpack(bytes).ok_or_else(|| damaged("a block does not read", 0).into());
            }
            Place::Archived(offset) => *offset,
        };
        let log = self.logs.archive(level);
        let read = match self.store.read(log, Offset(offset), 1).await {
            Ok(read) => read,
            // It was too old for the archive between the look-up and now.
            Err(StoreError::OffsetOutOfRange { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let record = read.first().and_then(|batch| {
            let mut records = batch.records();
            records.find(|record| record.offset == Offset(offset))
        });
        let points = record.and_then(|record| unpack(record.value?));
        points.ok_or_else(|| damaged("no block of metrics here", offset).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_length_that_fits_is_read() {
        let level = |from, period| {
            Periods {
                from,
                to: i64::MAX,
                period,
            }
            .level()
        };
        assert_eq!(level(0, 1), 0);
        assert_eq!(level(0, 30), 0);
        assert_eq!(level(0, 60), 1);
        assert_eq!(level(0, 300), 2);
        assert_eq!(level(60, 300), 1);
        assert_eq!(level(0, 3_600), 3);
        assert_eq!(level(300, 86_400), 2);
        assert_eq!(level(7_200, 86_400), 3);
        assert_eq!(level(0, 5_400), 2);
    }
}

//! All metrics there are, in memory: their identities and what of their roll-ups is open. No I/O.
//!
//! Bounded: [`super::limits::METRICS_MAX`] metrics and [`super::limits::OPEN_POINTS_MAX`] open periods. A metric beyond the bound
//! takes the place of the one that has been idle longest, if that is for two weeks, after which AWS does not list it either.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use store::{Key, Write};

use super::datum::Datum;
use super::identity::{Identity, Owner};
use super::limits;
use super::packed::{Reader, Writer};
use super::series::{Block, Place, Point, Series};
use super::unit::Unit;

/// One metric.
///
/// Kept: identity; the offset of the journal up to which it has all; the second of its last put; how many units; of each its number
/// and the series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Metric {
    units: Vec<(Unit, Series)>,
    /// Second of the last put, or of its values where those are of the future.
    pub(super) last_put: i64,
    /// What the journal has before this is in here.
    upto: u64,
    /// Whether it has more than its document.
    is_changed: bool,
}

/// A block that is to go to the archive.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) identity: Identity,
    pub(super) unit: Unit,
    pub(super) level: usize,
    pub(super) last: i64,
    pub(super) bytes: Bytes,
}

/// What is known of a span of time, not yet merged.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) unit: Unit,
    pub(super) open: Vec<Point>,
    pub(super) blocks: Vec<Block>,
}

/// All metrics.
#[derive(Debug, Default)]
pub(super) struct Table {
    metrics: BTreeMap<Identity, Metric>,
    open_points: usize,
    /// Documents of metrics that are no more.
    gone: BTreeSet<Key>,
}

/// Why something can't be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// There are as many metrics as there may be.
    Metrics,
    /// So much is open that some must be settled first.
    Points,
}

impl Table {
    /// Makes room for what is to be put, if it can be made.
    pub(super) fn make_room(&mut self, data: &[Datum], now: i64) -> Result<(), NoRoom> {
        if self.open_points > limits::OPEN_POINTS_MAX {
            return Err(NoRoom::Points);
        }
        let new: BTreeSet<&Identity> = data
            .iter()
            .map(|datum| &datum.identity)
            .filter(|identity| !self.metrics.contains_key(identity))
            .collect();
        let over = (self.metrics.len() + new.len()).saturating_sub(limits::METRICS_MAX);
        if new.is_empty() || over == 0 {
            return Ok(());
        }
        let mut idle: Vec<(i64, Identity)> = self
            .metrics
            .iter()
            .filter(|(_, metric)| metric.last_put < now - limits::LISTED_SECONDS)
            .map(|(identity, metric)| (metric.last_put, identity.clone()))
            .collect();
        if idle.len() < over {
            return Err(NoRoom::Metrics);
        }
        idle.sort_unstable();
        for (_, identity) in idle.into_iter().take(over) {
            self.remove(&identity);
        }
        Ok(())
    }

    fn remove(&mut self, identity: &Identity) {
        let Some(metric) = self.metrics.remove(identity) else {
            return;
        };
        let open: usize = metric
            .units
            .iter()
            .map(|(_, series)| series.open_points())
            .sum();
        self.open_points -= open;
        self.gone.insert(identity.key());
    }

    /// Takes values in that the journal has at `offset`, unless they are in already.
    pub(super) fn add(&mut self, datum: Datum, offset: u64, now: i64) {
        let metric = self.metrics.entry(datum.identity).or_default();
        if offset < metric.upto {
            return;
        }
        metric.is_changed = true;
        metric.last_put = metric.last_put.max(now).max(datum.at);
        let at = metric
            .units
            .iter()
            .position(|(unit, _)| *unit == datum.unit);
        let at = at.unwrap_or_else(|| {
            metric.units.push((datum.unit, Series::default()));
            metric.units.len() - 1
        });
        let series = &mut metric.units[at].1;
        self.open_points += series.add(datum.at, datum.resolution, &datum.summary);
    }

    /// What is known of a metric in a span of time at one length of periods; in all units, or in one.
    pub(super) fn pieces(
        &self,
        identity: &Identity,
        unit: Option<Unit>,
        level: usize,
        (from, to): (i64, i64),
    ) -> Vec<Pieces> {
        let units = self
            .metrics
            .get(identity)
            .map_or(&[][..], |metric| &metric.units);
        units
            .iter()
            .filter(|(kept, _)| unit.is_none_or(|unit| unit == *kept))
            .filter_map(|(unit, series)| {
                let level = series.levels.get(level)?;
                Some(Pieces {
                    unit: *unit,
                    open: level.open_within(from, to).cloned().collect(),
                    blocks: level.blocks_within(from, to).cloned().collect(),
                })
            })
            .collect()
    }

    /// Metrics of an owner after `after`, in order, with the second of their last put.
    pub(super) fn after<'a>(
        &'a self,
        owner: &'a Owner,
        after: Option<&Identity>,
    ) -> impl Iterator<Item = (&'a Identity, i64)> {
        let first = Identity::first_of(owner.clone());
        let start = match after {
            Some(after) => std::ops::Bound::Excluded(after.clone()),
            None => std::ops::Bound::Included(first),
        };
        self.metrics
            .range((start, std::ops::Bound::Unbounded))
            .take_while(move |(identity, _)| identity.owner == *owner)
            .map(|(identity, metric)| (identity, metric.last_put))
    }

    /// Forgets what is too old, and makes blocks of what need not be open. Gives those that are to go to the archive.
    pub(super) fn settle(&mut self, now: i64) -> Vec<Leaving> {
        let mut leaving = Vec::new();
        let mut empty = Vec::new();
        self.open_points = 0;
        for (identity, metric) in &mut self.metrics {
            for (unit, series) in &mut metric.units {
                series.settle(now);
                self.open_points += series.open_points();
                for (level, blocks) in series.levels.iter_mut().enumerate() {
                    for block in blocks.held() {
                        if let Place::Held(bytes) = &block.place {
                            leaving.push(Leaving {
                                identity: identity.clone(),
                                unit: *unit,
                                level,
                                last: block.last,
                                bytes: bytes.clone(),
                            });
                        }
                    }
                }
            }
            metric.units.retain(|(_, series)| !series.is_empty());
            if metric.units.is_empty() {
                empty.push(identity.clone());
            }
        }
        for identity in empty {
            self.remove(&identity);
        }
        leaving
    }

    /// A block is in the archive now.
    pub(super) fn archived(&mut self, left: &Leaving, offset: u64) {
        let Some(metric) = self.metrics.get_mut(&left.identity) else {
            return;
        };
        let series = metric.units.iter_mut().find(|(unit, _)| *unit == left.unit);
        let level = series.and_then(|(_, series)| series.levels.get_mut(left.level));
        let block = level.and_then(|level| {
            level
                .held()
                .find(|block| block.place == Place::Held(left.bytes.clone()))
        });
        if let Some(block) = block {
            block.place = Place::Archived(offset);
            metric.is_changed = true;
        }
    }

    /// Metrics that have more than their documents.
    pub(super) fn changed(&self) -> Vec<Identity> {
        let changed = self.metrics.iter().filter(|(_, metric)| metric.is_changed);
        changed.map(|(identity, _)| identity.clone()).collect()
    }

    /// The documents of these metrics, which have all that the journal has before `upto`.
    pub(super) fn documents(&mut self, identities: &[Identity], upto: u64) -> Vec<Write> {
        let mut writes = Vec::with_capacity(identities.len());
        for identity in identities {
            if let Some(metric) = self.metrics.get_mut(identity) {
                metric.upto = upto;
                metric.is_changed = false;
                writes.push(Write::Put {
                    key: identity.key(),
                    value: metric.document(identity),
                });
            }
        }
        writes
    }

    /// Their documents were not written.
    pub(super) fn change_again(&mut self, identities: &[Identity]) {
        for identity in identities {
            if let Some(metric) = self.metrics.get_mut(identity) {
                metric.is_changed = true;
            }
        }
    }

    /// Whether there is such a metric.
    pub(super) fn has(&self, identity: &Identity) -> bool {
        self.metrics.contains_key(identity)
    }

    /// The documents of metrics that are no more.
    pub(super) fn take_gone(&mut self) -> BTreeSet<Key> {
        let mut gone = std::mem::take(&mut self.gone);
        if !gone.is_empty() {
            for identity in self.metrics.keys() {
                gone.remove(&identity.key());
            }
        }
        gone
    }

    /// Those were not removed.
    pub(super) fn give_back_gone(&mut self, gone: BTreeSet<Key>) {
        self.gone.extend(gone);
    }

    /// Takes in a metric from its document; `None` where the bytes are none.
    pub(super) fn load(&mut self, document: &[u8]) -> Option<()> {
        let mut reader = Reader::new(document);
        let identity = Identity::read(&mut reader)?;
        let mut metric = Metric {
            upto: u64::try_from(reader.whole()?).ok()?,
            last_put: reader.whole()?,
            ..Metric::default()
        };
        for _ in 0..reader.count()? {
            let unit = Unit::from_number(reader.whole()?)?;
            let series = Series::read(&mut reader)?;
            self.open_points += series.open_points();
            metric.units.push((unit, series));
        }
        self.metrics.insert(identity, metric);
        reader.is_at_end().then_some(())
    }
}

impl Metric {
    fn document(&self, identity: &Identity) -> Bytes {
        let mut writer = Writer::default();
        identity.write(&mut writer);
        writer.whole(i64::try_from(self.upto).unwrap_or(i64::MAX));
        writer.whole(self.last_put);
        writer.whole(self.units.len() as i64);
        for (unit, series) in &self.units {
            writer.whole(unit.number());
            series.write(&mut writer);
        }
        writer.finish().into()
    }
}

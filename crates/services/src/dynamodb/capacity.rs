//! What operations cost, as AWS counts it, and how it is told.
//!
//! A write costs a unit for each KiB begun of the larger of the item before and after; a strongly consistent read one for each 4 KiB
//! begun, an eventually consistent one half of that; in transactions, either costs double. An index is written where its entry
//! changes: once, or twice where its key does. Source: "Read and write operations" and "Working with indexes" in the developer guide.

use std::collections::BTreeMap;

use super::api::items::{Capacity, ConsumedCapacity};
use super::throughput::Side;

/// Bytes of a write unit.
const WRITE_BYTES: usize = 1_024;
/// Bytes of a read unit.
const READ_BYTES: usize = 4_096;

/// Units of one operation on one table.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Cost {
    pub table: f64,
    pub local: BTreeMap<String, f64>,
    pub global: BTreeMap<String, f64>,
}

impl Cost {
    pub(super) fn of_table(units: f64) -> Cost {
        Cost {
            table: units,
            ..Cost::default()
        }
    }

    pub(super) fn total(&self) -> f64 {
        self.table + self.local.values().sum::<f64>() + self.global.values().sum::<f64>()
    }

    pub(super) fn add(&mut self, other: &Cost) {
        self.table += other.table;
        for (name, units) in &other.local {
            *self.local.entry(name.clone()).or_default() += units;
        }
        for (name, units) in &other.global {
            *self.global.entry(name.clone()).or_default() += units;
        }
    }

    /// What it costs in a transaction.
    pub(super) fn doubled(mut self) -> Cost {
        let doubled = self.clone();
        self.add(&doubled);
        self
    }

    /// As it is told, where `asked` is `ReturnConsumedCapacity`.
    pub(super) fn told(&self, table: &str, asked: Option<&str>) -> Option<ConsumedCapacity> {
        self.told_by(table, asked, None)
    }

    /// As a transaction tells it: with units of its side as well.
    pub(super) fn told_by(
        &self,
        table: &str,
        asked: Option<&str>,
        side: Option<Side>,
    ) -> Option<ConsumedCapacity> {
        let in_full = match asked {
            Some("INDEXES") => true,
            Some("TOTAL") => false,
            _ => return None,
        };
        let capacity = |units: f64| Capacity {
            read_capacity_units: (side == Some(Side::Read)).then_some(units),
            write_capacity_units: (side == Some(Side::Write)).then_some(units),
            capacity_units: units,
        };
        let all = |units: &BTreeMap<String, f64>| {
            let told = units.iter().filter(|_| in_full);
            told.map(|(name, units)| (name.clone(), capacity(*units)))
                .collect()
        };
        let total = capacity(self.total());
        Some(ConsumedCapacity {
            table_name: table.to_owned(),
            capacity_units: total.capacity_units,
            read_capacity_units: total.read_capacity_units,
            write_capacity_units: total.write_capacity_units,
            table: in_full.then(|| capacity(self.table)),
            local_secondary_indexes: all(&self.local),
            global_secondary_indexes: all(&self.global),
        })
    }
}

/// Units of a write of so many bytes.
pub(super) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_BYTES).max(1) as f64
}

/// Units of a read of so many bytes.
pub(super) fn read_units(bytes: usize, is_consistent: bool) -> f64 {
    let units = bytes.div_ceil(READ_BYTES).max(1) as f64;
    if is_consistent { units } else { units / 2.0 }
}

//! What changes of items come to: one transaction over items and index entries, what it costs, and what it does to the counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use store::{Check, Document, Expect, Key, Txn, Write};

use super::capacity::{Cost, write_units};
use super::expiry;
use super::live::Count;
use super::records::{Index, IndexState, Table};
use super::tables::Found;
use super::value::{Item, item_bytes, write_item};
use super::{rows, schema};

/// An item as it is read for a write: what lies there, decoded.
#[derive(Clone, Debug)]
pub(super) struct Before {
    pub row: Key,
    pub document: Option<Document>,
    pub item: Option<Item>,
}

impl Before {
    fn expect(&self) -> Expect {
        self.document
            .as_ref()
            .map_or(Expect::Absent, |document| Expect::At(document.version))
    }
}

/// What a transaction will do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    txn: Txn,
    tables: BTreeSet<Key>,
    counts: Vec<(Arc<Found>, u16, Count)>,
}

/// An entry of an index: where it lies, what it holds.
struct Entry {
    key: Key,
    item: Item,
}

impl Entry {
    fn bytes(&self) -> usize {
        item_bytes(&self.item)
    }
}

impl Plan {
    /// The transaction holds only if the table and the item are as they were read.
    pub(super) fn check(&mut self, found: &Found, before: &Before) {
        let check = found.unchanged();
        if self.tables.insert(check.key.clone()) {
            self.txn.checks.push(check);
        }
        self.txn.checks.push(Check {
            key: before.row.clone(),
            expect: before.expect(),
        });
    }

    /// Makes `after` of an item; gives what it costs.
    pub(super) fn change(
        &mut self,
        found: &Arc<Found>,
        before: &Before,
        after: Option<&Item>,
    ) -> Cost {
        self.check(found, before);
        let table = &found.table;
        let old = before.item.as_ref();
        self.count(found, 0, size(old), size(after));
        let mut cost = Cost::of_table(write_units(
            old.map_or(0, item_bytes).max(after.map_or(0, item_bytes)),
        ));
        let row = before.row.clone();
        match after {
            Some(item) => self.txn.writes.push(Write::Put {
                key: row,
                value: write_item(item),
            }),
            None if old.is_some() => self.txn.writes.push(Write::Delete { key: row }),
            None => {}
        }
        for (name, index) in &table.local {
            if let Some(units) = self.change_index(found, index, old, after) {
                cost.local.insert(name.clone(), units);
            }
        }
        for (name, index) in &table.global {
            if let Some(units) = self.change_index(found, index, old, after) {
                cost.global.insert(name.clone(), units);
            }
        }
        self.change_expiry(table, old, after);
        cost
    }

    /// Writes what changes in one index; gives what it costs, if anything.
    fn change_index(
        &mut self,
        found: &Arc<Found>,
        index: &Index,
        old: Option<&Item>,
        new: Option<&Item>,
    ) -> Option<f64> {
        if index.state == IndexState::Deleting {
            return None;
        }
        let entry = |item: &Item| entry_of(&found.table, index, item);
        let (old, new) = (old.and_then(entry), new.and_then(entry));
        let units = match (&old, &new) {
            (None, None) => return None,
            (Some(old), Some(new)) if old.key == new.key => {
                if old.item == new.item {
                    return None;
                }
                write_units(old.bytes().max(new.bytes()))
            }
            (old, new) => {
                let one =
                    |entry: &Option<Entry>| entry.as_ref().map_or(0.0, |e| write_units(e.bytes()));
                one(old) + one(new)
            }
        };
        self.count(
            found,
            index.number,
            size(old.as_ref().map(|e| &e.item)),
            size(new.as_ref().map(|e| &e.item)),
        );
        if let Some(old) = old
            && new.as_ref().is_none_or(|new| new.key != old.key)
        {
            self.txn.writes.push(Write::Delete { key: old.key });
        }
        self.txn.writes.extend(new.map(|new| Write::Put {
            key: new.key,
            value: write_item(&new.item),
        }));
        Some(units)
    }

    fn change_expiry(&mut self, table: &Table, old: Option<&Item>, new: Option<&Item>) {
        let Some(setting) = table
            .expiry
            .as_ref()
            .filter(|it| it.state != IndexState::Deleting)
        else {
            return;
        };
        let key = |item: &Item| {
            let second = expiry::second(setting, item)?;
            rows::expiring(table, setting.number, second, item)
        };
        let (from, to) = (old.and_then(key), new.and_then(key));
        if from == to {
            return;
        }
        self.txn
            .writes
            .extend(from.map(|key| Write::Delete { key }));
        if let (Some(key), Some(item)) = (to, new) {
            let value = write_item(&schema::key_of(&table.key, item));
            self.txn.writes.push(Write::Put { key, value });
        }
    }

    /// Adds the entry that an item has in an index that is being filled; gives whether it has one.
    pub(super) fn fill(&mut self, found: &Arc<Found>, index: &Index, before: &Before) -> bool {
        self.check(found, before);
        let entry = before
            .item
            .as_ref()
            .and_then(|item| entry_of(&found.table, index, item));
        let Some(entry) = entry else {
            return false;
        };
        self.txn.writes.push(Write::Put {
            key: entry.key,
            value: write_item(&entry.item),
        });
        true
    }

    /// The same for the index of expiry.
    pub(super) fn fill_expiry(&mut self, found: &Arc<Found>, before: &Before) {
        self.check(found, before);
        self.change_expiry(&found.table, None, before.item.as_ref());
    }

    /// Adds a write of something that is no item, if its document is as expected.
    pub(super) fn write_beside(&mut self, check: Check, write: Write) {
        self.txn.checks.push(check);
        self.txn.writes.push(write);
    }

    fn count(&mut self, found: &Arc<Found>, number: u16, old: Count, new: Count) {
        let mut change = new;
        change.add(old.negated());
        if change != Count::default() {
            self.counts.push((Arc::clone(found), number, change));
        }
    }

    /// What is to be committed, and what it does to the counts once it is.
    pub(super) fn into_parts(self) -> (Txn, Vec<(Arc<Found>, u16, Count)>) {
        (self.txn, self.counts)
    }
}

fn entry_of(table: &Table, index: &Index, item: &Item) -> Option<Entry> {
    Some(Entry {
        key: rows::entry(table, index, item)?,
        item: schema::projected(table, index, item),
    })
}

fn size(item: Option<&Item>) -> Count {
    item.map_or_else(Count::default, |item| Count::one(item_bytes(item)))
}

/// The sum of costs by table.
#[derive(Debug, Default)]
pub(super) struct Bill(pub BTreeMap<String, Cost>);

impl Bill {
    pub(super) fn add(&mut self, table: &str, cost: &Cost) {
        self.0.entry(table.to_owned()).or_default().add(cost);
    }
}

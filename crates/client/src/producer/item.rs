//! A record of a stream, ready to be sent, and the user records in it.

use std::sync::Arc;

use bytes::Bytes;
use formats::aggregation::{Aggregator, Key, Limits, deaggregate, hash_key};
use model::{HashKey, HashRange};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ledger::Ledger;
use super::outcome::Settled;

/// Held for a user record besides its key and data.
const OVERHEAD: usize = 64;

/// Where to tell what became of a user record.
pub(super) type Asked = oneshot::Sender<Settled>;

/// Memory that is counted for a user record.
pub(super) fn charge(partition_key: &str, data: &[u8]) -> usize {
    partition_key.len() + data.len() + OVERHEAD
}

/// A record as it is sent.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) partition_key: Key,
    pub(super) explicit_hash_key: Option<HashKey>,
    pub(super) data: Bytes,
    /// User records in it: more than one in an aggregate.
    pub(super) records: u32,
    /// Who wants to know, by their record's place in it, in order.
    pub(super) asked: Vec<(u32, Asked)>,
    /// When its first user record was put.
    pub(super) born: Instant,
    pub(super) generation: u64,
    /// Memory counted for its user records.
    pub(super) charge: usize,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// The code of the last attempt's error.
    pub(super) last_error: Option<Arc<str>>,
}

/// A user record on its own again.
struct Loose {
    partition_key: Key,
    explicit_hash_key: Option<HashKey>,
    data: Bytes,
    asked: Option<Asked>,
}

impl Loose {
    fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| hash_key(self.partition_key.as_str()))
    }
}

impl Item {
    pub(super) fn is_aggregated(&self) -> bool {
        self.records > 1
    }

    /// What counts against the limits of requests and shards.
    pub(super) fn bytes(&self) -> usize {
        self.partition_key.as_str().len() + self.data.len()
    }

    /// Bytes of its user records' keys and data.
    pub(super) fn user_bytes(&self) -> usize {
        self.charge.saturating_sub(self.records as usize * OVERHEAD)
    }

    /// Where Kinesis puts it.
    pub(super) fn hash_key(&self) -> HashKey {
        self.explicit_hash_key
            .unwrap_or_else(|| hash_key(self.partition_key.as_str()))
    }

    /// Whether all of its user records belong there.
    pub(super) fn lies_within(&self, range: &HashRange) -> bool {
        if !self.is_aggregated() {
            return range.contains(self.hash_key());
        }
        deaggregate(&self.data, self.partition_key.as_str()).lies_within(range)
    }

    /// The same user records in records of which each belongs to one shard, in order. `shard_of` numbers shards. Without
    /// limits each user record goes alone.
    pub(super) fn sort(
        self,
        shard_of: impl Fn(HashKey) -> usize,
        limits: Option<Limits>,
        ledger: &Ledger,
    ) -> Vec<(usize, Item)> {
        if !self.is_aggregated() {
            return vec![(shard_of(self.hash_key()), self)];
        }
        let mut shards: Vec<(usize, Vec<Loose>)> = Vec::new();
        let (whole, loose) = self.loosen();
        for record in loose {
            let shard = shard_of(record.hash_key());
            match shards.iter_mut().find(|(known, _)| *known == shard) {
                Some((_, records)) => records.push(record),
                None => shards.push((shard, vec![record])),
            }
        }
        let mut sorted = Vec::new();
        for (shard, records) in shards {
            let items = match limits {
                Some(limits) => whole.packed(records, limits, ledger),
                None => records
                    .into_iter()
                    .map(|record| whole.alone(record, ledger))
                    .collect(),
            };
            sorted.extend(items.into_iter().map(|item| (shard, item)));
        }
        ledger.end(whole.generation);
        sorted
    }

    /// Its user records, and it without them.
    fn loosen(mut self) -> (Item, Vec<Loose>) {
        let mut asked = std::mem::take(&mut self.asked).into_iter().peekable();
        let records = deaggregate(&self.data, self.partition_key.as_str());
        let loose = records.map(|record| Loose {
            asked: asked
                .next_if(|(place, _)| u64::from(*place) == record.sub_sequence)
                .map(|(_, asked)| asked),
            partition_key: record.partition_key,
            explicit_hash_key: record.explicit_hash_key,
            data: record.data,
        });
        let loose = loose.collect();
        (self, loose)
    }

    /// Records of one shard as aggregates. They come out of one aggregate, so all fit into another.
    fn packed(&self, records: Vec<Loose>, limits: Limits, ledger: &Ledger) -> Vec<Item> {
        let mut aggregator = Aggregator::new(limits);
        let (mut asked, mut charged, mut items) = (Vec::new(), 0, Vec::new());
        for record in records {
            let place = aggregator.count() as u32;
            let key = record.partition_key.as_str();
            if !aggregator.add(key, record.explicit_hash_key, &record.data) {
                items.push(self.alone(record, ledger));
                continue;
            }
            charged += charge(key, &record.data);
            asked.extend(record.asked.map(|asked| (place, asked)));
        }
        let Some(finished) = aggregator.finish() else {
            return items;
        };
        ledger.split(self.generation);
        items.push(Item {
            partition_key: finished.partition_key.as_str().into(),
            explicit_hash_key: finished.explicit_hash_key,
            data: finished.data,
            records: finished.records as u32,
            asked,
            charge: charged,
            ..self.heir()
        });
        items
    }

    fn alone(&self, record: Loose, ledger: &Ledger) -> Item {
        ledger.split(self.generation);
        Item {
            charge: charge(record.partition_key.as_str(), &record.data),
            partition_key: record.partition_key,
            explicit_hash_key: record.explicit_hash_key,
            data: record.data,
            records: 1,
            asked: record.asked.map(|asked| (0, asked)).into_iter().collect(),
            ..self.heir()
        }
    }

    /// An item without records, as old and as often sent as this one.
    fn heir(&self) -> Item {
        Item {
            partition_key: Key::default(),
            explicit_hash_key: None,
            data: Bytes::new(),
            records: 0,
            asked: Vec::new(),
            charge: 0,
            born: self.born,
            generation: self.generation,
            attempts: self.attempts,
            last_error: self.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An aggregate under these hash keys, and the receipts of its records.
    fn item(hash_keys: &[u128], ledger: &Ledger) -> (Item, Vec<oneshot::Receiver<Settled>>) {
        let mut aggregator = Aggregator::new(Limits::default());
        let (mut asked, mut receipts) = (Vec::new(), Vec::new());
        for (place, hash_key) in hash_keys.iter().enumerate() {
            assert!(aggregator.add("key", Some(HashKey(*hash_key)), b"data"));
            let (sender, receipt) = oneshot::channel();
            asked.push((place as u32, sender));
            receipts.push(receipt);
        }
        let finished = aggregator.finish().unwrap();
        let item = Item {
            partition_key: "key".into(),
            explicit_hash_key: finished.explicit_hash_key,
            data: finished.data,
            records: finished.records as u32,
            asked,
            born: Instant::now(),
            generation: ledger.begin(),
            charge: hash_keys.len() * charge("key", b"data"),
            attempts: 3,
            last_error: None,
        };
        (item, receipts)
    }

    fn halves(key: HashKey) -> usize {
        usize::from(key.0 >= 100)
    }

    #[test]
    fn records_are_sorted_by_shard_and_stay_in_order() {
        let ledger = Ledger::default();
        let (whole, mut receipts) = item(&[1, 100, 2, 101, 3], &ledger);
        let (born, charged) = (whole.born, whole.charge);
        let sorted = whole.sort(halves, Some(Limits::default()), &ledger);
        let places: Vec<(usize, u32)> = sorted
            .iter()
            .map(|(at, item)| (*at, item.records))
            .collect();
        assert_eq!(places, [(0, 3), (1, 2)]);
        assert_eq!(
            sorted.iter().map(|(_, item)| item.charge).sum::<usize>(),
            charged
        );
        assert_eq!(ledger.outstanding(), 2);
        for (shard, item) in sorted {
            assert_eq!((item.born, item.attempts), (born, 3));
            let records: Vec<u128> = deaggregate(&item.data, "key")
                .map(|record| record.hash_key().0)
                .collect();
            let expected: &[u128] = if shard == 0 { &[1, 2, 3] } else { &[100, 101] };
            assert_eq!(records, expected);
            for (place, asked) in item.asked {
                let _ = asked.send(Err(super::super::PutError::Invalid(format!(
                    "{shard} {place}"
                ))));
            }
        }
        let mut told = Vec::new();
        for receipt in &mut receipts {
            told.push(receipt.try_recv().unwrap().unwrap_err().to_string());
        }
        assert_eq!(told, ["0 0", "1 0", "0 1", "1 1", "0 2"]);
    }

    #[test]
    fn without_limits_each_record_goes_alone() {
        let ledger = Ledger::default();
        let (whole, _receipts) = item(&[1, 100, 2], &ledger);
        let sorted = whole.sort(|_| 0, None, &ledger);
        let keys: Vec<u128> = sorted.iter().map(|(_, item)| item.hash_key().0).collect();
        assert_eq!(keys, [1, 100, 2]);
        assert!(
            sorted
                .iter()
                .all(|(_, item)| !item.is_aggregated() && item.data == "data")
        );
        assert_eq!(ledger.outstanding(), 3);
    }
}

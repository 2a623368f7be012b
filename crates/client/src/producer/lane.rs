//! What waits for one shard: an aggregate that is being filled, and records ready to be sent, in order.
//!
//! A state machine without I/O. At most one request of a shard's records is on its way, which keeps them in order.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use formats::aggregation::{Aggregator, Limits};
use model::HashKey;
use tokio::time::Instant;

use super::item::{Asked, Item, charge};
use super::ledger::Ledger;
use super::rate::Bucket;

/// A user record as it is put.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) partition_key: &'a str,
    pub(super) explicit_hash_key: Option<HashKey>,
    pub(super) data: &'a [u8],
    pub(super) asked: Option<Asked>,
}

/// What a record changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It went into an aggregate that was begun.
    Joined,
    /// The lane was empty: there is something to wait for now.
    Woke,
    /// So many bytes are ready now that were not.
    Ready(usize),
}

/// A shard's records.
#[derive(Debug)]
pub(super) struct Lane {
    /// Which shard, if that is known.
    pub(super) shard: Option<Arc<str>>,
    aggregator: Option<Aggregator>,
    open: Option<Open>,
    ready: VecDeque<Item>,
    ready_bytes: usize,
    /// Whether a request with its records is on its way.
    pub(super) is_busy: bool,
    /// Not to be sent before, after a failure.
    pub(super) not_before: Option<Instant>,
    bucket: Option<Bucket>,
    /// User records taken in since it was laid.
    pub(super) received: u64,
}

/// The aggregate that is being filled.
#[derive(Debug)]
struct Open {
    born: Instant,
    generation: u64,
    charge: usize,
    asked: Vec<(u32, Asked)>,
}

/// Room in a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Space {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Lane {
    pub(super) fn new(
        shard: Option<Arc<str>>,
        limits: Option<Limits>,
        bucket: Option<Bucket>,
    ) -> Lane {
        Lane {
            shard,
            aggregator: limits.map(Aggregator::new),
            open: None,
            ready: VecDeque::new(),
            ready_bytes: 0,
            is_busy: false,
            not_before: None,
            bucket,
            received: 0,
        }
    }

    /// Takes a user record in.
    pub(super) fn add(&mut self, record: Incoming<'_>, now: Instant, ledger: &Ledger) -> Added {
        self.received += 1;
        let was_empty = self.is_empty();
        let mut ready = 0;
        if let Some(aggregator) = &mut self.aggregator {
            let (key, hash_key) = (record.partition_key, record.explicit_hash_key);
            let mut fits = aggregator.add(key, hash_key, record.data);
            if !fits {
                ready = self.close();
            }
            if let Some(aggregator) = &mut self.aggregator {
                fits = fits || aggregator.add(key, hash_key, record.data);
                if fits {
                    let place = aggregator.count() as u32 - 1;
                    self.note(record, place, now, ledger);
                    return match ready {
                        0 if was_empty => Added::Woke,
                        0 => Added::Joined,
                        bytes => Added::Ready(bytes),
                    };
                }
            }
        }
        let item = Item {
            partition_key: record.partition_key.into(),
            explicit_hash_key: record.explicit_hash_key,
            data: Bytes::copy_from_slice(record.data),
            records: 1,
            charge: charge(record.partition_key, record.data),
            asked: record.asked.map(|asked| (0, asked)).into_iter().collect(),
            born: now,
            generation: ledger.begin(),
            attempts: 0,
            last_error: None,
        };
        ready += item.bytes();
        self.push(item);
        if was_empty {
            Added::Woke
        } else {
            Added::Ready(ready)
        }
    }

    /// Notes what the aggregator does not: the record is in it, at this place.
    fn note(&mut self, record: Incoming<'_>, place: u32, now: Instant, ledger: &Ledger) {
        let open = self.open.get_or_insert_with(|| Open {
            born: now,
            generation: ledger.begin(),
            charge: 0,
            asked: Vec::new(),
        });
        open.charge += charge(record.partition_key, record.data);
        open.asked.extend(record.asked.map(|asked| (place, asked)));
    }

    /// Makes the open aggregate ready, and says how many bytes that are.
    pub(super) fn close(&mut self) -> usize {
        let finished = self.aggregator.as_mut().and_then(Aggregator::finish);
        let (Some(finished), Some(open)) = (finished, self.open.take()) else {
            return 0;
        };
        let item = Item {
            partition_key: finished.partition_key.as_str().into(),
            explicit_hash_key: finished.explicit_hash_key,
            data: finished.data,
            records: finished.records as u32,
            asked: open.asked,
            born: open.born,
            generation: open.generation,
            charge: open.charge,
            attempts: 0,
            last_error: None,
        };
        let bytes = item.bytes();
        self.push(item);
        bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.ready.is_empty()
    }

    /// Age and generation of the oldest record.
    pub(super) fn oldest(&self) -> Option<(Instant, u64)> {
        let ready = self.ready.front().map(|item| (item.born, item.generation));
        ready.or_else(|| self.open.as_ref().map(|open| (open.born, open.generation)))
    }

    /// Age and generation of the aggregate that is being filled.
    pub(super) fn opened(&self) -> Option<(Instant, u64)> {
        self.open.as_ref().map(|open| (open.born, open.generation))
    }

    /// When its records may be sent, for all that is known now; never while some are on their way.
    pub(super) fn free_at(&self, now: Instant) -> Option<Instant> {
        if self.is_busy {
            return None;
        }
        let rate = self.bucket.as_ref().map_or(now, Bucket::ready_at);
        Some(self.not_before.unwrap_or(now).max(rate).max(now))
    }

    /// What is ready: records and bytes.
    pub(super) fn ready(&self) -> (usize, usize) {
        (self.ready.len(), self.ready_bytes)
    }

    /// Takes out what may be sent now and fits into a request. Whoever takes something marks the lane as busy.
    pub(super) fn take(&mut self, space: &mut Space, now: Instant) -> Vec<Item> {
        let mut taken = Vec::new();
        while let Some(next) = self.ready.front() {
            let bytes = next.bytes();
            if space.records == 0 || bytes > space.bytes {
                break;
            }
            let bucket = self.bucket.as_mut();
            if bucket.is_some_and(|bucket| !bucket.take(bytes, now)) {
                break;
            }
            space.records -= 1;
            space.bytes -= bytes;
            self.ready_bytes -= bytes;
            taken.extend(self.ready.pop_front());
        }
        taken
    }

    /// Puts records back in front of all others, to be sent again.
    pub(super) fn put_back(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            self.ready_bytes += item.bytes();
            self.ready.push_front(item);
        }
    }

    /// Adds a record behind those that are ready.
    pub(super) fn push(&mut self, item: Item) {
        self.ready_bytes += item.bytes();
        self.ready.push_back(item);
    }

    /// Takes out all there is, in order.
    pub(super) fn drain(&mut self) -> Vec<Item> {
        self.close();
        self.ready_bytes = 0;
        self.ready.drain(..).collect()
    }

    /// Takes out what was put at that time or before.
    pub(super) fn take_older(&mut self, than: Instant) -> Vec<Item> {
        if self.open.as_ref().is_some_and(|open| open.born <= than) {
            self.close();
        }
        let all = std::mem::take(&mut self.ready);
        let (old, young): (Vec<Item>, Vec<Item>) =
            all.into_iter().partition(|item| item.born <= than);
        self.ready = young.into();
        self.ready_bytes = self.ready.iter().map(Item::bytes).sum();
        old
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ROOMY: Space = Space {
        records: 500,
        bytes: 5 << 20,
    };

    fn add(lane: &mut Lane, data: &[u8], now: Instant, ledger: &Ledger) -> Added {
        let record = Incoming {
            partition_key: "key",
            explicit_hash_key: None,
            data,
            asked: None,
        };
        lane.add(record, now, ledger)
    }

    fn small() -> Limits {
        Limits {
            bytes: 200,
            records: 4,
        }
    }

    fn records(items: &[Item]) -> Vec<u32> {
        items.iter().map(|item| item.records).collect()
    }

    #[test]
    fn records_are_packed_until_an_aggregate_is_full() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        let mut lane = Lane::new(None, Some(small()), None);
        assert_eq!(add(&mut lane, b"1", now, &ledger), Added::Woke);
        for data in [b"2", b"3", b"4"] {
            assert_eq!(add(&mut lane, data, now, &ledger), Added::Joined);
        }
        assert!(matches!(
            add(&mut lane, b"5", now, &ledger),
            Added::Ready(1..)
        ));
        // Too large for an aggregate: it goes alone, behind what was before it.
        add(&mut lane, &[0; 300], now, &ledger);
        add(&mut lane, b"7", now, &ledger);
        assert_eq!(lane.ready().0, 3);
        lane.close();
        let taken = lane.take(&mut ROOMY.clone(), now);
        assert_eq!(records(&taken), [4, 1, 1, 1]);
        assert_eq!(taken[2].data.len(), 300);
        assert_eq!(lane.ready(), (0, 0));
        assert!(lane.is_empty());
        assert_eq!(ledger.outstanding(), 4);
    }

    #[test]
    fn what_failed_goes_first_again() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        let mut lane = Lane::new(None, None, None);
        for data in [b"1", b"2", b"3"] {
            add(&mut lane, data, now, &ledger);
        }
        let mut space = Space {
            records: 2,
            ..ROOMY
        };
        let taken = lane.take(&mut space, now);
        assert_eq!((taken.len(), space.records), (2, 0));
        lane.is_busy = true;
        assert_eq!(lane.free_at(now), None);
        lane.is_busy = false;
        lane.put_back(taken);
        lane.not_before = Some(now + Duration::from_secs(1));
        assert_eq!(lane.free_at(now), lane.not_before);
        let all = lane.take(&mut ROOMY.clone(), now);
        let data: Vec<&[u8]> = all.iter().map(|item| &item.data[..]).collect();
        assert_eq!(data, [b"1", b"2", b"3"]);
    }

    #[test]
    fn a_request_has_bounds_and_a_shard_a_rate() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        let mut lane = Lane::new(None, None, Some(Bucket::new(100, now)));
        for _ in 0..1500 {
            add(&mut lane, &[0; 97], now, &ledger);
        }
        let mut space = Space {
            records: 500,
            bytes: 1000,
        };
        assert_eq!(lane.take(&mut space, now).len(), 10);
        let mut space = Space {
            records: 5000,
            ..ROOMY
        };
        assert_eq!(lane.take(&mut space, now).len(), 990);
        let free = lane.free_at(now).unwrap();
        assert!(free > now);
        assert_eq!(
            lane.take(&mut space, now + Duration::from_millis(100))
                .len(),
            100
        );
    }

    #[test]
    fn the_old_are_taken_out_and_the_young_stay() {
        let (ledger, now) = (Ledger::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        let mut lane = Lane::new(None, Some(small()), None);
        for _ in 0..5 {
            add(&mut lane, b"old", now, &ledger);
        }
        assert_eq!(lane.oldest(), Some((now, 0)));
        assert_eq!(records(&lane.take_older(now)), [4, 1]);
        add(&mut lane, b"young", later, &ledger);
        assert!(lane.take_older(now).is_empty());
        assert_eq!(lane.opened(), Some((later, 0)));
        assert_eq!(records(&lane.drain()), [1]);
    }
}

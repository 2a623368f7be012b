use std::sync::Arc;

use model::batch::Producer;
use model::{BatchBuilder, Clock, Rng, Timestamp};
use store::Memory;
use store::{Append, LogChange};

use super::*;
use crate::seal::Keyring;

const LOG: LogId = LogId {
    stream: StreamId(9),
    partition: 2,
};

fn aborted(producer: i64, first: u64, last: u64) -> AbortedIn {
    AbortedIn {
        producer,
        first: Offset(first),
        last: Offset(last),
    }
}

#[test]
fn a_key_tells_its_place() {
    let key = key(LOG, 77, Offset(1 << 40));
    assert_eq!(place(&key), Some((LOG, 77, Offset(1 << 40))));
}

#[test]
fn what_overlaps_is_found_however_transactions_lie() {
    let rng = Rng::seeded(3);
    for _ in 0..200 {
        let index = Aborted::default();
        let mut all = Vec::new();
        for producer in 0..i64::try_from(rng.below(20)).unwrap() {
            let first = rng.below(50);
            let one = aborted(producer, first, first + 1 + rng.below(30));
            all.push(one);
            index.add(LOG, one);
        }
        let from = rng.below(60);
        let until = from + 1 + rng.below(20);
        let mut expected: Vec<AbortedIn> = all
            .into_iter()
            .filter(|one| one.first.0 < until && one.last.0 >= from)
            .collect();
        let mut found = index.overlapping(LOG, Offset(from), Offset(until));
        assert!(found.is_sorted_by_key(|one| one.first));
        expected.sort_by_key(|one| one.producer);
        found.sort_by_key(|one| one.producer);
        assert_eq!(found, expected);
    }
}

fn data(producer: i64, sequence: i32) -> model::Batch {
    let mut builder = BatchBuilder::with_capacity(16)
        .transactional()
        .by(Producer {
            id: producer,
            epoch: 0,
            sequence,
        });
    builder.push(Timestamp(1), None, Some(b"x"), &[]);
    builder.finish()
}

fn end(producer: i64) -> model::Batch {
    let mut builder = BatchBuilder::with_capacity(16).control().by(Producer {
        id: producer,
        epoch: 0,
        sequence: -1,
    });
    builder.push(Timestamp(1), Some(&[0; 4]), Some(&[0; 6]), &[]);
    builder.finish()
}

fn over(store: &Arc<Memory>) -> Streams {
    let keyring = Keyring::new(&[1; 32], Rng::seeded(1));
    Streams::new(store.clone(), Clock::manual(Timestamp(0)), keyring)
}

#[tokio::test]
async fn an_end_that_was_not_noted_is_found_again_and_trimmed_with_its_log() {
    use store::Catalog;
    let store = Arc::new(Memory::new(Clock::manual(Timestamp(0))));
    let batches = [
        data(1, 0),
        data(2, 0),
        data(1, 1),
        end(2),
        end(1),
        data(1, 2),
    ];
    let txn = Txn {
        logs: vec![LogChange::Create(LOG)],
        appends: batches
            .into_iter()
            .map(|batch| Append::to(LOG, batch))
            .collect(),
        writes: vec![put(LOG, 1, Offset(0), Offset(3))],
        ..Txn::default()
    };
    store.commit(txn).await.unwrap();
    let all = |streams: &Streams| streams.aborted().overlapping(LOG, Offset(0), Offset(9));

    let streams = over(&store);
    streams.load_aborted().await.unwrap();
    assert_eq!(all(&streams), [aborted(1, 0, 4)]);
    streams.settle_aborted().await.unwrap();

    let streams = over(&store);
    streams.load_aborted().await.unwrap();
    assert_eq!(all(&streams), [aborted(1, 0, 4)]);
    assert!(streams.aborted().take_unsettled().is_empty());

    let trim = |to: u64| Txn {
        logs: vec![LogChange::Trim(LOG, Offset(to))],
        ..Txn::default()
    };
    store.commit(trim(4)).await.unwrap();
    streams.trim_aborted().await.unwrap();
    assert_eq!(all(&streams).len(), 1);
    store.commit(trim(5)).await.unwrap();
    streams.trim_aborted().await.unwrap();
    assert!(all(&streams).is_empty());
    let kept = store.scan(Scan::below(&folder())).await.unwrap();
    assert!(kept.is_empty());
}

#[tokio::test]
async fn readers_of_records_see_nothing_aborted_or_undecided() {
    use crate::registry::NewStream;
    use crate::stream::{Mode, StreamName};
    let store = Arc::new(Memory::new(Clock::manual(Timestamp(0))));
    let streams = over(&store);
    let name = StreamName {
        account: model::AccountId::unnamed(),
        region: model::Region::unnamed(),
        name: "s".into(),
    };
    let new = NewStream {
        shards: 1,
        mode: Mode::Provisioned,
        retention_ms: None,
        max_record_bytes: 1 << 20,
        warm_throughput_mibps: None,
        retention_bytes: None,
        extra: std::collections::BTreeMap::new(),
        documents: Vec::new(),
        is_awaited: true,
    };
    let stream = streams.create(&name, new).await.unwrap();
    let log = stream.log(0);
    let batches = [
        data(1, 0),
        data(2, 0),
        end(1),
        end(2),
        data(1, 1),
        data(3, 0),
    ];
    let batches = batches.into_iter().map(|batch| (0, batch)).collect();
    for appended in streams.append_batches(&stream, batches).await {
        appended.unwrap();
    }
    streams.aborted().add(log, aborted(1, 0, 2));
    streams.undecided().restore(log, 3, Some(Offset(5)));
    let until = streams.shown_until(log, Offset(6));
    assert_eq!(until, Offset(5));
    let visible = streams.read_visible(&stream, 0, Offset(0), until, 1 << 20);
    let visible = visible.await.unwrap();
    let offsets: Vec<u64> = visible
        .batches
        .iter()
        .map(|read| read.stored.base_offset.0)
        .collect();
    assert_eq!((offsets, visible.next), (vec![1, 4], Offset(5)));
}

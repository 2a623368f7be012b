//! The contract's sentences, one check each.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::batch::Producer;
use model::{Batch, BatchBuilder, Clock, LogId, Offset, StreamId, Timestamp};

use super::history::rewrite_all;
use crate::contract::{Bounds, Change, Scan, ScanBack, Store, StoredBatch};
use crate::error::StoreError;
use crate::key::Key;
use crate::txn::{Append, Check, Expect, Fence, LogChange, Txn, Write};

const A: LogId = LogId {
    stream: StreamId(1),
    partition: 0,
};
const B: LogId = LogId {
    stream: StreamId(1),
    partition: 1,
};

/// Runs every rule, each against a new store from `make`, which is given a manual clock.
pub async fn check_all<S: Store + 'static, F: AsyncFn(Clock) -> S>(make: F) {
    let clock = || Clock::manual(Timestamp(1_000_000));
    appends_are_read_in_order(&make(clock()).await).await;
    reads_start_inside_a_batch_and_stop_at_the_budget(&make(clock()).await).await;
    one_failed_append_leaves_the_others(&make(clock()).await).await;
    a_transaction_is_all_or_nothing(&make(clock()).await).await;
    checks_hold_or_nothing_happens(&make(clock()).await).await;
    a_sealed_log_is_readable_only(&make(clock()).await).await;
    a_trimmed_log_starts_later(&make(clock()).await).await;
    a_deleted_log_is_gone(&make(clock()).await).await;
    a_retry_is_not_doubled(&make(clock()).await).await;
    a_silent_producer_is_forgotten(&make(clock()).await).await;
    time_and_size_find_batches(&make(clock()).await).await;
    a_rewrite_leaves_gaps_and_moves_nothing(&make(clock()).await).await;
    a_rewrite_asks_of_whole_batches_in_its_span(&make(clock()).await).await;
    a_refused_rewrite_changes_nothing(&make(clock()).await).await;
    documents_are_scanned_in_order(&make(clock()).await).await;
    a_watch_wakes(Arc::new(make(clock()).await)).await;
    let clock = clock();
    a_new_owner_fences_the_old(&make(clock.clone()).await, &clock).await;
}

/// A batch of `count` records that say who they are.
#[must_use]
pub fn batch(label: &str, count: usize, time: i64) -> Batch {
    builder(label, count, time, BatchBuilder::with_capacity(count * 16)).finish()
}

fn builder(label: &str, count: usize, time: i64, mut builder: BatchBuilder) -> BatchBuilder {
    for index in 0..count {
        let value = format!("{label}-{index}");
        builder.push(
            Timestamp(time + index as i64),
            Some(label.as_bytes()),
            Some(value.as_bytes()),
            &[],
        );
    }
    builder
}

fn create(logs: &[LogId]) -> Txn {
    Txn {
        logs: logs.iter().map(|&log| LogChange::Create(log)).collect(),
        ..Txn::default()
    }
}

fn put(key: &str, value: &'static str) -> Write {
    Write::Put {
        key: Key::of(&[key]),
        value: Bytes::from_static(value.as_bytes()),
    }
}

async fn append<S: Store>(store: &S, log: LogId, batch: Batch) -> Result<Offset, StoreError> {
    let mut results = store.append(vec![Append::to(log, batch)]).await;
    results
        .pop()
        .expect("one answer")
        .map(|appended| appended.base_offset)
}

async fn values<S: Store>(store: &S, log: LogId, from: u64) -> Vec<String> {
    let mut from = Offset(from);
    let mut values = Vec::new();
    loop {
        let batches = store.read(log, from, 1).await.expect("readable");
        let Some(last) = batches.last() else {
            return values;
        };
        for record in batches
            .iter()
            .flat_map(|batch| batch.records())
            .filter(|record| record.offset >= from)
        {
            values.push(format!(
                "{}:{}",
                record.offset,
                String::from_utf8_lossy(record.value.unwrap_or_default())
            ));
        }
        from = last.end();
    }
}

async fn appends_are_read_in_order<S: Store>(store: &S) {
    store.commit(create(&[A, B])).await.unwrap();
    assert_eq!(append(store, A, batch("x", 2, 0)).await.unwrap(), Offset(0));
    assert_eq!(append(store, B, batch("y", 1, 0)).await.unwrap(), Offset(0));
    assert_eq!(append(store, A, batch("z", 1, 0)).await.unwrap(), Offset(2));
    assert_eq!(values(store, A, 0).await, ["0:x-0", "1:x-1", "2:z-0"]);
    assert_eq!(values(store, B, 0).await, ["0:y-0"]);
    let many = (0..100)
        .map(|i| Append::to(A, batch(&format!("m{i}"), 1, 0)))
        .collect();
    let offsets: Vec<u64> = store
        .append(many)
        .await
        .into_iter()
        .map(|r| r.unwrap().base_offset.0)
        .collect();
    assert_eq!(offsets, (3..103).collect::<Vec<_>>());
    assert!(matches!(
        append(store, LogId::new(StreamId(9), 0), batch("q", 1, 0)).await,
        Err(StoreError::NoSuchLog { .. })
    ));
}

async fn reads_start_inside_a_batch_and_stop_at_the_budget<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    for label in ["a", "b", "c"] {
        append(store, A, batch(label, 3, 0)).await.unwrap();
    }
    let batches = store.read(A, Offset(4), 1).await.unwrap();
    assert_eq!((batches.len(), batches[0].base_offset), (1, Offset(3)));
    let one = batches[0].batch.bytes().len();
    assert_eq!(store.read(A, Offset(0), one * 2).await.unwrap().len(), 2);
    assert_eq!(store.read(A, Offset(0), usize::MAX).await.unwrap().len(), 3);
    assert!(store.read(A, Offset(9), 1).await.unwrap().is_empty());
    let past = store.read(A, Offset(10), 1).await;
    assert!(
        matches!(
            past,
            Err(StoreError::OffsetOutOfRange { end: Offset(9), .. })
        ),
        "{past:?}"
    );
}

async fn one_failed_append_leaves_the_others<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    let wrong = Append {
        expected: Some(Offset(7)),
        ..Append::to(A, batch("no", 1, 0))
    };
    let right = Append {
        expected: Some(Offset(1)),
        ..Append::to(A, batch("yes", 1, 0))
    };
    let results = store
        .append(vec![
            Append::to(A, batch("a", 1, 0)),
            wrong,
            Append::to(B, batch("b", 1, 0)),
            right,
        ])
        .await;
    assert!(results[0].is_ok() && results[3].is_ok());
    assert!(
        matches!(
            results[1],
            Err(StoreError::OffsetOutOfRange { end: Offset(1), .. })
        ),
        "{results:?}"
    );
    assert!(
        matches!(results[2], Err(StoreError::NoSuchLog { log: B })),
        "{results:?}"
    );
    assert_eq!(values(store, A, 0).await, ["0:a-0", "1:yes-0"]);
}

async fn a_transaction_is_all_or_nothing<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    let appends = vec![
        Append::to(A, batch("a", 1, 0)),
        Append::to(B, batch("b", 1, 0)),
    ];
    let refused = Txn {
        writes: vec![put("k", "v")],
        logs: vec![LogChange::Seal(A)],
        appends,
        ..Txn::default()
    };
    assert!(store.commit(refused).await.is_err());
    assert_eq!(store.bounds(A).await.unwrap(), Bounds::default());
    assert_eq!(store.get(&Key::of(&["k"])).await.unwrap(), None);
    let appends = vec![
        Append::to(A, batch("a", 1, 0)),
        Append::to(A, batch("b", 2, 0)),
    ];
    let txn = Txn {
        writes: vec![put("k", "v")],
        appends,
        ..Txn::default()
    };
    let committed = store.commit(txn).await.unwrap();
    let offsets: Vec<_> = committed.appends.iter().map(|a| a.base_offset).collect();
    assert_eq!(offsets, [Offset(0), Offset(1)]);
    assert_eq!(
        store.get(&Key::of(&["k"])).await.unwrap().unwrap().version,
        committed.version
    );
    assert_eq!(values(store, A, 0).await, ["0:a-0", "1:b-0", "2:b-1"]);
}

async fn checks_hold_or_nothing_happens<S: Store>(store: &S) {
    let key = Key::of(&["k"]);
    let txn = |expect, value| Txn {
        checks: vec![Check {
            key: Key::of(&["k"]),
            expect,
        }],
        writes: vec![put("k", value)],
        ..Txn::default()
    };
    assert!(store.commit(txn(Expect::Present, "no")).await.is_err());
    let first = store
        .commit(txn(Expect::Absent, "1"))
        .await
        .unwrap()
        .version;
    let refused = store.commit(txn(Expect::Absent, "no")).await;
    assert!(
        matches!(&refused, Err(StoreError::Conflict { key: on }) if *on == key),
        "{refused:?}"
    );
    let second = store
        .commit(txn(Expect::At(first), "2"))
        .await
        .unwrap()
        .version;
    assert!(second > first);
    assert!(store.commit(txn(Expect::At(first), "no")).await.is_err());
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, "2");
    let delete = Txn {
        writes: vec![Write::Delete { key: key.clone() }],
        ..txn(Expect::Present, "")
    };
    store.commit(delete).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
}

async fn a_sealed_log_is_readable_only<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    append(store, A, batch("a", 1, 0)).await.unwrap();
    store
        .commit(Txn {
            logs: vec![LogChange::Seal(A)],
            ..Txn::default()
        })
        .await
        .unwrap();
    assert!(matches!(
        append(store, A, batch("b", 1, 0)).await,
        Err(StoreError::Sealed { log: A })
    ));
    assert_eq!(
        store.bounds(A).await.unwrap(),
        Bounds {
            start: Offset(0),
            end: Offset(1),
            sealed: true
        }
    );
    assert_eq!(values(store, A, 0).await, ["0:a-0"]);
}

async fn a_trimmed_log_starts_later<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    append(store, A, batch("a", 2, 0)).await.unwrap();
    append(store, A, batch("b", 2, 0)).await.unwrap();
    let trim = |offset| Txn {
        logs: vec![LogChange::Trim(A, Offset(offset))],
        ..Txn::default()
    };
    assert!(store.commit(trim(5)).await.is_err());
    store.commit(trim(3)).await.unwrap();
    store.commit(trim(1)).await.unwrap();
    assert_eq!(store.bounds(A).await.unwrap().start, Offset(3));
    assert_eq!(values(store, A, 3).await, ["3:b-1"]);
    assert!(matches!(
        store.read(A, Offset(2), 1).await,
        Err(StoreError::OffsetOutOfRange {
            start: Offset(3),
            ..
        })
    ));
    store.commit(trim(4)).await.unwrap();
    assert_eq!(append(store, A, batch("c", 1, 0)).await.unwrap(), Offset(4));
    assert_eq!(values(store, A, 4).await, ["4:c-0"]);
}

async fn a_deleted_log_is_gone<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    assert!(store.commit(create(&[A])).await.is_err());
    append(store, A, batch("a", 1, 0)).await.unwrap();
    store
        .commit(Txn {
            logs: vec![LogChange::Delete(A)],
            ..Txn::default()
        })
        .await
        .unwrap();
    assert!(matches!(
        store.bounds(A).await,
        Err(StoreError::NoSuchLog { log: A })
    ));
    assert!(matches!(
        store.read(A, Offset(0), 1).await,
        Err(StoreError::NoSuchLog { log: A })
    ));
    assert!(append(store, A, batch("a", 1, 0)).await.is_err());
    assert!(store.watch(A).is_err());
    store.commit(create(&[A])).await.unwrap();
    assert_eq!(store.bounds(A).await.unwrap(), Bounds::default());
}

async fn a_retry_is_not_doubled<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    let by = |epoch, sequence, label| {
        let writer = BatchBuilder::with_capacity(16).by(Producer {
            id: 5,
            epoch,
            sequence,
        });
        builder(label, 2, 0, writer).finish()
    };
    append(store, A, by(0, 0, "a")).await.unwrap();
    append(store, A, batch("other", 1, 0)).await.unwrap();
    append(store, A, by(0, 2, "b")).await.unwrap();
    let again = store
        .append(vec![
            Append::to(A, by(0, 0, "a")),
            Append::to(A, by(0, 2, "b")),
        ])
        .await;
    let seen: Vec<_> = again
        .into_iter()
        .map(|r| r.unwrap())
        .map(|a| (a.base_offset.0, a.duplicate))
        .collect();
    assert_eq!(seen, [(0, true), (3, true)]);
    assert!(matches!(
        append(store, A, by(0, 9, "gap")).await,
        Err(StoreError::OutOfOrderSequence { .. })
    ));
    append(store, A, by(1, 0, "c")).await.unwrap();
    assert!(matches!(
        append(store, A, by(0, 4, "old")).await,
        Err(StoreError::ProducerFenced { .. })
    ));
    assert_eq!(values(store, A, 0).await.len(), 7);
    let seen = store.producers(A).await.unwrap();
    let seen: Vec<_> = seen
        .iter()
        .map(|one| (one.id, one.epoch, one.last_sequence, one.batches.as_slice()))
        .collect();
    assert_eq!(seen, [(5, 1, 1, [Offset(5)].as_slice())]);
    let within_one_call = store
        .append(vec![
            Append::to(A, by(1, 2, "d")),
            Append::to(A, by(1, 2, "d")),
        ])
        .await;
    assert!(
        matches!(&within_one_call[..], [Ok(first), Ok(second)] if !first.duplicate && second.duplicate)
    );
    let seal = Txn {
        logs: vec![LogChange::Seal(A)],
        ..Txn::default()
    };
    store.commit(seal).await.unwrap();
    let after_the_seal = store.append(vec![Append::to(A, by(1, 2, "d"))]).await;
    assert!(
        matches!(&after_the_seal[..], [Ok(known)] if known.duplicate),
        "a retry is answered though the log takes no more: {after_the_seal:?}"
    );
}

async fn a_silent_producer_is_forgotten<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    let by = |id, sequence| {
        let writer = BatchBuilder::with_capacity(16).by(Producer {
            id,
            epoch: 0,
            sequence,
        });
        builder("x", 1, 0, writer).finish()
    };
    for (id, sequence) in [(1, 0), (2, 0), (1, 1)] {
        append(store, A, by(id, sequence)).await.unwrap();
    }
    let forget = Txn {
        logs: vec![LogChange::ForgetProducers(A, Offset(2))],
        appends: vec![Append::to(A, by(2, 0))],
        ..Txn::default()
    };
    let committed = store.commit(forget).await.unwrap();
    assert!(!committed.appends[0].duplicate, "forgotten within");
    assert!(append(store, A, by(1, 5)).await.is_err(), "not forgotten");
    append(store, A, by(1, 2)).await.unwrap();
}

async fn time_and_size_find_batches<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    for (index, time) in [100, 200, 300].into_iter().enumerate() {
        append(store, A, batch(&index.to_string(), 2, time))
            .await
            .unwrap();
    }
    for (time, expected) in [
        (0, 0),
        (100, 0),
        (101, 0),
        (102, 2),
        (200, 2),
        (301, 4),
        (302, 6),
    ] {
        let found = store.offset_for_time(A, Timestamp(time)).await.unwrap();
        assert_eq!(found, Offset(expected), "time {time}");
    }
    let one = store.read(A, Offset(0), 1).await.unwrap()[0]
        .batch
        .bytes()
        .len() as u64;
    for (bytes, expected) in [
        (0, 6),
        (1, 4),
        (one, 4),
        (one + 1, 2),
        (one * 2, 2),
        (one * 9, 0),
    ] {
        assert_eq!(
            store.offset_for_size(A, bytes).await.unwrap(),
            Offset(expected),
            "{bytes} bytes"
        );
    }
}

/// Keeps only records of odd offsets of `second`, and nothing of `third`.
fn only_odd(second: u64, third: u64) -> impl Fn(&StoredBatch) -> Change + Send + Sync {
    move |stored| {
        let base = stored.base_offset;
        if base.0 == third {
            return Change::Drop;
        }
        if base.0 != second {
            return Change::Keep;
        }
        let odd = stored
            .batch
            .compacted(base, None, |record| record.offset.0 % 2 == 1);
        odd.map_or(Change::Drop, Change::Replace)
    }
}

async fn a_rewrite_leaves_gaps_and_moves_nothing<S: Store>(store: &S) {
    store.commit(create(&[A, B])).await.unwrap();
    let by = Producer {
        id: 5,
        epoch: 0,
        sequence: 0,
    };
    let writer = BatchBuilder::with_capacity(16).by(by);
    append(store, A, batch("a", 2, 100)).await.unwrap();
    append(store, A, batch("b", 4, 200)).await.unwrap();
    let third = builder("c", 3, 300, writer).finish();
    append(store, A, third.clone()).await.unwrap();
    append(store, A, batch("d", 1, 400)).await.unwrap();
    append(store, B, batch("other", 1, 0)).await.unwrap();
    rewrite_all(store, A, Offset(0)..Offset(9), only_odd(2, 6))
        .await
        .unwrap();
    let left = ["0:a-0", "1:a-1", "3:b-1", "5:b-3", "9:d-0"];
    assert_eq!(values(store, A, 0).await, left);
    assert_eq!(values(store, B, 0).await, ["0:other-0"]);
    let bounds = store.bounds(A).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (Offset(0), Offset(10)));
    for (from, base) in [(2, 2), (5, 2), (6, 9), (8, 9)] {
        let found = store.read(A, Offset(from), 1).await.unwrap();
        assert_eq!(found[0].base_offset, Offset(base), "from {from}");
    }
    for (time, offset) in [(101, 0), (102, 2), (203, 2), (204, 9), (301, 9), (401, 10)] {
        let found = store.offset_for_time(A, Timestamp(time)).await.unwrap();
        assert_eq!(found, Offset(offset), "time {time}");
    }
    let sizes: Vec<u64> = store
        .read(A, Offset(0), usize::MAX)
        .await
        .unwrap()
        .iter()
        .map(|stored| stored.batch.bytes().len() as u64)
        .collect();
    for (bytes, offset) in [
        (0, 10),
        (sizes[2] - 1, 9),
        (sizes[2], 9),
        (sizes[2] + 1, 2),
        (sizes[2] + sizes[1], 2),
        (sizes[2] + sizes[1] + sizes[0], 0),
    ] {
        let found = store.offset_for_size(A, bytes).await.unwrap();
        assert_eq!(found, Offset(offset), "{bytes} bytes");
    }
    let again = store.append(vec![Append::to(A, third)]).await;
    assert!(
        matches!(again[..], [Ok(known)] if known.duplicate && known.base_offset == Offset(6)),
        "a dropped batch is known all the same: {again:?}"
    );
    let trim = Txn {
        logs: vec![LogChange::Trim(A, Offset(7))],
        ..Txn::default()
    };
    store.commit(trim).await.unwrap();
    assert_eq!(values(store, A, 7).await, ["9:d-0"]);
    assert_eq!(
        append(store, A, batch("e", 1, 0)).await.unwrap(),
        Offset(10)
    );
}

async fn a_rewrite_asks_of_whole_batches_in_its_span<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    for label in ["a", "b", "c", "d"] {
        append(store, A, batch(label, 3, 0)).await.unwrap();
    }
    for (start, end, expected) in [
        (0, 12, vec![0, 3, 6, 9]),
        (3, 9, vec![3, 6]),
        (4, 8, vec![3]),
        (7, 8, vec![]),
        (12, 12, vec![]),
    ] {
        let span = Offset(start)..Offset(end);
        let asked = rewrite_all(store, A, span, |_| Change::Keep).await.unwrap();
        let asked: Vec<u64> = asked.iter().map(|offset| offset.0).collect();
        assert_eq!(asked, expected, "{start}..{end}");
    }
    rewrite_all(store, A, Offset(0)..Offset(12), |_| Change::Drop)
        .await
        .unwrap();
    assert!(store.read(A, Offset(0), 1).await.unwrap().is_empty());
    assert_eq!(store.bounds(A).await.unwrap().end, Offset(12));
    assert!(store.pieces(A).await.unwrap().is_empty());
    append(store, A, batch("e", 2, 0)).await.unwrap();
    assert_eq!(values(store, A, 4).await, ["12:e-0", "13:e-1"]);
}

async fn a_refused_rewrite_changes_nothing<S: Store>(store: &S) {
    store.commit(create(&[A])).await.unwrap();
    append(store, A, batch("a", 2, 0)).await.unwrap();
    append(store, A, batch("b", 2, 0)).await.unwrap();
    let past = rewrite_all(store, A, Offset(0)..Offset(5), |_| Change::Drop).await;
    assert!(
        matches!(
            past,
            Err(StoreError::OffsetOutOfRange { end: Offset(4), .. })
        ),
        "{past:?}"
    );
    let missing = rewrite_all(store, B, Offset(0)..Offset(0), |_| Change::Drop).await;
    assert!(
        matches!(missing, Err(StoreError::NoSuchLog { log: B })),
        "{missing:?}"
    );
    let wrong = rewrite_all(store, A, Offset(0)..Offset(4), |stored| {
        if stored.base_offset == Offset(0) {
            return Change::Drop;
        }
        Change::Replace(batch("long", 3, 0))
    });
    let wrong = wrong.await;
    assert!(
        matches!(wrong, Err(StoreError::Invalid { .. })),
        "{wrong:?}"
    );
    let failing = |stored: &StoredBatch| match stored.base_offset {
        Offset(0) => Ok(Change::Drop),
        _ => Err(StoreError::Full),
    };
    let failed = store
        .rewrite(A, Offset(0)..Offset(4), Box::new(failing))
        .await;
    assert!(matches!(failed, Err(StoreError::Full)), "{failed:?}");
    assert_eq!(
        values(store, A, 0).await,
        ["0:a-0", "1:a-1", "2:b-0", "3:b-1"]
    );
}

async fn documents_are_scanned_in_order<S: Store>(store: &S) {
    for path in [
        &["a", "2"][..],
        &["a", "1"],
        &["a"],
        &["ab"],
        &["a", "1", "x"],
        &["b", "1"],
    ] {
        let write = Write::Put {
            key: Key::of(path),
            value: Bytes::from(path.join("/")),
        };
        store
            .commit(Txn {
                writes: vec![write],
                ..Txn::default()
            })
            .await
            .unwrap();
    }
    let found = |documents: Vec<(Key, crate::Document)>| -> Vec<String> {
        documents
            .into_iter()
            .map(|(_, document)| String::from_utf8_lossy(&document.value).into_owned())
            .collect()
    };
    let below = Scan::below(&Key::of(&["a"]));
    assert_eq!(
        found(store.scan(below.clone()).await.unwrap()),
        ["a/1", "a/1/x", "a/2"]
    );
    let next = Scan {
        after: Some(Key::of(&["a", "1"])),
        limit: 1,
        ..below
    };
    assert_eq!(found(store.scan(next).await.unwrap()), ["a/1/x"]);
    let back = |before: Option<&[&str]>, limit| ScanBack {
        prefix: Key::of(&["a"]).children(),
        before: before.map(Key::of),
        limit,
    };
    for (scan, expected) in [
        (back(None, 9), &["a/2", "a/1/x", "a/1"][..]),
        (back(None, 2), &["a/2", "a/1/x"]),
        (back(Some(&["a", "2"]), 9), &["a/1/x", "a/1"]),
        (back(Some(&["a", "1", "x"]), 9), &["a/1"]),
        (back(Some(&["b", "1"]), 1), &["a/2"]),
        (back(Some(&["a"]), 9), &[]),
    ] {
        assert_eq!(found(store.scan_back(scan).await.unwrap()), expected);
    }
    let all = ScanBack {
        prefix: Key::from_bytes(Bytes::new()),
        before: None,
        limit: 2,
    };
    assert_eq!(found(store.scan_back(all).await.unwrap()), ["b/1", "ab"]);
}

async fn a_watch_wakes<S: Store + 'static>(store: Arc<S>) {
    store.commit(create(&[A])).await.unwrap();
    let mut watch = store.watch(A).unwrap();
    let waiter = tokio::spawn(async move {
        let grown = watch.past(Offset(0)).await.map(|bounds| bounds.end);
        let sealed = watch.past(Offset(1)).await.map(|bounds| bounds.sealed);
        let deleted = loop {
            match watch.past(Offset(1)).await {
                Some(_) => tokio::task::yield_now().await,
                None => break true,
            }
        };
        (grown, sealed, deleted)
    });
    append(&*store, A, batch("a", 1, 0)).await.unwrap();
    store
        .commit(Txn {
            logs: vec![LogChange::Seal(A)],
            ..Txn::default()
        })
        .await
        .unwrap();
    let mut late = store.watch(A).unwrap();
    assert!(
        late.past(Offset(0))
            .await
            .is_some_and(|bounds| bounds.sealed)
    );
    drop(late);
    // The waiter must have seen the seal before the log goes, which a watch need not replay.
    while !waiter.is_finished() {
        match store
            .commit(Txn {
                logs: vec![LogChange::Delete(A)],
                ..Txn::default()
            })
            .await
        {
            Ok(_) | Err(StoreError::NoSuchLog { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    let (grown, _, deleted) = waiter.await.unwrap();
    assert!(deleted && grown.is_none_or(|end| end == Offset(1)));
}

async fn a_new_owner_fences_the_old<S: Store>(store: &S, clock: &Clock) {
    let name = Key::of(&["lease"]);
    let minute = Duration::from_secs(60);
    let first = store.acquire(&name, "one", minute).await.unwrap();
    assert_eq!(
        store.acquire(&name, "one", minute).await.unwrap().epoch,
        first.epoch
    );
    assert!(matches!(
        store.acquire(&name, "two", minute).await,
        Err(StoreError::Conflict { .. })
    ));
    let by = |epoch| Txn {
        fence: Some(Fence {
            lease: Key::of(&["lease"]),
            epoch,
        }),
        writes: vec![put("k", "v")],
        ..Txn::default()
    };
    store.commit(by(first.epoch)).await.unwrap();
    clock.advance(minute * 2);
    store
        .commit(by(first.epoch))
        .await
        .expect("expiry alone fences nobody");
    let second = store.acquire(&name, "two", minute).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert!(matches!(
        store.commit(by(first.epoch)).await,
        Err(StoreError::Fenced { .. })
    ));
    assert!(store.release(&first).await.is_err());
    store.commit(by(second.epoch)).await.unwrap();
    store.release(&second).await.unwrap();
    assert!(store.acquire(&name, "three", minute).await.unwrap().epoch > second.epoch);
}

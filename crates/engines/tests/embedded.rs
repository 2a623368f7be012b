//! The embedded engine keeps the contract, on a real and on the simulated disk, and keeps it over restarts.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use engines::sim::{Faults, SimDisk};
use engines::{Durability, Embedded, Options};
use model::{BatchBuilder, Clock, LogId, Offset, Rng, StreamId, Timestamp};
use store::conformance::{batch, check_all, check_history, compare, rewrite_all};
use store::{Append, Catalog, Key, Log, LogChange, StoreError, Txn, Write};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "headwater-engines-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Files so small that everything happens often.
fn small(options: Options) -> Options {
    Options {
        journal_file_bytes: 32 << 10,
        journal_bytes_max: 2 << 20,
        first_file_bytes: 16 << 10,
        cache_bytes: 2 << 10,
        compact_files: 3,
        ..options
    }
}

fn on_real(path: &Path) -> Options {
    small(Options::at(path).unwrap())
}

fn log(partition: u32) -> LogId {
    LogId::new(StreamId(1), partition)
}

fn create(logs: &[LogId]) -> Txn {
    Txn {
        logs: logs.iter().map(|&log| LogChange::Create(log)).collect(),
        ..Txn::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_hold_on_a_real_disk() {
    let folders = std::sync::Mutex::new(Vec::new());
    check_all(async |clock| {
        let folder = Folder::new();
        let options = Options {
            clock,
            ..on_real(&folder.0)
        };
        folders.lock().unwrap().push(folder);
        Embedded::open(options).unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rules_hold_on_the_simulated_disk() {
    check_all(async |clock| {
        let disk = Arc::new(SimDisk::new(Rng::seeded(1)));
        Embedded::open(Options {
            clock,
            rng: Rng::seeded(2),
            ..small(Options::on(disk))
        })
        .unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_hold_over_restarts() {
    for seed in 0..12 {
        let folder = Folder::new();
        let steps = 150 + 50 * seed as usize;
        let store = Embedded::open(on_real(&folder.0)).unwrap();
        let naive = check_history(&store, seed, steps).await;
        drop(store);
        for start in 0..3 {
            let store = Embedded::open(on_real(&folder.0)).unwrap();
            compare(&store, &naive, &format!("seed {seed}, start {start}")).await;
            store.close().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_hold_on_the_simulated_disk() {
    for seed in 0..12 {
        let disk = Arc::new(SimDisk::new(Rng::seeded(seed)));
        let options = small(Options::on(disk));
        let store = Embedded::open(options.clone()).unwrap();
        let naive = check_history(&store, seed, 400).await;
        drop(store);
        let store = Embedded::open(options).unwrap();
        compare(&store, &naive, &format!("seed {seed}")).await;
    }
}

/// A batch of one record of `bytes` bytes that says its number.
fn numbered(number: u64, bytes: usize) -> model::Batch {
    let mut builder = BatchBuilder::with_capacity(bytes + 32);
    let mut value = vec![b'.'; bytes];
    value[..8].copy_from_slice(&number.to_be_bytes());
    builder.push(Timestamp(number as i64), None, Some(&value), &[]);
    builder.finish()
}

async fn check_numbered(store: &Embedded, log: LogId, from: u64, end: u64) {
    let mut next = from;
    while next < end {
        let batches = store.read(log, Offset(next), 10_000).await.unwrap();
        for stored in &batches {
            assert_eq!(stored.base_offset, Offset(next), "{log}");
            let record = stored.records().next().unwrap();
            assert_eq!(&record.value.unwrap()[..8], &next.to_be_bytes(), "{log}");
            next += 1;
        }
        assert!(!batches.is_empty(), "{log} ends at {next}, not {end}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_move_to_segments_and_stay_readable() {
    let folder = Folder::new();
    let store = Embedded::open(on_real(&folder.0)).unwrap();
    let logs: Vec<LogId> = (0..5).map(log).collect();
    store.commit(create(&logs)).await.unwrap();
    let rounds = 400;
    for number in 0..rounds {
        let appends = logs
            .iter()
            .map(|&log| Append::to(log, numbered(number, 300)))
            .collect();
        for result in store.append(appends).await {
            assert_eq!(result.unwrap().base_offset, Offset(number));
        }
        if number % 97 == 0 {
            check_numbered(&store, logs[0], 0, number + 1).await;
        }
    }
    let mut stats = store.stats();
    while stats.segments == 0 {
        tokio::task::yield_now().await;
        stats = store.stats();
    }
    for &log in &logs {
        check_numbered(&store, log, 0, rounds).await;
        for number in [0, 1, 57, 200, rounds - 1] {
            let found = store.offset_for_time(log, Timestamp(number as i64)).await;
            assert_eq!(found.unwrap(), Offset(number));
        }
        let one = numbered(0, 300).bytes().len() as u64;
        for kept in [1, 2, 100, rounds] {
            let found = store.offset_for_size(log, one * kept - 5).await;
            assert_eq!(found.unwrap(), Offset(rounds - kept));
        }
    }
    drop(store);
    let store = Embedded::open(on_real(&folder.0)).unwrap();
    for &log in &logs {
        check_numbered(&store, log, 0, rounds).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_go_when_nothing_is_wanted_of_them() {
    let folder = Folder::new();
    let store = Embedded::open(on_real(&folder.0)).unwrap();
    store.commit(create(&[log(0)])).await.unwrap();
    for number in 0..600 {
        for result in store
            .append(vec![Append::to(log(0), numbered(number, 400))])
            .await
        {
            result.unwrap();
        }
    }
    while store.stats().segments == 0 {
        tokio::task::yield_now().await;
    }
    let trim = Txn {
        logs: vec![LogChange::Trim(log(0), Offset(600))],
        ..Txn::default()
    };
    store.commit(trim).await.unwrap();
    while store.stats().segments > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.bounds(log(0)).await.unwrap().start, Offset(600));
    drop(store);
    let left = std::fs::read_dir(folder.0.join("segments")).unwrap();
    assert_eq!(left.count(), 0, "files of segments are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_future_does_not_undo_its_write() {
    let folder = Folder::new();
    let store = Embedded::open(on_real(&folder.0)).unwrap();
    store.commit(create(&[log(0)])).await.unwrap();
    drop(store.append(vec![Append::to(log(0), batch("a", 1, 0))]));
    let results = store
        .append(vec![Append::to(log(0), batch("b", 1, 0))])
        .await;
    assert_eq!(results[0].as_ref().unwrap().base_offset, Offset(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_wait_when_the_queue_is_full() {
    let folder = Folder::new();
    let options = Options {
        queue_bytes_max: 4096,
        ..on_real(&folder.0)
    };
    let store = Arc::new(Embedded::open(options).unwrap());
    store.commit(create(&[log(0)])).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .append(vec![Append::to(log(0), numbered(number, 1500))])
                    .await
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap()[0].is_ok());
    }
    assert_eq!(store.bounds(log(0)).await.unwrap().end, Offset(64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_room_is_written_in_the_order_of_the_calls() {
    let folder = Folder::new();
    let options = Options {
        queue_bytes_max: 4096,
        ..on_real(&folder.0)
    };
    let store = Embedded::open(options).unwrap();
    store.commit(create(&[log(0), log(1)])).await.unwrap();
    let append = |log, number| store.append(vec![Append::to(log, numbered(number, 1500))]);
    let others: Vec<_> = (0..64).map(|number| append(log(0), number)).collect();
    let first = append(log(1), 0);
    let second = append(log(1), 1);
    for other in others {
        assert!(other.await[0].is_ok());
    }
    // Nobody has asked after the first one yet.
    let second = second.await[0].clone().unwrap();
    let first = first.await[0].clone().unwrap();
    assert_eq!((first.base_offset.0, second.base_offset.0), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_are_not_disturbed_while_batches_move() {
    let folder = Folder::new();
    let store = Arc::new(Embedded::open(on_real(&folder.0)).unwrap());
    let logs: Vec<LogId> = (0..3).map(log).collect();
    store.commit(create(&logs)).await.unwrap();
    let rounds = 1500;
    let writer = tokio::spawn({
        let (store, logs) = (store.clone(), logs.clone());
        async move {
            for number in 0..rounds {
                // All of one length, so that batches of other logs and times lie at the same places of a file.
                let appends = logs
                    .iter()
                    .map(|&log| Append::to(log, numbered(number, 400)));
                for result in store.append(appends.collect()).await {
                    result.unwrap();
                }
            }
        }
    });
    let readers: Vec<_> = (0..4)
        .map(|seed| {
            let (store, logs) = (store.clone(), logs.clone());
            tokio::spawn(async move {
                let rng = Rng::seeded(seed);
                let mut reads = 0;
                loop {
                    let log = logs[rng.below(3) as usize];
                    let end = store.bounds(log).await.unwrap().end.0;
                    let from = rng.below(end + 1);
                    check_numbered(&store, log, from, end.min(from + 40)).await;
                    reads += 1;
                    // What is in memory is answered without a pause.
                    tokio::task::yield_now().await;
                    if end == rounds && reads > 200 {
                        break;
                    }
                }
            })
        })
        .collect();
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(store.stats().segments > 0, "batches have moved");
}

/// While a log grows and is read, its older part is rewritten again and again: what was to stay is read, once and in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_are_not_disturbed_while_a_log_is_rewritten() {
    let folder = Folder::new();
    let store = Arc::new(Embedded::open(on_real(&folder.0)).unwrap());
    store.commit(create(&[log(0)])).await.unwrap();
    let rounds: u64 = 600;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..rounds {
                let append = Append::to(log(0), numbered(number, 400));
                store.append(vec![append]).await.remove(0).unwrap();
            }
        }
    });
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let mut passes = 0;
            loop {
                let end = store.bounds(log(0)).await.unwrap().end;
                let mut from = Offset(0);
                let mut kept = Vec::new();
                while let Some(last) = {
                    let found = store.read(log(0), from, 8_000).await.unwrap();
                    kept.extend(found.iter().map(|stored| stored.base_offset.0));
                    found.last().cloned()
                } {
                    from = last.end();
                }
                assert!(kept.is_sorted_by(|one, next| one < next));
                let stays = kept.iter().filter(|number| number.is_multiple_of(10));
                assert!(stays.count() as u64 >= end.0.div_ceil(10));
                passes += 1;
                if end.0 == rounds && passes > 20 {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let mut is_over = false;
    while !is_over {
        is_over = writer.is_finished() && reader.is_finished();
        let end = store.bounds(log(0)).await.unwrap().end;
        let drop_most = |stored: &store::StoredBatch| {
            if stored.base_offset.0.is_multiple_of(10) {
                store::Change::Keep
            } else {
                store::Change::Drop
            }
        };
        rewrite_all(&*store, log(0), Offset(0)..end, drop_most)
            .await
            .unwrap();
    }
    writer.await.unwrap();
    reader.await.unwrap();
    let count = |found: Vec<store::StoredBatch>| found.len() as u64;
    let expected = rounds.div_ceil(10);
    let all = store.read(log(0), Offset(0), usize::MAX).await.unwrap();
    assert_eq!(count(all), expected);
    drop(store);
    let store = Embedded::open(on_real(&folder.0)).unwrap();
    let all = store.read(log(0), Offset(0), usize::MAX).await.unwrap();
    assert_eq!(count(all), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_is_told_when_a_sync_fails() {
    let disk = SimDisk::new(Rng::seeded(1));
    let store = Embedded::open(small(Options::on(Arc::new(disk.clone())))).unwrap();
    store.commit(create(&[log(0)])).await.unwrap();
    disk.set_faults(Faults {
        sync: 1,
        ..Faults::default()
    });
    let results = store
        .append(vec![Append::to(log(0), batch("a", 1, 0))])
        .await;
    assert!(
        matches!(results[..], [Err(StoreError::Unknown { .. })]),
        "{results:?}"
    );
    let reason = store.poisoned().await;
    assert!(reason.contains("journal"), "{reason}");
    let results = store
        .append(vec![Append::to(log(0), batch("b", 1, 0))])
        .await;
    assert!(
        matches!(results[..], [Err(StoreError::Unavailable { .. })]),
        "{results:?}"
    );
    assert!(store.read(log(0), Offset(0), 1).await.unwrap().is_empty());
    assert!(store.close().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_syncs_a_power_cut_loses_but_damages_nothing() {
    for seed in 0..20 {
        let disk = SimDisk::new(Rng::seeded(seed));
        let unsynced = |disk: &SimDisk| Options {
            durability: Durability::Os,
            ..small(Options::on(Arc::new(disk.clone())))
        };
        let store = Embedded::open(unsynced(&disk)).unwrap();
        store.commit(create(&[log(0)])).await.unwrap();
        for number in 0..150 {
            let results = store
                .append(vec![Append::to(log(0), numbered(number, 700))])
                .await;
            assert!(results[0].is_ok(), "{results:?}");
        }
        let disk = disk.crash();
        drop(store);
        let store = Embedded::open(unsynced(&disk)).unwrap();
        if let Ok(bounds) = store.bounds(log(0)).await {
            check_numbered(&store, log(0), 0, bounds.end.0).await;
        }
        store.close().unwrap();
        drop(store);
        let store = Embedded::open(unsynced(&disk.crash())).unwrap();
        drop(store);
    }
}

/// More trims than a file's last reserve has room for, and room comes of them, over restarts as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_emptied_by_trims_in_many_frames() {
    for is_restarted in [false, true] {
        let disk = SimDisk::new(Rng::seeded(1));
        let options = |disk: &SimDisk| Options {
            journal_file_bytes: 2 << 20,
            journal_bytes_max: 16 << 20,
            first_file_bytes: 1 << 20,
            compact_files: 4,
            ..Options::on(Arc::new(disk.clone()))
        };
        let mut store = Embedded::open(options(&disk)).unwrap();
        store.commit(create(&[log(0)])).await.unwrap();
        disk.set_capacity(24 << 20);
        let append = async |store: &Embedded| {
            let append = Append::to(log(0), numbered(0, 50_000));
            store.append(vec![append]).await.remove(0)
        };
        let refused = loop {
            if let Err(error) = append(&store).await {
                break error;
            }
        };
        assert!(matches!(refused, StoreError::Full), "{refused}");
        let end = store.bounds(log(0)).await.unwrap().end.0;
        assert!(end > 300, "{end} batches");
        let mut after_crash = disk.clone();
        if is_restarted {
            after_crash = disk.crash();
            drop(store);
            store = Embedded::open(options(&after_crash)).unwrap();
        }
        for before in (1..=300).chain([end]) {
            let trim = LogChange::Trim(log(0), Offset(before));
            let trimmed = store.commit(Txn {
                logs: vec![trim],
                ..Txn::default()
            });
            trimmed.await.unwrap();
        }
        while append(&store).await.is_err() {
            tokio::task::yield_now().await;
        }
        store.close().unwrap();
        drop(store);
        let store = Embedded::open(options(&after_crash.crash())).unwrap();
        assert_eq!(store.bounds(log(0)).await.unwrap().start.0, end);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_wait_at_the_journals_limit_until_compaction_catches_up() {
    let folder = Folder::new();
    let options = Options {
        journal_bytes_max: 4 * (32 << 10),
        compact_files: 100,
        ..on_real(&folder.0)
    };
    let store = Embedded::open(options).unwrap();
    store.commit(create(&[log(0)])).await.unwrap();
    for number in 0..500 {
        let results = store
            .append(vec![Append::to(log(0), numbered(number, 1000))])
            .await;
        assert!(results[0].is_ok(), "{results:?}");
    }
    check_numbered(&store, log(0), 0, 500).await;
}

#[tokio::test]
async fn a_data_directory_is_for_one_process_and_one_format() {
    let folder = Folder::new();
    let store = Embedded::open(on_real(&folder.0)).unwrap();
    let second = Embedded::open(on_real(&folder.0));
    assert!(
        matches!(&second, Err(StoreError::Unavailable { reason, .. }) if reason.contains("in use")),
        "{second:?}"
    );
    // One that is ending is waited for.
    let next = {
        let options = on_real(&folder.0);
        std::thread::spawn(|| Embedded::open(options))
    };
    store.close().unwrap();
    next.join().unwrap().unwrap().close().unwrap();
    let put = Txn {
        writes: vec![Write::Put {
            key: Key::of(&["k"]),
            value: Bytes::from_static(b"v"),
        }],
        ..Txn::default()
    };
    assert!(matches!(
        store.commit(put).await,
        Err(StoreError::Unavailable { .. })
    ));
    std::fs::write(folder.0.join("HEADWATER"), "format = 3\n").unwrap();
    let newer = Embedded::open(on_real(&folder.0));
    assert!(
        matches!(&newer, Err(StoreError::Invalid { what }) if what.contains("format 3")),
        "{newer:?}"
    );
}

#[tokio::test]
async fn too_large_a_write_is_refused_and_the_next_is_not() {
    let folder = Folder::new();
    let store = Embedded::open(on_real(&folder.0)).unwrap();
    store.commit(create(&[log(0)])).await.unwrap();
    let results = store
        .append(vec![
            Append::to(log(0), numbered(0, 40 << 10)),
            Append::to(log(0), numbered(0, 20 << 10)),
        ])
        .await;
    assert!(
        matches!(results[..], [Err(StoreError::Invalid { .. }), Ok(_)]),
        "{results:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_could_not_be_read_again_is_refused() {
    let folder = Folder::new();
    let store = Embedded::open(Options::at(&folder.0).unwrap()).unwrap();
    store.commit(create(&[log(0)])).await.unwrap();
    let batch = || numbered(0, model::batch::BATCH_BYTES_MAX);
    let results = store.append(vec![Append::to(log(0), batch())]).await;
    assert!(matches!(results[..], [Err(StoreError::Invalid { .. })]));
    let committed = store.commit(Txn {
        appends: vec![Append::to(log(0), batch())],
        ..Txn::default()
    });
    assert!(matches!(committed.await, Err(StoreError::Invalid { .. })));
    assert_eq!(store.bounds(log(0)).await.unwrap().end, Offset(0));
}

#[test]
fn a_manual_clock_is_the_stores() {
    let clock = Clock::manual(Timestamp(7));
    let disk = Arc::new(SimDisk::new(Rng::seeded(1)));
    let core = engines::embedded::Core::open(Options {
        clock,
        ..small(Options::on(disk))
    });
    assert_eq!(core.unwrap().now(), Timestamp(7));
}

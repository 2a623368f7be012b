#![allow(clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::IoSlice;
use std::path::PathBuf;

use model::{Batch, BatchBuilder, Rng, StreamId};
use store::StoredBatch;

use super::*;
use crate::disk::Disk;
use crate::sim::{Faults, SimDisk};

const ID: SegmentId = SegmentId(7);

type Logs = BTreeMap<LogId, Vec<StoredBatch>>;

fn log(number: u64) -> LogId {
    LogId::new(StreamId(number / 3), (number % 3) as u32)
}

fn batch(records: usize, bytes: usize, time: i64) -> Batch {
    let mut builder = BatchBuilder::with_capacity(records * bytes);
    for record in 0..records {
        let value = vec![record as u8; bytes];
        builder.push(Timestamp(time), Some(b"key"), Some(&value), &[]);
    }
    builder.finish()
}

fn put(logs: &mut Logs, log: LogId, gap: u64, batch: Batch) {
    let batches = logs.entry(log).or_default();
    let base_offset = batches.last().map_or(Offset(5), StoredBatch::end).plus(gap);
    batches.push(StoredBatch { base_offset, batch });
}

fn random_logs(rng: &Rng) -> Logs {
    let mut logs = Logs::new();
    let bytes_max = [20, 2_000, 40_000][rng.below(3) as usize];
    for step in 0..rng.below(60) as i64 {
        let records = 1 + rng.below(4) as usize;
        let bytes = rng.below(bytes_max) as usize;
        let time = step * 10 + rng.below(40) as i64;
        let gap = if rng.below(5) == 0 { rng.below(9) } else { 0 };
        let batch = batch(records, bytes, time);
        put(&mut logs, log(rng.below(8)), gap, batch);
    }
    logs
}

fn disk(seed: u64) -> (SimDisk, Arc<dyn Disk>) {
    let disk = SimDisk::new(Rng::seeded(seed));
    (disk.clone(), Arc::new(disk))
}

fn write(disk: &Arc<dyn Disk>, logs: &Logs) -> Result<SegmentSummary, StoreError> {
    let mut writer = SegmentWriter::new(Arc::clone(disk), ID)?;
    for (&log, batches) in logs {
        for stored in batches {
            writer.add(log, stored.base_offset, &stored.batch)?;
        }
    }
    writer.finish()
}

/// A log of one block, one of several, and a small one.
fn some_logs() -> Logs {
    let mut logs = Logs::new();
    for time in 0..3 {
        put(&mut logs, log(0), 0, batch(2, 10, time));
    }
    for time in 0..9 {
        put(&mut logs, log(1), time, batch(1, 700, time as i64));
    }
    put(&mut logs, log(2), 0, batch(1, 1, -5));
    logs
}

#[test]
fn what_is_added_is_read_from_every_offset_with_every_budget() {
    for seed in 0..60 {
        let rng = Rng::seeded(seed);
        let logs = random_logs(&rng);
        let (_, disk) = disk(seed);
        let summary = write(&disk, &logs).unwrap();
        let cache_bytes = [0, 100_000, 1 << 20][rng.below(3) as usize];
        let segments = Segments::new(disk, cache_bytes);
        assert_eq!(segments.verify(ID).unwrap(), summary);
        let logs_found: Vec<LogId> = summary.ranges.iter().map(|range| range.log).collect();
        assert_eq!(logs_found, logs.keys().copied().collect::<Vec<_>>());
        for range in &summary.ranges {
            let batches = &logs[&range.log];
            check_range(range, batches);
            check_reads(&segments, range, batches, seed);
            check_searches(&segments, range, batches, &rng);
        }
    }
}

/// As a journal file has them: in turn, with others' bytes between them.
fn write_kept(disk: &Arc<dyn Disk>, logs: &Logs, rng: &Rng) -> SegmentSummary {
    const NAME: &str = "journal/file";
    disk.create_folder("journal").unwrap();
    disk.create_folder(FOLDER).unwrap();
    let file = disk.create(NAME).unwrap();
    let mut kept: Vec<KeptLog> = logs
        .iter()
        .map(|(&log, batches)| KeptLog::new(log, batches[0].base_offset))
        .collect();
    let mut rows: Vec<_> = logs.values().map(|batches| batches.iter()).collect();
    let mut position = 100;
    while rows.iter().any(|row| row.len() > 0) {
        let at = rng.below(rows.len() as u64) as usize;
        let Some(stored) = rows[at].next() else {
            continue;
        };
        let bytes = stored.batch.bytes();
        file.write_at(&[IoSlice::new(bytes)], position).unwrap();
        let extent = Extent {
            position,
            length: bytes.len() as u32,
        };
        kept[at].add(
            stored.base_offset,
            stored.end(),
            stored.batch.max_timestamp(),
            extent,
        );
        position += bytes.len() as u64 + rng.below(3) * 70_000;
    }
    let id = SegmentId::of_journal(3);
    let capacity = file.length().unwrap();
    // As after an attempt that failed later on.
    let of_some = keep(&**disk, NAME, capacity, id, &kept[..1]).unwrap();
    let of_more = keep(&**disk, NAME, capacity, id, &kept).unwrap();
    let summary = keep(&**disk, NAME, capacity, id, &kept).unwrap();
    assert!(of_some.bytes < of_more.bytes && of_more == summary);
    assert_eq!(file.length().unwrap(), summary.bytes);
    disk.remove(NAME).unwrap();
    summary
}

#[test]
fn a_kept_file_is_read_from_every_offset_with_every_budget() {
    for seed in 0..60 {
        let rng = Rng::seeded(seed);
        let mut logs = random_logs(&rng);
        // More than is read as a part of a region.
        put(&mut logs, log(0), 0, batch(2, 50_000, 5));
        put(&mut logs, log(1), 0, batch(1, 2_000_000, 5));
        let (_, disk) = disk(seed);
        let summary = write_kept(&disk, &logs, &rng);
        let cache_bytes = [0, 100_000, 8 << 20][rng.below(3) as usize];
        let segments = Segments::new(disk, cache_bytes);
        assert_eq!(segments.verify(summary.id).unwrap(), summary);
        for range in &summary.ranges {
            let batches = &logs[&range.log];
            check_range(range, batches);
            check_reads(&segments, range, batches, seed);
            check_searches(&segments, range, batches, &rng);
        }
    }
}

fn check_range(range: &SegmentRange, batches: &[StoredBatch]) {
    let (first, last) = (&batches[0], &batches[batches.len() - 1]);
    assert_eq!((range.start, range.end), (first.base_offset, last.end()));
    let bytes: usize = batches.iter().map(|b| b.batch.bytes().len()).sum();
    assert_eq!(range.batch_bytes, bytes as u64);
    let newest = batches.iter().map(|b| b.batch.max_timestamp()).max();
    assert_eq!(Some(range.max_timestamp), newest);
}

fn expected_read(batches: &[StoredBatch], from: Offset, budget: usize) -> Vec<StoredBatch> {
    let mut gathered = 0;
    let mut expected = Vec::new();
    for stored in batches.iter().filter(|stored| stored.end() > from) {
        gathered += stored.batch.bytes().len();
        if gathered > budget && !expected.is_empty() {
            break;
        }
        expected.push(stored.clone());
    }
    expected
}

/// Read from any offset, ahead and from memory too, and all of it.
fn check_reads(segments: &Segments, range: &SegmentRange, batches: &[StoredBatch], seed: u64) {
    let rng = Rng::seeded(seed);
    for _ in 0..20 {
        let from = Offset(rng.below(range.end.0 + 3));
        let budget = rng.below(100_000) as usize;
        if rng.below(2) == 0 {
            segments.bring(range, from, &mut Room::of(budget)).unwrap();
        }
        let cached = segments.read_cached(range, from, &mut Room::of(budget));
        let found = segments.read(range, from, &mut Room::of(budget)).unwrap();
        assert_eq!(found, expected_read(batches, from, budget), "seed {seed}");
        assert!(cached.is_none_or(|cached| cached == found), "seed {seed}");
    }
    let mut visited = Vec::new();
    let visit = |stored| {
        visited.push(stored);
        Ok(())
    };
    segments.visit(range, visit).unwrap();
    assert_eq!(visited, batches);
}

fn check_searches(segments: &Segments, range: &SegmentRange, batches: &[StoredBatch], rng: &Rng) {
    for _ in 0..20 {
        let time = Timestamp(rng.below(700) as i64);
        let expected = batches.iter().find(|b| b.batch.max_timestamp() >= time);
        assert_eq!(
            segments.offset_for_time(range, time).unwrap(),
            expected.map(|stored| stored.base_offset)
        );
        let bytes = rng.below(range.batch_bytes + 100);
        let mut left = bytes;
        let mut keep_from = range.end;
        for stored in batches.iter().rev() {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(stored.batch.bytes().len() as u64);
            keep_from = stored.base_offset;
        }
        assert_eq!(segments.offset_for_size(range, bytes).unwrap(), keep_from);
    }
}

#[test]
fn a_large_log_has_a_sparse_index_and_is_read_throughout() {
    let mut logs = Logs::new();
    for time in 0..3_000 {
        put(&mut logs, log(1), 0, batch(4, 500, time));
    }
    let (_, disk) = disk(1);
    let summary = write(&disk, &logs).unwrap();
    let range = &summary.ranges[0];
    let blocks = u64::from(range.index.length) / 36;
    assert!((80..100).contains(&blocks), "{blocks} blocks for 6 MB");
    let segments = Segments::new(disk, 1 << 20);
    let mut found = Vec::new();
    let mut from = range.start;
    while from < range.end {
        let batches = segments.read(range, from, &mut Room::of(100_000)).unwrap();
        from = batches.last().map(StoredBatch::end).unwrap();
        found.extend(batches);
    }
    assert_eq!(found, logs[&log(1)]);
}

#[test]
fn many_small_logs_share_a_segment() {
    let mut logs = Logs::new();
    for number in 0..2_000 {
        put(&mut logs, log(number), number, batch(1, 10, number as i64));
    }
    let (_, disk) = disk(1);
    let summary = write(&disk, &logs).unwrap();
    assert_eq!(summary.ranges.len(), 2_000);
    let segments = Segments::new(disk, 10_000);
    assert_eq!(segments.verify(ID).unwrap(), summary);
    for range in &summary.ranges {
        let found = segments.read(range, Offset(0), &mut Room::of(1)).unwrap();
        assert_eq!(found, logs[&range.log]);
    }
}

#[test]
fn the_bytes_are_those_written_down() {
    let (sim, disk) = disk(1);
    let summary = write(&disk, &some_logs()).unwrap();
    let bytes = sim.image()[&ID.file_name()].to_vec();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/v1/segment.seg");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &bytes).unwrap();
    }
    let golden = std::fs::read(&path).expect("run with BLESS=1 to write it");
    assert!(golden == bytes, "the format has changed: {path:?}");
    assert_eq!(summary.bytes, bytes.len() as u64);
}

/// Verifies and reads everything by `summary`, as a store would whose state was untouched.
fn read_all(image: &crate::sim::Image, summary: &SegmentSummary) -> Result<Logs, StoreError> {
    let disk = SimDisk::with_image(Rng::seeded(1), image);
    let segments = Segments::new(Arc::new(disk), 1 << 20);
    let mut logs = Logs::new();
    for range in &summary.ranges {
        logs.insert(
            range.log,
            segments.read(range, Offset(0), &mut Room::of(usize::MAX))?,
        );
    }
    Ok(logs)
}

fn verify(image: &crate::sim::Image) -> Result<SegmentSummary, StoreError> {
    let disk = SimDisk::with_image(Rng::seeded(1), image);
    Segments::new(Arc::new(disk), 0).verify(ID)
}

#[test]
fn every_flip_of_a_bit_is_found_and_never_read() {
    let (sim, disk) = disk(1);
    let logs = some_logs();
    let summary = write(&disk, &logs).unwrap();
    let image = sim.image();
    for position in 0..summary.bytes {
        for bit in [1, 128] {
            let mut image = image.clone();
            let bytes = Arc::make_mut(image.get_mut(&ID.file_name()).unwrap());
            bytes[position as usize] ^= bit;
            match verify(&image) {
                Err(StoreError::Damaged {
                    file, position: at, ..
                }) => {
                    assert_eq!(file, PathBuf::from(ID.file_name()));
                    assert!(at <= summary.bytes);
                }
                other => panic!("flip at {position}: {other:?}"),
            }
            match read_all(&image, &summary) {
                Ok(found) => assert_eq!(found, logs, "flip at {position}"),
                Err(StoreError::Damaged { position: at, .. }) => {
                    assert!(at <= position, "flip at {position} reported at {at}");
                }
                Err(error) => panic!("flip at {position}: {error}"),
            }
        }
    }
}

#[test]
fn every_truncation_and_extension_is_found() {
    let (sim, disk) = disk(1);
    let logs = some_logs();
    let summary = write(&disk, &logs).unwrap();
    let image = sim.image();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut image = image.clone();
        change(Arc::make_mut(image.get_mut(&ID.file_name()).unwrap()));
        image
    };
    for length in 0..summary.bytes as usize {
        let image = with(&|bytes| bytes.truncate(length));
        let outcome = verify(&image);
        assert!(
            matches!(outcome, Err(StoreError::Damaged { .. })),
            "{length}: {outcome:?}"
        );
        match read_all(&image, &summary) {
            Ok(found) => assert_eq!(found, logs, "{length}"),
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => panic!("{length}: {error}"),
        }
    }
    let image = with(&|bytes| bytes.push(0));
    assert!(matches!(verify(&image), Err(StoreError::Damaged { .. })));
}

#[test]
fn garbage_never_panics() {
    let (sim, disk) = disk(1);
    let summary = write(&disk, &some_logs()).unwrap();
    let rng = Rng::seeded(5);
    for _ in 0..2_000 {
        let mut image = sim.image();
        let bytes = Arc::make_mut(image.get_mut(&ID.file_name()).unwrap());
        let start = rng.below(bytes.len() as u64) as usize;
        let end = start + rng.below(200).min((bytes.len() - start) as u64) as usize;
        rng.fill(&mut bytes[start..end]);
        let _ = verify(&image);
        let _ = read_all(&image, &summary);
    }
}

#[test]
fn a_segment_of_another_number_is_damage_and_a_missing_one_too() {
    let (sim, disk) = disk(1);
    let summary = write(&disk, &some_logs()).unwrap();
    disk.rename(&ID.file_name(), &SegmentId(8).file_name())
        .unwrap();
    let segments = Segments::new(disk, 0);
    let range = &summary.ranges[0];
    for id in [ID, SegmentId(8)] {
        let range = &SegmentRange {
            segment: id,
            ..range.clone()
        };
        let read = segments.read(range, Offset(0), &mut Room::of(1));
        assert!(matches!(read, Err(StoreError::Damaged { .. })), "{read:?}");
        assert!(matches!(
            segments.verify(id),
            Err(StoreError::Damaged { .. })
        ));
    }
    assert_eq!(sim.image().len(), 1);
}

#[test]
fn a_finished_segment_outlives_a_crash_and_others_are_cleaned_away() {
    for seed in 0..50 {
        let (sim, disk) = disk(seed);
        let summary = write(&disk, &some_logs()).unwrap();
        disk.sync_folder("").unwrap();
        let mut unfinished = SegmentWriter::new(Arc::clone(&disk), SegmentId(9)).unwrap();
        unfinished.add(log(0), Offset(0), &batch(1, 1, 0)).unwrap();
        disk.create(&SegmentId(8).file_name()).unwrap();
        disk.create("segments/7.seg").unwrap();
        let after = Arc::new(sim.crash());
        let segments = Segments::new(Arc::clone(&after) as Arc<dyn Disk>, 1 << 20);
        segments.keep_only(&BTreeSet::from([ID])).unwrap();
        assert_eq!(segments.verify(ID).unwrap(), summary);
        assert_eq!(after.list(FOLDER).unwrap().len(), 1);
        segments.remove(ID).unwrap();
        segments.remove(ID).unwrap();
        assert!(after.list(FOLDER).unwrap().is_empty());
    }
}

#[test]
fn a_full_disk_is_said_and_nothing_left_behind() {
    let (sim, disk) = disk(1);
    sim.set_capacity(3_000);
    assert!(matches!(write(&disk, &some_logs()), Err(StoreError::Full)));
    assert!(sim.image().is_empty());
    sim.set_capacity(u64::MAX);
    sim.set_faults(Faults {
        sync: 1,
        ..Faults::default()
    });
    assert!(matches!(
        write(&disk, &some_logs()),
        Err(StoreError::Unavailable { .. })
    ));
    assert!(sim.image().is_empty());
    // Whichever of them fails, the folder's included.
    sim.set_faults(Faults {
        sync: 2,
        ..Faults::default()
    });
    for _ in 0..20 {
        match write(&disk, &some_logs()) {
            Ok(summary) => disk.remove(&summary.id.file_name()).unwrap(),
            Err(_) => assert!(sim.image().is_empty()),
        }
    }
    sim.set_faults(Faults::default());
    write(&disk, &some_logs()).unwrap();
}

//! Decay and misuse: a bit turned over anywhere in a data directory, two processes on one, a newer format, a failed sync, a
//! full disk. What is read is right, or the error names file and place; nothing is silently missing.

// A failed expectation is the test's answer.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use engines::embedded::{Core, Outcome, Reply, Request, Step, When};
use engines::sim::{Faults, Image, SimDisk};
use engines::{Embedded, Options};
use model::{Batch, BatchBuilder, LogId, Offset, Rng, StreamId, Timestamp};
use store::{
    Append, Bounds, Change, Key, LogChange, Scan, StoreError, StoredBatch, Txn, Version, Write,
};
use tokio::sync::oneshot::Receiver;

/// Every byte this near to a file's ends is turned over, of the others one in [`STRIDE`].
const ENDS: usize = 600;
const STRIDE: usize = 13;
const THREADS: usize = 2;

const SMALL: LogId = LogId {
    stream: StreamId(1),
    partition: 0,
};
const LARGE: LogId = LogId {
    stream: StreamId(1),
    partition: 1,
};

/// All that a store holds.
#[derive(PartialEq, Debug)]
struct Dump {
    logs: BTreeMap<LogId, (Bounds, Vec<StoredBatch>)>,
    documents: Vec<(Key, Version, Bytes)>,
}

fn disk() -> SimDisk {
    SimDisk::new(Rng::seeded(1))
}

fn options(disk: &SimDisk) -> Options {
    Options {
        journal_file_bytes: 64 << 10,
        journal_bytes_max: 1 << 20,
        cache_bytes: 0,
        segment_cache_bytes: 0,
        rng: Rng::seeded(2),
        ..Options::on(Arc::new(disk.clone()))
    }
}

fn open(disk: &SimDisk) -> Result<Core, StoreError> {
    Core::open(options(disk))
}

fn batch(label: usize, bytes: usize) -> Batch {
    let mut builder = BatchBuilder::with_capacity(bytes);
    let value: Vec<u8> = (0..bytes).map(|index| (index * 7 + label) as u8).collect();
    builder.push(
        Timestamp(label as i64),
        Some(b"key"),
        Some(value.as_slice()),
        &[],
    );
    builder.finish()
}

/// Writes all that waits, or hears why not.
fn drive(core: &Core) {
    let mut can_go_on = true;
    while can_go_on {
        while let Some(frame) = core.next_frame() {
            core.on_written(&frame, frame.run());
        }
        can_go_on = core.has_waiting() && core.prepare() == Ok(true);
    }
    assert!(core.next_frame().is_none(), "there was no room for it");
}

fn answer(mut answers: Vec<Receiver<Reply>>) -> Reply {
    answers.remove(0).try_recv().expect("an answer")
}

fn ask(core: &Core, request: Request) -> Reply {
    let answers = core.submit(vec![request]);
    drive(core);
    answer(answers)
}

fn append(core: &Core, log: LogId, batch: Batch) -> Result<Offset, StoreError> {
    match ask(core, Request::Append(vec![Append::to(log, batch)]))? {
        Outcome::Appended(mut appended) => Ok(appended.remove(0)?.base_offset),
        other => panic!("an append was answered {other:?}"),
    }
}

fn create(core: &Core) {
    let txn = Txn {
        logs: vec![LogChange::Create(SMALL), LogChange::Create(LARGE)],
        ..Txn::default()
    };
    ask(core, Request::Commit(txn)).unwrap();
}

fn put(core: &Core, key: &str, value: String) {
    let write = Write::Put {
        key: Key::of(&["doc", key]),
        value: value.into(),
    };
    let txn = Txn {
        writes: vec![write],
        ..Txn::default()
    };
    ask(core, Request::Commit(txn)).unwrap();
}

fn compact(core: &Core) {
    let plan = core.plan_compaction(When::Now).expect("full files");
    let requests = core.write_segments(&plan).unwrap();
    for request in requests {
        ask(core, request).unwrap();
    }
    core.finish_compaction(&plan).unwrap();
}

/// Drops every third batch of what segments hold of the large log.
fn rewrite(core: &Core) {
    let end = core.bounds(LARGE).unwrap().end;
    let step = core.plan_rewrite(LARGE, &(Offset(0)..end)).unwrap();
    let Step::Write(part) = step else {
        panic!("{step:?}");
    };
    let mut rewriter = |stored: &StoredBatch| {
        let goes = stored.base_offset.0.is_multiple_of(3);
        Ok(if goes { Change::Drop } else { Change::Keep })
    };
    let (request, rewritten) = core.write_rewrite(&part, &mut rewriter).unwrap();
    assert!(rewritten.bytes_after < rewritten.bytes_before);
    ask(core, request.expect("something changed")).unwrap();
}

/// Segments, one of them rewritten, a checkpoint, and several journal files with frames after it; closed in good order. Batches of
/// `keep_batch_bytes` and more stay in their journal files.
fn filled(keep_batch_bytes: u64) -> Image {
    let disk = disk();
    let core = Core::open(Options {
        keep_batch_bytes,
        keep_percent: 50,
        ..options(&disk)
    })
    .unwrap();
    create(&core);
    for label in 0..60 {
        append(&core, LARGE, batch(label, 3_500)).unwrap();
        if label % 10 == 0 {
            append(&core, SMALL, batch(label, 20)).unwrap();
            put(&core, &label.to_string(), format!("value {label}"));
        }
        if label == 20 || label == 40 {
            compact(&core);
        }
        if label == 30 {
            rewrite(&core);
        }
    }
    let mark = core.mark_frame().expect("something to mark");
    core.on_written(&mark, mark.run());
    let image = disk.crash().image();
    assert_eq!(core.stats().files_kept > 1, keep_batch_bytes < u64::MAX);
    let has = |folder: &str| image.keys().filter(|name| name.starts_with(folder)).count();
    assert!(has("journal/0") >= 2 && has("segments/") >= 2 && has("checkpoint/") == 1);
    image
}

/// The batch but for what its writer left in the places of base offset and leader epoch, which nobody is told.
fn told(stored: &StoredBatch) -> StoredBatch {
    let mut bytes = stored.batch.bytes().to_vec();
    bytes[..8].fill(0);
    bytes[12..16].fill(0);
    StoredBatch {
        base_offset: stored.base_offset,
        batch: Batch::parse(bytes.into()).unwrap(),
    }
}

fn dump(core: &Core) -> Result<Dump, StoreError> {
    let mut logs = BTreeMap::new();
    for log in [SMALL, LARGE] {
        let Ok(bounds) = core.bounds(log) else {
            continue;
        };
        let mut batches = Vec::new();
        let mut from = bounds.start;
        while from < bounds.end {
            let found = core.read(log, from, 20_000)?;
            from = found.last().map_or(bounds.end, StoredBatch::end);
            batches.extend(found.iter().map(told));
        }
        logs.insert(log, (bounds, batches));
    }
    let all = Scan {
        prefix: Key::of(&["doc"]),
        after: None,
        limit: usize::MAX,
    };
    let documents = core
        .scan(all)
        .into_iter()
        .map(|(key, document)| (key, document.version, document.value))
        .collect();
    Ok(Dump { logs, documents })
}

fn read_image(image: &Image) -> Result<Dump, StoreError> {
    let disk = SimDisk::with_image(Rng::seeded(3), image);
    dump(&open(&disk)?)
}

/// Whether the flip was found.
fn check_flip(image: &Image, expected: &Dump, name: &str, position: usize) -> bool {
    let mut image = image.clone();
    let bytes = Arc::make_mut(image.get_mut(name).unwrap());
    bytes[position] ^= 1 << (position % 8);
    let place = format!("a flip at byte {position} of {name}");
    match read_image(&image) {
        Ok(found) => {
            assert!(found == *expected, "{place} changed what is read");
            false
        }
        Err(StoreError::Damaged {
            file, position: at, ..
        }) => {
            assert_eq!(file, PathBuf::from(name), "{place}");
            assert!(at <= position as u64, "{place} was reported at {at}");
            true
        }
        // The number in the line that names the format.
        Err(StoreError::Invalid { what }) if name == "HEADWATER" => what.contains("format"),
        Err(error) => panic!("{place}: {error}"),
    }
}

#[test]
fn every_flip_is_found_or_harmless() {
    for keep_batch_bytes in [u64::MAX, 3_000] {
        check_flips(&filled(keep_batch_bytes));
    }
}

fn check_flips(image: &Image) {
    let expected = read_image(image).unwrap();
    assert_eq!(expected.documents.len(), 6);
    let places: Vec<(&str, usize)> = image
        .iter()
        .flat_map(|(name, bytes)| {
            let ends =
                |&at: &usize| at < ENDS || at + ENDS >= bytes.len() || at.is_multiple_of(STRIDE);
            let positions = (0..bytes.len()).filter(ends);
            positions.map(|position| (name.as_str(), position))
        })
        .collect();
    let found: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = places
            .chunks(places.len().div_ceil(THREADS))
            .map(|share| {
                let check = |&&(name, position): &&(&str, usize)| {
                    check_flip(image, &expected, name, position)
                };
                scope.spawn(move || share.iter().filter(check).count())
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    // Free and unwritten parts of journal files are harmless; that nothing was found would be a test that cannot fail.
    assert!(found > places.len() / 4, "{found} of {}", places.len());
}

#[test]
fn the_newest_frame_is_guarded_by_the_mark() {
    let disk = disk();
    let core = open(&disk).unwrap();
    create(&core);
    append(&core, SMALL, batch(1, 100)).unwrap();
    let before = disk.image();
    let mark = core.mark_frame().unwrap();
    core.on_written(&mark, mark.run());
    let image = disk.crash().image();
    let expected = read_image(&image).unwrap();
    let (name, bytes) = before
        .iter()
        .find(|(name, _)| name.ends_with(".log"))
        .unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    let found = (end - 99..=end).filter(|&at| check_flip(&image, &expected, name, at));
    assert_eq!(found.count(), 100, "the last record's own bytes");
}

#[test]
fn missing_and_shortened_files_are_found() {
    for keep_batch_bytes in [u64::MAX, 3_000] {
        check_missing(&filled(keep_batch_bytes));
    }
}

fn check_missing(image: &Image) {
    let expected = read_image(image).unwrap();
    let newest = image.keys().rfind(|name| name.starts_with("journal/0"));
    for (name, bytes) in image {
        let without: Image = image
            .iter()
            .filter(|(other, _)| *other != name)
            .map(|(name, bytes)| (name.clone(), Arc::clone(bytes)))
            .collect();
        let mut half = image.clone();
        half.insert(name.clone(), Arc::new(bytes[..bytes.len() / 2].to_vec()));
        for (image, what) in [(without, "without"), (half, "with half of")] {
            match read_image(&image) {
                // Only the newest journal file itself says that it was there.
                Ok(_) if what == "without" && newest == Some(name) => {}
                Ok(found) => assert!(found == expected, "{what} {name}, something else is read"),
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => panic!("{what} {name}: {error}"),
            }
        }
    }
}

#[test]
fn the_format_before_is_taken_as_it_is() {
    let mut image = filled(u64::MAX);
    let expected = read_image(&image).unwrap();
    let line = |format: u32| format!("format = {format}");
    let text = String::from_utf8_lossy(&image["HEADWATER"]).replace(&line(2), &line(1));
    assert!(text.contains(&line(1)));
    image.insert("HEADWATER".into(), Arc::new(text.into_bytes()));
    let disk = SimDisk::with_image(Rng::seeded(3), &image);
    assert!(dump(&open(&disk).unwrap()).unwrap() == expected);
    let marked = disk.crash().image()["HEADWATER"].clone();
    assert!(String::from_utf8_lossy(&marked).contains(&line(2)));
}

#[test]
fn a_newer_format_is_refused_with_the_remedy() {
    let mut image = filled(u64::MAX);
    let text = String::from_utf8_lossy(&image["HEADWATER"]).replace("format = 2", "format = 3");
    image.insert("HEADWATER".into(), Arc::new(text.into_bytes()));
    let error = read_image(&image).err().unwrap();
    assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("format 3") && text.contains("newer"),
        "{text}"
    );
}

#[test]
fn one_process_has_a_data_directory() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("one-process-{}", std::process::id()));
    let options = || Options {
        journal_file_bytes: 64 << 10,
        first_file_bytes: 64 << 10,
        ..Options::at(&folder).unwrap()
    };
    let first = Embedded::open(options()).unwrap();
    let error = Embedded::open(options()).err().unwrap();
    assert!(
        matches!(&error, StoreError::Unavailable { .. }) && error.to_string().contains("in use"),
        "{error}"
    );
    drop(first);
    drop(Embedded::open(options()).unwrap());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn after_a_failed_sync_nothing_is_acked() {
    for seed in 0..20 {
        let disk = SimDisk::new(Rng::seeded(seed));
        let core = open(&disk).unwrap();
        create(&core);
        append(&core, SMALL, batch(1, 100)).unwrap();
        disk.set_faults(Faults {
            sync: 1,
            ..Faults::default()
        });
        let unknown = append(&core, SMALL, batch(2, 100));
        assert!(
            matches!(unknown, Err(StoreError::Unknown { .. })),
            "{unknown:?}"
        );
        assert!(core.poisoned().borrow().is_some());
        disk.set_faults(Faults::default());
        let refused = append(&core, SMALL, batch(3, 100));
        assert!(
            matches!(refused, Err(StoreError::Unavailable { .. })),
            "{refused:?}"
        );
        assert!(core.next_frame().is_none() && core.mark_frame().is_none());
        assert_eq!(core.read(SMALL, Offset(0), usize::MAX).unwrap().len(), 1);
        let core = open(&disk.crash()).unwrap();
        let end = core.bounds(SMALL).unwrap().end;
        assert!(end == Offset(1) || end == Offset(2), "{end}");
    }
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let disk = disk();
    let core = open(&disk).unwrap();
    create(&core);
    disk.set_capacity(disk.used() + 20_000);
    let mut written = 0;
    let error = loop {
        match append(&core, LARGE, batch(written, 1_000)) {
            Ok(offset) => assert_eq!(offset, Offset(written as u64)),
            Err(error) => break error,
        }
        written += 1;
        assert!(written < 1_000, "the disk never fills");
    };
    assert!(matches!(error, StoreError::Full), "{error}");
    let read = |count: usize| {
        let found = core.read(LARGE, Offset(0), usize::MAX).unwrap();
        assert_eq!(found.len(), count);
    };
    read(written);
    assert!(matches!(
        append(&core, LARGE, batch(0, 1_000)),
        Err(StoreError::Full)
    ));
    disk.set_capacity(u64::MAX);
    assert_eq!(core.prepare(), Ok(true));
    append(&core, LARGE, batch(written, 1_000)).unwrap();
    read(written + 1);
    assert_eq!(
        dump(&open(&disk.crash()).unwrap()).unwrap().logs[&LARGE]
            .0
            .end,
        Offset(written as u64 + 1)
    );
}

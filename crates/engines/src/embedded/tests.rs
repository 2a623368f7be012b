//! The engine driven by hand, in orders that threads seldom take.

mod apart;
mod discard;
mod full;
mod keep;
mod line;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use model::{LogId, Offset, Rng, StreamId};
use store::conformance::batch;
use store::{Append, Key, LogChange, StoreError, Txn, Write};
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::journal::pool::Blocked;
use crate::sim::SimDisk;

const LOG: LogId = LogId {
    stream: StreamId(1),
    partition: 0,
};

fn options(disk: &SimDisk) -> Options {
    Options {
        journal_file_bytes: 32 << 10,
        journal_bytes_max: 4 << 20,
        first_file_bytes: 32 << 10,
        rng: Rng::seeded(3),
        ..Options::on(Arc::new(disk.clone()))
    }
}

fn disk() -> SimDisk {
    SimDisk::new(Rng::seeded(1))
}

fn ask(core: &Core, request: Request) -> Receiver<Reply> {
    core.submit(vec![request]).remove(0)
}

fn create() -> Request {
    Request::Commit(Txn {
        logs: vec![LogChange::Create(LOG)],
        ..Txn::default()
    })
}

fn append(label: &str) -> Request {
    Request::Append(vec![Append::to(LOG, batch(label, 1, 0))])
}

fn put(bytes: usize) -> Request {
    Request::Commit(Txn {
        writes: vec![Write::Put {
            key: Key::of(&["k"]),
            value: Bytes::from(vec![1; bytes]),
        }],
        ..Txn::default()
    })
}

/// Whether no answer has come yet.
fn is_open(answer: &mut Receiver<Reply>) -> bool {
    matches!(answer.try_recv(), Err(TryRecvError::Empty))
}

/// Writes all that waits.
fn drive(core: &Core) {
    while let Some(frame) = core.next_frame() {
        core.on_written(&frame, frame.run());
    }
}

fn opened(disk: &SimDisk) -> Core {
    let core = Core::open(options(disk)).unwrap();
    drop(ask(&core, create()));
    drive(&core);
    core
}

fn end(core: &Core) -> u64 {
    core.bounds(LOG).unwrap().end.0
}

#[test]
fn answers_come_in_order_though_syncs_do_not() {
    let core = opened(&disk());
    let mut first = ask(&core, append("a"));
    let frame_a = core.next_frame().unwrap();
    let mut second = ask(&core, append("b"));
    let frame_b = core.next_frame().unwrap();
    core.on_written(&frame_b, frame_b.run());
    assert!(is_open(&mut second));
    assert_eq!(end(&core), 0, "nothing is seen before it is durable");
    core.on_written(&frame_a, frame_a.run());
    assert!(matches!(first.try_recv(), Ok(Ok(_))));
    assert!(matches!(second.try_recv(), Ok(Ok(_))));
    assert_eq!(end(&core), 2);
}

#[test]
fn a_duplicate_is_answered_when_the_original_is_durable() {
    let core = opened(&disk());
    let by = model::batch::Producer {
        id: 1,
        epoch: 0,
        sequence: 0,
    };
    let request = || {
        let mut builder = model::BatchBuilder::with_capacity(8).by(by);
        builder.push(Timestamp(0), None, Some(b"v"), &[]);
        Request::Append(vec![Append::to(LOG, builder.finish())])
    };
    drop(ask(&core, request()));
    let frame = core.next_frame().unwrap();
    let mut again = ask(&core, request());
    assert!(core.next_frame().is_none(), "there is nothing to write");
    assert!(is_open(&mut again));
    core.on_written(&frame, frame.run());
    assert!(matches!(again.try_recv(), Ok(Ok(_))));
}

#[test]
fn after_a_failed_sync_nothing_is_acked_any_more() {
    let core = opened(&disk());
    let mut first = ask(&core, append("a"));
    let frame_a = core.next_frame().unwrap();
    let mut second = ask(&core, append("b"));
    let frame_b = core.next_frame().unwrap();
    let mut third = ask(&core, append("c"));
    core.on_written(&frame_b, Err(io::Error::other("no")));
    core.on_written(&frame_a, frame_a.run());
    for unknown in [&mut first, &mut second] {
        let reply = unknown.try_recv();
        assert!(matches!(reply, Ok(Err(StoreError::Unknown { .. }))));
    }
    let reply = third.try_recv();
    assert!(matches!(reply, Ok(Err(StoreError::Unavailable { .. }))));
    assert!(core.next_frame().is_none() && core.mark_frame().is_none());
    let reply = ask(&core, append("d")).try_recv();
    assert!(matches!(reply, Ok(Err(StoreError::Unavailable { .. }))));
    assert!(core.poisoned().borrow().is_some());
    assert_eq!(end(&core), 0);
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let disk = disk();
    let core = opened(&disk);
    disk.set_capacity(disk.used() + 1000);
    let mut written = 0;
    let refused = loop {
        let mut reply = ask(&core, put(3000));
        drive(&core);
        if is_open(&mut reply) {
            assert_eq!(core.prepare(), Err(Blocked::Full));
            drive(&core);
            break reply.try_recv();
        }
        written += 1;
        assert!(written < 20, "the file is never full");
    };
    assert!(matches!(refused, Ok(Err(StoreError::Full))), "{refused:?}");
    assert!(written > 0);
    let mut reply = ask(&core, put(3000));
    drive(&core);
    assert!(matches!(reply.try_recv(), Ok(Err(StoreError::Full))));
    assert!(core.get(&Key::of(&["k"])).is_some(), "reads go on");
    let trim = Txn {
        logs: vec![LogChange::Delete(LOG)],
        ..Txn::default()
    };
    let mut freeing = ask(&core, Request::Commit(trim));
    drive(&core);
    assert!(
        matches!(freeing.try_recv(), Ok(Ok(_))),
        "what makes room may"
    );
    disk.set_capacity(u64::MAX);
    assert_eq!(core.prepare(), Ok(true));
    let mut reply = ask(&core, put(3000));
    drive(&core);
    assert!(matches!(reply.try_recv(), Ok(Ok(_))));
}

#[test]
fn a_torn_tail_is_cut_and_damage_is_not() {
    for is_marked in [false, true] {
        let disk = disk();
        let core = opened(&disk);
        drop(ask(&core, append("a")));
        let frame = core.next_frame().unwrap();
        core.on_written(&frame, frame.run());
        if is_marked {
            let mark = core.mark_frame().unwrap();
            core.on_written(&mark, mark.run());
            assert!(core.mark_frame().is_none(), "one mark is enough");
        }
        let position = first_frame_with_a_payload(&disk);
        disk.flip("journal/000000000001.log", position);
        let disk = disk.restart();
        match Core::open(options(&disk)) {
            Ok(core) if !is_marked => assert_eq!(end(&core), 0),
            Err(StoreError::Damaged { file, .. }) if is_marked => {
                assert!(file.ends_with("journal/000000000001.log"));
            }
            other => panic!("marked: {is_marked}: {:?}", other.map(|core| end(&core))),
        }
    }
}

/// The position of a byte in the second frame: the first holds the log's making.
fn first_frame_with_a_payload(disk: &SimDisk) -> u64 {
    let image = disk.image();
    let bytes = &image["journal/000000000001.log"];
    let starts = |at: &usize| bytes[*at..].starts_with(b"HWfr");
    let frames: Vec<usize> = (512..bytes.len()).step_by(512).filter(starts).collect();
    frames[1] as u64 + 60
}

#[test]
fn a_cut_frame_does_not_come_back() {
    let disk = disk();
    let core = opened(&disk);
    drop(ask(&core, append("lost")));
    let frame_a = core.next_frame().unwrap();
    drop(ask(&core, append("kept on the disk alone")));
    let frame_b = core.next_frame().unwrap();
    frame_b.run().unwrap();
    drop((core, frame_a));
    let mut disk = disk.restart();
    for round in 0..4 {
        let core = Core::open(options(&disk)).unwrap();
        assert_eq!(end(&core), round, "what was cut is not there");
        let mut reply = ask(&core, append("lost"));
        drive(&core);
        assert!(matches!(reply.try_recv(), Ok(Ok(_))));
        disk = disk.restart();
    }
}

#[test]
fn a_missing_file_is_damage() {
    let disk = disk();
    let core = opened(&disk);
    drop(ask(&core, append("a")));
    drive(&core);
    drop(core);
    let disk = disk.restart();
    for _ in 0..2 {
        let core = Core::open(options(&disk.clone())).unwrap();
        drop(ask(&core, append("a")));
        drive(&core);
    }
    use crate::disk::Disk;
    disk.remove("journal/000000000001.log").unwrap();
    let opened = Core::open(options(&disk));
    assert!(
        matches!(opened, Err(StoreError::Damaged { .. })),
        "{opened:?}"
    );
}

#[test]
fn compaction_by_hand_keeps_everything_over_restarts() {
    let disk = disk();
    let core = opened(&disk);
    let labels: Vec<String> = (0..200).map(|number| format!("{number:0>200}")).collect();
    for label in &labels {
        drop(ask(&core, append(label)));
        drive(&core);
        let _ = core.prepare();
    }
    let plan = core.plan_compaction(When::Now).unwrap();
    let requests = core.write_segments(&plan).unwrap();
    assert!(!requests.is_empty());
    let unknown = Core::open(options(&disk.clone())).unwrap();
    assert_eq!(end(&unknown), 200);
    drop(unknown);
    let core = Core::open(options(&disk)).unwrap();
    let plan = core.plan_compaction(When::Now).unwrap();
    let requests = core.write_segments(&plan).unwrap();
    let mut answers = core.submit(requests);
    drive(&core);
    assert!(
        answers
            .iter_mut()
            .all(|a| matches!(a.try_recv(), Ok(Ok(_))))
    );
    core.finish_compaction(&plan).unwrap();
    let restarted = Core::open(options(&disk)).unwrap();
    for core in [&core, &restarted] {
        let batches = core.read(LOG, Offset(0), usize::MAX).unwrap();
        let found: Vec<_> = batches.iter().map(|stored| stored.base_offset.0).collect();
        assert_eq!(found, (0..200).collect::<Vec<_>>());
        let record = batches[150].records().next().unwrap();
        assert_eq!(record.key.unwrap(), labels[150].as_bytes());
    }
}

#[test]
fn what_was_read_ahead_is_read_from_memory() {
    let disk = disk();
    let core = opened(&disk);
    for number in 0..600 {
        drop(ask(&core, append(&format!("{number:0>200}"))));
        drive(&core);
        let _ = core.prepare();
    }
    let plan = core.plan_compaction(When::Now).unwrap();
    let requests = core.write_segments(&plan).unwrap();
    drop(core.submit(requests));
    drive(&core);
    core.finish_compaction(&plan).unwrap();
    let restarted = Core::open(options(&disk)).unwrap();
    let cached = |from: u64, max_bytes| {
        let Ok(Found::Places(places)) = restarted.look_up(LOG, Offset(from), max_bytes) else {
            panic!("it is in a segment");
        };
        restarted.read_cached(&places, Offset(from), max_bytes)
    };
    assert!(cached(100, 5_000).is_none());
    restarted.read_ahead(Stretch {
        log: LOG,
        from: Offset(100),
        max_bytes: 5_000,
    });
    let found = cached(100, 5_000).expect("it was read ahead");
    let read = restarted.read(LOG, Offset(100), 5_000).unwrap();
    assert!(read.len() > 5, "{}", read.len());
    let offsets = |batches: &[StoredBatch]| -> Vec<_> {
        let each = batches.iter().map(|stored| stored.base_offset);
        each.collect()
    };
    assert_eq!(offsets(&found), offsets(&read));
    assert!(cached(450, 5_000).is_none(), "another block");
    let larger_than_is_done_at_once = cached(100, usize::MAX);
    assert!(larger_than_is_done_at_once.is_none());
}

#[test]
fn the_next_file_is_written_ahead_while_frames_are_small() {
    let disk = disk();
    let open = || {
        let options = Options {
            journal_file_bytes: 4 << 20,
            journal_bytes_max: 64 << 20,
            first_file_bytes: 1 << 20,
            ..options(&disk)
        };
        Core::open(options).unwrap()
    };
    let core = open();
    drop(ask(&core, create()));
    drive(&core);
    // Puts of as many bytes until a file is full and another begun.
    let fill = |bytes| {
        while core.prepare().unwrap() {}
        while !core.pool.is_short() {
            drop(ask(&core, put(bytes)));
            drive(&core);
        }
        while core.prepare().unwrap() {}
    };
    let zeros = || {
        let mut steps = 0;
        while core.write_zeros() {
            steps += 1;
        }
        steps
    };
    fill(10_000);
    assert_eq!(zeros(), 16, "one file of the two that are ready");
    assert_eq!(zeros(), 0);
    fill(10_000);
    assert!(core.write_zeros());
    fill(300_000);
    assert_eq!(zeros(), 0, "large frames are as fast without");
    fill(10_000);
    assert_eq!(zeros(), 16);
    drop(ask(&core, append("last")));
    drive(&core);
    assert_eq!(end(&open()), 1);
}

/// On the real disk, where what is read at once is mapped: bytes that are gone are an error and no signal.
#[test]
fn a_segment_cut_short_under_its_readers_is_damage() {
    cut_short("written", u64::MAX);
    cut_short("kept", 0);
}

fn cut_short(name: &str, keep_batch_bytes: u64) {
    let id = std::process::id();
    let folder = std::env::temp_dir().join(format!("headwater-cut-short-{id}-{name}"));
    let core = Core::open(Options {
        journal_file_bytes: 4 << 20,
        first_file_bytes: 4 << 20,
        segment_cache_bytes: 0,
        keep_batch_bytes,
        ..Options::at(&folder).unwrap()
    })
    .unwrap();
    drop(ask(&core, create()));
    for number in 0..300 {
        drop(ask(&core, append(&format!("{number:0>20000}"))));
        drive(&core);
        while core.prepare().unwrap() {}
    }
    let plan = core.plan_compaction(When::Now).unwrap();
    drop(core.submit(core.write_segments(&plan).unwrap()));
    drive(&core);
    core.finish_compaction(&plan).unwrap();
    assert_eq!(core.stats().files_kept > 0, keep_batch_bytes == 0);
    let read = || core.read(LOG, Offset(0), 2 << 20);
    assert_eq!(read().unwrap().len(), 52);
    let held = read().unwrap();
    let segments = std::fs::read_dir(folder.join("segments")).unwrap();
    let segment = segments.map(|entry| entry.unwrap().path()).min().unwrap();
    let file = std::fs::File::options().write(true).open(segment).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(1 << 20).unwrap();
    assert!(matches!(read(), Err(StoreError::Damaged { .. })));
    // As it was in length, not in bytes.
    file.set_len(length).unwrap();
    assert!(matches!(read(), Err(StoreError::Damaged { .. })));
    drop((held, core));
    std::fs::remove_dir_all(folder).unwrap();
}

//! A full disk: what makes room is written, nothing else is, and room comes of it.

use store::Write;

use super::*;
use crate::disk::Disk;
use crate::segments::{Extent, SegmentId, SegmentRange};
use crate::state::request::NewSegment;

/// Trims of which each is a frame: more than the reserve at the end of a file has room for.
const FRAMES: u64 = 300;

fn large_files(disk: &SimDisk) -> Options {
    Options {
        journal_file_bytes: 4 << 20,
        journal_bytes_max: 256 << 20,
        first_file_bytes: 4 << 20,
        ..options(disk)
    }
}

/// The answer to a request, once all that can be written is.
fn answer(core: &Core, request: Request) -> Reply {
    let mut reply = ask(core, request);
    drive(core);
    while core.prepare() == Ok(true) {}
    drive(core);
    reply.try_recv().expect("an answer")
}

fn append_large(core: &Core) -> Reply {
    answer(core, append(&"x".repeat(60_000)))
}

fn commit(change: LogChange) -> Request {
    Request::Commit(Txn {
        logs: vec![change],
        ..Txn::default()
    })
}

/// A log of four files and more.
fn written(disk: &SimDisk) -> Core {
    let core = Core::open(large_files(disk)).unwrap();
    answer(&core, create()).unwrap();
    for _ in 0..280 {
        append_large(&core).unwrap();
    }
    core
}

/// The same on a disk that has no room for another.
fn filled(disk: &SimDisk) -> Core {
    let core = written(disk);
    disk.set_capacity(disk.used());
    assert_eq!(core.prepare(), Ok(false), "two files are ready");
    while append_large(&core).is_ok() {}
    assert_eq!(core.prepare(), Err(Blocked::Full));
    core
}

/// So many trims, each a frame of its own, up to `upto`.
fn trim_in_steps(core: &Core, upto: u64, steps: u64) {
    for before in upto - steps + 1..=upto {
        let reply = answer(core, commit(LogChange::Trim(LOG, Offset(before))));
        assert!(reply.is_ok(), "{before}: {reply:?}");
    }
}

fn check_refused(core: &Core) {
    let reply = append_large(core);
    assert!(matches!(reply, Err(StoreError::Full)), "{reply:?}");
}

/// Room is there again, by compaction of what nobody wants.
fn check_recovers(core: &Core) {
    let reply = answer(core, put(10));
    assert!(matches!(reply, Err(StoreError::Full)), "{reply:?}");
    let plan = core.plan_compaction(When::Due).expect("it makes room");
    let mut answers = core.submit(core.write_segments(&plan).unwrap());
    drive(core);
    assert!(
        answers
            .iter_mut()
            .all(|a| matches!(a.try_recv(), Ok(Ok(_))))
    );
    core.finish_compaction(&plan).unwrap();
    assert_eq!(core.prepare(), Ok(true));
    append_large(core).unwrap();
    answer(core, put(10)).unwrap();
}

#[test]
fn what_makes_room_is_written_for_long_and_then_all_else() {
    let disk = disk();
    let core = filled(&disk);
    check_refused(&core);
    let end = end(&core);
    trim_in_steps(&core, end, FRAMES);
    assert!(core.mark_frame().is_none(), "no room is wasted");
    // A checkpoint takes a little.
    disk.set_capacity(disk.used() + 10_000);
    check_recovers(&core);
}

#[test]
fn after_a_crash_what_makes_room_is_written_too() {
    let disk = disk();
    let core = filled(&disk);
    let end = end(&core);
    drop(core);
    let disk = disk.crash();
    let core = Core::open(large_files(&disk)).unwrap();
    check_refused(&core);
    trim_in_steps(&core, end - 10, FRAMES - 10);
    drop(core);
    // Frames that follow a crash are in a new file: this is room for a short one.
    let disk = disk.crash();
    disk.set_capacity(disk.used() + 100_000);
    let core = Core::open(large_files(&disk)).unwrap();
    check_refused(&core);
    trim_in_steps(&core, end, 10);
    check_recovers(&core);
    let core = Core::open(large_files(&disk.crash())).unwrap();
    assert_eq!(core.bounds(LOG).unwrap().start.0, end);
}

#[test]
fn a_full_disk_is_not_compacted_where_that_makes_no_room() {
    let core = filled(&disk());
    let wasted = || {
        let view = core.view();
        let files: Vec<_> = view.tail.files().map(|(file, _)| file.clone()).collect();
        core.wasted(&view, &files).len()
    };
    assert_eq!(wasted(), 0);
    // A file has 34 of them.
    for (before, files) in [(10, 0), (20, 1), (40, 2), (67, 4)] {
        trim_in_steps(&core, before, 1);
        assert_eq!(wasted(), files, "{before}");
    }
}

/// Files of segments go before it is written that they do: a start in between misses nothing.
#[test]
fn a_segment_that_is_gone_is_not_missed_where_nothing_of_it_is_wanted() {
    let disk = disk();
    let core = written(&disk);
    let plan = core.plan_compaction(When::Now).unwrap();
    drop(core.submit(core.write_segments(&plan).unwrap()));
    drive(&core);
    core.finish_compaction(&plan).unwrap();
    let end = end(&core);
    trim_in_steps(&core, end, 1);
    let unwanted = core.unwanted_segments();
    assert!(!unwanted.is_empty());
    core.remove_segments(&unwanted).unwrap();
    assert!(disk.list("segments").unwrap().is_empty());
    drop(core);
    let core = Core::open(large_files(&disk.crash())).unwrap();
    let again = core.unwanted_segments();
    assert_eq!(again, unwanted, "they are known still");
    for id in again {
        core.remove_segments(&[id]).unwrap();
        answer(&core, Request::RemoveSegment(id)).unwrap();
    }
    assert!(core.unwanted_segments().is_empty());
    append_large(&core).unwrap();
}

#[test]
fn whoever_deletes_may_write_down_that_it_did() {
    let frees = |logs: &[LogChange], bytes: usize| {
        let value = Bytes::from(vec![0; bytes]);
        let key = Key::of(&["gone"]);
        Request::Commit(Txn {
            writes: vec![Write::Put { key, value }],
            logs: logs.to_vec(),
            ..Txn::default()
        })
        .frees()
    };
    assert!(frees(&[LogChange::Delete(LOG)], 100));
    assert!(frees(&[LogChange::Trim(LOG, Offset(1))], 100));
    assert!(!frees(&[LogChange::Delete(LOG)], 100_000));
    assert!(!frees(&[LogChange::Delete(LOG), LogChange::Create(LOG)], 1));
    assert!(!frees(&[LogChange::Seal(LOG)], 1));
    assert!(!frees(&[], 1));
}

#[test]
fn a_journal_file_that_is_not_ready_in_the_end_does_not_stay() {
    let disk = disk();
    let core = Core::open(options(&disk)).unwrap();
    disk.set_faults(crate::sim::Faults {
        sync: 2,
        ..Default::default()
    });
    for _ in 0..20 {
        let ready = core.prepare();
        let files = disk.list("journal").unwrap().len() as u64;
        assert_eq!(files * (32 << 10), core.stats().journal_bytes, "{ready:?}");
        while core.prepare() == Ok(true) {}
        drop(core.pool.take());
    }
}

/// The room for short files is not spent on what fits none of them.
#[test]
fn what_fits_no_file_of_a_full_disk_leaves_the_room_to_others() {
    let disk = disk();
    let core = filled(&disk);
    let end = end(&core);
    let disk = disk.crash();
    let core = Core::open(large_files(&disk)).unwrap();
    trim_in_steps(&core, end - 20, 1);
    let disk = disk.crash();
    disk.set_capacity(disk.used() + (1 << 20));
    let core = Core::open(large_files(&disk)).unwrap();
    assert_eq!(core.prepare(), Err(Blocked::Full));
    let used = disk.used();
    for before in end - 10..end {
        let delete = Write::Delete {
            key: Key::of(&["k"]),
        };
        let large = Request::Commit(Txn {
            writes: vec![delete; 4_000],
            ..Txn::default()
        });
        let reply = answer(&core, large);
        assert!(matches!(reply, Err(StoreError::Full)), "{reply:?}");
        trim_in_steps(&core, before, 1);
        assert_eq!(core.prepare(), Err(Blocked::Full));
    }
    // The one that is being filled, and the next.
    assert!(disk.used() - used <= 64 << 10, "{}", disk.used() - used);
}

#[test]
fn a_file_that_is_left_without_a_frame_does_not_stay() {
    let disk = disk();
    let core = Core::open(Options {
        first_file_bytes: 16 << 10,
        ..options(&disk)
    })
    .unwrap();
    while core.prepare() == Ok(true) {}
    answer(&core, put(20_000)).unwrap();
    let files = disk.list("journal").unwrap().len() as u64;
    assert_eq!(files * (32 << 10), core.stats().journal_bytes);
}

/// Else a full disk could not be compacted.
#[test]
fn a_segment_of_many_logs_is_made_known_in_a_short_last_file() {
    let disk = disk();
    let file_bytes = Options::on(Arc::new(disk.clone())).journal_file_bytes;
    let core = Core::open(Options {
        journal_file_bytes: file_bytes,
        journal_bytes_max: 4 * file_bytes,
        ..options(&disk)
    })
    .unwrap();
    let range = SegmentRange {
        segment: SegmentId(1),
        log: LOG,
        start: Offset(0),
        end: Offset(1),
        max_timestamp: Timestamp(0),
        batch_bytes: 1,
        index: Extent {
            position: 0,
            length: 1,
        },
    };
    let largest = Request::AddSegment(NewSegment {
        id: SegmentId(1),
        bytes: 1,
        ranges: vec![(0, range); compact::SEGMENT_LOGS],
    });
    let needed = sequencer::Sequencer::file_bytes_for(largest.footprint());
    assert!(needed <= core.pool.last_bytes(), "{needed}");
}

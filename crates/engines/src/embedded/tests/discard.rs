//! Segments of compactions that failed do not stay.

use super::super::threads::{self, Signals};
use super::*;
use crate::disk::Disk;

/// Has too little for a segment of its own.
const SMALL: LogId = LogId {
    partition: 1,
    ..LOG
};

/// A log of large batches and one of small ones, in files that are copied.
fn written(disk: &SimDisk, rounds: usize) -> Core {
    let core = Core::open(Options {
        journal_file_bytes: 4 << 20,
        journal_bytes_max: 256 << 20,
        first_file_bytes: 4 << 20,
        keep_batch_bytes: u64::MAX,
        ..options(disk)
    });
    let core = core.unwrap();
    let logs = [LOG, SMALL].map(LogChange::Create).to_vec();
    drop(ask(
        &core,
        Request::Commit(Txn {
            logs,
            ..Txn::default()
        }),
    ));
    for (length, log) in [(50_000, LOG), (6_000, SMALL)].repeat(rounds) {
        let append = Append::to(log, batch(&"x".repeat(length), 1, 0));
        drop(ask(&core, Request::Append(vec![append])));
        drive(&core);
        while core.prepare().unwrap() {}
    }
    core
}

fn segments(disk: &SimDisk) -> usize {
    disk.list("segments").unwrap().len()
}

#[test]
fn a_compaction_without_room_leaves_nothing_behind() {
    let disk = disk();
    let core = written(&disk, 100);
    let used = disk.used();
    let plan = core.plan_compaction(When::Now).unwrap();
    let whole = core.write_segments(&plan).unwrap();
    assert_eq!((whole.len(), segments(&disk)), (2, 2));
    let bytes = disk.used() - used;
    core.discard(&whole);
    assert_eq!(segments(&disk), 0);
    disk.set_capacity(used + bytes - 10_000);
    let written = core.write_segments(&plan);
    assert!(matches!(written, Err(StoreError::Full)), "{written:?}");
    assert_eq!(segments(&disk), 0);
    assert_eq!(disk.used(), used);
}

/// Room for one file's batches is enough in the end.
#[test]
fn without_room_for_all_files_the_oldest_are_compacted() {
    let disk = disk();
    let core = written(&disk, 200);
    let full = core.view().tail.files().count() - 1;
    disk.set_capacity(disk.used() + (5 << 20));
    let plan = core.plan_compaction(When::Now).unwrap();
    assert!(matches!(core.write_segments(&plan), Err(StoreError::Full)));
    let mut compacted = Vec::new();
    while let Some(plan) = core.plan_compaction(When::Now) {
        let before = core.view().tail.files().count();
        let requests = core.write_segments(&plan).unwrap();
        drop(core.submit(requests));
        drive(&core);
        core.finish_compaction(&plan).unwrap();
        compacted.push(before - core.view().tail.files().count());
        // What was freed is what the next takes.
        disk.set_capacity(disk.used() + (10 << 20));
    }
    assert_eq!(compacted.iter().sum::<usize>(), full);
    assert_eq!(compacted[..2], [1, 2], "{compacted:?}");
    assert_eq!(core.read(LOG, Offset(0), usize::MAX).unwrap().len(), 200);
}

#[test]
fn segments_that_cannot_be_made_known_go() {
    let disk = disk();
    let core = written(&disk, 100);
    let plan = core.plan_compaction(When::Now).unwrap();
    let requests = core.write_segments(&plan).unwrap();
    core.close();
    let asked = threads::ask(&core, &Signals::default(), requests);
    assert!(matches!(asked, Err(StoreError::Unavailable { .. })));
    assert_eq!(segments(&disk), 0);
}

#[test]
fn a_checkpoint_without_room_leaves_nothing_behind() {
    let disk = disk();
    let core = written(&disk, 100);
    let plan = core.plan_compaction(When::Now).unwrap();
    drop(core.submit(core.write_segments(&plan).unwrap()));
    drive(&core);
    disk.set_capacity(disk.used() + 100);
    let finished = core.finish_compaction(&plan);
    assert!(matches!(finished, Err(StoreError::Full)), "{finished:?}");
    assert!(disk.list("checkpoint").unwrap().is_empty());
    disk.set_capacity(u64::MAX);
    core.finish_compaction(&plan).unwrap();
    assert_eq!(disk.list("checkpoint").unwrap().len(), 1);
}

#[test]
fn segments_that_are_known_stay() {
    let disk = disk();
    let core = written(&disk, 100);
    let plan = core.plan_compaction(When::Now).unwrap();
    let requests = core.write_segments(&plan).unwrap();
    drop(core.submit(requests.clone()));
    drive(&core);
    core.discard(&requests);
    assert_eq!(segments(&disk), 2);
    core.finish_compaction(&plan).unwrap();
    assert!(core.read(SMALL, Offset(0), usize::MAX).unwrap().len() > 50);
}

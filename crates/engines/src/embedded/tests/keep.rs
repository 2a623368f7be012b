//! Journal files that become segments where they are, and those that are copied instead.

use std::sync::Arc;

use model::Offset;
use store::conformance::batch;
use store::{Append, LogChange, Txn};

use super::super::*;
use super::{LOG, append, ask, disk, drive, opened, options};
use crate::disk::Disk;
use crate::journal::pool::Blocked;
use crate::segments::{Extent, SegmentId, SegmentRange};
use crate::sim::{Image, SimDisk};

/// Two large logs and a small one.
const IN_TURN: [LogId; 3] = [
    LOG,
    LogId {
        partition: 1,
        ..LOG
    },
    LogId {
        partition: 2,
        ..LOG
    },
];

/// Room for the batches of [`IN_TURN`] in journal files that may be kept.
fn of_large_files(disk: &SimDisk) -> Options {
    Options {
        journal_file_bytes: 4 << 20,
        journal_bytes_max: 256 << 20,
        first_file_bytes: 4 << 20,
        ..options(disk)
    }
}

fn label_in_turn(log: usize, round: u64) -> String {
    let length = if log == 2 { 100 } else { 60_000 };
    format!("{round:0>length$}")
}

/// Makes [`IN_TURN`] and appends a batch to each, so many times.
fn append_in_turn(core: &Core, rounds: u64) {
    let create = IN_TURN.map(LogChange::Create).to_vec();
    drop(ask(
        core,
        Request::Commit(Txn {
            logs: create,
            ..Txn::default()
        }),
    ));
    for round in 0..rounds {
        let appends = IN_TURN.iter().enumerate().map(|(at, &log)| {
            let label = label_in_turn(at, round);
            Append::to(log, batch(&label, 1, 0))
        });
        drop(ask(core, Request::Append(appends.collect())));
        drive(core);
        while core.prepare().unwrap() {}
    }
}

/// All of it is there, read at once and a little at a time.
fn check_in_turn(core: &Core, rounds: u64) {
    for (at, &log) in IN_TURN.iter().enumerate() {
        let batches = core.read(log, Offset(0), usize::MAX).unwrap();
        assert_eq!(batches.len() as u64, rounds);
        for (round, stored) in (0..).zip(&batches) {
            assert_eq!(stored.base_offset.0, round);
            let record = stored.records().next().unwrap();
            assert!(record.key.unwrap() == label_in_turn(at, round).as_bytes());
            let alone = core.read(log, Offset(round), 1).unwrap();
            assert_eq!(alone, std::slice::from_ref(stored));
        }
    }
}

/// Brings about what a plan asks for.
fn carry_out(core: &Core, plan: &Plan) -> usize {
    let mut answers = core.submit(core.write_segments(plan).unwrap());
    drive(core);
    assert!(
        answers
            .iter_mut()
            .all(|answer| matches!(answer.try_recv(), Ok(Ok(_))))
    );
    core.finish_compaction(plan).unwrap();
    answers.len()
}

/// What was in journal files that were kept is still there.
fn check_unchanged(before: &Image, after: &Image) {
    for (name, bytes) in before {
        let number = name
            .strip_prefix("journal/")
            .and_then(|name| name.strip_suffix(".log"));
        let number: u64 = number.map_or(0, |number| number.parse().unwrap());
        let kept = after
            .get(&SegmentId::of_journal(number).file_name())
            .cloned();
        assert!(
            kept.is_none_or(|kept| kept.starts_with(bytes)),
            "{name} has changed"
        );
    }
}

#[test]
fn journal_files_of_few_large_logs_become_segments_where_they_are() {
    const ROUNDS: u64 = 220;
    let disk = disk();
    let options = Options {
        cache_bytes: 1 << 20,
        compact_files: 1_000,
        ..of_large_files(&disk)
    };
    let core = Core::open(options.clone()).unwrap();
    append_in_turn(&core, ROUNDS);
    let names = |folder: &str| -> Vec<String> {
        let names = disk.list(folder).unwrap();
        names
            .into_iter()
            .filter(|name| !name.starts_with("free"))
            .collect()
    };
    let before = disk.image();
    let (in_use, used) = (names("journal").len() - 2, disk.used());
    let plan = core.plan_compaction(When::Due).expect("few logs");
    assert_eq!(
        carry_out(&core, &plan),
        in_use - 2 + 1,
        "all full ones but the newest, and the small log"
    );
    assert_eq!(core.stats().files_kept as usize, in_use - 2);
    assert_eq!(names("journal").len(), 2 + 2);
    assert_eq!(names("segments").len(), in_use - 2 + 1);
    let more = disk.used() - used;
    assert!(
        more < 100_000,
        "only indexes and the small log are new: {more} bytes"
    );
    check_unchanged(&before, &disk.image());
    check_in_turn(&core, ROUNDS);
    assert!(
        core.plan_compaction(When::Due).is_none(),
        "the newest stays in memory"
    );
    let disk = disk.crash();
    let options = Options {
        disk: Arc::new(disk.clone()),
        ..options
    };
    let core = Core::open(options).unwrap();
    check_in_turn(&core, ROUNDS);
    for log in IN_TURN {
        let trim = Txn {
            logs: vec![LogChange::Trim(log, Offset(ROUNDS))],
            ..Txn::default()
        };
        drop(ask(&core, Request::Commit(trim)));
    }
    drive(&core);
    let unwanted = core.unwanted_segments();
    assert_eq!(unwanted.len(), in_use - 2 + 1);
    drop(
        core.submit(
            unwanted
                .iter()
                .map(|&id| Request::RemoveSegment(id))
                .collect(),
        ),
    );
    drive(&core);
    core.remove_segments(&unwanted).unwrap();
    assert!(disk.list("segments").unwrap().is_empty());
}

#[test]
fn what_is_read_ahead_goes_on_in_the_next_kept_file() {
    const WANTED: usize = 400_000;
    let disk = disk();
    let options = Options {
        compact_files: 1_000,
        ..of_large_files(&disk)
    };
    let core = Core::open(options.clone()).unwrap();
    append_in_turn(&core, 220);
    carry_out(&core, &core.plan_compaction(When::Due).expect("few logs"));
    core.close();
    drop(core);
    let core = Core::open(options).unwrap();
    let mut crossings = 0;
    for from in (0..120).map(Offset) {
        let Ok(Found::Places(places)) = core.look_up(LOG, from, WANTED) else {
            panic!("{from} is in a segment");
        };
        core.read_ahead(Stretch {
            log: LOG,
            from,
            max_bytes: WANTED,
        });
        let cached = core.read_cached(&places, from, WANTED);
        let cached = cached.expect("it was read ahead");
        assert_eq!(cached.len(), 3);
        assert_eq!(cached, core.read(LOG, from, WANTED).unwrap());
        let ranges = core.view().state.log(LOG).unwrap().ranges.clone();
        crossings += ranges
            .iter()
            .filter(|range| from < range.end && range.end.0 < from.0 + 3)
            .count();
    }
    assert!(crossings >= 4, "{crossings}");
}

/// After a crash at the worst moment a file is both the journal's and a segment: when the journal lets go of it, it is not written again.
#[test]
fn a_kept_file_is_never_written_again() {
    let disk = disk();
    let options = of_large_files(&disk);
    let core = Core::open(options.clone()).unwrap();
    append_in_turn(&core, 150);
    let plan = core.plan_compaction(When::Now).unwrap();
    drop(core.submit(core.write_segments(&plan).unwrap()));
    drive(&core);
    let mark = core.mark_frame().unwrap();
    core.on_written(&mark, mark.run());
    drop(core);
    let disk = disk.crash();
    let options = Options {
        disk: Arc::new(disk.clone()),
        ..options
    };
    let core = Core::open(options.clone()).unwrap();
    check_in_turn(&core, 150);
    let kept: Vec<String> = disk.list("segments").unwrap();
    for round in 0..400 {
        drop(ask(&core, append(&format!("{round:0>60000}"))));
        drive(&core);
        while core.prepare().unwrap() {}
        if let Some(plan) = core.plan_compaction(When::Now) {
            carry_out(&core, &plan);
        }
    }
    let kept_still: Vec<String> = disk.list("segments").unwrap();
    assert!(!kept.is_empty() && kept.iter().all(|name| kept_still.contains(name)));
    let again = Core::open(options).unwrap();
    for core in [&core, &again] {
        let batches = core.read(LOG, Offset(0), usize::MAX).unwrap();
        assert_eq!(batches.len(), 550);
        let second = core.read(IN_TURN[1], Offset(0), usize::MAX).unwrap();
        assert_eq!(second.len(), 150);
    }
}

/// What little is wanted of kept files is moved elsewhere once they hold too much else.
#[test]
fn kept_files_of_which_little_is_wanted_are_let_go() {
    let disk = disk();
    let core = Core::open(Options {
        kept_waste_bytes: 10 << 20,
        ..of_large_files(&disk)
    })
    .unwrap();
    append_in_turn(&core, 220);
    let plan = core.plan_compaction(When::Now).unwrap();
    carry_out(&core, &plan);
    assert!(core.plan_thinning().is_empty(), "all is wanted");
    let trim = Txn {
        logs: vec![LogChange::Trim(LOG, Offset(220))],
        ..Txn::default()
    };
    drop(ask(&core, Request::Commit(trim)));
    drive(&core);
    let parts = core.plan_thinning();
    assert_eq!(parts.len(), 1, "the other large log");
    let moved = core.write_moved(&parts[0]).unwrap().unwrap();
    drop(ask(&core, moved));
    drive(&core);
    assert!(core.plan_thinning().is_empty());
    let unwanted = core.unwanted_segments();
    assert!(unwanted.iter().all(|id| id.journal().is_some()) && unwanted.len() >= 6);
    let found = core.read(IN_TURN[1], Offset(0), usize::MAX).unwrap();
    for (round, stored) in (0..220).zip(&found) {
        let record = stored.records().next().unwrap();
        assert!(record.key.unwrap() == label_in_turn(1, round).as_bytes());
    }
    assert_eq!(found.len(), 220);
}

/// Logs large enough for segments of their own beside one that is not, their batches in turn: most of them are read from the
/// journal, the newest are in memory.
#[test]
fn few_large_logs_are_compacted_early_each_into_its_own_segments() {
    const ROUNDS: u64 = 220;
    let options = Options {
        cache_bytes: 1 << 20,
        compact_files: 1_000,
        keep_batch_bytes: u64::MAX,
        ..of_large_files(&disk())
    };
    let core = Core::open(options).unwrap();
    append_in_turn(&core, ROUNDS);
    let plan = core.plan_compaction(When::Due).expect("few logs");
    let made = carry_out(&core, &plan);
    assert_eq!(made, 3, "one of each large log, one for the other");
    check_in_turn(&core, ROUNDS);
    assert!(
        core.plan_compaction(When::Due).is_none(),
        "what is left in the journal is not worth it"
    );
}

/// Of segments that follow one another, none is made known after one that was refused: it would hide what that one has.
#[test]
fn what_the_compactor_asks_is_refused_from_the_first_refusal_on() {
    let disk = disk();
    let core = opened(&disk);
    drop(ask(&core, append(&"x".repeat(8_000))));
    drive(&core);
    disk.set_capacity(disk.used());
    while core.prepare() == Ok(true) {}
    while core.pool.take().is_some() {}
    assert_eq!(core.prepare(), Err(Blocked::Full));
    let segment = |id: u64, ranges: usize| {
        let range = SegmentRange {
            segment: SegmentId(id),
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
        Request::AddSegment(NewSegment {
            id: SegmentId(id),
            bytes: 1,
            ranges: vec![(0, range); ranges],
        })
    };
    let mut answers = core.submit(vec![segment(77, 150), segment(78, 1)]);
    drive(&core);
    for answer in &mut answers {
        let answer = answer.try_recv().unwrap();
        assert!(matches!(answer, Err(StoreError::Full)), "{answer:?}");
    }
    let mut alone = core.submit(vec![segment(79, 1)]);
    drive(&core);
    assert!(
        matches!(alone[0].try_recv(), Ok(Ok(_))),
        "there is room for a small one"
    );
}

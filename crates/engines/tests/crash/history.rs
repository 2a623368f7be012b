//! One history: lives of an engine on one disk, each ended by a crash.

use std::sync::Arc;

use engines::embedded::{Core, Plan, Request, When};
use engines::journal::pool::Blocked;
use engines::sim::{Faults, Image, SimDisk};
use engines::{Durability, Options};
use model::{Clock, Rng, Timestamp};
use store::StoreError;

use super::driver::{Counts, Driver};
use super::model::{Dump, Model, Rewrite};
use super::requests::{Requests, all_leases, all_logs};

/// Openings that may fail in a row, each for a fault or a crash in it.
const OPENINGS_MAX: u32 = 6;

/// Compactions that make room in a journal at its limit.
const COMPACTIONS_MAX: u32 = 20;

/// A history to be run.
#[derive(Clone, Copy, Debug)]
pub struct History {
    pub seed: u64,
    /// Lives; each ends in a crash but the last.
    pub rounds: u64,
}

/// How a history ended: equal for equal histories.
#[derive(PartialEq, Debug)]
pub struct Outcome {
    pub counts: Counts,
    pub image: Image,
    pub trace: u32,
}

/// Says which seed it was when the test falls over.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "to replay: HEADWATER_CRASH_SEED={} cargo test -p engines --test crash -- --nocapture one_seed",
                self.0
            );
        }
    }
}

/// Runs a history.
///
/// # Panics
/// Where the engine breaks a promise.
pub fn run(history: History) -> Outcome {
    let _replay = Replay(history.seed);
    let rng = Rng::seeded(history.seed);
    let mut counts = Counts::default();
    let mut requests = Requests::new(Rng::seeded(rng.next_u64()));
    let mut disk = SimDisk::new(Rng::seeded(rng.next_u64()));
    let mut model = Model::default();
    let mut open: Vec<Request> = Vec::new();
    let mut rewrite = None;
    let options = options(&rng);
    for _ in 0..history.rounds {
        let core;
        (core, disk) = reopen(&options, disk, &rng);
        model = audit(&core, model, &open, rewrite.as_ref(), &mut counts);
        let mut driver = Driver::new(core, disk.clone(), model, &rng, &mut requests, &mut counts);
        live(&mut driver, &disk, &rng);
        (model, open, rewrite) = driver.end();
        disk = end(&disk, &rng);
    }
    let (core, disk) = reopen(&options, disk, &rng);
    audit(&core, model, &open, rewrite.as_ref(), &mut counts);
    Outcome {
        counts,
        image: disk.image(),
        trace: disk.trace(),
    }
}

/// Lets the engine run for a while, in some lives to a stop in good order, in some up to a power cut amid whatever it does.
fn live(driver: &mut Driver<'_>, disk: &SimDisk, rng: &Rng) {
    let steps = match rng.below(8) {
        0 => rng.below(500),
        1 => rng.below(8),
        _ => rng.below(120),
    };
    match rng.below(8) {
        0 | 1 => disk.cut_after(rng.below(100)),
        2 => driver.change_faults(),
        _ => {}
    }
    for _ in 0..steps {
        if !driver.step() {
            return;
        }
    }
    match rng.below(8) {
        0 => driver.drain(),
        1 | 2 => driver.settle(),
        _ => {}
    }
}

/// Cuts the power, or only ends the process: at whatever it was doing, too.
fn end(disk: &SimDisk, rng: &Rng) -> SimDisk {
    disk.set_capacity(u64::MAX);
    if rng.below(4) == 0 {
        disk.restart()
    } else {
        disk.crash()
    }
}

/// Opens the engine; some openings meet faults or are cut themselves.
fn reopen(options: &Options, disk: SimDisk, rng: &Rng) -> (Core, SimDisk) {
    let mut disk = disk;
    for attempt in 0..OPENINGS_MAX {
        let is_disturbed = attempt < OPENINGS_MAX - 1 && rng.below(4) == 0;
        if is_disturbed {
            disturb(&disk, rng);
        }
        let opened = Core::open(Options {
            disk: Arc::new(disk.clone()),
            ..options.clone()
        });
        disk.set_faults(Faults::default());
        disk.set_capacity(u64::MAX);
        match opened {
            Ok(core) if !disk.is_off() => {
                disk.cut_after(u64::MAX);
                return (core, disk);
            }
            Ok(_) => {}
            Err(error @ (StoreError::Full | StoreError::Unavailable { .. })) => {
                assert!(is_disturbed, "nothing was made to fail: {error}");
            }
            Err(error) => panic!("the engine does not open: {error}"),
        }
        disk = end(&disk, rng);
    }
    unreachable!("the last opening is not disturbed")
}

fn disturb(disk: &SimDisk, rng: &Rng) {
    match rng.below(4) {
        0 => disk.set_capacity(disk.used() + rng.below(10_000)),
        1 => disk.set_faults(Faults {
            sync: 2,
            ..Faults::default()
        }),
        _ => disk.cut_after(rng.below(20)),
    }
}

/// Compares what is found with what must be there: all that was answered, then the open requests up to any of them; an open
/// rewrite is there whole or not at all.
fn audit(
    core: &Core,
    durable: Model,
    open: &[Request],
    rewrite: Option<&Rewrite>,
    counts: &mut Counts,
) -> Model {
    make_room(core);
    let found = Dump::of(core, all_logs(), &all_leases());
    let mut candidate = durable;
    let first_difference = settled(&mut candidate, rewrite, &found);
    let mut difference = first_difference.clone();
    let mut kept = 0;
    while difference.is_some() {
        let Some(request) = open.get(kept) else {
            panic!(
                "after the crash {} ({} requests were open, the last difference is {:?})",
                first_difference.unwrap_or_default(),
                open.len(),
                difference
            );
        };
        let _ = candidate.decide(request);
        kept += 1;
        difference = settled(&mut candidate, rewrite, &found);
    }
    counts.kept += kept as u64;
    counts.lost += (open.len() - kept) as u64;
    candidate.adopt_versions(&found);
    candidate
}

/// Where the engine differs from the candidate, with the rewrite and without.
fn settled(candidate: &mut Model, rewrite: Option<&Rewrite>, found: &Dump) -> Option<String> {
    let difference = candidate.difference(found)?;
    let Some(rewrite) = rewrite else {
        return Some(difference);
    };
    let mut rewritten = candidate.clone();
    rewritten.rewrite(rewrite);
    let with_rewrite = rewritten.difference(found);
    if with_rewrite.is_none() {
        *candidate = rewritten;
        return None;
    }
    Some(difference)
}

/// Has room for a frame, since nothing is decided without; a journal at its limit is compacted.
fn make_room(core: &Core) {
    // Each takes a file for its own requests, and may free no more than one.
    for _ in 0..COMPACTIONS_MAX {
        while core.prepare() == Ok(true) {}
        if core.prepare() != Err(Blocked::Capped) {
            return;
        }
        let Some(plan) = core.plan_compaction(When::Now) else {
            return;
        };
        compact(core, &plan);
    }
    panic!("no files are free");
}

fn compact(core: &Core, plan: &Plan) {
    let requests = core.write_segments(plan).expect("segments");
    let answers = core.submit(requests);
    while core.has_waiting() {
        match core.next_frame() {
            Some(frame) => core.on_written(&frame, frame.run()),
            None => assert_eq!(core.prepare(), Ok(true), "there is room for the compactor"),
        }
    }
    for mut answer in answers {
        assert!(matches!(answer.try_recv(), Ok(Ok(_))), "a segment is known");
    }
    core.finish_compaction(plan).expect("a checkpoint");
}

fn options(rng: &Rng) -> Options {
    let journal_file_bytes = 16 << 10 << rng.below(2);
    Options {
        journal_file_bytes,
        journal_bytes_max: journal_file_bytes * (4 + rng.below(6)),
        first_file_bytes: 8 << 10 << rng.below(2),
        frame_bytes_max: 1 << 10 << rng.below(5),
        in_flight: 1 + rng.below(4) as usize,
        cache_bytes: (rng.below(2) * rng.below(20_000)) as usize,
        segment_cache_bytes: (rng.below(2) * rng.below(20_000)) as usize,
        keep_batch_bytes: [1, 500, 4_000, u64::MAX][rng.below(4) as usize],
        keep_percent: [5, 20, 50][rng.below(3) as usize],
        kept_waste_bytes: rng.below(2) * 50_000,
        durability: Durability::Sync,
        clock: Clock::manual(Timestamp(0)),
        rng: Rng::seeded(rng.next_u64()),
        ..Options::on(Arc::new(SimDisk::new(Rng::seeded(0))))
    }
}

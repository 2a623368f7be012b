//! Opening: the lock, the format, the newest checkpoint, the journal after it, and a first file to write to.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, IoSlice};
use std::sync::Arc;

use store::StoreError;

use crate::checkpoint::{self, Checkpoint, read_whole};
use crate::disk::Disk;
use crate::embedded::core::{Core, Parts};
use crate::embedded::keep;
use crate::embedded::options::{Durability, Options};
use crate::embedded::sequencer::Sequencer;
use crate::embedded::view::View;
use crate::frame::decision::damaged;
use crate::journal::pool::Pool;
use crate::journal::recovery::{self, Doubts, Recovered};
use crate::segments::{self, Segments};
use crate::state::State;
use crate::tail::Tail;

/// Says what the data directory is and of which format.
const FORMAT_FILE: &str = "HEADWATER";
const FORMAT_FILE_NEW: &str = "HEADWATER.new";
const FORMAT: u32 = 2;
/// Without journal files among the segments: what reads [`FORMAT`] reads it too.
const FORMAT_BEFORE: u32 = 1;
const FORMAT_LINE: &str = "format = ";
/// The shortest journal file there is a use for.
const JOURNAL_FILE_BYTES_MIN: u64 = 16 << 10;

impl Core {
    /// Opens the data directory, which the caller has locked, and reads back what is in it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where acked bytes are gone; [`StoreError::Invalid`] for a data directory of a newer format;
    /// [`StoreError::Full`]; [`StoreError::Unavailable`] where the disk refuses.
    pub fn open(options: Options) -> Result<Core, StoreError> {
        match read_back(&options) {
            Ok(parts) => Ok(Core::new(options, parts)),
            Err(error) => Err(options.located(error)),
        }
    }
}

fn read_back(options: &Options) -> Result<Parts, StoreError> {
    check_options(options)?;
    let disk = options.disk.clone();
    make_folders(&*disk).map_err(refused)?;
    check_format(&*disk)?;
    let checkpoint = Checkpoint::load(&*disk)?;
    let covered = checkpoint.as_ref().map_or(0, |found| found.sequence);
    let anchor = checkpoint.as_ref().map(|found| found.anchor);
    let state = checkpoint.map_or_else(State::default, |found| found.state);
    let mut view = View::new(state, Tail::new(options.cache_bytes), covered);
    let doubts = match options.durability {
        Durability::Sync => Doubts::Settle,
        Durability::Os => Doubts::Ignore,
    };
    let recovered = recovery::recover(&*disk, anchor, covered, doubts, &mut |frame, place| {
        view.replay(frame, place)
    })?;
    for (file, anchor) in &recovered.files {
        view.tail.add_file(file, *anchor);
    }
    let kept = view.state.segments().filter_map(|(id, _)| id.journal());
    let last_kept = kept.max().unwrap_or(0);
    let segments = Segments::new(disk.clone(), options.segment_cache_bytes as u64);
    let next_segment = check_segments(&*disk, &segments, &view.state)?;
    let can_keep = keep::can_link(&*disk, FORMAT_FILE);
    // No two segments are of journal files of one number.
    let last_number = recovered.last_number.max(last_kept);
    let pool = start_pool(options, &recovered, last_number)?;
    // The folders' names and the format's, before anything is acked. Last: by now most systems have written them anyway.
    disk.sync_folder("").map_err(refused)?;
    tracing::info!(
        frames = recovered.next_sequence - 1,
        journal_files = recovered.files.len(),
        batches = view.tail.len(),
        logs = view.state.log_count(),
        "the data directory was read back"
    );
    let sequencer = Sequencer {
        decided: view.state.clone(),
        sequence: recovered.next_sequence,
        previous: recovered.previous,
        current: None,
        in_flight: VecDeque::new(),
        durable_upto: recovered.next_sequence - 1,
        is_marked: false,
    };
    Ok(Parts {
        pool,
        segments,
        next_segment,
        can_keep,
        sequencer,
        view,
    })
}

fn refused(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Unavailable {
            reason: format!("cannot open the data directory: {error}"),
            source: Some(Arc::new(error)),
        },
    }
}

fn check_options(options: &Options) -> Result<(), StoreError> {
    let what = if options.journal_file_bytes < JOURNAL_FILE_BYTES_MIN {
        format!("a journal file has at least {JOURNAL_FILE_BYTES_MIN} bytes")
    } else if options.in_flight == 0 {
        "at least one frame is in flight".into()
    } else if options.journal_bytes_max / options.journal_file_bytes < 4 {
        "the journal has room for at least four files".into()
    } else {
        return Ok(());
    };
    Err(StoreError::Invalid { what })
}

/// Makes the folders, and names in them durable: a process that was killed may have left a checkpoint that is seen and
/// not yet durable, and journal files are freed on the strength of it. Their own names are made durable at the end of opening.
fn make_folders(disk: &dyn Disk) -> io::Result<()> {
    for folder in [crate::journal::FOLDER, checkpoint::FOLDER, segments::FOLDER] {
        disk.create_folder(folder)?;
        // Each sync that has something to do is a turn of the disk, and a first start has many.
        if !disk.list(folder)?.is_empty() {
            disk.sync_folder(folder)?;
        }
    }
    Ok(())
}

/// Refuses a data directory of another format; marks a new one.
fn check_format(disk: &dyn Disk) -> Result<(), StoreError> {
    let text = match read_whole(disk, FORMAT_FILE) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return write_format(disk).map_err(refused);
        }
        Err(error) => return Err(refused(error)),
    };
    let format = text
        .lines()
        .find_map(|line| line.strip_prefix(FORMAT_LINE)?.trim().parse::<u32>().ok());
    match format {
        Some(FORMAT) => Ok(()),
        Some(FORMAT_BEFORE) => write_format(disk).map_err(refused),
        Some(other) => Err(StoreError::Invalid {
            what: format!(
                "the data directory has format {other}, this program reads {FORMAT}: use the program that wrote it, or a newer one"
            ),
        }),
        None => Err(damaged(FORMAT_FILE, 0, "it names no format")),
    }
}

fn write_format(disk: &dyn Disk) -> io::Result<()> {
    let text =
        format!("Headwater's data directory. Do not change files in it.\n{FORMAT_LINE}{FORMAT}\n");
    match disk.remove(FORMAT_FILE_NEW) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(FORMAT_FILE_NEW)?;
    file.write_at(&[IoSlice::new(text.as_bytes())], 0)?;
    file.sync_data()?;
    disk.rename(FORMAT_FILE_NEW, FORMAT_FILE)
}

/// Removes segments that nobody knows of, names one that is missing, and gives the next one's number.
fn check_segments(disk: &dyn Disk, segments: &Segments, state: &State) -> Result<u64, StoreError> {
    let known: BTreeSet<_> = state.segments().map(|(id, _)| id).collect();
    let orphans = segments.keep_only(&known)?;
    if orphans > 0 {
        tracing::info!(orphans, "segments that were never made known were removed");
    }
    let names: BTreeSet<String> = disk
        .list(segments::FOLDER)
        .map_err(refused)?
        .into_iter()
        .map(|name| format!("{}/{name}", segments::FOLDER))
        .collect();
    for (id, segment) in state.segments() {
        let name = id.file_name();
        if segment.ranges > 0 && !names.contains(&name) {
            return Err(damaged(&name, 0, "the segment is missing"));
        }
    }
    let written = known.iter().rev().find(|id| id.journal().is_none());
    Ok(written.map_or(0, |id| id.0) + 1)
}

fn start_pool(
    options: &Options,
    recovered: &Recovered,
    last_number: u64,
) -> Result<Pool, StoreError> {
    let file_bytes = options.journal_file_bytes;
    let files_max = usize::try_from(options.journal_bytes_max / file_bytes).unwrap_or(usize::MAX);
    let pool = Pool::new(
        file_bytes,
        files_max,
        options.compact_files,
        options.in_flight,
        options.rng.clone(),
    );
    pool.start_from(recovered.files.len(), recovered.free.clone(), last_number);
    let first_bytes = options.first_file_bytes.min(file_bytes);
    match pool.prepare_first(&*options.disk, first_bytes) {
        Ok(()) => {}
        // Reads can go on; writes wait for room.
        Err(error) => match refused(error) {
            StoreError::Full => {
                tracing::warn!("the disk is full: nothing can be written until there is room");
            }
            error => return Err(error),
        },
    }
    Ok(pool)
}

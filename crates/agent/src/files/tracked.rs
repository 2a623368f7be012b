//! One file of a flow: what it is, and how far it is read.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::fingerprint::{Fingerprint, Seen};
use crate::checkpoint::{FileKey, Mark, Place};
use crate::split::Reach;

/// A file that nobody writes to is closed after that time, and opened again if somebody does.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// A file that its flow's patterns no longer name is read until nothing came for that long.
const DEPARTED_QUIET: Duration = Duration::from_secs(600);
/// The same where other files wait for being opened.
const DEPARTED_QUIET_MIN: Duration = Duration::from_secs(10);
/// The same for a deleted file, whose space is free once it is closed.
const DELETED_QUIET: Duration = Duration::from_secs(60);
/// A file's last bytes, in which its last line's start is looked for.
const LAST_LINE_MAX: u64 = 1 << 20;

/// One file.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) key: FileKey,
    /// Its name when last seen.
    pub(crate) path: Arc<Path>,
    /// Open while it is of interest.
    pub(crate) file: Option<File>,
    /// Bytes read from its start.
    pub(crate) offset: u64,
    /// Where the line began whose rest is being passed over.
    pub(crate) cut_line: Option<u64>,
    /// Whether its footer is at `offset`, so that nothing more is read of it.
    pub(crate) is_ended: bool,
    /// Lines still to be passed over at the start.
    pub(crate) headers_left: u64,
    /// What was read of it: its first bytes, and those before `offset`.
    pub(crate) seen: Seen,
    pub(crate) size: u64,
    /// Seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
    links: u64,
    /// Whether size or time changed since it was last checked to be the same content.
    pub(crate) is_changed: bool,
    /// When its size last changed.
    pub(crate) grown_at: Timestamp,
    /// Whether it is unclear if it is a copy of another; such a file is not read yet.
    pub(crate) is_undecided: bool,
    /// The file that it was a copy of, as far as it went, when it was last looked at.
    pub(crate) copy_of: Option<FileKey>,
    /// Whether the patterns name it no longer.
    pub(crate) is_departed: bool,
    /// Its size and whether it was settled when it was last read to its end.
    pub(crate) exhausted: Option<(u64, Reach)>,
}

/// What a file is, by its metadata.
pub(crate) fn key_of(metadata: &Metadata) -> FileKey {
    FileKey {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

impl Tracked {
    /// A file that nothing is known of yet.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn open(path: &Path, now: Timestamp) -> io::Result<Tracked> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok(Tracked {
            key: key_of(&metadata),
            path: path.into(),
            offset: 0,
            cut_line: None,
            is_ended: false,
            headers_left: 0,
            seen: Seen::default(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            links: metadata.nlink(),
            is_changed: false,
            grown_at: now,
            is_undecided: false,
            copy_of: None,
            is_departed: false,
            exhausted: None,
            file: Some(file),
        })
    }

    /// Takes note of how it is now.
    pub(crate) fn note(&mut self, metadata: &Metadata, now: Timestamp) {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let size = metadata.size();
        if size != self.size {
            self.grown_at = now;
        }
        if size != self.size || modified != self.modified {
            self.is_changed = true;
        }
        if size < self.size {
            // The footer went with the rest, or is found again.
            self.is_ended = false;
        }
        self.size = size;
        self.modified = modified;
        self.links = metadata.nlink();
    }

    /// Looks at the open file; opens it where `may_open` and there is something to read.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn refresh(&mut self, now: Timestamp, may_open: bool) -> io::Result<()> {
        if let Some(file) = &self.file {
            let metadata = file.metadata()?;
            self.note(&metadata, now);
            if self.lag() == 0 && self.is_at_rest() && now.since(self.grown_at) >= IDLE_MAX {
                self.file = None;
            }
        } else if may_open && self.waits_for_opening() {
            let file = match File::open(&self.path) {
                // The next scan says where it is now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                opened => opened?,
            };
            let metadata = file.metadata()?;
            if key_of(&metadata) == self.key {
                self.note(&metadata, now);
                self.file = Some(file);
            }
        }
        Ok(())
    }

    /// Whether it may be closed where others wait. One that departed is not met again.
    pub(crate) fn can_be_closed(&self, now: Timestamp) -> bool {
        let is_left = self.is_departed
            && self.lag() == 0
            && !self.is_changed
            && now.since(self.grown_at) >= DEPARTED_QUIET_MIN;
        !self.is_undecided && (self.is_at_rest() || is_left)
    }

    /// Whether nothing is lost where it is closed: all is read, and it is where its name says.
    fn is_at_rest(&self) -> bool {
        !self.has_more() && !self.is_departed && !self.is_changed
    }

    /// Whether there is more than a last line whose end is to come.
    fn has_more(&self) -> bool {
        self.lag() > 0 && self.exhausted != Some((self.size, Reach::Settled))
    }

    /// Whether it is closed, and something is to be read or looked at.
    pub(crate) fn waits_for_opening(&self) -> bool {
        self.file.is_none() && (self.is_changed || self.has_more())
    }

    /// Whether it still holds what was read of it. Errors of reading count as yes: the reading itself will meet them.
    pub(crate) fn is_same_content(&self) -> bool {
        let Some(file) = &self.file else {
            return true;
        };
        self.size >= self.offset && self.seen.ends_at(file, self.offset).unwrap_or(true)
    }

    /// Goes to a place that was not read up to, or not by this run.
    pub(crate) fn go_to(&mut self, offset: u64) -> io::Result<()> {
        self.offset = offset;
        self.cut_line = None;
        self.is_ended = false;
        self.exhausted = None;
        self.seen = match &self.file {
            Some(file) if offset > 0 => Seen::of(file, offset)?,
            _ => Seen::default(),
        };
        Ok(())
    }

    /// Where its last whole line ends.
    pub(crate) fn end_of_lines(&mut self) -> io::Result<u64> {
        let size = self.size;
        let Some(open) = self.file.as_mut() else {
            return Ok(size);
        };
        let start = size.saturating_sub(LAST_LINE_MAX);
        let mut last = Vec::new();
        open.seek(SeekFrom::Start(start))?;
        open.take(size - start).read_to_end(&mut last)?;
        Ok(match memchr::memrchr(b'\n', &last) {
            Some(at) => start + at as u64 + 1,
            None if start == 0 => 0,
            None => size,
        })
    }

    /// Bytes that are there and to be read.
    pub(crate) fn lag(&self) -> u64 {
        if self.is_ended {
            return 0;
        }
        self.size.saturating_sub(self.offset)
    }

    /// How far it is done with, for the checkpoint. The start of a line whose rest is being passed over: reading goes on
    /// there after a crash.
    pub(crate) fn mark(&self, now: Timestamp) -> Mark {
        let (offset, tail) = match (self.cut_line, &self.file) {
            (Some(start), Some(file)) => (start, Fingerprint::tail(file, start)),
            _ => (self.offset, Ok(self.seen.tail())),
        };
        Mark::Reached(Place {
            offset,
            tail: tail.unwrap_or(self.seen.tail()),
            ..self.place(now)
        })
    }

    /// Where it is, and what was read of it up to there.
    pub(crate) fn place(&self, now: Timestamp) -> Place {
        Place {
            path: Arc::clone(&self.path),
            key: self.key,
            offset: self.offset,
            head: self.seen.head(),
            tail: self.seen.tail(),
            noted: now,
        }
    }

    /// Whether it has no name any more, as far as it was looked at.
    pub(crate) fn is_deleted(&self) -> bool {
        self.links == 0
    }

    /// Whether a file that departed has nothing more to say.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let quiet = if self.is_deleted() {
            DELETED_QUIET
        } else {
            DEPARTED_QUIET
        };
        self.is_departed && now.since(self.grown_at) >= quiet
    }
}

//! Files that are prepared ahead of the writers, and free ones to prepare them from.
//!
//! Space is reserved here and nowhere else: a file is handed out at its whole length, so that a disk that fills up is met
//! here, before anything is decided, and not in the middle of a frame. The next one to be handed out is written over with
//! zeros meanwhile, bit by bit, while frames are small: their syncs then have nothing to do but their own bytes. Large frames
//! are as fast without, and the zeros would take the disk from them. A file that was made a segment is none of these: it only leaves.
//!
//! On a full disk the last prepared file is for requests that make room, or nothing ever would again. There is one where the disk has
//! a little left, if a short one.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Rng;

use crate::disk::{Disk, Reserved};
use crate::journal::FOLDER;
use crate::journal::file::{self, FRAMES_FROM, JournalFile};

/// Files kept ready. One is being filled while the next is prepared; the second takes up a slow disk.
const READY: usize = 2;
/// Zeros written at once, in bytes: whoever takes the file meanwhile waits for as many.
const ZEROS_STEP: u64 = 256 << 10;
/// Frames of as many bytes, on average, gain nothing from a file that was written before.
const LARGE_FRAME: u64 = 128 << 10;
/// What a full disk's last file may be short of a whole one, where there is no room for more, and how short it gets.
const LAST_DIVISOR: u64 = 64;
const LAST_BYTES_MIN: u64 = 16 << 10;

/// The prepared and the free files.
#[derive(Debug)]
pub struct Pool {
    inner: Mutex<Inner>,
    file_bytes: u64,
    files_max: usize,
    free_max: usize,
    writers: usize,
    rng: Rng,
}

/// A file ready to be taken.
#[derive(Clone, Debug)]
struct Ready {
    file: JournalFile,
    /// From here on nothing was written yet; its end where nothing is to be, as once it is taken. Held while zeros are written.
    unwritten_from: Arc<Mutex<u64>>,
}

impl Ready {
    fn unwritten_from(&self) -> MutexGuard<'_, u64> {
        self.unwritten_from
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Inner {
    next_number: u64,
    ready: VecDeque<Ready>,
    /// The last full file's, on average.
    frame_bytes: u64,
    /// Numbers in the names of free files.
    free: VecDeque<u64>,
    /// Files handed out and not given back.
    in_use: usize,
    blocked: Option<Blocked>,
    /// Files that are to be given back; the disk refused so far.
    owed: Vec<JournalFile>,
    /// Whether one more file is wanted than there may be.
    is_beyond_asked: bool,
}

/// Why no file is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// The disk has no room.
    Full,
    /// The journal has as many files as it may.
    Capped,
    /// The disk refuses otherwise.
    Refused(io::ErrorKind),
}

impl Pool {
    /// Files of `file_bytes`, at most `files_max` in use, at most `free_max` kept when they are given back; each can be
    /// written to by `writers` at once.
    #[must_use]
    pub fn new(
        file_bytes: u64,
        files_max: usize,
        free_max: usize,
        writers: usize,
        rng: Rng,
    ) -> Pool {
        Pool {
            inner: Mutex::default(),
            file_bytes,
            files_max,
            free_max,
            writers,
            rng,
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what recovery found: files in use, numbers of free files, and the number that the next file gets.
    pub fn start_from(&self, in_use: usize, free: Vec<u64>, next_number: u64) {
        let mut inner = self.inner();
        inner.in_use = in_use;
        inner.free = free.into();
        inner.next_number = next_number;
    }

    /// Prepares the first file before anything is written: whole where a free one is there, otherwise of `bytes` only, so
    /// that a start is quick.
    ///
    /// # Errors
    /// What the disk says.
    pub fn prepare_first(&self, disk: &dyn Disk, bytes: u64) -> io::Result<()> {
        self.prepare_one(disk, bytes)?;
        while self.write_zeros()? {}
        Ok(())
    }

    /// Prepares a file if one is wanted. Whether one became ready, or why not.
    ///
    /// # Errors
    /// Why none can be: also kept for [`Pool::blocked`] until one can.
    pub fn prepare(&self, disk: &dyn Disk) -> Result<bool, Blocked> {
        let owes = !self.inner().owed.is_empty();
        if owes && let Err(error) = self.give_back(disk, &[]) {
            tracing::warn!(%error, "journal files cannot be freed; it is tried again");
        }
        {
            let mut inner = self.inner();
            if inner.ready.len() >= READY {
                inner.blocked = None;
                return Ok(false);
            }
            let is_capped = inner.in_use + inner.ready.len() >= self.files_max;
            if is_capped && !inner.is_beyond_asked {
                inner.blocked = Some(Blocked::Capped);
                return Err(Blocked::Capped);
            }
        }
        match self.prepare_one(disk, self.file_bytes) {
            Ok(()) => Ok(true),
            Err(error) => {
                let blocked = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Blocked::Full,
                    kind => Blocked::Refused(kind),
                };
                self.block(disk, blocked);
                Err(blocked)
            }
        }
    }

    /// Takes note of why there is no file. For what makes room on a full disk there is to be one all the same.
    fn block(&self, disk: &dyn Disk, blocked: Blocked) {
        let has_any = {
            let mut inner = self.inner();
            inner.blocked = Some(blocked);
            !inner.ready.is_empty()
        };
        let short = self.last_bytes();
        if blocked != Blocked::Full || has_any || short >= self.file_bytes {
            return;
        }
        // Where there is no room for this one either, it is tried again with the next whole one.
        if let Ok(file) = self.try_ready(disk, short) {
            self.inner().ready.push_back(file);
        }
    }

    /// How long a full disk's last file is where there is no room for more.
    #[must_use]
    pub fn last_bytes(&self) -> u64 {
        (self.file_bytes / LAST_DIVISOR).max(LAST_BYTES_MIN)
    }

    fn prepare_one(&self, disk: &dyn Disk, bytes: u64) -> io::Result<()> {
        let file = self.try_ready(disk, bytes)?;
        let mut inner = self.inner();
        inner.ready.push_back(file);
        inner.blocked = None;
        inner.is_beyond_asked = false;
        Ok(())
    }

    fn try_ready(&self, disk: &dyn Disk, bytes: u64) -> io::Result<Ready> {
        let (number, free) = {
            let mut inner = self.inner();
            inner.next_number += 1;
            (inner.next_number, inner.free.pop_front())
        };
        self.make_ready(disk, number, free, bytes).inspect_err(|_| {
            // A file half prepared would keep the space that is missing. If this fails too, it is found free at the
            // next start.
            let _ = disk.remove(&file::free_name(free.unwrap_or(number)));
            let _ = disk.remove(&file::free_name(number));
            // It may have its name by then: no frame was written to it.
            let _ = disk.remove(&file::name(number));
        })
    }

    fn make_ready(
        &self,
        disk: &dyn Disk,
        number: u64,
        free: Option<u64>,
        bytes: u64,
    ) -> io::Result<Ready> {
        let name = file::free_name(free.unwrap_or(number));
        let file = match free {
            Some(_) => disk.open(&name)?,
            None => disk.create(&name)?,
        };
        let length = file.length()?;
        let reserved = file.preallocate(bytes)?;
        let mut ready = JournalFile {
            number,
            generation: self.rng.next_u64(),
            capacity: length.max(bytes),
            file,
            writers: Arc::new([]),
        };
        let unwritten_from = match reserved {
            Reserved::Unwritten => length.next_multiple_of(FRAMES_FROM).max(FRAMES_FROM),
            Reserved::Written => ready.capacity,
        };
        ready.write_header()?;
        ready.file.sync_data()?;
        disk.rename(&name, &ready.name())?;
        disk.sync_folder(FOLDER)?;
        let open = |_| disk.open(&ready.name());
        ready.writers = (0..self.writers).map(open).collect::<io::Result<_>>()?;
        Ok(Ready {
            file: ready,
            unwritten_from: Arc::new(Mutex::new(unwritten_from)),
        })
    }

    /// Writes the next zeros, if any are wanted: never to a file that was taken. Whether there were any.
    ///
    /// # Errors
    /// What the disk says. The file is then taken as it is.
    pub fn write_zeros(&self) -> io::Result<bool> {
        let front = {
            let inner = self.inner();
            let is_wanted = inner.frame_bytes < LARGE_FRAME;
            inner.ready.front().filter(|_| is_wanted).cloned()
        };
        let Some(front) = front else {
            return Ok(false);
        };
        let file = &front.file;
        let mut from = front.unwritten_from();
        if *from >= file.capacity {
            return Ok(false);
        }
        let upto = (*from + ZEROS_STEP).min(file.capacity);
        let written = file.file.write_zeros(*from, upto);
        *from = if written.is_ok() { upto } else { file.capacity };
        written.map(|()| true)
    }

    /// Tells how large a full file's frames were, on average.
    pub fn note_frames(&self, bytes: u64) {
        self.inner().frame_bytes = bytes;
    }

    /// Whether what the file being filled has left is for what makes room: the disk is full, and no other file is there.
    #[must_use]
    pub fn is_at_last(&self) -> bool {
        let inner = self.inner();
        inner.blocked == Some(Blocked::Full) && inner.ready.is_empty()
    }

    /// The next prepared file; not the last of a full disk.
    #[must_use]
    pub fn take(&self) -> Option<JournalFile> {
        let is_last = |inner: &Inner| inner.blocked == Some(Blocked::Full) && inner.ready.len() < 2;
        self.take_unless(is_last)
    }

    /// The next prepared file, for what makes room and needs a file of so many bytes. On a full disk, where no file is as long, none:
    /// the room would go with it, and nothing come of that.
    #[must_use]
    pub fn take_last(&self, bytes: u64) -> Option<JournalFile> {
        let is_too_short = |ready: &Ready| ready.file.capacity < bytes;
        self.take_unless(|inner| {
            inner.blocked == Some(Blocked::Full) && inner.ready.iter().all(is_too_short)
        })
    }

    fn take_unless(&self, is_kept_back: impl Fn(&Inner) -> bool) -> Option<JournalFile> {
        let ready = {
            let mut inner = self.inner();
            if is_kept_back(&inner) {
                return None;
            }
            let ready = inner.ready.pop_front()?;
            inner.in_use += 1;
            ready
        };
        // After the zeros that are on their way.
        *ready.unwritten_from() = ready.file.capacity;
        Some(ready.file)
    }

    /// Takes back a file that was taken and left without a frame, with the next [`Pool::prepare`].
    pub fn abandon(&self, file: JournalFile) {
        self.inner().owed.push(file);
    }

    /// Has the next [`Pool::prepare`] prepare one file past the limit, for what makes room.
    pub fn ask_beyond(&self) {
        self.inner().is_beyond_asked = true;
    }

    /// Whether fewer files are ready than there should be.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.inner().ready.len() < READY
    }

    /// Why no file is ready; `None` where one is or is being prepared.
    #[must_use]
    pub fn blocked(&self) -> Option<Blocked> {
        self.inner().blocked
    }

    /// Takes back files that nothing reads or writes any more.
    ///
    /// # Errors
    /// What the disk says. The files not given back by then are tried again with the next, or when there are too many.
    pub fn give_back(&self, disk: &dyn Disk, files: &[JournalFile]) -> io::Result<()> {
        let mut owed = std::mem::take(&mut self.inner().owed);
        owed.extend_from_slice(files);
        let freed = match free(disk, &owed) {
            Ok(freed) => freed,
            Err(error) => {
                self.inner().owed.append(&mut owed);
                return Err(error);
            }
        };
        for (file, is_free) in owed.iter().zip(freed) {
            let mut inner = self.inner();
            inner.in_use = inner.in_use.saturating_sub(1);
            let is_wanted = inner.free.len() < self.free_max && file.capacity >= self.file_bytes;
            if is_free && is_wanted {
                inner.free.push_back(file.number);
            }
            drop(inner);
            if is_free && !is_wanted {
                // What stays is found free at the next start.
                let _ = disk.remove(&file::free_name(file.number));
            }
        }
        Ok(())
    }

    /// The greatest frame that a file has room for.
    #[must_use]
    pub fn frame_bytes_max(&self) -> u64 {
        self.file_bytes.saturating_sub(FRAMES_FROM)
    }

    /// Files that may be in use.
    #[must_use]
    pub fn files_max(&self) -> usize {
        self.files_max
    }

    /// Bytes of all journal files: in use, ready and free.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let inner = self.inner();
        (inner.in_use + inner.ready.len() + inner.free.len()) as u64 * self.file_bytes
    }
}

/// Gives files the names of free ones, durably, but those that were made segments, which lose their names here. Some may have done so
/// in an earlier attempt. Which are free.
fn free(disk: &dyn Disk, files: &[JournalFile]) -> io::Result<Vec<bool>> {
    let mut freed = Vec::with_capacity(files.len());
    for file in files {
        let is_kept = file.is_kept()?;
        match file::let_go(disk, file.number, is_kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => freed.push(!is_kept),
        }
    }
    // Before any of them is written anew: a name that came back after a crash would show another file's first sector.
    disk.sync_folder(FOLDER)?;
    Ok(freed)
}

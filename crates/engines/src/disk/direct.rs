//! Around the page cache (`O_DIRECT`), for bytes that are read once more at most: copying them there costs more processor
//! time than all else a write does, and pushes out what is read often.
//!
//! Only whole [`UNIT`]s at whole positions can be had so, in memory that is aligned likewise; hence the buffer. Where a file
//! system or device does not take it, all is as usual. Durability is no different: it is for `fdatasync` to say.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What positions, lengths and memory are aligned to: a page, and no less than any disk's sector.
pub(super) const UNIT: usize = 4096;
/// Written at once, at most.
const BUFFER: usize = 1 << 20;

const _: () = assert!(BUFFER.is_multiple_of(UNIT));

/// The way around the page cache for one file.
#[derive(Debug, Default)]
pub(super) struct Direct {
    descriptor: OnceLock<Option<OwnedFd>>,
    is_refused: AtomicBool,
    buffers: Arc<Buffers>,
}

/// Buffers that all files of a disk share: as many as write at the same time.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    fn free(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<u8> {
        let free = self.free().pop();
        free.unwrap_or_else(|| vec![0; BUFFER + UNIT])
    }
}

impl Direct {
    /// For a file of a disk with these buffers.
    pub(super) fn with(buffers: &Arc<Buffers>) -> Direct {
        Direct {
            buffers: Arc::clone(buffers),
            ..Direct::default()
        }
    }

    /// Writes as much of `slices` as can be, from the front, and gives how many bytes that was: all, or a multiple of
    /// [`UNIT`] that may be 0. The rest is to be written as usual.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn write(
        &self,
        file: &File,
        slices: &[IoSlice<'_>],
        position: u64,
    ) -> io::Result<usize> {
        if self.is_refused.load(Ordering::Relaxed) || !position.is_multiple_of(UNIT as u64) {
            return Ok(0);
        }
        let Some(descriptor) = self.descriptor.get_or_init(|| open(file)) else {
            return Ok(0);
        };
        let mut buffer = self.buffers.take();
        let start = buffer.as_ptr().align_offset(UNIT);
        let outcome = self.write_from(
            descriptor,
            &mut buffer[start..start + BUFFER],
            slices,
            position,
        );
        self.buffers.free().push(buffer);
        outcome
    }

    /// Reads `length` bytes from `position`, fewer at the file's end alone; `None` where they are to be read as usual.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn read(
        &self,
        file: &File,
        length: usize,
        position: u64,
    ) -> io::Result<Option<Bytes>> {
        if self.is_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let Some(descriptor) = self.descriptor.get_or_init(|| open(file)) else {
            return Ok(None);
        };
        let before = (position % UNIT as u64) as usize;
        let whole = (before + length).next_multiple_of(UNIT);
        let mut buffer = vec![0; whole + UNIT];
        let start = buffer.as_ptr().align_offset(UNIT);
        let mut filled = 0;
        while filled < whole {
            let target = &mut buffer[start + filled..start + whole];
            let at = position - before as u64 + filled as u64;
            match rustix::io::pread(descriptor, target, at) {
                Ok(count) => {
                    filled += count;
                    // The file's end, which need not be at a whole unit.
                    if count == 0 || !count.is_multiple_of(UNIT) {
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                    self.is_refused.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let end = filled.clamp(before, before + length);
        Ok(Some(Bytes::from(buffer).slice(start + before..start + end)))
    }

    /// Gathers `slices` in `aligned` and writes that whenever it is full, and what is whole at the end.
    fn write_from(
        &self,
        descriptor: &OwnedFd,
        aligned: &mut [u8],
        slices: &[IoSlice<'_>],
        position: u64,
    ) -> io::Result<usize> {
        let mut written = 0;
        let mut filled = 0;
        for slice in slices {
            let mut left: &[u8] = slice;
            while !left.is_empty() {
                let (now, later) = left.split_at(left.len().min(BUFFER - filled));
                aligned[filled..filled + now.len()].copy_from_slice(now);
                filled += now.len();
                left = later;
                if filled == BUFFER {
                    let done = self.put(descriptor, aligned, position + written as u64)?;
                    written += done;
                    if done < BUFFER {
                        return Ok(written);
                    }
                    filled = 0;
                }
            }
        }
        let whole = filled - filled % UNIT;
        if whole > 0 {
            written += self.put(descriptor, &aligned[..whole], position + written as u64)?;
        }
        Ok(written)
    }

    /// Writes whole units and gives how many bytes of them are written.
    fn put(&self, descriptor: &OwnedFd, bytes: &[u8], position: u64) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::pwrite(descriptor, &bytes[written..], position + written as u64) {
                // Writing as usual goes on from here, or says what is in the way.
                Ok(count) if count < UNIT => break,
                Ok(count) => written += count - count % UNIT,
                Err(Errno::INTR) => {}
                // The file system or the device wants another alignment, or none of it.
                Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                    self.is_refused.store(true, Ordering::Relaxed);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(written)
    }
}

/// The same file once more, around the page cache; `None` where that is not to be had.
fn open(file: &File) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// Writes `lengths` of bytes in one call at `position` and reads them back through the page cache.
    fn check(position: u64, lengths: &[usize]) {
        let name = format!(
            "headwater-direct-{}-{position}-{lengths:?}",
            std::process::id()
        );
        let path = std::env::temp_dir().join(name.replace([' ', '[', ']'], ""));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        let pieces: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(index, &length)| (0..length).map(|byte| (byte * 31 + index) as u8).collect())
            .collect();
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let written = Direct::default().write(&file, &slices, position).unwrap();
        let all = pieces.concat();
        assert!(
            written == 0 || written == all.len() - all.len() % UNIT,
            "{written} of {}",
            all.len()
        );
        let mut read = vec![0; written];
        file.read_exact_at(&mut read, position).unwrap();
        assert!(read == all[..written], "{lengths:?} at {position}");
        file.write_all_at(&all, position).unwrap();
        for skipped in [0, 1, all.len() / 2, all.len()] {
            let at = position + skipped as u64;
            // With no more asked for than there is, and with more.
            for more in [0, 1, 3 * UNIT] {
                let read = Direct::default().read(&file, all.len() - skipped + more, at);
                if let Some(read) = read.unwrap() {
                    assert!(read == all[skipped..], "{lengths:?} at {at}, {more} more");
                }
            }
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        check(0, &[UNIT]);
        check(UNIT as u64, &[1, UNIT - 1, 0, UNIT]);
        check(0, &[100]);
        check(7, &[UNIT]);
        check(0, &[BUFFER - 1, 2, BUFFER, 5 * UNIT + 3]);
    }
}

//! The few things an engine asks of a disk, so that a simulated one can stand in for it: [`RealDisk`] here, and
//! [`crate::sim`] which loses what was not synced, tears, fills up and fails from a seed. Nothing else may be behind these
//! traits.
//!
//! Names are relative to the data directory, their parts divided by `/`.
//!
//! **Promises.** What was written before [`File::sync_data`] began is durable when it answers well; what was created, renamed
//! or removed in a folder before [`Disk::sync_folder`] began likewise, folders in it included.
//! **Non-promises.** Without the sync, any part of a write may be there after a crash, and folder changes up to any point.
//! After a failed sync nothing is known of what it should have covered, and a later sync that succeeds does not cover it:
//! never sync again and hope.

mod mapped;
mod zeros;

use std::fmt;
use std::fs;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{Advice, FallocateFlags, FlockOperation, FsWord};
use rustix::io::{Errno, ReadWriteFlags};

/// Slices handed to one system call: `IOV_MAX` on Linux.
const SLICES_MAX: usize = 1024;
/// What `statfs` calls file systems that write through where they are asked to.
const EXT4: u32 = 0xef53;
const XFS: u32 = 0x5846_5342;
const BTRFS: u32 = 0x9123_683e;
/// The file whose lock stands for the data directory's.
const LOCK: &str = "lock";

/// How long a lock that another process has is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// A data directory.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Makes a file, empty, to read and write.
    ///
    /// # Errors
    /// `AlreadyExists`; what the system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Opens a file to read and write.
    ///
    /// # Errors
    /// `NotFound`; what the system says.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// The names of the files in `folder` (`""`: the data directory itself), without the folder's, sorted. No folders.
    ///
    /// # Errors
    /// `NotFound`; what the system says.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Gives a file another name in the same folder, in place of the file that has it.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Gives a file a second name, in any folder: what it holds is there until both are removed.
    ///
    /// # Errors
    /// `AlreadyExists`; what the system says, where the file system has no such thing too.
    fn link(&self, name: &str, second: &str) -> io::Result<()>;

    /// Removes a file. Who has it open reads on.
    ///
    /// # Errors
    /// `NotFound`; what the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes a folder and its parents. Fine if it is there; durable once the folders that they are in are synced.
    ///
    /// # Errors
    /// What the system says.
    fn create_folder(&self, folder: &str) -> io::Result<()>;

    /// Makes earlier creations, renames and removals in `folder` durable, folders made in it included.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;

    /// Takes the data directory for this process alone, until the answer is dropped.
    ///
    /// # Errors
    /// `WouldBlock` where another has it, and keeps it for a moment more.
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>>;
}

/// How space was reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reserved {
    /// Each place's first durable write has the file system note that it is written, which can double the time of a small one.
    Unwritten,
    /// Zeros were written.
    Written,
}

/// An open file.
pub trait File: Send + Sync + fmt::Debug {
    /// Writes all of `slices`, one after another, from `position`.
    ///
    /// # Errors
    /// `StorageFull`; what the system says. Any part may have been written.
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()>;

    /// As [`File::write_at`] and [`File::sync_data`], but what others wrote to the file need not be durable then.
    ///
    /// # Errors
    /// As theirs.
    fn write_durably(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.write_at(slices, position)?;
        self.sync_data()
    }

    /// Fills `target` from `position`; gives the number of bytes read, fewer than asked for at the file's end alone.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, target: &mut [u8], position: u64) -> io::Result<usize>;

    /// `length` bytes from `position`, fewer at the file's end alone. Saves writing zeros where bytes are about to be read.
    ///
    /// # Errors
    /// As [`File::read_at`].
    fn read(&self, length: usize, position: u64) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        let read = self.read_at(&mut bytes, position)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }

    /// As [`File::read`], of a file that is never changed as long as the bytes are held: a disk may give its own memory.
    ///
    /// # Errors
    /// As [`File::read_at`].
    fn read_shared(&self, length: usize, position: u64) -> io::Result<Bytes> {
        self.read(length, position)
    }

    /// Says that all of it is about to be read in small pieces, many times: a disk may bring it into its cache. No promise.
    fn will_read(&self) {}

    /// Makes earlier writes durable, and as much of the file's length as is needed to read them.
    ///
    /// # Errors
    /// What the system says. Final: see the module's non-promises.
    fn sync_data(&self) -> io::Result<()>;

    /// Reserves space up to `length`, with zeros where the file did not reach, so that later writes there neither find
    /// the disk full nor grow the file. What was there stays.
    ///
    /// # Errors
    /// `StorageFull`; what the system says. The file may have grown part of the way.
    fn preallocate(&self, length: u64) -> io::Result<Reserved>;

    /// Writes zeros from `from` up to `upto`, where nobody reads yet: for what was reserved [`Reserved::Unwritten`].
    ///
    /// # Errors
    /// As [`File::write_at`].
    fn write_zeros(&self, from: u64, upto: u64) -> io::Result<()> {
        let zeros = vec![0; usize::try_from(upto.saturating_sub(from)).unwrap_or(0)];
        self.write_at(&[IoSlice::new(&zeros)], from)
    }

    /// Bytes in the file.
    ///
    /// # Errors
    /// What the system says.
    fn length(&self) -> io::Result<u64>;
}

/// A folder of the machine's file system.
#[derive(Debug)]
pub struct RealDisk {
    root: PathBuf,
    syncs_ranges: bool,
}

#[derive(Debug)]
struct RealFile {
    file: fs::File,
    /// Whether `RWF_DSYNC` does what it says.
    syncs_ranges: bool,
}

impl RealDisk {
    /// The data directory at `root`, made if it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<RealDisk> {
        let root = root.into();
        create_folder_durably(&root)?;
        // Others take the flag too, and not all of them act on it: FUSE, which is what a container's mounts often are.
        let kind = rustix::fs::statfs(&root)?.f_type;
        let syncs_ranges = [EXT4, XFS, BTRFS].map(FsWord::from).contains(&kind);
        Ok(RealDisk { root, syncs_ranges })
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn file(&self, file: fs::File) -> Arc<dyn File> {
        Arc::new(RealFile {
            file,
            syncs_ranges: self.syncs_ranges,
        })
    }
}

impl Disk for RealDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path(name))?;
        Ok(self.file(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(self.path(name))?;
        Ok(self.file(file))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                continue;
            }
            // A name that is no UTF-8 is none of ours.
            names.extend(entry.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        fs::hard_link(self.path(name), self.path(second))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(folder))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        sync_path(&self.path(folder))?;
        match folder {
            "" => sync_own_name(&self.root),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let file = fs::File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(LOCK))?;
        let descriptor = OwnedFd::from(file);
        match rustix::fs::flock(&descriptor, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(Box::new(wait_for_lock(descriptor)?)),
            taken => Ok(taken.map(|()| Box::new(descriptor))?),
        }
    }
}

/// Waits a little for a lock that another process has: one that was killed keeps it until it has ended, which takes a moment with
/// much memory, and who starts the next one at once is not to be refused.
fn wait_for_lock(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    let (taken, lock) = mpsc::channel();
    // Left behind where nobody gives the lock up: when somebody does, it is given up again.
    std::thread::Builder::new()
        .name("lock".into())
        .spawn(move || {
            let locked = rustix::fs::flock(&descriptor, FlockOperation::LockExclusive);
            let _ = taken.send(locked.map(|()| descriptor));
        })?;
    match lock.recv_timeout(LOCK_PATIENCE) {
        Ok(taken) => Ok(taken?),
        Err(_) => Err(Errno::WOULDBLOCK.into()),
    }
}

impl File for RealFile {
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut position = position;
        for chunk in slices.chunks(SLICES_MAX) {
            let mut chunk: Vec<IoSlice<'_>> =
                chunk.iter().map(|slice| IoSlice::new(slice)).collect();
            let mut left = chunk.as_mut_slice();
            IoSlice::advance_slices(&mut left, 0); // drops empty slices at the front
            while !left.is_empty() {
                let written = match rustix::io::pwritev(&self.file, left, position) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(written) => written,
                    Err(Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                };
                position += written as u64;
                IoSlice::advance_slices(&mut left, written);
            }
        }
        Ok(())
    }

    fn write_durably(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        // One call, which waits for these bytes alone: `fdatasync` waits for all that writers beside this one put there too.
        if self.syncs_ranges && slices.len() <= SLICES_MAX {
            let length: usize = slices.iter().map(|slice| slice.len()).sum();
            match rustix::io::pwritev2(&self.file, slices, position, ReadWriteFlags::DSYNC) {
                Ok(written) if written == length => return Ok(()),
                Ok(_) | Err(Errno::INTR | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // In part, too many pieces, or a system that cannot.
        self.write_at(slices, position)?;
        self.sync_data()
    }

    fn read_at(&self, target: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(left) = target.get_mut(filled..).filter(|left| !left.is_empty()) {
            match self.file.read_at(left, position + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read(&self, length: usize, position: u64) -> io::Result<Bytes> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = position + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // A vector may have more room than it was asked for.
        bytes.truncate(length);
        Ok(bytes.into())
    }

    fn read_shared(&self, length: usize, position: u64) -> io::Result<Bytes> {
        let mapped = (length >= mapped::LENGTH_MIN)
            .then(|| mapped::read(&self.file, length, position).ok())
            .flatten();
        // Where it cannot be mapped, or ends before, reading says what is there.
        mapped.map_or_else(|| self.read(length, position), Ok)
    }

    fn will_read(&self) {
        // A hint: whoever does not take it reads all the same.
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::WillNeed);
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn preallocate(&self, length: u64) -> io::Result<Reserved> {
        let present = self.length()?;
        if present >= length {
            return Ok(Reserved::Written);
        }
        let more = length - present;
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), present, more) {
            Ok(()) => Ok(Reserved::Unwritten),
            // Where the file system cannot reserve, writing does.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                zeros::write(&self.file, present, length)?;
                Ok(Reserved::Written)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_zeros(&self, from: u64, upto: u64) -> io::Result<()> {
        zeros::write(&self.file, from, upto)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

/// Makes `path` and its missing parents, and syncs each folder that got a new entry.
fn create_folder_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(io::ErrorKind::NotFound.into()),
    };
    create_folder_durably(parent)?;
    match fs::create_dir(path) {
        Ok(()) => sync_path(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the data directory's own name durable: who made it need not have done so, nor let us read the folder that it is in.
fn sync_own_name(root: &Path) -> io::Result<()> {
    let root = root.canonicalize()?;
    let Some(parent) = root.parent() else {
        return Ok(());
    };
    match sync_path(parent) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        outcome => outcome,
    }
}

fn sync_path(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;

//! The data directory of a store that is gone with its process. Little of it is in files, but others may be in the directory.
//!
//! A store that lasts has its directory to itself: the engine locks the file `lock`. Volatile stores hold the same lock
//! together: any number of them may be in a directory, and none beside a store that lasts. Bodies of S3's objects are in
//! `objects-volatile`, in a folder of each process, which it keeps locked: what is not locked was left by a process that was
//! killed, and the next one to start removes it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use model::Rng;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use crate::Failure;

/// The engine's own.
const LOCK: &str = "lock";
const OBJECTS: &str = "objects-volatile";

/// A place in a data directory, held until it is dropped.
#[derive(Debug)]
pub(super) struct Shared {
    _directory: File,
    objects: PathBuf,
    _objects: File,
}

impl Shared {
    /// Takes a place.
    pub(super) fn take(data: &Path, rng: &Rng) -> Result<Shared, Failure> {
        let shown = data.display();
        let directory = lock_directory(data).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Failure::because(
                format!(
                    "another server has --data {shown}, whose data lasts: stop it, or give another directory"
                ),
                error,
            ),
            _ => Failure::because(format!("could not lock --data {shown}"), error),
        })?;
        let all = data.join(OBJECTS);
        let own = take_folder(&all, rng).map_err(|error| {
            let all = all.display();
            Failure::because(
                format!("could not make a place for objects in {all}"),
                error,
            )
        })?;
        Ok(Shared {
            _directory: directory,
            objects: own.0,
            _objects: own.1,
        })
    }

    /// Where this process may keep bodies of objects: nobody else's, and empty at first.
    pub(super) fn objects(&self) -> &Path {
        &self.objects
    }

    /// Removes what this process kept.
    pub(super) fn clear(&self) {
        if let Err(error) = fs::remove_dir_all(&self.objects) {
            let path = self.objects.display();
            tracing::warn!(%error, %path, "objects are left that nobody will read");
        }
    }
}

/// Beside others like us; `WouldBlock` where a store that lasts is there.
fn lock_directory(data: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false);
    let file = file.open(data.join(LOCK))?;
    flock(&file, FlockOperation::NonBlockingLockShared)?;
    Ok(file)
}

/// A new folder, locked. Those of processes that are no more are removed.
fn take_folder(all: &Path, rng: &Rng) -> io::Result<(PathBuf, File)> {
    fs::create_dir_all(all)?;
    // One at a time: a folder is not locked at the moment it is made.
    let starting = File::open(all)?;
    retry_on_intr(|| flock(&starting, FlockOperation::LockExclusive))?;
    for entry in fs::read_dir(all)? {
        match remove_if_left(&entry?.path()) {
            // Its process removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done?,
        }
    }
    let own = all.join(format!("{:016x}", rng.next_u64()));
    fs::create_dir(&own)?;
    let locked = File::open(&own)?;
    flock(&locked, FlockOperation::NonBlockingLockExclusive)?;
    Ok((own, locked))
}

/// Removes what no process has locked.
fn remove_if_left(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if file.metadata()?.is_dir() => fs::remove_dir_all(path),
        Ok(()) => fs::remove_file(path),
        Err(Errno::WOULDBLOCK) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

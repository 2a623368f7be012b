//! Bodies: the bytes of objects and parts, one file each, under names nobody but this file makes.
//!
//! **Life of a file.** Made empty under a new random name; filled; synced, and the directory after it; named in a document
//! of the catalog; no longer named by any; removed. After a crash a file no document names is left: [`Bodies::sweep`] removes
//! it at the next start. A file is never changed once it is synced, so that copies may share it by hard links.
//!
//! **The mark.** A file `mark` says which catalog names these bodies. Without it a server that is started on the wrong
//! catalog, an empty one even, would take every body for left over.
//!
//! **Readers.** [`Bodies::hold`] keeps bodies on disk while they are read, even if their object is deleted meanwhile: who
//! removes a body that is held leaves it to the last reader.
//!
//! **Not promised.** That bytes at rest are whole: the file system's word is taken for it, and clients have checksums.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use model::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::task::spawn_blocking;

use crate::limits::READ_BYTES;

/// The file that says whose bodies these are.
const MARK: &str = "mark";

/// A body's name: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BodyId(u128);

impl BodyId {
    fn parse(name: &str) -> Option<BodyId> {
        let is_ours = name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit());
        is_ours
            .then(|| u128::from_str_radix(name, 16).ok())?
            .map(BodyId)
    }
}

impl fmt::Display for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for BodyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyId({self})")
    }
}

impl Serialize for BodyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BodyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BodyId, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        BodyId::parse(&name).ok_or_else(|| serde::de::Error::custom("not a body's name"))
    }
}

/// The directory of bodies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Bodies(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    /// For syncing what is in it.
    entries: File,
    rng: Rng,
    held: Mutex<HashMap<BodyId, Held>>,
    /// The directory could not be synced once: whether later names reach the disk can no longer be known.
    is_poisoned: AtomicBool,
}

/// Who reads a body.
#[derive(Default)]
struct Held {
    readers: usize,
    /// No document names it any more.
    is_removed: bool,
}

impl Bodies {
    /// The bodies in `directory`, which is made if need be. Blocks.
    pub(crate) fn open(directory: &Path, rng: Rng) -> io::Result<Bodies> {
        fs::create_dir_all(directory)?;
        if let Some(parent) = directory.parent() {
            // An empty path is the working directory.
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            File::open(parent)?.sync_all()?;
        }
        Ok(Bodies(Arc::new(Inner {
            entries: File::open(directory)?,
            directory: directory.to_owned(),
            rng,
            held: Mutex::default(),
            is_poisoned: AtomicBool::new(false),
        })))
    }

    fn path(&self, body: BodyId) -> PathBuf {
        self.0.directory.join(body.to_string())
    }

    fn held(&self) -> MutexGuard<'_, HashMap<BodyId, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_id(&self) -> BodyId {
        let mut bytes = [0; 16];
        self.0.rng.fill(&mut bytes);
        BodyId(u128::from_be_bytes(bytes))
    }

    /// Makes the names in the directory durable. Blocks.
    fn sync(&self) -> io::Result<()> {
        if self.0.is_poisoned.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier sync of the directory failed"));
        }
        self.0.entries.sync_all().inspect_err(|_| {
            self.0.is_poisoned.store(true, Ordering::Release);
        })
    }

    /// The mark, if there is one. Blocks.
    pub(crate) fn mark(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(self.0.directory.join(MARK)) {
            Ok(mark) => Ok(Some(mark)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Marks the directory, durably. Blocks.
    pub(crate) fn set_mark(&self, mark: &str) -> io::Result<()> {
        let mut file = File::create(self.0.directory.join(MARK))?;
        file.write_all(mark.as_bytes())?;
        file.sync_all()?;
        self.sync()
    }

    /// Whether there is no body. Blocks.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        for entry in fs::read_dir(&self.0.directory)? {
            if entry?
                .file_name()
                .to_str()
                .and_then(BodyId::parse)
                .is_some()
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn guard(&self, body: BodyId) -> Unnamed {
        Unnamed {
            bodies: self.clone(),
            body,
            is_kept: false,
        }
    }

    /// A new body, empty. Blocks.
    pub(crate) fn create(&self) -> io::Result<Draft> {
        let id = self.new_id();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path(id))?;
        Ok(Draft {
            file,
            guard: self.guard(id),
        })
    }

    /// A new body with the bytes of `source`, durable. Shares the file where the file system can. Blocks.
    pub(crate) fn link(&self, source: BodyId) -> io::Result<Unnamed> {
        let id = self.new_id();
        let guard = self.guard(id);
        if fs::hard_link(self.path(source), self.path(id)).is_err() {
            fs::copy(self.path(source), self.path(id))?;
            File::open(self.path(id))?.sync_all()?;
        }
        self.sync()?;
        Ok(guard)
    }

    /// Keeps these on disk until what is returned is dropped. Whoever holds them must ask the catalog again whether they
    /// are still named: they may have been removed just before.
    pub(crate) fn hold(&self, bodies: Vec<BodyId>) -> Hold {
        let mut held = self.held();
        for body in &bodies {
            held.entry(*body).or_default().readers += 1;
        }
        drop(held);
        Hold {
            of: self.clone(),
            bodies,
        }
    }

    /// Opens a body that is held. Blocks.
    pub(crate) fn read(&self, body: BodyId) -> io::Result<File> {
        File::open(self.path(body))
    }

    /// Removes bodies that no document names: at once, or after their last reader. What cannot be removed is logged and left
    /// to the next sweep.
    pub(crate) async fn remove(&self, bodies: Vec<BodyId>) {
        let free = {
            let mut held = self.held();
            let is_free = |body: &BodyId| match held.get_mut(body) {
                Some(reading) => {
                    reading.is_removed = true;
                    false
                }
                None => true,
            };
            bodies.into_iter().filter(is_free).collect::<Vec<_>>()
        };
        let this = self.clone();
        let work = spawn_blocking(move || free.into_iter().for_each(|body| this.unlink(body)));
        if let Err(error) = work.await {
            tracing::warn!(%error, "bodies of deleted objects are left to the next start");
        }
    }

    fn unlink(&self, body: BodyId) {
        match fs::remove_file(self.path(body)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, %body, "a body was not removed"),
        }
    }

    /// Removes every body but `named`, and says how many. Only while nothing is written. Blocks.
    pub(crate) fn sweep(&self, named: &HashSet<BodyId>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.0.directory)? {
            let entry = entry?;
            // What is not named as a body is none of ours.
            let Some(body) = entry.file_name().to_str().and_then(BodyId::parse) else {
                continue;
            };
            if !named.contains(&body) {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl fmt::Debug for Bodies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bodies({})", self.0.directory.display())
    }
}

/// A body being written.
pub(crate) struct Draft {
    file: File,
    guard: Unnamed,
}

impl Draft {
    /// Adds bytes. Blocks.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes it durable. Blocks.
    pub(crate) fn finish(self) -> io::Result<Unnamed> {
        self.file.sync_all()?;
        self.guard.bodies.sync()?;
        Ok(self.guard)
    }
}

/// A body no document names yet; removed when dropped.
pub(crate) struct Unnamed {
    bodies: Bodies,
    body: BodyId,
    is_kept: bool,
}

impl Unnamed {
    /// Its name, to be put in a document.
    pub(crate) fn id(&self) -> BodyId {
        self.body
    }

    /// The body, which from here on is its caller's: to be called before it is named, since naming it may succeed without
    /// anybody being told.
    pub(crate) fn keep(mut self) -> BodyId {
        self.is_kept = true;
        self.body
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if !self.is_kept {
            self.bodies.unlink(self.body);
        }
    }
}

/// Bodies that stay on disk while this lives.
pub(crate) struct Hold {
    of: Bodies,
    bodies: Vec<BodyId>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut free = Vec::new();
        let mut held = self.of.held();
        for body in &self.bodies {
            let Entry::Occupied(mut reading) = held.entry(*body) else {
                continue;
            };
            reading.get_mut().readers -= 1;
            if reading.get().readers == 0 && reading.remove().is_removed {
                free.push(*body);
            }
        }
        drop(held);
        for body in free {
            self.of.unlink(body);
        }
    }
}

/// Up to [`READ_BYTES`] of `file` from `position`, no more than `length`. An error where there are none: a body is as long as
/// its document says. Blocks.
pub(crate) fn read_at(file: &File, position: u64, length: u64) -> io::Result<Bytes> {
    let length = usize::try_from(length).map_or(READ_BYTES, |length| length.min(READ_BYTES));
    let mut buffer = vec![0; length];
    let read = file.read_at(&mut buffer, position)?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.truncate(read);
    Ok(buffer.into())
}

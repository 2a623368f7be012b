//! A disk that lives in memory and fails from a seed: what [`crate::disk`] promises holds here and nothing more.
//!
//! Each file has what the running process sees, what would be there after a crash, and the writes between the two. A
//! [`SimDisk::crash`] decides for each such write, each for itself, whether it is kept, lost, or torn: cut at a sector, cut
//! anywhere, or with any of its sectors missing. Creations, renames and removals that were not synced are kept up to a
//! random point, in order, as a file system with a log of its own does. The old handles are dead from then on.
//!
//! Nothing fails unless [`Faults`] or [`SimDisk::set_capacity`] say so. After a failed sync the writes it should have covered
//! are decided at once and for ever: those lost stay visible until the crash, and no later sync saves them. Every handle that
//! was open is told so by its next sync, once; a second sync through the same handle succeeds. That is what Linux does (see
//! "fsyncgate", PostgreSQL, 2018, and `errseq_t`).

mod content;
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::Rng;

use crate::disk::{Disk, File, Reserved};
use content::Content;
use names::Names;

/// What would be found on the disk by a machine starting now: names with their folders, and contents.
pub type Image = BTreeMap<String, Arc<Vec<u8>>>;

/// How often things fail: one in so many calls; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Syncs of files and folders that fail with `EIO`.
    pub sync: u64,
    /// Writes that fail with `EIO` after any part of them.
    pub write: u64,
    /// Reservations that fail with `ENOSPC` after any part of them.
    pub reserve: u64,
    /// Reads that fail with `EIO`.
    pub read: u64,
}

/// A simulated disk, as one process sees it. Clones are the same.
#[derive(Clone)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    /// Which process this is; those before the newest are dead.
    life: u64,
}

struct World {
    rng: Rng,
    names: Names,
    contents: BTreeMap<u64, Content>,
    faults: Faults,
    capacity: u64,
    is_locked: bool,
    life: u64,
    /// Changes that will still be made before the power is cut.
    power: u64,
    /// A running checksum of every change asked for: equal for equal histories.
    trace: u32,
    syncs: u64,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    id: u64,
    /// Failed syncs of this content that this handle has been told of: Linux tells each open file of an error, once.
    errors_seen: AtomicU64,
}

struct Lock(SimDisk);

impl SimDisk {
    /// An empty disk without limit or faults.
    #[must_use]
    pub fn new(rng: Rng) -> SimDisk {
        SimDisk::with_image(rng, &Image::new())
    }

    /// A disk on which `image` lies, durably.
    #[must_use]
    pub fn with_image(rng: Rng, image: &Image) -> SimDisk {
        let mut world = World {
            rng,
            names: Names::default(),
            contents: BTreeMap::new(),
            faults: Faults::default(),
            capacity: u64::MAX,
            is_locked: false,
            life: 0,
            power: u64::MAX,
            trace: 0,
            syncs: 0,
        };
        for (name, bytes) in image {
            let id = world.names.place(name);
            world.contents.insert(id, Content::durable(bytes));
        }
        SimDisk {
            world: Arc::new(Mutex::new(world)),
            life: 0,
        }
    }

    /// Cuts the power. Gives the disk as the machine would find it; this one answers nothing but errors from now on.
    #[must_use]
    pub fn crash(&self) -> SimDisk {
        let next = self.restart();
        let mut world = next.lock_world();
        let rng = world.rng.clone();
        world.names.crash(&rng);
        let kept: BTreeSet<u64> = world.names.visible().values().copied().collect();
        world.contents.retain(|id, _| kept.contains(id));
        for content in world.contents.values_mut() {
            *content = Content::durable(&content.crash(&rng));
        }
        drop(world);
        next
    }

    /// Ends the process, not the machine: what was written is there for the next one, though not durable. This one answers
    /// nothing but errors from now on.
    #[must_use]
    pub fn restart(&self) -> SimDisk {
        let mut world = self.lock_world();
        world.life += 1;
        world.is_locked = false;
        world.faults = Faults::default();
        world.power = u64::MAX;
        SimDisk {
            world: Arc::clone(&self.world),
            life: world.life,
        }
    }

    /// What the running process sees, all of it as if synced.
    #[must_use]
    pub fn image(&self) -> Image {
        let world = self.lock_world();
        let content = |(name, id): (&String, &u64)| {
            let content = world.contents.get(id)?;
            Some((name.clone(), content.visible()))
        };
        world.names.visible().iter().filter_map(content).collect()
    }

    /// Sets what fails from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock_world().faults = faults;
    }

    /// Sets how many bytes all files together may have; those over it already stay.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock_world().capacity = bytes;
    }

    /// Cuts the power after so many more changes; then all calls fail, until [`SimDisk::crash`] gives the disk as found.
    pub fn cut_after(&self, changes: u64) {
        self.lock_world().power = changes;
    }

    /// Whether the power was cut, or the process ended.
    #[must_use]
    pub fn is_off(&self) -> bool {
        let world = self.lock_world();
        world.power == 0 || world.life != self.life
    }

    /// Bytes all files have together.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock_world().used()
    }

    /// Syncs of files that were asked for so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock_world().syncs
    }

    /// A checksum of every change asked for so far, crashes before this disk's life included.
    #[must_use]
    pub fn trace(&self) -> u32 {
        self.lock_world().trace
    }

    /// Turns over one bit of the byte at `position`, as a decaying medium does.
    ///
    /// # Panics
    /// Where there is no such file or byte: a bug of the test.
    pub fn flip(&self, name: &str, position: u64) {
        let mut world = self.lock_world();
        let id = *world.names.visible().get(name).expect("a file to damage");
        let content = world.contents.get_mut(&id).expect("a named file's content");
        content.flip(usize::try_from(position).expect("a position in memory"));
    }

    fn lock_world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world, unless this process is dead.
    fn on(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.lock_world();
        if world.life != self.life {
            return Err(io::Error::other("this process has ended"));
        }
        if world.power == 0 {
            return Err(io::Error::other("the power was cut"));
        }
        Ok(world)
    }

    /// The world, for a change to it.
    fn on_for_change(&self) -> io::Result<MutexGuard<'_, World>> {
        let mut world = self.on()?;
        world.power -= 1;
        Ok(world)
    }

    fn file(&self, id: u64, errors_seen: u64) -> Arc<dyn File> {
        Arc::new(SimFile {
            disk: self.clone(),
            id,
            errors_seen: AtomicU64::new(errors_seen),
        })
    }
}

impl World {
    fn used(&self) -> u64 {
        // A file with two names takes its room once.
        let ids: BTreeSet<&u64> = self.names.visible().values().collect();
        let contents = ids.into_iter().filter_map(|id| self.contents.get(id));
        contents.map(Content::length).sum()
    }

    fn note(&mut self, what: &str, name: &str, numbers: [u64; 2]) {
        let mut line = Vec::with_capacity(64);
        line.extend_from_slice(what.as_bytes());
        line.extend_from_slice(name.as_bytes());
        for number in numbers {
            line.extend_from_slice(&number.to_le_bytes());
        }
        self.trace = crc32c::crc32c_append(self.trace, &line);
    }

    fn strikes(&self, one_in: u64) -> bool {
        one_in > 0 && self.rng.below(one_in) == 0
    }

    fn content(&mut self, id: u64) -> io::Result<&mut Content> {
        self.contents
            .get_mut(&id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// As much of a write that ends at `end` as the capacity allows: how many of its `length` bytes.
    fn room(&mut self, id: u64, position: u64, length: u64) -> io::Result<u64> {
        let present = self.content(id)?.length();
        let growth = (position + length).saturating_sub(present);
        let free = self.capacity.saturating_sub(self.used());
        Ok(length.saturating_sub(growth.saturating_sub(free)))
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = self.lock_world();
        write!(f, "SimDisk({} files)", world.names.visible().len())
    }
}

impl Disk for SimDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut world = self.on_for_change()?;
        world.note("create", name, [0, 0]);
        let id = world.names.create(name)?;
        world.contents.insert(id, Content::default());
        Ok(self.file(id, 0))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut world = self.on()?;
        let Some(&id) = world.names.visible().get(name) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let errors = world.content(id)?.errors();
        Ok(self.file(id, errors))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.on()?.names.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.on_for_change()?;
        world.note("rename", from, [0, 0]);
        world.names.rename(from, to)
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        let mut world = self.on_for_change()?;
        world.note("link", name, [0, 0]);
        world.names.link(name, second)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.on_for_change()?;
        world.note("remove", name, [0, 0]);
        world.names.remove(name)
    }

    fn create_folder(&self, folder: &str) -> io::Result<()> {
        let mut world = self.on_for_change()?;
        world.names.create_folder(folder);
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let mut world = self.on_for_change()?;
        world.note("sync folder", folder, [0, 0]);
        if world.strikes(world.faults.sync) {
            return Err(input_output());
        }
        world.names.sync(folder)
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let mut world = self.on()?;
        if world.is_locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        world.is_locked = true;
        Ok(Box::new(Lock(self.clone())))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Ok(mut world) = self.0.on() {
            world.is_locked = false;
        }
    }
}

impl File for SimFile {
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(slices.iter().map(|slice| slice.len()).sum());
        for slice in slices {
            bytes.extend_from_slice(slice);
        }
        let mut world = self.disk.on_for_change()?;
        let length = bytes.len() as u64;
        world.note("write", "", [position, length]);
        world.trace = crc32c::crc32c_append(world.trace, &bytes);
        let room = world.room(self.id, position, length)?;
        let (kept, outcome) = if world.strikes(world.faults.write) {
            (world.rng.below(length + 1), Err(input_output()))
        } else if room < length {
            (room, Err(io::ErrorKind::StorageFull.into()))
        } else {
            (length, Ok(()))
        };
        bytes.truncate(usize::try_from(kept.min(room)).unwrap_or(0));
        world.content(self.id)?.write(position, bytes)?;
        outcome
    }

    fn read_at(&self, target: &mut [u8], position: u64) -> io::Result<usize> {
        let mut world = self.disk.on()?;
        if world.strikes(world.faults.read) {
            return Err(input_output());
        }
        Ok(world.content(self.id)?.read(target, position))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.disk.on_for_change()?;
        world.note("sync", "", [self.id, 0]);
        world.syncs += 1;
        if world.strikes(world.faults.sync) {
            let rng = world.rng.clone();
            world.content(self.id)?.fail_sync(&rng);
        }
        let errors = world.content(self.id)?.errors();
        if self.errors_seen.swap(errors, Ordering::Relaxed) < errors {
            return Err(input_output());
        }
        world.content(self.id)?.sync();
        Ok(())
    }

    fn preallocate(&self, length: u64) -> io::Result<Reserved> {
        let mut world = self.disk.on_for_change()?;
        world.note("reserve", "", [self.id, length]);
        let present = world.content(self.id)?.length();
        let wanted = length.saturating_sub(present);
        let room = world.room(self.id, present, wanted)?;
        let given = if world.strikes(world.faults.reserve) {
            world.rng.below(wanted + 1).min(room)
        } else {
            room
        };
        let zeros = vec![0; usize::try_from(given).unwrap_or(0)];
        world.content(self.id)?.write(present, zeros)?;
        if given < wanted {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(Reserved::Unwritten)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.on()?.content(self.id)?.length())
    }
}

/// `EIO`, as a failing device gives it.
fn input_output() -> io::Error {
    io::Error::from_raw_os_error(5)
}

#[cfg(test)]
mod tests;

//! Where each file was read to, on disk: one JSON document, replaced whole.
//!
//! **Life of the file.** Written beside itself as `….new`, synced, renamed over the old one, and the directory synced: after a
//! crash there is the old document or the new one. A lock file `….lock` keeps a second agent away.
//!
//! **Promise.** What is in the document was acknowledged. **Not promised:** that everything acknowledged is in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::files::fingerprint::Fingerprint;

/// What the document says it is.
const FORMAT: &str = "headwater agent checkpoints";
const VERSION: u32 = 1;

/// A file by what it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileKey {
    /// The device it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// How far one file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where it was last seen.
    pub path: Arc<Path>,
    /// The file.
    #[serde(flatten)]
    pub key: FileKey,
    /// Bytes done with from its start.
    pub offset: u64,
    /// Its first bytes.
    pub head: Fingerprint,
    /// The bytes before `offset`.
    pub tail: Fingerprint,
    /// When this was noted.
    pub noted: Timestamp,
}

/// What is known once a batch is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A file is done with to a place.
    Reached(Place),
    /// A file is gone.
    Gone(FileKey),
}

/// Why checkpoints cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("checkpoints in {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another agent keeps its checkpoints there.
    #[error(
        "checkpoints in {0} are another agent's, which runs; end it, or name another checkpointFile"
    )]
    Busy(PathBuf),
    /// The file is something else.
    #[error(
        "{0} holds no checkpoints of this agent; name another checkpointFile (those of AWS's agent cannot be read)"
    )]
    Foreign(PathBuf),
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    format: String,
    version: u32,
    flows: BTreeMap<String, Vec<Place>>,
}

/// The checkpoints of all flows.
#[derive(Debug)]
pub struct Checkpoints {
    path: PathBuf,
    state: Mutex<State>,
    _lock: File,
}

#[derive(Debug)]
struct State {
    flows: BTreeMap<String, BTreeMap<FileKey, Place>>,
    is_dirty: bool,
}

impl Checkpoints {
    /// Those in `path`, or none where there is no such file.
    ///
    /// # Errors
    /// See [`CheckpointError`].
    pub fn open(path: &Path) -> Result<Checkpoints, CheckpointError> {
        let failed = |source| CheckpointError::Io {
            path: path.to_owned(),
            source,
        };
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(beside(path, ".lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(CheckpointError::Busy(path.to_owned()));
            }
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let document = match fs::read(path) {
            Ok(bytes) => read(&bytes).ok_or_else(|| CheckpointError::Foreign(path.to_owned()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(error)),
        };
        let by_key = |places: Vec<Place>| places.into_iter().map(|place| (place.key, place));
        let flows = document.into_iter();
        let state = State {
            flows: flows
                .map(|(flow, places)| (flow, by_key(places).collect()))
                .collect(),
            is_dirty: false,
        };
        Ok(Checkpoints {
            path: path.to_owned(),
            state: Mutex::new(state),
            _lock: lock,
        })
    }

    /// A flow's files; `None` where it never ran.
    pub(crate) fn of(&self, flow: &str) -> Option<Vec<Place>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let places = state.flows.get(flow)?;
        Some(places.values().cloned().collect())
    }

    /// Notes what an acknowledged batch means. Not on disk before [`Checkpoints::write`].
    pub(crate) fn note(&self, flow: &str, marks: Vec<Mark>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_dirty = true;
        let places = match state.flows.get_mut(flow) {
            Some(places) => places,
            None => state.flows.entry(flow.to_owned()).or_default(),
        };
        for mark in marks {
            match mark {
                Mark::Reached(place) => {
                    places.insert(place.key, place);
                }
                Mark::Gone(key) => {
                    places.remove(&key);
                }
            }
        }
    }

    /// Makes what was noted durable.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]; the next call tries again.
    pub fn write(&self) -> Result<(), CheckpointError> {
        let flows = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut state.is_dirty) {
                return Ok(());
            }
            let places = |places: &BTreeMap<FileKey, Place>| places.values().cloned().collect();
            let flows = state.flows.iter();
            flows
                .map(|(flow, kept)| (flow.clone(), places(kept)))
                .collect()
        };
        let document = Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            flows,
        };
        self.replace(&document).map_err(|source| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.is_dirty = true;
            CheckpointError::Io {
                path: self.path.clone(),
                source,
            }
        })
    }

    fn replace(&self, document: &Document) -> io::Result<()> {
        let new = beside(&self.path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(document)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(directory)?.sync_all()
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn read(bytes: &[u8]) -> Option<BTreeMap<String, Vec<Place>>> {
    let document: Document = serde_json::from_slice(bytes).ok()?;
    (document.format == FORMAT && document.version == VERSION).then_some(document.flows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::Directory;

    fn place(inode: u64, offset: u64) -> Place {
        Place {
            path: Path::new("/var/log/a.log").into(),
            key: FileKey { device: 1, inode },
            offset,
            head: Fingerprint::of(b"head"),
            tail: Fingerprint::of(b"tail"),
            noted: Timestamp(5),
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = Directory::new();
        let path = directory.path().join("checkpoints");
        let checkpoints = Checkpoints::open(&path).unwrap();
        assert_eq!(checkpoints.of("a"), None);
        checkpoints.note(
            "a",
            vec![Mark::Reached(place(1, 10)), Mark::Reached(place(2, 7))],
        );
        checkpoints.note(
            "a",
            vec![Mark::Reached(place(1, 20)), Mark::Gone(place(2, 0).key)],
        );
        checkpoints.note("b", vec![]);
        checkpoints.write().unwrap();
        checkpoints.note("a", vec![Mark::Reached(place(1, 30))]);
        drop(checkpoints);
        let again = Checkpoints::open(&path).unwrap();
        assert_eq!(again.of("a"), Some(vec![place(1, 20)]));
        assert_eq!(again.of("b"), Some(vec![]));
    }

    #[test]
    fn another_agents_file_and_other_files_are_left_alone() {
        let directory = Directory::new();
        let path = directory.path().join("checkpoints");
        let first = Checkpoints::open(&path).unwrap();
        assert!(matches!(
            Checkpoints::open(&path),
            Err(CheckpointError::Busy(_))
        ));
        drop(first);
        for other in [
            b"SQLite format 3\0".as_slice(),
            b"",
            b"{}",
            b"{\"format\":\"x\",\"version\":1,\"flows\":{}}",
        ] {
            fs::write(&path, other).unwrap();
            assert!(matches!(
                Checkpoints::open(&path),
                Err(CheckpointError::Foreign(_))
            ));
            assert_eq!(fs::read(&path).unwrap(), other);
        }
    }

    #[test]
    fn nothing_noted_writes_nothing_and_a_failed_write_is_tried_again() {
        let directory = Directory::new();
        let path = directory.path().join("checkpoints");
        let checkpoints = Checkpoints::open(&path).unwrap();
        checkpoints.write().unwrap();
        assert!(!path.exists());
        // A directory in the way of the new document.
        fs::create_dir(beside(&path, ".new")).unwrap();
        checkpoints.note("a", vec![Mark::Reached(place(1, 10))]);
        assert!(checkpoints.write().is_err());
        fs::remove_dir(beside(&path, ".new")).unwrap();
        checkpoints.write().unwrap();
        drop(checkpoints);
        let again = Checkpoints::open(&path).unwrap();
        assert_eq!(again.of("a"), Some(vec![place(1, 10)]));
    }
}

//! What files are called now: each directory is listed once, however many of its files are looked for.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::pattern::is_compressed;
use super::tracked::key_of;
use crate::checkpoint::FileKey;

/// Directories as they were when first asked for.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<PathBuf, HashMap<FileKey, PathBuf>>);

impl Names {
    /// What a file that was at `path` is called now, if it is still in that directory and not compressed.
    pub(crate) fn of(&mut self, key: FileKey, path: &Path) -> Option<PathBuf> {
        self.beside(path)?.get(&key).cloned()
    }

    /// As [`Names::of`], where the file's device has another number by now: only what it holds tells whether that is it.
    pub(crate) fn of_inode(&mut self, key: FileKey, path: &Path) -> Option<PathBuf> {
        let known = self.beside(path)?;
        if known.keys().any(|other| other.device == key.device) {
            return None;
        }
        let mut known = known.iter();
        let (_, path) = known.find(|(other, _)| other.inode == key.inode)?;
        Some(path.clone())
    }

    fn beside(&mut self, path: &Path) -> Option<&HashMap<FileKey, PathBuf>> {
        let directory = path.parent()?;
        if !self.0.contains_key(directory) {
            self.0.insert(directory.to_owned(), list(directory));
        }
        self.0.get(directory)
    }
}

/// The files of a directory; none where it cannot be read, which whoever looks for files there says.
fn list(directory: &Path) -> HashMap<FileKey, PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return HashMap::new();
    };
    let known = |entry: fs::DirEntry| {
        let (path, metadata) = (entry.path(), entry.metadata().ok()?);
        let is_log = metadata.is_file() && !is_compressed(&path);
        is_log.then(|| (key_of(&metadata), path))
    };
    entries.flatten().filter_map(known).collect()
}

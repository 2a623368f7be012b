//! What files are called now: each directory is listed once, however many of its files are looked for.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::pattern::is_compressed;
use super::tracked::key_of;
use crate::checkpoint::FileKey;

/// Directories as they were when first asked for.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<PathBuf, Listed>);

#[derive(Debug, Default)]
struct Listed {
    files: HashMap<FileKey, PathBuf>,
    /// Something could not be read.
    is_partial: bool,
}

impl Names {
    /// What a file that was at `path` is called now, if it is still in that directory and not compressed.
    pub(crate) fn of(&mut self, key: FileKey, path: &Path) -> Option<PathBuf> {
        self.beside(path)?.files.get(&key).cloned()
    }

    /// Whether a file that was at `path` may still be in that directory although no name of it is found.
    pub(crate) fn may_miss(&mut self, path: &Path) -> bool {
        self.beside(path).is_some_and(|listed| listed.is_partial)
    }

    /// As [`Names::of`], where the file's device has another number by now: only what it holds tells whether that is it.
    pub(crate) fn of_inode(&mut self, key: FileKey, path: &Path) -> Option<PathBuf> {
        let known = &self.beside(path)?.files;
        if known.keys().any(|other| other.device == key.device) {
            return None;
        }
        let mut known = known.iter();
        let (_, path) = known.find(|(other, _)| other.inode == key.inode)?;
        Some(path.clone())
    }

    fn beside(&mut self, path: &Path) -> Option<&Listed> {
        let directory = path.parent()?;
        if !self.0.contains_key(directory) {
            self.0.insert(directory.to_owned(), list(directory));
        }
        self.0.get(directory)
    }
}

/// The files of a directory, as far as it can be read; whoever looks for files there says why it cannot.
fn list(directory: &Path) -> Listed {
    let mut listed = Listed::default();
    if let Err(error) = list_into(&mut listed, directory) {
        listed.is_partial |= error.kind() != io::ErrorKind::NotFound;
    }
    listed
}

fn list_into(listed: &mut Listed, directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() && !is_compressed(&path) => {
                listed.files.insert(key_of(&metadata), path);
            }
            Ok(_) => {}
            Err(error) => listed.is_partial |= error.kind() != io::ErrorKind::NotFound,
        }
    }
    Ok(())
}

//! The simulated folders: which name leads to which content, now and after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use model::Rng;

#[derive(Debug, Default)]
pub(super) struct Names {
    visible: Tree,
    durable: Tree,
    /// By folder, in order.
    unsynced: BTreeMap<String, Vec<Change>>,
    last_id: u64,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    files: BTreeMap<String, u64>,
    folders: BTreeSet<String>,
}

#[derive(Debug)]
enum Change {
    CreateFolder(String),
    Create(String, u64),
    Rename(String, String),
    Remove(String),
}

impl Names {
    /// A new content under `name`, durable at once.
    pub(super) fn place(&mut self, name: &str) -> u64 {
        self.last_id += 1;
        for tree in [&mut self.visible, &mut self.durable] {
            let folder = folder_of(name);
            tree.folders.extend(with_parents(folder).map(str::to_owned));
            tree.files.insert(name.into(), self.last_id);
        }
        self.last_id
    }

    pub(super) fn visible(&self) -> &BTreeMap<String, u64> {
        &self.visible.files
    }

    pub(super) fn create(&mut self, name: &str) -> io::Result<u64> {
        self.check_folder(folder_of(name))?;
        if self.visible.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.last_id += 1;
        self.change(name, Change::Create(name.into(), self.last_id));
        Ok(self.last_id)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        if folder_of(from) != folder_of(to) {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.check_name(from)?;
        self.change(from, Change::Rename(from.into(), to.into()));
        Ok(())
    }

    pub(super) fn link(&mut self, name: &str, second: &str) -> io::Result<()> {
        self.check_folder(folder_of(second))?;
        let id = *self
            .visible
            .files
            .get(name)
            .ok_or(io::ErrorKind::NotFound)?;
        if self.visible.files.contains_key(second) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // The new name is the folder's news, as a file made there would be.
        self.change(second, Change::Create(second.into(), id));
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.check_name(name)?;
        self.change(name, Change::Remove(name.into()));
        Ok(())
    }

    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.check_folder(folder)?;
        let inside = self
            .visible
            .files
            .keys()
            .filter(|name| folder_of(name) == folder);
        Ok(inside
            .map(|name| name.rsplit('/').next().unwrap_or(name).to_owned())
            .collect())
    }

    pub(super) fn create_folder(&mut self, folder: &str) {
        let missing: Vec<&str> = with_parents(folder)
            .filter(|folder| !self.visible.folders.contains(*folder))
            .collect();
        for folder in missing.into_iter().rev() {
            self.change(folder, Change::CreateFolder(folder.into()));
        }
    }

    pub(super) fn sync(&mut self, folder: &str) -> io::Result<()> {
        self.check_folder(folder)?;
        for change in self.unsynced.remove(folder).unwrap_or_default() {
            apply(&mut self.durable, &change);
        }
        Ok(())
    }

    /// The names after the power was cut now.
    pub(super) fn crash(&mut self, rng: &Rng) {
        for changes in std::mem::take(&mut self.unsynced).into_values() {
            let kept = usize::try_from(rng.below(changes.len() as u64 + 1)).unwrap_or(0);
            for change in changes.iter().take(kept) {
                apply(&mut self.durable, change);
            }
        }
        let Tree { files, folders } = &mut self.durable;
        files
            .retain(|name, _| with_parents(folder_of(name)).all(|folder| folders.contains(folder)));
        self.visible.clone_from(&self.durable);
    }

    fn change(&mut self, name: &str, change: Change) {
        apply(&mut self.visible, &change);
        self.unsynced
            .entry(folder_of(name).into())
            .or_default()
            .push(change);
    }

    fn check_name(&self, name: &str) -> io::Result<()> {
        if self.visible.files.contains_key(name) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn check_folder(&self, folder: &str) -> io::Result<()> {
        if folder.is_empty() || self.visible.folders.contains(folder) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

fn apply(tree: &mut Tree, change: &Change) {
    let names = &mut tree.files;
    match change {
        Change::CreateFolder(folder) => {
            tree.folders.insert(folder.clone());
        }
        Change::Create(name, id) => {
            names.insert(name.clone(), *id);
        }
        Change::Rename(from, to) => {
            if let Some(id) = names.remove(from) {
                names.insert(to.clone(), id);
            }
        }
        Change::Remove(name) => {
            names.remove(name);
        }
    }
}

/// A folder and those it is in, but not the one that all are in.
fn with_parents(folder: &str) -> impl Iterator<Item = &str> {
    let is_inside = |folder: &&str| !folder.is_empty();
    std::iter::successors(Some(folder), |folder| Some(folder_of(folder))).take_while(is_inside)
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

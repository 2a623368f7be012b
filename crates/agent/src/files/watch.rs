//! Being told of changes by the system (inotify on Linux), so that files are read at once. Never relied on: looking from time to
//! time finds everything, later.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::ModifyKind;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::wake::Wake;

/// Directories watched for one flow.
const DIRECTORIES_MAX: usize = 1_000;

/// Watches the directories of one flow.
pub(crate) struct Watch {
    /// None where the system gives none.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    has_new_names: Arc<AtomicBool>,
}

impl Watch {
    /// Rings `wake` whenever something changes.
    pub(crate) fn new(wake: Arc<Wake>) -> Watch {
        let has_new_names = Arc::new(AtomicBool::new(false));
        let names = Arc::clone(&has_new_names);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            match event.map(|event| event.kind) {
                Ok(EventKind::Access(_)) => return,
                Ok(EventKind::Modify(ModifyKind::Data(_))) => {}
                _ => names.store(true, Ordering::Release),
            }
            wake.ring();
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, "the system does not tell of changed files; looking for them instead");
        }
        Watch {
            watcher: watcher.ok(),
            watched: BTreeSet::new(),
            has_new_names,
        }
    }

    /// Watches these directories and no others.
    pub(crate) fn follow(&mut self, directories: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        // One that is gone would not be watched under its name again.
        self.watched.retain(|directory| {
            let stays = directories.contains(directory) && directory.is_dir();
            if !stays {
                let _ = watcher.unwatch(directory);
            }
            stays
        });
        for directory in directories.iter().take(DIRECTORIES_MAX) {
            if !self.watched.contains(directory) && watch(watcher, directory) {
                self.watched.insert(directory.clone());
            }
        }
    }

    /// Whether every one of the directories is watched, so that looking can wait for longer.
    pub(crate) fn is_complete(&self, directories: &[PathBuf]) -> bool {
        directories.len() == self.watched.len()
    }

    /// Whether files came, left or changed names since this was last asked.
    pub(crate) fn take_new_names(&self) -> bool {
        self.has_new_names.swap(false, Ordering::AcqRel)
    }
}

fn watch(watcher: &mut RecommendedWatcher, directory: &Path) -> bool {
    let watched = watcher.watch(directory, RecursiveMode::NonRecursive);
    if let Err(error) = &watched
        && directory.is_dir()
    {
        tracing::debug!(directory = %directory.display(), %error, "cannot be watched; looking instead");
    }
    watched.is_ok()
}

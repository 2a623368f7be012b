//! All files of a flow, known by what they are and hold, not by their names.
//!
//! How rotations come out:
//! - **Renamed**: the file is the same by device and inode; it is read to its end under any name, also one that no pattern names,
//!   and after a restart is looked for in its directory.
//! - **Copied and emptied** (`copytruncate`): a file that holds less than was read, or other bytes before the place, was emptied.
//!   It is read from its start, and the copy, known by its first bytes and those before the place, from that place on. So a new
//!   file that holds what another does waits until it has not grown for a while, to see whether it is such a copy.
//! - **A new name**: a new file, read from its start.
//!
//! Where a directory cannot be read, nothing is known of its files: none of them counts as gone, or as never seen before.
//!
//! Files that left the patterns come first, then those read in part, then the others, all by their time of change: the old
//! before the new.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::Timestamp;

use super::copies::{Emptied, origin_of};
use super::names::Names;
use super::pattern::{Found, Pattern, Unread};
use super::tracked::{Tracked, key_of};
use crate::checkpoint::{FileKey, Mark, Place};
use crate::config::InitialPosition;

/// How long the copy of a file that was emptied may be met.
const EMPTIED_MAX: Duration = Duration::from_secs(60);
/// Emptied files remembered.
const EMPTIED_COUNT_MAX: usize = 64;
/// One warning in that time for each file.
const WARNING_PERIOD: Duration = Duration::from_secs(60);
/// Files warned of that are remembered.
const WARNED_MAX: usize = 1_000;

/// The files of one flow.
#[derive(Debug)]
pub(crate) struct Follower {
    patterns: Vec<Pattern>,
    initial: InitialPosition,
    header_lines: u64,
    checkpoint_life: Duration,
    /// Where the last run left; looked for in the first scan, and again where what is there could not be read.
    remembered: Vec<Place>,
    has_run: bool,
    pub(crate) files: Vec<Tracked>,
    /// Files that may be open at one time. Beyond it, those that are read to their end are closed until they change.
    pub(crate) open_max: usize,
    emptied: Vec<Emptied>,
    /// What the next batch is to tell the checkpoints.
    marks: Vec<Mark>,
    warned: HashMap<PathBuf, Timestamp>,
    directories: Vec<PathBuf>,
    /// What could not be read last, until it is taken.
    pub(crate) last_error: Option<String>,
    /// Times that something could not be read.
    pub(crate) failures: u64,
}

impl Follower {
    /// The files of these patterns; `places` are from the checkpoints, and none where the flow never ran.
    pub(crate) fn new(
        patterns: Vec<Pattern>,
        initial: InitialPosition,
        header_lines: u64,
        places: Option<Vec<Place>>,
        checkpoint_life: Duration,
        open_max: usize,
    ) -> Follower {
        Follower {
            patterns,
            initial,
            header_lines,
            checkpoint_life,
            has_run: places.is_some(),
            remembered: places.unwrap_or_default(),
            files: Vec::new(),
            open_max,
            emptied: Vec::new(),
            marks: Vec::new(),
            warned: HashMap::new(),
            directories: Vec::new(),
            last_error: None,
            failures: 0,
        }
    }

    /// What the next batch is to tell the checkpoints.
    pub(crate) fn take_marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }

    /// The directories that files may come to.
    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Looks for files that came, left or changed their names; then as [`Follower::refresh`].
    pub(crate) fn scan(&mut self, now: Timestamp) {
        let (mut found, unread) = self.list(now);
        let is_first_run = !self.has_run;
        let mut names = Names::default();
        for file in &mut self.files {
            let one = found.remove(&file.key);
            if one.is_none() && unread.hides(&file.path) && !file.is_deleted() {
                continue;
            }
            let leaves = one.is_none() && !file.is_departed;
            file.is_departed = one.is_none();
            if let Some(one) = one {
                if *file.path != *one.path {
                    file.path = one.path.into();
                }
                file.note(&one.metadata, now);
            } else if leaves && file.file.is_none() {
                // Closed while nothing came. What came since is under its new name, and that is not looked at otherwise.
                match names.of(file.key, &file.path) {
                    Some(path) => {
                        file.path = path.into();
                        file.is_changed = true;
                    }
                    // Deleted: nothing more is known of it.
                    None => file.is_undecided = false,
                }
            }
        }
        self.recognize(&mut found, &unread, &mut names, now);
        for (_, one) in found {
            if let Ok(Some(file)) = self.opened(&one.path, now) {
                self.welcome(file, is_first_run, now);
            }
        }
        self.has_run = true;
        self.refresh(now);
    }

    /// Looks at the files there are: which grew, which were emptied, which are copies.
    pub(crate) fn refresh(&mut self, now: Timestamp) {
        let mut may_open = self.make_room(now);
        let mut failures = Vec::new();
        for file in &mut self.files {
            let was_closed = file.file.is_none();
            if let Err(error) = file.refresh(now, may_open > 0) {
                failures.push((file.path.to_path_buf(), error));
            }
            if was_closed && file.file.is_some() {
                may_open -= 1;
            }
        }
        for (path, error) in failures {
            self.warn(&path, &error, now);
        }
        self.find_emptied(now);
        self.decide(now);
        self.find_copies(now);
        self.emptied.retain(|one| now.since(one.at) < EMPTIED_MAX);
        // The old before the new.
        self.files.sort_by(|a, b| {
            let order = |file: &Tracked| (!file.is_departed, file.offset == 0, file.modified);
            order(a).cmp(&order(b)).then_with(|| a.path.cmp(&b.path))
        });
    }

    /// Closes files that are read to their end where others wait to be opened; how many may be.
    fn make_room(&mut self, now: Timestamp) -> usize {
        let count = |is: fn(&Tracked) -> bool| self.files.iter().filter(|file| is(file)).count();
        let open = count(|file| file.file.is_some());
        let wanted = count(Tracked::waits_for_opening);
        let excess = (open + wanted).saturating_sub(self.open_max);
        let is_done = |file: &&mut Tracked| file.file.is_some() && file.can_be_closed(now);
        let mut closed = 0;
        for file in self.files.iter_mut().filter(is_done).take(excess) {
            file.file = None;
            closed += 1;
        }
        self.open_max.saturating_sub(open - closed)
    }

    /// Follows one more file; closes it for now where too many are open.
    fn follow(&mut self, mut file: Tracked) {
        if self.files.len() >= self.open_max {
            file.file = None;
        }
        self.files.push(file);
    }

    /// Takes leave of a file that is read to its end and will not grow.
    pub(crate) fn dismiss(&mut self, key: FileKey) {
        self.files.retain(|file| file.key != key);
        self.marks.push(Mark::Gone(key));
    }

    fn list(&mut self, now: Timestamp) -> (HashMap<FileKey, Found>, Unread) {
        let mut failures = Vec::new();
        let mut all = HashMap::new();
        let mut unread = Unread::default();
        let mut directories = Vec::new();
        for pattern in &self.patterns {
            let listing = pattern.list();
            for (path, _) in &listing.unread {
                unread.add(path.clone());
            }
            failures.extend(listing.unread);
            failures.extend(listing.excess);
            directories.extend(listing.looked_in);
            let found = listing.found.into_iter();
            all.extend(found.map(|one| (key_of(&one.metadata), one)));
        }
        directories.sort();
        directories.dedup();
        self.directories = directories;
        for (path, error) in failures {
            self.warn(&path, &error, now);
        }
        (all, unread)
    }

    /// Finds the files that the last run left, and takes them out of `found`.
    fn recognize(
        &mut self,
        found: &mut HashMap<FileKey, Found>,
        unread: &Unread,
        names: &mut Names,
        now: Timestamp,
    ) {
        let mut missing = Vec::new();
        for place in std::mem::take(&mut self.remembered) {
            let (path, is_departed) = match found.remove(&place.key) {
                Some(one) => (Some(one.path), false),
                None => {
                    let is_hidden = unread.hides(&place.path);
                    (names.of(place.key, &place.path), !is_hidden)
                }
            };
            match path.map_or(Ok(None), |path| self.opened(&path, now)) {
                Ok(Some(mut file)) => {
                    file.is_departed = is_departed;
                    self.resume(file, &place, now);
                }
                Ok(None) if !names.may_miss(&place.path) => missing.push(place),
                Ok(None) | Err(Unreadable) => self.remembered.push(place),
            }
        }
        self.find_renumbered(missing, found, names, now);
    }

    /// Devices may have other numbers after a restart of the machine: a file is known by its inode and what it holds then.
    fn find_renumbered(
        &mut self,
        missing: Vec<Place>,
        found: &mut HashMap<FileKey, Found>,
        names: &mut Names,
        now: Timestamp,
    ) {
        if missing.is_empty() {
            return;
        }
        let by_inode: HashMap<u64, FileKey> = found.keys().map(|key| (key.inode, *key)).collect();
        for place in missing {
            let one = by_inode.get(&place.key.inode);
            let (path, is_departed) = match one.and_then(|key| found.get(key)) {
                Some(one) => (Some(one.path.clone()), false),
                None => (names.of_inode(place.key, &place.path), true),
            };
            // Where nothing was read, there is nothing to know it by, or to be read twice.
            let path = path.filter(|_| place.offset > 0);
            let Ok(file) = path.map_or(Ok(None), |path| self.opened(&path, now)) else {
                // It is not to be taken for a new one.
                one.map(|key| found.remove(key));
                self.remembered.push(place);
                continue;
            };
            let is_new = |file: &Tracked| self.files.iter().all(|other| other.key != file.key);
            match file.filter(|file| holds(file, &place) && is_new(file)) {
                Some(mut file) => {
                    found.remove(&file.key);
                    file.is_departed = is_departed;
                    self.marks.push(Mark::Gone(place.key));
                    self.resume(file, &place, now);
                    let marks = self.files.last().map(|file| file.mark(now));
                    self.marks.extend(marks);
                }
                None if now.since(place.noted) >= self.checkpoint_life => {
                    self.marks.push(Mark::Gone(place.key));
                }
                None => {}
            }
        }
    }

    /// Goes on with a file where the last run left it, if it still holds what was read.
    fn resume(&mut self, mut file: Tracked, place: &Place, now: Timestamp) {
        if holds(&file, place) {
            if let Err(error) = file.go_to(place.offset) {
                self.warn(&place.path, &error, now);
            }
            file.headers_left = if place.offset == 0 {
                self.header_lines
            } else {
                0
            };
            self.follow(file);
            return;
        }
        self.remember_emptied(place, now);
        if !file.is_departed {
            file.is_undecided = true;
            self.follow(file);
        }
    }

    /// Begins with a file that was never seen before.
    fn welcome(&mut self, mut file: Tracked, is_first_run: bool, now: Timestamp) {
        if is_first_run {
            file.headers_left = self.header_lines;
            if self.initial == InitialPosition::End && file.size > 0 {
                let end = file.end_of_lines().unwrap_or(file.size);
                file.headers_left = 0;
                if let Err(error) = file.go_to(end) {
                    self.warn(&file.path.clone(), &error, now);
                }
            }
            self.marks.push(file.mark(now));
        } else {
            file.is_undecided = true;
        }
        self.follow(file);
    }

    fn find_emptied(&mut self, now: Timestamp) {
        let mut emptied = Vec::new();
        for file in &mut self.files {
            // A closed one is judged once it is open.
            let is_unclear = file.is_undecided || file.file.is_none();
            if is_unclear || !std::mem::take(&mut file.is_changed) {
                continue;
            }
            if file.is_same_content() {
                continue;
            }
            emptied.push(file.place(now));
            begin_at(file, 0, self.header_lines);
        }
        for place in emptied {
            tracing::info!(path = %place.path.display(), offset = place.offset, "was emptied or replaced; reading it from its start");
            self.remember_emptied(&place, now);
        }
    }

    fn remember_emptied(&mut self, place: &Place, now: Timestamp) {
        if place.offset == 0 {
            return;
        }
        if self.emptied.len() >= EMPTIED_COUNT_MAX {
            self.emptied.remove(0);
        }
        self.emptied.push(Emptied {
            key: place.key,
            directory: place.path.parent().unwrap_or(Path::new(".")).to_owned(),
            head: place.head,
            tail: place.tail,
            offset: place.offset,
            at: now,
        });
    }

    /// Decides of each new file whether it is the copy of another.
    fn decide(&mut self, now: Timestamp) {
        for at in 0..self.files.len() {
            let Some(file) = self.files.get_mut(at) else {
                break;
            };
            if !file.is_undecided || file.file.is_none() {
                continue;
            }
            if !self.emptied.is_empty() {
                // The copy was whole when its origin was emptied, but maybe not yet when it was looked at. Errors: what is
                // read next tells.
                let _ = file.refresh(now, false);
            }
            let file = &*file;
            let mut emptied = self.emptied.iter().enumerate();
            let copied = emptied.find_map(|(at, one)| Some((at, one.place_in(file)?)));
            let offset = match copied {
                Some((at, offset)) => {
                    self.emptied.remove(at);
                    offset
                }
                None => 0,
            };
            let origin = match copied {
                Some(_) => None,
                None => self
                    .files
                    .get(at)
                    .and_then(|file| origin_of(file, &self.files, now)),
            };
            let Some(file) = self.files.get_mut(at) else {
                break;
            };
            let is_empty = file.size == 0 && !file.is_departed;
            if copied.is_none() && (origin.is_some() || is_empty) {
                file.copy_of = origin;
                continue;
            }
            begin_at(file, offset, self.header_lines);
            if offset > 0 {
                self.marks.push(file.mark(now));
            }
        }
    }

    /// Looks for copies of emptied files under names that no pattern has.
    fn find_copies(&mut self, now: Timestamp) {
        // Once is enough: a copy is whole before its origin is emptied.
        if self.emptied.iter().all(|one| one.at != now) {
            return;
        }
        let mut known: HashSet<FileKey> = self.files.iter().map(|file| file.key).collect();
        for one in std::mem::take(&mut self.emptied) {
            let is_new = one.at == now;
            let copy = is_new.then(|| one.find_copy(&known, now)).flatten();
            let Some(mut file) = copy else {
                self.emptied.push(one);
                continue;
            };
            tracing::info!(path = %file.path.display(), offset = one.offset, "is the copy of a file that was emptied; reading its rest");
            begin_at(&mut file, one.offset, self.header_lines);
            file.is_departed = true;
            self.marks.push(file.mark(now));
            known.insert(file.key);
            self.files.push(file);
        }
    }

    /// Opens a file, if it is there. What is wrong with one that cannot be read is said here.
    fn opened(&mut self, path: &Path, now: Timestamp) -> Result<Option<Tracked>, Unreadable> {
        match Tracked::open(path, now) {
            Ok(file) => {
                self.warned.remove(path);
                Ok(Some(file))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                self.warn(path, &error, now);
                Err(Unreadable)
            }
        }
    }

    /// Says what cannot be read, once in a while for each path; it is tried again with every scan.
    pub(crate) fn warn(&mut self, path: &Path, error: &io::Error, now: Timestamp) {
        self.failures += 1;
        self.last_error = Some(format!("{}: {error}", path.display()));
        let last = self.warned.get(path);
        if last.is_some_and(|last| now.since(*last) < WARNING_PERIOD) {
            return;
        }
        if self.warned.len() >= WARNED_MAX {
            self.warned.clear();
        }
        self.warned.insert(path.to_owned(), now);
        tracing::warn!(path = %path.display(), %error, "cannot be read; trying again");
    }
}

/// A file is there and cannot be read now.
struct Unreadable;

fn begin_at(file: &mut Tracked, offset: u64, header_lines: u64) {
    file.is_undecided = false;
    file.copy_of = None;
    file.is_changed = false;
    file.headers_left = if offset == 0 { header_lines } else { 0 };
    // Errors: what is read next tells.
    let _ = file.go_to(offset);
}

/// Whether a file holds what was read of it when this was noted.
fn holds(file: &Tracked, place: &Place) -> bool {
    file.size >= place.offset
        && file.file.as_ref().is_some_and(|open| {
            place.head.begins(open).unwrap_or(false)
                && place.tail.ends_at(open, place.offset).unwrap_or(false)
        })
}

#[cfg(test)]
mod tests;

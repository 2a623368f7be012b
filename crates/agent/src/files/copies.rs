//! Which new file is a copy of another, as `copytruncate` makes it: first the copying, then the emptying of the origin.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use model::Timestamp;

use super::fingerprint::{Fingerprint, head_of};
use super::pattern::is_compressed;
use super::tracked::{Tracked, key_of};
use crate::checkpoint::FileKey;

/// A new file that may be a copy waits until it did not grow for so long: its origin is emptied once the copying is done.
const UNDECIDED_MAX: Duration = Duration::from_secs(5);
/// For each so many bytes of it one second more: whoever copies may wait for the disk before it empties the origin.
const BYTES_A_SECOND: u64 = 16 << 20;

/// What a file held before it was emptied.
#[derive(Debug)]
pub(super) struct Emptied {
    pub(super) key: FileKey,
    pub(super) directory: PathBuf,
    pub(super) head: Fingerprint,
    pub(super) tail: Fingerprint,
    pub(super) offset: u64,
    pub(super) at: Timestamp,
}

impl Emptied {
    /// Where reading goes on in a file, if that is the copy of this one.
    pub(super) fn place_in(&self, file: &Tracked) -> Option<u64> {
        if self.is_copied_by(file) {
            return Some(self.offset);
        }
        // Of the lines that came and were read between the copying and the emptying, nothing is in the copy.
        (file.copy_of == Some(self.key) && file.size < self.offset).then_some(file.size)
    }

    /// Whether a file holds all that was read of this one.
    fn is_copied_by(&self, file: &Tracked) -> bool {
        let Some(open) = &file.file else {
            return false;
        };
        file.size >= self.offset
            && self.head.begins(open).unwrap_or(false)
            && self.tail.ends_at(open, self.offset).unwrap_or(false)
    }

    /// The copy of this one under a name that no pattern has.
    pub(super) fn find_copy(&self, known: &HashSet<FileKey>, now: Timestamp) -> Option<Tracked> {
        for entry in fs::read_dir(&self.directory).ok()?.flatten() {
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let is_candidate = metadata.is_file()
                && metadata.len() >= self.offset
                && !is_compressed(&path)
                && !known.contains(&key_of(&metadata));
            if is_candidate
                && let Ok(file) = Tracked::open(&path, now)
                && self.is_copied_by(&file)
            {
                return Some(file);
            }
        }
        None
    }
}

/// The file that a new one may be becoming a copy of, while that may still show.
pub(super) fn origin_of(new: &Tracked, others: &[Tracked], now: Timestamp) -> Option<FileKey> {
    let longest = UNDECIDED_MAX + Duration::from_secs(new.size / BYTES_A_SECOND);
    if new.is_departed || now.since(new.grown_at) >= longest {
        return None;
    }
    let open = new.file.as_ref()?;
    let head = head_of(open).unwrap_or_default();
    let mut others = others.iter();
    let origin = others.find(|other| may_be_copy(new, open, &head, other));
    origin.map(|origin| origin.key)
}

/// Whether a new file, which has these first bytes, holds what another does that was read in part, as far as both go.
fn may_be_copy(new: &Tracked, open: &File, head: &[u8], other: &Tracked) -> bool {
    if other.key == new.key || other.is_undecided || other.offset == 0 {
        return false;
    }
    if !other.seen.begins_like(head) {
        return false;
    }
    if new.size >= other.offset {
        return other.seen.ends_at(open, other.offset).unwrap_or(false);
    }
    let is_other = |file: &File| {
        file.metadata()
            .is_ok_and(|metadata| key_of(&metadata) == other.key)
    };
    let opened_again;
    let origin = match &other.file {
        Some(file) => file,
        None => match File::open(&other.path) {
            Ok(file) if is_other(&file) => {
                opened_again = file;
                &opened_again
            }
            _ => return true,
        },
    };
    let is_alike =
        Fingerprint::tail(open, new.size).and_then(|tail| tail.ends_at(origin, new.size));
    // One that was emptied since it was looked at has nothing to say.
    let is_emptied = || !other.seen.ends_at(origin, other.offset).unwrap_or(true);
    is_alike.unwrap_or(true) || is_emptied()
}

#[cfg(test)]
mod tests;

//! Parts of files as memory: pages of the page cache themselves, not copies of them. Copying was a quarter of what serving old
//! records cost, and what was copied pushed the rest out of the processor's cache.

use std::fs::File;
use std::io::{self, IoSliceMut};

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions};
use rustix::io::ReadWriteFlags;

use super::Piece;

/// Less than this is copied sooner than it is mapped.
pub(super) const LENGTH_MIN: usize = 256 << 10;

/// `length` bytes from `position`, which are in the file; it must not change as long as they are held. All of them are in memory when
/// this answers: what the disk refuses is an error here, and no signal later.
///
/// # Errors
/// What the system says; one that cannot do this may say anything.
pub(super) fn read(file: &File, length: usize, position: u64) -> io::Result<Bytes> {
    let mapped = map(file, length, position)?;
    for advice in [Advice::WillNeed, Advice::PopulateRead] {
        mapped.advise(advice)?;
    }
    Ok(Bytes::from_owner(mapped))
}

/// As [`read`], of several pieces in order that lie near each other: what lies between them is mapped too, and brought into memory only
/// where they are not there yet, since whoever wrote between them is mostly read about then too.
///
/// # Errors
/// As there.
pub(super) fn read_pieces(file: &File, pieces: &[Piece]) -> io::Result<Vec<Bytes>> {
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        return Ok(Vec::new());
    };
    let from = first.position;
    let place = |piece: &Piece| {
        let start = piece.position.checked_sub(from)?;
        usize::try_from(start).ok()
    };
    let length = place(last).and_then(|start| start.checked_add(last.length));
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    let mapped = map(file, length, from)?;
    if !is_in_memory(file, last.position) {
        mapped.advise(Advice::WillNeed)?;
    }
    let mut ranges = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let start = place(piece).ok_or(io::ErrorKind::InvalidInput)?;
        mapped.advise_range(Advice::PopulateRead, start, piece.length)?;
        ranges.push(start..start + piece.length);
    }
    let bytes = Bytes::from_owner(mapped);
    Ok(ranges.into_iter().map(|range| bytes.slice(range)).collect())
}

/// Whether the byte at `position` is read without waiting for the disk.
fn is_in_memory(file: &File, position: u64) -> bool {
    let byte = &mut [0];
    let slices = &mut [IoSliceMut::new(byte)];
    rustix::io::preadv2(file, slices, position, ReadWriteFlags::NOWAIT).is_ok()
}

fn map(file: &File, length: usize, position: u64) -> io::Result<Mmap> {
    let mut options = MmapOptions::new();
    options.offset(position).len(length);
    // SAFETY: the promise of those who call for it, that nobody changes the file.
    #[allow(unsafe_code)]
    let mapped = unsafe { options.map(file) }?;
    Ok(mapped)
}

//! Parts of files as memory: pages of the page cache themselves, not copies of them. Copying was a quarter of what serving old
//! records cost, and what was copied pushed the rest out of the processor's cache.

use std::fs::File;
use std::io;

use bytes::Bytes;
use memmap2::{Advice, MmapOptions};

/// Less than this is copied sooner than it is mapped.
pub(super) const LENGTH_MIN: usize = 256 << 10;

/// `length` bytes from `position`, which are in the file; it must not change as long as they are held. All of them are in memory when
/// this answers: what the disk refuses is an error here, and no signal later.
///
/// # Errors
/// What the system says; one that cannot do this may say anything.
pub(super) fn read(file: &File, length: usize, position: u64) -> io::Result<Bytes> {
    let mut options = MmapOptions::new();
    options.offset(position).len(length);
    // SAFETY: the caller's promise, that nobody changes the file.
    #[allow(unsafe_code)]
    let mapped = unsafe { options.map(file) }?;
    for advice in [Advice::WillNeed, Advice::PopulateRead] {
        mapped.advise(advice)?;
    }
    Ok(Bytes::from_owner(mapped))
}

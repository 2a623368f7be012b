//! Parts of files as memory: pages of the page cache themselves, not copies of them. Copying was a quarter of what serving old
//! records cost, and what was copied pushed the rest out of the processor's cache.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};
use std::slice;

use bytes::Bytes;
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// What a mapping's place in the file is aligned to: any page up to this size.
const PAGE: u64 = 64 << 10;
/// Less than this is copied sooner than it is mapped.
pub(super) const LENGTH_MIN: usize = 256 << 10;

/// A part of a file in memory.
struct Mapped {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: nothing but these threads' reading goes on there.
#[allow(unsafe_code)]
unsafe impl Send for Mapped {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Mapped {}

/// `length` bytes from `position`, which are in the file; it must not change as long as they are held. All of them are in memory when
/// this answers: what the disk refuses is an error here, and no signal later.
///
/// # Errors
/// What the system says; one that cannot do this may say anything.
pub(super) fn read(file: &File, length: usize, position: u64) -> io::Result<Bytes> {
    let before = (position % PAGE) as usize;
    let mapped = Mapped::new(file, before + length, position - before as u64)?;
    Ok(Bytes::from_owner(mapped).slice(before..))
}

impl Mapped {
    fn new(file: &File, length: usize, position: u64) -> io::Result<Mapped> {
        // SAFETY: the system chooses a place where nothing is.
        #[allow(unsafe_code)]
        let start = unsafe {
            let (read, shared) = (ProtFlags::READ, MapFlags::SHARED);
            rustix::mm::mmap(ptr::null_mut(), length, read, shared, file, position)
        }?;
        let start = NonNull::new(start).ok_or(io::ErrorKind::Unsupported)?;
        let mapped = Mapped { start, length };
        for advice in [Advice::WillNeed, Advice::LinuxPopulateRead] {
            // SAFETY: the place is this mapping's, and neither changes what is there.
            #[allow(unsafe_code)]
            unsafe { rustix::mm::madvise(start.as_ptr(), length, advice) }?;
        }
        Ok(mapped)
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped there until this is dropped, and nobody changes the file.
        #[allow(unsafe_code)]
        unsafe {
            slice::from_raw_parts(self.start.as_ptr().cast(), self.length)
        }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: nobody has a reference into it any more. It was made by one call, so it can't fail.
        #[allow(unsafe_code)]
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.length) };
    }
}

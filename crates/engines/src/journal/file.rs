//! A journal file's first page, and its name.
//!
//! | at | size | field | note |
//! |---|---|---|---|
//! | 0 | 4 | magic | `HWjf` |
//! | 4 | 4 | format | 1 |
//! | 8 | 8 | number | as in the name |
//! | 16 | 8 | generation | random for each use |
//! | 24 | 8 | capacity | the file's length then; a shorter file has lost its end |
//! | 32 | 4 | CRC-32C | of bytes 0–31 |
//! | 36 | | zero | to byte 4096 |
//!
//! Big-endian. Frames follow from byte 4096: see [`crate::frame`].

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{BufMut, Bytes};

use crate::disk::{Disk, File};
use crate::frame::{ALIGNMENT, Malformed, fields::Fields};
use crate::journal::FOLDER;

/// Where the first frame starts.
pub const FRAMES_FROM: u64 = ALIGNMENT;

const MAGIC: [u8; 4] = *b"HWjf";
const FORMAT: u32 = 1;
const CHECKED: usize = 32;

/// A file that frames are written to or read from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JournalFile {
    /// Its number: files with greater numbers have later frames.
    pub number: u64,
    /// What its frames carry.
    pub generation: u64,
    /// Its length.
    pub capacity: u64,
    /// Its bytes, to read.
    pub file: Arc<dyn File>,
    /// Its bytes, to write: one handle for each frame in flight; none where it is not written any more. The system tells each
    /// handle of a failed sync, but only once: of two frames that shared one, the other would take its own loss for durable.
    pub writers: Arc<[Arc<dyn File>]>,
}

impl JournalFile {
    /// Its name in the data directory.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.number)
    }

    /// Whether it was made a segment: something lies behind its end then, and it may have a second name. It must not be written again.
    ///
    /// # Errors
    /// What the disk says.
    pub fn is_kept(&self) -> io::Result<bool> {
        Ok(self.file.length()? > self.capacity)
    }

    /// The handle that the frame of this number is written with: none of those in flight has the same.
    ///
    /// # Panics
    /// Where the file is only read.
    #[must_use]
    pub fn writer(&self, sequence: u64) -> Arc<dyn File> {
        let count = self.writers.len() as u64;
        Arc::clone(&self.writers[(sequence % count) as usize])
    }

    /// Writes its first page.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_header(&self) -> io::Result<()> {
        let mut page = Vec::with_capacity(FRAMES_FROM as usize);
        page.put_slice(&MAGIC);
        page.put_u32(FORMAT);
        page.put_u64(self.number);
        page.put_u64(self.generation);
        page.put_u64(self.capacity);
        page.put_u32(crc32c::crc32c(&page));
        page.resize(FRAMES_FROM as usize, 0);
        self.file.write_at(&[IoSlice::new(&page)], 0)
    }
}

/// Generation and capacity by a first page, for the file of this number.
///
/// # Errors
/// What is wrong with it.
pub fn read_header(page: &[u8], number: u64) -> Result<(u64, u64), Malformed> {
    let (checked, rest) = page
        .split_at_checked(CHECKED)
        .ok_or(Malformed("a journal file is shorter than its first page"))?;
    let mut fields = Fields::of(Bytes::copy_from_slice(checked));
    let crc = rest.first_chunk::<4>().map(|crc| u32::from_be_bytes(*crc));
    if crc != Some(crc32c::crc32c(checked)) || fields.u32()? != u32::from_be_bytes(MAGIC) {
        return Err(Malformed(
            "a journal file's first page does not match its checksum",
        ));
    }
    if fields.u32()? != FORMAT {
        return Err(Malformed("a journal file has an unknown format"));
    }
    if fields.u64()? != number {
        return Err(Malformed("a journal file has another file's number"));
    }
    Ok((fields.u64()?, fields.u64()?))
}

/// The name of the file of this number.
#[must_use]
pub fn name(number: u64) -> String {
    format!("{FOLDER}/{number:012}.log")
}

/// The name of a free file.
#[must_use]
pub fn free_name(number: u64) -> String {
    format!("{FOLDER}/free-{number:012}")
}

/// Takes a file out of the journal: it gets the name of a free one; where it was made a segment, it only loses its name here.
///
/// # Errors
/// What the disk says.
pub fn let_go(disk: &dyn Disk, number: u64, is_kept: bool) -> io::Result<()> {
    let name = name(number);
    if is_kept {
        disk.remove(&name)
    } else {
        disk.rename(&name, &free_name(number))
    }
}

/// The number by the name of a file in the journal's folder; `None` for other files.
#[must_use]
pub fn number_of(file_name: &str) -> Option<u64> {
    file_name.strip_suffix(".log")?.parse().ok()
}

/// The number by the name of a free file in the journal's folder.
#[must_use]
pub fn free_number_of(file_name: &str) -> Option<u64> {
    file_name.strip_prefix("free-")?.parse().ok()
}

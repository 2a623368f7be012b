//! The whole state in one file, so that journal files before it are wanted no more.
//!
//! | at | size | field | note |
//! |---|---|---|---|
//! | 0 | 4 | magic | `HWcp` |
//! | 4 | 4 | format | 1 |
//! | 8 | 8 | n | bytes from 20 on |
//! | 16 | 4 | CRC-32C | of bytes 0–15 and all from 20 |
//! | 20 | 8 | sequence | of the last frame it covers |
//! | 28 | 8 | file | the first journal file to be read after it |
//! | 36 | 8 | first | number of that file's first frame |
//! | 44 | 4 | previous | header checksum of the frame before that |
//! | 48 | | state | see `state/snapshot.rs` |
//!
//! Big-endian. It is written as `checkpoint/new`, synced, and renamed to `checkpoint/<sequence>`; then earlier ones are
//! removed. After a crash in between there are two, of which the newer is taken; where that one cannot be read, the older, if
//! the journal still reaches back to it, which it does until the older is gone.

use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use store::StoreError;

use crate::disk::Disk;
use crate::frame::Malformed;
use crate::frame::decision::damaged;
use crate::frame::fields::Fields;
use crate::journal::file;
use crate::journal::recovery::Anchor;
use crate::state::State;

/// Where checkpoints lie.
pub const FOLDER: &str = "checkpoint";

const MAGIC: [u8; 4] = *b"HWcp";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 20;
const NEW: &str = "checkpoint/new";

/// The state after a frame.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// That frame's number.
    pub sequence: u64,
    /// Where the journal is read from after it.
    pub anchor: Anchor,
    /// The state.
    pub state: State,
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_slice(&MAGIC);
        bytes.put_u32(FORMAT);
        bytes.put_bytes(0, HEADER_BYTES - 8);
        bytes.put_u64(self.sequence);
        bytes.put_u64(self.anchor.file);
        bytes.put_u64(self.anchor.sequence);
        bytes.put_u32(self.anchor.previous);
        self.state.write_to(&mut bytes);
        let length = (bytes.len() - HEADER_BYTES) as u64;
        bytes[8..16].copy_from_slice(&length.to_be_bytes());
        let crc = checksum(&bytes);
        bytes[16..HEADER_BYTES].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    fn decode(bytes: &Bytes) -> Result<Checkpoint, Malformed> {
        if bytes.len() < HEADER_BYTES {
            return Err(Malformed("a checkpoint is cut short"));
        }
        let mut fields = Fields::of(bytes.clone());
        if fields.u32()? != u32::from_be_bytes(MAGIC) || fields.u32()? != FORMAT {
            return Err(Malformed("a checkpoint has an unknown format"));
        }
        if fields.u64()? != (bytes.len() - HEADER_BYTES) as u64 {
            return Err(Malformed("a checkpoint is cut short"));
        }
        if fields.u32()? != checksum(bytes) {
            return Err(Malformed("a checkpoint does not match its checksum"));
        }
        Ok(Checkpoint {
            sequence: fields.u64()?,
            anchor: Anchor {
                file: fields.u64()?,
                sequence: fields.u64()?,
                previous: fields.u32()?,
            },
            state: State::read_from(&mut fields)?,
        })
    }

    /// Makes it durable and removes earlier ones.
    ///
    /// # Errors
    /// What the disk says; the earlier one holds then.
    pub fn write(&self, disk: &dyn Disk) -> io::Result<()> {
        let bytes = self.encode();
        remove_if_there(disk, NEW)?;
        write_new(disk, &bytes).inspect_err(|_| {
            // It would keep the room that is missing. If this fails too, the next one takes its place.
            let _ = disk.remove(NEW);
        })?;
        let name = name(self.sequence);
        disk.rename(NEW, &name)?;
        disk.sync_folder(FOLDER)?;
        for earlier in disk.list(FOLDER)? {
            let earlier = format!("{FOLDER}/{earlier}");
            if earlier != name {
                remove_if_there(disk, &earlier)?;
            }
        }
        disk.sync_folder(FOLDER)
    }

    /// The newest there is; `None` where none was ever written.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where none of those there can be used; [`StoreError::Unavailable`] where the disk refuses.
    pub fn load(disk: &dyn Disk) -> Result<Option<Checkpoint>, StoreError> {
        let refused = |error: io::Error| StoreError::Unavailable {
            reason: format!("cannot read {FOLDER}: {error}"),
            source: Some(Arc::new(error)),
        };
        // A name that is seen is not durable where the process before this one ended between giving it and the sync; journal
        // files that it lets go of must not be gone when an earlier one comes back.
        disk.sync_folder(FOLDER).map_err(refused)?;
        let mut newest_flaw = None;
        for file_name in disk.list(FOLDER).map_err(refused)?.iter().rev() {
            if file_name.parse::<u64>().is_err() {
                continue;
            }
            let name = format!("{FOLDER}/{file_name}");
            let bytes = read_whole(disk, &name).map_err(refused)?;
            match Checkpoint::decode(&bytes) {
                Ok(found) if newest_flaw.is_none() || reaches(disk, &found) => {
                    return Ok(Some(found));
                }
                Ok(_) => {}
                Err(what) => {
                    newest_flaw.get_or_insert_with(|| damaged(&name, 0, what));
                }
            }
        }
        newest_flaw.map_or(Ok(None), Err)
    }
}

/// Whether the journal still has the first file that is read after this checkpoint.
fn reaches(disk: &dyn Disk, checkpoint: &Checkpoint) -> bool {
    disk.open(&file::name(checkpoint.anchor.file)).is_ok()
}

fn checksum(bytes: &[u8]) -> u32 {
    let head = crc32c::crc32c(&bytes[..16]);
    crc32c::crc32c_append(head, &bytes[HEADER_BYTES..])
}

fn write_new(disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
    let file = disk.create(NEW)?;
    file.write_at(&[IoSlice::new(bytes)], 0)?;
    file.sync_data()
}

/// Twenty digits, so that names sort as their numbers do.
fn name(sequence: u64) -> String {
    format!("{FOLDER}/{sequence:020}")
}

fn remove_if_there(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// All bytes of a file.
///
/// # Errors
/// What the disk says.
pub(crate) fn read_whole(disk: &dyn Disk, name: &str) -> io::Result<Bytes> {
    let file = disk.open(name)?;
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes.into())
}

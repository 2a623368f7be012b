//! The key that wraps every stream's data key: 32 random bytes in `master.key`, made on first use.
//!
//! **Promise.** The file is whole or absent, and readable by its owner alone from its first byte. **Not promised:** sealed
//! records without it. Back it up apart from the data: with both, anybody reads everything; without it, nobody does.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use model::Rng;

use crate::Failure;

const NAME: &str = "master.key";
const BYTES: usize = 32;
/// For its owner to read and write, for nobody else.
const MODE: u32 = 0o600;

/// A fresh key.
pub(super) fn make(rng: &Rng) -> [u8; BYTES] {
    let mut key = [0; BYTES];
    rng.fill(&mut key);
    key
}

/// The key in `directory`, made where there is none and the store `is_new`: another key would not open what the lost one sealed.
pub(super) fn load_or_make(
    directory: &Path,
    is_new: bool,
    rng: &Rng,
) -> Result<[u8; BYTES], Failure> {
    let path = directory.join(NAME);
    let shown = path.display();
    match fs::metadata(&path) {
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
            return Err(Failure::running(format!(
                "{shown} can be read by others: chmod 600 it"
            )));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_new => {
            return Err(Failure::running(format!(
                "{shown} is missing, and encrypted streams and queues can't be read without it: restore it from a backup; if \
                 nothing was ever encrypted, make one: head -c {BYTES} /dev/urandom > {shown} && chmod 600 {shown}"
            )));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = make(rng);
            write(directory, &key)
                .map_err(|error| Failure::because(format!("could not write {shown}"), error))?;
            return Ok(key);
        }
        Err(error) => return Err(Failure::because(format!("could not read {shown}"), error)),
    }
    let bytes = fs::read(&path)
        .map_err(|error| Failure::because(format!("could not read {shown}"), error))?;
    bytes.try_into().map_err(|bytes: Vec<u8>| {
        Failure::running(format!(
            "{shown} must hold {BYTES} bytes, it has {}: restore it from a backup",
            bytes.len()
        ))
    })
}

fn write(directory: &Path, key: &[u8; BYTES]) -> io::Result<()> {
    let unfinished = directory.join("master.key.unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&unfinished)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(NAME))?;
    File::open(directory)?.sync_all()
}

//! Zeros for files that are written over later, around the page cache (`O_DIRECT`): nobody reads them, and copying them there took a
//! third of the server's processor time while its journal grew.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What positions, lengths and memory are aligned to: a page, and no less than any disk's sector.
const UNIT: usize = 4096;
/// Written at once: much at a time would keep everyone else from the disk for as long as it takes.
const ZEROS: usize = 1 << 20;

/// Writes zeros from `from` up to `upto`.
///
/// # Errors
/// What the system says.
pub(super) fn write(file: &File, from: u64, upto: u64) -> io::Result<()> {
    let buffer = vec![0; ZEROS + UNIT];
    let start = buffer.as_ptr().align_offset(UNIT);
    let zeros = &buffer[start..start + ZEROS];
    let mut direct = open(file);
    // Whole units lie from here on.
    let mut position = from.next_multiple_of(UNIT as u64).min(upto).max(from);
    file.write_all_at(&zeros[..(position - from) as usize], from)?;
    while position < upto {
        let left = usize::try_from(upto - position).map_or(ZEROS, |left| left.min(ZEROS));
        let whole = left - left % UNIT;
        let Some(descriptor) = direct.as_ref().filter(|_| whole > 0) else {
            file.write_all_at(&zeros[..left], position)?;
            position += left as u64;
            continue;
        };
        match rustix::io::pwrite(descriptor, &zeros[..whole], position) {
            Ok(count) if count >= UNIT => position += (count - count % UNIT) as u64,
            Err(Errno::INTR) => {}
            // The usual way goes on from here, or says what is in the way.
            Ok(_) | Err(Errno::INVAL | Errno::OPNOTSUPP) => direct = None,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The same file once more, around the page cache; `None` where that is not to be had.
fn open(file: &File) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::DIRECT | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_and_the_rest_is_zero() {
        let name = format!("headwater-zeros-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        for (from, upto) in [
            (0, 0),
            (0, 1),
            (0, UNIT),
            (1, 2),
            (5, 3 * UNIT + 7),
            (UNIT, ZEROS + 2 * UNIT + 1),
            (7, 2 * ZEROS),
        ] {
            let options = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .clone();
            let file = options.open(&path).unwrap();
            file.write_all_at(&vec![9; from], 0).unwrap();
            write(&file, from as u64, upto as u64).unwrap();
            let found = std::fs::read(&path).unwrap();
            assert_eq!(found.len(), upto.max(from), "{from} {upto}");
            assert!(found[..from].iter().all(|&byte| byte == 9), "{from} {upto}");
            assert!(found[from..].iter().all(|&byte| byte == 0), "{from} {upto}");
        }
        std::fs::remove_file(path).unwrap();
    }
}

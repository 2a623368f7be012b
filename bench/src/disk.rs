//! What the disk alone allows: small writes, each synced before the next. A virtual disk may stall for longer than any bar, and
//! latencies of a server that syncs are to be read beside this.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::random::Random;
use crate::report::{self, Row};

/// Bytes of a write: a page.
const WRITE: usize = 4096;
/// Writes go round in a file of so many pages, written before, so that its size never changes.
const PAGES: u64 = 16 << 10;
/// Between writes, so that this shows stalls rather than the most the disk can do.
const PAUSE: Duration = Duration::from_micros(500);

/// Writes and syncs for `duration` in `directory`.
pub(crate) fn run(directory: &Path, duration: Duration, row: &mut Row) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let path = directory.join("disk-probe");
    let measured = write(&path, duration, row);
    // Gone before an error is told.
    fs::remove_file(&path).context("remove the probe")?;
    measured
}

fn write(path: &Path, duration: Duration, row: &mut Row) -> Result<()> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let page = Random::new(1).noise(WRITE);
    for at in 0..PAGES {
        file.write_all_at(&page, at * WRITE as u64)?;
    }
    file.sync_all()?;
    let mut latencies = report::latencies();
    let start = Instant::now();
    for at in 0.. {
        if start.elapsed() >= duration {
            break;
        }
        let since = Instant::now();
        file.write_all_at(&page, at % PAGES * WRITE as u64)?;
        file.sync_data()?;
        report::record(&mut latencies, since.elapsed());
        std::thread::sleep(PAUSE);
    }
    let seconds = start.elapsed().as_secs_f64().max(1e-9);
    row.add("writes", latencies.len() as f64 / seconds, "/s");
    row.add_latencies(&latencies);
    Ok(())
}

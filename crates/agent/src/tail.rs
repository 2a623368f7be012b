//! The thread of a flow: it looks at the files, reads what is new, old files before new ones, and waits for more.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Timestamp};

use crate::files::follow::Follower;
use crate::files::tracked::Tracked;
use crate::files::watch::Watch;
use crate::read::{Halt, Reader};
use crate::split::Reach;
use crate::stats::FlowStats;
use crate::wake::Wake;

/// Files are looked for at least that often.
const SCAN_PERIOD: Duration = Duration::from_secs(1);
/// A record of several lines is whole once its file did not grow for that long.
const SETTLED: Duration = Duration::from_secs(1);

/// When the thread ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never.
    Stopped,
    /// Once everything there is has been read.
    TheEnd,
}

/// The thread of a flow.
pub(crate) struct Tail {
    pub(crate) follower: Follower,
    pub(crate) reader: Reader,
    pub(crate) wake: Arc<Wake>,
    pub(crate) clock: Clock,
    /// Least time between two looks.
    pub(crate) poll: Duration,
    /// Longest time a record waits for others.
    pub(crate) age_max: Duration,
    pub(crate) until: Until,
    pub(crate) stats: Arc<FlowStats>,
}

impl Tail {
    /// Reads until told to end, or nobody takes batches any more. What was read is sent on its way at the end.
    pub(crate) fn run(mut self) {
        let mut watch = Watch::new(Arc::clone(&self.wake));
        let mut scanned: Option<Timestamp> = None;
        while !self.wake.is_over() {
            let now = self.clock.now();
            let is_due = scanned.is_none_or(|last| now.since(last) >= SCAN_PERIOD);
            let scans = watch.take_new_names() || is_due;
            if scans {
                scanned = Some(now);
                self.count_failures();
            }
            match self.look(scans) {
                Ok(()) => {}
                Err(Halt::Closed) => return,
                // Said already; other files go on.
                Err(Halt::Failed(_)) => {}
            }
            watch.follow(self.follower.directories());
            self.count();
            if self.until == Until::TheEnd && self.is_at_the_end() {
                break;
            }
            self.wait(&watch);
        }
        // Closed: nobody listens, and nothing is acknowledged.
        let _ = self.reader.close_all();
    }

    /// Looks at the files, and for others where `scans`, and reads what is new.
    ///
    /// # Errors
    /// [`Halt::Closed`].
    pub(crate) fn look(&mut self, scans: bool) -> Result<(), Halt> {
        let now = self.clock.now();
        if scans {
            self.follower.scan(now);
        } else {
            self.follower.refresh(now);
        }
        self.read_all(now)
    }

    fn read_all(&mut self, now: Timestamp) -> Result<(), Halt> {
        // Also where no file has anything new.
        self.reader.has_room()?;
        // Before the reading: what is read of these files says more.
        let marks = self.follower.take_marks();
        self.reader.add_marks(marks);
        let mut over = Vec::new();
        for at in 0..self.follower.files.len() {
            if self.wake.is_over() {
                break;
            }
            let Some(file) = self.follower.files.get_mut(at) else {
                break;
            };
            if file.is_undecided {
                continue;
            }
            let is_over = file.is_over(now);
            let is_settled =
                is_over || self.until == Until::TheEnd || now.since(file.grown_at) >= SETTLED;
            let read = read_one(&mut self.reader, file, is_settled, is_over);
            let (key, path) = (file.key, Arc::clone(&file.path));
            match read {
                Ok(true) => over.push(key),
                Ok(false) => {}
                Err(Halt::Closed) => return Err(Halt::Closed),
                Err(Halt::Failed(error)) => self.follower.warn(&path, &error, now),
            }
        }
        for key in over {
            self.follower.dismiss(key);
        }
        let is_old = |since| self.clock.now().since(since) >= self.age_max;
        if self.reader.is_full() || self.reader.waiting_since().is_some_and(is_old) {
            self.reader.close()?;
        }
        Ok(())
    }

    /// Whether every file is read, but for what its writer has not finished.
    fn is_at_the_end(&self) -> bool {
        if self.reader.is_busy() {
            return false;
        }
        let is_done = |file: &Tracked| {
            let is_read = file.exhausted.is_some_and(|(size, _)| size == file.size);
            file.size == 0 || !file.is_undecided && (file.lag() == 0 || is_read)
        };
        self.follower.files.iter().all(is_done)
    }

    fn wait(&self, watch: &Watch) {
        // It has waited for room already.
        if self.reader.is_busy() {
            return;
        }
        self.wake.rest(self.poll);
        let mut longest = if watch.is_complete(self.follower.directories()) {
            SCAN_PERIOD.saturating_sub(self.poll)
        } else {
            Duration::ZERO
        };
        if let Some(since) = self.reader.waiting_since() {
            let age = self.clock.now().since(since);
            longest = longest.min(self.age_max.saturating_sub(age));
        }
        if !longest.is_zero() {
            self.wake.wait(longest);
        }
    }

    /// At each scan: whether anything could not be read since the one before.
    fn count_failures(&mut self) {
        if std::mem::take(&mut self.follower.failures) == 0 {
            self.stats.failed_scans.set(0);
        } else {
            self.stats.failed_scans.inc();
        }
    }

    fn count(&mut self) {
        let files = &self.follower.files;
        let lag: u64 = files.iter().map(Tracked::lag).sum();
        self.stats.files.set(files.len() as i64);
        self.stats
            .bytes_behind
            .set(i64::try_from(lag).unwrap_or(i64::MAX));
        if let Some(error) = self.follower.last_error.take() {
            self.stats.fail(&error);
        }
    }
}

/// Reads a file; whether it is over and nothing of it is left.
pub(crate) fn read_one(
    reader: &mut Reader,
    file: &mut Tracked,
    is_settled: bool,
    is_over: bool,
) -> Result<bool, Halt> {
    let reach = if is_settled {
        Reach::Settled
    } else {
        Reach::Open
    };
    reader.read(file, reach)?;
    // Reading also stops where there is no room, or the end is near: what is left is more than a last line then.
    let is_read =
        file.file.is_none() || file.lag() == 0 || file.exhausted == Some((file.size, reach));
    Ok(is_over && is_read && reader.read_rest(file)?)
}

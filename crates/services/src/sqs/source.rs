//! How delivery reads a queue's messages: unsealed, and when they are due.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use model::{Batch, LogId, RecordRef};
use store::{StoreError, StoredBatch};
use streams::Sealer;
use streams::delivery::{Arrival, Source};

use super::message;
use super::records::Settings;

/// Reads and writes batches of one queue, as its newest settings have it.
pub(super) struct Reader {
    log: LogId,
    how: RwLock<How>,
}

struct How {
    sealer: Arc<Sealer>,
    /// On FIFO queues, a change of the delay holds for messages that are there already. Messages of standard queues carry theirs.
    delay: Duration,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({})", self.log)
    }
}

impl How {
    fn of(settings: &Settings, sealer: Arc<Sealer>) -> How {
        let is_fifo = settings.fifo.is_some();
        let seconds = if is_fifo { settings.delay_seconds } else { 0 };
        How {
            sealer,
            delay: Duration::from_secs(seconds.into()),
        }
    }
}

impl Reader {
    pub(super) fn new(settings: &Settings, sealer: Arc<Sealer>) -> Reader {
        Reader {
            log: settings.messages(),
            how: RwLock::new(How::of(settings, sealer)),
        }
    }

    /// Reads as these settings have it, from now on.
    pub(super) fn set(&self, settings: &Settings, sealer: Arc<Sealer>) {
        *self.how.write().unwrap_or_else(PoisonError::into_inner) = How::of(settings, sealer);
    }

    /// `batch` as it is to lie in the log of messages: sealed where encryption is on.
    pub(super) fn seal(&self, batch: Batch) -> Batch {
        self.sealer().seal(self.log, batch)
    }

    fn sealer(&self) -> Arc<Sealer> {
        let how = self.how.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&how.sealer)
    }
}

impl Source for Reader {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        let StoredBatch { base_offset, batch } = stored;
        let batch = self.sealer().open(self.log, batch)?;
        Ok(StoredBatch { base_offset, batch })
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        let how = self.how.read().unwrap_or_else(PoisonError::into_inner);
        message::arrival(record, how.delay)
    }
}

//! One transactional id in memory, and the writes of its transaction that are under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{LogId, Offset};
use streams::Streams;
use streams::undecided::Written;
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::transaction::machine::{Asking, Machine, Stage};
use crate::wire::ErrorCode;

/// One transactional id.
#[derive(Debug, Default)]
pub(super) struct Coordinated {
    turn: Arc<tokio::sync::Mutex<()>>,
    current: Mutex<Current>,
    /// Told when the last write under way is done.
    quiet: Notify,
}

#[derive(Debug, Default)]
struct Current {
    /// What is durable; nothing before the id's first step is.
    machine: Option<Machine>,
    /// Whether no more writes are let in.
    is_ending: bool,
    writing: u32,
}

impl Coordinated {
    /// One that is in this state.
    pub(super) fn restored(machine: Machine) -> Coordinated {
        let one = Coordinated::default();
        one.become_(Some(machine));
        one
    }

    /// Waits for the turn to change it.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Its state.
    pub(super) fn machine(&self) -> Option<Machine> {
        self.current().machine.clone()
    }

    /// Looks at its state without copying it.
    pub(super) fn is_such(&self, such: impl FnOnce(&Machine) -> bool) -> bool {
        self.current().machine.as_ref().is_some_and(such)
    }

    /// Takes over what has become durable.
    pub(super) fn become_(&self, machine: Option<Machine>) {
        let mut current = self.current();
        current.machine = machine;
        current.is_ending = false;
    }

    /// Lets no more writes in and waits for those under way.
    pub(super) async fn shut(&self) {
        loop {
            let quiet = self.quiet.notified();
            {
                let mut current = self.current();
                current.is_ending = true;
                if current.writing == 0 {
                    return;
                }
            }
            quiet.await;
        }
    }

    /// Lets writes in again: nothing came of the end.
    pub(super) fn reopen(&self) {
        self.current().is_ending = false;
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write in a transaction, under way. Dropped, it may have been written or not.
#[derive(Debug)]
pub(crate) struct Writing {
    streams: Arc<Streams>,
    one: Arc<Coordinated>,
    log: LogId,
    producer: i64,
    is_announced: bool,
    written: Written,
}

impl Writing {
    /// Lets a write in.
    pub(super) fn begin(
        streams: &Arc<Streams>,
        one: Arc<Coordinated>,
        log: LogId,
        asking: Asking,
    ) -> Result<Writing, ErrorCode> {
        {
            let mut current = one.current();
            let machine = current
                .machine
                .as_ref()
                .ok_or(ErrorCode::InvalidProducerIdMapping)?;
            machine.check(asking)?;
            if current.is_ending {
                return Err(ErrorCode::ConcurrentTransactions);
            }
            if machine.stage != Stage::Ongoing || !machine.has(log) {
                return Err(ErrorCode::TransactionAbortable);
            }
            current.writing += 1;
        }
        // Before the log's end is looked at: what readers are told meanwhile is kept in mind.
        streams.undecided().enter(log, asking.producer_id);
        Ok(Writing {
            streams: Arc::clone(streams),
            one,
            log,
            producer: asking.producer_id,
            is_announced: false,
            written: Written::Unknown,
        })
    }

    /// Holds the log's last stable offset at `end`, where the log ends now, until it is known where the write went.
    pub(super) fn announce(mut self, end: Offset) -> Writing {
        self.streams
            .undecided()
            .begin_write(self.log, self.producer, end);
        self.is_announced = true;
        self
    }

    /// Tells what became of it.
    pub(crate) fn done(mut self, written: Written) {
        self.written = written;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.is_announced {
            let undecided = self.streams.undecided();
            undecided.end_write(self.log, self.producer, self.written);
        }
        let mut current = self.one.current();
        current.writing = current.writing.saturating_sub(1);
        if current.writing == 0 {
            self.one.quiet.notify_waiters();
        }
    }
}

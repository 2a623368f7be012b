//! Open transactions: up to where each log is decided, so that readers of committed records stop there.
//!
//! One registry in memory, owned by [`crate::Streams`]. Whoever runs transactions (the Kafka broker) keeps it and fills it
//! again when the server starts; every reader asks it. A reader of committed records gives nothing at or past
//! [`Undecided::last_stable`], nothing that [`crate::aborted`] names, and no control batch (`Batch::is_control`).
//!
//! A transaction holds a log's last stable offset from where its first batch there lies. That is known only once the batch is
//! durable, when readers may have it, too; so a write announces itself before it is put in line, with the log's end of that
//! moment as the bound, and tells afterwards where it went. The last stable offset never goes back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{LogId, Offset};
use tokio::sync::watch;

/// Open transactions, by the log they write to.
#[derive(Debug, Default)]
pub struct Undecided {
    logs: Mutex<HashMap<LogId, InLog>>,
}

/// The open transactions of one log.
#[derive(Debug)]
struct InLog {
    by_producer: HashMap<i64, Open>,
    /// The greatest last stable offset given to anyone while there were open transactions.
    told: Offset,
    /// Changes when one is decided.
    decided: watch::Sender<()>,
}

impl InLog {
    fn new() -> InLog {
        InLog {
            by_producer: HashMap::new(),
            told: Offset::ZERO,
            decided: watch::Sender::new(()),
        }
    }
}

/// A transaction's part of one log.
#[derive(Debug, Default)]
struct Open {
    /// Where its first batch lies.
    first: Option<Offset>,
    /// Where it lies at the earliest, as long as that is not known better.
    bound: Option<Offset>,
    /// The least offset that writes under way were given so far.
    placed: Option<Offset>,
    /// Writes under way.
    writing: u32,
    /// Whether a write may be there or not.
    is_unsure: bool,
}

impl Open {
    fn holds_from(&self) -> Option<Offset> {
        self.bound.or(self.first)
    }
}

/// What became of a write that was announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// It lies here.
    At(Offset),
    /// It is nowhere.
    Nowhere,
    /// Nobody knows.
    Unknown,
}

impl Undecided {
    fn logs(&self) -> MutexGuard<'_, HashMap<LogId, InLog>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The producer's transaction may write to the log from now on.
    pub fn enter(&self, log: LogId, producer: i64) {
        self.restore(log, producer, None);
    }

    /// As [`Undecided::enter`], for a transaction of an earlier run of the server whose first batch lies at `first`.
    pub fn restore(&self, log: LogId, producer: i64, first: Option<Offset>) {
        let mut logs = self.logs();
        let in_log = logs.entry(log).or_insert_with(InLog::new);
        in_log.by_producer.entry(producer).or_insert(Open {
            first,
            ..Open::default()
        });
    }

    /// Announces a write. `end` is the log's end, read after [`Undecided::enter`]; the write is put in line after this.
    pub fn begin_write(&self, log: LogId, producer: i64, end: Offset) {
        let mut logs = self.logs();
        // Where an administrator has ended the transaction in this log since it was entered, what is written is held back, too.
        let in_log = logs.entry(log).or_insert_with(InLog::new);
        let told = in_log.told;
        let open = in_log.by_producer.entry(producer).or_default();
        open.writing += 1;
        if open.holds_from().is_none() {
            open.bound = Some(end.max(told));
        }
    }

    /// Tells what became of a write announced by [`Undecided::begin_write`].
    pub fn end_write(&self, log: LogId, producer: i64, written: Written) {
        let mut logs = self.logs();
        let Some(in_log) = logs.get_mut(&log) else {
            return;
        };
        let Some(open) = in_log.by_producer.get_mut(&producer) else {
            return;
        };
        open.writing = open.writing.saturating_sub(1);
        match written {
            Written::At(offset) => {
                open.placed = Some(open.placed.map_or(offset, |placed| placed.min(offset)));
            }
            Written::Nowhere => {}
            Written::Unknown => open.is_unsure = true,
        }
        // Writes may tell in another order than that in which they lie: only all of them together say which is first.
        if open.writing == 0 && !open.is_unsure && open.bound.is_some() {
            open.first = open.first.or(open.placed);
            open.bound = None;
            in_log.decided.send_replace(());
        }
        if open.writing == 0 {
            open.placed = None;
        }
    }

    /// The producer's transaction has ended in this log: its end is durable, and noted where it was aborted.
    pub fn decide(&self, log: LogId, producer: i64) {
        let mut logs = self.logs();
        let Some(in_log) = logs.get_mut(&log) else {
            return;
        };
        in_log.by_producer.remove(&producer);
        in_log.decided.send_replace(());
        if in_log.by_producer.is_empty() {
            logs.remove(&log);
        }
    }

    /// Where the open transaction's first batch in the log lies, or may lie; `None` where it has written nothing there, or
    /// none is open.
    #[must_use]
    pub fn first(&self, log: LogId, producer: i64) -> Option<Offset> {
        let logs = self.logs();
        logs.get(&log)?.by_producer.get(&producer)?.holds_from()
    }

    /// Whether the producer has a transaction open in the log.
    #[must_use]
    pub fn is_open(&self, log: LogId, producer: i64) -> bool {
        let logs = self.logs();
        logs.get(&log)
            .is_some_and(|in_log| in_log.by_producer.contains_key(&producer))
    }

    /// Up to where all transactions of a log that ends at `end` are decided.
    #[must_use]
    pub fn last_stable(&self, log: LogId, end: Offset) -> Offset {
        let mut logs = self.logs();
        let Some(in_log) = logs.get_mut(&log) else {
            return end;
        };
        let held = in_log.by_producer.values().filter_map(Open::holds_from);
        let stable = held.min().map_or(end, |held| held.min(end));
        in_log.told = in_log.told.max(stable);
        stable
    }

    /// Completes when no open transaction holds the log at `seen` or before any more.
    pub async fn decided_past(&self, log: LogId, seen: Offset) {
        loop {
            let mut decided = {
                let logs = self.logs();
                let Some(in_log) = logs.get(&log) else {
                    return;
                };
                let held = in_log.by_producer.values().filter_map(Open::holds_from);
                if held.min().is_none_or(|held| held > seen) {
                    return;
                }
                in_log.decided.subscribe()
            };
            // Closed: there is none left.
            let _ = decided.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use model::StreamId;

    use super::*;

    const LOG: LogId = LogId {
        stream: StreamId(1),
        partition: 0,
    };

    fn stable(undecided: &Undecided, end: u64) -> u64 {
        undecided.last_stable(LOG, Offset(end)).0
    }

    #[test]
    fn a_transaction_holds_a_log_from_its_first_write() {
        let undecided = Undecided::default();
        assert_eq!(stable(&undecided, 10), 10);
        undecided.enter(LOG, 7);
        assert_eq!(stable(&undecided, 12), 12);
        undecided.begin_write(LOG, 7, Offset(11));
        // Somebody was told of 12 already, when the write was not yet in line.
        assert_eq!(stable(&undecided, 20), 12);
        undecided.end_write(LOG, 7, Written::At(Offset(15)));
        assert_eq!(stable(&undecided, 20), 15);
        undecided.enter(LOG, 8);
        undecided.begin_write(LOG, 8, Offset(20));
        undecided.end_write(LOG, 8, Written::At(Offset(20)));
        undecided.decide(LOG, 7);
        assert_eq!(stable(&undecided, 30), 20);
        undecided.decide(LOG, 8);
        assert_eq!(stable(&undecided, 30), 30);
    }

    #[test]
    fn writes_that_tell_out_of_order_are_placed_together() {
        let undecided = Undecided::default();
        undecided.enter(LOG, 7);
        undecided.begin_write(LOG, 7, Offset(3));
        undecided.begin_write(LOG, 7, Offset(3));
        undecided.end_write(LOG, 7, Written::At(Offset(9)));
        assert_eq!(stable(&undecided, 20), 3);
        undecided.end_write(LOG, 7, Written::At(Offset(5)));
        assert_eq!(stable(&undecided, 20), 5);
    }

    #[test]
    fn a_write_that_failed_holds_nothing_and_one_in_doubt_does() {
        let undecided = Undecided::default();
        undecided.enter(LOG, 7);
        undecided.begin_write(LOG, 7, Offset(3));
        undecided.end_write(LOG, 7, Written::Nowhere);
        assert_eq!(stable(&undecided, 20), 20);
        undecided.begin_write(LOG, 7, Offset(20));
        undecided.end_write(LOG, 7, Written::Unknown);
        assert_eq!(stable(&undecided, 30), 20);
        assert_eq!(undecided.first(LOG, 7), Some(Offset(20)));
    }
}

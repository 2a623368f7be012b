//! Who reads a log from front to back finds the next part in memory: it is read from its segment while the last is on its way.
//!
//! What was read ahead and not asked for yet has a budget, so that it is still cached when it is. Where many logs are read at
//! once, some of them go without.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::{LogId, Offset};
use tokio::time::Instant;

/// Most bytes read ahead of one reader.
pub(super) const BYTES_MAX: usize = 1 << 20;
/// Readers kept in mind.
const READERS_MAX: usize = 1024;
/// A reader that has not come back by then does not count.
const GONE_AFTER: Duration = Duration::from_secs(1);

/// Where readers are expected next, and what is to be read before they come.
#[derive(Debug)]
pub(super) struct Ahead {
    expected: Mutex<Expected>,
    budget: usize,
    work: Mutex<Work>,
    workers_max: usize,
}

/// A stretch of a log that is to be in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub(super) log: LogId,
    pub(super) from: Offset,
    pub(super) max_bytes: usize,
}

#[derive(Debug, Default)]
struct Work {
    /// In the order in which they are likely to be asked for.
    stretches: VecDeque<Stretch>,
    /// Those who see to it.
    workers: usize,
}

#[derive(Debug, Default)]
struct Expected {
    readers: HashMap<(LogId, Offset), Reader>,
    /// Of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Reader {
    since: Instant,
    /// Read ahead for it.
    bytes: usize,
}

impl Ahead {
    /// With so many bytes for all readers together, brought in by so many at once.
    pub(super) fn new(budget: usize, workers_max: usize) -> Ahead {
        Ahead {
            expected: Mutex::default(),
            budget,
            work: Mutex::default(),
            workers_max,
        }
    }

    /// Puts a stretch where a worker finds it. Says whether there is to be one more worker, who goes on until [`Ahead::next_stretch`] has
    /// none.
    pub(super) fn push(&self, stretch: Stretch) -> bool {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if work.stretches.len() < READERS_MAX {
            work.stretches.push_back(stretch);
        }
        let is_more_wanted = work.workers < self.workers_max;
        work.workers += usize::from(is_more_wanted);
        is_more_wanted
    }

    /// What a worker is to do next; with `None` it is none any more.
    pub(super) fn next_stretch(&self) -> Option<Stretch> {
        loop {
            let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(stretch) = work.stretches.pop_front() else {
                work.workers -= 1;
                return None;
            };
            drop(work);
            // Who has passed already has read it.
            let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
            let place = (stretch.log, stretch.from);
            if expected.readers.contains_key(&place) {
                return Some(stretch);
            }
        }
    }

    /// Takes note that `span` of a log was read, where up to `max_bytes` were asked for. Gives how many bytes from its end on
    /// are to be read ahead: none unless the reader came from where it was expected.
    pub(super) fn note(
        &self,
        log: LogId,
        span: (Offset, Offset),
        max_bytes: usize,
        now: Instant,
    ) -> usize {
        let (from, end) = span;
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let is_in_order = expected.take(log, from);
        let wanted = if is_in_order {
            max_bytes.min(BYTES_MAX)
        } else {
            0
        };
        if expected.readers.len() >= READERS_MAX || expected.bytes + wanted > self.budget {
            expected.forget_gone(now);
        }
        if expected.readers.len() >= READERS_MAX {
            return 0;
        }
        let has_room = expected.bytes + wanted <= self.budget;
        let bytes = if has_room { wanted } else { 0 };
        // Another reader of the same place may have been here.
        expected.take(log, end);
        expected.bytes += bytes;
        let reader = Reader { since: now, bytes };
        expected.readers.insert((log, end), reader);
        bytes
    }
}

impl Expected {
    /// Whether a reader was expected there; it is not any more.
    fn take(&mut self, log: LogId, at: Offset) -> bool {
        let taken = self.readers.remove(&(log, at));
        self.bytes -= taken.as_ref().map_or(0, |reader| reader.bytes);
        taken.is_some()
    }

    fn forget_gone(&mut self, now: Instant) {
        self.readers
            .retain(|_, reader| now.duration_since(reader.since) < GONE_AFTER);
        self.bytes = self.readers.values().map(|reader| reader.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use model::StreamId;

    use super::*;

    const MIB: usize = 1 << 20;

    struct Reading {
        ahead: Ahead,
        now: Instant,
    }

    impl Reading {
        fn within(budget: usize) -> Reading {
            Reading {
                ahead: Ahead::new(budget, 2),
                now: Instant::now(),
            }
        }

        /// Bytes to be read ahead after this read.
        fn read(&self, partition: u32, from: u64, end: u64, max_bytes: usize) -> usize {
            let log = LogId {
                stream: StreamId(1),
                partition,
            };
            let span = (Offset(from), Offset(end));
            self.ahead.note(log, span, max_bytes, self.now)
        }
    }

    #[test]
    fn readers_in_order_get_what_comes_next_within_the_budget() {
        let mut reading = Reading::within(2 * MIB);
        assert_eq!(reading.read(1, 0, 10, MIB), 0, "nothing is known of it");
        assert_eq!(reading.read(1, 10, 20, 8 * MIB), MIB);
        assert_eq!(reading.read(1, 15, 20, MIB), 0, "it jumped");
        for partition in 2..4 {
            reading.read(partition, 0, 5, MIB);
        }
        assert_eq!(reading.read(2, 5, 9, 1000), 1000);
        assert_eq!(reading.read(3, 5, 9, MIB), MIB);
        let own_is_given_back_first = reading.read(2, 9, 12, MIB);
        assert_eq!(own_is_given_back_first, MIB);
        assert_eq!(reading.read(1, 20, 30, 1000), 0, "the others have it all");
        reading.now += GONE_AFTER;
        assert_eq!(reading.read(1, 30, 40, 1000), 1000, "they are gone");
    }

    #[test]
    fn a_few_workers_bring_stretches_in_turn() {
        let ahead = Ahead::new(MIB, 2);
        let stretch = |partition| Stretch {
            log: LogId {
                stream: StreamId(1),
                partition,
            },
            from: Offset(0),
            max_bytes: 1000,
        };
        for Stretch { log, from, .. } in [stretch(1), stretch(3)] {
            ahead.note(log, (from, from), 1000, Instant::now());
        }
        let is_worker_wanted: Vec<bool> =
            (1..=3).map(|number| ahead.push(stretch(number))).collect();
        assert_eq!(is_worker_wanted, [true, true, false]);
        let taken: Vec<_> = (1..=3).map(|_| ahead.next_stretch()).collect();
        let whom_nobody_waits_for_is_passed_over = [Some(stretch(1)), Some(stretch(3)), None];
        assert_eq!(taken, whom_nobody_waits_for_is_passed_over);
        assert!(ahead.push(stretch(4)), "one of the two has gone");
        assert!(!ahead.push(stretch(5)));
    }

    #[test]
    fn readers_beyond_those_kept_in_mind_go_without() {
        let mut reading = Reading::within(1 << 30);
        let one_more = READERS_MAX as u32;
        for partition in 0..=one_more {
            reading.read(partition, 0, 5, MIB);
        }
        assert_eq!(reading.read(one_more, 5, 9, MIB), 0);
        assert_eq!(reading.read(0, 5, 9, MIB), MIB);
        reading.now += GONE_AFTER;
        reading.read(one_more, 0, 5, MIB);
        assert_eq!(reading.read(one_more, 5, 9, MIB), MIB);
    }
}

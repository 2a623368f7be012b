//! How the messages of these tests lie in the log, and what lies there.

use std::collections::BTreeMap;
use std::time::Duration;

use engines::embedded::Core;
use model::{Batch, BatchBuilder, LogId, Offset, RecordRef, StreamId, Timestamp};
use store::{StoreError, StoredBatch};
use streams::delivery::{Arrival, Group, Logs, Source};

/// The queue's logs.
pub(super) const LOGS: Logs = Logs {
    messages: LogId {
        stream: StreamId(1),
        partition: 0,
    },
    journal: LogId {
        stream: StreamId(1),
        partition: 1,
    },
    is_owned: true,
};

/// Where messages are moved to.
pub(super) const DEAD: LogId = LogId {
    stream: StreamId(2),
    partition: 0,
};

/// What is sent: its number, group and delay are all there is to it, but for some bytes to fill the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Letter {
    pub(super) number: u64,
    pub(super) group: Option<u64>,
    pub(super) sent: Timestamp,
    pub(super) delay: Duration,
    pub(super) fill: usize,
}

impl Letter {
    pub(super) fn due(&self) -> Timestamp {
        self.sent.plus(self.delay)
    }

    /// As it lies where it is moved to: it says by which move.
    pub(super) fn moved_by(self, op: u64) -> Letter {
        let group = Some(op);
        Letter { group, ..self }
    }

    fn push_to(&self, batch: &mut BatchBuilder) {
        let mut value = self.number.to_be_bytes().to_vec();
        value.extend_from_slice(&(self.delay.as_millis() as u64).to_be_bytes());
        value.resize(value.len() + self.fill, self.number as u8);
        let key = self.group.map(u64::to_be_bytes);
        let key = key.as_ref().map(<[u8; 8]>::as_slice);
        batch.push(self.sent, key, Some(&value), &[]);
    }
}

/// These as one batch.
pub(super) fn batch_of(letters: &[Letter]) -> Batch {
    let mut batch = BatchBuilder::with_capacity(256);
    letters.iter().for_each(|letter| letter.push_to(&mut batch));
    batch.finish()
}

/// What a record says.
pub(super) fn read(record: &RecordRef<'_>) -> Letter {
    let value = record.value.expect("a letter has a value");
    let number = |at: usize| u64::from_be_bytes(value[at..at + 8].try_into().unwrap());
    let letter = Letter {
        number: number(0),
        group: record
            .key
            .map(|key| u64::from_be_bytes(key.try_into().unwrap())),
        sent: record.timestamp,
        delay: Duration::from_millis(number(8)),
        fill: value.len() - 16,
    };
    assert!(value[16..].iter().all(|byte| *byte == letter.number as u8));
    letter
}

/// Everything that a log holds, by number: where it lies, and its group.
pub(super) fn all(core: &Core, log: LogId) -> BTreeMap<u64, (Offset, Option<u64>)> {
    let bounds = core.bounds(log).expect("the log is there");
    let batches = core.read(log, bounds.start, usize::MAX).expect("readable");
    let mut found = BTreeMap::new();
    for record in batches.iter().flat_map(StoredBatch::records) {
        if record.offset < bounds.start {
            continue;
        }
        let letter = read(&record);
        let before = found.insert(letter.number, (record.offset, letter.group));
        assert_eq!(before, None, "{} is there twice", letter.number);
    }
    found
}

/// The queue's view of its letters.
pub(super) struct Letters;

impl Source for Letters {
    fn open(&self, stored: StoredBatch) -> Result<StoredBatch, StoreError> {
        Ok(stored)
    }

    fn arrival(&self, record: &RecordRef<'_>) -> Arrival {
        let letter = read(record);
        Arrival {
            sent: letter.sent,
            due: letter.due(),
            group: record.key.map(Group::of),
        }
    }
}

//! Records that producers put into envelopes are given opened, where a worker is told how.
//!
//! A record that cannot be opened is given as it came, and says why. It is neither lost nor does it hold up its shard, unless
//! its processor wants that: [`Record::opened`] is an error for it, and a processor that passes that on is given the batch
//! again, until a worker that has the key reads the shard. For the worker to fail instead would leave no choice: one damaged
//! record would hold up a shard until it is older than the stream's retention.

use std::vec::IntoIter;

use super::position::{Place, Position};
use super::processor::{Envelope, Record, Unopened};
use crate::envelope::{self, Keyring};

/// How records are opened.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Keys that records may be encrypted under.
    pub keys: Keyring,
    /// Most bytes that a record may have once it is decompressed; beyond it, it stays closed.
    pub record_bytes_max: usize,
    /// A batch whose records have so many bytes once they are opened is given without the rest, which come as the next one:
    /// memory for a shard is bounded by this and one record more.
    pub batch_bytes_max: usize,
}

impl Opening {
    /// With these keys, for records up to 10 MiB, which is the largest that a stream takes as they are, and batches of 32 MiB.
    #[must_use]
    pub fn with(keys: Keyring) -> Opening {
        Opening {
            keys,
            record_bytes_max: 10 << 20,
            batch_bytes_max: 32 << 20,
        }
    }

    fn open(&self, record: &mut Record) {
        if !envelope::is_sealed(&record.data) {
            return;
        }
        record.envelope =
            match envelope::open_within(&record.data, &self.keys, self.record_bytes_max) {
                Ok(data) => {
                    record.data = data;
                    Envelope::Opened
                }
                Err(error) => Envelope::Unopened(error),
            };
    }
}

/// Records of one read that are still to be given, in one batch or several.
#[derive(Debug)]
pub(super) struct Unread {
    records: IntoIter<Record>,
    /// Where the last of all is, whether it is among them or not.
    last: Position,
}

/// What is given at once.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) records: Vec<Record>,
    /// All up to there is given with it.
    pub(super) last: Position,
}

impl Part {
    /// Why records could not be opened that cannot.
    pub(super) fn unopened(&self) -> Vec<Unopened> {
        let records = self.records.iter();
        records.filter_map(|record| record.opened().err()).collect()
    }
}

impl Unread {
    pub(super) fn new(records: Vec<Record>, last: Position) -> Unread {
        Unread {
            records: records.into_iter(),
            last,
        }
    }

    /// What is to be given next, and what is left then. Records are opened off the threads that others wait on; nothing comes
    /// of it where the runtime ends.
    pub(super) async fn next(self, opening: Option<&Opening>) -> Option<(Part, Option<Unread>)> {
        let Some(opening) = opening.cloned() else {
            return Some((self.whole(), None));
        };
        let opened = tokio::task::spawn_blocking(move || self.opened(&opening));
        match opened.await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            opened => opened.ok(),
        }
    }

    /// All of it.
    fn whole(self) -> Part {
        Part {
            records: self.records.collect(),
            last: self.last,
        }
    }

    /// The next part, opened, and what is left then.
    fn opened(mut self, opening: &Opening) -> (Part, Option<Unread>) {
        let mut records = Vec::with_capacity(self.records.len());
        let mut bytes = 0_usize;
        while bytes < opening.batch_bytes_max
            && let Some(mut record) = self.records.next()
        {
            opening.open(&mut record);
            bytes = bytes.saturating_add(record.data.len());
            records.push(record);
        }
        if self.records.len() > 0
            && let Some(place) = records.last().and_then(place_of)
        {
            let last = Position::At(place);
            return (Part { records, last }, Some(self));
        }
        records.extend(self.records.map(|mut record| {
            opening.open(&mut record);
            record
        }));
        let last = self.last;
        (Part { records, last }, None)
    }
}

fn place_of(record: &Record) -> Option<Place> {
    Place::new(&record.sequence_number, record.sub_sequence)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::envelope::{EncryptionKey, EnvelopeError, Sealer};

    fn record(number: u64, data: &[u8]) -> Record {
        Record {
            sequence_number: number.to_string().into(),
            sub_sequence: 0,
            is_aggregated: false,
            partition_key: "k".into(),
            explicit_hash_key: None,
            data: Bytes::copy_from_slice(data),
            envelope: Envelope::Plain,
            arrived: None,
        }
    }

    fn sealer(id: &str) -> Sealer {
        Sealer {
            compression: Some(1),
            encryption: Some(EncryptionKey::new(id, &[1; 32]).unwrap()),
        }
    }

    #[test]
    fn each_record_says_how_it_came() {
        let key = EncryptionKey::new("known", &[1; 32]).unwrap();
        let opening = Opening::with(Keyring::from_iter([key]));
        let sealed = sealer("known").seal(b"data").unwrap();
        let foreign = sealer("other").seal(b"data").unwrap();
        let records = vec![record(1, b"plain"), record(2, &sealed), record(3, &foreign)];
        let unread = Unread::new(records, Position::parse("3", 0).unwrap());
        let (part, rest) = unread.opened(&opening);
        assert!(rest.is_none());
        let [plain, opened, unopened] = &part.records[..] else {
            panic!("{part:?}");
        };
        assert_eq!(
            (&plain.data[..], &plain.envelope),
            (&b"plain"[..], &Envelope::Plain)
        );
        assert_eq!(
            (&opened.data[..], &opened.envelope),
            (&b"data"[..], &Envelope::Opened)
        );
        assert_eq!(opened.opened().unwrap(), "data");
        let unknown = EnvelopeError::UnknownKey("other".to_owned());
        assert_eq!(unopened.envelope, Envelope::Unopened(unknown));
        assert_eq!(unopened.data, foreign, "as it came");
        let error = unopened.opened().unwrap_err().to_string();
        assert!(
            error.contains("sequence number 3") && error.contains("other"),
            "{error}"
        );
    }

    #[test]
    fn what_is_large_once_opened_comes_in_parts() {
        let opening = Opening {
            record_bytes_max: 1000,
            batch_bytes_max: 1500,
            ..Opening::with(Keyring::default())
        };
        let sealer = Sealer {
            compression: Some(1),
            encryption: None,
        };
        let sealed = |length| sealer.seal(&vec![0; length]).unwrap();
        let records = vec![
            record(1, &sealed(1000)),
            record(2, &sealed(1000)),
            record(3, &sealed(1001)),
            record(4, &sealed(1000)),
        ];
        let all = Position::parse("9", 0).unwrap();
        let (first, rest) = Unread::new(records, all.clone()).opened(&opening);
        assert_eq!(
            (first.records.len(), first.last),
            (2, Position::parse("2", 0).unwrap())
        );
        let (second, rest) = rest.unwrap().opened(&opening);
        assert_eq!((second.records.len(), second.last), (2, all.clone()));
        let too_large = EnvelopeError::TooLarge(1000);
        assert_eq!(second.records[0].envelope, Envelope::Unopened(too_large));
        assert!(rest.is_none());
        // Where all records were left out, how far they went is still told.
        let (none, rest) = Unread::new(Vec::new(), all.clone()).opened(&opening);
        assert_eq!(
            (none.records.len(), none.last, rest.is_none()),
            (0, all, true)
        );
    }
}

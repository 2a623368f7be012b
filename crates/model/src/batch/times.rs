//! Whose times a batch's records have: their own, or the log's. The header says it, so that no record is written anew.

use super::{Batch, LOG_APPEND_TIME, close};
use crate::time::Timestamp;

impl Batch {
    /// The same batch, taken in at `time`: that is the timestamp of all its records from now on.
    #[must_use]
    pub fn taken_in_at(&self, time: Timestamp) -> Batch {
        self.timed(self.attributes() | LOG_APPEND_TIME, time)
    }

    /// The same batch, the timestamps of its records their own, and the greatest of them `max`.
    #[must_use]
    pub fn timed_by_records(&self, max: Timestamp) -> Batch {
        self.timed(self.attributes() & !LOG_APPEND_TIME, max)
    }

    /// When its records were made or taken in, as far as the header tells: the first one's time, or the greatest where another
    /// time has that one's place.
    #[must_use]
    pub fn told_time(&self) -> Timestamp {
        if self.is_log_append_time() || self.delete_horizon().is_some() {
            self.max_timestamp()
        } else {
            self.base_timestamp()
        }
    }

    fn timed(&self, attributes: i16, max: Timestamp) -> Batch {
        let mut bytes = self.bytes.to_vec();
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        bytes[35..43].copy_from_slice(&max.0.to_be_bytes());
        close(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchBuilder;
    use crate::log::Offset;

    fn times(batch: &Batch) -> Vec<i64> {
        let batch = Batch::parse(batch.bytes().clone()).unwrap();
        let records = batch.records(Offset::ZERO);
        records.map(|record| record.timestamp.0).collect()
    }

    #[test]
    fn records_have_the_logs_time_until_they_have_their_own_again() {
        let mut builder = BatchBuilder::with_capacity(64);
        for time in [100, 130, 90] {
            builder.push(Timestamp(time), None, Some(b"v"), &[]);
        }
        let batch = builder.finish();
        let taken_in = batch.taken_in_at(Timestamp(500));
        assert!(taken_in.is_log_append_time());
        assert_eq!(times(&taken_in), [500, 500, 500]);
        let own = taken_in.timed_by_records(Timestamp(130));
        assert_eq!(times(&own), [100, 130, 90]);
        assert_eq!(own, batch);
    }

    #[test]
    fn a_header_tells_no_time_that_no_record_has() {
        let mut builder = BatchBuilder::with_capacity(64);
        for time in [100, 130, 90] {
            builder.push(Timestamp(time), None, Some(b"v"), &[]);
        }
        let batch = builder.finish();
        assert_eq!(batch.told_time(), Timestamp(100));
        let taken_in = batch.taken_in_at(Timestamp(500));
        assert_eq!(taken_in.told_time(), Timestamp(500));
        let horizon = Some(Timestamp(1_000_000));
        let compacted = batch.compacted(Offset::ZERO, horizon, |_| true).unwrap();
        assert_eq!(compacted.told_time(), Timestamp(130));
    }
}

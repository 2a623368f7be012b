//! When a record arrived, as far as it says.
//!
//! That is its timestamp, which Kafka's producers may leave out: it is -1 then. Nothing is told of such a record, rather than
//! a second before 1970. AWS's shapes do not require it.

use model::{RecordRef, Timestamp};

/// The arrival that a record shows, if it shows one.
pub(super) fn arrival(record: &RecordRef<'_>) -> Option<aws::Timestamp> {
    known(record.timestamp).map(Into::into)
}

/// A time, where it is one.
pub(super) fn known(time: Timestamp) -> Option<Timestamp> {
    (time.0 >= 0).then_some(time)
}

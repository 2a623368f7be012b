//! A batch without some of its records, as log compaction leaves it (KIP-58, KIP-534): it takes the offsets it took, and its
//! producer's sequence numbers stay.

use super::{Batch, DELETE_HORIZON, HEADER_BYTES, close};
use crate::log::Offset;
use crate::record::RecordRef;
use crate::time::Timestamp;
use crate::varint;

impl Batch {
    /// When the tombstones in it, or the transaction's end that it is, may go: compaction says so when it first sees them
    /// with nothing older left to undo (KIP-534). It stands in the base timestamp's place.
    #[must_use]
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        (self.attributes() & DELETE_HORIZON != 0).then(|| self.base_timestamp())
    }

    /// The same batch with those of its records alone that `keep` wants, in their order, and with a delete horizon, if one is
    /// given. `None` where no record is left. For a batch that is neither compressed nor sealed; of one that is, or whose
    /// records are malformed, no record is known.
    pub fn compacted(
        &self,
        base: Offset,
        horizon: Option<Timestamp>,
        mut keep: impl FnMut(&RecordRef<'_>) -> bool,
    ) -> Option<Batch> {
        let old_base = self.base_timestamp();
        let new_base = horizon.unwrap_or(old_base);
        let mut bytes = Vec::with_capacity(self.bytes.len() + 16);
        bytes.extend_from_slice(&self.bytes[..HEADER_BYTES]);
        let mut count: i32 = 0;
        let mut max_timestamp = Timestamp(i64::MIN);
        let mut rest = self.payload();
        for record in self.records(base) {
            let (_, after) = RecordRef::read(rest, base, old_base.0)?;
            let lies = &rest[..rest.len() - after.len()];
            rest = after;
            if !keep(&record) {
                continue;
            }
            count += 1;
            max_timestamp = max_timestamp.max(record.timestamp);
            if new_base == old_base {
                bytes.extend_from_slice(lies);
            } else {
                put_with_base(&mut bytes, lies, old_base, new_base)?;
            }
        }
        if count == 0 {
            return None;
        }
        let mut attributes = self.attributes();
        if horizon.is_some() {
            attributes |= DELETE_HORIZON;
            bytes[27..35].copy_from_slice(&new_base.0.to_be_bytes());
        }
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        bytes[35..43].copy_from_slice(&max_timestamp.0.to_be_bytes());
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        Some(close(bytes))
    }

    /// The same batch, its records compressed to `payload` by the codec of that number.
    #[must_use]
    pub fn compressed(&self, codec: u8, payload: &[u8]) -> Batch {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + payload.len());
        bytes.extend_from_slice(&self.bytes[..HEADER_BYTES]);
        bytes.extend_from_slice(payload);
        let attributes = (self.attributes() & !super::CODEC_MASK) | i16::from(codec & 0b111);
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        close(bytes)
    }
}

/// Adds a record as it lies, its time counted from another base.
fn put_with_base(
    target: &mut Vec<u8>,
    lies: &[u8],
    old_base: Timestamp,
    new_base: Timestamp,
) -> Option<()> {
    let (_, body) = varint::read(lies)?;
    let (attributes, body) = body.split_first()?;
    let (delta, after) = varint::read(body)?;
    let time = old_base.0.wrapping_add(delta);
    let delta = time.wrapping_sub(new_base.0);
    let length = 1 + varint::length(delta) + after.len();
    varint::write(target, length as i64);
    target.push(*attributes);
    varint::write(target, delta);
    target.extend_from_slice(after);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchBuilder, Producer};
    use crate::record::Header;

    fn sample() -> Batch {
        let mut builder = BatchBuilder::with_capacity(64).by(Producer {
            id: 3,
            epoch: 0,
            sequence: 7,
        });
        let header = Header {
            name: b"h",
            value: Some(b"1"),
        };
        for (key, time) in [(b"a", 100), (b"b", 90), (b"c", 130), (b"d", 110)] {
            builder.push(Timestamp(time), Some(key), Some(b"v"), &[header]);
        }
        builder.finish()
    }

    fn keys(batch: &Batch) -> Vec<(u64, i64, String)> {
        batch
            .records(Offset(40))
            .map(|record| {
                assert_eq!(record.headers().count(), 1);
                let key = String::from_utf8_lossy(record.key.unwrap()).into_owned();
                (record.offset.0, record.timestamp.0, key)
            })
            .collect()
    }

    #[test]
    fn what_is_kept_stays_where_it_was() {
        let batch = sample();
        let some = batch
            .compacted(Offset(40), None, |record| record.offset.0 % 2 == 1)
            .unwrap();
        let some = Batch::parse(some.bytes().clone()).unwrap();
        assert_eq!(keys(&some), [(41, 90, "b".into()), (43, 110, "d".into())]);
        assert_eq!((some.offsets(), some.record_count()), (4, 2));
        assert_eq!(some.producer(), batch.producer());
        assert_eq!(some.max_timestamp(), Timestamp(110));
        assert_eq!(some.delete_horizon(), None);
    }

    #[test]
    fn a_horizon_changes_no_records_time() {
        let batch = sample();
        let horizon = Some(Timestamp(1_000_000));
        let all = batch.compacted(Offset(40), horizon, |_| true).unwrap();
        let all = Batch::parse(all.bytes().clone()).unwrap();
        assert_eq!(keys(&all), keys(&batch));
        assert_eq!(all.delete_horizon(), horizon);
        let again = all.compacted(Offset(40), None, |_| true).unwrap();
        assert_eq!(again, all);
    }

    #[test]
    fn a_batch_without_records_is_none() {
        assert_eq!(sample().compacted(Offset(40), None, |_| false), None);
        let sealed = sample().with_payload(b"secret", true);
        assert_eq!(sealed.compacted(Offset(40), None, |_| true), None);
    }

    #[test]
    fn a_log_append_time_stays() {
        let batch = sample().taken_in_at(Timestamp(500));
        let one = batch.compacted(Offset(40), Some(Timestamp(9_000)), |record| {
            record.offset.0 == 40
        });
        assert_eq!(keys(&one.unwrap()), [(40, 500, "a".into())]);
    }
}

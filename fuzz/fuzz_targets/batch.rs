//! Record batches: bytes as they are, and bytes given the right length and checksum so that the records are reached.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::batch::{HEADER_BYTES, declared_length};
use model::{Batch, Offset};

fuzz_target!(|data: &[u8]| {
    let _ = declared_length(data);
    if let Ok(batch) = Batch::parse(Bytes::copy_from_slice(data)) {
        read(&batch);
    }
    if data.len() >= HEADER_BYTES {
        let mut bytes = data.to_vec();
        let length = (data.len() - 12) as u32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        if let Ok(batch) = Batch::parse(bytes.into()) {
            read(&batch);
        }
    }
});

fn read(batch: &Batch) {
    assert!(batch.offsets() >= 1 && batch.offsets() >= batch.record_count());
    let _ = (batch.producer(), batch.codec(), batch.max_timestamp());
    let base = Offset(7);
    let (mut count, mut next) = (0, base);
    for record in batch.records(base) {
        count += 1;
        let last = base.plus(u64::from(batch.offsets() - 1));
        assert!((next..=last).contains(&record.offset), "{record:?}");
        next = record.offset.plus(1);
        for header in record.headers() {
            assert!(header.name.len() <= batch.payload().len());
        }
    }
    assert!(count <= batch.record_count());
    let again = Batch::parse(
        batch
            .with_payload(batch.payload(), batch.is_sealed())
            .bytes()
            .clone(),
    );
    assert!(again.is_ok_and(|again| again.payload() == batch.payload()));
}

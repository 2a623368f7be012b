//! Segments, written ones and kept journal files: a file as it is, and a file of parts given the right checksums and places, verified
//! and read.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use engines::segments::{Room, SegmentId, Segments};
use engines::sim::{Image, SimDisk};
use libfuzzer_sys::fuzz_target;
use model::{Offset, Rng, Timestamp};

fuzz_target!(|data: &[u8]| {
    for id in [SegmentId(5), SegmentId::of_journal(5)] {
        read(id, data.to_vec());
        if let [block, index, rest @ ..] = data {
            let block = usize::from(*block).min(rest.len());
            let (block, rest) = rest.split_at(block);
            let index = usize::from(*index).min(rest.len());
            let (index, footer) = rest.split_at(index);
            read(id, segment(id, block, index, footer));
        }
    }
});

fn read(id: SegmentId, bytes: Vec<u8>) {
    let image = Image::from([(id.file_name(), Arc::new(bytes))]);
    let disk = SimDisk::with_image(Rng::seeded(1), &image);
    let segments = Segments::new(Arc::new(disk), 1 << 20);
    let Ok(summary) = segments.verify(id) else {
        return;
    };
    for range in &summary.ranges {
        let batches = segments
            .read(range, range.start, &mut Room::of(usize::MAX))
            .expect("it was verified");
        assert!(!batches.is_empty());
        let _ = segments.read(range, Offset(u64::MAX), &mut Room::of(1));
        let _ = segments.offset_for_time(range, Timestamp(0));
        let _ = segments.offset_for_size(range, 1);
    }
}

/// A file of one block, one index and a footer. Each part begins with its checksum and, but for the footer, its place.
fn segment(id: SegmentId, block: &[u8], index: &[u8], footer: &[u8]) -> Vec<u8> {
    let checksum = |bytes: &[u8]| crc32c::crc32c_append(crc32c::crc32c(&id.0.to_be_bytes()), bytes);
    let mut file = b"HWSEGMNT".to_vec();
    file.extend(1u32.to_be_bytes());
    file.extend(id.0.to_be_bytes());
    file.extend(checksum(&file).to_be_bytes());
    for part in [block, index] {
        let body = [&(file.len() as u64).to_be_bytes()[..], part].concat();
        file.extend(checksum(&body).to_be_bytes());
        file.extend(body);
    }
    let footer_at = file.len() as u64;
    file.extend(checksum(footer).to_be_bytes());
    file.extend(footer);
    let mut trailer = footer_at.to_be_bytes().to_vec();
    trailer.extend((footer.len() as u32 + 4).to_be_bytes());
    trailer.extend(1u32.to_be_bytes());
    trailer.extend(checksum(&trailer).to_be_bytes());
    trailer.extend(b"HWSEGEND");
    file.extend(trailer);
    Bytes::from(file).to_vec()
}

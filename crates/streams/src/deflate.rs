//! Batches compressed anew, in the form that Kafka's clients read: gzip, Snappy in snappy-java's blocks (its own reader takes
//! nothing else), LZ4 frames with independent blocks, Zstandard.

use std::io::{self, Write};

use model::Batch;

use crate::inflate::{SNAPPY_JAVA_MAGIC, SNAPPY_JAVA_VERSIONS};

/// Bytes of records in one Snappy block: snappy-java's own.
const SNAPPY_BLOCK_BYTES: usize = 32 << 10;
/// Kafka's `compression.zstd.level` where nothing is said.
const ZSTD_LEVEL: i32 = 3;

/// The batch, which is not compressed, with its records compressed by the codec of that number. As it is, where the codec is
/// none or unknown.
///
/// # Errors
/// What the codec says; nothing is known to make one fail in memory.
pub(crate) fn deflate(batch: &Batch, codec: u8) -> io::Result<Batch> {
    let records = batch.payload();
    let payload = match codec {
        1 => {
            let mut target =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            target.write_all(records)?;
            target.finish()?
        }
        2 => snappy(records)?,
        3 => {
            let mut target = lz4_flex::frame::FrameEncoder::new(Vec::new());
            target.write_all(records)?;
            target.finish().map_err(io::Error::other)?
        }
        4 => zstd::stream::encode_all(records, ZSTD_LEVEL)?,
        _ => return Ok(batch.clone()),
    };
    Ok(batch.compressed(codec, &payload))
}

fn snappy(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut target = Vec::with_capacity(records.len() / 2);
    target.extend_from_slice(SNAPPY_JAVA_MAGIC);
    target.extend_from_slice(&SNAPPY_JAVA_VERSIONS);
    let mut encoder = snap::raw::Encoder::new();
    for block in records.chunks(SNAPPY_BLOCK_BYTES) {
        let block = encoder.compress_vec(block).map_err(io::Error::other)?;
        let length = u32::try_from(block.len()).map_err(io::Error::other)?;
        target.extend_from_slice(&length.to_be_bytes());
        target.extend_from_slice(&block);
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use model::{BatchBuilder, Timestamp};

    use super::*;
    use crate::inflate::inflate;

    #[test]
    fn what_is_deflated_inflates() {
        let mut builder = BatchBuilder::with_capacity(100_000);
        for number in 0..100 {
            let value = vec![number as u8; 1_000];
            builder.push(Timestamp(number), Some(b"key"), Some(&value), &[]);
        }
        let plain = builder.finish();
        for codec in 0..=4 {
            let small = deflate(&plain, codec).unwrap();
            assert_eq!(small.codec(), codec);
            assert!(codec == 0 || small.bytes().len() < plain.bytes().len() / 10);
            assert!(Batch::parse(small.bytes().clone()).is_ok());
            assert_eq!(inflate(&small).unwrap(), plain, "codec {codec}");
        }
    }
}

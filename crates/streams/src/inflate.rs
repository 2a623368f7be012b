//! Compressed batches, as Kafka's producers write them, read back: gzip, Snappy (raw, or in the blocks of Java's snappy-java),
//! LZ4 frames and Zstandard.
//!
//! What comes out is bounded by [`INFLATED_BYTES_MAX`], so that a small batch cannot fill the memory.

use std::io::Read;

use model::Batch;
use store::StoredBatch;

/// Most bytes that a batch's records may have without compression: over ten times what is taken in as one batch.
pub const INFLATED_BYTES_MAX: usize = 256 << 20;

/// What snappy-java's streams begin with, then two version numbers of four bytes each.
pub(crate) const SNAPPY_JAVA_MAGIC: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Those: the format's, and the oldest that reads it.
pub(crate) const SNAPPY_JAVA_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
const SNAPPY_JAVA_HEADER_BYTES: usize = 16;

/// Why a compressed batch can't be read.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// A codec number that means none.
    #[error("codec {0} is unknown: 0 is none, 1 gzip, 2 snappy, 3 lz4, 4 zstd")]
    Codec(u8),
    /// The bytes are not what the codec writes.
    #[error("compressed records do not read as {codec}: {why}")]
    Malformed {
        /// Which codec.
        codec: &'static str,
        /// What it said.
        why: String,
    },
    /// More comes out than may.
    #[error(
        "records are over {INFLATED_BYTES_MAX} bytes without compression: send smaller batches"
    )]
    TooLarge,
}

/// The batch with its records uncompressed. A batch that is not compressed is given as it is.
///
/// # Errors
/// [`InflateError`].
pub fn inflate(batch: &Batch) -> Result<Batch, InflateError> {
    let source = batch.payload();
    let records = match batch.codec() {
        0 => return Ok(batch.clone()),
        1 => read_all("gzip", flate2::read::MultiGzDecoder::new(source))?,
        2 => snappy(source)?,
        3 => read_all("lz4", lz4_flex::frame::FrameDecoder::new(source))?,
        4 => {
            let decoder = zstd::stream::read::Decoder::with_buffer(source);
            read_all("zstd", decoder.map_err(|error| malformed("zstd", &error))?)?
        }
        unknown => return Err(InflateError::Codec(unknown)),
    };
    Ok(batch.uncompressed(&records))
}

/// As [`inflate`], of a batch in its place.
///
/// # Errors
/// [`InflateError`].
pub fn inflated(stored: &StoredBatch) -> Result<StoredBatch, InflateError> {
    Ok(StoredBatch {
        base_offset: stored.base_offset,
        batch: inflate(&stored.batch)?,
    })
}

fn malformed(codec: &'static str, why: &dyn std::fmt::Display) -> InflateError {
    let why = why.to_string();
    InflateError::Malformed { codec, why }
}

fn read_all(codec: &'static str, reader: impl Read) -> Result<Vec<u8>, InflateError> {
    let mut records = Vec::new();
    let one_too_many = INFLATED_BYTES_MAX as u64 + 1;
    reader
        .take(one_too_many)
        .read_to_end(&mut records)
        .map_err(|error| malformed(codec, &error))?;
    if records.len() > INFLATED_BYTES_MAX {
        return Err(InflateError::TooLarge);
    }
    Ok(records)
}

fn snappy(source: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut records = Vec::new();
    if !source.starts_with(SNAPPY_JAVA_MAGIC) {
        snappy_block(source, &mut records)?;
        return Ok(records);
    }
    let cut = || malformed("snappy", &"a block is cut short");
    let mut rest = source.get(SNAPPY_JAVA_HEADER_BYTES..).ok_or_else(cut)?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (block, after) = after.split_at_checked(length).ok_or_else(cut)?;
        snappy_block(block, &mut records)?;
        rest = after;
    }
    Ok(records)
}

fn snappy_block(block: &[u8], records: &mut Vec<u8>) -> Result<(), InflateError> {
    let length = snap::raw::decompress_len(block).map_err(|error| malformed("snappy", &error))?;
    let start = records.len();
    if start.saturating_add(length) > INFLATED_BYTES_MAX {
        return Err(InflateError::TooLarge);
    }
    records.resize(start + length, 0);
    snap::raw::Decoder::new()
        .decompress(block, &mut records[start..])
        .map_err(|error| malformed("snappy", &error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use model::{BatchBuilder, Offset, Timestamp};

    use super::*;

    fn plain() -> Batch {
        let mut builder = BatchBuilder::with_capacity(100);
        for number in 0..50u8 {
            let value = [number; 40];
            builder.push(
                Timestamp(i64::from(number)),
                Some(b"key"),
                Some(&value),
                &[],
            );
        }
        builder.finish()
    }

    fn compressed(codec: u8) -> Batch {
        let plain = plain();
        let source = plain.payload();
        let payload = match codec {
            1 => {
                let mut target =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                target.write_all(source).unwrap();
                target.finish().unwrap()
            }
            2 => snap::raw::Encoder::new().compress_vec(source).unwrap(),
            3 => {
                let mut target = lz4_flex::frame::FrameEncoder::new(Vec::new());
                target.write_all(source).unwrap();
                target.finish().unwrap()
            }
            _ => zstd::stream::encode_all(source, 1).unwrap(),
        };
        with_codec(&plain, codec, &payload)
    }

    fn with_codec(batch: &Batch, codec: u8, payload: &[u8]) -> Batch {
        let mut bytes = batch.bytes()[..model::batch::HEADER_BYTES].to_vec();
        bytes.extend_from_slice(payload);
        bytes[22] = codec;
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        Batch::parse_unverified(bytes.into()).unwrap()
    }

    #[test]
    fn every_codec_gives_back_what_was_compressed() {
        for codec in 0..=4 {
            let batch = if codec == 0 {
                plain()
            } else {
                compressed(codec)
            };
            let inflated = inflate(&batch).unwrap();
            assert_eq!(inflated.codec(), 0);
            assert_eq!(inflated.records(Offset(7)).count(), 50, "codec {codec}");
            assert!(Batch::parse(inflated.bytes().clone()).is_ok());
        }
    }

    #[test]
    fn blocks_of_snappy_java_are_joined() {
        let plain = plain();
        let (one, two) = plain.payload().split_at(700);
        let mut payload = SNAPPY_JAVA_MAGIC.to_vec();
        payload.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
        for block in [one, two] {
            let block = snap::raw::Encoder::new().compress_vec(block).unwrap();
            payload.extend_from_slice(&(block.len() as u32).to_be_bytes());
            payload.extend_from_slice(&block);
        }
        let batch = with_codec(&plain, 2, &payload);
        assert_eq!(inflate(&batch).unwrap().payload(), plain.payload());
    }

    #[test]
    fn garbage_is_told_from_records() {
        for codec in 1..=7 {
            let batch = with_codec(&plain(), codec, &[0xff; 100]);
            assert!(inflate(&batch).is_err(), "codec {codec}");
        }
        let snappy_that_says_it_is_4_gib = with_codec(&plain(), 2, &[0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(matches!(
            inflate(&snappy_that_says_it_is_4_gib),
            Err(InflateError::TooLarge)
        ));
    }

    #[test]
    fn a_bomb_is_stopped() {
        let zeros = vec![0; INFLATED_BYTES_MAX + 1];
        let payload = zstd::stream::encode_all(zeros.as_slice(), 1).unwrap();
        let batch = with_codec(&plain(), 4, &payload);
        assert!(matches!(inflate(&batch), Err(InflateError::TooLarge)));
    }
}

//! Compressed batches, as Kafka's producers write them, read back: gzip, Snappy (raw, or in the blocks of Java's snappy-java),
//! LZ4 frames and Zstandard.
//!
//! What comes out is bounded by [`INFLATED_BYTES_MAX`], so that a small batch cannot fill the memory, and so is what comes out
//! at one time: up to [`FREE_BYTES`] each batch as it likes, up to [`MEDIUM_BYTES`] so many at once as there are [`MEDIUM`]
//! places, and beyond one after another. Whoever waits has the smaller place and keeps a thread; who has the larger one waits
//! for nobody. [`inflate`] leaves its place with its return, and what it gives is its caller's to bound.

use std::io::Read;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use model::Batch;
use store::StoredBatch;
use tokio::runtime::{Handle, RuntimeFlavor};

/// Most bytes that a batch's records may have without compression: over ten times what is taken in as one batch.
pub const INFLATED_BYTES_MAX: usize = 256 << 20;
/// What most batches stay below.
const FREE_BYTES: usize = 1 << 20;
/// What nearly all batches stay below.
const MEDIUM_BYTES: usize = 16 << 20;

/// Places for batches that come to more than [`FREE_BYTES`].
static MEDIUM: Places = Places::new(16);
/// The place for a batch that comes to more than [`MEDIUM_BYTES`].
static LARGE: Places = Places::new(1);

/// Greatest that Snappy gets out of a byte: 64 of three, rounded up.
const SNAPPY_RATIO: usize = 22;
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
    look_into(batch, Batch::clone)
}

/// What `look` finds in the batch with its records uncompressed, which is gone afterwards: until then it has its place, so that
/// `look` must not inflate another.
///
/// # Errors
/// [`InflateError`].
pub fn look_into<T>(batch: &Batch, look: impl FnOnce(&Batch) -> T) -> Result<T, InflateError> {
    if batch.codec() == 0 {
        return Ok(look(batch));
    }
    let mut room = Room::default();
    let plain = batch.uncompressed_by(|records| write(batch, records, &mut room))?;
    Ok(look(&plain))
}

/// Adds a batch's records to `target`.
fn write(batch: &Batch, target: &mut Vec<u8>, room: &mut Room) -> Result<(), InflateError> {
    let source = batch.payload();
    match batch.codec() {
        1 => {
            let decoder = flate2::read::MultiGzDecoder::new(source);
            read_all("gzip", decoder, target, room)
        }
        2 => snappy(source, target, room),
        3 => {
            let decoder = lz4_flex::frame::FrameDecoder::new(source);
            read_all("lz4", decoder, target, room)
        }
        4 => {
            let decoder = zstd::stream::read::Decoder::with_buffer(source);
            let decoder = decoder.map_err(|error| malformed("zstd", &error))?;
            read_all("zstd", decoder, target, room)
        }
        unknown => Err(InflateError::Codec(unknown)),
    }
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

fn read_all(
    codec: &'static str,
    mut reader: impl Read,
    target: &mut Vec<u8>,
    room: &mut Room,
) -> Result<(), InflateError> {
    let mut length = 0;
    for bound in [FREE_BYTES, MEDIUM_BYTES, INFLATED_BYTES_MAX + 1] {
        room.grow(length + 1);
        let part = reader.by_ref().take((bound - length) as u64);
        length += { part }
            .read_to_end(target)
            .map_err(|error| malformed(codec, &error))?;
        if length < bound {
            return Ok(());
        }
    }
    Err(InflateError::TooLarge)
}

fn snappy(source: &[u8], target: &mut Vec<u8>, room: &mut Room) -> Result<(), InflateError> {
    let mut length = 0;
    if !source.starts_with(SNAPPY_JAVA_MAGIC) {
        return snappy_block(source, target, &mut length, room);
    }
    let cut = || malformed("snappy", &"a block is cut short");
    let mut rest = source.get(SNAPPY_JAVA_HEADER_BYTES..).ok_or_else(cut)?;
    while !rest.is_empty() {
        let (block_length, after) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let block_length = u32::from_be_bytes(*block_length) as usize;
        let (block, after) = after.split_at_checked(block_length).ok_or_else(cut)?;
        snappy_block(block, target, &mut length, room)?;
        rest = after;
    }
    Ok(())
}

/// Adds a block's bytes, where there are `length` of the batch.
fn snappy_block(
    block: &[u8],
    target: &mut Vec<u8>,
    length: &mut usize,
    room: &mut Room,
) -> Result<(), InflateError> {
    let added = snap::raw::decompress_len(block).map_err(|error| malformed("snappy", &error))?;
    *length = length.saturating_add(added);
    if *length > INFLATED_BYTES_MAX {
        return Err(InflateError::TooLarge);
    }
    if added > block.len().saturating_mul(SNAPPY_RATIO) {
        return Err(malformed("snappy", &"a block says more than it can hold"));
    }
    room.grow(*length);
    let start = target.len();
    target.resize(start + added, 0);
    snap::raw::Decoder::new()
        .decompress(block, &mut target[start..])
        .map_err(|error| malformed("snappy", &error))?;
    Ok(())
}

/// What one batch has of the places.
#[derive(Default)]
struct Room {
    medium: Option<Place>,
    large: Option<Place>,
}

impl Room {
    /// Waits until the batch may come to so many bytes.
    fn grow(&mut self, bytes: usize) {
        if bytes > FREE_BYTES && self.medium.is_none() {
            self.medium = Some(MEDIUM.take());
        }
        if bytes > MEDIUM_BYTES && self.large.is_none() {
            self.large = Some(LARGE.take());
        }
    }
}

/// Places that threads wait for.
struct Places {
    left: Mutex<usize>,
    given_back: Condvar,
}

/// One of them, until it is dropped.
struct Place(&'static Places);

impl Places {
    const fn new(count: usize) -> Places {
        Places {
            left: Mutex::new(count),
            given_back: Condvar::new(),
        }
    }

    fn take(&'static self) -> Place {
        if let Some(place) = self.take_now() {
            return place;
        }
        let wait = || {
            let waited = self.given_back.wait_while(self.left(), |left| *left == 0);
            *waited.unwrap_or_else(PoisonError::into_inner) -= 1;
            Place(self)
        };
        let has_workers = |runtime: Handle| runtime.runtime_flavor() == RuntimeFlavor::MultiThread;
        if Handle::try_current().is_ok_and(has_workers) {
            // Whoever else runs on this thread must not wait along.
            tokio::task::block_in_place(wait)
        } else {
            wait()
        }
    }

    fn take_now(&'static self) -> Option<Place> {
        let mut left = self.left();
        *left = left.checked_sub(1)?;
        Some(Place(self))
    }

    fn left(&self) -> MutexGuard<'_, usize> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.left() += 1;
        self.0.given_back.notify_one();
    }
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

    fn zeros(bytes: usize) -> Batch {
        let payload = zstd::stream::encode_all(vec![0; bytes].as_slice(), 1).unwrap();
        with_codec(&plain(), 4, &payload)
    }

    #[test]
    fn large_batches_are_looked_into_one_after_another() {
        let left = |places: &Places| *places.left();
        let looked = look_into(&zeros(MEDIUM_BYTES + 1), |large| {
            assert_eq!(large.payload().len(), MEDIUM_BYTES + 1);
            assert_eq!(left(&LARGE), 0);
            // Others go on meanwhile, as long as they are smaller.
            for bytes in [1, FREE_BYTES, FREE_BYTES + 1, MEDIUM_BYTES - 1] {
                let inflated = inflate(&zeros(bytes)).unwrap();
                assert_eq!(inflated.payload().len(), bytes);
            }
        });
        looked.unwrap();
        look_into(&zeros(FREE_BYTES + 1), |_| assert!(left(&MEDIUM) < 16)).unwrap();
    }

    #[test]
    fn who_finds_no_place_waits_for_one() {
        static PLACES: Places = Places::new(2);
        let (one, two) = (PLACES.take(), PLACES.take());
        let third = std::thread::spawn(|| drop(PLACES.take()));
        assert!(!third.is_finished());
        drop(one);
        third.join().unwrap();
        assert_eq!(*PLACES.left(), 1);
        drop(two);
        assert_eq!(*PLACES.left(), 2);
    }

    #[test]
    fn who_waits_for_a_place_holds_nobody_else_up() {
        static PLACES: Places = Places::new(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let only = PLACES.take();
        let (told, waits) = std::sync::mpsc::channel();
        let waiting = runtime.spawn(async move {
            told.send(()).unwrap();
            drop(PLACES.take());
        });
        waits.recv().unwrap();
        let (told, done) = std::sync::mpsc::channel();
        runtime.spawn(async move { told.send(()).unwrap() });
        let others = done.recv_timeout(std::time::Duration::from_secs(10));
        drop(only);
        runtime.block_on(waiting).unwrap();
        others.unwrap();
    }

    #[test]
    fn snappy_that_says_more_than_it_can_hold_takes_no_memory() {
        let says_200_mib = [0x80, 0x80, 0x80, 0x64, 0, b'a'];
        let batch = with_codec(&plain(), 2, &says_200_mib);
        let error = inflate(&batch).unwrap_err().to_string();
        assert!(error.contains("more than it can hold"), "{error}");
    }
}

//! Records as one request, written straight from the read buffer: PutRecords in CBOR, PutRecordBatch in JSON.
//!
//! PutRecords, as bytes:
//!
//! | bytes | what |
//! |---|---|
//! | `A2` | a map of two |
//! | text `StreamName`, text | the stream |
//! | text `Records`, `99` and two bytes | a list; its length is written at the end |
//! | each: `A2`, text `Data`, `5A` and four bytes, data, text `PartitionKey`, text | the records |
//!
//! PutRecordBatch: `{"DeliveryStreamName":"…","Records":[{"Data":"base64"},…]}`.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use base64_simd::STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use model::{Rng, Timestamp};

use crate::checkpoint::Mark;
use crate::config::{Destination, PartitionKey};

const LIST_OF_U16: u8 = 0x99;
const BYTES_OF_U32: u8 = 0x5a;
const TEXT_OF_U8: u8 = 0x78;
const DATA: &[u8] = b"\xa2\x64Data";
const KEY: &[u8] = b"\x6cPartitionKey";
/// Digits of a random key: 2^48 keys.
const RANDOM_KEY: usize = 12;
/// Digits of an MD5, and of a request's name.
const MD5_KEY: usize = 32;
/// Of a record in a body, beside its data and key.
const OVERHEAD: usize = 32;

/// How a flow's records become requests.
#[derive(Debug)]
pub(crate) struct Encoder {
    destination: Destination,
    key: PartitionKey,
    /// State of `SplitMix64`: keys need spreading alone.
    random: u64,
    rng: Rng,
}

/// A request being made, or on its way.
#[derive(Debug)]
pub(crate) struct Batch {
    body: Vec<u8>,
    /// Where the first record begins.
    start: usize,
    /// Where each record lies in the body.
    spans: Vec<Range<u32>>,
    /// Length of each record's data.
    lengths: Vec<u32>,
    /// Data and keys, as limits count them.
    bytes: usize,
    /// When the first record came.
    pub(crate) since: Timestamp,
    /// How far files are done with once this is sent.
    pub(crate) marks: Vec<Mark>,
}

impl Encoder {
    pub(crate) fn new(destination: Destination, key: PartitionKey, rng: &Rng) -> Encoder {
        Encoder {
            destination,
            key,
            random: rng.next_u64(),
            rng: rng.clone(),
        }
    }

    /// Bytes of each record's partition key.
    pub(crate) fn key_length(&self) -> usize {
        match (&self.destination, self.key) {
            (Destination::Firehose(_), _) => 0,
            (_, PartitionKey::Random) => RANDOM_KEY,
            (_, PartitionKey::Deterministic) => MD5_KEY,
        }
    }

    /// A name for one request: never given twice, and of no meaning.
    fn token(&mut self) -> String {
        let mut digits = String::with_capacity(MD5_KEY);
        for _ in 0..2 {
            let _ = write!(digits, "{:016x}", self.rng.next_u64());
        }
        digits
    }

    /// A request without records, with room for `capacity` bytes.
    pub(crate) fn begin(&self, since: Timestamp, capacity: usize) -> Batch {
        let mut body = Vec::with_capacity(capacity);
        match &self.destination {
            Destination::Kinesis(name) => {
                body.extend_from_slice(b"\xa2\x6aStreamName");
                text(&mut body, name);
                body.extend_from_slice(b"\x67Records");
                body.extend_from_slice(&[LIST_OF_U16, 0, 0]);
            }
            Destination::Firehose(name) => {
                body.extend_from_slice(b"{\"DeliveryStreamName\":");
                serde_json::to_writer(&mut body, &**name).expect("text is JSON");
                body.extend_from_slice(b",\"Records\":[");
            }
        }
        Batch {
            start: body.len(),
            body,
            spans: Vec::new(),
            lengths: Vec::new(),
            bytes: 0,
            since,
            marks: Vec::new(),
        }
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, batch: &mut Batch, data: &[u8]) {
        let body = &mut batch.body;
        let from = body.len();
        match &self.destination {
            Destination::Kinesis(_) => {
                body.reserve(data.len() + OVERHEAD + MD5_KEY);
                body.extend_from_slice(DATA);
                body.push(BYTES_OF_U32);
                body.extend_from_slice(&(data.len() as u32).to_be_bytes());
                body.extend_from_slice(data);
                body.extend_from_slice(KEY);
                match self.key {
                    PartitionKey::Random => {
                        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
                        let key = hex::<RANDOM_KEY>(&mix(self.random).to_be_bytes());
                        body.push(0x60 | RANDOM_KEY as u8);
                        body.extend_from_slice(&key);
                    }
                    PartitionKey::Deterministic => {
                        let digest: [u8; 16] = Md5::digest(data).into();
                        body.extend_from_slice(&[TEXT_OF_U8, MD5_KEY as u8]);
                        body.extend_from_slice(&hex::<MD5_KEY>(&digest));
                    }
                }
            }
            Destination::Firehose(_) => {
                body.extend_from_slice(b"{\"Data\":\"");
                STANDARD.encode_append(data, body);
                body.extend_from_slice(b"\"}");
            }
        }
        // Bodies are far below 4 GiB.
        batch.spans.push(from as u32..body.len() as u32);
        batch.lengths.push(data.len() as u32);
        batch.bytes += data.len() + self.key_length();
        if matches!(self.destination, Destination::Firehose(_)) {
            batch.body.push(b',');
        }
    }

    /// The request, ready to be sent.
    pub(crate) fn finish(&mut self, batch: Batch) -> Parcel {
        let wire = match self.destination {
            Destination::Kinesis(_) => Wire::Cbor,
            Destination::Firehose(_) => Wire::Json,
        };
        let mut body = batch.body;
        wire.close(&mut body, batch.start, batch.spans.len());
        Parcel {
            wire,
            token: self.token(),
            sendings: 0,
            body: body.into(),
            start: batch.start,
            spans: batch.spans,
            lengths: batch.lengths,
            marks: batch.marks,
        }
    }
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Cbor,
    Json,
}

impl Wire {
    /// Makes a request of a head up to `start` and `count` records.
    fn close(self, body: &mut Vec<u8>, start: usize, count: usize) {
        match self {
            Wire::Cbor => {
                // At most 500 records.
                let count = (count as u16).to_be_bytes();
                if let Some(length) = body.get_mut(start - 2..start) {
                    length.copy_from_slice(&count);
                }
            }
            Wire::Json => {
                if count > 0 {
                    body.pop();
                }
                body.extend_from_slice(b"]}");
            }
        }
    }
}

impl Batch {
    /// Whether a record of so many bytes with its key still fits.
    pub(crate) fn has_room(&self, bytes: usize, bytes_max: usize, records_max: usize) -> bool {
        self.spans.is_empty() || (self.spans.len() < records_max && self.bytes + bytes <= bytes_max)
    }

    /// Whether there is no record in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Length of the body so far.
    pub(crate) fn body_length(&self) -> usize {
        self.body.len()
    }
}

/// A request with what becomes of files once it is taken.
#[derive(Debug)]
pub(crate) struct Parcel {
    wire: Wire,
    /// The request's name, the same however often it is sent.
    pub(crate) token: String,
    /// How often a part of it became a request of its own.
    sendings: u32,
    /// The request.
    pub(crate) body: Bytes,
    start: usize,
    spans: Vec<Range<u32>>,
    /// Length of each record's data.
    lengths: Vec<u32>,
    /// How far files are done with once this is sent.
    pub(crate) marks: Vec<Mark>,
}

impl Parcel {
    /// Records in it.
    pub(crate) fn records(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of the records' data, but for those at `failed`, counted from 0.
    pub(crate) fn data_bytes_without(&self, failed: &[usize]) -> u64 {
        let all: u64 = self.lengths.iter().copied().map(u64::from).sum();
        let failed = failed.iter().filter_map(|at| self.lengths.get(*at));
        all.saturating_sub(failed.copied().map(u64::from).sum())
    }

    /// Leaves only the records at `failed`, counted from 0: another request.
    pub(crate) fn keep(&mut self, failed: &[usize]) {
        self.sendings += 1;
        self.token.truncate(MD5_KEY);
        let _ = write!(self.token, "-{}", self.sendings);
        let mut body = Vec::with_capacity(self.body.len());
        body.extend_from_slice(self.body.get(..self.start).unwrap_or_default());
        let mut spans = Vec::with_capacity(failed.len());
        for span in failed.iter().filter_map(|at| self.spans.get(*at)) {
            let from = body.len() as u32;
            let record = self.body.get(span.start as usize..span.end as usize);
            body.extend_from_slice(record.unwrap_or_default());
            spans.push(from..body.len() as u32);
            if self.wire == Wire::Json {
                body.push(b',');
            }
        }
        self.wire.close(&mut body, self.start, spans.len());
        self.body = body.into();
        self.spans = spans;
        let lengths = failed.iter().filter_map(|at| self.lengths.get(*at));
        self.lengths = lengths.copied().collect();
    }
}

fn text(body: &mut Vec<u8>, text: &Arc<str>) {
    let mut writer = aws::cbor::Writer::default();
    writer.text(text);
    body.extend_from_slice(&writer.into_bytes());
}

/// The first `N` hexadecimal digits of `bytes`.
fn hex<const N: usize>(bytes: &[u8]) -> [u8; N] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [b'0'; N];
    for (pair, byte) in out.chunks_mut(2).zip(bytes) {
        if let [high, low] = pair {
            *high = DIGITS[usize::from(byte >> 4)];
            *low = DIGITS[usize::from(byte & 15)];
        }
    }
    out
}

/// The output of `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use aws::value::Value;

    use super::*;

    fn encoder(destination: Destination, key: PartitionKey) -> Encoder {
        Encoder::new(destination, key, &Rng::seeded(7))
    }

    fn records(body: &Bytes) -> Vec<(Vec<u8>, String)> {
        let Some(Value::Map(members)) = aws::cbor::decode(body) else {
            panic!("no map");
        };
        assert_eq!(
            members[0],
            ("StreamName".to_owned(), Value::Text("logs".to_owned()))
        );
        let ("Records", Value::List(items)) = (members[1].0.as_str(), &members[1].1) else {
            panic!("no records: {members:?}");
        };
        let record = |item: &Value| match item {
            Value::Map(members) => match (&members[0].1, &members[1].1) {
                (Value::Bytes(data), Value::Text(key)) => (data.to_vec(), key.clone()),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        items.iter().map(record).collect()
    }

    #[test]
    fn put_records_is_cbor_and_what_failed_goes_again_alone() {
        let mut encoder = encoder(Destination::Kinesis("logs".into()), PartitionKey::Random);
        let mut batch = encoder.begin(Timestamp(0), 0);
        let data: Vec<Vec<u8>> = (0..300).map(|n| vec![b'x'; n]).collect();
        for one in &data {
            encoder.push(&mut batch, one);
        }
        let mut parcel = encoder.finish(batch);
        let sent = records(&parcel.body);
        let sent_data: Vec<Vec<u8>> = sent.iter().map(|(data, _)| data.clone()).collect();
        assert_eq!(sent_data, data);
        let keys: std::collections::BTreeSet<&String> = sent.iter().map(|(_, key)| key).collect();
        assert_eq!(keys.len(), 300);
        let token = parcel.token.clone();
        assert_eq!(parcel.data_bytes_without(&[]), 299 * 300 / 2);
        assert_eq!(
            parcel.data_bytes_without(&[3, 299]),
            299 * 300 / 2 - 3 - 299
        );
        parcel.keep(&[3, 299]);
        assert_eq!(parcel.data_bytes_without(&[0]), 299);
        assert_eq!(records(&parcel.body), [sent[3].clone(), sent[299].clone()]);
        parcel.keep(&[1]);
        assert_eq!(records(&parcel.body), [sent[299].clone()]);
        // Another request has another name.
        assert_eq!(parcel.token, format!("{token}-2"));
    }

    #[test]
    fn deterministic_keys_are_the_md5_of_the_record() {
        let key = PartitionKey::Deterministic;
        let mut encoder = encoder(Destination::Kinesis("logs".into()), key);
        let mut batch = encoder.begin(Timestamp(0), 0);
        encoder.push(&mut batch, b"abc");
        let sent = records(&encoder.finish(batch).body);
        assert_eq!(sent[0].1, "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn put_record_batch_is_json() {
        let key = PartitionKey::Random;
        let mut encoder = encoder(Destination::Firehose("to \"s3\"".into()), key);
        let mut batch = encoder.begin(Timestamp(0), 0);
        for data in [b"one\n".as_slice(), b"two\n", b""] {
            encoder.push(&mut batch, data);
        }
        let mut parcel = encoder.finish(batch);
        assert_eq!(
            std::str::from_utf8(&parcel.body).unwrap(),
            r#"{"DeliveryStreamName":"to \"s3\"","Records":[{"Data":"b25lCg=="},{"Data":"dHdvCg=="},{"Data":""}]}"#
        );
        parcel.keep(&[1]);
        assert_eq!(
            std::str::from_utf8(&parcel.body).unwrap(),
            r#"{"DeliveryStreamName":"to \"s3\"","Records":[{"Data":"dHdvCg=="}]}"#
        );
    }

    #[test]
    fn room_is_counted_in_records_and_in_bytes_with_keys() {
        let mut encoder = encoder(Destination::Kinesis("logs".into()), PartitionKey::Random);
        let mut batch = encoder.begin(Timestamp(0), 0);
        assert!(batch.has_room(1_000, 10, 1));
        encoder.push(&mut batch, &[0; 88]);
        assert!(batch.has_room(100, 200, 2));
        assert!(!batch.has_room(101, 200, 2));
        assert!(!batch.has_room(1, 200, 1));
    }
}

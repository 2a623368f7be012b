//! Idempotent puts, beyond AWS: the header `x-headwater-idempotency-token`.
//!
//! A token makes its request a producer of the store's own (KIP-98) in each shard it writes to, with one batch to write. The
//! store knows the batch when it comes again, and answers with where it lies. The batch's number is a hash of its records:
//! the store refuses a token that comes again with other records, as it refuses a batch out of turn. A token is free text of
//! 1 to 128 visible ASCII characters, a UUID say; another request must have another.
//!
//! Promises: a request that is sent again unchanged, to the same stream, is answered with the same sequence numbers and
//! written once, also while or after the stream is resharded. It does not promise it for ever: a shard remembers its last
//! 10,000 tokens, and a closed shard is asked for [`REMEMBERED_FOR`] only. Where some records of a PutRecords were throttled
//! or failed, whole shards' parts of it were: sending the failed records again under the same token is right, as is
//! sending all. (A stream that distributes records evenly is the exception: there, all must be sent.)

use std::time::Duration;

use aws_lc_rs::digest;
use http::HeaderMap;
use model::LogId;
use model::batch::Producer;

use crate::kinesis::error::KinesisError;

/// The header's name.
const HEADER: &str = "x-headwater-idempotency-token";
const LENGTH_MAX: usize = 128;
/// How long after a shard was closed a repeat is still looked for in it.
pub(super) const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// What makes a request one and the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Token(String);

impl Token {
    /// The request's token, if it has one.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Token>, KinesisError> {
        let Some(value) = headers.get(HEADER) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default();
        let is_visible = text.bytes().all(|b| b.is_ascii_graphic());
        if !is_visible || !(1..=LENGTH_MAX).contains(&text.len()) {
            return Err(KinesisError::InvalidArgument(format!(
                "{HEADER} must be 1 to {LENGTH_MAX} visible ASCII characters."
            )));
        }
        Ok(Some(Token(text.to_owned())))
    }

    /// The token as a producer of one batch in `log`, which holds `records`. Another log is another producer, so that logs may
    /// share nothing.
    pub(super) fn producer(&self, log: LogId, records: Fingerprint) -> Producer {
        Producer {
            id: (self.hash(log.stream.0, log.partition) >> 1) as i64,
            epoch: 0,
            sequence: records.number(),
        }
    }

    /// A number that the token alone decides.
    pub(super) fn seed(&self) -> u64 {
        self.hash(0, 0)
    }

    fn hash(&self, stream: u64, partition: u32) -> u64 {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&stream.to_be_bytes());
        context.update(&partition.to_be_bytes());
        context.update(self.0.as_bytes());
        first_bytes(context)
    }
}

/// A hash of the records that a token's batch holds.
pub(super) struct Fingerprint(digest::Context);

impl Fingerprint {
    pub(super) fn new() -> Fingerprint {
        Fingerprint(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next record in.
    pub(super) fn add(&mut self, key: Option<&[u8]>, data: &[u8]) {
        // Lengths keep neighbours apart. No key is as long as the one that stands for none.
        let key_length = key.map_or(u64::MAX, |key| key.len() as u64);
        self.0.update(&key_length.to_be_bytes());
        self.0.update(key.unwrap_or_default());
        self.0.update(&(data.len() as u64).to_be_bytes());
        self.0.update(data);
    }

    /// 31 bits of it.
    fn number(self) -> i32 {
        (first_bytes(self.0) >> 33) as i32
    }
}

fn first_bytes(context: digest::Context) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&context.finish().as_ref()[..8]);
    u64::from_be_bytes(first)
}

/// A token that came before, with other records.
pub(super) fn misused() -> KinesisError {
    KinesisError::InvalidArgument(format!(
        "{HEADER} was used before with other records for the same shard. Every request needs a token of its own."
    ))
}

#[cfg(test)]
mod tests {
    use model::StreamId;

    use super::*;

    fn token(text: &str) -> Result<Option<Token>, KinesisError> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, text.parse().unwrap());
        Token::of(&headers)
    }

    #[test]
    fn tokens_are_short_and_visible() {
        assert_eq!(Token::of(&HeaderMap::new()), Ok(None));
        assert!(token("1f0c").unwrap().is_some());
        for bad in ["", "a b", "é", &"x".repeat(129)] {
            assert!(token(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_log_has_a_producer_of_its_own() {
        let token = token("t").unwrap().unwrap();
        let producer = |partition| {
            let log = LogId::new(StreamId(1), partition);
            token.producer(log, Fingerprint::new())
        };
        assert_eq!(producer(0), producer(0));
        assert_ne!(producer(0).id, producer(1).id);
        assert!(producer(0).id >= 0);
    }

    #[test]
    fn a_fingerprint_tells_records_apart() {
        let of = |records: &[(Option<&str>, &str)]| {
            let mut fingerprint = Fingerprint::new();
            for (key, data) in records {
                fingerprint.add(key.map(str::as_bytes), data.as_bytes());
            }
            fingerprint.number()
        };
        let all = [
            of(&[(Some("a"), "b")]),
            of(&[(Some("ab"), "")]),
            of(&[(None, "ab")]),
            of(&[(Some(""), "ab")]),
            of(&[(Some("a"), ""), (Some("b"), "")]),
        ];
        for (at, number) in all.iter().enumerate() {
            assert!(*number >= 0);
            assert!(!all[at + 1..].contains(number), "{all:?}");
        }
    }
}

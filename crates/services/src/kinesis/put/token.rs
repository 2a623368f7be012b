//! Idempotent puts, beyond AWS: the header `x-headwater-idempotency-token`.
//!
//! A token makes its request a producer of the store's own (KIP-98) in each shard it writes to, with one batch to write. The
//! store knows the batch when it comes again, and answers with where it lies. A token is free text of 1 to 128 visible
//! ASCII characters, a UUID say; another request must have another.
//!
//! Promises: a request that is sent again unchanged, to the same stream, is answered with the same sequence numbers and
//! written once, also while or after the stream is resharded. It does not promise it for ever: a shard remembers its last
//! 10,000 tokens, and a closed shard is asked for [`REMEMBERED_FOR`] only. Where some records of a PutRecords were throttled
//! or failed, whole shards' parts of it were: sending the failed records again under the same token is right, as is
//! sending all.

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

    /// The token as a producer of one batch in `log`. Another log is another producer, so that logs may share nothing.
    pub(super) fn producer(&self, log: LogId) -> Producer {
        Producer {
            id: (self.hash(log.stream.0, log.partition) >> 1) as i64,
            epoch: 0,
            sequence: 0,
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
        let hash = context.finish();
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_ref()[..8]);
        u64::from_be_bytes(first)
    }
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
        let log = |partition| LogId::new(StreamId(1), partition);
        assert_eq!(token.producer(log(0)), token.producer(log(0)));
        assert_ne!(token.producer(log(0)).id, token.producer(log(1)).id);
        assert!(token.producer(log(0)).id >= 0);
    }
}

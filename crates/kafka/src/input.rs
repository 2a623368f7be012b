//! Requests taken off a socket, each into a buffer of its own size: records stay in memory as slices of the request they came
//! in, and must not hold on to more than that.
//!
//! Small requests are read many at once into one buffer and copied out of it; a large one is read where it stays.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes before a request: its length.
const LENGTH_BYTES: usize = 4;
/// What is read at once; requests longer than what is left of it are read by themselves.
const SHARED_BYTES: usize = 64 << 10;
/// Room made at once for a request that says it is large; more once that much has come.
const ROOM_BYTES_MAX: usize = 8 << 20;

/// What has come and is not yet taken.
#[derive(Debug, Default)]
pub(crate) struct Input {
    shared: BytesMut,
    /// A request that is read by itself, and its whole length.
    own: Option<(BytesMut, usize)>,
}

/// A request says it has a length that is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a request of {length} bytes: 0 to {max} are taken")]
pub(crate) struct TooLong {
    length: i32,
    max: usize,
}

impl Input {
    /// Whether a request has begun to come.
    pub(crate) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_none()
    }

    /// Reads what the socket gives; 0 at its end. Loses nothing where it is dropped.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) async fn read<S: AsyncRead + Unpin>(&mut self, socket: &mut S) -> io::Result<usize> {
        match &mut self.own {
            Some((bytes, length)) => {
                let missing = *length - bytes.len();
                if bytes.capacity() == bytes.len() {
                    bytes.reserve(missing.min(ROOM_BYTES_MAX));
                }
                socket.read_buf(&mut bytes.limit(missing)).await
            }
            None => {
                self.shared.reserve(SHARED_BYTES - self.shared.len());
                socket.read_buf(&mut self.shared).await
            }
        }
    }

    /// The next request that is there whole.
    ///
    /// # Errors
    /// [`TooLong`] as soon as one says that it is over `max` bytes, or fewer than none.
    pub(crate) fn next(&mut self, max: usize) -> Result<Option<Bytes>, TooLong> {
        if let Some((bytes, length)) = &self.own {
            if bytes.len() < *length {
                return Ok(None);
            }
            return Ok(self.own.take().map(|(bytes, _)| bytes.freeze()));
        }
        let Some(length) = self.shared.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*length);
        let bytes = usize::try_from(length)
            .ok()
            .filter(|bytes| *bytes <= max)
            .ok_or(TooLong { length, max })?;
        if self.shared.len() >= LENGTH_BYTES + bytes {
            self.shared.advance(LENGTH_BYTES);
            let request = Bytes::copy_from_slice(&self.shared[..bytes]);
            self.shared.advance(bytes);
            return Ok(Some(request));
        }
        if LENGTH_BYTES + bytes > SHARED_BYTES {
            self.shared.advance(LENGTH_BYTES);
            let mut own = BytesMut::with_capacity(bytes.min(ROOM_BYTES_MAX));
            own.put_slice(&self.shared);
            self.shared.clear();
            self.own = Some((own, bytes));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(requests: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for request in requests {
            bytes.extend_from_slice(&(request.len() as u32).to_be_bytes());
            bytes.extend_from_slice(request);
        }
        bytes
    }

    /// What comes out when `bytes` come in pieces of these sizes, over and over.
    async fn taken(bytes: &[u8], pieces: &[usize]) -> Vec<Vec<u8>> {
        let mut input = Input::default();
        let mut taken = Vec::new();
        let mut rest = bytes;
        let mut sizes = pieces.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
            let mut piece = &rest[..size];
            rest = &rest[size..];
            while !piece.is_empty() {
                input.read(&mut piece).await.unwrap();
                while let Some(request) = input.next(1 << 20).unwrap() {
                    taken.push(request.to_vec());
                }
            }
        }
        assert!(input.is_empty());
        taken
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn requests_come_out_as_they_went_in(
            lengths in prop::collection::vec(
                prop_oneof![0usize..100, 60_000usize..70_000, 200_000usize..300_000], 1..12),
            pieces in prop::collection::vec(prop_oneof![1usize..10, 1000usize..100_000], 1..5),
        ) {
            let requests: Vec<Vec<u8>> = lengths
                .iter()
                .enumerate()
                .map(|(at, length)| vec![at as u8; *length])
                .collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let out = runtime.block_on(taken(&framed(&requests), &pieces));
            prop_assert_eq!(out, requests);
        }
    }

    #[test]
    fn an_absurd_length_is_refused_before_anything_is_made_for_it() {
        for length in [-1i32, i32::MIN, i32::MAX, 101] {
            let mut input = Input::default();
            input.shared.put_i32(length);
            assert_eq!(input.next(100), Err(TooLong { length, max: 100 }));
        }
        let mut input = Input::default();
        input.shared.put_i32(100 << 20);
        assert_eq!(input.next(100 << 20), Ok(None));
        assert!(input.own.unwrap().0.capacity() <= ROOM_BYTES_MAX);
    }
}

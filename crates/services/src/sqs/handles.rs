//! Receipt handles: which delivery of which message, as opaque text.
//!
//! Base64 of 25 bytes, big-endian:
//!
//! | at | size | content |
//! |---|---|---|
//! | 0 | 1 | format, 1 |
//! | 1 | 8 | the queue's number |
//! | 9 | 8 | the message's offset |
//! | 17 | 4 | deliveries of it, up to this one |
//! | 21 | 4 | the first bytes of the SHA-256 of all before |
//!
//! A handle is bound to its queue by the queue's number, which a queue made again under the same name does not get. The last field
//! tells handles from text that happens to be base64. It is no seal: a handle gives no right that the queue does not.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

use aws::shapes::{decode_base64, encode_base64};
use aws_lc_rs::digest;
use model::{Offset, StreamId};
use streams::delivery::Receipt;

use super::error::SqsError;

const FORMAT: u8 = 1;
const BYTES: usize = 25;
const CHECK_BYTES: usize = 4;

/// The handle of a delivery.
pub(super) fn handle(queue: StreamId, receipt: Receipt) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.push(FORMAT);
    bytes.extend_from_slice(&queue.0.to_be_bytes());
    bytes.extend_from_slice(&receipt.offset.0.to_be_bytes());
    bytes.extend_from_slice(&receipt.receives.to_be_bytes());
    let check = check(&bytes);
    bytes.extend_from_slice(&check);
    encode_base64(&bytes)
}

/// The delivery that a handle is of.
///
/// # Errors
/// [`SqsError::ReceiptHandleIsInvalid`] for what is no handle of this queue's.
pub(super) fn receipt(queue: StreamId, handle: &str) -> Result<Receipt, SqsError> {
    match read(handle) {
        Some((of, receipt)) if of == queue => Ok(receipt),
        _ => Err(SqsError::ReceiptHandleIsInvalid(format!(
            "The input receipt handle \"{handle}\" is not a valid receipt handle."
        ))),
    }
}

fn read(handle: &str) -> Option<(StreamId, Receipt)> {
    let bytes = decode_base64(handle).ok()?;
    let (content, expected) = bytes.split_last_chunk::<CHECK_BYTES>()?;
    let (&FORMAT, rest) = content.split_first()? else {
        return None;
    };
    let (queue, rest) = rest.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let receives = rest.try_into().ok()?;
    let receipt = Receipt {
        offset: Offset(u64::from_be_bytes(*offset)),
        receives: u32::from_be_bytes(receives),
    };
    (check(content) == *expected).then_some((StreamId(u64::from_be_bytes(*queue)), receipt))
}

fn check(content: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = digest::digest(&digest::SHA256, content);
    let mut first = [0; CHECK_BYTES];
    first
        .iter_mut()
        .zip(digest.as_ref())
        .for_each(|(to, from)| *to = *from);
    first
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    const QUEUE: StreamId = StreamId(7);

    fn sample() -> Receipt {
        Receipt {
            offset: Offset(0x0102_0304_0506),
            receives: 3,
        }
    }

    #[test]
    fn a_handle_says_which_delivery_it_is_of() {
        let text = handle(QUEUE, sample());
        assert_eq!(text, "AQAAAAAAAAAHAAABAgMEBQYAAAADIYg3Lw==");
        assert_eq!(receipt(QUEUE, &text), Ok(sample()));
        let again = Receipt {
            receives: 4,
            ..sample()
        };
        assert_ne!(handle(QUEUE, again), text);
    }

    #[test]
    fn another_queue_s_handle_and_garbage_are_refused() {
        let refused = |text: &str| {
            let expected =
                format!("The input receipt handle \"{text}\" is not a valid receipt handle.");
            assert_eq!(
                receipt(QUEUE, text),
                Err(SqsError::ReceiptHandleIsInvalid(expected))
            );
        };
        refused("garbage");
        refused("");
        refused("AAAA");
        refused(&handle(StreamId(8), sample()));
    }

    #[test]
    fn no_other_byte_will_do() {
        let good = decode_base64(&handle(QUEUE, sample())).unwrap();
        for at in 0..good.len() {
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert!(receipt(QUEUE, &encode_base64(&bad)).is_err(), "byte {at}");
            assert!(
                receipt(QUEUE, &encode_base64(&good[..at])).is_err(),
                "{at} bytes"
            );
        }
        let long = [&good[..], &[0]].concat();
        assert!(receipt(QUEUE, &encode_base64(&long)).is_err());
    }
}

//! AWS CBOR: what is read can be written and read again the same, and passing over it ends where reading it ends.
#![no_main]

use aws::cbor::{Reader, decode, encode};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let skipped = {
        let mut reader = Reader::new(data);
        reader.skip().is_ok() && reader.is_at_end()
    };
    if let Some(document) = decode(&Bytes::copy_from_slice(data)) {
        assert!(skipped, "decoded, but not passed over");
        let written = encode(&document);
        let again = decode(&written).expect("what we write, we read");
        // Compared as bytes, since NaN is not equal to itself.
        assert_eq!(encode(&again), written);
    }
});

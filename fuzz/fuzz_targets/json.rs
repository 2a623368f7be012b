//! AWS JSON: any bytes are a document or are not, and a document can be written and read again.
#![no_main]

use aws::json::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(document) = decode(data) {
        assert!(decode(&encode(&document)).is_some());
    }
});

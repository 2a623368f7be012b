//! Event streams: bytes as they are, and bytes given the right lengths and checksums so that what lies behind is reached.
#![no_main]

use aws::event_stream::decode;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    read_all(Bytes::copy_from_slice(data));
    if let Some((&length, rest)) = data.split_first() {
        let headers_length = usize::from(length).min(rest.len());
        let (message, total) = decode(&framed(headers_length, rest)).map_or((None, 0), |found| {
            found.map_or((None, 0), |(m, n)| (Some(m), n))
        });
        if let Some(message) = message {
            assert_eq!(total, rest.len() + 16);
            assert_eq!(message.payload, rest[headers_length..]);
        }
    }
});

fn read_all(mut bytes: Bytes) {
    while let Ok(Some((_, length))) = decode(&bytes) {
        assert!(length >= 16, "a message has at least its frame");
        bytes = bytes.slice(length..);
    }
}

fn framed(headers_length: usize, rest: &[u8]) -> Bytes {
    let word = |number: usize| (number as u32).to_be_bytes();
    let mut bytes = Vec::with_capacity(rest.len() + 16);
    bytes.extend(word(rest.len() + 16));
    bytes.extend(word(headers_length));
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(rest);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes.into()
}

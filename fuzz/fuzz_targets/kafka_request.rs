//! A Kafka connection: whatever a client sends, the broker answers or hangs up.
//!
//! The first byte says whether a login is asked for; the rest is what comes over the socket.
#![no_main]

use kafka::Protocol;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let protocol = match first & 1 {
        0 => Protocol::Plaintext,
        _ => Protocol::SaslPlaintext,
    };
    let _ = fuzz::kafka::send(protocol, bytes);
});

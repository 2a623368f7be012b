//! Logins to Kafka: whatever the messages of a mechanism are, nobody gets in who does not know a secret.
//!
//! The first byte picks the mechanism; the messages that follow are divided by the byte 0xfe, which is in no UTF-8.
#![no_main]

use kafka::{Mechanism, Protocol};
use libfuzzer_sys::fuzz_target;

const HANDSHAKE: i16 = 17;
const AUTHENTICATE: i16 = 36;
const METADATA: i16 = 3;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let mechanisms = Mechanism::ALL;
    let mechanism = mechanisms[usize::from(*first) % mechanisms.len()];
    let name = mechanism.name().as_bytes();
    let mut bytes = fuzz::kafka::request(
        HANDSHAKE,
        1,
        &[&(name.len() as i16).to_be_bytes()[..], name].concat(),
    );
    for message in rest.split(|byte| *byte == 0xfe).take(4) {
        let body = [&(message.len() as i32).to_be_bytes()[..], message].concat();
        bytes.extend(fuzz::kafka::request(AUTHENTICATE, 1, &body));
    }
    bytes.extend(fuzz::kafka::request(METADATA, 1, &[0, 0, 0, 0]));
    let answers = fuzz::kafka::send(Protocol::SaslPlaintext, &bytes);
    // A handshake, up to four messages, and never the brokers.
    let brokers = b"\x00\x09127.0.0.1";
    let is_told = answers.windows(brokers.len()).any(|part| part == brokers);
    assert!(!is_told, "got in without a secret");
});

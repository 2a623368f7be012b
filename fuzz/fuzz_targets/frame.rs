//! The journal's frames and the checkpoint's state: bytes as they are, and decisions and payload in a frame with the right
//! checksums, so that what lies behind is reached.
#![no_main]

use bytes::Bytes;
use engines::frame::decision::Decision;
use engines::frame::fields::Fields;
use engines::frame::{Frame, HEADER_BYTES, Header};
use engines::state::State;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = Header::peek(data);
    let _ = Frame::parse(data);
    if let Some((&length, rest)) = data.split_first() {
        let decisions = usize::from(length).min(rest.len());
        let (decisions, payload) = rest.split_at(decisions);
        if let Ok(frame) = Frame::parse(&framed(decisions, payload)) {
            check(&frame, decisions);
        }
    }
    check_state(data);
});

/// What is read is written the same, but for a flag that may be any byte.
fn check(frame: &Frame, decisions: &[u8]) {
    let mut written = Vec::new();
    for decision in &frame.decisions {
        decision.encode(&mut written);
    }
    assert_eq!(written.len() <= decisions.len(), true);
    let mut again = Fields::of(Bytes::from(written));
    for decision in &frame.decisions {
        assert_eq!(Decision::decode(&mut again).as_ref(), Ok(decision));
    }
    let mut state = State::default();
    for decision in &frame.decisions {
        let _ = state.apply(decision);
    }
}

fn check_state(data: &[u8]) {
    let mut fields = Fields::of(Bytes::copy_from_slice(data));
    if let Ok(state) = State::read_from(&mut fields) {
        let mut written = Vec::new();
        state.write_to(&mut written);
        let mut again = Fields::of(Bytes::from(written.clone()));
        let mut twice = Vec::new();
        State::read_from(&mut again)
            .expect("what we write, we read")
            .write_to(&mut twice);
        assert_eq!(written, twice);
    }
}

fn framed(decisions: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut head = b"HWfr\0\x01\0\0".to_vec();
    head.extend(7u64.to_be_bytes());
    head.extend(1u64.to_be_bytes());
    head.extend(0u32.to_be_bytes());
    head.extend(0u64.to_be_bytes());
    head.extend((decisions.len() as u32).to_be_bytes());
    head.extend((payload.len() as u32).to_be_bytes());
    head.extend(crc32c::crc32c(payload).to_be_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&head), decisions);
    head.extend(checksum.to_be_bytes());
    assert_eq!(head.len(), HEADER_BYTES);
    [&head, decisions, payload].concat()
}

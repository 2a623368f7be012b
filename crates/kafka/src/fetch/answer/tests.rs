//! What is written by hand must be what the generated codec reads, and writes.

use bytes::{Buf, Bytes};
use model::{Batch, BatchBuilder, Offset, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::wire::FetchResponseData;

fn batch(bytes: usize) -> Batch {
    let mut builder = BatchBuilder::with_capacity(bytes);
    builder.push(Timestamp(5), Some(b"k"), Some(&vec![b'v'; bytes]), &[]);
    builder.finish()
}

prop_compose! {
    fn stored()(offset in 0..i64::MAX as u64 / 2, bytes in prop_oneof![0usize..100, 2_000usize..3_000]) -> StoredBatch {
        StoredBatch { base_offset: Offset(offset), batch: batch(bytes) }
    }
}

prop_compose! {
    fn aborted()(producer in 0..i64::MAX, first in 0..i64::MAX as u64) -> AbortedIn {
        AbortedIn { producer, first: Offset(first), last: Offset(first) }
    }
}

prop_compose! {
    fn partition()(
        index: i32,
        error_code: i16,
        offsets: [i64; 3],
        aborted in prop::option::of(prop::collection::vec(aborted(), 0..4)),
        batches in prop::collection::vec(stored(), 0..4),
    ) -> PartitionAnswer {
        let [high_watermark, last_stable, log_start] = offsets;
        PartitionAnswer { index, error_code, high_watermark, last_stable, log_start, aborted, batches }
    }
}

prop_compose! {
    fn topic()(
        name in "[a-z]{0,200}",
        id: (u64, u64),
        partitions in prop::collection::vec(partition(), 0..4),
    ) -> TopicAnswer {
        TopicAnswer { name: name.into(), id: KafkaUuid::from_parts(id.0, id.1), partitions }
    }
}

prop_compose! {
    fn answer()(
        throttle_ms: i32,
        error_code: i16,
        session_id: i32,
        topics in prop::collection::vec(topic(), 0..4),
    ) -> Fetched {
        Fetched { throttle_ms, error_code, session_id, topics }
    }
}

fn encoded(answer: &Fetched, version: i16) -> Bytes {
    let mut chunks = Chunks::default();
    answer.encode(&mut chunks, version).unwrap();
    chunks.copy_to_bytes(chunks.remaining())
}

fn placed(batches: &[StoredBatch]) -> Vec<u8> {
    let placed = batches.iter().map(|one| one.placed_bytes(LEADER_EPOCH));
    placed.flatten().collect()
}

fn check(answer: &Fetched, version: i16) {
    let bytes = encoded(answer, version);
    let mut rest = bytes.clone();
    let read = FetchResponseData::read(&mut rest, version).unwrap();
    assert!(rest.is_empty(), "{} bytes left over", rest.len());
    let mut written = BytesMut::new();
    read.write(&mut written, version).unwrap();
    assert_eq!(written, bytes, "version {version}");
    assert_eq!(read.throttle_time_ms, answer.throttle_ms);
    if version >= 7 {
        let head = (read.error_code, read.session_id);
        assert_eq!(head, (answer.error_code, answer.session_id));
    }
    assert_eq!(read.responses.len(), answer.topics.len());
    for (theirs, ours) in read.responses.iter().zip(&answer.topics) {
        if version >= BY_ID {
            assert_eq!(theirs.topic_id, ours.id);
        } else {
            assert_eq!(theirs.topic.as_str(), &*ours.name);
        }
        assert_eq!(theirs.partitions.len(), ours.partitions.len());
        for (theirs, ours) in theirs.partitions.iter().zip(&ours.partitions) {
            let told = (theirs.partition_index, theirs.error_code);
            assert_eq!(told, (ours.index, ours.error_code));
            let offsets = (theirs.high_watermark, theirs.last_stable_offset);
            assert_eq!(offsets, (ours.high_watermark, ours.last_stable));
            if version >= 5 {
                assert_eq!(theirs.log_start_offset, ours.log_start);
            }
            let aborted = theirs.aborted_transactions.as_ref().map(|all| {
                let all = all.iter();
                all.map(|one| (one.producer_id, one.first_offset))
                    .collect::<Vec<_>>()
            });
            let expected = ours.aborted.as_ref().map(|all| {
                let all = all.iter();
                all.map(|one| (one.producer, one.first.0 as i64))
                    .collect::<Vec<_>>()
            });
            assert_eq!(aborted, expected);
            assert_eq!(theirs.preferred_read_replica, -1);
            let records = theirs.records.clone().unwrap_or_default();
            assert_eq!(records[..], placed(&ours.batches)[..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn answers_are_the_generated_codecs_in_every_version(answer in answer()) {
        for version in 4..=18 {
            check(&answer, version);
        }
    }
}

#[test]
fn records_of_some_size_are_not_copied() {
    let large = batch(100_000);
    let memory = large.bytes().as_ptr() as usize;
    let answer = Fetched {
        throttle_ms: 0,
        error_code: 0,
        session_id: 0,
        topics: vec![TopicAnswer {
            name: "t".into(),
            id: KafkaUuid::ZERO,
            partitions: vec![PartitionAnswer {
                index: 0,
                error_code: 0,
                high_watermark: 1,
                last_stable: 1,
                log_start: 0,
                aborted: None,
                batches: vec![StoredBatch {
                    base_offset: Offset(0),
                    batch: large,
                }],
            }],
        }],
    };
    let mut chunks = Chunks::default();
    answer.encode(&mut chunks, 12).unwrap();
    let mut is_shared = false;
    while chunks.has_remaining() {
        is_shared |= chunks.chunk().as_ptr() as usize == memory + 16;
        chunks.advance(chunks.chunk().len());
    }
    assert!(is_shared);
}

#[test]
fn a_refusal_tells_nothing_but_its_code() {
    let refusal = Refusal::from(ErrorCode::OffsetOutOfRange);
    let partition = PartitionAnswer::refused(3, &refusal);
    let answer = Fetched {
        topics: vec![TopicAnswer {
            name: "t".into(),
            id: KafkaUuid::ZERO,
            partitions: vec![partition],
        }],
        ..Fetched::refused(ErrorCode::None)
    };
    for version in 4..=18 {
        check(&answer, version);
    }
    check(&Fetched::refused(ErrorCode::InvalidFetchSessionEpoch), 17);
}

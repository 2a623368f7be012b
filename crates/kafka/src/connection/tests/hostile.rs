//! Requests that no client sends, and requests larger than most do.

use model::Offset;

use super::*;
use crate::fetch::fetch;
use crate::metadata::metadata;
use crate::produce::produce;
use crate::wire::{
    ErrorCode, FetchRequestData, MetadataRequestTopic, PartitionProduceData, ProduceRequestData,
    TopicProduceData,
};
use crate::world::answer;

/// As many as a large cluster has on one broker.
const MANY: i32 = 10_000;

/// Bodies that say they are larger than they are, as arrays, texts and bytes of either encoding, and that end too early.
fn absurd() -> Vec<Vec<u8>> {
    let largest = i32::MAX.to_be_bytes();
    let varint = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let mut bodies = vec![
        Vec::new(),
        vec![0xff; 64],
        vec![0x7f; 64],
        vec![0x80; 64],
        largest.repeat(16),
        varint.repeat(12),
        vec![0; 64],
        vec![1; 64],
    ];
    // Lengths behind what is right for many.
    for start in (1..24).step_by(3) {
        for length in [&largest[..], &varint] {
            bodies.push([&vec![0; start][..], length].concat());
            bodies.push([&vec![1; start][..], length].concat());
        }
    }
    bodies
}

#[tokio::test(start_paused = true)]
async fn absurd_lengths_in_any_request_neither_panic_nor_fill_the_memory() {
    let mut world = World::new().await;
    let address = world.session.peer;
    let table: Vec<(i16, i16)> = world
        .broker
        .apis
        .iter()
        .flat_map(|api| {
            api.versions
                .clone()
                .map(|version| (api.key as i16, version))
        })
        .collect();
    for (key, version) in table {
        for body in absurd() {
            let session = Session::new(address, address, Arc::default(), None);
            world.session = Arc::new(session);
            let mut client = Client::of(&world);
            client.send(&framed(key, version, 1, &body)).await;
            client.socket.shutdown().await.unwrap();
            let mut rest = Vec::new();
            client.socket.read_to_end(&mut rest).await.unwrap();
            let ended = client.server.await;
            assert!(ended.is_ok(), "API {key} version {version}: {body:?}");
        }
    }
}

#[tokio::test]
async fn ten_thousand_partitions_go_into_one_request() {
    let world = World::new().await;
    world.topic("t", MANY, &[]).await;
    let asked = MetadataRequestData {
        topics: Some(vec![MetadataRequestTopic {
            name: Some(text("t")),
            ..MetadataRequestTopic::default()
        }]),
        ..MetadataRequestData::default()
    };
    let described = answer(metadata(world.call(12), asked).await).await;
    assert_eq!(described.topics[0].partitions.len(), MANY as usize);
    let records = batch(&["x"]).bytes().clone();
    let partitions = (0..MANY).map(|index| PartitionProduceData {
        index,
        records: Some(records.clone()),
        ..PartitionProduceData::default()
    });
    let request = ProduceRequestData {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: text("t"),
            partition_data: partitions.collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequestData::default()
    };
    let written = answer(produce(world.call(11), request).await).await;
    let written = &written.responses[0].partition_responses;
    assert!(written.iter().all(|one| one.error_code == 0));
    let partitions = (0..MANY).map(|partition| FetchPartition {
        partition,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    });
    let request = FetchRequestData {
        max_bytes: 64 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: text("t"),
            partitions: partitions.collect(),
            ..FetchTopic::default()
        }],
        ..FetchRequestData::default()
    };
    let read = answer(fetch(world.call(12), request).await).await;
    let partitions = &read.topics[0].partitions;
    let found = partitions.iter().flat_map(|one| &one.batches);
    let found: Vec<Offset> = found.map(|batch| batch.base_offset).collect();
    assert_eq!(found, vec![Offset(0); MANY as usize]);
}

#[tokio::test]
async fn who_sends_bombs_keeps_nobody_else_from_their_turn() {
    let world = World::new().await;
    world.topic("t", 20, &[]).await;
    // Sixteen MiB of nothing each, in some hundred bytes.
    let bomb = zstd::stream::encode_all(&vec![0; 16 << 20][..], 1).unwrap();
    let bomb = batch(&["x"]).compressed(4, &bomb);
    let partitions = (0..20).map(|index| PartitionProduceData {
        index,
        records: Some(bomb.bytes().clone()),
        ..PartitionProduceData::default()
    });
    let request = ProduceRequestData {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: text("t"),
            partition_data: partitions.collect(),
            ..TopicProduceData::default()
        }],
        ..ProduceRequestData::default()
    };
    let turns = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let refused = answer(produce(world.call(11), request).await).await;
    other.abort();
    let invalid = ErrorCode::InvalidRecord.code();
    let partitions = &refused.responses[0].partition_responses;
    assert!(partitions.iter().all(|one| one.error_code == invalid));
    let turns = turns.load(std::sync::atomic::Ordering::Relaxed);
    assert!(turns > 2, "{turns} turns");
}

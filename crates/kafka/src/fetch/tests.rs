//! When a fetch is answered, and what of an open transaction is shown.

use model::Offset;
use streams::undecided::Written;
use tokio::time::Instant;

use super::*;
use crate::delete_records::delete_records;
use crate::list_offsets::list_offsets;
use crate::wire::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::wire::fetch_request::FetchTopic;
use crate::wire::list_offsets_request::ListOffsetsTopic;
use crate::wire::{
    DeleteRecordsRequestData, FetchPartition, ListOffsetsPartition, ListOffsetsRequestData, text,
};
use crate::world::{World, answer, batch};

const READ_COMMITTED: i8 = 1;

fn request(offset: i64, bytes_min: i32, bytes_max: i32) -> FetchRequestData {
    FetchRequestData {
        max_wait_ms: 60_000,
        min_bytes: bytes_min,
        max_bytes: 50 << 20,
        session_epoch: -1,
        isolation_level: READ_COMMITTED,
        topics: vec![FetchTopic {
            topic: text("t"),
            partitions: vec![FetchPartition {
                fetch_offset: offset,
                partition_max_bytes: bytes_max,
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..FetchRequestData::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_no_room_is_not_waited_for() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let records = batch(&[&"x".repeat(600_000)]).bytes().clone();
    for _ in 0..3 {
        assert_eq!(world.produce("t", records.clone()).await.error_code, 0);
    }
    let fetched = async |offset| {
        let began = Instant::now();
        let fetched = fetch(world.call(12), request(offset, 1 << 20, 1 << 20)).await;
        let fetched = answer(fetched).await;
        let count = fetched.topics[0].partitions[0].batches.len();
        (count, began.elapsed().as_secs())
    };
    assert_eq!(fetched(0).await, (1, 0));
    assert_eq!(fetched(2).await, (1, 60), "of the last, more may come");
}

#[tokio::test]
async fn the_last_stable_offset_is_not_before_the_start() {
    let world = World::new().await;
    world.topic("t", 1, &[]).await;
    let records = batch(&["a", "b"]).bytes().clone();
    let topic = world.broker.topic("t").await.unwrap();
    let log = topic.log(0).unwrap();
    let undecided = world.broker.streams.undecided();
    undecided.begin_write(log, 5, Offset(0));
    assert_eq!(world.produce("t", records).await.error_code, 0);
    undecided.end_write(log, 5, Written::At(Offset(0)));
    let latest = async || {
        let request = ListOffsetsRequestData {
            isolation_level: READ_COMMITTED,
            topics: vec![ListOffsetsTopic {
                name: text("t"),
                partitions: vec![ListOffsetsPartition {
                    current_leader_epoch: -1,
                    timestamp: -1,
                    ..ListOffsetsPartition::default()
                }],
                ..ListOffsetsTopic::default()
            }],
            ..ListOffsetsRequestData::default()
        };
        let found = answer(list_offsets(world.call(7), request).await).await;
        found.topics[0].partitions[0].offset
    };
    assert_eq!(
        latest().await,
        0,
        "a write without an entry holds readers back too"
    );
    let deletion = DeleteRecordsRequestData {
        topics: vec![DeleteRecordsTopic {
            name: text("t"),
            partitions: vec![DeleteRecordsPartition {
                offset: -1,
                ..DeleteRecordsPartition::default()
            }],
            ..DeleteRecordsTopic::default()
        }],
        ..DeleteRecordsRequestData::default()
    };
    let deleted = answer(delete_records(world.call(2), deletion).await).await;
    assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    assert_eq!(latest().await, 2);
    let mut plan = request(2, 1, 1000);
    plan.max_wait_ms = 0;
    let fetched = answer(fetch(world.call(12), plan).await).await;
    let partition = &fetched.topics[0].partitions[0];
    assert_eq!((partition.error_code, partition.last_stable), (0, 2));
}

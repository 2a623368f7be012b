mod deleted;
mod told;

use std::time::Duration;

use model::batch::Producer;
use model::{Batch, BatchBuilder};
use model::{Clock, Timestamp};
use store::{Store, StoreError};
use streams::undecided::Written;

use super::*;
use crate::configs::kept::Holder;
use crate::share_acknowledge::share_acknowledge;
use crate::share_group_heartbeat::share_group_heartbeat;
use crate::share_group_offsets::alter;
use crate::wire::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use crate::wire::share_acknowledge_request::{AcknowledgePartition, AcknowledgeTopic};
use crate::wire::share_fetch_request::{AcknowledgementBatch, FetchPartition, FetchTopic};
use crate::wire::{
    AlterShareGroupOffsetsRequestData, KafkaUuid, ShareAcknowledgeRequestData,
    ShareGroupHeartbeatRequestData,
};
use crate::world::{START, Trouble, Troubled, World, answer, batch, begin};

/// What a fetch gave of partition 0 of topic `t`: ranges of offsets with their deliveries, and how many bytes.
#[derive(PartialEq, Debug)]
struct Seen {
    acquired: Vec<(i64, i64, i16)>,
    bytes: usize,
    code: i16,
    acknowledge_code: i16,
}

async fn group(configs: &[(&str, &str)]) -> World {
    group_in(World::new().await, configs).await
}

/// A group over a store that can be had in trouble.
async fn troubled_group() -> (World, Arc<Troubled>) {
    let clock = Clock::manual(START);
    let store = Arc::new(Troubled::new(clock.clone()));
    let world = World::over(Arc::clone(&store) as Arc<dyn Store>, clock).await;
    (group_in(world, &[]).await, store)
}

async fn group_in(world: World, configs: &[(&str, &str)]) -> World {
    world.topic("t", 1, &[]).await;
    let store = world.broker.streams.store();
    let set = world
        .broker
        .configs
        .change(&**store, (Holder::Group, "g"), false, |values| {
            let start = ("share.auto.offset.reset", "earliest");
            for (name, value) in configs.iter().copied().chain([start]) {
                values.insert(name.to_owned(), value.to_owned());
            }
            Ok::<(), StoreError>(())
        });
    set.await.unwrap();
    for member in ["a", "b"] {
        let request = ShareGroupHeartbeatRequestData {
            group_id: text("g"),
            member_id: text(member),
            subscribed_topic_names: Some(vec![text("t")]),
            ..ShareGroupHeartbeatRequestData::default()
        };
        let joined = answer(share_group_heartbeat(world.call(1), request).await).await;
        assert_eq!(joined.error_code, 0, "{joined:?}");
        let assigned = joined.assignment.unwrap();
        assert_eq!(assigned.topic_partitions[0].partitions, [0]);
    }
    world
}

async fn all_leave(world: &World) {
    for member in ["a", "b"] {
        let gone = ShareGroupHeartbeatRequestData {
            group_id: text("g"),
            member_id: text(member),
            member_epoch: -1,
            ..ShareGroupHeartbeatRequestData::default()
        };
        answer(share_group_heartbeat(world.call(1), gone).await).await;
    }
}

async fn topic_id(world: &World) -> KafkaUuid {
    world.broker.topic("t").await.unwrap().id
}

/// Partition 0 of topic `t`, as the group reads it.
async fn shared(world: &World) -> Arc<Shared> {
    let topic = world.broker.topic("t").await.unwrap();
    world.broker.shared("g", &topic, 0).await.unwrap()
}

/// A fetch of up to `records`, with acknowledgements.
async fn fetch(world: &World, member: &str, epoch: i32, records: i32) -> Seen {
    fetch_with(world, member, epoch, records, &[]).await
}

async fn fetch_with(
    world: &World,
    member: &str,
    epoch: i32,
    records: i32,
    said: &[(i64, i64, &[i8])],
) -> Seen {
    let ranges = said.iter().map(|(first, last, acts)| AcknowledgementBatch {
        first_offset: *first,
        last_offset: *last,
        acknowledge_types: acts.to_vec(),
        ..AcknowledgementBatch::default()
    });
    let request = ShareFetchRequestData {
        group_id: Some(text("g")),
        member_id: Some(text(member)),
        share_session_epoch: epoch,
        max_bytes: 1 << 20,
        max_records: records,
        topics: vec![FetchTopic {
            topic_id: topic_id(world).await,
            partitions: vec![FetchPartition {
                acknowledgement_batches: ranges.collect(),
                ..FetchPartition::default()
            }],
            ..FetchTopic::default()
        }],
        ..ShareFetchRequestData::default()
    };
    let response = answer(share_fetch(world.call(2), request).await).await;
    let part = response.responses.first().map(|topic| &topic.partitions[0]);
    let ranges = part.map_or(&[][..], |part| &part.acquired_records);
    let code = |part: &PartitionData| part.error_code;
    Seen {
        acquired: ranges
            .iter()
            .map(|range| (range.first_offset, range.last_offset, range.delivery_count))
            .collect(),
        bytes: part.map_or(0, |part| part.records.as_ref().map_or(0, Bytes::len)),
        code: part.map_or(response.error_code, code),
        acknowledge_code: part.map_or(0, |part| part.acknowledge_error_code),
    }
}

async fn acknowledge(world: &World, member: &str, epoch: i32, said: (i64, i64, &[i8])) -> i16 {
    answer_of(world, acknowledgement(world, member, epoch, said).await).await
}

/// An acknowledgement that may renew.
async fn renew(world: &World, member: &str, epoch: i32, said: (i64, i64, &[i8])) -> i16 {
    let mut request = acknowledgement(world, member, epoch, said).await;
    request.is_renew_ack = true;
    answer_of(world, request).await
}

async fn answer_of(world: &World, request: ShareAcknowledgeRequestData) -> i16 {
    let response = answer(share_acknowledge(world.call(2), request).await).await;
    let topics = response.responses.first();
    topics.map_or(response.error_code, |topic| topic.partitions[0].error_code)
}

async fn acknowledgement(
    world: &World,
    member: &str,
    epoch: i32,
    said: (i64, i64, &[i8]),
) -> ShareAcknowledgeRequestData {
    let (first_offset, last_offset, acts) = said;
    ShareAcknowledgeRequestData {
        group_id: Some(text("g")),
        member_id: Some(text(member)),
        share_session_epoch: epoch,
        topics: vec![AcknowledgeTopic {
            topic_id: topic_id(world).await,
            partitions: vec![AcknowledgePartition {
                acknowledgement_batches: vec![
                    crate::wire::share_acknowledge_request::AcknowledgementBatch {
                        first_offset,
                        last_offset,
                        acknowledge_types: acts.to_vec(),
                        ..Default::default()
                    },
                ],
                ..AcknowledgePartition::default()
            }],
            ..AcknowledgeTopic::default()
        }],
        ..ShareAcknowledgeRequestData::default()
    }
}

#[tokio::test]
async fn members_divide_a_batch_and_say_what_becomes_of_it() {
    let world = group(&[]).await;
    let records = batch(&["0", "1", "2", "3", "4"]);
    world.produce("t", records.bytes().clone()).await;
    let first = fetch(&world, "a", 0, 3).await;
    assert_eq!(first.acquired, [(0, 2, 1)]);
    assert_eq!(first.bytes, records.bytes().len(), "the batch as it lies");
    assert_eq!(fetch(&world, "b", 0, 10).await.acquired, [(3, 4, 1)]);
    assert_eq!(fetch(&world, "b", 1, 10).await.acquired, []);
    // Accepted, released, rejected; another's is not its to accept.
    assert_eq!(acknowledge(&world, "a", 1, (0, 2, &[1, 2, 3])).await, 0);
    let state = ErrorCode::InvalidRecordState.code();
    assert_eq!(acknowledge(&world, "a", 2, (3, 3, &[1])).await, state);
    let piggybacked = fetch_with(&world, "b", 2, 10, &[(3, 4, &[1])]).await;
    assert_eq!(piggybacked.acquired, [(1, 1, 2)]);
    assert_eq!(piggybacked.acknowledge_code, 0);
    assert_eq!(acknowledge(&world, "b", 3, (1, 1, &[1])).await, 0);
    assert_eq!(shared(&world).await.queue.base(), Offset(5));
}

#[tokio::test]
async fn what_a_member_had_comes_back_when_it_goes_or_is_late() {
    let world = group(&[]).await;
    world.produce("t", batch(&["0"]).bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 0, 1)]);
    assert_eq!(fetch(&world, "a", -1, 10).await.acquired, []);
    assert_eq!(fetch(&world, "b", 0, 10).await.acquired, [(0, 0, 2)]);
    world.clock.advance(Duration::from_secs(29));
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, []);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(fetch(&world, "a", 1, 10).await.acquired, [(0, 0, 3)]);
    let state = ErrorCode::InvalidRecordState.code();
    assert_eq!(acknowledge(&world, "b", 1, (0, 0, &[1])).await, state);
    for count in 4..=5 {
        world.clock.advance(Duration::from_secs(30));
        let seen = fetch(&world, "a", count - 2, 10).await;
        assert_eq!(seen.acquired, [(0, 0, count as i16)]);
    }
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(fetch(&world, "a", 4, 10).await.acquired, []);
    world.produce("t", batch(&["1"]).bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 5, 10).await.acquired, [(1, 1, 1)]);
}

#[tokio::test]
async fn a_record_whose_consumers_crash_is_given_up_in_the_end() {
    let world = group(&[]).await;
    world.produce("t", batch(&["0"]).bytes().clone()).await;
    for count in 1..=5 {
        // A session begun anew ends the one before.
        assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 0, count)]);
    }
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, []);
    assert_eq!(shared(&world).await.queue.base(), Offset(1));
}

#[tokio::test]
async fn a_member_that_goes_gives_back_what_it_still_has_alone() {
    let world = group(&[]).await;
    world.produce("t", batch(&["0"]).bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 0, 1)]);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(fetch(&world, "b", 0, 10).await.acquired, [(0, 0, 2)]);
    assert_eq!(fetch(&world, "a", -1, 10).await.acquired, []);
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, []);
    assert_eq!(acknowledge(&world, "b", 1, (0, 0, &[1])).await, 0);
}

#[tokio::test]
async fn sessions_out_of_turn_and_groups_of_another_sort_are_refused() {
    let world = group(&[]).await;
    let seen = fetch(&world, "a", 5, 10).await;
    assert_eq!(seen.code, ErrorCode::ShareSessionNotFound.code());
    fetch(&world, "a", 0, 10).await;
    let seen = fetch(&world, "a", 2, 10).await;
    assert_eq!(seen.code, ErrorCode::InvalidShareSessionEpoch.code());
    let seen = fetch_with(&world, "b", 0, 10, &[(0, 0, &[1])]).await;
    assert_eq!(seen.code, ErrorCode::InvalidRequest.code());
    let long = "a".repeat(37);
    let refused = fetch(&world, &long, 0, 10).await.code;
    assert_eq!(refused, ErrorCode::InvalidRequest.code());
    let refused = acknowledge(&world, &long, 1, (0, 0, &[1])).await;
    assert_eq!(refused, ErrorCode::InvalidRequest.code());
    let uuid = "5b0a7d1e-6a5c-4b7e-9d3f-0123456789ab";
    assert_eq!(fetch(&world, uuid, 0, 10).await.code, 0);
    let request = ShareFetchRequestData {
        group_id: Some(text("another")),
        member_id: Some(text("a")),
        ..ShareFetchRequestData::default()
    };
    let refused = answer(share_fetch(world.call(2), request).await).await;
    assert_eq!(refused.error_code, ErrorCode::GroupIdNotFound.code());
}

/// A batch of producer 7 within its transaction.
fn transactional(value: &str) -> Batch {
    let producer = Producer {
        id: 7,
        epoch: 0,
        sequence: -1,
    };
    let mut builder = BatchBuilder::with_capacity(8).by(producer).control();
    builder.push(Timestamp(1), None, Some(value.as_bytes()), &[]);
    let mut bytes = builder.finish().bytes().to_vec();
    // Transactional, and no marker.
    bytes[22] = 1 << 4;
    let batch = Batch::parse_unverified(bytes.into()).unwrap();
    batch.with_payload(batch.payload(), false)
}

#[tokio::test]
async fn an_open_transaction_is_waited_for_where_committed_records_are_read() {
    for (isolation, before) in [("read_committed", 0), ("read_uncommitted", 1)] {
        let world = group(&[("share.isolation.level", isolation)]).await;
        let topic = world.broker.topic("t").await.unwrap();
        let log = topic.stream.log(0);
        let streams = &world.broker.streams;
        streams.undecided().enter(log, 7);
        streams.undecided().begin_write(log, 7, Offset(0));
        let written = streams.append_batches(&topic.stream, vec![(0, transactional("x"))]);
        assert!(written.await[0].is_ok());
        streams
            .undecided()
            .end_write(log, 7, Written::At(Offset(0)));
        let seen = fetch(&world, "a", 0, 10).await.acquired.len();
        assert_eq!(seen, before, "{isolation}");
        streams.undecided().decide(log, 7);
        let seen = fetch(&world, "a", 1, 10).await.acquired.len();
        assert_eq!(seen, 1 - before, "{isolation}");
    }
}

#[tokio::test]
async fn a_member_that_needs_longer_renews_what_it_has() {
    let world = group(&[]).await;
    world.produce("t", batch(&["0", "1"]).bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 1, 1)]);
    world.clock.advance(Duration::from_secs(20));
    // Only where the request says that it may hold such.
    let invalid = ErrorCode::InvalidRequest.code();
    assert_eq!(acknowledge(&world, "a", 1, (0, 0, &[4])).await, invalid);
    let state = ErrorCode::InvalidRecordState.code();
    fetch(&world, "b", 0, 10).await;
    assert_eq!(renew(&world, "b", 1, (0, 0, &[4])).await, state);
    assert_eq!(renew(&world, "a", 2, (0, 0, &[4])).await, 0);
    world.clock.advance(Duration::from_secs(20));
    // The other one was not renewed, and its time is over.
    assert_eq!(fetch(&world, "b", 2, 10).await.acquired, [(1, 1, 2)]);
    assert_eq!(acknowledge(&world, "a", 3, (0, 0, &[1])).await, 0);
    world.clock.advance(Duration::from_secs(30));
    let again = fetch(&world, "a", 4, 10).await;
    assert_eq!(again.acquired, [(1, 1, 3)], "what was accepted is done");
}

#[tokio::test]
async fn a_full_disk_does_not_cost_records_their_deliveries() {
    let (world, store) = troubled_group().await;
    world.produce("t", batch(&["0", "1"]).bytes().clone()).await;
    for count in 1..=5 {
        assert_eq!(fetch(&world, "a", 0, 1).await.acquired, [(0, 0, count)]);
    }
    store.trouble.send_replace(Trouble::Full);
    // The first cannot be given up; that does not keep the second from who asks.
    let seen = fetch(&world, "a", 0, 10).await;
    assert_eq!((seen.acquired, seen.code), (vec![(1, 1, 1)], 0));
    assert_eq!(fetch(&world, "a", 1, 10).await.code, 0, "nothing to be had");
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(fetch(&world, "a", 2, 10).await.acquired, [(1, 1, 2)]);
    store.trouble.send_replace(Trouble::None);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(fetch(&world, "a", 3, 10).await.acquired, [(1, 1, 3)]);
    assert_eq!(shared(&world).await.queue.base(), Offset(1));
}

#[tokio::test]
async fn an_acknowledgement_that_is_not_durable_can_be_made_again() {
    let (world, store) = troubled_group().await;
    world.produce("t", batch(&["0", "1"]).bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 1, 1)]);
    store.trouble.send_replace(Trouble::Full);
    let full = ErrorCode::KafkaStorageError.code();
    assert_eq!(acknowledge(&world, "a", 1, (0, 1, &[1, 2])).await, full);
    store.trouble.send_replace(Trouble::None);
    assert_eq!(acknowledge(&world, "a", 2, (0, 1, &[1, 2])).await, 0);
    assert_eq!(shared(&world).await.queue.base(), Offset(1));
    assert_eq!(fetch(&world, "a", 3, 10).await.acquired, [(1, 1, 2)]);
}

#[tokio::test]
async fn a_record_whose_acknowledgement_is_on_its_way_is_nobody_elses() {
    let (world, store) = troubled_group().await;
    world.produce("t", batch(&["0"]).bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 0, 1)]);
    fetch(&world, "b", 0, 10).await;
    store.trouble.send_replace(Trouble::Slow);
    let mut waiting = store.waiting.subscribe();
    let accept = acknowledge(&world, "a", 1, (0, 0, &[1]));
    let meanwhile = async {
        waiting.wait_for(|waiting| *waiting > 0).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(fetch(&world, "b", 1, 10).await.acquired, []);
        store.trouble.send_replace(Trouble::None);
    };
    let (accepted, ()) = tokio::join!(accept, meanwhile);
    assert_eq!(accepted, 0);
    assert_eq!(shared(&world).await.queue.base(), Offset(1));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_nobody_asks_for_leaves_memory_and_comes_back_as_it_was() {
    let world = group(&[]).await;
    world.produce("t", batch(&["0", "1"]).bytes().clone()).await;
    assert_eq!(fetch(&world, "a", 0, 10).await.acquired, [(0, 1, 1)]);
    assert_eq!(acknowledge(&world, "a", 1, (0, 0, &[1])).await, 0);
    let before = Arc::downgrade(&shared(&world).await);
    // Long enough for one look at what is idle.
    let look = async || tokio::time::sleep(Duration::from_secs(61)).await;
    world.clock.advance(Duration::from_secs(599));
    look().await;
    assert!(before.upgrade().is_some(), "it was asked for not long ago");
    world.clock.advance(Duration::from_secs(1));
    let held = before.upgrade();
    look().await;
    drop(held);
    assert!(before.upgrade().is_some(), "somebody had it");
    look().await;
    assert!(before.upgrade().is_none(), "it is gone from memory");
    assert_eq!(fetch(&world, "a", 2, 10).await.acquired, [(1, 1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_keeps_nobody_from_their_partitions() {
    let (world, store) = troubled_group().await;
    all_leave(&world).await;
    let topic = world.broker.topic("t").await.unwrap();
    let altering = AlterShareGroupOffsetsRequestData {
        group_id: text("g"),
        topics: vec![AlterShareGroupOffsetsRequestTopic {
            topic_name: text("t"),
            partitions: vec![AlterShareGroupOffsetsRequestPartition::default()],
            ..AlterShareGroupOffsetsRequestTopic::default()
        }],
        ..AlterShareGroupOffsetsRequestData::default()
    };
    let held = store.hold_scan();
    let _unread = begin(alter(world.call(0), altering).await);
    let (broker, opened) = (Arc::clone(&world.broker), Arc::clone(&topic));
    let opening = async move { broker.shared("g", &opened, 0).await.is_ok() };
    let _unread_too = begin(Reply::later(opening));
    drop(held);
    let other = world.broker.shared("other", &topic, 0);
    let other = tokio::time::timeout(Duration::from_secs(60), other).await;
    assert!(other.is_ok_and(|opened| opened.is_ok()));
}

#[test]
fn partitions_have_codes_that_clients_know() {
    assert_eq!(told(ErrorCode::UnknownTopicId), ErrorCode::UnknownTopicId);
    let passing = told(ErrorCode::CoordinatorNotAvailable);
    assert_eq!(passing, ErrorCode::KafkaStorageError);
    let other = told(ErrorCode::OffsetOutOfRange);
    assert_eq!(other, ErrorCode::UnknownServerError);
}

#[tokio::test]
async fn a_record_that_its_consumers_do_not_survive_does_not_take_others_with_it() {
    let world = group(&[]).await;
    let records = batch(&["0", "1", "poison", "3", "4", "5"]);
    world.produce("t", records.bytes().clone()).await;
    let mut epoch = 0;
    let mut accepted = Vec::new();
    for _ in 0..30 {
        let acquired = fetch(&world, "a", epoch, 10).await.acquired;
        let is_poisoned = acquired
            .iter()
            .any(|(first, last, _)| (*first..=*last).contains(&2));
        if is_poisoned {
            // It ends, and another session begins.
            epoch = 0;
            continue;
        }
        epoch += 1;
        for (first, last, _) in acquired {
            assert_eq!(
                acknowledge(&world, "a", epoch, (first, last, &[1])).await,
                0
            );
            accepted.extend(first..=last);
            epoch += 1;
        }
    }
    accepted.sort_unstable();
    assert_eq!(accepted, [0, 1, 3, 4, 5]);
    assert_eq!(shared(&world).await.queue.base(), Offset(6));
}

//! Whatever one member says, the others of its group go on.

use bytes::Bytes;

use super::*;
use crate::consumer_group_heartbeat::consumer_group_heartbeat;
use crate::group::Kind;
use crate::join_group::join_group;
use crate::share_group_heartbeat::share_group_heartbeat;
use crate::transaction::add_offsets_to_txn::add_offsets_to_txn;
use crate::wire::join_group_request::JoinGroupRequestProtocol;
use crate::wire::{
    AddOffsetsToTxnRequestData, ConsumerGroupHeartbeatRequestData, JoinGroupRequestData,
    JoinGroupResponseData, KafkaString, ShareGroupHeartbeatRequestData, text,
};
use crate::world::{World, answer};

/// Somebody who joins a consumer group.
fn joining(group: &str, member: &str) -> ConsumerGroupHeartbeatRequestData {
    ConsumerGroupHeartbeatRequestData {
        group_id: text(group),
        member_id: text(member),
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(vec![text("t")]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequestData::default()
    }
}

async fn beat(world: &World, request: ConsumerGroupHeartbeatRequestData) -> i16 {
    let told = consumer_group_heartbeat(world.call(1), request).await;
    answer(told).await.error_code
}

/// Somebody who joins a classic group and says so much of itself.
async fn join(world: &World, member: &str, bytes: usize) -> JoinGroupResponseData {
    let request = JoinGroupRequestData {
        group_id: text("classic"),
        member_id: text(member),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: text("consumer"),
        protocols: vec![JoinGroupRequestProtocol {
            name: text("range"),
            metadata: Bytes::from(vec![0; bytes]),
            ..JoinGroupRequestProtocol::default()
        }],
        ..JoinGroupRequestData::default()
    };
    let mut call = world.call(3);
    call.client_id = "ü".repeat(10_000).into();
    answer(join_group(call, request).await).await
}

/// Names of topics that take so many bytes.
fn names(bytes: usize) -> Vec<KafkaString> {
    let names = (0..bytes / 10_000).map(|number| text(&format!("{number:0>10000}")));
    names.collect()
}

#[tokio::test]
async fn what_a_member_of_a_consumer_group_says_too_much_of_spoils_no_group() {
    let world = World::new().await;
    let invalid = ErrorCode::InvalidRequest.code();
    let long = "m".repeat(WORD_BYTES_MAX + 1);
    let word = Some(text(&long));
    for refused in [
        joining("g", &long),
        joining("g", &"m".repeat(5_000)),
        ConsumerGroupHeartbeatRequestData {
            instance_id: word.clone(),
            ..joining("g", "m")
        },
        ConsumerGroupHeartbeatRequestData {
            rack_id: word,
            ..joining("g", "m")
        },
        ConsumerGroupHeartbeatRequestData {
            subscribed_topic_names: Some(names(2 << 20)),
            ..joining("g", "m")
        },
        // Six times as long where it is kept.
        ConsumerGroupHeartbeatRequestData {
            subscribed_topic_names: Some(vec![text(&"\u{1}".repeat(900 << 10))]),
            ..joining("g", "m")
        },
    ] {
        assert_eq!(beat(&world, refused).await, invalid);
        assert_eq!(beat(&world, joining("g", "other")).await, 0);
    }
    // The longest there may be, in the longest key.
    let (group, member) = (
        "\u{1}".repeat(NAME_BYTES_MAX),
        "\u{1}".repeat(WORD_BYTES_MAX),
    );
    assert_eq!(beat(&world, joining(&group, &member)).await, 0);
}

#[tokio::test]
async fn all_members_of_a_consumer_group_together_read_so_many_topics() {
    let world = World::new().await;
    let reading = |member: usize| ConsumerGroupHeartbeatRequestData {
        subscribed_topic_names: Some(names(900 << 10)),
        ..joining("g", &format!("m{member}"))
    };
    let mut members = 0;
    let mut code = 0;
    while code == 0 && members < 40 {
        code = beat(&world, reading(members)).await;
        members += 1;
    }
    assert_eq!(code, ErrorCode::GroupMaxSizeReached.code());
    assert!(members > 30, "{members}");
    assert_eq!(beat(&world, joining("g", "modest")).await, 0);
    assert_eq!(beat(&world, reading(0)).await, 0, "it has its place");
}

#[tokio::test]
async fn what_a_member_of_a_classic_group_says_is_bounded() {
    let world = World::new().await;
    let invalid = ErrorCode::InvalidRequest.code();
    let long = "m".repeat(WORD_BYTES_MAX + 1);
    assert_eq!(join(&world, &long, 10).await.error_code, invalid);
    let full = ErrorCode::GroupMaxSizeReached.code();
    let refused = join(&world, "", METADATA_BYTES_MAX).await;
    assert_eq!(refused.error_code, full);
    let joined = join(&world, "", 10).await;
    assert_eq!(joined.error_code, 0);
    // Its client calls itself something of 20,000 bytes.
    let member = joined.member_id.as_str();
    assert!((900..=WORD_BYTES_MAX).contains(&member.len()));
    let (_, members) = world.broker.groups.describe("classic").unwrap();
    assert!(members[0].client_id.len() <= WORD_BYTES_MAX);
    // Who says too much when it joins again is out, and leaves nothing behind.
    let refused = join(&world, member, METADATA_BYTES_MAX).await;
    assert_eq!(refused.error_code, full);
    let (view, members) = world.broker.groups.describe("classic").unwrap();
    assert_eq!((view.kind, view.state), (Kind::Classic, "Empty"));
    assert!(members.is_empty());
}

#[tokio::test]
async fn what_a_member_of_a_share_group_says_is_bounded() {
    let world = World::new().await;
    let joining = |member: &str| ShareGroupHeartbeatRequestData {
        group_id: text("shared"),
        member_id: text(member),
        subscribed_topic_names: Some(vec![text("t")]),
        ..ShareGroupHeartbeatRequestData::default()
    };
    let beat = async |request| {
        let told = share_group_heartbeat(world.call(1), request).await;
        answer(told).await.error_code
    };
    let invalid = ErrorCode::InvalidRequest.code();
    assert_eq!(beat(joining(&"m".repeat(37))).await, invalid);
    let rack = ShareGroupHeartbeatRequestData {
        rack_id: Some(text(&"r".repeat(WORD_BYTES_MAX + 1))),
        ..joining("m")
    };
    assert_eq!(beat(rack).await, invalid);
    let topics = ShareGroupHeartbeatRequestData {
        subscribed_topic_names: Some(names(2 << 20)),
        ..joining("m")
    };
    assert_eq!(beat(topics).await, invalid);
    assert_eq!(beat(joining(&"m".repeat(36))).await, 0);
}

#[tokio::test]
async fn a_transaction_takes_in_groups_that_there_can_be() {
    let world = World::new().await;
    let request = AddOffsetsToTxnRequestData {
        transactional_id: text("id"),
        group_id: text(&"g".repeat(NAME_BYTES_MAX + 1)),
        ..AddOffsetsToTxnRequestData::default()
    };
    let told = answer(add_offsets_to_txn(world.call(4), request).await).await;
    assert_eq!(told.error_code, ErrorCode::InvalidGroupId.code());
}

//! Over the requests that clients make: a group goes over and back, and what is kept of it with it.

use std::collections::BTreeSet;

use bytes::Bytes;
use store::Scan;

use crate::consumer_group_describe::consumer_group_describe;
use crate::consumer_group_heartbeat::consumer_group_heartbeat;
use crate::group::classic::Commit;
use crate::group::embedded::{self, NamedPartitions};
use crate::group::{Groups, Kind, classic, stored};
use crate::heartbeat::heartbeat;
use crate::wire::{
    ConsumerGroupDescribeRequestData, ConsumerGroupHeartbeatRequestData,
    ConsumerGroupHeartbeatResponseData, ErrorCode, HeartbeatRequestData, KafkaString, text,
};
use crate::world::{Member, World, answer};

fn share(indexes: &[u32]) -> Bytes {
    let indexes: BTreeSet<u32> = indexes.iter().copied().collect();
    embedded::put_assignment(1, &NamedPartitions::from([("t".to_owned(), indexes)]))
}

impl World {
    /// A heartbeat by the new protocol; with epoch 0 it joins.
    async fn beat(&self, member: &str, epoch: i32) -> ConsumerGroupHeartbeatResponseData {
        let is_joining = epoch == 0;
        let names = || Some(vec![text("t")]).filter(|_| is_joining);
        let request = ConsumerGroupHeartbeatRequestData {
            group_id: text("g"),
            member_id: text(member),
            member_epoch: epoch,
            rebalance_timeout_ms: if is_joining { 30_000 } else { -1 },
            subscribed_topic_names: names(),
            topic_partitions: is_joining.then(Vec::new),
            ..ConsumerGroupHeartbeatRequestData::default()
        };
        answer(consumer_group_heartbeat(self.call(1), request).await).await
    }

    async fn classic_beat(&self, member: &KafkaString, generation: i32) -> ErrorCode {
        let request = HeartbeatRequestData {
            group_id: text("g"),
            member_id: member.clone(),
            generation_id: generation,
            ..HeartbeatRequestData::default()
        };
        let told = answer(heartbeat(self.call(4), request).await).await;
        let all = [
            ErrorCode::None,
            ErrorCode::RebalanceInProgress,
            ErrorCode::IllegalGeneration,
            ErrorCode::UnknownMemberId,
        ];
        let told = all.into_iter().find(|code| code.code() == told.error_code);
        told.expect("one of them")
    }

    /// A member of a classic group with both partitions of topic `t`.
    async fn classic_member(&self) -> Member {
        self.topic("t", 2, &[]).await;
        let member = self.join("g", "").await;
        let divided = answer(self.divide(&member, share(&[0, 1])).await).await;
        assert_eq!(divided.error_code, 0);
        member
    }

    /// The sorts of members that ConsumerGroupDescribe tells.
    async fn member_types(&self) -> Vec<i8> {
        let request = ConsumerGroupDescribeRequestData {
            group_ids: vec![text("g")],
            ..ConsumerGroupDescribeRequestData::default()
        };
        let found = answer(consumer_group_describe(self.call(1), request).await).await;
        let mut types: Vec<i8> = found.groups[0]
            .members
            .iter()
            .map(|member| member.member_type)
            .collect();
        types.sort_unstable();
        types
    }

    /// The groups as a broker finds them that starts now.
    async fn groups_again(&self) -> Groups {
        let store = std::sync::Arc::clone(self.broker.streams.store());
        let groups = Groups::open(
            store,
            self.clock.clone(),
            model::Rng::seeded(9),
            classic::Limits::default(),
        );
        groups.await.unwrap()
    }

    async fn kept_members(&self) -> usize {
        let store = self.broker.streams.store();
        let below = Scan::below(&stored::member_folder("g"));
        store.scan(below).await.unwrap().len()
    }
}

#[tokio::test]
async fn a_group_goes_over_and_back_with_what_is_kept_of_it() {
    let world = World::new().await;
    let member = world.classic_member().await;
    let id = &member.joined.member_id;
    let joined = world.beat("new", 0).await;
    assert_eq!(joined.error_code, 0, "{joined:?}");
    assert_eq!(world.member_types().await, [0, 1]);
    assert_eq!(
        world.classic_beat(id, member.joined.generation_id).await,
        ErrorCode::RebalanceInProgress
    );
    // It has given everything up before it joins, as who divides by `range` does.
    let again = world.join("g", id.as_str()).await;
    assert!(again.joined.leader.as_str().is_empty());
    let given = answer(world.divide(&again, share(&[])).await).await;
    let given = embedded::assignment(given.assignment).unwrap();
    assert_eq!(given["t"].len(), 1, "half of it: {given:?}");
    let told = world.beat("new", joined.member_epoch).await;
    assert!(told.assignment.is_some(), "the other half: {told:?}");
    let generation = again.joined.generation_id;
    assert_eq!(world.classic_beat(id, generation).await, ErrorCode::None);

    let reopened = world.groups_again().await;
    let told = reopened.heartbeat("g", generation, id.as_str(), None);
    assert_eq!(told, Ok(()), "it goes on after a restart");
    assert_eq!(world.kept_members().await, 2);

    let left = world.beat("new", -1).await;
    assert_eq!(left.error_code, 0);
    let (group, members) = world.broker.groups.describe("g").unwrap();
    assert_eq!((group.kind, members.len()), (Kind::Classic, 1));
    assert_eq!(
        world.classic_beat(id, generation).await,
        ErrorCode::RebalanceInProgress
    );
    // The server stops before that member has joined.
    while world.kept_members().await > 0 {
        tokio::task::yield_now().await;
    }
    let reopened = world.groups_again().await;
    let told = reopened.heartbeat("g", generation, id.as_str(), None);
    assert_eq!(
        told,
        Err(ErrorCode::RebalanceInProgress),
        "it is still known"
    );
    let last = world.join("g", id.as_str()).await;
    assert_eq!(last.joined.leader, *id, "it divides again");
    assert!(last.joined.generation_id > generation);
    let divided = answer(world.divide(&last, share(&[0, 1])).await).await;
    assert_eq!(divided.error_code, 0);
    assert_eq!(
        world.kept_members().await,
        0,
        "nothing is left of the former"
    );
    let reopened = world.groups_again().await;
    let told = reopened.heartbeat("g", last.joined.generation_id, id.as_str(), None);
    assert_eq!(told, Ok(()));
}

#[tokio::test]
async fn who_has_not_heard_of_those_who_went_joins_again_with_what_it_has() {
    let world = World::new().await;
    let member = world.classic_member().await;
    let id = member.joined.member_id.as_str();
    let generation = member.joined.generation_id;
    // It is told nothing of them: the group is two epochs ahead when the last of them goes.
    for epoch in [0, -1] {
        for new in ["new", "other"] {
            assert_eq!(world.beat(new, epoch).await.error_code, 0);
        }
    }
    let check = |groups: &Groups| {
        let told = groups.heartbeat("g", generation, id, None);
        assert_eq!(told, Err(ErrorCode::RebalanceInProgress));
        // As it gives up its partitions.
        let committed = groups.may_commit(Commit::Plain, "g", generation, id, None);
        assert_eq!(committed, Ok(()));
        let stranger = groups.heartbeat("g", generation - 1, id, None);
        assert_eq!(stranger, Err(ErrorCode::IllegalGeneration));
    };
    check(&world.broker.groups);
    while world.kept_members().await > 0 {
        tokio::task::yield_now().await;
    }
    check(&world.groups_again().await);
    // Nor has it when the group goes over once more.
    assert_eq!(world.beat("third", 0).await.error_code, 0);
    let told = world.classic_beat(&member.joined.member_id, generation);
    assert_eq!(told.await, ErrorCode::RebalanceInProgress);
    let again = world.join("g", id).await;
    assert!(again.joined.generation_id > generation + 2);
    let told = world.classic_beat(&member.joined.member_id, generation);
    assert_eq!(told.await, ErrorCode::IllegalGeneration);
}

#[tokio::test]
async fn who_waits_in_a_classic_group_asks_again_when_it_goes_over() {
    let world = World::new().await;
    let member = world.classic_member().await;
    // Waits for the first one to join again.
    let waiting = world.ask_to_join("g", "").await;
    assert_eq!(world.beat("new", 0).await.error_code, 0);
    let told = answer(waiting).await;
    assert_eq!(told.error_code, ErrorCode::RebalanceInProgress.code());
    let again = world.join("g", told.member_id.as_str()).await;
    assert_eq!(answer(world.sync(&again).await).await.error_code, 0);
    let generation = member.joined.generation_id;
    let told = world
        .classic_beat(&member.joined.member_id, generation)
        .await;
    assert_eq!(told, ErrorCode::RebalanceInProgress);
    assert_eq!(world.member_types().await, [0, 0, 1]);
}

#[tokio::test]
async fn who_cannot_come_leaves_the_group_as_it_was() {
    let world = World::new().await;
    let member = world.classic_member().await;
    let id = &member.joined.member_id;
    let refused = world.beat(id.as_str(), 0).await;
    assert_eq!(refused.error_code, ErrorCode::FencedMemberEpoch.code());
    let (group, _) = world.broker.groups.describe("g").unwrap();
    assert_eq!(group.kind, Kind::Classic);
    let told = world.classic_beat(id, member.joined.generation_id);
    assert_eq!(told.await, ErrorCode::None);
}

#[tokio::test]
async fn a_group_whose_first_member_is_about_to_come_gives_way() {
    let world = World::new().await;
    world.topic("t", 2, &[]).await;
    let told = answer(world.ask_to_join_as(4, "g", "").await).await;
    assert_eq!(told.error_code, ErrorCode::MemberIdRequired.code());
    assert_eq!(world.beat("new", 0).await.error_code, 0);
    // The one that was told its name joins by it.
    let member = world.join("g", told.member_id.as_str()).await;
    assert_eq!(member.joined.member_id, told.member_id);
    assert_eq!(world.member_types().await, [0, 1]);
}

#[tokio::test]
async fn a_producer_in_no_group_commits_before_and_after() {
    let world = World::new().await;
    world.classic_member().await;
    let outside = || {
        let groups = &world.broker.groups;
        let commit = |commit| groups.may_commit(commit, "g", -1, "", None);
        (commit(Commit::Transactional), commit(Commit::Plain))
    };
    let expected = (Ok(()), Err(ErrorCode::UnknownMemberId));
    assert_eq!(outside(), expected);
    assert_eq!(world.beat("new", 0).await.error_code, 0);
    assert_eq!(outside(), expected);
}

#[tokio::test]
async fn a_group_that_divides_in_its_own_way_stays_as_it_is() {
    let world = World::new().await;
    world.topic("t", 2, &[]).await;
    let member = world.join("g", "").await;
    // Divides by bytes that nobody else can read.
    assert_eq!(answer(world.sync(&member).await).await.error_code, 0);
    let refused = world.beat("new", 0).await;
    assert_eq!(refused.error_code, ErrorCode::GroupIdNotFound.code());
    let message = refused.error_message.map(|message| message.to_string());
    assert!(
        message.is_some_and(|message| message.contains("cannot be upgraded")),
        "it says why"
    );
    let told = world.classic_beat(&member.joined.member_id, member.joined.generation_id);
    assert_eq!(told.await, ErrorCode::None);
}

/// A member that goes leaves a group that another sort of group takes the place of, before it is written.
#[tokio::test]
async fn what_was_kept_of_an_empty_consumer_group_goes_with_it() {
    let world = World::new().await;
    world.topic("t", 2, &[]).await;
    assert_eq!(world.beat("new", 0).await.error_code, 0);
    assert_eq!(world.kept_members().await, 1);
    let turn = world.broker.groups.alone("g").await;
    let leaving = ConsumerGroupHeartbeatRequestData {
        group_id: text("g"),
        member_id: text("new"),
        member_epoch: -1,
        ..ConsumerGroupHeartbeatRequestData::default()
    };
    let left = consumer_group_heartbeat(world.call(1), leaving).await;
    let member = world.join("g", "").await;
    drop(turn);
    assert_eq!(answer(left).await.error_code, 0, "who left is answered");
    assert_eq!(answer(world.sync(&member).await).await.error_code, 0);
    assert_eq!(world.kept_members().await, 0);
}

//! SplitShard, MergeShards and UpdateShardCount.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{World, covers_ring_once, hash_range, is_open, number, numbers, world};

const MIDDLE: u128 = 1 << 127;

fn id(shard: u32) -> String {
    format!("shardId-{shard:012}")
}

fn split(shard: &str, key: &str) -> Value {
    json!({"StreamName": "s", "ShardToSplit": shard, "NewStartingHashKey": key})
}

fn merge(shard: &str, adjacent: &str) -> Value {
    json!({"StreamName": "s", "ShardToMerge": shard, "AdjacentShardToMerge": adjacent})
}

fn scale(target: u32) -> Value {
    json!({"StreamName": "s", "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"})
}

async fn all(world: &World) -> Vec<Value> {
    world.shards(json!({"StreamName": "s"})).await
}

fn sequence(shard: &Value, end: &str) -> String {
    shard["SequenceNumberRange"][end]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_split_and_a_merge_keep_lineage_and_growing_numbers() {
    let world = world();
    world.stream("s", 1).await;
    world.done("SplitShard", split(&id(0), "12345")).await;
    assert_eq!(world.summary("s").await["StreamStatus"], "UPDATING");
    world.later();
    world.done("MergeShards", merge(&id(1), &id(2))).await;
    world.later();
    let shards = all(&world).await;
    assert_eq!(numbers(&shards), [0, 1, 2, 3]);
    covers_ring_once(&shards);
    assert_eq!(hash_range(&shards[1]), (0, 12_344));
    assert_eq!(hash_range(&shards[2]), (12_345, u128::MAX));
    assert_eq!(hash_range(&shards[3]), (0, u128::MAX));
    assert_eq!(shards[1]["ParentShardId"], id(0));
    assert!(shards[1]["AdjacentParentShardId"].is_null());
    assert_eq!(shards[3]["ParentShardId"], id(1));
    assert_eq!(shards[3]["AdjacentParentShardId"], id(2));
    for (parent, child) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
        let end = sequence(&shards[parent], "EndingSequenceNumber");
        let start = sequence(&shards[child], "StartingSequenceNumber");
        assert!(
            end < start && end.len() == start.len(),
            "{parent} {end} before {child} {start}"
        );
        assert!(sequence(&shards[parent], "StartingSequenceNumber") < end);
    }
}

#[tokio::test]
async fn splits_are_refused_in_the_words_of_aws() {
    let world = world();
    world.stream("s", 3).await;
    let invalid = "InvalidArgumentException";
    let told = |key: &str| {
        format!(
            "NewStartingHashKey {key} used in SplitShard() on shard shardId-000000000000 in stream s under account \
             123456789012 is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's \
             EndingHashKey 113427455640312821154458202477256070484."
        )
    };
    for key in [
        "0",
        "1",
        "113427455640312821154458202477256070484",
        "999999999999999999999999999999999999999",
    ] {
        world
            .refused(invalid, &told(key), "SplitShard", split("shard-0", key))
            .await;
    }
    let missing = "ResourceNotFoundException";
    let told = "Could not find shard shardId-000000000005 in stream s under account 123456789012.";
    world
        .refused(missing, told, "SplitShard", split("shardId-5", "2"))
        .await;
    let told = "Could not find shard ABKLFD8 in stream s under account 123456789012.";
    world
        .refused(missing, told, "SplitShard", split("ABKLFD8", "2"))
        .await;

    world
        .done("SplitShard", split("shardId-000000000000", "2"))
        .await;
    let told = "Stream s under account 123456789012 not ACTIVE, instead in state UPDATING";
    world
        .refused(
            "ResourceInUseException",
            told,
            "SplitShard",
            split(&id(1), "2"),
        )
        .await;
    world.later();
    let told = "already been merged or split";
    world
        .refused(invalid, told, "SplitShard", split(&id(0), "2"))
        .await;
    world
        .refused(invalid, told, "MergeShards", merge(&id(0), &id(1)))
        .await;
}

#[tokio::test]
async fn merges_are_refused_in_the_words_of_aws() {
    let world = world();
    world.stream("s", 3).await;
    for (shard, adjacent) in [(0, 2), (1, 0), (1, 1)] {
        let told = format!(
            "Shards {} and {} in stream s under account 123456789012 are not an adjacent pair of shards eligible for merging",
            id(shard),
            id(adjacent)
        );
        let input = merge(&id(shard), &id(adjacent));
        world
            .refused("InvalidArgumentException", &told, "MergeShards", input)
            .await;
    }
    let told = "Could not find shard shardId-000000000009";
    world
        .refused(
            "ResourceNotFoundException",
            told,
            "MergeShards",
            merge(&id(9), &id(1)),
        )
        .await;
    assert_eq!(all(&world).await.len(), 3);
}

#[tokio::test]
async fn a_thousand_shards_become_two_thousand_in_one_step() {
    let world = world();
    world.stream("s", 1_000).await;
    let answer = world.done("UpdateShardCount", scale(2_000)).await;
    assert_eq!(
        answer,
        json!({"StreamName": "s", "StreamARN": world.arn("s"), "CurrentShardCount": 1_000, "TargetShardCount": 2_000})
    );
    world.later();
    assert_eq!(world.summary("s").await["OpenShardCount"], 2_000);
    covers_ring_once(&all(&world).await);
}

#[tokio::test]
async fn scaling_by_any_factor_is_one_step_without_quotas() {
    let world = world();
    world.stream("s", 2).await;
    for target in [7, 3, 3, 1, 16] {
        world.done("UpdateShardCount", scale(target)).await;
        world.later();
        let shards = all(&world).await;
        assert_eq!(
            shards.iter().filter(|shard| is_open(shard)).count(),
            target as usize
        );
        covers_ring_once(&shards);
        let known: Vec<String> = shards.iter().map(|shard| id(number(shard))).collect();
        for shard in &shards[2..] {
            let parent = shard["ParentShardId"].as_str().unwrap().to_owned();
            assert!(known.contains(&parent), "{parent} of {shard}");
        }
    }
    let none =
        json!({"StreamName": "none", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"});
    world
        .refused(
            "ResourceNotFoundException",
            "Stream none",
            "UpdateShardCount",
            none,
        )
        .await;
}

#[tokio::test]
async fn an_on_demand_stream_is_not_resharded_by_hand() {
    let world = world();
    world.on_demand("s").await;
    let told = "Request is invalid. Stream s under AccountId 123456789012 is in On-Demand mode.";
    for (operation, input) in [
        ("UpdateShardCount", scale(8)),
        ("SplitShard", split(&id(0), "1000")),
        ("MergeShards", merge(&id(0), &id(1))),
    ] {
        world
            .refused("ValidationException", told, operation, input)
            .await;
    }
    assert_eq!(all(&world).await.len(), 4);
}

/// A step of resharding, chosen by numbers that are taken modulo what is there.
#[derive(Debug, Clone)]
enum Step {
    Split(usize, u128),
    Merge(usize),
    Scale(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<usize>(), any::<u128>()).prop_map(|(shard, key)| Step::Split(shard, key)),
        any::<usize>().prop_map(Step::Merge),
        (1..9_u32).prop_map(Step::Scale),
    ]
}

async fn take(world: &World, step: &Step) {
    let mut open: Vec<Value> = all(world).await.into_iter().filter(is_open).collect();
    open.sort_by_key(hash_range);
    let (operation, input) = match step {
        Step::Split(shard, key) => {
            let shard = &open[shard % open.len()];
            let (first, last) = hash_range(shard);
            if last - first < 4 {
                return;
            }
            let key = first + 2 + key % (last - first - 2);
            ("SplitShard", split(&id(number(shard)), &key.to_string()))
        }
        Step::Merge(_) if open.len() < 2 => return,
        Step::Merge(shard) => {
            let place = shard % (open.len() - 1);
            let [shard, adjacent] = [&open[place], &open[place + 1]].map(|shard| id(number(shard)));
            ("MergeShards", merge(&shard, &adjacent))
        }
        Step::Scale(target) => ("UpdateShardCount", scale(*target)),
    };
    world.done(operation, input).await;
    world.later();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_ring_is_covered_once_whatever_is_split_and_merged(steps in proptest::collection::vec(any_step(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = world();
            world.stream("s", 2).await;
            for step in &steps {
                take(&world, step).await;
                covers_ring_once(&all(&world).await);
            }
        });
    }
}

#[tokio::test]
async fn halves_of_the_ring_can_be_told_apart_at_its_middle() {
    let world = world();
    world.stream("s", 1).await;
    world
        .done("SplitShard", split(&id(0), &MIDDLE.to_string()))
        .await;
    let shards = all(&world).await;
    assert_eq!(hash_range(&shards[1]).1, MIDDLE - 1);
}

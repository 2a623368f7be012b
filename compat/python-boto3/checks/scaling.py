"""UpdateShardCount and on-demand streams: uniform scaling keeps every key's place and order."""

from harness import (
    HASH_KEYS, INVALID, check, covers_all_keys_once, equal, hash_range, refused, true,
)


def scale(world, name, target):
    answer = world.kinesis.update_shard_count(
        StreamName=name, TargetShardCount=target, ScalingType="UNIFORM_SCALING"
    )
    world.active(name)
    return answer


def is_uniform(shards):
    """Asserts that all ranges have the same size, give or take a rounding."""
    sizes = [end - start + 1 for start, end in map(hash_range, shards)]
    fair = HASH_KEYS // len(shards)
    for size in sizes:
        true(abs(size - fair) * 1_000_000 <= fair, f"each range has about {fair} keys, saw {size}")


def check_scaling(world, start, target):
    name = world.stream(shards=start)
    keys = [f"k{n}" for n in range(20)]
    for key in keys:
        world.put(name, f"{key} before", key=key)
    answer = scale(world, name, target)
    equal(answer["StreamName"], name)
    equal(answer["StreamARN"], world.arn(name))
    equal(answer["CurrentShardCount"], start)
    equal(answer["TargetShardCount"], target)

    shards = world.shards(name)
    open_shards = world.open_shards(name)
    equal(len(open_shards), target, "open shards")
    equal(world.summary(name)["OpenShardCount"], target)
    covers_all_keys_once(open_shards)
    is_uniform(open_shards)
    listed = {shard["ShardId"] for shard in shards}
    for shard in shards[start:]:
        parents = {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")} - {None}
        true(parents and parents <= listed, f"parents of {shard['ShardId']} are listed")

    for key in keys:
        world.put(name, f"{key} after", key=key)
    read = {key: [] for key in keys}
    for shard in shards:  # ids grow from parents to children
        for record in world.read_shard(name, shard["ShardId"]):
            read[record["PartitionKey"]].append(record["Data"].decode())
    for key in keys:
        equal(read[key], [f"{key} before", f"{key} after"])


@check
def scaling_from_2_to_4(world):
    check_scaling(world, 2, 4)


@check
def scaling_from_4_to_2(world):
    check_scaling(world, 4, 2)


@check
def scaling_from_2_to_3(world):
    check_scaling(world, 2, 3)


@check
def scaling_from_5_to_3(world):
    check_scaling(world, 5, 3)


@check
def doubling_splits_each_shard_and_merges_none(world):
    # 2^128 is not a multiple of 10: a boundary that moved by a rounding would give children two parents.
    name = world.stream(shards=10)
    scale(world, name, 20)
    children = world.open_shards(name)
    equal(len(children), 20)
    with_two = [child["ShardId"] for child in children if "AdjacentParentShardId" in child]
    equal(with_two, [], "children with two parents")


@check
def halving_merges_pairs_and_splits_none(world):
    name = world.stream(shards=10)
    scale(world, name, 5)
    children = world.open_shards(name)
    parents = [
        {int(child["ParentShardId"][8:]), int(child["AdjacentParentShardId"][8:])}
        for child in sorted(children, key=hash_range)
    ]
    equal([sorted(pair) for pair in parents], [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]])


@check
def scaling_from_1_to_2_and_back(world):
    name = world.stream()
    for target in (2, 1, 2):
        scale(world, name, target)
        covers_all_keys_once(world.open_shards(name))
        equal(len(world.open_shards(name)), target)


@check
def scaling_an_uneven_stream_makes_it_even(world):
    name = world.stream()
    world.kinesis.split_shard(
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey="1000"
    )
    world.active(name)
    scale(world, name, 4)
    open_shards = world.open_shards(name)
    equal(len(open_shards), 4)
    covers_all_keys_once(open_shards)
    is_uniform(open_shards)


@check
def scaling_is_validated(world):
    name = world.stream(shards=2)
    update = world.kinesis.update_shard_count
    uniform = {"ScalingType": "UNIFORM_SCALING"}
    refused("ValidationException", update, StreamName=name, TargetShardCount=0, **uniform)
    refused(
        "ValidationException", update,
        StreamName=name, TargetShardCount=3, ScalingType="RANDOM_SCALING",
    )
    refused("ValidationException", update, StreamName=name, TargetShardCount=3)
    refused("ValidationException", update, StreamName=name, **uniform)
    refused(
        "ResourceNotFoundException", update, StreamName="none-such", TargetShardCount=3, **uniform
    )


@check
def an_on_demand_stream_is_not_scaled_by_hand(world):
    name = world.on_demand_stream()
    refused(
        INVALID, world.kinesis.update_shard_count,
        StreamName=name, TargetShardCount=8, ScalingType="UNIFORM_SCALING",
    )
    refused(
        INVALID, world.kinesis.split_shard,
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey="1000",
    )
    refused(
        INVALID, world.kinesis.merge_shards,
        StreamName=name, ShardToMerge="shardId-000000000000",
        AdjacentShardToMerge="shardId-000000000001",
    )
    equal(len(world.shards(name)), 4)

"""SplitShard and MergeShards: ranges, lineage, and reading parents before children in order."""

from harness import (
    HASH_KEYS, check, covers_all_keys_once, datas, equal, hash_range, is_open, refused, true,
)

S0, S1, S2, S3 = (f"shardId-{n:012}" for n in range(4))
MIDDLE = 1 << 127


def split(world, name, shard, key):
    world.kinesis.split_shard(StreamName=name, ShardToSplit=shard, NewStartingHashKey=str(key))
    world.active(name)


def merge(world, name, shard, adjacent):
    world.kinesis.merge_shards(
        StreamName=name, ShardToMerge=shard, AdjacentShardToMerge=adjacent
    )
    world.active(name)


def by_id(world, name):
    return {shard["ShardId"]: shard for shard in world.shards(name)}


@check
def a_split_makes_two_children_that_share_the_range(world):
    name = world.stream()
    key = 12345678901234567890
    split(world, name, S0, key)
    shards = by_id(world, name)
    equal(sorted(shards), [S0, S1, S2])
    equal(hash_range(shards[S0]), (0, HASH_KEYS - 1), "the parent keeps its range")
    true(not is_open(shards[S0]), "the parent is closed")
    equal(sorted(hash_range(shards[s]) for s in (S1, S2)), [(0, key - 1), (key, HASH_KEYS - 1)])
    for child in (S1, S2):
        equal(shards[child]["ParentShardId"], S0)
        true("AdjacentParentShardId" not in shards[child], "a split has one parent")
        true(is_open(shards[child]), "a child is open")
    covers_all_keys_once(world.open_shards(name))
    equal(world.summary(name)["OpenShardCount"], 2)


@check
def a_merge_makes_one_child_of_both_ranges(world):
    name = world.stream(shards=3)
    merge(world, name, S1, S2)
    shards = by_id(world, name)
    low, high = hash_range(shards[S1])[0], hash_range(shards[S2])[1]
    equal(hash_range(shards[S3]), (low, high))
    equal(shards[S3]["ParentShardId"], S1)
    equal(shards[S3]["AdjacentParentShardId"], S2)
    true(not is_open(shards[S1]) and not is_open(shards[S2]), "both parents are closed")
    covers_all_keys_once(world.open_shards(name))
    equal(world.summary(name)["OpenShardCount"], 2)


@check
def children_have_greater_sequence_numbers_than_parents(world):
    name = world.stream(shards=2)
    puts = [world.put(name, "x", ExplicitHashKey=str(key)) for key in (0, HASH_KEYS - 1)]
    last = {put["ShardId"]: int(put["SequenceNumber"]) for put in puts}
    merge(world, name, S0, S1)
    split(world, name, S2, MIDDLE)
    shards = by_id(world, name)
    number = lambda shard, which: int(shards[shard]["SequenceNumberRange"][which])
    for parent in (S0, S1):
        end = number(parent, "EndingSequenceNumber")
        true(end >= last[parent], f"the end of {parent} is not below its last record's number")
        true(number(S2, "StartingSequenceNumber") > end, f"{S2} starts above the end of {parent}")
    for key in (0, HASH_KEYS - 1):
        put = world.put(name, "y", ExplicitHashKey=str(key))
        child = shards[put["ShardId"]]
        equal(child["ParentShardId"], S2)
        true(
            int(put["SequenceNumber"]) > number(S2, "EndingSequenceNumber"),
            "a child's record is above its parent's end",
        )


@check
def a_closed_shard_reads_to_its_end_and_names_its_children(world):
    name = world.stream()
    for n in range(5):
        world.put(name, str(n))
    open_ended = world.iterator(name, S0)
    split(world, name, S0, MIDDLE)
    # Both an iterator from before the split and one from after it come to the end.
    for iterator in (open_ended, world.iterator(name, S0)):
        read = []
        for _ in range(100):
            answer = world.kinesis.get_records(ShardIterator=iterator, Limit=2)
            read += datas(answer["Records"])
            iterator = answer.get("NextShardIterator")
            if iterator is None:
                break
            true("ChildShards" not in answer, "ChildShards come only at the end")
        equal(read, [str(n) for n in range(5)])
        true(iterator is None, "the last answer has no NextShardIterator")
        children = sorted(answer["ChildShards"], key=lambda child: child["ShardId"])
        equal([child["ShardId"] for child in children], [S1, S2])
        equal([child["ParentShards"] for child in children], [[S0], [S0]])
        shards = by_id(world, name)
        for child in children:
            equal(child["HashKeyRange"], shards[child["ShardId"]]["HashKeyRange"])


@check
def a_merged_shard_names_its_child_with_both_parents(world):
    name = world.stream(shards=2)
    merge(world, name, S0, S1)
    for parent in (S0, S1):
        answer = world.kinesis.get_records(ShardIterator=world.iterator(name, parent))
        true("NextShardIterator" not in answer, f"{parent} is at its end")
        [child] = answer["ChildShards"]
        equal(child["ShardId"], S2)
        equal(sorted(child["ParentShards"]), [S0, S1])


@check
def latest_on_a_closed_shard_is_its_end(world):
    name = world.stream()
    world.put(name, "x")
    split(world, name, S0, MIDDLE)
    answer = world.kinesis.get_records(ShardIterator=world.iterator(name, S0, "LATEST"))
    equal(answer["Records"], [])
    true("NextShardIterator" not in answer, "no NextShardIterator at the end")
    equal(len(answer["ChildShards"]), 2)


@check
def parents_before_children_gives_each_keys_records_in_order(world):
    name = world.stream(shards=2)
    keys = [f"key-{n}" for n in range(10)]
    written = {key: [] for key in keys}

    def put_round(number):
        for key in keys:
            world.put(name, f"{key}:{number}", key=key)
            written[key].append(f"{key}:{number}")

    put_round(0)
    split(world, name, S0, 1 << 125)
    put_round(1)
    merge(world, name, S3, S1)
    put_round(2)
    lowest = min(world.open_shards(name), key=hash_range)
    split(world, name, lowest["ShardId"], 1 << 124)
    put_round(3)
    covers_all_keys_once(world.open_shards(name))

    read = {key: [] for key in keys}
    shards = world.shards(name)
    done = set()
    while len(done) < len(shards):
        before = len(done)
        for shard in shards:
            parents = {shard.get("ParentShardId"), shard.get("AdjacentParentShardId")} - {None}
            if shard["ShardId"] in done or not parents <= done:
                continue
            for record in world.read_shard(name, shard["ShardId"]):
                read[record["PartitionKey"]].append(record["Data"].decode())
            done.add(shard["ShardId"])
        true(len(done) > before, "every shard's parents are in the list")
    for key in keys:
        equal(read[key], written[key], key)


@check
def a_split_needs_a_key_inside_the_shard(world):
    name = world.stream(shards=2)
    low, high = hash_range(by_id(world, name)[S1])
    call = world.kinesis.split_shard
    base = {"StreamName": name, "ShardToSplit": S1}
    for wrong in (0, low - 1, low):
        refused("InvalidArgumentException", call, NewStartingHashKey=str(wrong), **base)
    top = {"StreamName": name, "ShardToSplit": S0, "NewStartingHashKey": str(low)}
    refused("InvalidArgumentException", call, **top)
    refused("InvalidArgumentException", call, NewStartingHashKey=str(high + 1), **base)
    refused("ValidationException", call, NewStartingHashKey="no", **base)
    refused("ValidationException", call, **base)
    equal(len(world.shards(name)), 2, "shards after refused splits")


@check
def a_merge_needs_two_neighbours(world):
    name = world.stream(shards=3)
    call = world.kinesis.merge_shards
    refused(
        "InvalidArgumentException", call,
        StreamName=name, ShardToMerge=S0, AdjacentShardToMerge=S2,
    )
    refused(
        "InvalidArgumentException", call,
        StreamName=name, ShardToMerge=S0, AdjacentShardToMerge=S0,
    )
    refused("ValidationException", call, StreamName=name, ShardToMerge=S0)
    equal(len(world.shards(name)), 3, "shards after refused merges")


@check
def closed_and_missing_shards_cannot_be_resharded(world):
    name = world.stream()
    split(world, name, S0, MIDDLE)
    closed = ("ResourceInUseException", "InvalidArgumentException")
    split_shard, merge_shards = world.kinesis.split_shard, world.kinesis.merge_shards
    key = {"NewStartingHashKey": str(MIDDLE)}
    refused(closed, split_shard, StreamName=name, ShardToSplit=S0, **key)
    refused(
        closed, merge_shards, StreamName=name, ShardToMerge=S0, AdjacentShardToMerge=S1
    )
    missing = "ResourceNotFoundException"
    refused(missing, split_shard, StreamName=name, ShardToSplit="shardId-000000000009", **key)
    refused(
        missing, merge_shards,
        StreamName=name, ShardToMerge="shardId-000000000009", AdjacentShardToMerge=S1,
    )
    refused(missing, split_shard, StreamName="none-such", ShardToSplit=S0, **key)


@check
def puts_go_on_while_the_stream_is_resharded(world):
    name = world.stream()
    world.kinesis.split_shard(StreamName=name, ShardToSplit=S0, NewStartingHashKey=str(MIDDLE))
    # No wait for ACTIVE: "read and write operations continue to work while UPDATING".
    for n in range(20):
        world.put(name, f"{n:02}", key=str(n))
    world.active(name)
    read = [data for shard in (S0, S1, S2) for data in datas(world.read_shard(name, shard))]
    equal(sorted(read), [f"{n:02}" for n in range(20)])

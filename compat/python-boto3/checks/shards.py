"""ListShards: paging, tokens and each kind of filter."""

import datetime

from harness import check, equal, refused, true, wait_until


def ids(shards):
    """The shards' numbers: "shardId-000000000012" is 12."""
    return [int(shard["ShardId"].removeprefix("shardId-")) for shard in shards]


def resharded(world):
    """Two shards of which the first is split into shards 2 and 3, and times before and after.

    Returns the stream's name, a time when 0 and 1 were open, and one when 1, 2 and 3 were."""
    name = world.stream(shards=2)
    now = lambda: datetime.datetime.now(datetime.timezone.utc)
    created = world.summary(name)["StreamCreationTimestamp"]
    # Both times are kept 50 ms from the split, to be sure of the order at millisecond precision.
    gap = datetime.timedelta(milliseconds=50)
    wait_until("the stream is 50 ms old", lambda: now() > created + 2 * gap)
    before = now() - gap / 2
    wait_until("50 ms have passed", lambda: now() > before + 2 * gap)
    world.kinesis.split_shard(
        StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 126)
    )
    world.active(name)
    done = now()
    wait_until("50 ms have passed", lambda: now() > done + 2 * gap)
    return name, before, done + gap


@check
def shards_are_listed_in_order_of_their_ids(world):
    name = world.stream(shards=12)
    answer = world.kinesis.list_shards(StreamName=name)
    equal(ids(answer["Shards"]), list(range(12)))
    true("NextToken" not in answer, "no NextToken when all is listed")


@check
def max_results_pages_with_tokens(world):
    name = world.stream(shards=7)
    first = world.kinesis.list_shards(StreamName=name, MaxResults=3)
    equal(ids(first["Shards"]), [0, 1, 2])
    second = world.kinesis.list_shards(NextToken=first["NextToken"], MaxResults=2)
    equal(ids(second["Shards"]), [3, 4])
    again = world.kinesis.list_shards(NextToken=first["NextToken"], MaxResults=2)
    equal(ids(again["Shards"]), [3, 4], "the same token gives the same page")
    third = world.kinesis.list_shards(NextToken=second["NextToken"])
    equal(ids(third["Shards"]), [5, 6])
    true("NextToken" not in third, "no NextToken on the last page")


@check
def a_page_has_1000_shards_by_default(world):
    name = world.stream(shards=1001)
    first = world.kinesis.list_shards(StreamName=name)
    equal(len(first["Shards"]), 1000)
    second = world.kinesis.list_shards(NextToken=first["NextToken"])
    equal(ids(second["Shards"]), [1000])
    more = world.kinesis.list_shards(StreamName=name, MaxResults=10_000)
    equal(len(more["Shards"]), 1000, "more than 1,000 results are never returned")


@check
def exclusive_start_shard_id_starts_after_it(world):
    name = world.stream(shards=5)
    answer = world.kinesis.list_shards(
        StreamName=name, ExclusiveStartShardId="shardId-000000000002"
    )
    equal(ids(answer["Shards"]), [3, 4])
    answer = world.kinesis.list_shards(
        StreamName=name, ExclusiveStartShardId="shardId-000000000004"
    )
    equal(answer["Shards"], [])


@check
def tokens_and_members_that_do_not_go_together_are_refused(world):
    name = world.stream(shards=3)
    token = world.kinesis.list_shards(StreamName=name, MaxResults=1)["NextToken"]
    list_shards = world.kinesis.list_shards
    invalid = "InvalidArgumentException"
    # The SDK's own paginator does this (botocore issue 2009); AWS refuses it all the same.
    refused(
        invalid, list_shards, "NextToken and StreamName cannot be provided together.",
        StreamName=name, NextToken=token,
    )
    refused(
        invalid, list_shards, NextToken=token, ExclusiveStartShardId="shardId-000000000000"
    )
    refused(invalid, list_shards, NextToken="garbage")
    refused((invalid, "ValidationException"), list_shards)
    refused("ValidationException", list_shards, StreamName=name, MaxResults=0)
    refused("ValidationException", list_shards, StreamName=name, MaxResults=10_001)
    refused("ValidationException", list_shards, NextToken="")


@check
def closed_shards_are_listed_unless_only_open_ones_are_asked_for(world):
    name, _, _ = resharded(world)
    equal(ids(world.shards(name)), [0, 1, 2, 3])
    equal(ids(world.shards(name, ShardFilter={"Type": "FROM_TRIM_HORIZON"})), [0, 1, 2, 3])
    equal(ids(world.shards(name, ShardFilter={"Type": "AT_LATEST"})), [1, 2, 3])


@check
def at_trim_horizon_lists_the_first_generation(world):
    name, _, _ = resharded(world)
    equal(ids(world.shards(name, ShardFilter={"Type": "AT_TRIM_HORIZON"})), [0, 1])


@check
def at_timestamp_lists_what_was_open_then(world):
    name, before, after = resharded(world)
    at = lambda time: ids(
        world.shards(name, ShardFilter={"Type": "AT_TIMESTAMP", "Timestamp": time})
    )
    equal(at(before), [0, 1], "open before the split")
    equal(at(after), [1, 2, 3], "open after the split")


@check
def from_timestamp_lists_what_was_open_since(world):
    name, before, after = resharded(world)
    since = lambda time: ids(
        world.shards(name, ShardFilter={"Type": "FROM_TIMESTAMP", "Timestamp": time})
    )
    equal(since(before), [0, 1, 2, 3], "open at some time since before the split")
    equal(since(after), [1, 2, 3], "open at some time since after the split")
    # "Corrected to TRIM_HORIZON if less than the TRIM_HORIZON value."
    equal(since(datetime.datetime(2016, 1, 1)), [0, 1, 2, 3], "since long ago")


@check
def after_shard_id_lists_from_there(world):
    name, _, _ = resharded(world)
    after = {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}
    equal(ids(world.shards(name, ShardFilter=after)), [2, 3])


@check
def a_filter_is_kept_across_pages(world):
    name, _, _ = resharded(world)
    first = world.kinesis.list_shards(
        StreamName=name, MaxResults=2, ShardFilter={"Type": "AT_LATEST"}
    )
    equal(ids(first["Shards"]), [1, 2])
    second = world.kinesis.list_shards(NextToken=first["NextToken"])
    equal(ids(second["Shards"]), [3])


@check
def filters_are_validated(world):
    name = world.stream()
    list_shards = world.kinesis.list_shards
    invalid = ("InvalidArgumentException", "ValidationException")
    refused("ValidationException", list_shards, StreamName=name, ShardFilter={"Type": "SOME"})
    refused("ValidationException", list_shards, StreamName=name, ShardFilter={})
    for kind in ("AT_TIMESTAMP", "FROM_TIMESTAMP", "AFTER_SHARD_ID"):
        refused(invalid, list_shards, StreamName=name, ShardFilter={"Type": kind})


@check
def the_creation_time_tells_streams_of_one_name_apart(world):
    name = world.stream()
    created = world.summary(name)["StreamCreationTimestamp"]
    answer = world.kinesis.list_shards(StreamName=name, StreamCreationTimestamp=created)
    equal(ids(answer["Shards"]), [0])
    other = created - datetime.timedelta(days=1)
    refused(
        "ResourceNotFoundException", world.kinesis.list_shards,
        StreamName=name, StreamCreationTimestamp=other,
    )

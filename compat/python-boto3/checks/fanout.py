"""SubscribeToShard, over HTTP/1.1 as botocore speaks it: events, positions, ends and take-overs."""

import contextlib
import time

from harness import MIB, check, datas, equal, refused, true, wait_until

SHARD = "shardId-000000000000"


@contextlib.contextmanager
def subscription(world, consumer, shard=SHARD, **position):
    """The stream of events of one subscription, closed at the end."""
    answer = world.kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId=shard, StartingPosition=position
    )
    stream = answer["EventStream"]
    try:
        yield (event["SubscribeToShardEvent"] for event in stream)
    finally:
        stream.close()


def take(events, count):
    """Reads events until `count` records came; returns the records and the last event."""
    records = []
    for event in events:
        records += event["Records"]
        if len(records) >= count:
            equal(len(records), count, "records received")
            return records, event
    raise AssertionError(f"the subscription ended after {len(records)} of {count} records")


def filled(world, count=5):
    name = world.stream()
    numbers = [world.put(name, str(n))["SequenceNumber"] for n in range(count)]
    return name, numbers


@check
def events_carry_records_and_the_position_to_go_on_from(world):
    name, numbers = filled(world)
    consumer = world.consumer(name)
    with subscription(world, consumer, Type="TRIM_HORIZON") as events:
        records, last = take(events, 5)
    equal(datas(records), ["0", "1", "2", "3", "4"])
    equal([record["SequenceNumber"] for record in records], numbers)
    equal([record["PartitionKey"] for record in records], ["k"] * 5)
    true(all("ApproximateArrivalTimestamp" in record for record in records), "arrival times")
    equal(last["MillisBehindLatest"], 0)
    true(not last.get("ChildShards"), "no ChildShards from an open shard")
    go_on = last["ContinuationSequenceNumber"]
    true(int(go_on) >= int(numbers[-1]), "ContinuationSequenceNumber is not before the last record")
    world.put(name, "next")
    other = world.consumer(name, "other")
    position = {"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": go_on}
    with subscription(world, other, **position) as events:
        equal(datas(take(events, 1)[0]), ["next"])


@check
def each_starting_position_starts_where_it_says(world):
    name, numbers = filled(world)
    times = [r["ApproximateArrivalTimestamp"] for r in world.read_shard(name)]
    first_at = times.index(times[2])
    cases = [
        ({"Type": "TRIM_HORIZON"}, ["0", "1", "2", "3", "4"]),
        ({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": numbers[3]}, ["3", "4"]),
        ({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": numbers[3]}, ["4"]),
        ({"Type": "AT_TIMESTAMP", "Timestamp": times[2]}, [str(n) for n in range(first_at, 5)]),
        ({"Type": "AT_TIMESTAMP", "Timestamp": 1459799926.480}, ["0", "1", "2", "3", "4"]),
    ]
    for number, (position, expected) in enumerate(cases):
        consumer = world.consumer(name, f"c{number}")
        with subscription(world, consumer, **position) as events:
            equal(datas(take(events, len(expected))[0]), expected, str(position))


@check
def latest_receives_what_is_put_afterwards(world):
    name, _ = filled(world)
    consumer = world.consumer(name)
    with subscription(world, consumer, Type="LATEST") as events:
        fastest = 60
        for round_ in range(3):
            world.put(name, f"new {round_}")
            start = time.monotonic()
            equal(datas(take(events, 1)[0]), [f"new {round_}"])
            fastest = min(fastest, time.monotonic() - start)
        # AWS documents about 70 ms; a server that polled by the second would be above it each time. One may be held up.
        true(fastest < 0.5, f"pushed when it is put, took {fastest:.2f} s at best")


@check
def an_idle_subscription_says_that_it_is_caught_up(world):
    name = world.stream()
    consumer = world.consumer(name)
    with subscription(world, consumer, Type="LATEST") as events:
        event = next(events)
        equal(event["Records"], [])
        equal(event["MillisBehindLatest"], 0)
        true(event["ContinuationSequenceNumber"].isdigit(), "a position even with no data")


@check
def many_records_arrive_once_and_in_order(world):
    name = world.stream()
    consumer = world.consumer(name)
    with subscription(world, consumer, Type="TRIM_HORIZON") as events:
        for start in range(0, 3000, 500):
            entries = [
                {"Data": f"{n}:{'x' * 200}".encode(), "PartitionKey": "k"}
                for n in range(start, start + 500)
            ]
            world.kinesis.put_records(StreamName=name, Records=entries)
        records, _ = take(events, 3000)
    equal([int(data.split(":")[0]) for data in datas(records)], list(range(3000)))


@check
def the_largest_records_arrive_whole(world):
    name = world.stream(MaxRecordSizeInKiB=10_240)
    consumer = world.consumer(name)
    sizes = [10 * MIB - 1, 1, 4 * MIB, 4 * MIB, 4 * MIB, 4 * MIB, 10 * MIB - 1]
    for number, size in enumerate(sizes):
        world.put(name, bytes([number]) * size)
    with subscription(world, consumer, Type="TRIM_HORIZON") as events:
        records, _ = take(events, len(sizes))
    seen = [(record["Data"][0], len(record["Data"])) for record in records]
    equal(seen, list(enumerate(sizes)))


@check
def a_closed_shard_ends_with_its_children(world):
    name, _ = filled(world)
    consumer = world.consumer(name)
    with subscription(world, consumer, Type="TRIM_HORIZON") as events:
        equal(len(take(events, 5)[0]), 5)
        world.kinesis.split_shard(
            StreamName=name, ShardToSplit=SHARD, NewStartingHashKey=str(1 << 127)
        )
        rest = list(events)  # the server ends the stream by itself
    true(rest, "an event at the end of the shard")
    equal([record for event in rest for record in event["Records"]], [])
    children = sorted(rest[-1]["ChildShards"], key=lambda child: child["ShardId"])
    equal([child["ShardId"] for child in children], ["shardId-000000000001", "shardId-000000000002"])
    equal([child["ParentShards"] for child in children], [[SHARD], [SHARD]])
    listed = {shard["ShardId"]: shard["HashKeyRange"] for shard in world.shards(name)}
    for child in children:
        equal(child["HashKeyRange"], listed[child["ShardId"]])

    world.active(name)
    late = world.consumer(name, "late")
    with subscription(world, late, Type="TRIM_HORIZON") as events:
        events = list(events)
    equal([r["Data"] for event in events for r in event["Records"]], [b"0", b"1", b"2", b"3", b"4"])
    equal(len(events[-1]["ChildShards"]), 2)


@check
def a_second_subscription_within_five_seconds_is_refused(world):
    name, _ = filled(world)
    consumer = world.consumer(name)
    position = {"Type": "TRIM_HORIZON"}
    with subscription(world, consumer, **position) as events:
        started = time.monotonic()
        take(events, 5)
        refused(
            "ResourceInUseException", world.kinesis.subscribe_to_shard,
            ConsumerARN=consumer, ShardId=SHARD, StartingPosition=position,
        )
        true(time.monotonic() - started < 5, "the second call was made within five seconds")
        # Other consumers and other shards are not concerned.
        other = world.consumer(name, "other")
        with subscription(world, other, **position) as others:
            take(others, 5)


@check
def a_second_subscription_after_five_seconds_takes_over(world):
    name, _ = filled(world)
    consumer = world.consumer(name)
    position = {"Type": "TRIM_HORIZON"}
    with subscription(world, consumer, **position) as first:
        started = time.monotonic()
        take(first, 5)
        wait_until("five seconds have passed", lambda: time.monotonic() - started > 5.1)
        with subscription(world, consumer, **position) as second:
            take(second, 5)
            # "the previous connection expires or fails with a ResourceInUseException"
            try:
                left = [record for event in first for record in event["Records"]]
                equal(left, [], "records to the subscription that was taken over")
            except Exception as error:
                true("ResourceInUse" in str(error), f"ended by ResourceInUseException, saw {error}")


@check
def subscriptions_are_validated(world):
    name, numbers = filled(world, 1)
    consumer = world.consumer(name)
    subscribe = world.kinesis.subscribe_to_shard
    trim = {"StartingPosition": {"Type": "TRIM_HORIZON"}}
    missing = "ResourceNotFoundException"
    refused(missing, subscribe, ConsumerARN=consumer, ShardId="shardId-000000000009", **trim)
    gone = world.arn(name) + "/consumer/nobody:1700000000"
    refused(missing, subscribe, ConsumerARN=gone, ShardId=SHARD, **trim)
    base = {"ConsumerARN": consumer, "ShardId": SHARD}
    refused("ValidationException", subscribe, **base)
    refused("ValidationException", subscribe, StartingPosition={"Type": "SOMEWHERE"}, **base)
    refused("ValidationException", subscribe, StartingPosition={}, **base)
    refused("ValidationException", subscribe, ConsumerARN="nonsense", ShardId=SHARD, **trim)
    refused("ValidationException", subscribe, ShardId=SHARD, **trim)
    invalid = "InvalidArgumentException"
    refused(invalid, subscribe, StartingPosition={"Type": "AT_SEQUENCE_NUMBER"}, **base)
    refused(invalid, subscribe, StartingPosition={"Type": "AT_TIMESTAMP"}, **base)
    with_number = {"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": "17"}
    refused(invalid, subscribe, StartingPosition=with_number, **base)
    # None of those counted as a subscription.
    with subscription(world, consumer, Type="AT_SEQUENCE_NUMBER", SequenceNumber=numbers[0]) as events:
        equal(datas(take(events, 1)[0]), ["0"])

"""GetShardIterator: the five types, and every way to ask for one wrongly."""

import datetime

from harness import check, datas, equal, refused, true, wait_until

SHARD = "shardId-000000000000"


def filled(world):
    """A one-shard stream with records "0".."9", and their sequence numbers."""
    name = world.stream()
    return name, [world.put(name, str(n))["SequenceNumber"] for n in range(10)]


def read(world, name, kind, **more):
    return datas(world.read(world.iterator(name, SHARD, kind, **more)))


@check
def trim_horizon_starts_at_the_oldest_record(world):
    name, _ = filled(world)
    equal(read(world, name, "TRIM_HORIZON"), [str(n) for n in range(10)])


@check
def latest_starts_after_the_newest_record(world):
    name, _ = filled(world)
    iterator = world.iterator(name, SHARD, "LATEST")
    equal(datas(world.read(iterator)), [])
    world.put(name, "new")
    # The same iterator again: it names a position, not a session.
    equal(datas(world.read(iterator)), ["new"])


@check
def at_and_after_a_sequence_number(world):
    name, numbers = filled(world)
    for n in (0, 4, 9):
        expected = [str(rest) for rest in range(n, 10)]
        at = read(world, name, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[n])
        equal(at, expected, f"records at {n}")
        after = read(world, name, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[n])
        equal(after, expected[1:], f"records after {n}")


@check
def the_shards_own_starting_number_is_a_position(world):
    # Consumers start from the numbers that ListShards gives; KCL's ShardSyncer does.
    name, _ = filled(world)
    start = world.shards(name)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    everything = [str(n) for n in range(10)]
    equal(read(world, name, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=start), everything)
    equal(read(world, name, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=start), everything)


@check
def at_timestamp_before_the_data_starts_at_the_oldest(world):
    name, _ = filled(world)
    for time in (datetime.datetime(2016, 4, 4), 0, 1459799926.480):
        equal(len(read(world, name, "AT_TIMESTAMP", Timestamp=time)), 10, f"records since {time}")


@check
def at_timestamp_within_the_data_starts_there(world):
    name = world.stream()
    world.put(name, "early")
    [early] = world.read_shard(name)
    arrived = early["ApproximateArrivalTimestamp"]

    def later_record():
        world.put(name, "late")
        return world.read_shard(name)[-1]["ApproximateArrivalTimestamp"] > arrived

    wait_until("a record arrives with a later timestamp", later_record)
    records = world.read_shard(name)
    # Arrival times have millisecond precision, and reading at one includes it.
    for record in records:
        time = record["ApproximateArrivalTimestamp"]
        expected = [
            r["SequenceNumber"] for r in records if r["ApproximateArrivalTimestamp"] >= time
        ]
        read_at = world.read(world.iterator(name, SHARD, "AT_TIMESTAMP", Timestamp=time))
        equal([r["SequenceNumber"] for r in read_at], expected, f"records since {time}")


@check
def at_timestamp_after_the_data_starts_with_what_comes(world):
    name, _ = filled(world)
    last = world.read_shard(name)[-1]["ApproximateArrivalTimestamp"]
    after = last + datetime.timedelta(milliseconds=1)
    wait_until("that time has passed", lambda: datetime.datetime.now(last.tzinfo) > after)
    equal(read(world, name, "AT_TIMESTAMP", Timestamp=after), [])
    iterator = world.iterator(name, SHARD, "AT_TIMESTAMP", Timestamp=after)
    world.put(name, "new")
    equal(datas(world.read(iterator)), ["new"])


@check
def a_timestamp_in_the_future_is_refused(world):
    name, _ = filled(world)
    future = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    refused(
        "InvalidArgumentException", world.kinesis.get_shard_iterator,
        StreamName=name, ShardId=SHARD, ShardIteratorType="AT_TIMESTAMP", Timestamp=future,
    )


@check
def members_must_fit_the_iterator_type(world):
    name, numbers = filled(world)
    get = world.kinesis.get_shard_iterator
    base = {"StreamName": name, "ShardId": SHARD}
    invalid = "InvalidArgumentException"
    refused(invalid, get, ShardIteratorType="AT_SEQUENCE_NUMBER", **base)
    refused(invalid, get, ShardIteratorType="AFTER_SEQUENCE_NUMBER", **base)
    refused(invalid, get, ShardIteratorType="AT_TIMESTAMP", **base)
    number = {"StartingSequenceNumber": numbers[0]}
    refused(invalid, get, ShardIteratorType="TRIM_HORIZON", **number, **base)
    refused(invalid, get, ShardIteratorType="LATEST", **number, **base)
    refused("ValidationException", get, ShardIteratorType="NEWEST", **base)
    refused("ValidationException", get, **base)
    refused("ValidationException", get, StreamName=name, ShardIteratorType="LATEST")


@check
def sequence_numbers_that_are_not_this_shards_are_refused(world):
    name = world.stream(shards=2)
    first, second = [shard["ShardId"] for shard in world.shards(name)]
    number = world.put(name, "x", ExplicitHashKey="0")["SequenceNumber"]
    get = world.kinesis.get_shard_iterator
    base = {"StreamName": name, "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    refused("InvalidArgumentException", get, ShardId=second, StartingSequenceNumber=number, **base)
    refused("InvalidArgumentException", get, ShardId=first, StartingSequenceNumber="17", **base)
    for wrong in ("abc", "-5", "007"):
        refused("ValidationException", get, ShardId=first, StartingSequenceNumber=wrong, **base)


@check
def shards_and_streams_that_do_not_exist_are_not_found(world):
    name, _ = filled(world)
    get = world.kinesis.get_shard_iterator
    error = refused(
        "ResourceNotFoundException", get,
        StreamName=name, ShardId="shardId-000000000007", ShardIteratorType="LATEST",
    )
    equal(
        error.response["Error"]["Message"],
        f"Shard shardId-000000000007 in stream {name} under account {world.account} does not exist",
    )
    refused(
        "ResourceNotFoundException", get,
        StreamName=name, ShardId="nonsense", ShardIteratorType="LATEST",
    )
    refused(
        "ResourceNotFoundException", get,
        StreamName="no-such-stream", ShardId=SHARD, ShardIteratorType="LATEST",
    )


@check
def an_iterator_is_opaque_and_fits_the_model(world):
    name, _ = filled(world)
    iterator = world.iterator(name, SHARD)
    true(1 <= len(iterator) <= 512, f"an iterator of 1 to 512 characters, saw {len(iterator)}")
    get = world.kinesis.get_records
    refused("InvalidArgumentException", get, ShardIterator="garbage")
    refused("InvalidArgumentException", get, ShardIterator="AAAAAAAAAAE=")
    refused("InvalidArgumentException", get, ShardIterator=iterator[:-8])
    middle = len(iterator) // 2
    other = "A" if iterator[middle] != "A" else "B"
    altered = iterator[:middle] + other + iterator[middle + 1 :]
    refused("InvalidArgumentException", get, ShardIterator=altered)
    refused("ValidationException", get, ShardIterator="")
    refused("ValidationException", get, ShardIterator="x" * 513)
    refused("ValidationException", get)

"""GetRecords: limits, empty reads, being behind, long and large shards."""

import datetime
import time

from harness import MIB, check, datas, equal, refused, true

SHARD = "shardId-000000000000"


def put_many(world, name, count):
    for start in range(0, count, 500):
        entries = [
            {"Data": str(n).encode(), "PartitionKey": "k"}
            for n in range(start, min(start + 500, count))
        ]
        answer = world.kinesis.put_records(StreamName=name, Records=entries)
        equal(answer["FailedRecordCount"], 0)


@check
def an_empty_shard_reads_as_empty_and_goes_on(world):
    name = world.stream()
    iterator = world.iterator(name, SHARD)
    for _ in range(3):
        answer = world.kinesis.get_records(ShardIterator=iterator)
        equal(answer["Records"], [])
        equal(answer["MillisBehindLatest"], 0)
        true("ChildShards" not in answer, "an open shard has no ChildShards")
        iterator = answer["NextShardIterator"]
    world.put(name, "x")
    equal(datas(world.kinesis.get_records(ShardIterator=iterator)["Records"]), ["x"])


@check
def limit_bounds_what_one_call_returns(world):
    name = world.stream()
    put_many(world, name, 25)
    iterator = world.iterator(name, SHARD)
    sizes = []
    read = []
    for _ in range(4):
        answer = world.kinesis.get_records(ShardIterator=iterator, Limit=10)
        sizes.append(len(answer["Records"]))
        read += datas(answer["Records"])
        iterator = answer["NextShardIterator"]
    equal(sizes, [10, 10, 5, 0])
    equal(read, [str(n) for n in range(25)])
    one = world.kinesis.get_records(ShardIterator=world.iterator(name, SHARD), Limit=1)
    equal(datas(one["Records"]), ["0"])


@check
def limit_must_be_1_to_10000(world):
    name = world.stream()
    iterator = world.iterator(name, SHARD)
    refused("ValidationException", world.kinesis.get_records, ShardIterator=iterator, Limit=0)
    refused("ValidationException", world.kinesis.get_records, ShardIterator=iterator, Limit=-1)
    refused("ValidationException", world.kinesis.get_records, ShardIterator=iterator, Limit=10_001)


@check
def one_call_returns_up_to_10000_records(world):
    name = world.stream()
    put_many(world, name, 10_500)
    answer = world.kinesis.get_records(ShardIterator=world.iterator(name, SHARD))
    true(len(answer["Records"]) <= 10_000, f"at most 10,000, saw {len(answer['Records'])}")
    answer = world.kinesis.get_records(ShardIterator=world.iterator(name, SHARD), Limit=10_000)
    equal(len(answer["Records"]), 10_000)
    rest = world.kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    equal(datas(rest["Records"]), [str(n) for n in range(10_000, 10_500)])
    equal(datas(world.read_shard(name)), [str(n) for n in range(10_500)])


@check
def one_call_returns_up_to_ten_mebibytes(world):
    name = world.stream()
    data = bytes(MIB - 1)
    for _ in range(14):
        world.put(name, data)
    iterator = world.iterator(name, SHARD)
    sizes = []
    while sum(sizes) < 14:
        answer = world.kinesis.get_records(ShardIterator=iterator)
        size = sum(len(record["Data"]) for record in answer["Records"])
        true(size <= 10 * MIB, f"at most 10 MiB of data in one answer, saw {size} bytes")
        true(answer["Records"], "a read that is behind makes progress")
        sizes.append(len(answer["Records"]))
        iterator = answer["NextShardIterator"]
    equal(sum(sizes), 14)


@check
def millis_behind_latest_tells_how_far_behind(world):
    name = world.stream()
    put_many(world, name, 2)
    start = time.monotonic()
    # The figure is the age of the next record: let it become visible.
    while time.monotonic() - start < 0.3:
        answer = world.kinesis.get_records(ShardIterator=world.iterator(name, SHARD), Limit=1)
    behind = answer["MillisBehindLatest"]
    true(behind > 0, f"above 0 with a record still unread, saw {behind}")
    true(behind < 60_000, f"no more than the records' age, saw {behind}")
    answer = world.kinesis.get_records(ShardIterator=answer["NextShardIterator"], Limit=1)
    equal(answer["MillisBehindLatest"], 0, "MillisBehindLatest with the last record read")


@check
def arrival_times_are_now_with_milliseconds(world):
    name = world.stream()
    before = datetime.datetime.now(datetime.timezone.utc)
    for number in range(20):
        world.put(name, str(number))
    after = datetime.datetime.now(datetime.timezone.utc)
    times = [r["ApproximateArrivalTimestamp"] for r in world.read_shard(name)]
    slack = datetime.timedelta(milliseconds=50)
    for time_ in times:
        true(before - slack <= time_ <= after + slack, f"{before} to {after}, saw {time_}")
    equal(times, sorted(times))


@check
def reading_does_not_consume(world):
    name = world.stream()
    put_many(world, name, 5)
    iterator = world.iterator(name, SHARD)
    first = world.kinesis.get_records(ShardIterator=iterator)
    again = world.kinesis.get_records(ShardIterator=iterator)
    equal(datas(again["Records"]), datas(first["Records"]))
    equal(len(again["Records"]), 5)


@check
def get_records_takes_the_streams_arn_beside_the_iterator(world):
    name = world.stream()
    other = world.stream()
    put_many(world, name, 1)
    iterator = world.iterator(name, SHARD)
    answer = world.kinesis.get_records(ShardIterator=iterator, StreamARN=world.arn(name))
    equal(datas(answer["Records"]), ["0"])
    refused(
        ("InvalidArgumentException", "ValidationException"),
        world.kinesis.get_records, ShardIterator=iterator, StreamARN=world.arn(other),
    )

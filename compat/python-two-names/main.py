"""One log, two names: what boto3 puts into a stream is read by librdkafka from the topic, and the other way round.

HEADWATER_ENDPOINT and HEADWATER_KAFKA say where the server is. Prints one line a check.
"""

import base64
import os
import sys
import time
import traceback

import boto3
from botocore.config import Config
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

KAFKA = os.environ["HEADWATER_KAFKA"]
PATIENCE = 30
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# Half of the ring of hash keys.
MIDDLE = str(1 << 127)

kinesis = boto3.client(
    "kinesis",
    endpoint_url=os.environ["HEADWATER_ENDPOINT"],
    region_name="us-east-1",
    aws_access_key_id="000000000000",
    aws_secret_access_key="secret",
    config=Config(retries={"total_max_attempts": 1}),
)
admin = AdminClient({"bootstrap.servers": KAFKA})

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def equal(what, seen, expected):
    if seen != expected:
        raise AssertionError(f"{what}: expected {expected!r}, saw {seen!r}")


def true(what, condition):
    if not condition:
        raise AssertionError(what)


def until(what, look):
    deadline = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        true(f"not within {PATIENCE} s: {what}", time.monotonic() < deadline)
        time.sleep(0.02)


def stream(name, shards=1):
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    until("the stream is ACTIVE", lambda: status(name) == "ACTIVE")
    return name


def status(name):
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"]


def topic(name, partitions=1, config=None):
    """A topic, which is a stream that is ACTIVE."""
    admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(PATIENCE)
    until("the topic's stream is ACTIVE", lambda: status(name) == "ACTIVE")
    return name


def producer(**settings):
    return Producer({"bootstrap.servers": KAFKA, "linger.ms": 100, "partitioner": "consistent_random"} | settings)


def produce(name, records, partition=0, **settings):
    """Records as keyword arguments of librdkafka's `produce`; gives their offsets."""
    offsets, errors = [], []

    def delivered(error, message):
        if error:
            errors.append(error)
        else:
            offsets.append(message.offset())

    sender = producer(**settings)
    for record in records:
        sender.produce(name, partition=partition, on_delivery=delivered, **record)
    true("everything is delivered", sender.flush(PATIENCE) == 0)
    if errors:
        raise KafkaException(errors[0])
    return offsets


def reader(**settings):
    """A consumer outside any group: it is given its partitions, and commits nothing."""
    return Consumer({"bootstrap.servers": KAFKA, "group.id": "nobody", "enable.auto.commit": False} | settings)


def consume(name, count, partition=0, start=OFFSET_BEGINNING, **settings):
    """`count` messages of a partition."""
    consumer = reader(**settings)
    consumer.assign([TopicPartition(name, partition, start)])
    found = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        true(f"{count} messages within {PATIENCE} s, saw {len(found)}", time.monotonic() < deadline)
        for message in consumer.consume(count - len(found), 0.5):
            if message.error():
                raise KafkaException(message.error())
            found.append(message)
    consumer.close()
    return found


def shards(name):
    return [shard["ShardId"] for shard in kinesis.list_shards(StreamName=name)["Shards"]]


def iterator(name, shard="shardId-000000000000", kind="TRIM_HORIZON", **more):
    return kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType=kind, **more)["ShardIterator"]


def get(name, count, limit=10_000, **where):
    """`count` records of a shard."""
    at = iterator(name, **where)
    found = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        true(f"{count} records within {PATIENCE} s, saw {len(found)}", time.monotonic() < deadline)
        answer = kinesis.get_records(ShardIterator=at, Limit=limit)
        found += answer["Records"]
        at = answer.get("NextShardIterator")
        if at is None:
            break
    equal("records", len(found), count)
    return found


def millis(moment):
    return round(moment.timestamp() * 1000)


@check
def a_record_put_with_kinesis_is_consumed_by_kafka():
    name = stream("put-consumed")
    before = int(time.time() * 1000)
    put = kinesis.put_record(StreamName=name, PartitionKey="clé", Data=b"one", ExplicitHashKey=MIDDLE)
    records = [{"PartitionKey": f"k{n}", "Data": f"{n}".encode()} for n in range(100)]
    answer = kinesis.put_records(StreamName=name, Records=records)
    equal("failed", answer["FailedRecordCount"], 0)
    after = int(time.time() * 1000)
    found = consume(name, 101)
    equal("key", found[0].key(), "clé".encode())
    equal("value", found[0].value(), b"one")
    equal("headers", found[0].headers(), None)
    kind, at = found[0].timestamp()
    equal("timestamp type", kind, TIMESTAMP_CREATE_TIME)
    true(f"{at} is between {before} and {after}", before <= at <= after)
    equal("offsets", [message.offset() for message in found], list(range(101)))
    equal("values", [message.value() for message in found[1:]], [f"{n}".encode() for n in range(100)])
    again = get(name, 101)
    equal("first number", again[0]["SequenceNumber"], put["SequenceNumber"])
    equal("arrival", millis(again[0]["ApproximateArrivalTimestamp"]), at)


@check
def a_consumer_waits_at_the_tip_for_what_kinesis_puts():
    name = stream("put-waited-for")
    consumer = reader(**{"fetch.wait.max.ms": 30_000})
    consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    equal("nothing yet", consumer.poll(0.5), None)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"news")
    started = time.monotonic()
    message = until("the record comes", lambda: consumer.poll(0.1))
    true("it comes at once", time.monotonic() - started < 5)
    equal("value", message.value(), b"news")
    consumer.close()


@check
def what_kafka_wrote_with_each_codec_is_read_by_kinesis():
    for codec in CODECS:
        name = topic(f"codec-{codec}")
        values = [f"{codec} {n} ".encode() * 50 for n in range(200)]
        sent = [{"key": f"k{n}", "value": value} for n, value in enumerate(values)]
        offsets = produce(name, sent, **{"compression.type": codec})
        equal("offsets", offsets, list(range(200)))
        for limit in (10_000, 7):
            found = get(name, 200, limit=limit)
            equal(f"{codec} by {limit}", [record["Data"] for record in found], values)
            equal("keys", [record["PartitionKey"] for record in found], [f"k{n}" for n in range(200)])
        equal("read back by Kafka", [m.value() for m in consume(name, 200)], values)


@check
def sequence_numbers_grow_with_offsets_and_find_their_records():
    name = topic("numbers")
    produce(name, [{"value": f"{n}"} for n in range(50)], **{"compression.type": "zstd"})
    found = get(name, 50)
    numbers = [record["SequenceNumber"] for record in found]
    equal("in order", numbers, sorted(numbers, key=int))
    equal("by one", {int(b) - int(a) for a, b in zip(numbers, numbers[1:])}, {1})
    at = get(name, 30, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[20])
    equal("at", at[0]["Data"], b"20")
    after = get(name, 29, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[20])
    equal("after", after[0]["Data"], b"21")
    from_offset = consume(name, 30, start=20)
    equal("offset", from_offset[0].value(), b"20")
    # The next puts of either go on where the other was.
    put = kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"50")
    equal("one more", int(put["SequenceNumber"]), int(numbers[-1]) + 1)
    equal("and one", produce(name, [{"value": "51"}]), [51])


@check
def timestamps_of_producers_are_arrivals():
    name = topic("times")
    now = int(time.time() * 1000)
    times = [now - 3_600_000 + n * 60_000 for n in range(10)]
    produce(name, [{"value": f"{n}", "timestamp": at} for n, at in enumerate(times)], **{"compression.type": "lz4"})
    found = get(name, 10)
    equal("arrivals", [millis(record["ApproximateArrivalTimestamp"]) for record in found], times)
    by_time = get(name, 6, kind="AT_TIMESTAMP", Timestamp=times[4] / 1000)
    equal("at a time", by_time[0]["Data"], b"4")
    consumer = reader()
    (place,) = consumer.offsets_for_times([TopicPartition(name, 0, times[4] - 1)], PATIENCE)
    equal("the same in Kafka", place.offset, 4)
    consumer.close()
    answer = kinesis.get_records(ShardIterator=iterator(name), Limit=1)
    behind = int(time.time() * 1000) - times[1]
    true("behind", abs(answer["MillisBehindLatest"] - behind) < 10_000)


@check
def headers_null_keys_and_null_values_show_as_kinesis_can():
    name = topic("odd")
    long = "ü" * 257
    sent = [
        {"key": None, "value": b"no key"},
        {"key": b"k", "value": None},
        {"key": b"k", "value": b"headers", "headers": [("h", b"1"), ("h", None)]},
        {"key": b"\xff\x00", "value": b"no text"},
        {"key": b"", "value": b"empty"},
        {"key": long.encode(), "value": b"too long"},
        {"key": ("ü" * 256).encode(), "value": b"just so long"},
    ]
    for one in sent:
        produce(name, [one])
    found = get(name, 7)
    keys = [record.get("PartitionKey") for record in found]
    equal("no key", keys[0], None)
    equal("text", keys[1:3], ["k", "k"])
    equal("bytes", keys[3], "base64:" + base64.b64encode(b"\xff\x00").decode())
    equal("empty", keys[4], "base64:")
    true("hashed", keys[5].startswith("sha256:") and len(keys[5]) == 71)
    equal("256 characters", keys[6], "ü" * 256)
    equal("no value", found[1]["Data"], b"")
    equal("value", found[2]["Data"], b"headers")
    equal("Kafka keeps headers", consume(name, 7)[2].headers(), [("h", b"1"), ("h", None)])


@check
def subscribers_are_pushed_what_kafka_writes():
    name = topic("pushed")
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    active = lambda: kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"]
    until("the consumer is ACTIVE", lambda: active() == "ACTIVE")
    events = kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId="shardId-000000000000", StartingPosition={"Type": "TRIM_HORIZON"}
    )["EventStream"]
    produce(name, [{"key": "k", "value": f"{n}" * 100} for n in range(100)], **{"compression.type": "gzip"})
    found = []
    for event in events:
        found += event["SubscribeToShardEvent"]["Records"]
        if len(found) >= 100:
            break
    events.close()
    equal("data", [record["Data"].decode() for record in found], [f"{n}" * 100 for n in range(100)])
    equal("keys", {record["PartitionKey"] for record in found}, {"k"})


@check
def either_side_sees_what_the_other_made():
    stream("made-by-kinesis", 3)
    metadata = admin.list_topics(timeout=PATIENCE).topics
    equal("partitions", sorted(metadata["made-by-kinesis"].partitions), [0, 1, 2])
    longest = "t" * 249
    topic(longest, 2)
    topic("forever", 1, {"retention.ms": "-1"})
    topic("a-minute", 1, {"retention.ms": "60000"})
    names = []
    for page in kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 2}):
        names += page["StreamNames"]
    true("all are listed", {"made-by-kinesis", longest, "forever"} <= set(names))
    for name in names:
        described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
        summary = kinesis.describe_stream_summary(StreamARN=described["StreamARN"])
        equal("name", summary["StreamDescriptionSummary"]["StreamName"], name)
    equal("shards", shards(longest), ["shardId-000000000000", "shardId-000000000001"])
    kinesis.put_record(StreamName=longest, PartitionKey="k", Data=b"d")
    hours = lambda name: kinesis.describe_stream(StreamName=name)["StreamDescription"]["RetentionPeriodHours"]
    equal("unlimited shows AWS's longest", hours("forever"), 8760)
    equal("a minute shows an hour", hours("a-minute"), 1)
    kinesis.delete_stream(StreamName=longest)
    true("gone", longest not in admin.list_topics(timeout=PATIENCE).topics)
    admin.delete_topics(["made-by-kinesis"])["made-by-kinesis"].result(PATIENCE)
    try:
        kinesis.describe_stream(StreamName="made-by-kinesis")
        raise AssertionError("a deleted topic is described")
    except kinesis.exceptions.ResourceNotFoundException:
        pass


@check
def split_and_merged_streams_are_read_to_the_end_of_each_partition():
    name = stream("resharded")
    first = [f"before {n}" for n in range(20)]
    kinesis.put_records(StreamName=name, Records=[{"PartitionKey": v, "Data": v.encode()} for v in first])
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    until("the stream is ACTIVE", lambda: status(name) == "ACTIVE")
    low = kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"low", ExplicitHashKey="0")
    high = kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"high", ExplicitHashKey=MIDDLE)
    equal("shards", [low["ShardId"][-1], high["ShardId"][-1]], ["1", "2"])
    kinesis.merge_shards(StreamName=name, ShardToMerge=low["ShardId"], AdjacentShardToMerge=high["ShardId"])
    until("the stream is ACTIVE", lambda: status(name) == "ACTIVE")
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"merged")
    metadata = admin.list_topics(name, timeout=PATIENCE).topics[name]
    equal("partitions", sorted(metadata.partitions), [0, 1, 2, 3])
    equal("closed first", [m.value().decode() for m in consume(name, 20, 0)], first)
    for partition, value in ((1, b"low"), (2, b"high"), (3, b"merged")):
        equal(f"partition {partition}", consume(name, 1, partition)[0].value(), value)
    at_end = reader(**{"enable.partition.eof": True})
    at_end.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    seen = [until("a message or the end", lambda: at_end.poll(0.2)) for _ in range(21)]
    equal("the end", seen[20].error().code(), KafkaError._PARTITION_EOF)
    at_end.close()
    try:
        produce(name, [{"value": b"late"}], partition=0)
        raise AssertionError("a closed partition took a record")
    except KafkaException as error:
        equal("refused", error.args[0].code(), KafkaError.POLICY_VIOLATION)
    equal("open", produce(name, [{"value": b"on time"}], partition=3), [1])


@check
def a_group_at_the_latest_misses_nothing_after_a_split():
    name = stream("split-under-a-group")
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"before")
    settings = {"group.id": name, "auto.offset.reset": "latest"}
    first = reader(**settings)
    first.commit(offsets=[TopicPartition(name, 0, 1)], asynchronous=False)
    first.close()
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=MIDDLE)
    until("the stream is ACTIVE", lambda: status(name) == "ACTIVE")
    for key in ("0", MIDDLE):
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=key.encode(), ExplicitHashKey=key)
    second = reader(**settings)
    second.subscribe([name])
    found = [until("a record", lambda: second.poll(0.2)) for _ in range(2)]
    equal("values", sorted(message.value() for message in found), [b"0", MIDDLE.encode()])
    second.close()


@check
def partitions_are_not_added_under_a_reader_that_follows_shards():
    name = stream("followed", shards=2)
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="app")
    try:
        admin.create_partitions([NewPartitions(name, 4)])[name].result(PATIENCE)
        raise AssertionError("partitions were added")
    except KafkaException as error:
        equal("refused", error.args[0].code(), KafkaError.POLICY_VIOLATION)
        true(f"'{error}' says what to do", "UpdateShardCount" in str(error))
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="app")
    admin.create_partitions([NewPartitions(name, 4)])[name].result(PATIENCE)
    found = kinesis.list_shards(StreamName=name, ShardFilter={"Type": "AT_TRIM_HORIZON"})["Shards"]
    ranges = sorted((int(it["HashKeyRange"]["StartingHashKey"]), int(it["HashKeyRange"]["EndingHashKey"])) for it in found)
    equal("shards of the beginning", len(ranges), 4)
    equal("without holes", [start for start, _ in ranges[1:]], [end + 1 for _, end in ranges[:-1]])


@check
def a_number_of_a_deleted_stream_is_refused_by_the_next():
    name = stream("again")
    kept = kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"old")["SequenceNumber"]
    kinesis.delete_stream(StreamName=name)
    stream(name)
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"new")
    try:
        iterator(name, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=kept)
        raise AssertionError("it was taken")
    except kinesis.exceptions.InvalidArgumentException as error:
        true(f"'{error}' says why", "did not come from this stream" in str(error))


@check
def encrypted_streams_are_read_and_written_by_kafka():
    name = stream("sealed")
    kinesis.start_stream_encryption(StreamName=name, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    until("the stream is ACTIVE", lambda: status(name) == "ACTIVE")
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"by kinesis")
    produce(name, [{"key": "k", "value": f"by kafka {n}"} for n in range(3)], **{"compression.type": "zstd"})
    expected = ["by kinesis", "by kafka 0", "by kafka 1", "by kafka 2"]
    equal("Kafka", [message.value().decode() for message in consume(name, 4)], expected)
    found = get(name, 4, limit=1)
    equal("Kinesis", [record["Data"].decode() for record in found], expected)
    equal("encrypted", {record["EncryptionType"] for record in found}, {"KMS"})


@check
def large_batches_of_kafka_are_paged_by_kinesis():
    name = topic("large", config={"max.message.bytes": str(10 << 20)})
    value = bytes(range(256)) * (3 << 12)
    sent = [{"value": value} for _ in range(5)]
    produce(name, sent, **{"compression.type": "zstd", "message.max.bytes": 50_000_000, "batch.size": 50_000_000})
    answer = kinesis.get_records(ShardIterator=iterator(name))
    equal("three of 3 MiB fit 10 MiB", len(answer["Records"]), 3)
    equal("data", {record["Data"] for record in get(name, 5)}, {value})


@check
def transactions_show_once_they_are_committed():
    name = topic("transactions")
    writer = producer(**{"transactional.id": "two-names", "linger.ms": 0})
    writer.init_transactions(PATIENCE)

    def within(value):
        writer.begin_transaction()
        writer.produce(name, value=value, partition=0)
        true("it is written", writer.flush(PATIENCE) == 0)

    within(b"aborted")
    writer.abort_transaction(PATIENCE)
    within(b"committed")
    kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"after")
    answer = kinesis.get_records(ShardIterator=iterator(name))
    equal("nothing yet", answer["Records"], [])
    latest = iterator(name, kind="LATEST")
    writer.commit_transaction(PATIENCE)
    expected = [b"committed", b"after"]
    equal("from the start", [record["Data"] for record in get(name, 2)], expected)
    for at in (answer["NextShardIterator"], latest):
        found = until("it is there", lambda: kinesis.get_records(ShardIterator=at)["Records"])
        equal("from where it was held", [record["Data"] for record in found], expected)
    equal("Kafka", [message.value() for message in consume(name, 2)], expected)


def main():
    failed = 0
    for function in CHECKS:
        started = time.monotonic()
        try:
            function()
            word = "ok"
        except Exception:
            failed += 1
            word = "FAILED\n" + traceback.format_exc()
        print(f"{function.__name__.replace('_', ' ')} ({time.monotonic() - started:.1f} s) ... {word}", flush=True)
    sys.exit(1 if failed else 0)


main()

"""Compacted topics: see README.md."""

import json
import os
import random
import sys
import time

import boto3
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = os.environ["HEADWATER_KAFKA"]
ENDPOINT = os.environ["HEADWATER_ENDPOINT"]
TOPICS = {"compacted-plain": "none", "compacted-zstd": "zstd"}
KEYS = 400
OVERWRITES = 6
VALUE_BYTES = 200
# Of a hundred writes, so many are tombstones.
TOMBSTONES = 20
TOMBSTONES_FOR_MS = 2_000
PATIENCE = 120
failures = 0


def expect(what, seen, expected):
    global failures
    is_right = seen == expected
    failures += not is_right
    print(("ok   " if is_right else "FAIL ") + what + ("" if is_right else f": expected {expected!r}, saw {seen!r}"))


def create():
    admin = AdminClient({"bootstrap.servers": BROKER})
    config = {
        "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.05", "segment.ms": "100",
        "delete.retention.ms": str(TOMBSTONES_FOR_MS),
    }
    made = admin.create_topics([NewTopic(name, 1, 1, config=config) for name in TOPICS])
    for name, future in made.items():
        future.result(30)
        expect(f"{name} is made", True, True)


def write(state):
    """Overwrites every key several times; what is acknowledged is noted: topic -> key -> [offset, value]."""
    for topic, codec in TOPICS.items():
        latest = state.setdefault(topic, {})
        refused = []

        def acknowledged(error, message):
            if error is not None:
                refused.append(str(error))
                return
            value = message.value()
            key, noted = message.key().decode(), [message.offset(), value and value.decode()]
            if key not in latest or latest[key][0] < noted[0]:
                latest[key] = noted

        producer = Producer({
            "bootstrap.servers": BROKER, "compression.type": codec, "enable.idempotence": True, "linger.ms": 5,
            "batch.num.messages": 200,
        })
        for _ in range(OVERWRITES):
            keys = [f"key-{number}" for number in range(KEYS)]
            random.shuffle(keys)
            for key in keys:
                value = None if random.randrange(100) < TOMBSTONES else random.randbytes(VALUE_BYTES // 2).hex()
                producer.produce(topic, value, key, on_delivery=acknowledged)
                producer.poll(0)
        producer.flush(60)
        expect(f"{topic}: all writes are acknowledged", (refused, len(producer)), ([], 0))


def read(topic):
    """All that a new consumer sees from the beginning: [offset, key, value]."""
    consumer = Consumer({
        "bootstrap.servers": BROKER, "group.id": "unused", "enable.auto.commit": False, "enable.partition.eof": True,
        "auto.offset.reset": "earliest", "check.crcs": True,
    })
    consumer.assign([TopicPartition(topic, 0, 0)])
    seen, deadline = [], time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            break
        value = message.value()
        seen.append([message.offset(), message.key().decode(), value and value.decode()])
    consumer.close()
    return seen


def read_by_kinesis(stream):
    """All records of the stream's one shard: [key, value]."""
    client = boto3.client("kinesis", endpoint_url=ENDPOINT, region_name="us-east-1",
                          aws_access_key_id="a", aws_secret_access_key="b")
    shard = client.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    iterator = client.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    iterator, seen = iterator["ShardIterator"], []
    while True:
        answer = client.get_records(ShardIterator=iterator, Limit=1_000)
        seen += [[record["PartitionKey"], record["Data"].decode()] for record in answer["Records"]]
        iterator = answer["NextShardIterator"]
        if not answer["Records"] and answer["MillisBehindLatest"] == 0:
            return seen


def settle(state):
    """A last batch in each topic: the newest is never compacted."""
    for topic in TOPICS:
        producer = Producer({"bootstrap.servers": BROKER, "enable.idempotence": True})
        offsets = []
        producer.produce(topic, "end", "the end", on_delivery=lambda error, message: offsets.append(message.offset()))
        producer.flush(60)
        state[topic]["the end"] = [offsets[0], "end"]


def check(state):
    settle(state)
    for topic in TOPICS:
        expected = sorted([offset, key, value] for key, (offset, value) in state[topic].items() if value is not None)
        deadline = time.monotonic() + PATIENCE
        while (seen := read(topic)) != expected and time.monotonic() < deadline:
            time.sleep(0.5)
        expect(f"{topic}: offsets are in order", [one[0] for one in seen], sorted(one[0] for one in seen))
        expect(f"{topic}: each key is there once", len({one[1] for one in seen}), len(seen))
        expect(f"{topic}: the latest of each key, where it was", seen, expected)
        written = max(offset for offset, _ in state[topic].values()) + 1
        print(f"     {written} records written, {len(seen)} left")
        by_kinesis = read_by_kinesis(topic)
        expect(f"{topic}: Kinesis sees the same", by_kinesis, [[key, value] for _, key, value in seen])


def main():
    path, action = sys.argv[1:]
    state = {}
    if action != "create":
        with open(path) as file:
            state = json.load(file)
    {"create": lambda _: create(), "write": write, "check": check}[action](state)
    with open(path, "w") as file:
        json.dump(state, file)
    sys.exit(failures > 0)


main()

"""Kafka's clients for Python produce and consume. HEADWATER_KAFKA says where the server is; prints one line a check."""

import asyncio
import os
import sys
import time
import traceback

import aiokafka
import kafka
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

SERVER = os.environ["HEADWATER_KAFKA"]
PATIENCE = 30
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
CHECKS = []

admin = AdminClient({"bootstrap.servers": SERVER})


def check(function):
    CHECKS.append(function)
    return function


def equal(what, seen, expected):
    if seen != expected:
        raise AssertionError(f"{what}: expected {expected!r:.300}, saw {seen!r:.300}")


def true(what, condition):
    if not condition:
        raise AssertionError(what)


def topic(name, partitions=1, config=None):
    admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(PATIENCE)
    return name


def produce(name, records, **settings):
    """Records as keyword arguments of `produce`; gives the messages as they were acknowledged, in that order."""
    acknowledged, errors = [], []

    def delivered(error, message):
        if error:
            errors.append(error)
        else:
            acknowledged.append(message)

    sender = Producer({"bootstrap.servers": SERVER, "linger.ms": 50} | settings)
    for record in records:
        while True:
            try:
                sender.produce(name, on_delivery=delivered, **record)
                break
            except BufferError:
                sender.poll(0.1)
    true("everything is delivered", sender.flush(PATIENCE) == 0)
    if errors:
        raise KafkaException(errors[0])
    return acknowledged


def reader(**settings):
    return Consumer({"bootstrap.servers": SERVER, "group.id": "nobody", "enable.auto.commit": False} | settings)


def consume(consumer, count):
    found = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        true(f"{count} messages within {PATIENCE} s, saw {len(found)}", time.monotonic() < deadline)
        for message in consumer.consume(count - len(found), 0.5):
            if message.error():
                raise KafkaException(message.error())
            found.append(message)
    return found


def read(name, count, partition=0, start=OFFSET_BEGINNING, **settings):
    consumer = reader(**settings)
    consumer.assign([TopicPartition(name, partition, start)])
    found = consume(consumer, count)
    consumer.close()
    return found


@check
def librdkafka_produces_with_every_codec():
    for codec in CODECS:
        name = topic(f"rd-{codec}")
        values = [f"{codec} {n}".encode() * 20 for n in range(3_000)]
        sent = produce(name, [{"value": value} for value in values], **{"compression.type": codec})
        equal("offsets", [message.offset() for message in sent], list(range(3_000)))
        equal(codec, [message.value() for message in read(name, 3_000)], values)


@check
def librdkafka_produces_with_each_acknowledgement_and_idempotently():
    name = topic("rd-acks")
    for acks in ("all", "1", "0"):
        produce(name, [{"value": acks}], acks=acks)
    produce(name, [{"value": f"{n}"} for n in range(1_000)], **{"enable.idempotence": True, "batch.num.messages": 10})
    found = [message.value().decode() for message in read(name, 1_003)]
    equal("in order", found, ["all", "1", "0"] + [f"{n}" for n in range(1_000)])


@check
def librdkafka_sees_keys_headers_and_timestamps():
    name = topic("rd-records")
    produce(name, [{"key": "k", "value": "v", "timestamp": 1_600_000_000_123, "headers": [("a", b"1"), ("a", None)]}])
    produce(name, [{"key": None, "value": None}])
    one, two = read(name, 2)
    equal("record", (one.key(), one.value(), one.timestamp()[1]), (b"k", b"v", 1_600_000_000_123))
    equal("headers", one.headers(), [("a", b"1"), ("a", None)])
    equal("nothing", (two.key(), two.value(), two.headers()), (None, None, None))


@check
def librdkafka_sends_ten_megabytes_where_the_topic_takes_them():
    large = os.urandom(9_900_000)
    settings = {"message.max.bytes": 50_000_000}
    small = topic("rd-small")
    try:
        produce(small, [{"value": large}], **settings)
        raise AssertionError("a topic took more than its max.message.bytes")
    except KafkaException as error:
        equal("refused", error.args[0].code(), KafkaError.MSG_SIZE_TOO_LARGE)
    name = topic("rd-large", config={"max.message.bytes": str(10 << 20)})
    produce(name, [{"value": large}, {"value": "small"}], **settings)
    # Smaller fetches than the message: it comes all the same.
    found = read(name, 2, **{"fetch.message.max.bytes": 100_000, "max.partition.fetch.bytes": 100_000})
    true("it comes whole", found[0].value() == large and found[1].value() == b"small")


@check
def each_partitioner_is_served():
    name = topic("rd-partitions", 6)
    for partitioner in ("random", "consistent", "consistent_random", "murmur2", "murmur2_random", "fnv1a"):
        sent = produce(name, [{"key": f"k{n}", "value": partitioner} for n in range(60)], partitioner=partitioner)
        equal(partitioner, len({message.partition() for message in sent}), 6)
    consumer = reader()
    consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for partition in range(6)])
    equal("all", len(consume(consumer, 360)), 360)
    consumer.close()


@check
def offsets_are_found_by_time_and_at_the_ends():
    name = topic("rd-times")
    start = int(time.time() * 1000) - 1_000_000
    produce(name, [{"value": f"{n}", "timestamp": start + 1_000 * n} for n in range(100)], **{"compression.type": "gzip"})
    consumer = reader()
    equal("watermarks", consumer.get_watermark_offsets(TopicPartition(name, 0), PATIENCE), (0, 100))
    for at, offset in ((0, 0), (start + 41_500, 42), (start + 99_000, 99), (start + 99_001, OFFSET_END)):
        (found,) = consumer.offsets_for_times([TopicPartition(name, 0, at)], PATIENCE)
        equal(f"at {at}", found.offset, offset)
    consumer.close()
    equal("from the middle", read(name, 1, start=57)[0].value(), b"57")


@check
def a_long_poll_waits_until_there_is_something():
    name = topic("rd-waiting")
    consumer = reader(**{"fetch.wait.max.ms": 3_000})
    consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    equal("nothing", consumer.poll(0.5), None)
    for n in range(3):
        started = time.monotonic()
        produce(name, [{"value": f"{n}"}], **{"linger.ms": 0})
        equal("news", consume(consumer, 1)[0].value(), f"{n}".encode())
        true("at once", time.monotonic() - started < 2)
    consumer.close()


@check
def an_offset_out_of_range_is_told():
    name = topic("rd-range")
    produce(name, [{"value": "only"}])
    consumer = reader(**{"auto.offset.reset": "error"})
    consumer.assign([TopicPartition(name, 0, 50)])
    deadline = time.monotonic() + PATIENCE
    message = None
    while message is None:
        true("in time", time.monotonic() < deadline)
        message = consumer.poll(0.5)
    equal("error", message.error().code(), KafkaError._AUTO_OFFSET_RESET)
    consumer.close()
    equal("or begun anew", read(name, 1, start=50, **{"auto.offset.reset": "earliest"})[0].value(), b"only")


@check
def aiokafka_produces_and_consumes():
    async def run():
        for codec in CODECS:
            name = topic(f"aio-{codec}", 2)
            producer = aiokafka.AIOKafkaProducer(
                bootstrap_servers=SERVER, compression_type=None if codec == "none" else codec, enable_idempotence=True
            )
            await producer.start()
            sends = [
                await producer.send(name, f"{n}".encode(), key=b"k", partition=n % 2, headers=[("h", b"1")])
                for n in range(200)
            ]
            written = await asyncio.gather(*sends)
            equal("offsets", sorted(one.offset for one in written if one.partition == 1), list(range(100)))
            await producer.stop()
            consumer = aiokafka.AIOKafkaConsumer(bootstrap_servers=SERVER, auto_offset_reset="earliest")
            await consumer.start()
            consumer.assign([aiokafka.TopicPartition(name, partition) for partition in range(2)])
            found = []
            while len(found) < 200:
                message = await asyncio.wait_for(consumer.getone(), PATIENCE)
                found.append(int(message.value))
                equal("headers", message.headers, (("h", b"1"),))
            equal(codec, sorted(found), list(range(200)))
            await consumer.stop()

    asyncio.run(run())


@check
def kafka_python_produces_and_consumes():
    for codec in CODECS:
        name = topic(f"ng-{codec}")
        producer = kafka.KafkaProducer(
            bootstrap_servers=SERVER, compression_type=None if codec == "none" else codec, linger_ms=20
        )
        sends = [producer.send(name, f"{n}".encode(), key=b"k", headers=[("h", b"1")]) for n in range(200)]
        equal("offsets", [one.get(PATIENCE).offset for one in sends], list(range(200)))
        producer.close()
        consumer = kafka.KafkaConsumer(bootstrap_servers=SERVER, auto_offset_reset="earliest", consumer_timeout_ms=10_000)
        consumer.assign([kafka.TopicPartition(name, 0)])
        found = []
        for message in consumer:
            found.append(int(message.value))
            if len(found) == 200:
                break
        equal(codec, found, list(range(200)))
        ends = consumer.end_offsets([kafka.TopicPartition(name, 0)])
        equal("end", list(ends.values()), [200])
        consumer.close()


def main():
    failed = 0
    for function in CHECKS:
        if not all(part in function.__name__ for part in sys.argv[1:]):
            continue
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

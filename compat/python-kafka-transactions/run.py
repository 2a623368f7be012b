"""Transactions through confluent-kafka (librdkafka) and aiokafka: what readers of committed records see, and who is shut out."""

import asyncio
import os
import sys
import time
import uuid

import aiokafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = os.environ["HEADWATER_KAFKA"]
PATIENCE = 30
failures = 0


def expect(what, seen, expected):
    global failures
    is_right = seen == expected
    failures += not is_right
    print(("ok   " if is_right else "FAIL ") + what + ("" if is_right else f": expected {expected!r}, saw {seen!r}"))


def new_topic(partitions=1):
    name = f"transactions-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": BROKER})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(PATIENCE)
    return name


def producer(transactional_id, **more):
    config = {"bootstrap.servers": BROKER, "transactional.id": transactional_id, "linger.ms": 0}
    return Producer(config | more)


def begun(transactional_id, **more):
    one = producer(transactional_id, **more)
    one.init_transactions(PATIENCE)
    return one


def read(topic, isolation, partitions=1):
    """Values of all there is to read, and whether the reader came to the end that it was told of."""
    consumer = Consumer({
        "bootstrap.servers": BROKER, "group.id": "unused", "isolation.level": isolation,
        "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest",
    })
    consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
    values, ends, deadline = [], 0, time.monotonic() + PATIENCE
    while ends < partitions and time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            ends += 1
        else:
            values.append(message.value().decode())
    consumer.close()
    return values


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return expect(what, True, True)
        time.sleep(0.1)
    expect(what, False, True)


def commit_and_abort():
    topic = new_topic(2)
    one = begun(uuid.uuid4().hex)
    for number, end in enumerate([one.commit_transaction, one.abort_transaction, one.commit_transaction]):
        one.begin_transaction()
        for index in range(3):
            one.produce(topic, f"{number}.{index}", partition=index % 2)
        one.flush()
        if number == 0:
            expect("an open transaction is hidden", read(topic, "read_committed", 2), [])
            expect("but not from all", sorted(read(topic, "read_uncommitted", 2)), ["0.0", "0.1", "0.2"])
        end(PATIENCE)
    expect("committed is read", sorted(read(topic, "read_committed", 2)), ["0.0", "0.1", "0.2", "2.0", "2.1", "2.2"])
    expect("all is read", len(read(topic, "read_uncommitted", 2)), 9)
    one.begin_transaction()
    one.commit_transaction(PATIENCE)
    expect("an empty one changes nothing", len(read(topic, "read_committed", 2)), 6)
    plain = Producer({"bootstrap.servers": BROKER})
    one.begin_transaction()
    one.produce(topic, "open", partition=0)
    one.flush()
    plain.produce(topic, "plain", partition=0)
    plain.flush()
    expect("what comes after an open one waits", "plain" in read(topic, "read_committed", 2), False)
    one.abort_transaction(PATIENCE)
    expect("and comes when it is over", "plain" in read(topic, "read_committed", 2), True)


def zombie():
    topic, name = new_topic(), uuid.uuid4().hex
    old = begun(name)
    old.begin_transaction()
    old.produce(topic, "old")
    old.flush()
    new = begun(name)
    new.begin_transaction()
    new.produce(topic, "new")
    new.commit_transaction(PATIENCE)
    try:
        old.produce(topic, "zombie")
        old.commit_transaction(PATIENCE)
        expect("a zombie is shut out", "committed", "an error")
    except KafkaException as error:
        fatal = error.args[0]
        expect("a zombie is shut out", (fatal.fatal(), fatal.code() == KafkaError._FENCED), (True, True))
    expect("only the new one's is there", read(topic, "read_committed"), ["new"])


def late():
    topic = new_topic()
    one = begun(uuid.uuid4().hex, **{"transaction.timeout.ms": 2000, "message.timeout.ms": 2000})
    one.begin_transaction()
    one.produce(topic, "late")
    one.flush()
    plain = Producer({"bootstrap.servers": BROKER})
    plain.produce(topic, "plain")
    plain.flush()
    until("a late transaction is aborted", lambda: read(topic, "read_committed") == ["plain"])
    try:
        one.commit_transaction(PATIENCE)
        expect("and cannot be committed", "committed", "an error")
    except KafkaException as error:
        expect("and cannot be committed", error.args[0].fatal() or error.args[0].txn_requires_abort(), True)


def copies():
    """Consume, transform, produce: offsets are committed with the records, or neither."""
    source, target, group = new_topic(), new_topic(), uuid.uuid4().hex
    plain = Producer({"bootstrap.servers": BROKER})
    for number in range(10):
        plain.produce(source, str(number))
    plain.flush()
    consumer = Consumer({"bootstrap.servers": BROKER, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    one = begun(uuid.uuid4().hex)
    position = 0
    for end in (one.abort_transaction, one.commit_transaction):
        consumer.assign([TopicPartition(source, 0, position)])
        one.begin_transaction()
        count, deadline = 0, time.monotonic() + PATIENCE
        while count < 10 and time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is not None and not message.error():
                one.produce(target, message.value() + b"!")
                count += 1
        one.send_offsets_to_transaction([TopicPartition(source, 0, 10)], consumer.consumer_group_metadata(), PATIENCE)
        end(PATIENCE)
        committed = consumer.committed([TopicPartition(source, 0)], PATIENCE)[0].offset
        expect("offsets end as their transaction does", committed, 10 if end == one.commit_transaction else -1001)
    consumer.close()
    expect("and so do the copies", read(target, "read_committed"), [f"{number}!" for number in range(10)])


async def by_aiokafka():
    topic, name = new_topic(), uuid.uuid4().hex
    one = aiokafka.AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=name)
    await one.start()
    async with one.transaction():
        await one.send_and_wait(topic, b"committed")
    try:
        async with one.transaction():
            await one.send_and_wait(topic, b"aborted")
            raise ValueError("on purpose")
    except ValueError:
        pass
    async with one.transaction():
        await one.send_and_wait(topic, b"again")
    await one.stop()
    reader = aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=BROKER, isolation_level="read_committed", auto_offset_reset="earliest", group_id=None)
    await reader.start()
    values = [(await asyncio.wait_for(reader.getone(), PATIENCE)).value.decode() for _ in range(2)]
    await reader.stop()
    expect("aiokafka reads what it committed", values, ["committed", "again"])


def main():
    checks = {"commit": commit_and_abort, "zombie": zombie, "late": late, "copies": copies, "aiokafka": lambda: asyncio.run(by_aiokafka())}
    for name in sys.argv[1:] or checks:
        checks[name]()
    sys.exit(failures > 0)


main()

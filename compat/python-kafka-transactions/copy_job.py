"""A job that copies a topic, exactly once: each transaction holds some copies and the offsets they were read at. Its server is
killed and started again meanwhile, however often. In the end every record must be there once and in order.

Prints a line each time a transaction is committed, so that whoever kills the server knows how far it is.
"""

import os
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = os.environ["HEADWATER_KAFKA"]
SOURCE, TARGET, GROUP = "copy-source", "copy-target", "copy-job"
PARTITIONS = 3
RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
AT_ONCE = 20
PATIENCE = 60
# librdkafka 2.16 begins anew with its bootstrap servers when no broker is left, and then waits for ever on the one it dropped.
CLIENT = {"bootstrap.servers": BROKER, "metadata.recovery.strategy": "none"}
DEADLINE = time.monotonic() + 240


def fill():
    admin = AdminClient({"bootstrap.servers": BROKER})
    topics = [NewTopic(SOURCE, PARTITIONS, 1), NewTopic(TARGET, PARTITIONS, 1)]
    for made in admin.create_topics(topics).values():
        made.result(PATIENCE)
    plain = Producer({"bootstrap.servers": BROKER, "enable.idempotence": True})
    for number in range(RECORDS):
        plain.produce(SOURCE, str(number), partition=number % PARTITIONS)
    assert plain.flush(PATIENCE) == 0


class Job:
    def __init__(self):
        self.consumer = Consumer(CLIENT | {
            "group.id": GROUP, "enable.auto.commit": False, "isolation.level": "read_committed",
            "auto.offset.reset": "earliest", "enable.partition.eof": True,
        })
        self.producer = None
        self.begin()

    def begin(self):
        """A new instance, which shuts out the one before, at the offsets that were committed."""
        self.producer = Producer(CLIENT | {"transactional.id": "copy-job", "transaction.timeout.ms": 60000})
        self.insist(lambda: self.producer.init_transactions(PATIENCE))
        self.rewind()

    def rewind(self):
        asked = [TopicPartition(SOURCE, index) for index in range(PARTITIONS)]
        committed = self.insist(lambda: self.consumer.committed(asked, PATIENCE))
        self.offsets = [max(one.offset, 0) for one in committed]
        self.consumer.assign([TopicPartition(SOURCE, index, offset) for index, offset in enumerate(self.offsets)])

    @staticmethod
    def insist(act):
        """Again and again, as long as the failure is one that passes."""
        while True:
            try:
                return act()
            except KafkaException as error:
                if not passes(error.args[0]) or time.monotonic() > DEADLINE:
                    raise

    def is_done(self):
        return sum(self.offsets) >= RECORDS

    def copy_some(self):
        batch, deadline = [], time.monotonic() + 2
        while len(batch) < AT_ONCE and time.monotonic() < deadline:
            for message in self.consumer.consume(AT_ONCE - len(batch), 0.2):
                if not message.error():
                    batch.append(message)
        if not batch:
            return
        self.producer.begin_transaction()
        for message in batch:
            self.producer.produce(TARGET, message.value(), partition=message.partition())
        offsets = list(self.offsets)
        for message in batch:
            offsets[message.partition()] = message.offset() + 1
        asked = [TopicPartition(SOURCE, index, offset) for index, offset in enumerate(offsets)]
        group = self.consumer.consumer_group_metadata()
        self.insist(lambda: self.producer.send_offsets_to_transaction(asked, group, PATIENCE))
        self.insist(lambda: self.producer.commit_transaction(PATIENCE))
        self.offsets = offsets
        print(f"copied {sum(offsets)}", flush=True)

    def run(self):
        while not self.is_done():
            assert time.monotonic() < DEADLINE, f"no further than {sum(self.offsets)}"
            try:
                self.copy_some()
            except KafkaException as error:
                print(f"     {error.args[0]}", flush=True)
                if error.args[0].txn_requires_abort():
                    self.insist(lambda: self.producer.abort_transaction(PATIENCE))
                    self.rewind()
                else:
                    self.begin()


def passes(error):
    waits = (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._WAIT_COORD)
    return error.retriable() or error.code() in waits


def verify():
    consumer = Consumer(CLIENT | {
        "group.id": "verify", "enable.auto.commit": False, "isolation.level": "read_committed",
        "auto.offset.reset": "earliest", "enable.partition.eof": True,
    })
    consumer.assign([TopicPartition(TARGET, index, 0) for index in range(PARTITIONS)])
    values, ends = [[] for _ in range(PARTITIONS)], 0
    while ends < PARTITIONS and time.monotonic() < DEADLINE:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            ends += message.error().code() == KafkaError._PARTITION_EOF
        else:
            values[message.partition()].append(int(message.value()))
    consumer.close()
    expected = [list(range(index, RECORDS, PARTITIONS)) for index in range(PARTITIONS)]
    is_right = values == expected
    seen = sum(len(part) for part in values)
    print(("ok   " if is_right else "FAIL ") + f"{RECORDS} records copied once and in order" + ("" if is_right else f": saw {seen}"))
    return is_right


fill()
Job().run()
sys.exit(not verify())

"""What the checks of groups stand on: topics, members, and waiting for what must come."""

import os
import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = os.environ["HEADWATER_KAFKA"]
# A member that dies is noticed after its session: 6 s at the least, and 45 s where the server decides.
PATIENCE = 90
PARTITIONS = 6


# One for all: what is asked of a client that nothing holds any more is never answered.
ADMIN = AdminClient({"bootstrap.servers": BROKER})


def new_topic(records=0):
    """A topic with so many records in each partition."""
    name = f"groups-{uuid.uuid4().hex[:8]}"
    ADMIN.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(PATIENCE)
    producer = Producer({"bootstrap.servers": BROKER, "linger.ms": 0})
    for index in range(PARTITIONS):
        for number in range(records):
            producer.produce(name, f"{index}-{number}", partition=index, timestamp=1_700_000_000_000 + number)
    assert producer.flush(PATIENCE) == 0
    return name


def consumer(group, protocol, **more):
    config = {
        "bootstrap.servers": BROKER, "group.id": group, "group.protocol": protocol,
        "auto.offset.reset": "earliest", "enable.auto.commit": False,
    }
    if protocol == "classic":
        config |= {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    return Consumer(config | more)


def wait_for(what, condition, poll=lambda: time.sleep(0.05)):
    """Polls until the condition holds; raises where it never does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {PATIENCE} s")
        poll()


def shares(members):
    return sorted(len(member.assignment()) for member in members)


def balance(members, expected):
    """Polls all members until they have shares of these sizes, and together each partition once."""
    def poll():
        for member in members:
            member.poll(0.05)

    def is_balanced():
        places = [(one.topic, one.partition) for member in members for one in member.assignment()]
        return shares(members) == sorted(expected) and len(places) == len(set(places))

    wait_for(f"shares of {expected}", is_balanced, poll)


def read_all(member, count):
    values = []

    def poll():
        message = member.poll(0.1)
        if message is not None and message.error() is None:
            values.append(message.value().decode())

    wait_for(f"{count} records", lambda: len(values) >= count, poll)
    return values

"""Members over a kill of the server: it is killed and started again once this says "ready", and whoever does so answers with a
line. Nobody loses a partition, and what was committed is still there."""

import sys

from confluent_kafka import Producer, TopicPartition

from groups import BROKER, PARTITIONS, PATIENCE, balance, consumer, new_topic, wait_for


class World:
    """Two members who share a topic, and what they are told of their partitions."""

    def __init__(self, protocol):
        self.protocol, self.topic, self.told = protocol, new_topic(records=1), []
        session = {"session.timeout.ms": 45000} if protocol == "classic" else {}
        self.members = [consumer(f"survive-{self.topic}", protocol, **session) for _ in range(2)]
        for member in self.members:
            member.subscribe(
                [self.topic],
                on_revoke=lambda *_: self.told.append("revoked"),
                on_lost=lambda *_: self.told.append("lost"),
            )
        balance(self.members, [3, 3])
        for member in self.members:
            for place in member.assignment():
                committed = TopicPartition(self.topic, place.partition, 1, metadata="before")
                member.commit(offsets=[committed], asynchronous=False)
        self.told.clear()

    def go_on(self):
        places = [TopicPartition(self.topic, index) for index in range(PARTITIONS)]
        found = self.members[0].committed(places, PATIENCE)
        assert [(one.offset, one.metadata) for one in found] == [(1, "before")] * PARTITIONS, found
        producer = Producer({"bootstrap.servers": BROKER})
        for index in range(PARTITIONS):
            producer.produce(self.topic, f"after-{index}", partition=index)
        assert producer.flush(PATIENCE) == 0
        read = []

        def poll():
            for member in self.members:
                message = member.poll(0.1)
                if message is not None and message.error() is None:
                    read.append(message.value().decode())

        wait_for("all records", lambda: sum(value.startswith("after") for value in read) == PARTITIONS, poll)
        # Commits show that each is still a member of the same generation or epoch.
        for member in self.members:
            member.commit(asynchronous=False)
        assert self.told == [], f"{self.protocol}: {self.told}"
        assert [len(member.assignment()) for member in self.members] == [3, 3]
        print(f"ok   members of a {self.protocol} group go on after a kill of the server", flush=True)
        for member in self.members:
            member.close()


worlds = [World("classic"), World("consumer")]
print("ready", flush=True)
sys.stdin.readline()
for world in worlds:
    world.go_on()

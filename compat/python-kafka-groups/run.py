"""Groups of consumers: who reads what, who takes over, what is committed. One line a check; exits with 1 where one fails."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import aiokafka
import kafka
from confluent_kafka import ConsumerGroupState, ConsumerGroupType, ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from confluent_kafka.admin import NewTopic
from groups import ADMIN, BROKER, PARTITIONS, PATIENCE, balance, consumer, new_topic, read_all, shares, wait_for

CHECKS = []
PROTOCOLS = ("classic", "consumer")


def check(function):
    CHECKS.append((function.__name__.replace("_", " "), function))
    return function


def check_by_protocol(function):
    for protocol in PROTOCOLS:
        name = f"{function.__name__.replace('_', ' ')} ({protocol})"
        CHECKS.append((name, lambda protocol=protocol: function(protocol)))
    return function


@check_by_protocol
def members_share_a_topic_and_one_that_leaves_makes_room(protocol):
    topic = new_topic(records=2)
    group = f"leave-{topic}"
    members = [consumer(group, protocol) for _ in range(3)]
    for member in members:
        member.subscribe([topic])
    balance(members, [2, 2, 2])
    members.pop().close()
    balance(members, [3, 3])
    members.pop().close()
    balance(members, [6])
    members.pop().close()


@check_by_protocol
def the_partitions_of_a_member_that_is_killed_go_to_another(protocol):
    topic = new_topic(records=1)
    group = f"kill-{topic}"
    member = consumer(group, protocol)
    member.subscribe([topic])
    balance([member], [6])
    doomed = subprocess.Popen([sys.executable, __file__, "--member", group, protocol, topic], stdout=subprocess.PIPE)
    wait_for("two members", lambda: len(member.assignment()) == 3, lambda: member.poll(0.1))
    assert doomed.stdout.readline() == b"3\n"
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    balance([member], [6])
    member.close()


@check_by_protocol
def a_static_member_that_is_started_again_has_what_it_had(protocol):
    topic = new_topic(records=1)
    group = f"static-{topic}"
    rebalances = []
    members = [consumer(group, protocol, **{"group.instance.id": name}) for name in ("one", "two")]
    for member in members:
        member.subscribe([topic], on_revoke=lambda *_: rebalances.append(1))
    balance(members, [3, 3])
    rebalances.clear()
    had = sorted(one.partition for one in members[1].assignment())
    members[1].close()
    rebalances.clear()
    members[1] = consumer(group, protocol, **{"group.instance.id": "two"})
    members[1].subscribe([topic])
    balance(members, [3, 3])
    assert sorted(one.partition for one in members[1].assignment()) == had
    assert rebalances == [], "the other member was asked to let go"
    for member in members:
        member.close()


@check_by_protocol
def what_is_committed_is_where_the_next_member_begins(protocol):
    topic = new_topic(records=3)
    group = f"commit-{topic}"
    member = consumer(group, protocol)
    member.subscribe([topic])
    read_all(member, 3 * PARTITIONS)
    places = [TopicPartition(topic, index, 2, metadata=f"words {index}") for index in range(PARTITIONS)]
    member.commit(offsets=places, asynchronous=False)
    found = member.committed(places, PATIENCE)
    assert [(one.offset, one.metadata) for one in found] == [(2, f"words {index}") for index in range(PARTITIONS)]
    member.close()
    after = consumer(group, protocol)
    after.subscribe([topic])
    assert sorted(read_all(after, PARTITIONS)) == [f"{index}-2" for index in range(PARTITIONS)]
    after.close()


@check_by_protocol
def a_group_is_set_back_to_a_time(protocol):
    topic = new_topic(records=5)
    group = f"reset-{topic}"
    member = consumer(group, protocol)
    member.subscribe([topic])
    read_all(member, 5 * PARTITIONS)
    member.commit(asynchronous=False)
    wanted = [TopicPartition(topic, index, 1_700_000_000_003) for index in range(PARTITIONS)]
    found = member.offsets_for_times(wanted, PATIENCE)
    assert [one.offset for one in found] == [3] * PARTITIONS
    member.close()

    def set_back():
        request = [ConsumerGroupTopicPartitions(group, found)]
        done = ADMIN.alter_consumer_group_offsets(request)[group].result(PATIENCE)
        return {one.error and one.error.name() for one in done.topic_partitions}

    assert set_back() == {None}
    member = consumer(group, protocol)
    member.subscribe([topic])
    assert len(read_all(member, 2 * PARTITIONS)) == 2 * PARTITIONS
    assert set_back() == {"UNKNOWN_MEMBER_ID"}, "offsets of a group with members were altered"
    member.close()


@check_by_protocol
def a_pattern_reads_topics_that_come_later(protocol):
    topic = new_topic(records=1)
    member = consumer(f"pattern-{topic}", protocol, **{"topic.metadata.refresh.interval.ms": 1000})
    member.subscribe([f"^{topic}.*"])
    balance([member], [6])
    later = f"{topic}-later"
    ADMIN.create_topics([NewTopic(later, 2, 1)])[later].result(PATIENCE)
    balance([member], [8])
    member.close()


@check_by_protocol
def a_group_is_listed_described_and_deleted(protocol):
    topic = new_topic(records=1)
    group = f"admin-{topic}"
    member = consumer(group, protocol, **{"client.id": "teller"})
    member.subscribe([topic])
    read_all(member, PARTITIONS)
    member.commit(asynchronous=False)
    kind = ConsumerGroupType.CLASSIC if protocol == "classic" else ConsumerGroupType.CONSUMER
    listed = ADMIN.list_consumer_groups(states={ConsumerGroupState.STABLE}, types={kind}).result(PATIENCE)
    assert group in [one.group_id for one in listed.valid]
    other = ConsumerGroupType.CONSUMER if protocol == "classic" else ConsumerGroupType.CLASSIC
    listed = ADMIN.list_consumer_groups(types={other}).result(PATIENCE)
    assert group not in [one.group_id for one in listed.valid]
    described = ADMIN.describe_consumer_groups([group])[group].result(PATIENCE)
    assert described.state == ConsumerGroupState.STABLE, described.state
    assert [one.client_id for one in described.members] == ["teller"]
    assert len(described.members[0].assignment.topic_partitions) == PARTITIONS
    try:
        ADMIN.delete_consumer_groups([group])[group].result(PATIENCE)
        raise AssertionError("a group with members was deleted")
    except KafkaException as error:
        assert error.args[0].name() == "NON_EMPTY_GROUP", error
    member.close()
    ADMIN.delete_consumer_groups([group])[group].result(PATIENCE)
    listed = ADMIN.list_consumer_groups().result(PATIENCE)
    assert group not in [one.group_id for one in listed.valid]


@check
def a_topic_made_again_under_its_name_begins_without_offsets():
    topic = new_topic(records=2)
    group = f"again-{topic}"
    member = consumer(group, "classic")
    places = [TopicPartition(topic, 0, 2)]
    member.commit(offsets=places, asynchronous=False)
    assert member.committed(places, PATIENCE)[0].offset == 2
    ADMIN.delete_topics([topic])[topic].result(PATIENCE)
    ADMIN.create_topics([NewTopic(topic, 1, 1)])[topic].result(PATIENCE)
    assert member.committed(places, PATIENCE)[0].offset < 0
    member.close()


@check
def kafka_python_shares_commits_and_takes_over():
    topic = new_topic(records=2)
    first, second = (PythonMember(topic, f"python-{topic}") for _ in range(2))
    wait_for("two members share", lambda: first.share == 3 and second.share == 3)
    second.close()
    wait_for("one takes over", lambda: first.share == PARTITIONS)
    first.close()
    assert second.committed == [1, 1, 1] and first.committed == [1] * PARTITIONS


class PythonMember:
    """A member that polls in a thread of its own: joining, it waits for the others. At its end it commits 1 everywhere."""

    def __init__(self, topic, group):
        self.share, self.committed, self.is_closed = 0, None, threading.Event()
        self.thread = threading.Thread(target=self.run, args=(topic, group))
        self.thread.start()

    def run(self, topic, group):
        member = kafka.KafkaConsumer(
            topic, bootstrap_servers=BROKER, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False,
            session_timeout_ms=6000, heartbeat_interval_ms=500,
        )
        while not self.is_closed.is_set():
            member.poll(100)
            self.share = len(member.assignment())
        member.commit({place: kafka.OffsetAndMetadata(1, "words") for place in member.assignment()})
        self.committed = [member.committed(place) for place in member.assignment()]
        member.close()

    def close(self):
        self.is_closed.set()
        self.thread.join()


@check
def aiokafka_shares_commits_and_takes_over():
    asyncio.run(aiokafka_members(new_topic(records=2)))


async def aiokafka_members(topic):
    def member():
        return aiokafka.AIOKafkaConsumer(
            topic, bootstrap_servers=BROKER, group_id=f"aio-{topic}", auto_offset_reset="earliest",
            enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=500,
        )

    async def wait(condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "not in time"
            await asyncio.sleep(0.05)

    first, second = member(), member()
    await first.start()
    await second.start()
    await wait(lambda: len(first.assignment()) == 3 and len(second.assignment()) == 3)
    place = aiokafka.TopicPartition(topic, min(one.partition for one in first.assignment()))
    await first.commit({place: (1, "words")})
    assert await first.committed(place) == 1
    await second.stop()
    await wait(lambda: len(first.assignment()) == 6)
    await first.stop()


def run_member(group, protocol, topic):
    """A member in a process of its own, which says what its share is once it has less than all."""
    member = consumer(group, protocol)
    member.subscribe([topic])
    wait_for("a share", lambda: shares([member]) == [3], lambda: member.poll(0.1))
    print(len(member.assignment()), flush=True)
    while True:
        member.poll(1)


def run(named):
    name, function = named
    try:
        function()
        print(f"ok   {name}", flush=True)
        return True
    except Exception:
        print(f"FAIL {name}\n{traceback.format_exc()}", flush=True)
        return False


if __name__ == "__main__":
    if sys.argv[1:2] == ["--member"]:
        run_member(*sys.argv[2:])
    chosen = [one for one in CHECKS if all(word in one[0] for word in sys.argv[1:])]
    with ThreadPoolExecutor(len(chosen)) as pool:
        sys.exit(0 if all(list(pool.map(run, chosen))) else 1)

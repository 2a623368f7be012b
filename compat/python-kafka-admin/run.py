"""Administration of topics, configurations, partitions and records by confluent-kafka (librdkafka) and kafka-python-ng.

HEADWATER_KAFKA says where the broker is. Each check has topics of its own; one line a check, and a non-zero exit where one
fails.
"""

import os
import socket
import struct
import sys
import traceback
import uuid

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Producer
from confluent_kafka import ElectionType, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from kafka.admin import ConfigResource as PythonResource
from kafka.admin import ConfigResourceType as PythonResourceType
from kafka.admin import KafkaAdminClient, NewPartitions as PythonPartitions, NewTopic as PythonTopic

BROKER = os.environ["HEADWATER_KAFKA"]
CHECKS = []
WAIT = 20


def check(function):
    CHECKS.append(function)
    return function


def admin():
    return AdminClient({"bootstrap.servers": BROKER})


def done(futures):
    """What the only future of an answer gives."""
    (future,) = futures.values()
    return future.result(timeout=WAIT)


def refused(code, futures):
    """The error that the only future of an answer gives."""
    try:
        done(futures)
    except KafkaException as error:
        found = error.args[0]
        assert found.code() == code, f"expected {code}, got {found}"
        return found.str()
    raise AssertionError(f"expected {code}, it was done")


def topic(client, partitions=1, **config):
    """A new topic."""
    name = f"admin-{uuid.uuid4().hex[:10]}"
    config = {key.replace("_", "."): value for key, value in config.items()}
    done(client.create_topics([NewTopic(name, partitions, 1, config=config)]))
    return name


def fill(name, count, partition=0):
    producer = Producer({"bootstrap.servers": BROKER})
    failures = []
    for number in range(count):
        producer.produce(name, f"value {number}".encode(), partition=partition, on_delivery=lambda e, _: e and failures.append(e))
    producer.flush(WAIT)
    assert not failures, failures


def configs(client, kind, name):
    return done(client.describe_configs([ConfigResource(kind, name)]))


def change(client, kind, name, *entries):
    entries = [ConfigEntry(key, value, incremental_operation=operation) for key, operation, value in entries]
    return client.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=entries)])


def quota(client_id, rate):
    """Sets or removes what a client may produce each second: neither library has a call for it, so the request is written out."""
    host, port = BROKER.rsplit(":", 1)
    put = lambda text: struct.pack(">h", len(text)) + text.encode()
    entity = struct.pack(">i", 1) + put("client-id") + put(client_id)
    value = put("producer_byte_rate") + struct.pack(">d?", rate or 0.0, rate is None)
    # AlterClientQuotas 0: one entry, and not to be validated only.
    body = struct.pack(">i", 1) + entity + struct.pack(">i", 1) + value + b"\0"
    request = struct.pack(">hhi", 49, 0, 7) + put("quota") + body
    with socket.create_connection((host, int(port)), WAIT) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (length,) = struct.unpack(">i", answer.read(4))
        _correlation, _throttle, _count, code = struct.unpack(">iiih", answer.read(length)[:14])
    assert code == 0, code


@check
def a_topic_is_described_with_what_it_was_made_with():
    client = admin()
    name = topic(client, 3, cleanup_policy="compact", max_message_bytes="2000000")
    found = configs(client, ResourceType.TOPIC, name)
    assert found["cleanup.policy"].value == "compact", found["cleanup.policy"]
    assert found["cleanup.policy"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    assert found["max.message.bytes"].value == "2000000"
    assert "message.max.bytes" in found["max.message.bytes"].synonyms
    assert found["retention.ms"].value == "604800000" and found["retention.ms"].is_default
    assert len(found) == 33, len(found)


@check
def configurations_are_set_added_to_taken_from_and_reset():
    client = admin()
    name = topic(client)
    kind = ResourceType.TOPIC
    done(change(client, kind, name, ("retention.ms", AlterConfigOpType.SET, "-1"), ("cleanup.policy", AlterConfigOpType.APPEND, "compact")))
    found = configs(client, kind, name)
    assert (found["retention.ms"].value, found["cleanup.policy"].value) == ("-1", "delete,compact")
    done(change(client, kind, name, ("retention.ms", AlterConfigOpType.DELETE, None), ("cleanup.policy", AlterConfigOpType.SUBTRACT, "delete")))
    found = configs(client, kind, name)
    assert (found["retention.ms"].value, found["cleanup.policy"].value) == ("604800000", "compact")
    done(client.alter_configs([ConfigResource(kind, name, set_config={"retention.bytes": "1000"})]))
    found = configs(client, kind, name)
    assert (found["retention.bytes"].value, found["cleanup.policy"].value) == ("1000", "delete")


@check
def what_cannot_be_is_refused_in_kafkas_words():
    client = admin()
    name = topic(client)
    kind = ResourceType.TOPIC
    said = refused(KafkaError.INVALID_CONFIG, change(client, kind, name, ("no.such", AlterConfigOpType.SET, "1")))
    assert "Unknown topic config name: no.such" in said, said
    said = refused(KafkaError.INVALID_CONFIG, change(client, kind, name, ("retention.ms", AlterConfigOpType.APPEND, "1")))
    assert "its type is not LIST" in said, said
    refused(KafkaError.INVALID_CONFIG, change(client, kind, name, ("retention.ms", AlterConfigOpType.SET, "soon")))
    refused(KafkaError.INVALID_REQUEST, change(client, ResourceType.BROKER, "1", ("log.segment.bytes", AlterConfigOpType.SET, "1")))
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, change(client, kind, "admin-nowhere", ("retention.ms", AlterConfigOpType.SET, "1")))
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, client.describe_configs([ConfigResource(kind, "admin-nowhere")]))


@check
def topics_follow_the_cluster_until_they_say_themselves():
    client = admin()
    name = topic(client)
    try:
        done(change(client, ResourceType.BROKER, "1", ("message.max.bytes", AlterConfigOpType.SET, "3000000")))
        found = configs(client, ResourceType.TOPIC, name)["max.message.bytes"]
        assert found.value == "3000000" and found.source == ConfigSource.DYNAMIC_BROKER_CONFIG.value, found.source
        producer = Producer({"bootstrap.servers": BROKER, "message.max.bytes": 5000000})
        seen = []
        producer.produce(name, b"x" * 2_500_000, on_delivery=lambda error, _: seen.append(error))
        producer.flush(WAIT)
        assert seen == [None], seen
    finally:
        done(change(client, ResourceType.BROKER, "1", ("message.max.bytes", AlterConfigOpType.DELETE, None)))
    found = configs(client, ResourceType.BROKER, "1")
    assert found["message.max.bytes"].value == "1048588" and not found["message.max.bytes"].is_read_only
    assert found["fetch.max.bytes"].is_read_only


@check
def partitions_are_added_and_go_on():
    client = admin()
    name = topic(client, 2)
    fill(name, 3, partition=1)
    done(client.create_partitions([NewPartitions(name, 5)], validate_only=True))
    assert len(client.list_topics(name, timeout=WAIT).topics[name].partitions) == 2
    done(client.create_partitions([NewPartitions(name, 5)]))
    assert sorted(client.list_topics(name, timeout=WAIT).topics[name].partitions) == [0, 1, 2, 3, 4]
    fill(name, 2, partition=1)
    fill(name, 1, partition=4)
    ends = client.list_offsets({TopicPartition(name, number): OffsetSpec.latest() for number in (1, 4)})
    assert sorted((at.partition, future.result(timeout=WAIT).offset) for at, future in ends.items()) == [(1, 5), (4, 1)]
    said = refused(KafkaError.INVALID_PARTITIONS, client.create_partitions([NewPartitions(name, 5)]))
    assert "Topic already has 5 partition(s)." in said, said
    said = refused(KafkaError.INVALID_PARTITIONS, client.create_partitions([NewPartitions(name, 4)]))
    assert "would not be an increase" in said, said
    refused(KafkaError.INVALID_REPLICA_ASSIGNMENT, client.create_partitions([NewPartitions(name, 6, [[9]])]))
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, client.create_partitions([NewPartitions("admin-nowhere", 4)]))


@check
def records_are_deleted_up_to_an_offset_and_all_of_them():
    client = admin()
    name = topic(client, 1)
    fill(name, 10)
    assert done(client.delete_records([TopicPartition(name, 0, 4)])).low_watermark == 4
    assert done(client.delete_records([TopicPartition(name, 0, 2)])).low_watermark == 4
    refused(KafkaError.OFFSET_OUT_OF_RANGE, client.delete_records([TopicPartition(name, 0, 11)]))
    start = done(client.list_offsets({TopicPartition(name, 0): OffsetSpec.earliest()}))
    assert start.offset == 4, start.offset
    assert done(client.delete_records([TopicPartition(name, 0, -1)])).low_watermark == 10
    compacted = topic(client, 1, cleanup_policy="compact")
    refused(KafkaError.POLICY_VIOLATION, client.delete_records([TopicPartition(compacted, 0, -1)]))


@check
def offsets_are_listed_by_what_is_asked_for():
    client = admin()
    name = topic(client)
    fill(name, 3)
    at = TopicPartition(name, 0)
    for spec, expected in [(OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 3), (OffsetSpec.for_timestamp(1), 0)]:
        for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
            found = done(client.list_offsets({at: spec}, isolation_level=level))
            assert found.offset == expected, (spec, found.offset)
    newest = done(client.list_offsets({at: OffsetSpec.max_timestamp()}))
    assert 0 <= newest.offset < 3 and newest.timestamp > 0


@check
def the_cluster_and_topics_describe_themselves():
    client = admin()
    cluster = client.describe_cluster(include_authorized_operations=True).result(timeout=WAIT)
    assert cluster.controller.id == 1 and [node.id for node in cluster.nodes] == [1], cluster
    assert cluster.cluster_id and cluster.cluster_id == client.list_topics(timeout=WAIT).cluster_id
    name = topic(client, 2)
    described = done(client.describe_topics(TopicCollection([name]), include_authorized_operations=True))
    assert [partition.leader.id for partition in described.partitions] == [1, 1]
    assert not described.is_internal and described.topic_id
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, client.describe_topics(TopicCollection(["admin-nowhere"])))


@check
def there_is_nobody_else_to_elect():
    client = admin()
    name = topic(client)
    at = TopicPartition(name, 0)
    for kind in (ElectionType.PREFERRED, ElectionType.UNCLEAN):
        found = client.elect_leaders(kind, [at]).result(timeout=WAIT)
        assert found[at].code() == KafkaError.ELECTION_NOT_NEEDED, found[at]
    # All partitions: those that need no election are left out.
    assert client.elect_leaders(ElectionType.PREFERRED).result(timeout=WAIT) == {}


@check
def topics_are_made_deleted_and_made_again():
    client = admin()
    name = topic(client, 2)
    fill(name, 3)
    refused(KafkaError.TOPIC_ALREADY_EXISTS, client.create_topics([NewTopic(name, 1, 1)]))
    done(client.delete_topics([name]))
    done(client.create_topics([NewTopic(name, 1, 1)]))
    end = done(client.list_offsets({TopicPartition(name, 0): OffsetSpec.latest()}))
    assert end.offset == 0, end.offset
    dotted, flat = f"{name}.a_b", f"{name}_a.b"
    done(client.create_topics([NewTopic(dotted, 1, 1)]))
    said = refused(KafkaError.TOPIC_EXCEPTION, client.create_topics([NewTopic(flat, 1, 1)]))
    assert "collides with existing topic" in said, said
    refused(KafkaError.INVALID_REPLICATION_FACTOR, client.create_topics([NewTopic(name + "-x", 1, 3)]))
    done(client.create_topics([NewTopic(name + "-x", 1, 1)], validate_only=True))
    assert name + "-x" not in client.list_topics(timeout=WAIT).topics


@check
def a_client_over_its_quota_is_told_to_wait():
    client = admin()
    name = topic(client)
    waits = {}

    def produce(client_id):
        waits[client_id] = []
        told = lambda event: waits[client_id].append(event.throttle_time)
        producer = Producer({"bootstrap.servers": BROKER, "client.id": client_id, "throttle_cb": told})
        for _ in range(300):
            producer.produce(name, os.urandom(1000))
        producer.flush(WAIT)
        producer.poll(0)

    quota(f"{name}-slow", 200_000.0)
    try:
        # 300 kB, of which 200 kB are free: the answer to the last of them says how long to wait.
        for client_id in (f"{name}-slow", f"{name}-other"):
            produce(client_id)
    finally:
        quota(f"{name}-slow", None)
    assert not waits[f"{name}-other"], waits
    assert 0 < sum(waits[f"{name}-slow"]) < 5, waits


@check
def kafka_python_administers_topics():
    client = KafkaAdminClient(bootstrap_servers=BROKER)
    name = f"admin-{uuid.uuid4().hex[:10]}"
    client.create_topics([PythonTopic(name, 1, 1, topic_configs={"retention.ms": "1000"})])
    client.create_partitions({name: PythonPartitions(3)})
    described = client.describe_topics([name])
    assert len(described[0]["partitions"]) == 3, described
    resource = PythonResource(PythonResourceType.TOPIC, name)
    answers = client.describe_configs([resource])
    found = {entry[0]: entry[1] for answer in answers for entry in answer.resources[0][4]}
    assert found["retention.ms"] == "1000", found
    client.alter_configs([PythonResource(PythonResourceType.TOPIC, name, configs={"retention.ms": "2000"})])
    answers = client.describe_configs([resource], include_synonyms=True)
    found = {entry[0]: entry[1] for answer in answers for entry in answer.resources[0][4]}
    assert found["retention.ms"] == "2000", found
    assert client.describe_cluster()["controller_id"] == 1
    client.delete_topics([name])
    assert name not in client.list_topics()
    client.close()


def main():
    wanted = sys.argv[1:]
    failed = 0
    for function in CHECKS:
        if wanted and not any(word in function.__name__ for word in wanted):
            continue
        try:
            function()
            print(f"ok   {function.__name__}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL {function.__name__}\n{traceback.format_exc()}", flush=True)
    print(f"{len(CHECKS)} checks, {failed} failed")
    sys.exit(1 if failed else 0)


main()
